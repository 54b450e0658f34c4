"""Connections that break in the middle of an answer, and readers who come back."""

import asyncio
import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit
from uuid import uuid4

import aiohttp

from gateway.chat.tasks import Tasks
from tests.chat_client import ChatClient, Frame
from tests.http_client import Event, HttpClient

# Of an answer's ten to twenty thousand bytes: each is cut some times, wherever that is in a frame.
FEWEST_BYTES, MOST_BYTES = 100, 6_000
# close() then resets the connection (socket(7)).
AT_ONCE = struct.pack("ii", 1, 0)


class Cutter:
    """Between a client and the gateway: passes everything on until it cuts the connection."""

    def __init__(self, url: str, *, target: str) -> None:
        self.url = url
        self._target = urlsplit(target)
        self._left: int | None = None
        self.pumps = Tasks()

    def arm(self, after: int | None) -> None:
        """Cut once so many more bytes have come from the gateway; None: not."""
        self._left = after

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what client and gateway say, both ways."""
        theirs, ours = await asyncio.open_connection(self._target.hostname, self._target.port)
        ends = (writer, ours)
        self.pumps.start(self._pump(reader, ours, ends), name="upwards")
        self.pumps.start(self._pump(theirs, writer, ends, counted=True), name="downwards")

    async def _pump(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        ends: tuple[asyncio.StreamWriter, ...],
        *,
        counted: bool = False,
    ) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65536):
                if counted and self._left is not None:
                    data, self._left = data[: self._left], max(0, self._left - len(data))
                sink.write(data)
                await sink.drain()
                if counted and self._left == 0:
                    self._left = None
                    break
        for end in ends:
            if not end.is_closing():
                sock = end.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
                end.transport.abort()


@asynccontextmanager
async def cutter(target: str) -> AsyncIterator[Cutter]:
    """Put a cutter in front of the gateway at `target`."""
    server = await asyncio.start_server(lambda r, w: cut.serve(r, w), "127.0.0.1", 0)
    cut = Cutter(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", target=target)
    async with server:
        yield cut
    await cut.pumps.drain(seconds=1)


class Reader:
    """Somebody who puts an answer together over many connections, strict about every position."""

    def __init__(self) -> None:
        self.client_id = str(uuid4())
        self.turn_id = ""
        self.text = ""
        self.position = 0
        self.end: Frame | None = None
        self.snapshots = 0
        self.cuts = 0

    def take(self, frame: Frame) -> None:
        """Add a frame; fails where a piece is missing or comes twice."""
        match frame["type"]:
            case "accepted":
                self.turn_id = frame["turn_id"]
            case "delta":
                assert frame["from"] == self.position, "a gap, or a piece twice"
                self.text, self.position = self.text + frame["text"], frame["to"]
            case "snapshot":
                self.text, self.position = frame["text"], frame["to"]
                self.snapshots += 1
            case "done" | "error":
                assert self.end is None, "two ends"
                assert frame["to"] == self.position, frame
                self.end = frame

    def lost(self) -> None:
        """Note that the connection broke."""
        assert self.end is None
        self.cuts += self.position > 0


async def by_socket(cut: Cutter, text: str, *, chance: random.Random) -> Reader:
    """Ask over WebSockets that are cut again and again, and return who read the answer."""
    reader, token = Reader(), None
    while reader.end is None:
        cut.arm(None)
        async with ChatClient.connect(cut.url, session=token, locale="en") as client:
            token = client.ready["session"]
            cut.arm(chance.randint(FEWEST_BYTES, MOST_BYTES))
            if reader.turn_id:
                await client.send(type="resume", turn_id=reader.turn_id, after=reader.position)
            else:
                await client.say(text, id=reader.client_id)
            while reader.end is None:
                message = await client.socket.receive()
                if message.type is not aiohttp.WSMsgType.TEXT:
                    reader.lost()
                    break
                reader.take(message.json())
    return reader


async def by_events(cut: Cutter, text: str, *, chance: random.Random) -> Reader:
    """Ask over event streams that are cut again and again, coming back with `Last-Event-ID`."""
    reader, last = Reader(), ""
    cut.arm(None)
    async with HttpClient.connect(cut.url, locale="en") as client:
        while reader.end is None:
            cut.arm(chance.randint(FEWEST_BYTES, MOST_BYTES))
            try:
                async for event in _again(client, reader, text, last=last):
                    reader.take(event.frame)
                    last = event.id
            except aiohttp.ClientError:
                reader.lost()
    return reader


def _again(client: HttpClient, reader: Reader, text: str, *, last: str) -> AsyncIterator[Event]:
    if reader.turn_id:
        return client.follow(reader.turn_id, last=last)
    return client.stream(text, id=reader.client_id)
