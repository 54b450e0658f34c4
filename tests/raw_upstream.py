"""An upstream that plays bytes exactly as told, for what no well-behaved server would send."""

import asyncio
import socket
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from enum import Enum, auto, unique

import msgspec

# l_onoff, l_linger: close() then sends RST instead of FIN (socket(7)).
LINGER_NONE = struct.pack("ii", 1, 0)
# A moment for what was written to reach the client before a reset overtakes it, or for it to be a read
# of its own.
MOMENT = 0.05
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


@unique
class Do(Enum):
    """What is not bytes in a script."""

    CLOSE = auto()
    RESET = auto()
    HOLD = auto()
    WAIT = auto()


Script = tuple[bytes | Do, ...]


class Request(msgspec.Struct, frozen=True):
    """A request as it came."""

    line: str
    headers: dict[str, str]
    body: bytes


class RawUpstream:
    """Plays one script a request, the last one for ever; counts requests and connections."""

    def __init__(self, *scripts: Script) -> None:
        self._scripts = list(scripts)
        self._serving: set[asyncio.Task[None]] = set()
        self.port = 0
        self.requests: list[Request] = []
        self.connections = 0
        # Some client closed its connection.
        self.left = asyncio.Event()
        # Some request arrived in full.
        self.asked = asyncio.Event()

    @property
    def base_url(self) -> str:
        """What a client is configured with."""
        return f"http://127.0.0.1:{self.port}/v1"

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection in a task of our own, so that it can be awaited."""
        self.connections += 1
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def stop(self) -> None:
        """Drop every connection."""
        for task in list(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                self.requests.append(await _request(reader))
                self.asked.set()
                script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
                if not await self._play(script, reader, writer):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            self.left.set()
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _play(
        self, script: Script, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Play a script and return whether the connection takes another request."""
        for step in script:
            match step:
                case bytes():
                    writer.write(step)
                    await writer.drain()
                case Do.WAIT:
                    await asyncio.sleep(MOMENT)
                case Do.HOLD:
                    await reader.read()
                    self.left.set()
                    return False
                case Do.CLOSE:
                    return False
                case Do.RESET:
                    await asyncio.sleep(MOMENT)
                    connection: socket.socket = writer.get_extra_info("socket")
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
                    writer.transport.abort()
                    return False
        return True


@asynccontextmanager
async def playing(*scripts: Script) -> AsyncGenerator[RawUpstream, None]:
    """Listen inside the block."""
    upstream = RawUpstream(*scripts)
    server = await asyncio.start_server(upstream.accept, "127.0.0.1", 0)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        await upstream.stop()
        await server.wait_closed()


def chunks(*parts: bytes) -> bytes:
    """Return `parts` in the chunked coding, without its end."""
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)


def event(value: object) -> bytes:
    """Return `value` as an event of JSON."""
    return b"data: " + msgspec.json.encode(value) + b"\n\n"


def content(text: str) -> bytes:
    """Return the event of a piece of text."""
    return event({"choices": [{"delta": {"content": text}, "finish_reason": None}]})


def finish(reason: str = "stop") -> bytes:
    """Return the event that ends an answer."""
    return event({"choices": [{"delta": {}, "finish_reason": reason}]})


def usage(**details: object) -> bytes:
    """Return the event with the bill: 12 tokens in, 3 out."""
    return event({"choices": [], "usage": {"prompt_tokens": 12, "completion_tokens": 3, **details}})


DONE = b"data: [DONE]\n\n"


def answer(*events: bytes) -> bytes:
    """Return a whole response of `events`, one chunk each."""
    return HEAD + chunks(*events) + END


def refusal(status: int, error: object = None, *headers: bytes) -> bytes:
    """Return an error response in OpenAI's form, with more `headers`."""
    body = msgspec.json.encode({"error": error or {"message": "no", "type": "x", "code": None}})
    lines = [
        b"HTTP/1.1 %d Whatever" % status,
        b"Content-Type: application/json",
        b"Content-Length: %d" % len(body),
        *headers,
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


async def _request(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip("\r\n")
    line, *rest = head.split("\r\n")
    headers = {name.lower(): value for name, value in (each.split(": ", 1) for each in rest)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(line, headers, body)
