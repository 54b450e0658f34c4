"""Put a server under load and tell what it cost and what its clients saw."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import msgspec

from tests.bench.cores import OTHERS, cpu_seconds, pinned
from tests.bench.load import Told
from tests.bench.servers import Server

WARM_UP_STREAMS = 20


class Loaded(NamedTuple):
    """What clients saw, and the CPU seconds of each of the server's processes meanwhile."""

    told: Told
    cpu: list[float]


async def put_under(server: Server, *, streams: int, answers: int = 1, spread: float = 0) -> Loaded:
    """Hold `streams` conversations at once; connecting is not counted."""
    async with clients(server, streams=streams, answers=answers, spread=spread) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        before = [cpu_seconds(pid) for pid in server.pids]
        process.stdin.write(b"\n")
        line = await process.stdout.readline()
        used = [cpu_seconds(pid) - was for pid, was in zip(server.pids, before, strict=True)]
    if not line:
        raise SystemExit("the clients gave up")
    return Loaded(msgspec.json.decode(line, type=Told), used)


async def warm_up(server: Server) -> None:
    """Let the server do once what it does only once."""
    await put_under(server, streams=WARM_UP_STREAMS)


@asynccontextmanager
async def clients(
    server: Server, *, streams: int, answers: int = 1, spread: float = 0
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Connect so many clients, and wait until they are."""
    command = [sys.executable, "-m", "tests.bench.load", server.url]
    options = {"streams": streams, "answers": answers, "spread": spread}
    command += [word for name, value in options.items() for word in (f"--{name}", str(value))]
    if server.greets:
        command.append("--greeted")
    with pinned(OTHERS):
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
    try:
        assert process.stdout is not None
        if await process.stdout.readline() != b"ready\n":
            raise SystemExit("the clients could not connect")
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
