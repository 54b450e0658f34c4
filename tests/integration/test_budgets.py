"""However many ask at once, what they may spend together is never more than there is."""

import asyncio
import re
from collections import Counter
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest

from gateway.backends.migrations import migrate
from gateway.backends.postgres import Database
from gateway.backends.store import PostgresStore
from gateway.chat.context import BRIEF
from gateway.chat.errors import DailyBudgetReached, GatewayError, SessionBudgetReached
from gateway.chat.pricing import usd
from gateway.chat.records import Grant
from gateway.dev.embedded_server import EmbeddedServer
from gateway.resources import migrations_folder
from tests.builders import a_new_turn, an_outcome
from tests.chat_client import Frame, text_of
from tests.integration import figures
from tests.integration.gateway_process import gateway_process, simulator
from tests.integration.money import (
    BY_SESSION,
    OPEN_DOOR,
    ask_all,
    connected,
    nano_of,
    nothing_left,
    sums,
    watched,
)
from tests.running_gateway import FLAT_OUT, running_gateway

# An answer of exactly this many tokens, or none: a shorter one cannot squeeze in, and what it costs is all
# that was set aside for it, so that none gets in later either.
ALL_OR_NOTHING = {
    "openai_model": "sim-long",
    "openai_max_output_tokens": "64",
    "openai_min_output_tokens": "64",
}
FITTING = 10
MANY = pytest.mark.parametrize("sockets", [40, pytest.param(200, marks=pytest.mark.stress)])


async def cost_of_one(postgres: EmbeddedServer, database: Database, **settings: str) -> int:
    """Return what an answer costs, in nano-dollars, and leave an empty ledger."""
    async with (
        running_gateway(database=postgres.url, options=FLAT_OUT, **settings) as gateway,
        connected(gateway.url) as clients,
    ):
        (end,) = await ask_all(clients)
    await database.fetch("TRUNCATE sessions, turns, ledger_days")
    return nano_of(end["cost_usd"])


def codes(ends: list[Frame]) -> Counter[str]:
    """Return how often turns ended in each way."""
    return Counter(end.get("code") or end["finish_reason"] for end in ends)


@MANY
async def test_day_budget(sockets: int, postgres: EmbeddedServer, database: Database) -> None:
    """Of many sessions that ask at once exactly as many are answered as the day can pay."""
    one = await cost_of_one(postgres, database, **ALL_OR_NOTHING)
    day = one * FITTING + one - 1
    settings = {"cost_day_usd": usd(day), **ALL_OR_NOTHING, **OPEN_DOOR}
    async with (
        running_gateway(database=postgres.url, options=FLAT_OUT, **settings) as gateway,
        connected(*[gateway.url] * sockets) as clients,
        nothing_left(gateway, database),
        watched(database) as peak,
    ):
        ends = await ask_all(clients)
    assert codes(ends) == {"length": FITTING, "daily_budget_reached": sockets - FITTING}
    assert (await sums(database)).spent == one * FITTING
    assert peak.nano <= day
    assert gateway.upstream.total_requests == FITTING
    figures.record(
        f"day budget for {FITTING}, {sockets} at once",
        f"{FITTING} answered, at most {peak.nano} of {day} nano-dollars in {peak.looks} looks",
    )


@MANY
async def test_two_processes(sockets: int, postgres: EmbeddedServer, database: Database) -> None:
    """Two gateways with one database answer together what the day can pay."""
    one = await cost_of_one(postgres, database, **ALL_OR_NOTHING)
    day = one * FITTING + one - 1
    settings = {"cost_day_usd": usd(day), **ALL_OR_NOTHING, **OPEN_DOOR}
    async with AsyncExitStack() as stack:
        base_url, seen = await stack.enter_async_context(simulator())
        gateways = [
            gateway_process(database=postgres.url, base_url=base_url, port=0, **settings)
            for _ in range(2)
        ]
        started = await asyncio.gather(*(stack.enter_async_context(g) for g in gateways))
        urls = [started[n % 2].url for n in range(sockets)]
        async with connected(*urls) as clients, watched(database) as peak:
            ends = await ask_all(clients)
    assert codes(ends) == {"length": FITTING, "daily_budget_reached": sockets - FITTING}
    assert peak.nano <= day
    assert seen.total_requests == FITTING
    figures.record(
        f"two processes, day budget for {FITTING}, {sockets} at once",
        f"{FITTING} answered, at most {peak.nano} of {day} nano-dollars in {peak.looks} looks",
    )


async def test_room_for_a_short_answer(postgres: EmbeddedServer, database: Database) -> None:
    """Money for less than a full answer buys a short one: that is said, and asked for in words."""
    settings = {"openai_max_output_tokens": "1000"}
    async with (
        running_gateway(
            database=postgres.url, options=FLAT_OUT, cost_request_usd="0.0002", **settings
        ) as gateway,
        connected(gateway.url) as clients,
    ):
        frames = await clients[0].ask("Why?")
    (seen,) = gateway.upstream.requests
    assert [frames[0]["shortened"], frames[-1]["shortened"]] == [True, True]
    assert seen.messages[-1].content == BRIEF
    assert seen.max_completion_tokens is not None
    assert seen.max_completion_tokens < 1000
    assert nano_of(frames[-1]["cost_usd"]) <= 200_000


@MANY
async def test_short_answers_squeeze_in(
    sockets: int, postgres: EmbeddedServer, database: Database
) -> None:
    """Where short answers are allowed the day is used up to what the shortest costs, not beyond."""
    lengths = {"openai_max_output_tokens": "64", "openai_min_output_tokens": "16"}
    settings = {"openai_model": "sim-long", **lengths, **OPEN_DOOR}
    one = await cost_of_one(postgres, database, **settings)
    day = one * FITTING + one * 4 // 5
    async with (
        running_gateway(
            database=postgres.url, options=FLAT_OUT, cost_day_usd=usd(day), **settings
        ) as gateway,
        connected(*[gateway.url] * sockets) as clients,
        nothing_left(gateway, database),
        watched(database) as peak,
    ):
        shown = await asyncio.gather(*(client.ask("Why?") for client in clients))
    shortened = [f for f in shown if f[0].get("shortened")]
    # Refused before the call, or cut where the budget ended: the reader is told the same.
    assert codes([f[-1] for f in shown]) == {"length": 10, "daily_budget_reached": sockets - 10}
    assert len(shortened) == 1
    assert text_of(shortened[0])
    assert (await sums(database)).spent <= day
    assert peak.nano <= day


async def test_session_budget(postgres: EmbeddedServer, database: Database) -> None:
    """A session asks until its budget is used up, and has not spent more."""
    settings = {"context_history_messages": "0", **ALL_OR_NOTHING, **OPEN_DOOR}
    one = await cost_of_one(postgres, database, **settings)
    session = one * 3 + one - 1
    async with (
        running_gateway(
            database=postgres.url, options=FLAT_OUT, cost_session_usd=usd(session), **settings
        ) as gateway,
        connected(gateway.url) as clients,
        nothing_left(gateway, database),
        watched(database) as peak,
    ):
        ends = [(await clients[0].ask("Why?"))[-1] for _ in range(5)]
        async with connected(gateway.url, session=clients[0].ready["session"]) as others:
            again = await ask_all(others)
    assert codes([*ends, *again]) == {"length": 3, "session_budget_reached": 3}
    assert [m["message"] for m in again] == ["Budget of this conversation used up."]
    assert (await sums(database, sql=BY_SESSION)).spent == 3 * one
    assert peak.nano <= session


@pytest.mark.parametrize(
    ("bound", "error"), [("day", DailyBudgetReached), ("session", SessionBudgetReached)]
)
@pytest.mark.parametrize("turns", [40, pytest.param(200, marks=pytest.mark.stress)])
async def test_racing_reservations(
    bound: str, error: type[GatewayError], turns: int, postgres: EmbeddedServer, database: Database
) -> None:
    """Turns that reserve at once get what there is and not a nano-dollar more, by day and session."""
    elsewhere, url = f"race_{uuid4().hex}", postgres.url
    await database.fetch(f"CREATE DATABASE {elsewhere}")
    race = Database(re.sub(r"/postgres\?", f"/{elsewhere}?", url), pool_size=20)
    try:
        await migrate(race, folder=migrations_folder())
        # A session runs one turn at a time; its budget does not rely on that.
        await race.fetch("DROP INDEX turns_running")
        await _race(race, bound=bound, error=error, turns=turns)
    finally:
        await race.close()
        await database.fetch(f"DROP DATABASE {elsewhere} WITH (FORCE)")


async def _race(race: Database, *, bound: str, error: type[GatewayError], turns: int) -> None:
    store, cap, wanted, least = PostgresStore(race), 1_000, 95, 30
    session = await store.open_session(b"token", report_id=None)
    asked = [a_new_turn(session.id) for _ in range(turns)]
    for turn in asked:
        await store.accept_turn(turn)
    caps = {"session_cap": 10**9, "day_cap": 10**9, f"{bound}_cap": cap}
    async with watched(race) as peak:
        granted = await asyncio.gather(
            *(store.reserve(t.id, wanted=wanted, least=least, **caps) for t in asked),
            return_exceptions=True,
        )
    grants = [g for g in granted if isinstance(g, Grant)]
    # Ten get all they want, one the rest, which is more than the least.
    assert sorted(g.nano for g in grants) == [50, *[95] * 10]
    assert {type(refused) for refused in granted if not isinstance(refused, Grant)} == {error}
    assert peak.nano <= cap
    done = [turn for turn, g in zip(asked, granted, strict=True) if isinstance(g, Grant)]
    await asyncio.gather(*(store.finish_turn(t.id, an_outcome(cost_nano=50)) for t in done))
    for sql in (
        "SELECT spent_nano, reserved_nano FROM ledger_days",
        "SELECT spent_nano, reserved_nano FROM sessions",
    ):
        assert await race.fetch(sql) == [(550, 0)]
