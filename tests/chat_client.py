"""A client of `chatgw.v1` for tests: says things, collects frames."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self
from uuid import uuid4

import aiohttp

from gateway.chat.frames import SUBPROTOCOL
from tests.promises import GUARD_SECONDS

Frame = dict[str, Any]


class ChatClient:
    """One WebSocket connection, greeted; `ready` is what it was told."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.ready: Frame = {}

    @classmethod
    @asynccontextmanager
    async def connect(cls, url: str, **hello: object) -> AsyncIterator[Self]:
        """Connect to the gateway at `url` (http) and say hello with the fields of `hello`."""
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{url}/ws", protocols=(SUBPROTOCOL,), max_msg_size=0) as socket,
        ):
            client = cls(socket)
            await client.send(type="hello", **hello)
            client.ready = await client.receive()
            yield client

    async def send(self, **frame: object) -> None:
        """Send a frame."""
        await self.socket.send_str(json.dumps(frame))

    async def receive(self) -> Frame:
        """Return the next frame; fails where the connection is closed instead."""
        async with asyncio.timeout(GUARD_SECONDS):
            message = await self.socket.receive()
        assert message.type is aiohttp.WSMsgType.TEXT, (message.type, self.socket.close_code)
        frame: Frame = json.loads(message.data)
        return frame

    async def closed(self) -> int | None:
        """Return the code with which the gateway closes the connection, passing over frames."""
        async with asyncio.timeout(GUARD_SECONDS):
            async for _ in self.socket:
                pass
        return self.socket.close_code

    async def say(self, text: str, **fields: object) -> str:
        """Ask without waiting for the answer; returns the question's id."""
        client_id = str(fields.pop("id", None) or uuid4())
        await self.send(type="message", id=client_id, text=text, **fields)
        return client_id

    async def until_end(self) -> list[Frame]:
        """Return the frames up to and including the one that ends a turn or refuses a question."""
        frames = [await self.receive()]
        while frames[-1]["type"] not in ("done", "error"):
            frames.append(await self.receive())
        return frames

    async def ask(self, text: str, **fields: object) -> list[Frame]:
        """Ask and return the frames of the turn."""
        await self.say(text, **fields)
        return await self.until_end()


def text_of(frames: list[Frame]) -> str:
    """Return the answer as a client shows it, checking that every piece followed the one before."""
    text, position = "", 0
    for frame in frames:
        if frame["type"] == "delta":
            assert frame["from"] == position, "a gap, or a piece twice"
            text, position = text + frame["text"], frame["to"]
        elif frame["type"] == "snapshot":
            text, position = frame["text"], frame["to"]
    return text


def types_of(frames: list[Frame]) -> list[str]:
    """Return the types of `frames`, runs of deltas as one."""
    types: list[str] = []
    for frame in frames:
        if frame["type"] != "delta" or types[-1:] != ["delta"]:
            types.append(frame["type"])
    return types
