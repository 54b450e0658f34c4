"""Ten thousand people may have the page open: what each of them costs while nothing happens."""

import pytest

from tests.bench.idle_connections import measure, sample_reports
from tests.integration import figures

REPORT_ID = sample_reports()[0].id
STRESS = pytest.mark.stress


@pytest.mark.parametrize(
    ("connections", "report_id", "most_kb"),
    [
        # Of few it is less sure: memory comes in pages, and what all share counts for more.
        pytest.param(300, REPORT_ID, 24, id="few"),
        pytest.param(2000, REPORT_ID, 20, id="many", marks=STRESS),
        pytest.param(2000, None, 20, id="many without report", marks=STRESS),
    ],
)
async def test_idle_connections(connections: int, report_id: str | None, most_kb: int) -> None:
    """A greeted connection that is idle costs the gateway at most 20 KB."""
    measured = await measure(connections, report_id=report_id)
    figures.record(
        f"{connections} idle connections, report {report_id}", f"{measured.each_kb:.1f} KB each"
    )
    assert measured.each_kb <= most_kb
