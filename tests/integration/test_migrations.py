"""Migrations: each file once, by however many processes, and never a changed one."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.backends.migrations import migrate, pending
from gateway.backends.postgres import Database
from gateway.backends.statements import NEWEST_MIGRATION
from gateway.chat.errors import ConfigError, Internal
from gateway.dev.embedded_server import EmbeddedServer
from gateway.resources import migrations_folder
from tests.integration.helpers import empty_database

MIGRATIONS = migrations_folder()


@pytest.fixture
async def empty_url(postgres: EmbeddedServer) -> AsyncIterator[str]:
    """The URL of a database without any table."""
    async with empty_database(postgres) as url:
        yield url


@pytest.fixture
async def empty(empty_url: str) -> AsyncIterator[Database]:
    """A database without any table."""
    database = Database(empty_url, pool_size=2)
    yield database
    await database.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two migrations."""
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE a (x integer); -- 100%\n")
    (tmp_path / "0002_second.sql").write_text("INSERT INTO a VALUES (1); INSERT INTO a VALUES (2);")
    return tmp_path


async def test_our_migrations(empty: Database) -> None:
    """What the gateway ships can be applied."""
    names = [file.name for file in sorted(MIGRATIONS.glob("*.sql"))]
    assert await pending(empty, folder=MIGRATIONS) == names
    assert await migrate(empty, folder=MIGRATIONS) == names
    assert await pending(empty, folder=MIGRATIONS) == []


def test_newest_migration() -> None:
    """A process is not ready before its newest migration was applied, whichever that is."""
    newest = max(file.name for file in MIGRATIONS.glob("*.sql"))
    assert newest.startswith(f"{NEWEST_MIGRATION:04}_")


async def test_a_migration_is_applied_once(empty: Database, folder: Path) -> None:
    """The second time there is nothing to do."""
    assert await migrate(empty, folder=folder) == ["0001_first.sql", "0002_second.sql"]
    assert await migrate(empty, folder=folder) == []
    assert await empty.fetch("SELECT x FROM a ORDER BY x") == [(1,), (2,)]


async def test_a_later_migration(empty: Database, folder: Path) -> None:
    """Only what was added since is applied."""
    await migrate(empty, folder=folder)
    (folder / "0003_third.sql").write_text("DROP TABLE a")
    assert await pending(empty, folder=folder) == ["0003_third.sql"]
    assert await migrate(empty, folder=folder) == ["0003_third.sql"]


async def test_twenty_at_once(empty_url: str) -> None:
    """Twenty processes that migrate at once all succeed, and one of them does it."""
    databases = [Database(empty_url, pool_size=1) for _ in range(20)]
    applied = await asyncio.gather(*(migrate(d, folder=MIGRATIONS) for d in databases))
    names = [name for names in applied for name in names]
    assert sorted(names) == sorted(file.name for file in MIGRATIONS.glob("*.sql"))
    for database in databases:
        await database.close()


async def test_a_changed_migration(empty: Database, folder: Path) -> None:
    """A file that was changed after it had been applied is refused, by both."""
    await migrate(empty, folder=folder)
    (folder / "0001_first.sql").write_text("CREATE TABLE b (x integer)")
    with pytest.raises(ConfigError, match=r"^0001_first\.sql was changed"):
        await migrate(empty, folder=folder)
    with pytest.raises(ConfigError, match=r"^0001_first\.sql was changed"):
        await pending(empty, folder=folder)


async def test_a_broken_migration(empty: Database, folder: Path) -> None:
    """A file that fails half-way leaves nothing of itself, and what came before it."""
    (folder / "0003_third.sql").write_text("CREATE TABLE b (x integer); SELECT nonsense;")
    with pytest.raises(Internal):
        await migrate(empty, folder=folder)
    assert await pending(empty, folder=folder) == ["0003_third.sql"]
    assert await empty.fetch("SELECT to_regclass('a')::text, to_regclass('b')::text") == [
        ("a", None)
    ]


@pytest.mark.parametrize("name", ["third.sql", "3_third.sql", "0002_again.sql"])
async def test_a_bad_name(empty: Database, folder: Path, name: str) -> None:
    """A file without a number of its own is refused before anything is applied."""
    (folder / name).write_text("SELECT 1")
    with pytest.raises(ConfigError):
        await migrate(empty, folder=folder)
    assert await empty.fetch("SELECT to_regclass('a')::text") == [(None,)]


async def test_no_migrations(empty: Database, tmp_path: Path) -> None:
    """A folder without migrations is the wrong folder."""
    with pytest.raises(ConfigError):
        await migrate(empty, folder=tmp_path)
