"""The same message many times at once, over sockets and over HTTP: one call, one row, one answer for each."""

import asyncio
from contextlib import AsyncExitStack
from uuid import UUID, uuid4

import pytest

from gateway.backends.postgres import Database
from gateway.dev.embedded_server import EmbeddedServer
from tests.chat_client import ChatClient, Frame, text_of
from tests.http_client import HttpClient, frames_of
from tests.integration import figures
from tests.integration.helpers import STROLLING, WALKING, begun, question
from tests.integration.money import OPEN_DOOR, connected
from tests.running_gateway import FLAT_OUT, running_gateway

SOCKETS, STREAMS, WAITING = 4, 3, 3
ROWS = "SELECT answer FROM turns WHERE client_id = %s"

Seen = tuple[str, str, int]


def seen(frames: list[Frame]) -> Seen:
    """Return what a reader has in the end: text, finish reason, and how many ends."""
    ends = [frame for frame in frames if frame["type"] in ("done", "error")]
    return text_of(frames), ends[0]["finish_reason"], len(ends)


async def over_socket(client: ChatClient, number: int, client_id: str) -> Seen:
    """Ask over a WebSocket and see that nothing comes after the end."""
    frames = await client.ask(question(number), id=client_id)
    await client.send(type="ping")
    while frames[-1]["type"] != "pong":
        frames.append(await client.receive())
    return seen(frames)


async def over_stream(client: HttpClient, number: int, client_id: str) -> Seen:
    """Ask over HTTP and read events."""
    return seen(await frames_of(client.stream(question(number), id=client_id)))


async def waiting(client: HttpClient, number: int, client_id: str) -> Seen:
    """Ask over HTTP and wait for the whole."""
    status, answer = await client.ask(question(number), id=client_id)
    assert status == 200, answer
    return answer["text"], answer["finish_reason"], 1


async def everywhere(urls: list[str], *, token: str, number: int, client_id: str) -> list[Seen]:
    """Send one message ten times at once over new connections, to each of `urls` in turn."""
    async with AsyncExitStack() as stack:
        sockets = await stack.enter_async_context(
            connected(*(urls[n % len(urls)] for n in range(SOCKETS)), session=token)
        )
        https = [
            await stack.enter_async_context(HttpClient.connect(urls[n % len(urls)], session=token))
            for n in range(STREAMS + WAITING)
        ]
        return await asyncio.gather(
            *(over_socket(socket, number, client_id) for socket in sockets),
            *(over_stream(http, number, client_id) for http in https[:STREAMS]),
            *(waiting(http, number, client_id) for http in https[STREAMS:]),
        )


@pytest.mark.parametrize("rounds", [5, pytest.param(100, marks=pytest.mark.stress)])
@pytest.mark.parametrize("processes", [1, 2])
async def test_ten_times(
    rounds: int,
    processes: int,
    postgres: EmbeddedServer,
    redis: EmbeddedServer,
    database: Database,
) -> None:
    """Asked ten times at once, and ten times again later, a question costs one call and is one row."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(
            running_gateway(
                database=postgres.url,
                redis=redis.url,
                options=WALKING,
                cost_session_usd="20",
                **OPEN_DOOR,
            )
        )
        urls = [first.url]
        for _ in range(processes - 1):
            more = await stack.enter_async_context(
                running_gateway(
                    database=postgres.url,
                    redis=redis.url,
                    options=FLAT_OUT,
                    openai_base_url=first.upstream_url,
                    cost_session_usd="20",
                    **OPEN_DOOR,
                )
            )
            urls.append(more.url)
        async with ChatClient.connect(first.url, locale="en") as opening:
            token = opening.ready["session"]
        for number in range(1, rounds + 1):
            client_id = str(uuid4())
            at_once = await everywhere(urls, token=token, number=number, client_id=client_id)
            later = await everywhere(urls, token=token, number=number, client_id=client_id)
            rows = await database.fetch(ROWS, (UUID(client_id),))
            assert {*at_once, *later} == {(rows[0][0], "stop", 1)}
            assert len(rows) == 1
            assert first.upstream.total_requests == number
    figures.record(
        f"the same question 20 times, {rounds} rounds, {processes} processes",
        f"{rounds} calls, {rounds} rows, {rounds * 20} answers",
    )


async def test_asked_again_elsewhere_and_then_the_next(
    postgres: EmbeddedServer, redis: EmbeddedServer, database: Database
) -> None:
    """Who comes back to another process with the same id sees that answer there, and the next one too."""
    async with AsyncExitStack() as stack:
        first, other = [
            await stack.enter_async_context(
                running_gateway(
                    database=postgres.url, redis=redis.url, options=STROLLING, **OPEN_DOOR
                )
            )
            for _ in range(2)
        ]
        client_id = str(uuid4())
        async with ChatClient.connect(first.url, locale="en") as here:
            token = here.ready["session"]
            await here.say(question(1), id=client_id)
            await begun(here, [])
        async with ChatClient.connect(other.url, locale="en", session=token) as there:
            again = await there.ask(question(1), id=client_id)
            after = await there.ask(question(2))
        assert (again[-1]["type"], after[-1]["type"]) == ("done", "done")
        assert other.upstream.total_requests == 1
