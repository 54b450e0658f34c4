"""Talk to Postgres: the one home of aiopg, psycopg2 and their pitfalls."""

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator, Awaitable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import Any, Protocol

import aiopg
import psycopg2  # type: ignore[import-untyped]
from psycopg2.errors import ReadOnlySqlTransaction  # type: ignore[import-untyped]
from psycopg2.extensions import parse_dsn  # type: ignore[import-untyped]

from gateway.backends.watch import Operation, Watch, unwatched, watched
from gateway.chat.errors import ConfigError, Internal, StorageUnavailable

logger = logging.getLogger(__name__)

# Our statements take milliseconds: a database that needs seconds is down, and a reader is waiting.
CONNECT_SECONDS = 3.0
QUERY_SECONDS = 3.0
# A burst of hundreds of questions takes turns at few connections; longer than this, it is no burst.
ACQUIRE_SECONDS = 5.0
# The server gives up after us: aiopg makes that a CancelledError and logs its text (aiopg#540).
SERVER_GRACE_SECONDS = 1.0
# A cancelled query is only a closed socket to Postgres (14+), which looks for that this often.
CHECK_MS = 1000
MOST_PORT = 65_535
# What says that Postgres is not there for us. A former primary, or one whose disk is full, still answers.
AWAY = (psycopg2.OperationalError, psycopg2.InterfaceError, ReadOnlySqlTransaction)

Row = tuple[Any, ...]
Params = dict[str, Any]


class Fetch(Protocol):
    """Runs one statement and returns its rows."""

    def __call__(self, sql: str, params: Sequence[object] = (), /) -> Awaitable[list[Row]]:
        """Run `sql` with `params`."""
        ...


class Database:
    """At most `pool_size` connections, opened when needed: a gateway can start without Postgres.

    Not aiopg's pool: that connects while holding its lock, and loses a wake-up when a waiter is
    cancelled. `url` is anything libpq takes; raises `ConfigError` for what it does not.
    """

    def __init__(self, url: str, *, pool_size: int = 10, watch: Watch = unwatched) -> None:
        self._params = _connection_params(url)
        self._slots = asyncio.Semaphore(pool_size)
        self._idle: list[aiopg.Connection] = []
        self._used = 0
        self._watch = watch
        self._closed = False

    @property
    def used(self) -> int:
        """How many connections are in use."""
        return self._used

    async def fetch(
        self,
        sql: str,
        params: Sequence[object] = (),
        /,
        *,
        operation: Operation = Operation.COMMAND,
    ) -> list[Row]:
        """Run one statement in a transaction of its own and return its rows.

        Raises `StorageUnavailable`. Then, as after a cancellation, it may still have happened.
        """
        with _translated(), watched(self._watch, operation):
            async with self._connection() as connection:
                return await _run(connection, sql, params, seconds=QUERY_SECONDS)

    @asynccontextmanager
    async def transaction(self, *, seconds: float) -> AsyncGenerator[Fetch, None]:
        """Run what is fetched inside as one transaction, each statement bounded by `seconds`.

        Raises `StorageUnavailable`; any exception rolls back.
        """
        with _translated():
            async with self._connection() as connection:
                run = partial(_run, connection, seconds=seconds)
                await run("BEGIN")
                limit = str(_milliseconds(seconds + SERVER_GRACE_SECONDS))
                await run("SELECT set_config('statement_timeout', %s, true)", (limit,))
                yield run
                await run("COMMIT")

    async def listens(self) -> bool | None:
        """Return whether anyone takes connections where Postgres should be, even to send us away again.

        None where the address is a matter of libpq's: a default, or a list.
        """
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(CONNECT_SECONDS):
                found = [await _accepts(target) for target in await _resolve(self._params)]
                return None if None in found else True in found
        return False

    async def close(self) -> None:
        """Close what is idle now, and what is in use as soon as it is not."""
        self._closed = True
        self._drop_idle()

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[aiopg.Connection, None]:
        async with asyncio.timeout(ACQUIRE_SECONDS if self._slots.locked() else None):
            await self._slots.acquire()
        self._used += 1
        try:
            connection = self._take_idle() or await self._connect()
            try:
                yield connection
            except BaseException as error:
                # Half-read, or inside a transaction: nobody may use it again.
                connection.close()
                if isinstance(error, (TimeoutError, *AWAY)):
                    # What broke this one has likely broken the others; each would cost a time-out.
                    self._drop_idle()
                raise
            self._idle.append(connection)
            if self._closed:
                self._drop_idle()
        finally:
            self._used -= 1
            self._slots.release()

    def _take_idle(self) -> aiopg.Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if _is_alive(connection):
                return connection
            connection.close()
        return None

    def _drop_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()

    async def _connect(self) -> aiopg.Connection:
        async with asyncio.timeout(CONNECT_SECONDS):
            targets = await _resolve(self._params)
            for target in targets[:-1]:
                try:
                    return await _open(target)
                except psycopg2.OperationalError:
                    continue
            return await _open(targets[-1])


def _connection_params(url: str) -> Params:
    try:
        params: Params = parse_dsn(url)
    except psycopg2.ProgrammingError:
        # Its text would quote the password.
        raise ConfigError(
            "[database] url: not a connection string that libpq understands"
        ) from None
    for port in params.get("port", "").split(","):
        if port and not (port.isascii() and port.isdecimal() and 0 < int(port) <= MOST_PORT):
            raise ConfigError(f"[database] url: expected a port from 1 to {MOST_PORT}")
    timeout = _milliseconds(QUERY_SECONDS + SERVER_GRACE_SECONDS)
    options = (
        f"-c statement_timeout={timeout} -c client_connection_check_interval={CHECK_MS}"
        " -c timezone=UTC"
    )
    params["options"] = f"{params.get('options', '')} {options}".strip()
    # Otherwise that of the database, and what people write in Korean would be an error of ours.
    params["client_encoding"] = "UTF8"
    params.setdefault("fallback_application_name", "gateway")
    return params


async def _resolve(params: Params) -> list[Params]:
    """Return `params` once for each address of their host.

    libpq would look it up itself and block the loop. And given several addresses it would try one
    socket after the other, while aiopg watches the first only.
    """
    host = params.get("host", "")
    if not host or "hostaddr" in params or host.startswith(("/", "@")) or "," in host:
        return [params]
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    addresses = dict.fromkeys(str(info[4][0]) for info in found)
    return [{**params, "hostaddr": address} for address in addresses]


async def _accepts(params: Params) -> bool | None:
    host, port = params.get("hostaddr") or params.get("host", ""), params.get("port", "5432")
    if not host or host.startswith("@") or "," in host:
        return None
    try:
        if host.startswith("/"):
            _, writer = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        else:
            _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.transport.abort()
    return True


async def _open(params: Params) -> aiopg.Connection:
    # No time-out of aiopg's: it uses asyncio.wait_for, which can swallow a cancellation before 3.12
    # (cpython#86296). Without hstore and json, because they cost a query per connection.
    return await aiopg.connect(
        None,
        timeout=None,  # type: ignore[arg-type]
        enable_hstore=False,
        enable_json=False,
        enable_uuid=True,
        **params,
    )


def _is_alive(connection: aiopg.Connection) -> bool:
    # A server that is gone has closed the socket, and the loop may not have looked at it yet.
    try:
        connection.raw.poll()
    except psycopg2.Error:
        return False
    return not connection.closed


async def _run(
    connection: aiopg.Connection, sql: str, params: Sequence[object] = (), /, *, seconds: float
) -> list[Row]:
    async with asyncio.timeout(seconds), connection.cursor() as cursor:
        await cursor.execute(sql, [_storable(value) for value in params] or None)
        return list(await cursor.fetchall()) if cursor.description else []


def _storable(value: object) -> object:
    # Postgres has no NUL and UTF-8 no lone surrogate. One must not keep an answer from being saved.
    if isinstance(value, str):
        return value.replace("\0", "\ufffd").encode(errors="replace").decode()
    if isinstance(value, list):
        return [_storable(item) for item in value]
    return value


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)


@contextmanager
def _translated() -> Iterator[None]:
    """Raise `StorageUnavailable` where Postgres is not there, `Internal` where it refuses a statement.

    Their texts quote rows and statements, so none is logged or chained.
    """
    try:
        yield
    except (*AWAY, OSError) as error:
        failed, pgcode = type(error).__name__, getattr(error, "pgcode", None)
    except psycopg2.Error as error:
        # It answers, and refuses what we say: a bug of ours, that no retry will mend.
        logger.error(
            "storage.refused", extra={"error_type": type(error).__name__, "pgcode": error.pgcode}
        )
        raise Internal from None
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # Nobody cancelled us: aiopg says so when Postgres cancelled the statement.
        failed, pgcode = "QueryCanceled", "57014"
    else:
        return
    logger.warning("storage.failed", extra={"error_type": failed, "pgcode": pgcode})
    # Though the except is behind us, a generator's exception is chained to what was thrown into it.
    raise StorageUnavailable from None
