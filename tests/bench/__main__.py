"""CPU for each chunk, compared in one run with the usual loop and with the floor: `python -m tests.bench`.

CPU seconds of the serving process, not wall time: those hold on a busy machine, and the ratios hold anywhere.
Everything is on in the gateway: Postgres, Redis, guards and logs.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import aiohttp

from gateway.backends.migrations import migrate
from gateway.backends.postgres import Database
from gateway.dev.embedded import embedded_postgres, embedded_redis
from gateway.resources import migrations_folder
from tests.integration.gateway_process import gateway_process

CHUNKS = 200
WARM_UP_STREAMS = 20
TICKS = os.sysconf("SC_CLK_TCK")
# Nothing of what is measured may be refused.
GENEROUS = {
    "openai_model": "sim-bench",
    "cost_session_usd": "1000",
    "cost_day_usd": "100000",
    "limits_turn_seconds": "600",
}


class Server(NamedTuple):
    """Something that answers over WebSocket, and the process whose CPU counts."""

    url: str
    pid: int


Start = Callable[[], AbstractAsyncContextManager[Server]]


@asynccontextmanager
async def module(*arguments: str) -> AsyncIterator[Server]:
    """Run a module of this folder that prints its port."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *arguments, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        port = int(await process.stdout.readline())
        yield Server(f"http://127.0.0.1:{port}", process.pid)
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def gateway(*, database: str, redis: str, upstream: str) -> AsyncIterator[Server]:
    """Run the gateway as it is shipped."""
    async with gateway_process(
        database=database, base_url=upstream, redis_url=redis, **GENEROUS
    ) as process:
        yield Server(process.url, process.process.pid)


async def converse(session: aiohttp.ClientSession, url: str, *, answers: int) -> None:
    """Ask `answers` questions one after the other, and read each answer to its end."""
    async with session.ws_connect(f"{url}/ws", protocols=("chatgw.v1",), max_msg_size=0) as socket:
        await socket.send_str('{"type":"hello"}')
        for _ in range(answers):
            question = {"type": "message", "id": str(uuid4()), "text": "?"}
            await socket.send_str(json.dumps(question))
            async for message in socket:
                # Parsed only where it matters: the clients share the machine with what is measured.
                if message.data.startswith('{"type":"error"'):
                    raise SystemExit(f"refused: {message.data}")
                if message.data.startswith(('{"type":"done"', '{"type": "done"')):
                    break


async def load(url: str, *, streams: int, answers: int) -> None:
    """Hold `streams` conversations at once."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        talks = (converse(session, url, answers=answers) for _ in range(streams))
        await asyncio.gather(*talks)


async def measure(start: Start, *, streams: int, answers: int) -> float:
    """Return the CPU microseconds of the server's process for each chunk."""
    async with start() as server:
        await load(server.url, streams=min(streams, WARM_UP_STREAMS), answers=1)
        before = cpu_seconds(server.pid)
        await load(server.url, streams=streams, answers=answers)
        used = cpu_seconds(server.pid) - before
    return used / (streams * answers * CHUNKS) * 1e6


def cpu_seconds(pid: int) -> float:
    """Return what a process has used so far, in and out of the kernel (proc(5), stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def compare(*, title: str, rate: float, streams: int, answers: int, runs: int) -> None:
    """Measure the three in turn, `runs` times, and print medians and ratios."""
    folder = Path(tempfile.mkdtemp(prefix="gateway-bench-"))
    async with (
        embedded_postgres(folder / "postgres") as database,
        embedded_redis(folder / "redis") as redis,
        module(
            "tests.bench.upstream", "--chunks", str(CHUNKS), "--chunks-per-second", str(rate)
        ) as upstream,
    ):
        tables = Database(database)
        await migrate(tables, folder=migrations_folder())
        await tables.close()
        api = f"{upstream.url}/v1"
        starts: dict[str, Start] = {
            "floor": partial(module, "tests.bench.references", "floor", api),
            "usual": partial(module, "tests.bench.references", "usual", api),
            "gateway": partial(gateway, database=database, redis=redis, upstream=api),
        }
        figures: dict[str, list[float]] = {name: [] for name in starts}
        for run in range(runs):
            for name, start in starts.items():
                print(f"\r{title}: run {run + 1}/{runs}, {name:8}", end="", flush=True)
                figures[name].append(await measure(start, streams=streams, answers=answers))
    floor, usual, ours = (statistics.median(figures[name]) for name in starts)
    print(
        f"\r{title:32} {floor:7.1f} {usual:7.1f} {ours:7.1f} {ours / floor:9.2f} {usual / ours:9.2f}"
    )


async def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--streams", type=int, default=400, help="of the paced comparison")
    arguments = parser.parse_args()
    print(
        f"{'CPU us a chunk':32} {'floor':>7} {'usual':>7} {'gateway':>7} {'x floor':>9} {'usual/':>9}"
    )
    await compare(title="flat out, 50 streams", rate=0, streams=50, answers=4, runs=arguments.runs)
    title = f"20 chunks/s, {arguments.streams} streams"
    await compare(title=title, rate=20, streams=arguments.streams, answers=1, runs=arguments.runs)


if __name__ == "__main__":
    asyncio.run(main())
