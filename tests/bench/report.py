"""Make the plots and the tables of the documents from what was kept: `python -m tests.bench.report`."""

from tests.bench import keeping, page, plots


def main() -> None:
    """Make them anew."""
    results = keeping.load()
    for file, heading, body in (
        (page.PAGE, page.TABLE, page.table(results)),
        (page.README, page.SUMMARY, page.summary(results)),
    ):
        file.write_text(page.renewed(file.read_text(), heading=heading, body=body))
    plots.draw(results)


if __name__ == "__main__":
    main()
