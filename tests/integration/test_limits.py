"""Each limit exceeded by one: the documented answer, nothing stored or spent, and nobody else notices."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from gateway.backends.postgres import Database
from gateway.chat.frames import FRAME_BYTES, SUBPROTOCOL
from gateway.chat.pace import SESSIONS_OF_ADDRESS
from gateway.dev.embedded_server import EmbeddedServer
from gateway.web.connection import FRAMES_AT_ONCE
from tests.chat_client import ChatClient, Frame, text_of
from tests.http_client import EVENT_STREAM, HttpClient
from tests.integration.helpers import RUNNING, begun, question, stored_turns, without
from tests.running_gateway import RunningGateway, running_gateway

PER_MINUTE = 3
SECONDS = 60 // PER_MINUTE
NEIGHBOUR = {"X-Forwarded-For": "203.0.113.7"}


@asynccontextmanager
async def gateway(postgres: EmbeddedServer, **settings: str) -> AsyncIterator[RunningGateway]:
    """Run a gateway with a neighbour whose answer goes on, undisturbed, from before to after."""
    async with (
        running_gateway(database=postgres.url, options=RUNNING, **settings) as running,
        aiohttp.ClientSession(headers=NEIGHBOUR) as http,
        http.ws_connect(f"{running.url}/ws", protocols=(SUBPROTOCOL,)) as socket,
    ):
        neighbour = ChatClient(socket)
        await neighbour.send(type="hello")
        await neighbour.receive()
        await neighbour.say(question())
        frames = await begun(neighbour, [])
        yield running
        assert (frames + await neighbour.until_end())[-1]["type"] == "done"


async def knock(gateway: RunningGateway, **headers: str) -> tuple[int, str | None, Any]:
    """Ask for the upgrade; returns the status of the refusal, its Retry-After, and what it says."""
    headers = {k.replace("_", "-"): v for k, v in headers.items()}
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{gateway.url}/ws", headers=headers) as response,
    ):
        assert response.content_type == "application/problem+json", await response.text()
        return response.status, response.headers.get("Retry-After"), await response.json()


async def test_connections_of_an_address(postgres: EmbeddedServer, database: Database) -> None:
    """The WebSocket over an address's limit gets 429 instead of the upgrade; who leaves makes room."""
    async with gateway(postgres, server_max_connections_per_ip="2") as running:
        async with AsyncExitStack() as stack:
            for _ in range(2):
                await stack.enter_async_context(ChatClient.connect(running.url))
            status, retry_after, problem = await knock(running, Accept_Language="en")
            assert (status, retry_after) == (429, "10")
            assert without(problem, "trace_id") == {
                "title": "Too many open connections. Close other windows, or try again shortly.",
                "status": 429,
                "code": "too_many_connections",
                "retryable": True,
                "retry_after_ms": 10_000,
            }
        async with ChatClient.connect(running.url) as client:
            assert client.ready["type"] == "ready"


async def test_connections_of_all(postgres: EmbeddedServer, database: Database) -> None:
    """The WebSocket over the limit of all gets 503 instead of the upgrade, whoever asks."""
    async with (
        gateway(postgres, server_max_connections="2") as running,
        ChatClient.connect(running.url),
    ):
        status, retry_after, problem = await knock(running, X_Forwarded_For="203.0.113.9")
        assert (status, retry_after, problem["code"]) == (503, "10", "overloaded")


async def test_event_streams_of_an_address(postgres: EmbeddedServer, database: Database) -> None:
    """An event stream counts as a connection: over the limit it gets 429, and nothing is asked."""
    async with (
        gateway(postgres, server_max_connections_per_ip="1") as running,
        HttpClient.connect(running.url) as client,
    ):
        _, answer = await client.ask(question())
        stored = await stored_turns(database)
        async with ChatClient.connect(running.url):
            body = {"id": str(uuid4()), "text": question()}
            events = f"/api/turns/{answer['turn_id']}/events"
            for method, path, more in (
                ("POST", "/api/messages", {"json": body, "headers": EVENT_STREAM}),
                ("POST", "/api/messages", {"json": body}),
                ("GET", events, {}),
            ):
                status, problem = await client.call(method, path, **more)
                assert (status, problem["code"]) == (429, "too_many_connections")
        assert await stored_turns(database) == stored
        assert [event.name async for event in client.follow(answer["turn_id"])][-1] == "done"


async def test_a_stranger_cannot_say_who_they_are(
    postgres: EmbeddedServer, database: Database
) -> None:
    """Without a proxy of ours in between, X-Forwarded-For makes nobody somebody else."""
    async with gateway(
        postgres, server_trusted_proxies="10.0.0.0/8", server_max_connections_per_ip="1"
    ) as running:
        # The neighbour is here already.
        status, _, _ = await knock(running, X_Forwarded_For="203.0.113.9")
        assert status == 429


async def ask_too_often(client: ChatClient) -> tuple[str, Frame]:
    """Ask as often as allowed, and once more; returns the first question's id and the refusal."""
    first = str(uuid4())
    for client_id in (first, *(str(uuid4()) for _ in range(PER_MINUTE - 1))):
        assert (await client.ask(question(), id=client_id))[-1]["type"] == "done"
    (refusal,) = await client.ask(question())
    return first, refusal


async def test_messages_of_a_session(postgres: EmbeddedServer, database: Database) -> None:
    """The message over a session's limit is told when to come back; it is neither stored nor answered."""
    async with (
        gateway(postgres, limits_messages_per_minute=str(PER_MINUTE)) as running,
        ChatClient.connect(running.url, locale="en") as client,
    ):
        first, refusal = await ask_too_often(client)
        assert 0 < refusal["retry_after_ms"] <= 1000 * SECONDS
        assert without(refusal, "trace_id", "retry_after_ms", "message", "id") == {
            "type": "error",
            "scope": "frame",
            "code": "rate_limited",
            "retryable": True,
        }
        assert await stored_turns(database) == PER_MINUTE + 1
        assert len(running.upstream.requests) == PER_MINUTE + 1
        # It was answered already.
        again = await client.ask(question(), id=first)
        assert (again[0]["duplicate"], again[-1]["type"]) == (True, "done")


@pytest.mark.parametrize("headers", [{}, EVENT_STREAM], ids=["whole", "stream"])
async def test_messages_over_http(
    postgres: EmbeddedServer, database: Database, headers: dict[str, str]
) -> None:
    """Over HTTP the message over the limit gets 429 with Retry-After, and is neither stored nor answered."""
    async with (
        gateway(postgres, limits_messages_per_minute=str(PER_MINUTE)) as running,
        ChatClient.connect(running.url) as socket,
        HttpClient.connect(running.url, session=socket.ready["session"]) as client,
    ):
        first, _ = await ask_too_often(socket)
        body = {"id": str(uuid4()), "text": question()}
        async with client.http.post(
            f"{client.url}/api/messages", json=body, headers=headers
        ) as response:
            problem = await response.json()
            assert (response.status, problem["code"]) == (429, "rate_limited")
            seconds = int(response.headers["Retry-After"])
            assert seconds - 1 < problem["retry_after_ms"] / 1000 <= seconds
        assert await stored_turns(database) == PER_MINUTE + 1
        status, answer = await client.ask(question(), id=first)
        assert (status, answer["type"]) == (200, "done")


async def test_messages_of_an_address(postgres: EmbeddedServer, database: Database) -> None:
    """New conversations are no way around it: an address has a limit as well."""
    async with (
        gateway(postgres, limits_messages_per_minute="1") as running,
        AsyncExitStack() as stack,
    ):
        for _ in range(SESSIONS_OF_ADDRESS):
            client = await stack.enter_async_context(ChatClient.connect(running.url))
            assert (await client.ask(question()))[-1]["type"] == "done"
        last = await stack.enter_async_context(ChatClient.connect(running.url))
        (refusal,) = await last.ask(question())
        assert refusal["code"] == "rate_limited"


@pytest.mark.parametrize("kind", ["frames", "pings"])
async def test_frames_of_a_connection(
    postgres: EmbeddedServer, database: Database, kind: str
) -> None:
    """A flood of frames, or of the WebSocket's own pings, is answered for a while and closed with 4029."""
    async with gateway(postgres) as running, ChatClient.connect(running.url) as client:
        for _ in range(FRAMES_AT_ONCE // 2):
            await client.send(type="ping")
            assert (await client.receive())["type"] == "pong"
        with suppress(aiohttp.ClientError):
            for _ in range(FRAMES_AT_ONCE):
                if kind == "pings":
                    await client.socket.ping()
                else:
                    await client.send(type="ping")
        assert await client.closed() == 4029


async def test_hello_in_time(
    postgres: EmbeddedServer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has not said hello in time is sent away with 4508, who has may be silent."""
    async with gateway(postgres) as running:
        monkeypatch.setattr("gateway.web.connection.HELLO_SECONDS", 0.2)
        async with (
            ChatClient.connect(running.url) as greeted,
            greeted_not(running) as silent,
        ):
            assert await silent.closed() == 4508
            assert (await greeted.ask(question()))[-1]["type"] == "done"


@asynccontextmanager
async def greeted_not(running: RunningGateway) -> AsyncIterator[ChatClient]:
    """Connect without a word."""
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{running.url}/ws", protocols=(SUBPROTOCOL,)) as socket,
    ):
        yield ChatClient(socket)


@pytest.mark.parametrize(
    ("size", "status", "code"),
    [(FRAME_BYTES, 400, "invalid_frame"), (FRAME_BYTES + 1, 413, "body_too_large")],
)
async def test_size_of_a_body(
    postgres: EmbeddedServer, database: Database, size: int, status: int, code: str
) -> None:
    """A body as large as a frame is read, one of a byte more is not."""
    async with gateway(postgres) as running, HttpClient.connect(running.url) as client:
        told = await client.call("POST", "/api/messages", data=b"x" * size)
        assert (told[0], told[1]["code"]) == (status, code)


async def test_time_of_a_body(
    postgres: EmbeddedServer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body that takes too long gets 408, and nothing is stored."""
    monkeypatch.setattr("gateway.web.rest.BODY_SECONDS", 0.2)

    async def endless() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.get_running_loop().create_future()

    async with gateway(postgres) as running, HttpClient.connect(running.url) as client:
        status, problem = await client.call("POST", "/api/messages", data=endless())
        assert (status, problem["code"]) == (408, "body_too_slow")
        assert await stored_turns(database) == 1


async def test_questions_at_once(postgres: EmbeddedServer, database: Database) -> None:
    """A second question while one is being answered is told `busy`; the first one goes on."""
    async with gateway(postgres) as running, ChatClient.connect(running.url) as client:
        await client.say(question())
        frames = await begun(client, [])
        second = await client.say(question(2))
        while frames[-1].get("id") != second:
            frames.append(await client.receive())
        assert (frames.pop()["code"], await stored_turns(database)) == ("busy", 2)
        frames += await client.until_end()
        assert text_of(frames)
