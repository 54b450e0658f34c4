"""SIGTERM: answers end, readers are told, others take over, and the exit code says that all is well."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from gateway.backends.postgres import Database
from gateway.dev.embedded_server import EmbeddedServer
from gateway.dev.simulator import SimulatorOptions
from tests.chat_client import ChatClient, Frame, text_of
from tests.http_client import HttpClient
from tests.integration import figures
from tests.integration.gateway_process import (
    GatewayProcess,
    free_port,
    gateway_process,
    simulator,
)
from tests.integration.helpers import begun, question, stored
from tests.integration.money import OPEN_DOOR, connected, until
from tests.promises import promised

# Some seconds for an answer.
AMBLING = SimulatorOptions(tokens_per_second=30, first_token_seconds=0)
ENDLESS = SimulatorOptions(tokens_per_second=5, first_token_seconds=0)
DRAIN_SECONDS = 20.0
EXIT_SECONDS = 5.0
AT_ONCE_SECONDS = 2.0
RESTARTING = 1012
ANSWERS, IDLE = 50, 5


async def readiness(url: str) -> tuple[int, str]:
    """Return what /readyz answers."""
    async with aiohttp.ClientSession() as http, http.get(f"{url}/readyz") as response:
        return response.status, (await response.json())["status"]


async def to_the_end(client: ChatClient) -> tuple[list[Frame], int | None]:
    """Read until the gateway closes the connection; returns the frames and the code."""
    frames: list[Frame] = []
    while True:
        message = await client.socket.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            return frames, client.socket.close_code
        frames.append(message.json())


async def exited(gateway: GatewayProcess, *, within: float) -> float:
    """Check that a gateway ends well in time; returns after how long."""
    began = time.monotonic()
    async with asyncio.timeout(within):
        assert await gateway.process.wait() == 0
    return time.monotonic() - began


@pytest.mark.timed
async def test_answers_end(
    postgres: EmbeddedServer, redis: EmbeddedServer, database: Database
) -> None:
    """With fifty answers on their way none is lost, everybody is told, and nobody is cut off."""
    ops_port = free_port()
    async with (
        simulator(AMBLING) as (base_url, _),
        gateway_process(
            database=postgres.url,
            base_url=base_url,
            redis_url=redis.url,
            server_ops_port=str(ops_port),
            server_drain_seconds=str(DRAIN_SECONDS),
            **OPEN_DOOR,
        ) as gateway,
        connected(*[gateway.url] * ANSWERS) as clients,
        connected(*[gateway.url] * IDLE) as idle,
    ):
        assert await readiness(f"http://127.0.0.1:{ops_port}") == (200, "ok")
        await asyncio.gather(*(c.say(question(n)) for n, c in enumerate(clients)))
        started = await asyncio.gather(*(begun(client, []) for client in clients))
        gateway.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        bored = await asyncio.gather(*map(to_the_end, idle))
        assert time.monotonic() - began < promised(AT_ONCE_SECONDS)
        assert await readiness(f"http://127.0.0.1:{ops_port}") == (503, "draining")
        ended = await asyncio.gather(*map(to_the_end, clients))
        took = await exited(gateway, within=DRAIN_SECONDS + promised(EXIT_SECONDS))
    for frames, code in (*bored, *ended):
        assert code == RESTARTING
        assert [f["code"] for f in frames if f["type"] == "notice"] == ["draining"]
    for before, (after, _) in zip(started, ended, strict=True):
        assert after[-1]["type"] == "done"
        turn_id = before[0]["turn_id"]
        assert await stored(database, turn_id) == ("answered", text_of(before + after))
    figures.record(
        f"SIGTERM with {ANSWERS} answers",
        f"{len(ended)} ended and stored, all closed with 1012, exit 0 after "
        f"{time.monotonic() - began:.1f} s ({took:.1f} s after the last answer)",
    )


async def test_an_answer_that_takes_too_long(postgres: EmbeddedServer, database: Database) -> None:
    """What has not ended when the time is up is kept as it is, and its readers may ask again."""
    async with (
        simulator(ENDLESS) as (base_url, seen),
        gateway_process(
            database=postgres.url, base_url=base_url, server_drain_seconds="0.5"
        ) as gateway,
        connected(gateway.url) as (client,),
    ):
        await client.say(question())
        frames = await begun(client, [])
        gateway.process.send_signal(signal.SIGTERM)
        more, code = await to_the_end(client)
        await exited(gateway, within=0.5 + promised(EXIT_SECONDS))
        # It hears of it a moment after the process is gone.
        await until(lambda: seen.requests[-1].closed_early)
    frames += more
    assert (frames[-1]["code"], frames[-1]["retryable"], code) == ("interrupted", True, RESTARTING)
    assert await stored(database, frames[0]["turn_id"]) == ("interrupted", text_of(frames))


@asynccontextmanager
async def moved(client: ChatClient, url: str) -> AsyncIterator[ChatClient]:
    """Reload: leave, and come back to the same session."""
    await client.socket.close()
    async with connected(url, session=client.ready["session"]) as (again,):
        yield again


async def test_another_process_takes_over(
    postgres: EmbeddedServer, redis: EmbeddedServer, database: Database
) -> None:
    """On one port, whoever comes back meets the next process and reads on without a lost character."""
    port, readers = free_port(), 10
    settings = {"server_reuse_port": "yes", "redis_url": redis.url, **OPEN_DOOR}

    async def come_back(client: ChatClient, frames: list[Frame], url: str) -> None:
        while frames[-1] != {"type": "notice", "code": "draining"}:
            frames.append(await client.receive())
        turn_id, position = frames[0]["turn_id"], max(f.get("to", 0) for f in frames)
        async with moved(client, url) as again:
            await again.send(type="resume", turn_id=turn_id, after=position)
            frames += await again.until_end()
        assert frames[-1]["type"] == "done"
        assert await stored(database, turn_id) == ("answered", text_of(frames))

    async with (
        simulator(AMBLING) as (base_url, seen),
        gateway_process(database=postgres.url, base_url=base_url, port=port, **settings) as leaving,
        connected(*[leaving.url] * readers) as clients,
        connected(leaving.url) as (asking,),
        gateway_process(database=postgres.url, base_url=base_url, port=port, **settings),
    ):
        await asyncio.gather(*(c.say(question(n)) for n, c in enumerate(clients)))
        frames = await asyncio.gather(*(begun(client, [], deltas=3) for client in clients))
        leaving.process.send_signal(signal.SIGTERM)
        await asyncio.gather(
            *(come_back(c, f, leaving.url) for c, f in zip(clients, frames, strict=True))
        )
        # And who only meant to ask.
        async with moved(asking, leaving.url) as again:
            assert (await again.ask(question(readers)))[-1]["type"] == "done"
        await exited(leaving, within=DRAIN_SECONDS + promised(EXIT_SECONDS))
        assert seen.total_requests == readers + 1
    figures.record("SIGTERM, taken over", f"{readers} answers read on at the next process, whole")


async def test_a_question_while_draining(postgres: EmbeddedServer, database: Database) -> None:
    """A question that still meets a process about to leave is refused, retryable, and never asked there."""
    async with (
        simulator(ENDLESS) as (base_url, seen),
        gateway_process(
            database=postgres.url, base_url=base_url, server_drain_seconds="2"
        ) as gateway,
        connected(gateway.url) as (client,),
        HttpClient.connect(gateway.url) as http,
    ):
        await client.say(question())
        frames = await begun(client, [])
        gateway.process.send_signal(signal.SIGTERM)
        while frames[-1]["type"] != "notice":
            frames.append(await client.receive())
        # On the connection it has: no new one would be let in.
        status, problem = await http.ask(question())
        assert (status, problem["code"], problem["retryable"]) == (503, "interrupted", True)
        await client.send(type="cancel", turn_id=frames[0]["turn_id"])
        assert (await to_the_end(client))[1] == RESTARTING
        assert seen.total_requests == 1
