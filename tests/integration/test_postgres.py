"""Database: bounded, translated, and well again after whatever happened."""

import asyncio
import os
import random
import signal
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.backends import postgres as module
from gateway.backends.postgres import Database
from gateway.backends.watch import Operation
from gateway.chat.errors import ConfigError, Internal, StorageUnavailable
from gateway.dev.embedded_server import EmbeddedServer
from tests.promises import GUARD_SECONDS

CANARY = "my diagnosis is"


async def test_fetch_returns_rows(database: Database) -> None:
    """A statement returns its rows with Python's values."""
    assert await database.fetch("SELECT %s, %s::text[], NULL", (1, ["a", "b"])) == [
        (1, ["a", "b"], None)
    ]


async def test_fetch_without_rows(database: Database) -> None:
    """A statement without rows returns an empty list."""
    assert await database.fetch("CREATE TEMPORARY TABLE t (a integer)") == []


async def test_percent_without_params(database: Database) -> None:
    """SQL without parameters is taken as it is."""
    assert await database.fetch("SELECT 'a' LIKE '%'") == [(True,)]


async def test_unstorable_characters_are_replaced(database: Database) -> None:
    """A NUL or a lone surrogate does not keep a text from being stored."""
    assert await database.fetch("SELECT %s, %s", ("a\0b", "c\ud83dd")) == [("a\ufffdb", "c?d")]


async def test_it_starts_without_postgres(postgres: EmbeddedServer) -> None:
    """Made while Postgres is down, it says so, and works once Postgres is there."""
    postgres.kill()
    database = Database(postgres.url)
    with pytest.raises(StorageUnavailable):
        await database.fetch("SELECT 1")
    await postgres.start()
    assert await database.fetch("SELECT 1") == [(1,)]
    await database.close()


async def test_it_survives_a_crash_of_postgres(
    database: Database, postgres: EmbeddedServer
) -> None:
    """After kill -9 and a restart the very next queries succeed, on every connection."""
    await asyncio.gather(*(database.fetch("SELECT pg_sleep(0.05)") for _ in range(5)))
    postgres.kill()
    await postgres.start()
    assert await asyncio.gather(*(database.fetch("SELECT 1") for _ in range(10))) == [[(1,)]] * 10


async def test_a_crash_during_a_query(database: Database, postgres: EmbeddedServer) -> None:
    """A query that Postgres dies under says that storage is unavailable."""
    query = asyncio.create_task(database.fetch("SELECT pg_sleep(2)"))
    await asyncio.sleep(0.2)
    postgres.kill()
    with pytest.raises(StorageUnavailable):
        await query
    await postgres.start()
    assert await database.fetch("SELECT 1") == [(1,)]


async def test_a_statement_timeout_is_no_cancellation(
    postgres: EmbeddedServer, caplog: pytest.LogCaptureFixture
) -> None:
    """What Postgres itself cancels is StorageUnavailable, not aiopg's CancelledError."""
    database = Database(postgres.url, pool_size=1)
    await database.fetch("SELECT set_config('statement_timeout', '50', false)")
    with pytest.raises(StorageUnavailable):
        await database.fetch("SELECT pg_sleep(2)")
    assert [r.__dict__["pgcode"] for r in caplog.records if r.msg == "storage.failed"] == ["57014"]
    assert await database.fetch("SELECT 1") == [(1,)]
    await database.close()


async def test_statements_are_told(postgres: EmbeddedServer) -> None:
    """Statements are told with what came of them, as the caller named them."""
    told: list[tuple[str, str]] = []
    database = Database(
        postgres.url, pool_size=1, watch=lambda what, result, _: told.append((what, result))
    )
    await database.fetch("SELECT 1", operation=Operation.PING)
    with pytest.raises(Internal):
        await database.fetch("SELECT nothing", operation=Operation.HISTORY)
    await database.fetch("SELECT set_config('statement_timeout', '50', false)")
    with pytest.raises(StorageUnavailable):
        await database.fetch("SELECT pg_sleep(2)", operation=Operation.RESERVE)
    assert told == [("ping", "ok"), ("history", "error"), ("command", "ok"), ("reserve", "timeout")]
    await database.close()


async def test_a_cancellation_is_one(database: Database) -> None:
    """Cancelling whoever waits for a query raises CancelledError there."""
    query = asyncio.create_task(database.fetch("SELECT pg_sleep(2)"))
    await asyncio.sleep(0.1)
    query.cancel()
    with pytest.raises(asyncio.CancelledError):
        await query
    assert database.used == 0


async def test_a_timeout_around_it_is_one(database: Database) -> None:
    """A time limit around a query raises TimeoutError, and not as ours."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await database.fetch("SELECT pg_sleep(2)")
    assert database.used == 0


async def test_postgres_notices_a_cancellation(database: Database) -> None:
    """A cancelled query is given up by Postgres too."""
    marked = "SELECT pg_sleep(3) /* abandoned */"
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await database.fetch(marked)
    async with asyncio.timeout(GUARD_SECONDS):
        while await database.fetch(  # noqa: ASYNC110 (it is Postgres that will change)
            "SELECT pid FROM pg_stat_activity WHERE query = %s AND state = 'active'", (marked,)
        ):
            await asyncio.sleep(0.1)


async def test_a_storm_of_cancellations(database: Database) -> None:
    """After 200 cancellations at any moment nothing is in use and the next queries work."""
    chance = random.Random(7)

    async def cancelled() -> None:
        query = asyncio.create_task(database.fetch("SELECT pg_sleep(0.002)"))
        await asyncio.sleep(chance.uniform(0, 0.2))
        query.cancel()
        await asyncio.gather(query, return_exceptions=True)

    async with asyncio.timeout(GUARD_SECONDS):
        await asyncio.gather(*(cancelled() for _ in range(200)))
        assert database.used == 0
        assert (
            await asyncio.gather(*(database.fetch("SELECT 1") for _ in range(20))) == [[(1,)]] * 20
        )


async def test_a_connection_is_waited_for_briefly(
    postgres: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who finds all connections in use for too long is told that storage is unavailable."""
    monkeypatch.setattr(module, "ACQUIRE_SECONDS", 0.05)
    database = Database(postgres.url, pool_size=1)
    slow = asyncio.create_task(database.fetch("SELECT pg_sleep(0.5)"))
    await asyncio.sleep(0.01)
    with pytest.raises(StorageUnavailable):
        await database.fetch("SELECT 1")
    await slow
    await database.close()


async def test_a_silent_postgres(
    database: Database, postgres: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Postgres that no longer answers is given up, and is used again once it does."""
    monkeypatch.setattr(module, "QUERY_SECONDS", 0.1)
    monkeypatch.setattr(module, "CONNECT_SECONDS", 0.1)
    backend = (await database.fetch("SELECT pg_backend_pid()"))[0][0]
    stopped = [postgres.pid, backend]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        for _ in range(3):
            with pytest.raises(StorageUnavailable):
                await database.fetch("SELECT 1")
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    monkeypatch.undo()
    assert await database.fetch("SELECT 1") == [(1,)]


async def test_a_row_is_never_logged(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    """An error of Postgres that quotes the row leaves no trace of it."""
    await database.fetch("DROP TABLE IF EXISTS strict")
    await database.fetch("CREATE TABLE strict (text text CHECK (length(text) < 3))")
    with pytest.raises(Internal) as caught:
        await database.fetch("INSERT INTO strict VALUES (%s)", (CANARY,))
    assert CANARY not in caplog.text
    assert CANARY not in str([record.__dict__ for record in caplog.records])
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    assert [r.__dict__["pgcode"] for r in caplog.records] == ["23514"]


async def test_a_transaction_commits(database: Database) -> None:
    """What is done inside a transaction is there after it."""
    async with database.transaction(seconds=GUARD_SECONDS) as fetch:
        await fetch("INSERT INTO sessions VALUES (gen_random_uuid(), '\\x01')")
    assert len(await database.fetch("SELECT id FROM sessions")) == 1


async def test_a_transaction_rolls_back(database: Database) -> None:
    """An exception inside a transaction undoes it and frees its connection."""
    with pytest.raises(LookupError):
        await _fail_inside_a_transaction(database)
    assert await database.fetch("SELECT id FROM sessions") == []
    assert database.used == 0


async def test_each_address_of_a_host_is_tried(postgres: EmbeddedServer) -> None:
    """A host name with an address where nobody listens still works."""
    async with _over_tcp(postgres) as port:
        database = Database(f"postgresql://postgres@localhost:{port}/postgres?sslmode=disable")
        assert await database.fetch("SELECT 1") == [(1,)]
        await database.close()


async def test_an_unknown_host() -> None:
    """A host that has no address is storage that is unavailable."""
    with pytest.raises(StorageUnavailable):
        await Database("postgresql://nowhere.invalid/x").fetch("SELECT 1")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hunter2@localhost/x?what=ever",
        "postgresql://me:hunter2@localhost:port/x",
        "postgresql://me:hunter2@localhost:65536/x",
    ],
)
def test_a_bad_url(url: str) -> None:
    """A URL that is none stops the start, and its password is not repeated."""
    with pytest.raises(ConfigError) as caught:
        Database(url)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


async def _fail_inside_a_transaction(database: Database) -> None:
    async with database.transaction(seconds=GUARD_SECONDS) as fetch:
        await fetch("INSERT INTO sessions VALUES (gen_random_uuid(), '\\x01')")
        raise LookupError


@asynccontextmanager
async def _over_tcp(postgres: EmbeddedServer) -> AsyncIterator[int]:
    socket_path = postgres.url.split("host=")[1].split("&")[0] + "/.s.PGSQL.5432"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_unix_connection(socket_path)
        await asyncio.gather(_pipe(reader, to_writer), _pipe(to_reader, writer))

    # Not on ::1, which is what "localhost" may mean first.
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
    await asyncio.sleep(0.05)


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()


@pytest.mark.parametrize(
    ("url", "listens"),
    [
        ("{there}", True),
        ("{there}&dbname=no_such", True),
        ("postgresql://127.0.0.1:1/d", False),
        ("postgresql://no-such-name.invalid/d", False),
        ("postgresql:///d?host=/no/such/folder", False),
        ("postgresql:///d", None),
        ("postgresql://a,b/d", None),
    ],
)
async def test_who_listens(postgres: EmbeddedServer, url: str, listens: bool | None) -> None:
    """Whether anyone takes connections is known without being let in, where the address is known."""
    database = Database(url.format(there=postgres.url))
    assert await database.listens() is listens
