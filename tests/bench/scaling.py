"""What running answers ask of Postgres and Redis: `python -m tests.bench.scaling`.

Two gateway processes. Each answer is shown to whoever asked, alone or with a second tab: at the same process
(`here`), or at the other one (`elsewhere`, which is what the relay is for).
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import aiohttp
import psutil

from gateway.backends.migrations import migrate
from gateway.backends.postgres import Database
from gateway.dev.embedded import postgres_server, redis_server
from gateway.dev.embedded_server import EmbeddedServer
from gateway.resources import migrations_folder
from tests.bench.cores import cpu_seconds
from tests.bench.servers import GENEROUS, upstream
from tests.bench.upstream import Program
from tests.integration.gateway_process import gateway_process

CHUNKS = 200
RATE = 20.0
SETTLE_SECONDS = 11.0
SUBPROTOCOL = "chatgw.v1"
COLUMNS = (
    *("second tab", "streams", "took"),
    *("statements a turn", "a second", "Postgres' CPU"),
    *("commands a turn", "a second", "Redis' CPU"),
    "gateways' CPU",
)
COMMITS = """
    SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()
"""


class Usage(NamedTuple):
    """What servers have done so far: calls, and seconds of CPU."""

    at: float
    statements: int
    commands: Counter[str]
    postgres: float
    redis: float
    gateways: float


class Stand(NamedTuple):
    """What is measured."""

    urls: tuple[str, str]
    pids: tuple[int, int]
    database: Database
    postgres: EmbeddedServer
    redis: EmbeddedServer

    async def usage(self) -> Usage:
        """Return what they have done so far."""
        # Postgres tells what a connection has done once that has been idle for ten seconds.
        await asyncio.sleep(SETTLE_SECONDS)
        rows = await self.database.fetch(COMMITS)
        return Usage(
            at=time.monotonic(),
            statements=rows[0][0],
            commands=await commands(self.redis),
            postgres=_cpu_of_family(self.postgres.pid),
            redis=cpu_seconds(self.redis.pid),
            gateways=sum(cpu_seconds(pid) for pid in self.pids),
        )


async def commands(redis: EmbeddedServer) -> Counter[str]:
    """Return how often each command was called (INFO commandstats)."""
    reader, writer = await asyncio.open_unix_connection(redis.url.removeprefix("unix://"))
    writer.write(b"INFO commandstats\r\n")
    size = int((await reader.readline())[1:])
    lines = (await reader.readexactly(size)).decode().splitlines()
    writer.close()
    # cmdstat_get:calls=21,usec=...
    pairs = (line.removeprefix("cmdstat_").split(":calls=") for line in lines if ":calls=" in line)
    return Counter({name: int(rest.partition(",")[0]) for name, rest in pairs})


@asynccontextmanager
async def stand() -> AsyncIterator[Stand]:
    """Start everything."""
    async with AsyncExitStack() as stack:
        temporary = tempfile.TemporaryDirectory(prefix="gateway-bench-")
        folder = Path(stack.enter_context(temporary))
        postgres = await stack.enter_async_context(postgres_server(folder / "postgres"))
        redis = await stack.enter_async_context(redis_server(folder / "redis"))
        raw = await stack.enter_async_context(upstream())
        await raw.play(Program(chunks=CHUNKS, rate=RATE))
        database = Database(postgres.url, pool_size=1)
        stack.push_async_callback(database.close)
        await migrate(database, folder=migrations_folder())
        first, second = [
            await stack.enter_async_context(
                gateway_process(
                    database=postgres.url,
                    base_url=raw.url,
                    redis_url=redis.url,
                    **GENEROUS,
                )
            )
            for _ in range(2)
        ]
        yield Stand(
            (first.url, second.url),
            (first.process.pid, second.process.pid),
            database,
            postgres,
            redis,
        )


async def converse(
    session: aiohttp.ClientSession, asking: str, watching: str | None, turns: int
) -> None:
    """Ask `turns` questions at one address, while a second tab watches at another."""
    async with AsyncExitStack() as stack:
        tabs = []
        hello = {"type": "hello"}
        for url in (asking, watching):
            if url is None:
                continue
            tab = await stack.enter_async_context(
                session.ws_connect(f"{url}/ws", protocols=(SUBPROTOCOL,))
            )
            await tab.send_str(json.dumps(hello))
            hello["session"] = (await tab.receive_json())["session"]
            tabs.append(tab)
        for _ in range(turns):
            question = {"type": "message", "id": str(uuid4()), "text": "?"}
            await tabs[0].send_str(json.dumps(question))
            await asyncio.gather(*(_end(tab) for tab in tabs))


async def measure(stand: Stand, *, second_tab: str, streams: int, turns: int) -> None:
    """Print a line of the table."""
    before = await stand.usage()
    asking, other = stand.urls
    watching = {"none": None, "here": asking, "elsewhere": other}[second_tab]
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        began = time.monotonic()
        await asyncio.gather(*(converse(session, asking, watching, turns) for _ in range(streams)))
        seconds = time.monotonic() - began
    after = await stand.usage()
    answers = streams * turns
    # Seconds of all answers together: what is divided by them is what a stream costs each second.
    running = answers * CHUNKS / RATE
    statements = after.statements - before.statements
    calls = after.commands - before.commands
    calls.pop("info", None)

    def share(used: float) -> str:
        return f"{used / running * 1000 * 100:.0f} %"

    cells = (
        *(second_tab, streams, f"{seconds:.0f} s"),
        *(f"{statements / answers:.1f}", f"{statements / running * 1000:.0f}"),
        share(after.postgres - before.postgres),
        *(f"{calls.total() / answers:.0f}", f"{calls.total() / running * 1000:.0f}"),
        share(after.redis - before.redis),
        share(after.gateways - before.gateways),
    )
    print("".join(f"| {cell} " for cell in cells) + "|", flush=True)


async def idle(stand: Stand, *, seconds: float) -> None:
    """Print what two processes ask for while nobody is there."""
    before = await stand.usage()
    await asyncio.sleep(seconds)
    after = await stand.usage()
    took = after.at - before.at
    print(
        f"\nnobody there, two processes: {(after.statements - before.statements) / took:.1f} statements "
        f"and {(after.commands - before.commands).total() / took:.1f} commands a second"
    )


async def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scaling", description=__doc__)
    parser.add_argument("--streams", type=int, nargs="+", default=[50, 200])
    parser.add_argument("--turns", type=int, default=2)
    arguments = parser.parse_args()
    async with stand() as everything:
        print(
            f"{CHUNKS} chunks an answer, {RATE:.0f} a second; "
            "a second and CPU (% of a core): of 1,000 streams\n"
        )
        print("".join(f"| {name} " for name in COLUMNS) + "|\n" + "|---" * len(COLUMNS) + "|")
        for streams in arguments.streams:
            for second_tab in ("none", "here", "elsewhere"):
                await measure(
                    everything, second_tab=second_tab, streams=streams, turns=arguments.turns
                )
        await idle(everything, seconds=10)


async def _end(socket: aiohttp.ClientWebSocketResponse) -> None:
    async for message in socket:
        if message.data.startswith('{"type":"done"'):
            return
        if message.data.startswith('{"type":"error"'):
            raise SystemExit(f"refused: {message.data}")


def _cpu_of_family(pid: int) -> float:
    family = [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    return sum(cpu_seconds(member) for member in family)


if __name__ == "__main__":
    asyncio.run(main())
