"""A process that dies leaves no money set aside for ever: its turns cost what they could have cost."""

import asyncio
from typing import Any
from uuid import UUID

import msgspec
import pytest

from gateway.backends.postgres import Database
from gateway.backends.store import PostgresStore
from gateway.chat.checkpoints import LEASE_SECONDS, SWEEP_SECONDS
from gateway.dev.embedded_server import EmbeddedServer
from gateway.dev.simulator import SimulatorOptions
from tests.integration import figures
from tests.integration.gateway_process import GatewayProcess, gateway_process, simulator
from tests.integration.helpers import STROLLING, begun, eventually
from tests.integration.money import (
    BY_DAY,
    BY_SESSION,
    OPEN_DOOR,
    PROMISED_SECONDS,
    connected,
    nano_of,
    sums,
    until,
)
from tests.promises import promised
from tests.running_gateway import running_gateway

ENDLESS = SimulatorOptions(tokens_per_second=10, first_token_seconds=0)
OVERDUE = "UPDATE turns SET lease_until = now() - interval '1 second' WHERE id = %s"
LAST = "SELECT state, answer, cost_nano, reserved_nano, cost_source FROM turns WHERE id = %s"


class Turn(msgspec.Struct, frozen=True):
    """What is stored of a turn's end."""

    state: str
    answer: str
    cost: int
    reserved: int
    source: str


async def stored(database: Database, turn_id: str) -> Turn:
    """Return a turn as the database has it."""
    return Turn(*(await database.fetch(LAST, (UUID(turn_id),)))[0])


async def given_up(database: Database, store: PostgresStore, turn_id: str) -> Turn:
    """Have the store give a turn up whose process it has not heard for too long, and return it."""
    await database.fetch(OVERDUE, (UUID(turn_id),))
    # A gateway looks for such turns, too: whichever comes first.
    await store.expire()
    return await stored(database, turn_id)


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that does not tell the store that its turns are alive."""

    async def nothing(*_: Any, **__: Any) -> None:
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr("gateway.app.keep_checkpoints", nothing)


async def settled(database: Database, *, at: int) -> None:
    """Check that day and session have spent `at` nano-dollars and have nothing set aside."""
    for sql in (BY_DAY, BY_SESSION):
        now = await sums(database, sql=sql)
        assert (now.spent, now.reserved, now.running) == (at, 0, 0)


async def test_silent_turn_is_settled_at_its_bound(
    postgres: EmbeddedServer, database: Database, store: PostgresStore, silent: None
) -> None:
    """A turn whose lease ran out costs what was set aside; what really happened corrects that."""
    async with (
        running_gateway(database=postgres.url, options=STROLLING) as gateway,
        connected(gateway.url) as clients,
    ):
        await clients[0].say("Why?")
        turn_id = (await begun(clients[0], []))[0]["turn_id"]
        lost = await given_up(database, store, turn_id)
        assert (lost.state, lost.source) == ("interrupted", "estimated")
        assert lost.cost == lost.reserved > 0
        await settled(database, at=lost.reserved)
        # Its process was only slow.
        end = (await clients[0].until_end())[-1]
        found = await stored(database, turn_id)
        assert (found.state, found.source) == ("answered", "reported")
        assert found.cost == nano_of(end["cost_usd"]) < lost.cost
        await settled(database, at=found.cost)


async def test_turn_given_up_too_soon_runs_again(
    postgres: EmbeddedServer, database: Database, store: PostgresStore
) -> None:
    """A turn whose process could not be heard is shown running there, and again to all once it can."""
    async with (
        running_gateway(
            database=postgres.url, options=ENDLESS, resume_checkpoint_seconds="0.5"
        ) as gateway,
        connected(gateway.url) as clients,
    ):
        await clients[0].say("Why?")
        turn_id = (await begun(clients[0], []))[0]["turn_id"]
        lost = await given_up(database, store, turn_id)
        async with connected(gateway.url, session=clients[0].ready["session"]) as (again,):
            (shown,) = again.ready["turns"]
            assert (again.ready["active_turn"], shown["end"]) == ({"turn_id": turn_id}, None)

        async def runs() -> bool:
            return (await stored(database, turn_id)).state == "streaming"

        await eventually(runs)
        now = await sums(database)
        assert (now.spent, now.reserved, now.running) == (0, lost.reserved, 1)


async def test_lost_turn_does_not_keep_its_session(
    postgres: EmbeddedServer, database: Database, silent: None
) -> None:
    """Another process answers the next question of a session whose turn was lost."""
    async with (
        running_gateway(database=postgres.url, options=ENDLESS) as dead,
        running_gateway(database=postgres.url) as gateway,
        connected(dead.url) as clients,
        connected(gateway.url, session=clients[0].ready["session"]) as others,
    ):
        await clients[0].say("Why?")
        turn_id = (await begun(clients[0], []))[0]["turn_id"]
        assert (await others[0].ask("And?"))[-1]["code"] == "busy"
        await database.fetch(OVERDUE, (UUID(turn_id),))
        end = (await others[0].ask("And?"))[-1]
        lost = await stored(database, turn_id)
        assert [lost.state, end["finish_reason"]] == ["interrupted", "stop"]
        await settled(database, at=lost.reserved + nano_of(end["cost_usd"]))


async def killed(gateway: GatewayProcess) -> None:
    """Kill a gateway (kill -9) and wait until it is gone."""
    gateway.process.kill()
    await gateway.process.wait()


@pytest.mark.parametrize("turns", [pytest.param(20, marks=pytest.mark.stress)])
async def test_killed(turns: int, postgres: EmbeddedServer, database: Database) -> None:
    """After a kill -9 the upstream is closed, and another process settles when the leases run out."""
    settings = {"openai_model": "sim-long", "resume_checkpoint_seconds": "0.2", **OPEN_DOOR}
    async with (
        simulator(ENDLESS) as (base_url, seen),
        gateway_process(database=postgres.url, base_url=base_url, port=0, **settings) as doomed,
        gateway_process(database=postgres.url, base_url=base_url) as heir,
    ):
        async with connected(*[doomed.url] * turns) as clients:
            await asyncio.gather(*(client.say("Why?") for client in clients))
            frames = await asyncio.gather(*(begun(client, [], deltas=5) for client in clients))
            loop = asyncio.get_running_loop()
            died = loop.time()
            await killed(doomed)
            await until(
                lambda: all(s.closed_early for s in seen.requests),
                seconds=promised(PROMISED_SECONDS),
            )
        while (await sums(database)).running:
            assert loop.time() - died < LEASE_SECONDS + SWEEP_SECONDS + promised(PROMISED_SECONDS)
            await asyncio.sleep(0.2)
        took = loop.time() - died
        lost = [await stored(database, f[0]["turn_id"]) for f in frames]
        assert {(t.state, t.source) for t in lost} == {("interrupted", "estimated")}
        assert all(t.cost == t.reserved and t.answer for t in lost)
        await settled(database, at=sum(t.reserved for t in lost))
        async with connected(heir.url, session=clients[0].ready["session"]) as others:
            assert others[0].ready["turns"][-1]["text"] == lost[0].answer
    figures.record(f"kill -9 with {turns} turns", f"all settled {took:.1f} s later")
