"""A client is shown one turn after another, from where it says it is, and no more than it takes."""

import json

import pytest

from gateway.chat.codes import Locale
from gateway.chat.records import TurnState
from gateway.chat.turn import Turn, stored_turn
from gateway.web.counts import Drop
from gateway.web.outlet import SEND_SECONDS, Close
from gateway.web.showing import MOST_WAITING, Showing, Watch
from tests.builders import a_budget, a_stored_turn
from tests.fake_reader import FakeSocket, FakeTransport, outlet
from tests.fakes import idle, pass_time


def answered() -> Turn:
    """Return a turn that has ended."""
    return stored_turn(a_stored_turn(), locale=Locale.EN, budget=a_budget())


def running() -> Turn:
    """Return a turn of which the text so far is known."""
    stored = a_stored_turn(state=TurnState.STREAMING, outcome=None)
    return stored_turn(stored, locale=Locale.EN, budget=a_budget())


def types(socket: FakeSocket) -> list[str]:
    """Return the types of the frames that were taken."""
    return [json.loads(data)["type"] for data in socket.taken]


async def test_asked_for_again_it_begins_anew() -> None:
    """A turn that is asked for again while it is shown is shown from where the client says it is."""
    socket, end = FakeSocket(), answered().end
    assert end is not None
    showing, turn = Showing(outlet(socket, transport=FakeTransport())), running()
    showing.add(Watch(turn, resumed=True))
    await idle()
    showing.add(Watch(turn, resumed=True))
    await idle()
    turn.close(end)
    await idle()
    assert types(socket) == ["snapshot", "snapshot", "done"]


async def test_asking_again_and_again_is_no_reading() -> None:
    """Who takes nothing is dropped as slow, however often they ask for what they are shown."""
    transport = FakeTransport(buffered=1)
    out = outlet(FakeSocket(stalled=True), transport=transport)
    showing, turn = Showing(out), answered()
    for _ in range(4):
        showing.add(Watch(turn, resumed=True))
        await idle()
        await pass_time(SEND_SECONDS / 4)
    assert (transport.aborted, out.counts.drops[Drop.SLOW]) == (True, 1)
    await showing.close()


async def test_asking_again_and_again_is_answered_once() -> None:
    """However often a turn is asked for while its reader takes nothing, one frame waits for them."""
    socket = FakeSocket(stalled=True)
    showing, turn = Showing(outlet(socket, transport=FakeTransport(buffered=1))), answered()
    for _ in range(10):
        showing.add(Watch(turn, resumed=True))
        await idle()
    assert socket.offered == 1
    await showing.close()


@pytest.mark.parametrize("more", [0, 1])
async def test_no_more_waits_than_a_reader_could_want(more: int) -> None:
    """Who asks for one turn more than may wait, and takes none of them, is dropped at once."""
    out = outlet(FakeSocket(stalled=True), transport=FakeTransport(buffered=1))
    showing = Showing(out)
    showing.add(Watch(answered(), resumed=True))
    await idle()
    for _ in range(MOST_WAITING + more):
        showing.add(Watch(answered(), resumed=True))
    assert out.closed_with is (Close.SLOW_READER if more else None)
    await showing.close()
