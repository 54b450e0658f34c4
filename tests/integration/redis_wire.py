"""Redis as tests see it: by its wire, without the library that the gateway uses."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.dev.embedded_server import EmbeddedServer


async def command(redis: EmbeddedServer, *words: str | bytes) -> bytes:
    """Send one command and return the first line of the reply, as they are on the wire."""
    reader, writer = await asyncio.open_unix_connection(_path(redis))
    parts = [word.encode() if isinstance(word, str) else word for word in words]
    writer.write(b"*%d\r\n" % len(parts))
    for part in parts:
        writer.write(b"$%d\r\n%b\r\n" % (len(part), part))
    reply = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return reply


@asynccontextmanager
async def slow(redis: EmbeddedServer, folder: Path, *, seconds: list[float]) -> AsyncIterator[str]:
    """Pass everything on, each reply so many `seconds` later, at last without delay."""
    delays = iter(seconds)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        redis_reader, redis_writer = await asyncio.open_unix_connection(_path(redis))
        while request := await reader.read(65536):
            redis_writer.write(request)
            reply = await redis_reader.read(65536)
            await asyncio.sleep(next(delays, 0.0))
            writer.write(reply)
        for end in (redis_writer, writer):
            end.close()

    path = folder / "slow.sock"
    async with await asyncio.start_unix_server(serve, path):
        yield f"unix://{path}"
    # What is being delayed ends too.
    await asyncio.sleep(max(seconds))


def _path(redis: EmbeddedServer) -> str:
    return redis.url.removeprefix("unix://")
