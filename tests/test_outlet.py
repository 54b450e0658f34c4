"""Frames go out, are counted, and a reader that takes none loses its connection."""

import asyncio

from gateway.chat.frames import Pong
from gateway.web.counts import Counts, Drop
from gateway.web.outlet import SEND_SECONDS, Close
from tests.fake_reader import FakeSocket, FakeTransport, outlet
from tests.fakes import idle, pass_time


async def test_both_ways_of_sending_count() -> None:
    """A frame counts as sent whether or not there was a wait for it."""
    socket, counts = FakeSocket(), Counts()
    out = outlet(socket, transport=FakeTransport(buffered=1), counts=counts)
    await out.send(Pong())
    out.write(Pong())
    assert (len(socket.taken), counts.sent[Pong]) == (2, 2)


async def test_reader_that_takes_nothing() -> None:
    """A reader that takes nothing for so long is dropped, and counted as slow."""
    transport, counts = FakeTransport(buffered=1), Counts()
    out = outlet(FakeSocket(stalled=True), transport=transport, counts=counts)
    sending = asyncio.create_task(out.send(Pong()))
    await idle()
    await pass_time(SEND_SECONDS)
    await sending
    assert (transport.aborted, counts.drops[Drop.SLOW]) == (True, 1)
    assert out.closed_with is Close.SLOW_READER


async def test_reader_that_keeps_up_is_not_waited_for() -> None:
    """Who has taken everything is sent the next frame at once, even where that one is more than it takes."""
    transport, counts = FakeTransport(), Counts()
    out = outlet(FakeSocket(stalled=True), transport=transport, counts=counts)
    await out.send(Pong())
    assert (transport.aborted, counts.sent[Pong]) == (False, 1)
