"""A client of the HTTP side for tests: a session, its calls, and the frames of a turn as they come."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Self
from uuid import uuid4

import aiohttp

from tests.chat_client import Frame
from tests.promises import GUARD_SECONDS

EVENT_STREAM = {"Accept": "text/event-stream"}
# The longest line of an event stream: a snapshot.
LINE_BYTES = 2**20


class Event(NamedTuple):
    """A frame, and the id and name it came under."""

    id: str
    name: str
    frame: Frame


class HttpClient:
    """Somebody with a session and no WebSocket; `ready` is what the session was opened with."""

    def __init__(self, http: aiohttp.ClientSession, *, url: str, ready: Frame) -> None:
        self.http = http
        self.url = url
        self.ready = ready

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, url: str, *, session: str | None = None, **wish: object
    ) -> AsyncIterator[Self]:
        """Open a session at `url`, or come back to the one whose token is `session`."""
        async with aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(GUARD_SECONDS), read_bufsize=LINE_BYTES
        ) as http:
            if session is None:
                async with http.post(f"{url}/api/sessions", json=wish) as response:
                    assert response.status == 201, await response.text()
                    ready = await response.json()
            else:
                bearer = {"Authorization": f"Bearer {session}"}
                async with http.get(f"{url}/api/session", headers=bearer) as response:
                    assert response.status == 200, await response.text()
                    ready = await response.json()
            http.headers["Authorization"] = f"Bearer {ready['session']}"
            yield cls(http, url=url, ready=ready)

    async def call(self, method: str, path: str, **how: Any) -> tuple[int, Any]:
        """Return status and body of a call."""
        async with self.http.request(method, f"{self.url}{path}", **how) as response:
            return response.status, await response.json() if await response.read() else None

    async def ask(self, text: str, **fields: object) -> tuple[int, Frame]:
        """Ask and wait for the whole answer; returns status and body."""
        body = {"id": str(uuid4()), "text": text} | fields
        status, answer = await self.call("POST", "/api/messages", json=body)
        return status, answer

    async def stream(self, text: str, **fields: object) -> AsyncIterator[Event]:
        """Ask and yield the answer as it comes."""
        body = {"id": str(uuid4()), "text": text} | fields
        async with self.http.post(
            f"{self.url}/api/messages", json=body, headers=EVENT_STREAM
        ) as response:
            assert response.status == 200, await response.text()
            async for event in events(response.content):
                yield event

    async def follow(self, turn_id: str, *, last: str = "", after: int = 0) -> AsyncIterator[Event]:
        """Yield what comes after the event `last`, or else after position `after`."""
        async with self.http.get(
            f"{self.url}/api/turns/{turn_id}/events",
            params={"after": after},
            headers={"Last-Event-ID": last} if last else {},
        ) as response:
            assert response.status == 200, await response.text()
            async for event in events(response.content):
                yield event


async def events(content: aiohttp.StreamReader) -> AsyncIterator[Event]:
    """Yield the events of a stream, passing over comments; an event cut short is none."""
    fields: dict[str, str] = {}
    async for line in content:
        if line == b"\n":
            if fields:
                yield Event(fields["id"], fields["event"], json.loads(fields["data"]))
            fields = {}
        elif not line.startswith(b":"):
            name, _, value = line.decode().removesuffix("\n").partition(": ")
            fields[name] = value


async def frames_of(stream: AsyncIterator[Event]) -> list[Frame]:
    """Return the frames of a stream that ends by itself."""
    return [event.frame async for event in stream]
