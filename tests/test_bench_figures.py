"""The figures of `make bench`: medians, slopes, promises, and the page that is made of them."""

from pathlib import Path

import msgspec
import pytest

from tests.bench import keeping, page
from tests.bench.figures import figures
from tests.bench.results import Case, Held, Results, Run, Setting, Weight
from tests.bench.servers import Which

SETTING = Setting(
    day="2026-01-02",
    processor="a processor",
    cores=2,
    system="Linux",
    libraries="",
    load_before=0,
)


def a_run(
    which: Which, *, cpu: float = 10, ms: int = 1, refused: int = 0, case: Case = Case.PACED
) -> Run:
    """Return a run with that much CPU for a chunk, and that delay everywhere."""
    return Run(
        case=case,
        streams=800,
        which=which,
        cpu=cpu,
        busy=0.5,
        load_busy=0.5,
        frames_an_answer=200,
        refused=refused,
        first={50: ms * 1000, 99: ms * 1000},
        ages={50: ms * 1000, 99: ms * 1000},
    )


def test_median() -> None:
    """A figure is the median of its runs, so that one bad run does not count."""
    runs = [a_run(Which.GATEWAY, cpu=cpu) for cpu in (10, 999, 11)]
    assert next(figures(Results(runs=runs))).gateway == 11


@pytest.mark.parametrize(("cpu", "kept"), [(16, True), (17, False)])
def test_promises(cpu: float, kept: bool) -> None:
    """A promise about a ratio is kept or not; without the other figure nothing is said."""
    runs = [a_run(Which.FLOOR, cpu=10), a_run(Which.GATEWAY, cpu=cpu)]
    (of_floor,) = next(figures(Results(runs=runs))).promises
    assert of_floor.kept is kept


@pytest.mark.parametrize(("which", "kept"), [(Which.USUAL, True), (Which.GATEWAY, False)])
def test_refused(which: Which, kept: bool) -> None:
    """Questions that a server lost are told; that there are none is promised of the gateway alone."""
    runs = [a_run(server, refused=3 * (server is which)) for server in Which]
    row = list(figures(Results(runs=runs)))[-1]
    assert row.usual == (3 if which is Which.USUAL else 0)
    assert [promise.kept for promise in row.promises] == [kept]


def test_slope() -> None:
    """What a connection weighs is the slope over all counts: what all share is not in it."""
    weights = [
        Weight(held=Held.IDLE, which=Which.GATEWAY, count=n, size=10**8 + n * 2048)
        for n in (100, 200, 300)
    ]
    row = next(figures(Results(weights=weights)))
    assert row.gateway == pytest.approx(2)


def test_an_ended_answer() -> None:
    """What an answer that has ended weighs is what its page weighs beyond an idle one."""
    weights = [
        Weight(held=held, which=Which.GATEWAY, count=n, size=n * size)
        for held, size in ((Held.IDLE, 1024), (Held.ANSWERED, 4096))
        for n in (100, 200)
    ]
    rows = {row.name: row.gateway for row in figures(Results(weights=weights))}
    assert rows["Memory of an answer that has ended"] == pytest.approx(3)


def test_what_is_kept(tmp_path: Path) -> None:
    """What is measured anew takes the place of the same; other parts stay."""
    file = tmp_path / "performance.json"
    before = [a_run(Which.GATEWAY), a_run(Which.GATEWAY, case=Case.BURST)]
    keeping.keep(Results(settings={"cpu": SETTING}, runs=before), file)
    anew = a_run(Which.GATEWAY, cpu=5)
    keeping.keep(Results(settings={"delay": SETTING}, runs=[anew]), file)

    kept = keeping.load(file)
    assert kept.runs == [before[1], anew]
    assert set(kept.settings) == {"cpu", "delay"}


def test_only_the_figures_of_the_page_are_renewed() -> None:
    """What people wrote on the page stays as it is."""
    text = "# Performance\n\n## The figures\n\nold\n\n## Where the time goes\n\nThere.\n"
    assert page.renewed(text, heading="## The figures", body="new") == text.replace("old", "new")


def test_where_it_was_measured() -> None:
    """Above the table stands where and when it was measured, and how busy the machine was besides."""
    table = page.table(Results(settings={"cpu": SETTING}, runs=[a_run(Which.GATEWAY)]))
    assert table.startswith("Measured on 2026-01-02, 2 virtual cores (a processor)")
    assert "a load of 0. One run.\n\n|" in table


def test_the_pages_are_true() -> None:
    """docs/performance.md and README.md say what was measured."""
    results = keeping.load()
    for file, heading, body in (
        (page.PAGE, page.TABLE, page.table(results)),
        (page.README, page.SUMMARY, page.summary(results)),
    ):
        assert page.renewed(file.read_text(), heading=heading, body=body) == file.read_text()


def test_every_measurement_is_a_line() -> None:
    """What was kept can be compared line by line with what was before."""
    results = keeping.load()
    lines = keeping.FILE.read_text().splitlines()
    assert len(lines) > len(results.runs) + len(results.weights)
    assert msgspec.json.decode("\n".join(lines), type=Results) == results
