"""Ten thousand people may have the page open: what each of them costs while nothing happens."""

import pytest

from tests.bench.idle_connections import measure, sample_reports
from tests.integration import figures

# A measurement of few is less sure: memory comes in pages, and what all share counts for more.
FEW = pytest.param(300, 24)
MANY = pytest.param(2000, 20, marks=pytest.mark.stress)


@pytest.mark.parametrize(("connections", "most_kb"), [FEW, MANY])
@pytest.mark.parametrize("report_id", [None, sample_reports()[0].id])
async def test_idle_connections(connections: int, most_kb: int, report_id: str | None) -> None:
    """A greeted connection that is idle costs the gateway at most 20 KB."""
    measured = await measure(connections, report_id=report_id)
    figures.record(
        f"{connections} idle connections, report {report_id}", f"{measured.each_kb:.1f} KB each"
    )
    assert measured.each_kb <= most_kb
