"""A reader that stops reading costs little memory, is gone soon, and nobody else notices."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.backends.postgres import Database
from gateway.dev.embedded_server import EmbeddedServer
from gateway.web import outlet, rest, sse
from gateway.web.counts import Transport
from gateway.web.keys import COUNTS, SERVICE, SESSIONS
from gateway.web.websocket import CONNECTIONS
from tests.chat_client import ChatClient
from tests.http_client import EVENT_STREAM, HttpClient
from tests.integration import figures
from tests.integration.helpers import begun, question
from tests.integration.money import OPEN_DOOR, connected, tasks, until
from tests.promises import promised
from tests.running_gateway import FLAT_OUT, RunningGateway, running_gateway

# In the process; what the kernel buffers is not ours.
MOST_BYTES = 128 * 1024
GONE_SECONDS = 10.0
# As small as the kernel lets them be, so that what is not read stays with us.
SMALL = 4096
LANES = 20
# Connections kept for the next question: each has its two ends here, and more or fewer of them are open.
KEPT = 2 * LANES


def shrink(sock: Any) -> None:
    """Let the kernel buffer next to nothing."""
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        sock.setsockopt(socket.SOL_SOCKET, option, SMALL)


@asynccontextmanager
async def weighed(transport: asyncio.Transport) -> AsyncIterator[list[int]]:
    """Keep looking at how much is buffered for a reader inside the block."""
    sizes = [0]

    async def look() -> None:
        while True:
            sizes.append(transport.get_write_buffer_size())
            await asyncio.sleep(0.002)

    task = asyncio.create_task(look())
    try:
        yield sizes
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def gateway(postgres: EmbeddedServer, database: Database) -> AsyncIterator[RunningGateway]:
    """A gateway whose answers are long."""
    async with running_gateway(
        database=postgres.url,
        options=FLAT_OUT,
        openai_model="sim-ignore-max-tokens",
        openai_max_output_tokens="4000",
        **OPEN_DOOR,
    ) as gateway:
        yield gateway


@pytest.mark.parametrize("patience", [0.5, pytest.param(8.0, marks=pytest.mark.stress)])
async def test_a_socket_nobody_reads(
    gateway: RunningGateway, patience: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tab that takes nothing is cut off, and costs little until then; another one has its answers."""
    monkeypatch.setattr(outlet, "SEND_SECONDS", patience)
    loop = asyncio.get_running_loop()
    async with connected(gateway.url) as (stalled,):
        (served,) = gateway.app[CONNECTIONS]
        transport, response = served.outlet._transport, stalled.socket._response
        assert transport is not None
        assert response.connection is not None
        assert response.connection.transport is not None
        shrink(transport.get_extra_info("socket"))
        shrink(response.connection.transport.get_extra_info("socket"))
        response.connection.transport.pause_reading()
        async with (
            connected(gateway.url, session=stalled.ready["session"]) as (neighbour,),
            weighed(transport) as sizes,
        ):
            began, ends, slowest = loop.time(), list[str](), 0.0
            while served in gateway.app[CONNECTIONS]:
                assert loop.time() - began < promised(GONE_SECONDS), sizes[-1]
                asked = loop.time()
                ends.append((await neighbour.ask(question(len(ends))))[-1]["type"])
                slowest = max(slowest, loop.time() - asked)
            took = loop.time() - began
        # Its side does not hear of that before it reads again.
        response.connection.transport.resume_reading()
    assert set(ends) == {"done"}
    assert SMALL < max(sizes) <= MOST_BYTES
    figures.record(
        f"a socket nobody reads, patience {patience} s",
        f"at most {max(sizes) // 1024} KiB, gone after {took:.1f} s; "
        f"{len(ends)} answers beside it, the slowest {slowest:.2f} s",
    )


@pytest.mark.parametrize("patience", [0.5, pytest.param(8.0, marks=pytest.mark.stress)])
async def test_events_nobody_reads(
    gateway: RunningGateway, patience: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader of events who takes nothing is cut off too."""
    monkeypatch.setattr(sse, "SEND_SECONDS", patience)
    transports = list[asyncio.Transport]()
    send_events = sse.send_events

    async def noted(request: web.Request, *how: Any, **more: Any) -> web.StreamResponse:
        assert request.transport is not None
        transports.append(request.transport)
        shrink(request.transport.get_extra_info("socket"))
        return await send_events(request, *how, **more)

    monkeypatch.setattr(rest, "send_events", noted)
    async with HttpClient.connect(gateway.url) as http:
        _, done = await http.ask(question())
        host, _, port = gateway.url.removeprefix("http://").partition(":")
        with socket.socket() as sock:
            shrink(sock)
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, (host, int(port)))
            token = http.ready["session"]
            head = (
                f"GET /api/turns/{done['turn_id']}/events HTTP/1.1\r\nHost: x\r\n"
                f"Authorization: Bearer {token}\r\n\r\n"
            )
            await asyncio.get_running_loop().sock_sendall(sock, head.encode())
            await until(lambda: len(transports) == 1)
            async with weighed(transports[0]) as sizes:
                await until(transports[0].is_closing, seconds=patience + 2)
    assert 0 < max(sizes) <= MOST_BYTES


async def test_events_left_in_silence(
    postgres: EmbeddedServer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader of events who leaves while nothing comes has left, and is no error."""
    monkeypatch.setattr(sse, "COMMENT_SECONDS", 0.05)
    async with running_gateway(
        database=postgres.url, options=FLAT_OUT, openai_model="sim-hang", **OPEN_DOOR
    ) as gateway:
        counts = gateway.app[COUNTS]
        async with HttpClient.connect(gateway.url) as visitor:
            body = {"id": f"{1:032x}", "text": question()}
            async with visitor.http.post(
                f"{gateway.url}/api/messages", json=body, headers=EVENT_STREAM
            ) as response:
                await response.content.readuntil(sse.COMMENT)
        await until(lambda: counts.streams == 0)
        assert counts.disconnects[Transport.SSE, str(sse.LEFT)] == 1
        assert not any(counts.errors.values())


def figures_of(gateway: RunningGateway) -> dict[str, int]:
    """Return what must not grow."""
    return {
        "tasks": sum(tasks().values()),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "sessions": len(gateway.app[SESSIONS]),
        "connections": len(gateway.app[CONNECTIONS]),
        "turns": gateway.app[SERVICE].running,
    }


async def come_and_go(gateway: RunningGateway, number: int) -> None:
    """Visit in one of several ways and leave without a word."""
    if number % 4 == 0:
        # Not even a hello.
        async with (
            aiohttp.ClientSession() as http,
            http.ws_connect(f"{gateway.url}/ws", protocols=("chatgw.v1",)),
        ):
            return
    if number % 10 == 1:
        async with ChatClient.connect(gateway.url) as client:
            await client.say(question(number))
            await begun(client, [])
        return
    if number % 10 == 3:
        async with HttpClient.connect(gateway.url) as visitor:
            body = {"id": f"{number:032x}", "text": question(number)}
            async with visitor.http.post(
                f"{gateway.url}/api/messages", json=body, headers=EVENT_STREAM
            ) as response:
                await response.content.readline()
        return
    async with ChatClient.connect(gateway.url):
        return


@pytest.mark.parametrize("cycles", [200, pytest.param(2000, marks=pytest.mark.stress)])
async def test_coming_and_going(
    cycles: int, postgres: EmbeddedServer, redis: EmbeddedServer, database: Database
) -> None:
    """After many visits tasks, descriptors, sessions and turns are what they were."""
    async with running_gateway(
        database=postgres.url, redis=redis.url, options=FLAT_OUT, **OPEN_DOOR
    ) as gateway:

        async def lanes(first: int, visits: int) -> None:
            for start in range(first, first + visits, LANES):
                await asyncio.gather(
                    *(come_and_go(gateway, number) for number in range(start, start + LANES))
                )

        # The first ones open connections to the servers that are kept.
        await lanes(0, LANES * 2)
        await until(lambda: gateway.app[SERVICE].running == 0)
        await asyncio.sleep(0.3)
        before = figures_of(gateway)
        await lanes(LANES * 2, cycles)

        def is_back() -> bool:
            now = figures_of(gateway)
            spare = {"descriptors": KEPT}
            return all(now[name] <= before[name] + spare.get(name, 0) for name in now)

        await until(is_back, lambda: (before, figures_of(gateway)))
    figures.record(f"{cycles} visits", f"tasks, sessions, connections and turns back to {before}")
