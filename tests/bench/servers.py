"""What is measured and what it needs, each in a process of its own."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from enum import StrEnum, unique
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from gateway.backends.migrations import migrate
from gateway.backends.postgres import Database
from gateway.dev.embedded import postgres_server, redis_server
from gateway.resources import migrations_folder
from tests.bench.cores import MEASURED, OTHERS, pinned
from tests.bench.upstream import Program
from tests.integration.gateway_process import free_port, gateway_process
from tests.integration.money import OPEN_DOOR, known

# Nothing of what is measured may be refused.
GENEROUS = OPEN_DOOR | known(
    server_max_connections="100000",
    openai_model="sim-bench",
    # The times that the upstream writes into its chunks are a thousand tokens and more.
    openai_max_output_tokens="2048",
    cost_session_usd="1000",
    cost_day_usd="100000",
    limits_turn_seconds="600",
)


@unique
class Which(StrEnum):
    """What is compared."""

    FLOOR = "floor"
    USUAL = "usual"
    GATEWAY = "gateway"


class Server(NamedTuple):
    """Something that answers over WebSocket, and the processes that count."""

    url: str
    pids: tuple[int, ...]
    # Whether it answers to hello.
    greets: bool = False


class Upstream:
    """The raw upstream, and how it is told what to play."""

    def __init__(self, url: str, *, process: asyncio.subprocess.Process) -> None:
        self.url = url
        self.pid = process.pid
        self._process = process

    async def play(self, program: Program) -> None:
        """Play `program` to whoever asks from now on."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(program) + b"\n")
        await self._process.stdout.readline()


@asynccontextmanager
async def upstream() -> AsyncIterator[Upstream]:
    """Run the raw upstream."""
    async with module("tests.bench.upstream") as (port, process):
        yield Upstream(f"http://127.0.0.1:{port}/v1", process=process)


class Stand(NamedTuple):
    """What servers need: an upstream, and what the gateway stores in."""

    upstream: Upstream
    # Their URLs.
    database: str
    redis: str


@asynccontextmanager
async def stand() -> AsyncIterator[Stand]:
    """Run the upstream, and a Postgres and a Redis that are empty and ready."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-bench-")))
        stack.enter_context(pinned(OTHERS))
        postgres = await stack.enter_async_context(postgres_server(folder / "postgres"))
        redis = await stack.enter_async_context(redis_server(folder / "redis"))
        database = Database(postgres.url, pool_size=1)
        await migrate(database, folder=migrations_folder())
        await database.close()
        raw = await stack.enter_async_context(upstream())
        yield Stand(raw, postgres.url, redis.url)


@asynccontextmanager
async def serving(
    which: Which,
    *,
    stand: Stand,
    core: int = MEASURED,
    port: str = "0",
    settings: Mapping[str, str] = MappingProxyType({}),
) -> AsyncIterator[Server]:
    """Run one of what is compared, alone on its core; the gateway as it is shipped, all on."""
    async with AsyncExitStack() as stack:
        with pinned({core}):
            if which is not Which.GATEWAY:
                reference = module("tests.bench.references", which, stand.upstream.url)
                reference_port, child = await stack.enter_async_context(reference)
                server = Server(f"http://127.0.0.1:{reference_port}", (child.pid,))
            else:
                process = await stack.enter_async_context(
                    gateway_process(
                        database=stand.database,
                        base_url=stand.upstream.url,
                        redis_url=stand.redis,
                        port=port,
                        server_ops_port=str(free_port()),
                        **GENEROUS | dict(settings),
                    )
                )
                server = Server(process.url, (process.process.pid,), greets=True)
        yield server


@asynccontextmanager
async def module(*arguments: str) -> AsyncIterator[tuple[int, asyncio.subprocess.Process]]:
    """Run a module of this folder that prints its port."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        yield int(await process.stdout.readline()), process
    finally:
        process.kill()
        await process.wait()
