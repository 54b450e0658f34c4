"""PostgresReports: every version is kept, and the newest is shown."""

import pytest

from gateway.backends.postgres import Database
from gateway.backends.store import PostgresStore
from gateway.chat.errors import ReportNotFound
from gateway.chat.records import ReportSnapshot
from tests.builders import a_report


async def test_reports_newest_first(store: PostgresStore) -> None:
    """Reports are listed once each, in their newest version, the newest first."""
    await store.import_reports([a_report(id="a"), a_report(id="b")])
    await store.import_reports([a_report(id="a", headline="Changed")])
    reports = await store.reports()
    assert [(r.id, r.headline == "Changed") for r in reports] == [("a", True), ("b", False)]


async def test_a_report_is_kept_whole(store: PostgresStore) -> None:
    """Everything a report says is read back."""
    report = a_report(figures="| 100% | '\\ 😀 |", suggestions=("가?", 'b"{},'), locale="en")
    await store.import_reports([report])
    assert _undated(await store.report("r1")) == report


async def test_an_unknown_report(store: PostgresStore) -> None:
    """An id of no report raises ReportNotFound."""
    with pytest.raises(ReportNotFound):
        await store.report("nothing")


async def test_importing_again_adds_nothing(store: PostgresStore, database: Database) -> None:
    """Only a report that is new or changed is added, and counted."""
    reports = [a_report(), a_report(id="r2", suggestions=())]
    assert await store.import_reports(reports) == 2
    dated = await store.report("r1")
    assert await store.import_reports([*reports, dated]) == 0
    assert await store.import_reports([a_report(suggestions=("New?",)), *reports[1:]]) == 1
    assert await database.fetch("SELECT count(*) FROM report_snapshots") == [(3,)]


def _undated(report: ReportSnapshot) -> ReportSnapshot:
    assert report.created_at is not None
    return a_report(
        id=report.id,
        headline=report.headline,
        summary=report.summary,
        figures=report.figures,
        locale=report.locale,
        suggestions=report.suggestions,
    )
