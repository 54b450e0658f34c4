"""Bring the tables of Postgres up to date: numbered SQL files, each applied once."""

import hashlib
import re
from pathlib import Path

import msgspec

from gateway.backends.postgres import Database, Fetch
from gateway.chat.errors import ConfigError

FILE_NAME = re.compile(r"(?P<number>\d{4})_\w+\.sql")
# One key for every gateway: whoever comes second waits, then finds nothing left to do.
LOCK = 0x6761_7465_7761_7900 >> 8  # "gateway"
# An index over many turns takes minutes, and so long does whoever comes second wait.
STATEMENT_SECONDS = 600.0

MAKE_LIST = """
    CREATE TABLE IF NOT EXISTS schema_migrations (
        number integer PRIMARY KEY,
        name text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now(),
        sha256 text NOT NULL
    )
"""


class Migration(msgspec.Struct, frozen=True, kw_only=True):
    """A file to apply; its `sha256` shows whether it was changed since."""

    number: int
    name: str
    sql: str
    sha256: str


async def migrate(database: Database, *, folder: Path) -> list[str]:
    """Apply what is missing, each file in a transaction of its own, and return the names applied.

    Any number of processes may do this at once. Raises `ConfigError` for a file that was changed
    after it had been applied, `StorageUnavailable`, and `Internal` for SQL that Postgres refuses.
    """
    applied = []
    for migration in _migrations(folder):
        async with database.transaction(seconds=STATEMENT_SECONDS) as fetch:
            # Held to the transaction's end: a connection pooler would strand a session's lock.
            await fetch("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
            await fetch(MAKE_LIST)
            if await _is_missing(migration, fetch=fetch):
                await fetch(migration.sql)
                await fetch(
                    "INSERT INTO schema_migrations (number, name, sha256) VALUES (%s, %s, %s)",
                    (migration.number, migration.name, migration.sha256),
                )
                applied.append(migration.name)
    return applied


async def pending(database: Database, *, folder: Path) -> list[str]:
    """Return the names `migrate` would apply; raises as it does, and changes nothing."""
    exists = await database.fetch("SELECT to_regclass('schema_migrations') IS NOT NULL")
    if not exists[0][0]:
        return [migration.name for migration in _migrations(folder)]
    return [
        migration.name
        for migration in _migrations(folder)
        if await _is_missing(migration, fetch=database.fetch)
    ]


async def _is_missing(migration: Migration, *, fetch: Fetch) -> bool:
    rows = await fetch(
        "SELECT sha256 FROM schema_migrations WHERE number = %s", (migration.number,)
    )
    if rows and rows[0][0] != migration.sha256:
        raise ConfigError(f"{migration.name} was changed after it had been applied")
    return not rows


def _migrations(folder: Path) -> list[Migration]:
    found: dict[int, Migration] = {}
    for file in sorted(folder.glob("*.sql")):
        name = FILE_NAME.fullmatch(file.name)
        if name is None:
            raise ConfigError(f"{file.name} is not named like 0001_what_it_does.sql")
        number = int(name["number"])
        if number in found:
            raise ConfigError(f"{file.name} and {found[number].name} have the same number")
        sql = file.read_text(encoding="utf-8")
        digest = hashlib.sha256(sql.encode()).hexdigest()
        found[number] = Migration(number=number, name=file.name, sql=sql, sha256=digest)
    if not found:
        raise ConfigError(f"no migrations in {folder}")
    return list(found.values())
