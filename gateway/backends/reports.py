"""Keep reports in Postgres, every version of them."""

# ruff: noqa: S608 (only our own column names and constants are put into a text)

from collections.abc import Sequence

import msgspec

from gateway.backends.postgres import Database, Row
from gateway.backends.watch import Operation
from gateway.chat.errors import ReportNotFound
from gateway.chat.records import ReportSnapshot

COLUMNS = "id, locale, headline, summary, figures, suggestions, created_at"

NEWEST = f"SELECT DISTINCT ON (id) {COLUMNS} FROM report_snapshots ORDER BY id, version DESC"
LIST = f"SELECT {COLUMNS} FROM ({NEWEST}) AS newest ORDER BY created_at DESC, id"
# Its version comes first, for the session that will keep it.
FIND = f"""
    SELECT version, {COLUMNS} FROM report_snapshots WHERE id = %s ORDER BY version DESC LIMIT 1
"""

# A report that says what its newest version says is not added again.
IMPORT = f"""
    INSERT INTO report_snapshots ({COLUMNS})
    SELECT
        new.id, new.locale, new.headline, new.summary, new.figures, new.suggestions,
        coalesce(new.created_at, now())
    FROM jsonb_to_recordset(%s::jsonb) AS new (
        id text, locale text, headline text, summary text, figures text, suggestions text[],
        created_at timestamptz
    )
    LEFT JOIN ({NEWEST}) AS known USING (id)
    WHERE
        known.id IS NULL
        OR (known.locale, known.headline, known.summary, known.figures, known.suggestions)
        IS DISTINCT FROM (new.locale, new.headline, new.summary, new.figures, new.suggestions)
        OR known.created_at <> new.created_at
    RETURNING version
"""


class PostgresReports:
    """The reports people can talk about. Every method raises `StorageUnavailable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reports(self) -> tuple[ReportSnapshot, ...]:
        """Return every report in its newest version, newest first."""
        rows = await self._database.fetch(LIST, operation=Operation.REPORTS)
        return tuple(report_snapshot(row) for row in rows)

    async def report(self, report_id: str, /) -> ReportSnapshot:
        """Return the newest version of a report; raises `ReportNotFound`."""
        rows = await self._database.fetch(FIND, (report_id,), operation=Operation.REPORT)
        if not rows:
            raise ReportNotFound
        return report_snapshot(rows[0][1:])

    async def import_reports(self, reports: Sequence[ReportSnapshot]) -> int:
        """Add the reports that are new or changed, all or none, and return how many those were."""
        document = msgspec.json.encode(reports).decode()
        return len(await self._database.fetch(IMPORT, (document,)))


def report_snapshot(row: Row) -> ReportSnapshot:
    """Return the report of a row of `COLUMNS`."""
    report_id, locale, headline, summary, figures, suggestions, created_at = row
    return ReportSnapshot(
        id=report_id,
        locale=locale,
        headline=headline,
        summary=summary,
        figures=figures,
        suggestions=tuple(suggestions),
        created_at=created_at,
    )
