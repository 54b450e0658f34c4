"""Make the plots and the table of docs/performance.md from what was kept: `python -m tests.bench.report`."""

from tests.bench import keeping, page, plots


def main() -> None:
    """Make them anew."""
    results = keeping.load()
    page.PAGE.write_text(page.renewed(page.PAGE.read_text(), results))
    plots.draw(results)


if __name__ == "__main__":
    main()
