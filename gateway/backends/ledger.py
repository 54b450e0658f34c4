"""Read the ledger: what was spent, and what is set aside for turns that run."""

from gateway.backends.postgres import Database
from gateway.chat.records import Spending

ROWS = 30

BY_DAY = "SELECT day::text, spent_nano, reserved_nano FROM ledger_days ORDER BY day DESC LIMIT %s"
BY_SESSION = """
    SELECT id::text, spent_nano, reserved_nano FROM sessions
    WHERE spent_nano + reserved_nano > 0
    ORDER BY spent_nano + reserved_nano DESC LIMIT %s
"""


TODAY = """
    SELECT today::text, coalesce(spent_nano, 0), coalesce(reserved_nano, 0)
    FROM (SELECT (now() AT TIME ZONE 'UTC')::date AS today) AS clock
    LEFT JOIN ledger_days ON day = today
"""


class PostgresLedger:
    """The `Ledger` for who watches the day's budget."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def today(self) -> Spending:
        """Return what is spent today (UTC), by all processes; raises `StorageUnavailable`."""
        return Spending(*(await self._database.fetch(TODAY))[0])


async def spending_by_day(database: Database) -> list[Spending]:
    """Return the last `ROWS` days with any spending, latest first; raises `StorageUnavailable`."""
    return [Spending(*row) for row in await database.fetch(BY_DAY, (ROWS,))]


async def spending_by_session(database: Database) -> list[Spending]:
    """Return the `ROWS` dearest sessions; raises `StorageUnavailable`."""
    return [Spending(*row) for row in await database.fetch(BY_SESSION, (ROWS,))]
