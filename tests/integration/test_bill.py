"""What turns cost by our books is what the upstream bills, however they end."""

import asyncio
import random
from collections import defaultdict
from typing import NamedTuple

import pytest

from gateway.backends.postgres import Database
from gateway.dev.embedded_server import EmbeddedServer
from gateway.dev.faults import Fault
from gateway.dev.simulator import SimulatorOptions
from tests.chat_client import ChatClient
from tests.integration import figures
from tests.integration.money import (
    BY_SESSION,
    OPEN_DOOR,
    bill_nano,
    connected,
    faults,
    nothing_left,
    sums,
)
from tests.running_gateway import RunningGateway, running_gateway

SEED = 20_261_123
SOCKETS = 20
CUT_PERCENT = 30
CUTS = ("cancel", "disconnect", "fault")
GRACE = 0.1
# An answer of about 75 tokens takes half a second; a cut comes anywhere in it, or before it.
PACED = SimulatorOptions(tokens_per_second=200, first_token_seconds=0.1)
LONGEST_CUT = 0.6
# What may meet a question on its way; half of them before anything is billed.
FAULTS = (
    *(Fault.RESET, Fault.EOF, Fault.STALL, Fault.ERROR_EVENT, Fault.JUNK, Fault.NO_USAGE),
    *(Fault.COMMENTS, Fault.HANG, Fault.REFUSE, Fault.SERVER_ERROR_ONCE, Fault.CONTENT_FILTER),
)
ESTIMATES_OFF_PERCENT = 10


class Settled(NamedTuple):
    """A turn by our books and by the upstream's, in nano-dollars."""

    trace_id: str
    state: str
    source: str
    cost: int
    bill: int


@pytest.mark.parametrize("turns", [60, pytest.param(1_000, marks=pytest.mark.stress)])
async def test_bill(turns: int, postgres: EmbeddedServer, database: Database) -> None:
    """Reported usage costs exactly what was billed, an estimate is marked and close, none stays open."""
    dice = random.Random(SEED)
    waves = turns // SOCKETS
    async with running_gateway(
        database=postgres.url,
        options=PACED,
        resume_grace_seconds=str(GRACE),
        limits_first_chunk_seconds="1.5",
        limits_stall_seconds="0.5",
        **OPEN_DOOR,
    ) as gateway:
        async with nothing_left(gateway, database):
            for wave in range(waves):
                await one_wave(gateway, dice, wave=wave)
        settled = await books(gateway, database)
    assert len(settled) == turns
    reported = [t for t in settled if t.source == "reported"]
    estimated = [t for t in settled if t.source == "estimated"]
    assert [t for t in reported if t.cost != t.bill] == []
    cost, bill = sum(t.cost for t in estimated), sum(t.bill for t in estimated)
    worst = max((abs(t.cost - t.bill) / t.bill * 100 for t in estimated if t.bill), default=0)
    figures.record(
        f"{turns} turns",
        f"{len(reported)} reported, all exact; {len(estimated)} estimated, together"
        f" {(cost - bill) / bill * 100:+.2f} %, the worst {worst:.1f} %",
    )
    assert abs(cost - bill) * 100 <= bill * ESTIMATES_OFF_PERCENT
    total = sum(t.cost for t in settled)
    assert (await sums(database)).spent == (await sums(database, sql=BY_SESSION)).spent == total


async def one_wave(gateway: RunningGateway, dice: random.Random, *, wave: int) -> None:
    """Ask once through each of many sockets; three of ten questions are cut short."""
    cuts = [
        dice.choice(CUTS) if dice.randrange(100) < CUT_PERCENT else None for _ in range(SOCKETS)
    ]
    asks = [(cut, dice.uniform(0, LONGEST_CUT)) for cut in cuts if cut != "fault"]
    async with connected(*[gateway.url] * SOCKETS) as clients:
        asking = zip(clients, asks, strict=False)
        for client, fault in zip(
            clients[len(asks) :], dice.choices(FAULTS, k=SOCKETS), strict=False
        ):
            async with faults(gateway, fault, times=1):
                await client.say(f"Why in wave {wave}?")
                await asked_upstream(client)
        await asyncio.gather(
            *(client.until_end() for client in clients[len(asks) :]),
            *(ask(client, f"Why in wave {wave}?", cut, after) for client, (cut, after) in asking),
        )


async def asked_upstream(client: ChatClient) -> None:
    """Wait until the request of a question is on its way: the fault is for this one."""
    while (frame := await client.receive())["type"] != "status":
        assert frame["type"] != "error"
    await asyncio.sleep(0.02)


async def ask(client: ChatClient, text: str, cut: str | None, after: float) -> None:
    """Ask, and cut the answer short `after` seconds in the way `cut` says."""
    await client.say(text)
    accepted = await client.receive()
    if cut is None:
        await client.until_end()
        return
    await asyncio.sleep(after)
    if cut == "cancel":
        await client.send(type="cancel", turn_id=accepted["turn_id"])
        await client.until_end()
    else:
        await client.socket.close()


async def books(gateway: RunningGateway, database: Database) -> list[Settled]:
    """Return every turn as our ledger has it and as the simulator billed it."""
    bills: defaultdict[str, int] = defaultdict(int)
    for seen in gateway.upstream.requests:
        assert seen.traceparent is not None
        bills[seen.traceparent.split("-")[1]] += bill_nano(seen)
    rows = await database.fetch("SELECT trace_id, state, cost_source, cost_nano FROM turns")
    return [
        Settled(trace_id, state, source, cost, bills[trace_id])
        for trace_id, state, source, cost in rows
    ]
