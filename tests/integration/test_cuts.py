"""Connections break in the middle of answers: whoever comes back has every character, once."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest

from gateway.backends.postgres import Database
from gateway.backends.store import PostgresStore
from gateway.dev.embedded_server import EmbeddedServer
from tests.chat_client import ChatClient
from tests.integration import figures
from tests.integration.cutting import Cutter, Reader, by_events, by_socket, cutter
from tests.integration.helpers import REPORT, STROLLING, begun, eventually, question, stored
from tests.integration.money import BY_DAY, BY_SESSION, OPEN_DOOR, PROMISED_SECONDS, sums, until
from tests.promises import promised
from tests.running_gateway import FLAT_OUT, running_gateway

# Conversations at once.
LANES = 10
GRACE_SECONDS = 0.3

Ask = Callable[..., Awaitable[Reader]]


@pytest.mark.parametrize("cuts", [20, pytest.param(200, marks=pytest.mark.stress)])
@pytest.mark.parametrize("ask", [by_socket, by_events])
async def test_cut(ask: Ask, cuts: int, postgres: EmbeddedServer, database: Database) -> None:
    """However often the connection is cut, the text put together is the one that is stored."""
    chance = random.Random(cuts)
    readers: list[Reader] = []

    async def lane(cut: Cutter) -> None:
        while sum(reader.cuts for reader in readers) < cuts:
            readers.append(await ask(cut, question(len(readers)), chance=chance))

    async def lanes(url: str) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(LANES):
                group.create_task(in_front_of(url, lane))

    async with running_gateway(database=postgres.url, options=STROLLING, **OPEN_DOOR) as gateway:
        await lanes(gateway.url)
        assert gateway.upstream.total_requests == len(readers)
    for reader in readers:
        assert reader.end is not None
        assert reader.end["type"] == "done"
        assert await stored(database, reader.turn_id) == ("answered", reader.text)
    figures.record(
        f"{cuts} cuts, {ask.__name__}",
        f"{sum(r.cuts for r in readers)} cuts, {len(readers)} answers of {len(readers)} whole, "
        f"{sum(r.snapshots for r in readers)} snapshots",
    )


async def in_front_of(url: str, work: Callable[[Cutter], Awaitable[None]]) -> None:
    """Do `work` with a cutter of its own."""
    async with cutter(url) as cut:
        await work(cut)


@pytest.mark.parametrize("turns", [20, pytest.param(100, marks=pytest.mark.stress)])
async def test_back_in_time(
    turns: int, postgres: EmbeddedServer, store: PostgresStore, database: Database
) -> None:
    """Whoever leaves and is back within the grace gets the whole answer."""
    chance = random.Random(turns)
    await store.import_reports([REPORT])
    async with running_gateway(database=postgres.url, options=STROLLING, **OPEN_DOOR) as gateway:

        async def leave_and_return(number: int) -> tuple[str, str]:
            async with ChatClient.connect(gateway.url, report_id=REPORT.id) as client:
                await client.say(question(number))
                frames = await begun(client, [], deltas=chance.randint(1, 5))
            await asyncio.sleep(chance.uniform(0, 0.4))
            turn_id = frames[0]["turn_id"]
            async with ChatClient.connect(gateway.url, session=client.ready["session"]) as again:
                await again.send(type="resume", turn_id=turn_id, after=frames[-1]["to"])
                frames += await again.until_end()
            assert frames[-1]["type"] == "done"
            return await stored(database, turn_id)

        states: list[str] = []
        for first in range(0, turns, 2 * LANES):
            batch = range(first, min(turns, first + 2 * LANES))
            states += [s for s, _ in await asyncio.gather(*map(leave_and_return, batch))]
    assert states == ["answered"] * turns
    figures.record(f"{turns} times away and back", f"{states.count('answered')} completed")


@pytest.mark.timed
async def test_not_back_in_time(postgres: EmbeddedServer, database: Database) -> None:
    """A second after the grace at the latest the upstream is closed, the text kept, the cost settled."""
    settings = {"openai_model": "sim-stall", "resume_grace_seconds": str(GRACE_SECONDS)}
    async with running_gateway(database=postgres.url, options=FLAT_OUT, **settings) as gateway:
        async with ChatClient.connect(gateway.url) as client:
            await client.say(question())
            frames = await begun(client, [])
        (request,) = gateway.upstream.requests
        await asyncio.sleep(GRACE_SECONDS / 2)
        assert not request.closed_early
        await until(
            lambda: request.closed_early, seconds=GRACE_SECONDS / 2 + promised(PROMISED_SECONDS)
        )

        async def is_cancelled() -> bool:
            return (await stored(database, frames[0]["turn_id"]))[0] == "cancelled"

        await eventually(is_cancelled)
    assert (await stored(database, frames[0]["turn_id"]))[1].startswith(frames[-1]["text"])
    for sql in (BY_DAY, BY_SESSION):
        now = await sums(database, sql=sql)
        assert (now.reserved, now.running) == (0, 0)
        assert now.spent > 0
