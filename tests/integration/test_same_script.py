"""One script over a WebSocket and over HTTP: the same events, down to the words; and what `curl -N` shows."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol
from uuid import uuid4

import pytest

from gateway.backends.postgres import Database
from gateway.dev.embedded_server import EmbeddedServer
from tests.chat_client import ChatClient, Frame, text_of, types_of
from tests.http_client import HttpClient, frames_of
from tests.hurry import Pace
from tests.integration.helpers import STROLLING, begun, question
from tests.integration.money import connected
from tests.running_gateway import running_gateway
from tests.system_packages import install

# What differs from one run of a script to the next; what comes together is one piece, so `to` does too.
FLEETING = ("trace_id", "turn_id", "id", "ttft_ms", "total_ms", "to")
CURL_PIECES = 5


class Talk(Protocol):
    """How the script is played."""

    async def ask(self, text: str, client_id: str) -> list[Frame]:
        """Ask and return all frames."""
        ...

    async def stopped(self, text: str) -> list[Frame]:
        """Ask, stop the answer on the way and return all frames."""
        ...

    async def resumed(self, turn_id: str, after: int) -> list[Frame]:
        """Return the frames from a position on."""
        ...

    async def refusal(self, text: str) -> str:
        """Ask what is refused, and return the code."""
        ...

    async def unknown(self) -> str:
        """Follow a turn that never was, and return the code."""
        ...


class OverSocket:
    """Plays over a WebSocket."""

    def __init__(self, client: ChatClient) -> None:
        self._client = client

    async def ask(self, text: str, client_id: str) -> list[Frame]:
        """Ask and return all frames."""
        return await self._client.ask(text, id=client_id)

    async def stopped(self, text: str) -> list[Frame]:
        """Ask, stop the answer on the way and return all frames."""
        await self._client.say(text)
        frames = await begun(self._client, [], deltas=3)
        await self._client.send(type="cancel", turn_id=frames[0]["turn_id"])
        return frames + await self._client.until_end()

    async def resumed(self, turn_id: str, after: int) -> list[Frame]:
        """Return the frames from a position on."""
        await self._client.send(type="resume", turn_id=turn_id, after=after)
        return await self._client.until_end()

    async def refusal(self, text: str) -> str:
        """Ask what is refused, and return the code."""
        code: str = (await self._client.ask(text))[-1]["code"]
        return code

    async def unknown(self) -> str:
        """Follow a turn that never was, and return the code."""
        code: str = (await self.resumed(str(uuid4()), 0))[-1]["code"]
        return code


class OverHttp:
    """Plays over HTTP, reading events."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def ask(self, text: str, client_id: str) -> list[Frame]:
        """Ask and return all frames."""
        return await frames_of(self._client.stream(text, id=client_id))

    async def stopped(self, text: str) -> list[Frame]:
        """Ask, stop the answer on the way and return all frames."""
        frames: list[Frame] = []
        async for event in self._client.stream(text):
            frames.append(event.frame)
            if sum(frame["type"] == "delta" for frame in frames) == 3:
                await self._client.call("DELETE", f"/api/turns/{frames[0]['turn_id']}")
        return frames

    async def resumed(self, turn_id: str, after: int) -> list[Frame]:
        """Return the frames from a position on."""
        return await frames_of(self._client.follow(turn_id, last=f"{turn_id}:{after}"))

    async def refusal(self, text: str) -> str:
        """Ask what is refused, and return the code."""
        return str((await self._client.ask(text))[1]["code"])

    async def unknown(self) -> str:
        """Follow a turn that never was, and return the code."""
        _, problem = await self._client.call("GET", f"/api/turns/{uuid4()}/events")
        return str(problem["code"])


def story(frames: list[Frame]) -> list[Any]:
    """Return what frames tell: pieces joined, and without what is fleeting."""
    return [types_of(frames), text_of(frames)] + [
        {name: value for name, value in frame.items() if name not in FLEETING}
        for frame in frames
        if frame["type"] not in ("delta", "snapshot")
    ]


async def play(talk: Talk) -> list[Any]:
    """Play the script and return what was seen."""
    client_id = str(uuid4())
    first = await talk.ask(question(1), client_id)
    again = await talk.ask(question(1), client_id)
    turn_id = first[0]["turn_id"]
    rest = await talk.resumed(turn_id, 2)
    end = await talk.resumed(turn_id, first[-1]["to"])
    codes = [await talk.refusal(" "), await talk.refusal("x" * 8001), await talk.unknown()]
    stopped = await talk.stopped(question(2))
    return [
        *(story(frames) for frames in (first, again)),
        *([f["type"] for f in frames] for frames in (rest, end)),
        codes,
        # Where it is stopped is a matter of time.
        (types_of(stopped), stopped[-1]["finish_reason"]),
    ]


@asynccontextmanager
async def over_socket(url: str) -> AsyncIterator[Talk]:
    """Play over a WebSocket."""
    async with connected(url) as (client,):
        yield OverSocket(client)


@asynccontextmanager
async def over_http(url: str) -> AsyncIterator[Talk]:
    """Play over HTTP."""
    async with HttpClient.connect(url, locale="en") as client:
        client.http.headers["Accept-Language"] = "en"
        yield OverHttp(client)


async def test_the_same_events(postgres: EmbeddedServer, database: Database) -> None:
    """Both ways tell the same: what is accepted, answered, repeated, resumed, refused and stopped."""
    async with running_gateway(database=postgres.url, options=STROLLING) as gateway:
        async with over_socket(gateway.url) as talk:
            sockets = await play(talk)
        async with over_http(gateway.url) as talk:
            events = await play(talk)
    assert events == sockets


async def test_event_names_and_ids(postgres: EmbeddedServer, database: Database) -> None:
    """Each event is named as its frame, and its id says where the answer is."""
    async with (
        running_gateway(database=postgres.url, options=STROLLING) as gateway,
        HttpClient.connect(gateway.url) as client,
    ):
        seen = [event async for event in client.stream(question())]
    turn_id, position = seen[0].frame["turn_id"], 0
    for event in seen:
        position = event.frame.get("to", position)
        assert (event.name, event.id) == (event.frame["type"], f"{turn_id}:{position}")


@pytest.fixture
def curl() -> str:
    """The program; its absence is a failure in CI, a skip elsewhere."""
    if shutil.which("curl") is None:
        if os.environ.get("CI") != "true":
            pytest.skip("there is no curl")
        install("curl")
    return "curl"


async def test_curl(curl: str, postgres: EmbeddedServer, database: Database) -> None:
    """`curl -N` shows the first pieces of an answer before the model has written the last one."""
    pace = Pace(tokens_per_second=5)
    async with (
        running_gateway(database=postgres.url, options=pace) as gateway,
        HttpClient.connect(gateway.url) as client,
    ):
        process = await asyncio.create_subprocess_exec(
            *(curl, "-sN", f"{gateway.url}/api/messages"),
            *("-H", f"Authorization: Bearer {client.ready['session']}"),
            *("-H", "Accept: text/event-stream"),
            *("-d", json.dumps({"id": str(uuid4()), "text": question()})),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        lines = list[bytes]()
        async for line in process.stdout:
            lines.append(line)
            if lines.count(b"event: delta\n") == CURL_PIECES and not pace.hurried.is_set():
                assert not gateway.upstream.requests[-1].finished
                pace.hurry()
        assert await process.wait() == 0
    assert b"event: done\n" in lines
