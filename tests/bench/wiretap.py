"""Listen in between the gateway and its Postgres or Redis, and count how often it waits for them."""

import asyncio
import re
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.bench.servers import Stand

# What Postgres calls the socket in the folder that a URL names as its host.
POSTGRES_SOCKET = ".s.PGSQL.5432"
# The first word of a Redis command (https://redis.io/docs/latest/develop/reference/protocol-spec/).
COMMAND = re.compile(rb"\*\d+\r\n\$\d+\r\n(\w+)\r\n")


class Heard:
    """What passed: round trips by the statement or command that each was for."""

    def __init__(self) -> None:
        self.round_trips: Counter[str] = Counter()


class Line:
    """One connection; told of the bytes of each side as they pass."""

    def __init__(self, heard: Heard) -> None:
        self._heard = heard

    def asked(self, data: bytes) -> None:
        """Take note of bytes from the gateway."""

    def told(self, data: bytes) -> None:
        """Take note of bytes to the gateway."""


class PostgresLine(Line):
    """Counts the messages that end a round trip (ReadyForQuery) after a statement (CommandComplete).

    https://www.postgresql.org/docs/current/protocol-message-formats.html
    """

    def __init__(self, heard: Heard) -> None:
        super().__init__(heard)
        self._tail = b""
        self._done = "connect"

    def told(self, data: bytes) -> None:
        """Take note of messages from Postgres: a letter, the length of the rest, the rest."""
        data = self._tail + data
        start = 0
        while len(data) - start >= 5:
            stop = start + 1 + int.from_bytes(data[start + 1 : start + 5], "big")
            if stop > len(data):
                break
            match data[start : start + 1]:
                case b"C":
                    self._done = data[start + 5 : stop].strip(b"\0").split()[0].decode().lower()
                case b"Z":
                    self._heard.round_trips[self._done] += 1
            start = stop
        self._tail = data[start:]


class RedisLine(Line):
    """Counts how often the gateway speaks after it was told something; several commands may be one."""

    def __init__(self, heard: Heard) -> None:
        super().__init__(heard)
        self._answered = True

    def asked(self, data: bytes) -> None:
        """Take note of commands."""
        if not self._answered:
            return
        command = COMMAND.match(data)
        self._heard.round_trips[command[1].decode().lower() if command else ""] += 1
        self._answered = False

    def told(self, data: bytes) -> None:
        """Take note of a reply."""
        self._answered = True


@asynccontextmanager
async def tapped(stand: Stand) -> AsyncIterator[tuple[Stand, Heard, Heard]]:
    """Yield a stand whose Postgres and Redis are reached through us, and what is heard of each."""
    postgres, redis = Heard(), Heard()
    with tempfile.TemporaryDirectory(prefix="gateway-tap-", dir="/tmp") as name:
        folder = Path(name)
        host = re.search(r"host=([^&]+)", stand.database)
        assert host is not None
        database = stand.database.replace(host[1], name)
        path = stand.redis.removeprefix("unix://")
        async with (
            _tap(folder / POSTGRES_SOCKET, f"{host[1]}/{POSTGRES_SOCKET}", PostgresLine, postgres),
            _tap(folder / "redis.sock", path, RedisLine, redis),
        ):
            redis_url = f"unix://{folder}/redis.sock"
            yield stand._replace(database=database, redis=redis_url), postgres, redis


@asynccontextmanager
async def _tap(
    here: Path, there: str, line: Callable[[Heard], Line], heard: Heard
) -> AsyncIterator[None]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        other_reader, other_writer = await asyncio.open_unix_connection(there)
        listener = line(heard)
        await asyncio.gather(
            _pass_on(reader, other_writer, listener.asked),
            _pass_on(other_reader, writer, listener.told),
        )

    async with await asyncio.start_unix_server(serve, here):
        yield


async def _pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, note: Callable[[bytes], None]
) -> None:
    while data := await reader.read(65536):
        note(data)
        writer.write(data)
    writer.close()
