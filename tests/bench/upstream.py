"""A raw upstream fast enough not to be the limit: `python -m tests.bench.upstream`.

Plays one prepared answer to every request; speaks just enough HTTP/1.1 and Server-Sent Events for the
clients measured here. Prints its port. A `Program` as JSON on a line of its standard input says what to
play to requests from now on; the line is printed again once that is so.
"""

import asyncio
import json
import sys
from collections.abc import Iterator
from functools import partial

import msgspec

from tests.bench import stamps

WORD = "매출은 "
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    b"Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n"
)
_BASE = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "sim-bench"}


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """How long an answer is, how many of its chunks come in a second (0: all at once), and what they say.

    The text of a stamped chunk is the time at which it was written, as `tests.bench.stamps` has it. The end
    comes `hold` seconds after the last chunk.
    """

    chunks: int = 200
    rate: float = 0
    stamped: bool = False
    hold: float = 0


class Play:
    """A program as bytes."""

    def __init__(self, program: Program) -> None:
        self._pause = 1 / program.rate if program.rate else 0.0
        self._program = program
        self._piece = _content(WORD)
        stamp = "0" * stamps.DIGITS
        self._before, _, self._after = _content(stamp).partition(stamp.encode())
        chunks = program.chunks
        usage = {"prompt_tokens": 40, "completion_tokens": chunks, "total_tokens": 40 + chunks}
        self._end = (
            _event({"choices": [_choice({}, finish="stop")], "usage": None})
            + _event({"choices": [], "usage": usage})
            + _http_chunk(b"data: [DONE]\n\n")
            + b"0\r\n\r\n"
        )

    def pieces(self) -> Iterator[tuple[bytes, float]]:
        """Yield what is written to the socket, with the seconds until the next; the last one is the end."""
        for left in reversed(range(self._program.chunks)):
            yield self._content(), self._pause if left else self._pause + self._program.hold
        yield self._end, 0

    def _content(self) -> bytes:
        if not self._program.stamped:
            return self._piece
        return self._before + stamps.now() + self._after


class Stage:
    """What is played to whoever asks now."""

    def __init__(self) -> None:
        self.play = Play(Program())

    async def obey(self) -> None:
        """Follow what comes on the standard input, to its end."""
        lines = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        async for line in lines:
            self.play = Play(msgspec.json.decode(line, type=Program))
            print(line.decode(), end="", flush=True)


class Server(asyncio.Protocol):
    """Answers the requests of one connection, one after the other."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._loop = asyncio.get_running_loop()
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer a request once it is there."""
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return
        self._received = b""
        self._transport.write(HEAD)
        self._next(self._stage.play.pieces(), due=self._loop.time())

    def _next(self, pieces: Iterator[tuple[bytes, float]], *, due: float) -> None:
        for data, pause in pieces:
            if self._transport.is_closing():
                return
            self._transport.write(data)
            if pause:
                due += pause
                self._loop.call_at(due, partial(self._next, pieces, due=due))
                return


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    raise SystemExit("a request without a length")


def _content(text: str) -> bytes:
    return _event({"choices": [_choice({"content": text})], "usage": None})


def _choice(delta: dict[str, str], *, finish: str | None = None) -> dict[str, object]:
    return {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}


def _event(fields: dict[str, object]) -> bytes:
    body = json.dumps({**_BASE, **fields}, ensure_ascii=False)
    return _http_chunk(f"data: {body}\n\n".encode())


def _http_chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


async def main() -> None:
    """Serve until the standard input ends."""
    stage = Stage()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Server(stage), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await stage.obey()


if __name__ == "__main__":
    asyncio.run(main())
