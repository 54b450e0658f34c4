"""A WebSocket client that costs next to nothing: the clients share the machine with what is measured."""

import asyncio
import json
import time
from array import array
from urllib.parse import urlsplit
from uuid import uuid4

from gateway.web.connection import FRAME_SECONDS, FRAMES_AT_ONCE
from tests.bench import stamps

SUBPROTOCOL = "chatgw.v1"
# RFC 6455, 5.2. Masked by zeros: a mask hides nothing here and would cost a pass over the bytes.
TEXT, CLOSE, PING, PONG = 0x81, 0x88, 0x89, 0x8A
MASK = b"\0\0\0\0"
UPGRADE = (
    "GET /ws HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
)


class Heard:
    """What visitors have heard together: delays in microseconds, and how many frames."""

    def __init__(self) -> None:
        self.frames = 0
        self.refused = 0
        # From a question to its first text.
        self.first = array("Q")
        # From the moment the upstream wrote a chunk to its arrival.
        self.ages = array("Q")


class Visitor(asyncio.Protocol):
    """Asks questions and reads answers over one connection."""

    def __init__(self, host: str, *, greeted: bool, heard: Heard) -> None:
        self._host = host
        self._heard = heard
        self._tail = b""
        self._upgraded = False
        loop = asyncio.get_running_loop()
        self._greeting = b'"ready"' if greeted else None
        self._open: asyncio.Future[None] = loop.create_future()
        self._end: asyncio.Future[None] = loop.create_future()
        self._end.set_result(None)
        self._asked = 0
        self._questions = 0
        self._code = 0

    @classmethod
    async def connect(cls, url: str, *, greeted: bool, heard: Heard) -> "Visitor":
        """Connect and say hello; `greeted`: wait for an answer to that."""
        place = urlsplit(url).netloc
        host, _, port = place.partition(":")
        _, visitor = await asyncio.get_running_loop().create_connection(
            lambda: cls(place, greeted=greeted, heard=heard), host, int(port)
        )
        await visitor._open
        return visitor

    async def ask(self) -> None:
        """Ask a question and read the answer to its end."""
        question = json.dumps({"type": "message", "id": str(uuid4()), "text": "?"})
        self._questions += 1
        if self._questions > FRAMES_AT_ONCE // 2:
            # Any faster, and the gateway takes us for a flood.
            await asyncio.sleep(FRAME_SECONDS)
        if self._transport.is_closing():
            self._heard.refused += 1
            return
        self._end = asyncio.get_running_loop().create_future()
        self._asked = time.monotonic_ns()
        self._send(TEXT, question.encode())
        await self._end

    def leave(self) -> None:
        """Disconnect."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(UPGRADE.format(host=self._host).encode())

    def connection_lost(self, error: Exception | None) -> None:
        """Tell who waits; a question on its way counts as refused: a server may be asked too much."""
        if not self._open.done():
            told = f"the server closed the connection, code {self._code}"
            self._open.set_exception(ConnectionResetError(told))
            # Also where nobody waits any more.
            self._open.exception()
        elif not self._end.done():
            self._heard.refused += 1
            self._end.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Take the frames that are complete."""
        if self._tail:
            data = self._tail + data
        start = 0 if self._upgraded else self._upgrade(data)
        while len(data) - start >= 2:
            size, body = data[start + 1], start + 2
            if size >= 126:
                body += 2 if size == 126 else 8
                size = int.from_bytes(data[start + 2 : body], "big")
            if body + size > len(data):
                break
            self._frame(data[start], data[body : body + size])
            start = body + size
        self._tail = data[start:]

    def _upgrade(self, data: bytes) -> int:
        end = data.find(b"\r\n\r\n") + 4
        if end < 4:
            return 0
        if not data.startswith(b"HTTP/1.1 101"):
            raise SystemExit(f"no upgrade: {data[:200]!r}")
        self._upgraded = True
        self._send(TEXT, b'{"type":"hello"}')
        if self._greeting is None:
            self._open.set_result(None)
        return end

    def _frame(self, opcode: int, payload: bytes) -> None:
        if opcode == PING:
            self._send(PONG, payload)
            return
        if opcode == CLOSE:
            self._code = int.from_bytes(payload[:2], "big")
        if opcode != TEXT:
            return
        self._heard.frames += 1
        kind = payload[:16]
        if b'"done"' in kind:
            self._end.set_result(None)
        elif b'"error"' in kind:
            self._heard.refused += 1
            self._end.set_result(None)
        elif self._greeting is not None and self._greeting in kind:
            self._greeting = None
            self._open.set_result(None)
        else:
            self._heard.ages.extend(stamps.ages(payload))
            self._time_first(payload)

    def _time_first(self, payload: bytes) -> None:
        if self._asked and (b'"delta"' in payload[:20] or b'"content"' in payload):
            self._heard.first.append((time.monotonic_ns() - self._asked) // 1000)
            self._asked = 0

    def _send(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        if size < 126:
            head = bytes((opcode, 0x80 | size))
        else:
            head = bytes((opcode, 0x80 | 126)) + size.to_bytes(2, "big")
        self._transport.write(head + MASK + payload)
