"""What an idle connection costs the gateway in memory: `python -m tests.bench.idle_connections`."""

import argparse
import asyncio
import resource
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import aiohttp
import msgspec
import psutil

from gateway.backends.migrations import migrate
from gateway.backends.postgres import Database
from gateway.backends.store import PostgresStore
from gateway.chat.frames import SUBPROTOCOL
from gateway.chat.records import ReportSnapshot
from gateway.commands import SAMPLE_REPORTS
from gateway.dev.embedded import postgres_server, redis_server
from gateway.resources import migrations_folder
from tests.chat_client import ChatClient
from tests.integration.gateway_process import gateway_process
from tests.integration.money import OPEN_DOOR, known

# The first ones also pay for what all share: the pool of database connections, code used for the first time.
WARM_UP = 100
# Opened at once; more only wait for the database.
AT_ONCE = 50
# Files a process has open besides its connections.
SPARE_FILES = 500


class Figures(NamedTuple):
    """What was measured, in bytes of the gateway's process (Pss)."""

    connections: int
    before: int
    after: int

    @property
    def each_kb(self) -> float:
        """KB for one connection."""
        return (self.after - self.before) / self.connections / 1024


async def measure(connections: int, *, report_id: str | None = None) -> Figures:
    """Open so many greeted connections, each with a session of its own, and weigh them."""
    _allow_files(WARM_UP + connections + SPARE_FILES)
    async with AsyncExitStack() as stack:
        url, gateway = await stack.enter_async_context(_gateway())
        await _open(WARM_UP, url, report_id=report_id, stack=stack)
        before = _bytes(gateway)
        await _open(connections, url, report_id=report_id, stack=stack)
        return Figures(connections, before, _bytes(gateway))


async def _open(count: int, url: str, *, report_id: str | None, stack: AsyncExitStack) -> None:
    session = await stack.enter_async_context(
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
    )
    gate = asyncio.Semaphore(AT_ONCE)

    async def greet() -> None:
        async with gate:
            client = ChatClient(
                await stack.enter_async_context(
                    session.ws_connect(f"{url}/ws", protocols=(SUBPROTOCOL,))
                )
            )
            await client.send(type="hello", report_id=report_id)
            assert (await client.receive())["type"] == "ready"

    await asyncio.gather(*(greet() for _ in range(count)))


@asynccontextmanager
async def _gateway() -> AsyncIterator[tuple[str, psutil.Process]]:
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as name:
        folder = Path(name)
        async with (
            postgres_server(folder / "postgres", durable=False) as postgres,
            redis_server(folder / "redis") as redis,
        ):
            await _prepare(postgres.url)
            async with gateway_process(
                database=postgres.url,
                base_url="http://127.0.0.1:9/v1",
                redis_url=redis.url,
                **OPEN_DOOR,
                **known(server_max_connections="100000"),
            ) as gateway:
                yield gateway.url, psutil.Process(gateway.process.pid)


async def _prepare(url: str) -> None:
    database = Database(url, pool_size=1)
    await migrate(database, folder=migrations_folder())
    await PostgresStore(database).import_reports(sample_reports())
    await database.close()


def sample_reports() -> list[ReportSnapshot]:
    """Return the reports that come with the gateway."""
    return msgspec.json.decode(SAMPLE_REPORTS.read_bytes(), type=list[ReportSnapshot])


def _bytes(process: psutil.Process) -> int:
    return int(process.memory_full_info().pss)


def _allow_files(needed: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < needed:
        # Our child, the gateway, inherits it.
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(needed, hard), hard))


def main() -> None:
    """Print KB for an idle connection, with and without a report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=2000)
    arguments = parser.parse_args()
    for report_id in (None, sample_reports()[0].id):
        figures = asyncio.run(measure(arguments.connections, report_id=report_id))
        print(
            f"{figures.connections} idle connections, about {report_id or 'no report'}: "
            f"{figures.before >> 20} MB before, {figures.after >> 20} MB after, "
            f"{figures.each_kb:.1f} KB each"
        )


if __name__ == "__main__":
    main()
