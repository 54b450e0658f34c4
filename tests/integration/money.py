"""What the proofs of the money and time guards share: the ledger, the bill, what is left behind."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol, cast

import aiohttp
import msgspec

from gateway.backends.postgres import Database
from gateway.backends.store import PostgresStore
from gateway.chat.records import Usage
from gateway.config import price_table
from gateway.dev.seen import SeenRequest
from gateway.settings import Settings
from gateway.web.rest import REPORTS
from tests.chat_client import ChatClient, Frame
from tests.promises import GUARD_SECONDS
from tests.running_gateway import RunningGateway

# The upstream is closed this soon after a turn was stopped, and a turn ends this soon after its deadline.
PROMISED_SECONDS = 1.0
# aiohttp has one for each open connection, idle ones kept for the next request among them.
CONNECTION_TASK = "RequestHandler.start"


class Simulated(Protocol):
    """A gateway whose upstream is the simulator."""

    @property
    def upstream_url(self) -> str:
        """Where the simulator listens."""
        ...


class Sums(msgspec.Struct, frozen=True):
    """Nano-dollars of the ledger's days together, and how many turns run."""

    spent: int
    reserved: int
    running: int


class Peak(msgspec.Struct):
    """The most that was ever spent and set aside together, and how often that was looked up."""

    nano: int = 0
    looks: int = 0


def known(**settings: str) -> dict[str, str]:
    """Return those of `settings` that a gateway has; each limit comes with what it limits."""
    sections = {field.name: field.type for field in msgspec.structs.fields(Settings)}
    return {
        name: value
        for name, value in settings.items()
        if hasattr(sections[name.partition("_")[0]], name.partition("_")[2])
    }


# Hundreds of sockets from one address are an attack to the door, and the point of a test here.
OPEN_DOOR = known(
    server_max_connections_per_ip="100000",
    limits_messages_per_minute="100000",
)
SUMS = """
    SELECT
        coalesce(sum(spent_nano), 0)::bigint,
        coalesce(sum(reserved_nano), 0)::bigint,
        (SELECT count(*) FROM turns WHERE state IN ('accepted', 'streaming'))
    FROM {}
"""
BY_DAY, BY_SESSION = SUMS.format("ledger_days"), SUMS.format("sessions")


async def sums(database: Database, *, sql: str = BY_DAY) -> Sums:
    """Return what the ledger says."""
    return Sums(*(await database.fetch(sql))[0])


@asynccontextmanager
async def watched(database: Database) -> AsyncIterator[Peak]:
    """Look at the ledger inside the block, again and again, and keep the most it ever said."""
    peak = Peak()

    async def watch() -> None:
        while True:
            now = await sums(database)
            peak.nano = max(peak.nano, now.spent + now.reserved)
            peak.looks += 1

    task = asyncio.create_task(watch())
    try:
        yield peak
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def nothing_left(gateway: RunningGateway, database: Database) -> AsyncIterator[None]:
    """Check that what happened in the block left no task, request, connection or reservation."""
    before = tasks()
    yield
    await until(lambda: tasks() <= before, tasks)
    store = cast(PostgresStore, gateway.app[REPORTS])
    await until(lambda: store._database.used == 0, lambda: store._database.used)
    for sql in (BY_DAY, BY_SESSION):
        now = await sums(database, sql=sql)
        assert (now.reserved, now.running) == (0, 0)


def tasks() -> Counter[str]:
    """Return how many tasks of each kind there are; a request that is being served is one."""
    names = (getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks())
    return Counter(name for name in names if name != CONNECTION_TASK)


async def until(
    holds: Callable[[], bool],
    tell: Callable[[], object] = lambda: "",
    *,
    seconds: float = GUARD_SECONDS,
) -> None:
    """Wait until `holds`; fails with what `tell` returns where that takes longer than `seconds`."""
    end = asyncio.get_running_loop().time() + seconds
    while not holds():
        assert asyncio.get_running_loop().time() < end, tell()
        await asyncio.sleep(0.01)


@asynccontextmanager
async def connected(*urls: str, **hello: object) -> AsyncIterator[list[ChatClient]]:
    """Connect to each of `urls`, in English unless `hello` says otherwise."""
    async with AsyncExitStack() as stack:
        hello = {"locale": "en"} | hello
        yield await asyncio.gather(
            *(stack.enter_async_context(ChatClient.connect(url, **hello)) for url in urls)
        )


async def ask_all(clients: list[ChatClient], text: str = "Why?") -> list[Frame]:
    """Ask the same through all `clients` at once and return how each turn ended."""
    return [frames[-1] for frames in await asyncio.gather(*(c.ask(text) for c in clients))]


@asynccontextmanager
async def faults(gateway: Simulated, fault: str, *, times: int) -> AsyncIterator[None]:
    """Inside the block the next `times` requests meet `fault`, whatever their model."""
    url = gateway.upstream_url.removesuffix("/v1") + "/sim/faults"
    async with aiohttp.ClientSession() as session:
        async with session.post(url, json={"fault": fault, "times": times}) as response:
            assert response.status == 200
        yield
        async with session.delete(url) as response:
            assert response.status == 204


def seen_of(gateway: RunningGateway, trace_id: str) -> list[SeenRequest]:
    """Return the requests the simulator saw for one turn."""
    return [s for s in gateway.upstream.requests if trace_id in (s.traceparent or "")]


def bill_nano(seen: SeenRequest) -> int:
    """Return what the simulator charges for a request."""
    facts = price_table().find("sim-plain")
    assert facts is not None
    return facts.price.cost(Usage(input_tokens=seen.billed_input, output_tokens=seen.billed_output))


def nano_of(usd: str) -> int:
    """Return a decimal string of dollars in nano-dollars."""
    whole, _, rest = usd.partition(".")
    return int(whole) * 10**9 + int(rest.ljust(9, "0"))
