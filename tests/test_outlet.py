"""Frames go out, are counted, and a reader that takes none loses its connection."""

import asyncio
from typing import Any, cast

from aiohttp import web

from gateway.chat.frames import Pong
from gateway.web.counts import Counts, Drop
from gateway.web.outlet import SEND_SECONDS, Close, Outlet
from tests.fakes import idle, pass_time


class Socket:
    """A client that takes what it is sent, or, `stalled`, nothing."""

    def __init__(self, *, stalled: bool = False) -> None:
        self.stalled = stalled
        self.taken: list[bytes] = []

    async def send_frame(self, data: bytes, *_: Any) -> None:
        """Take a frame."""
        if self.stalled:
            await asyncio.get_running_loop().create_future()
        self.taken.append(data)


class Transport:
    """A connection that can be dropped; `buffered` bytes have not been taken yet."""

    def __init__(self, *, buffered: int = 0) -> None:
        self.aborted = False
        self.buffered = buffered

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait."""
        return self.buffered

    def abort(self) -> None:
        """Drop it."""
        self.aborted = True


def outlet(socket: Socket, *, transport: Transport, counts: Counts) -> Outlet:
    """Return the way out to `socket`."""
    return Outlet(
        cast(web.WebSocketResponse, socket),
        transport=cast(asyncio.Transport, transport),
        counts=counts,
    )


async def test_both_ways_of_sending_count() -> None:
    """A frame counts as sent whether or not there was a wait for it."""
    socket, counts = Socket(), Counts()
    out = outlet(socket, transport=Transport(buffered=1), counts=counts)
    await out.send(Pong())
    out.write(Pong())
    assert (len(socket.taken), counts.sent[Pong]) == (2, 2)


async def test_reader_that_takes_nothing() -> None:
    """A reader that takes nothing for so long is dropped, and counted as slow."""
    transport, counts = Transport(buffered=1), Counts()
    out = outlet(Socket(stalled=True), transport=transport, counts=counts)
    sending = asyncio.create_task(out.send(Pong()))
    await idle()
    await pass_time(SEND_SECONDS)
    await sending
    assert (transport.aborted, counts.drops[Drop.SLOW]) == (True, 1)
    assert out.closed_with is Close.SLOW_READER


async def test_reader_that_keeps_up_is_not_waited_for() -> None:
    """Who has taken everything is sent the next frame at once, even where that one is more than it takes."""
    transport, counts = Transport(), Counts()
    out = outlet(Socket(stalled=True), transport=transport, counts=counts)
    await out.send(Pong())
    assert (transport.aborted, counts.sent[Pong]) == (False, 1)
