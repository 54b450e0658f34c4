"""Read the ledger: what was spent, and what is set aside for turns that run."""

import msgspec

from gateway.backends.postgres import Database

ROWS = 30

BY_DAY = "SELECT day::text, spent_nano, reserved_nano FROM ledger_days ORDER BY day DESC LIMIT %s"
BY_SESSION = """
    SELECT id::text, spent_nano, reserved_nano FROM sessions
    WHERE spent_nano + reserved_nano > 0
    ORDER BY spent_nano + reserved_nano DESC LIMIT %s
"""


class Spending(msgspec.Struct, frozen=True):
    """Nano-dollars of one day (UTC) or one session."""

    name: str
    spent_nano: int
    reserved_nano: int


async def spending_by_day(database: Database) -> list[Spending]:
    """Return the last `ROWS` days with any spending, latest first; raises `StorageUnavailable`."""
    return [Spending(*row) for row in await database.fetch(BY_DAY, (ROWS,))]


async def spending_by_session(database: Database) -> list[Spending]:
    """Return the `ROWS` dearest sessions; raises `StorageUnavailable`."""
    return [Spending(*row) for row in await database.fetch(BY_SESSION, (ROWS,))]
