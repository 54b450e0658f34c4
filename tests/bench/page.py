"""Write the figures into docs/performance.md, so that none is ever typed by hand."""

from collections import Counter
from pathlib import Path

from tests.bench.figures import figures
from tests.bench.results import Results
from tests.bench.table import markdown, rows

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
HEADING = "## The figures"


def renewed(page: str, results: Results) -> str:
    """Return the page with its figures made anew; everything else stays."""
    before, heading, rest = page.partition(f"{HEADING}\n")
    if not heading:
        raise ValueError(f"the page has no {HEADING!r}")
    _, more, after = rest.partition("\n## ")
    return f"{before}{heading}\n{section(results)}\n{more}{after}"


def section(results: Results) -> str:
    """Return what stands below the heading: where it was measured, and the table."""
    runs = Counter((run.case, run.streams, run.which) for run in results.runs)
    most = max(runs.values(), default=1)
    median = f"Medians of {most} runs." if most > 1 else "One run."
    return f"{_setting(results)} {median}\n\n{markdown(rows(figures(results)))}"


def _setting(results: Results) -> str:
    by_setting: dict[str, list[str]] = {}
    for part, here in sorted(results.settings.items()):
        text = (
            f"{here.day}, {here.cores} virtual cores ({here.processor}), {here.system}, "
            f"{here.libraries}; other work on the machine before: a load of {here.load_before:g}"
        )
        by_setting.setdefault(text, []).append(part)
    if len(by_setting) == 1:
        return f"Measured on {next(iter(by_setting))}."
    lines = (f"* {', '.join(parts)}: {text}." for text, parts in by_setting.items())
    return "Measured on\n\n" + "\n".join(lines) + "\n\n"
