"""Write the figures into docs/performance.md and README.md, so that none is ever typed by hand."""

from collections import Counter
from pathlib import Path

from tests.bench.figure import Figure
from tests.bench.figures import figures
from tests.bench.results import Results
from tests.bench.table import markdown, rows

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "performance.md"
README = ROOT / "README.md"
TABLE = "## The figures"
SUMMARY = "## What it takes"


def renewed(page: str, *, heading: str, body: str) -> str:
    """Return the page with `body` below `heading`, where it has that; everything else stays."""
    before, found, rest = page.partition(f"{heading}\n")
    if not found:
        return page
    _, more, after = rest.partition("\n## ")
    return f"{before}{found}\n{body}\n{more}{after}"


def table(results: Results) -> str:
    """Return where it was measured, and the table."""
    runs = Counter((run.case, run.streams, run.which) for run in results.runs)
    least, most = min(runs.values(), default=1), max(runs.values(), default=1)
    several = f"{least} runs" if least == most else f"{least} to {most} runs"
    median = f"Medians of {several}." if most > 1 else "One run."
    return f"{_setting(results)}{median}\n\n{markdown(rows(figures(results)))}"


def summary(results: Results) -> str:
    """Return the figures that matter most, as sentences."""
    by_name = {row.name: row for row in figures(results)}
    chunks = [r for name, r in by_name.items() if name.startswith("CPU of a chunk") and r.floor]
    alone = by_name["Question to first text, alone, p50"]
    burst = by_name["Question to first text, 400 questions at once, p99"]
    late = by_name["Delay of a chunk, 800 streams, p99"]
    idle = by_name["Memory of an idle connection"]
    running = by_name["Memory of a running answer"]
    return f"""\
With everything on, measured beside the loop that everybody writes first (`async for` over the SDK's stream, a
JSON frame for each chunk) and beside the least that aiohttp can do:

* A chunk costs {_span(chunks, "usual", "gateway")} times less CPU than in that loop, and \
{_span(chunks, "gateway", "floor")} times what is the least.
* 800 answers at once on one core: 99 of 100 chunks arrive within {_number(late)} ms.
* One question alone has its first text after {_number(alone)} ms; \
of 400 asked at once, 99 of 100 after {_number(burst)} ms.
* An open page takes {_number(idle)} KB of memory, a running answer {_number(running)} KB.

`make bench` repeats it; [performance](docs/performance.md) says how, and on what."""


def _span(chunks: list[Figure], dear: str, cheap: str) -> str:
    times = [getattr(row, dear) / getattr(row, cheap) for row in chunks]
    return f"{min(times):.1f} to {max(times):.1f}"


def _number(row: Figure) -> str:
    assert row.gateway is not None, row.name
    return f"{row.gateway:,.0f}"


def _setting(results: Results) -> str:
    by_setting: dict[str, list[str]] = {}
    for part, here in sorted(results.settings.items()):
        text = (
            f"{here.day}, {here.cores} virtual cores ({here.processor}), {here.system}, "
            f"{here.libraries}; other work on the machine before: a load of {here.load_before:g}"
        )
        by_setting.setdefault(text, []).append(part)
    if len(by_setting) == 1:
        return f"Measured on {next(iter(by_setting))}. "
    lines = (f"* {', '.join(parts)}: {text}." for text, parts in by_setting.items())
    return "Measured on\n\n" + "\n".join(lines) + "\n\n"
