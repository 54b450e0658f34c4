"""A real Postgres and a real Redis for the tests, started once."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import pytest

from gateway.backends.migrations import migrate
from gateway.backends.postgres import Database
from gateway.backends.store import PostgresStore
from gateway.dev.embedded import postgres_server, redis_server
from gateway.dev.embedded_server import EmbeddedServer
from gateway.resources import migrations_folder
from tests.integration.steps import TOKEN

T = TypeVar("T")

# Every table but the list of migrations.
EMPTY_ALL = """
    DO $$ BEGIN
        EXECUTE (
            SELECT 'TRUNCATE ' || string_agg(quote_ident(tablename), ', ') FROM pg_tables
            WHERE schemaname = 'public' AND tablename <> 'schema_migrations'
        );
    END $$
"""


@pytest.fixture(scope="session")
def servers_folder() -> Iterator[Path]:
    """Where both servers keep their data and logs."""
    # Not pytest's own: that is closed, again at each start of pytest, to the user Postgres runs as.
    folder = Path(tempfile.mkdtemp(prefix="gateway-tests-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres(servers_folder: Path) -> Iterator[EmbeddedServer]:
    """A Postgres with our tables; a test that stops it starts it again."""
    with running(postgres_server(servers_folder / "postgres", durable=False)) as server:
        yield server


@pytest.fixture(scope="session")
def redis(servers_folder: Path) -> Iterator[EmbeddedServer]:
    """A Redis; a test that stops it starts it again."""
    with running(redis_server(servers_folder / "redis")) as server:
        yield server


@pytest.fixture
async def database(postgres: EmbeddedServer) -> AsyncIterator[Database]:
    """A database with our tables, all empty."""
    database = Database(postgres.url, pool_size=5)
    await migrate(database, folder=migrations_folder())
    await database.fetch(EMPTY_ALL)
    yield database
    await database.close()


@pytest.fixture
def store(database: Database) -> PostgresStore:
    """An empty store."""
    return PostgresStore(database)


@pytest.fixture
async def session_id(store: PostgresStore) -> UUID:
    """A session about no report."""
    return (await store.open_session(TOKEN, report_id=None)).id


@contextmanager
def running(server: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """Run a server on an event loop of its own, because each test has another."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        started = runner.run(_enter(server))
        try:
            yield started
        finally:
            runner.run(_leave(server))


async def _enter(server: AbstractAsyncContextManager[T]) -> T:
    return await server.__aenter__()


async def _leave(server: AbstractAsyncContextManager[T]) -> None:
    await server.__aexit__(None, None, None)
