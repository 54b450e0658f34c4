"""However a turn is stopped, the upstream is closed within a second: what is not read is not paid."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from gateway.backends.postgres import Database
from gateway.dev.embedded_server import EmbeddedServer
from gateway.dev.seen import SimulatorLog
from gateway.dev.simulator import SimulatorOptions
from tests.chat_client import ChatClient
from tests.integration import figures
from tests.integration.gateway_process import simulator
from tests.integration.helpers import begun
from tests.integration.money import (
    BY_SESSION,
    OPEN_DOOR,
    PROMISED_SECONDS,
    connected,
    nothing_left,
    sums,
    until,
)
from tests.promises import promised
from tests.running_gateway import FLAT_OUT, running_gateway

# Many times longer than any test.
ENDLESS = SimulatorOptions(tokens_per_second=10, first_token_seconds=0)
RESTARTING = 1012
GRACE = 0.2
TURN = 4.0
# More would take longer to begin than the turn's deadline.
AT_ONCE = 25
# Together 20 and 500.
EACH = pytest.mark.parametrize("turns", [5, pytest.param(125, marks=pytest.mark.stress)])
Asked = list[tuple[ChatClient, str]]


async def by_frame(asked: Asked) -> None:
    """Say stop."""
    await asyncio.gather(*(client.send(type="cancel", turn_id=turn) for client, turn in asked))


async def by_leaving(asked: Asked) -> None:
    """Go, and do not come back."""
    await asyncio.gather(*(client.socket.close() for client, _ in asked))
    await asyncio.sleep(GRACE)


async def by_deadline(asked: Asked) -> None:
    """Let the turn's time run out."""
    await asyncio.sleep(TURN)


@EACH
@pytest.mark.parametrize(
    ("stop", "settings"),
    [
        (by_frame, {}),
        (by_leaving, {"resume_grace_seconds": str(GRACE)}),
        (by_deadline, {"limits_turn_seconds": str(TURN)}),
    ],
)
async def test_stopped(
    stop: Callable[[Asked], Awaitable[None]],
    settings: dict[str, str],
    turns: int,
    postgres: EmbeddedServer,
    database: Database,
) -> None:
    """A reader's stop, nobody watching any more, and a deadline each close the upstream."""
    took: list[float] = []
    async with running_gateway(
        database=postgres.url, options=ENDLESS, openai_model="sim-long", **settings, **OPEN_DOOR
    ) as gateway:
        while len(gateway.upstream.requests) < turns:
            async with (
                nothing_left(gateway, database),
                connected(*[gateway.url] * min(turns, AT_ONCE)) as clients,
            ):
                asked = await asyncio.gather(*(ask(client) for client in clients))
                await stop(asked)
                took.append(await all_closed(gateway.upstream))
    figures.record(f"stopped {stop.__name__} x {turns}", f"closed after {max(took):.2f} s at most")


@EACH
async def test_shutdown(turns: int, postgres: EmbeddedServer, database: Database) -> None:
    """A gateway that is shut down closes its upstreams, keeps the texts and leaves nothing set aside."""
    async with simulator(ENDLESS) as (base_url, seen), AsyncExitStack() as running:
        gateway = await running.enter_async_context(
            running_gateway(
                database=postgres.url,
                options=FLAT_OUT,
                openai_base_url=base_url,
                openai_model="sim-long",
                **OPEN_DOOR,
            )
        )
        async with connected(*[gateway.url] * turns) as clients:
            await asyncio.gather(*(ask(client) for client in clients))
            stopping = asyncio.create_task(running.aclose())
            leaving = asyncio.gather(*(client.closed() for client in clients))
            took = await all_closed(seen)
            assert await leaving == [RESTARTING] * turns
            await stopping
    rows = await database.fetch(
        "SELECT DISTINCT state, error_code, answer <> '', cost_nano > 0 FROM turns"
    )
    assert rows == [("interrupted", "interrupted", True, True)]
    now = await sums(database, sql=BY_SESSION)
    assert (now.reserved, now.running) == (0, 0)
    figures.record(f"stopped by_shutdown x {turns}", f"closed after {took:.2f} s at most")


async def ask(client: ChatClient) -> tuple[ChatClient, str]:
    """Ask, wait for the first words, and return the turn's id."""
    await client.say("Why?")
    frames = await begun(client, [])
    return client, frames[0]["turn_id"]


async def all_closed(seen: SimulatorLog) -> float:
    """Wait until the upstream noticed that every reader has gone, and return how long that took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    await until(
        lambda: all(s.closed_early for s in seen.requests),
        lambda: [s for s in seen.requests if not s.closed_early],
        seconds=promised(PROMISED_SECONDS),
    )
    return loop.time() - began
