"""A turn ends in time, or as soon as somebody says so."""

import asyncio

import pytest

from gateway.chat.errors import FirstChunkTimeout, Stalled, TurnTimeout
from gateway.chat.guard import Deadlines, Stop, Stopped
from tests.builders import deadlines
from tests.fakes import FakeClock, idle


async def hang(scope: Deadlines, *, inside: asyncio.Event | None = None) -> None:
    """Enter `scope` and wait in it without end."""
    async with scope:
        if inside is not None:
            inside.set()
        await asyncio.Event().wait()


async def entered(scope: Deadlines) -> asyncio.Task[None]:
    """Return a task that hangs inside `scope`."""
    task = asyncio.create_task(hang(scope))
    await idle()
    return task


async def test_no_content_in_time() -> None:
    """A turn without content by the first deadline leaves with `FirstChunkTimeout`."""
    clock = FakeClock()
    task = await entered(deadlines(clock, first_chunk=20))
    clock.advance(19.9)
    await idle()
    assert not task.done()
    clock.advance(0.1)
    with pytest.raises(FirstChunkTimeout):
        await task


async def test_content_stops() -> None:
    """A turn whose content stops leaves with `Stalled`, so long after the last of it."""
    clock = FakeClock()
    scope = deadlines(clock, first_chunk=20, stall=15)
    task = await entered(scope)
    for _ in range(3):
        clock.advance(14.9)
        scope.content()
    clock.advance(14.9)
    await idle()
    assert not task.done()
    clock.advance(0.1)
    with pytest.raises(Stalled):
        await task


async def test_content_stops_after_the_first() -> None:
    """A turn is `Stalled` on time also where its first content had more time than the next."""
    clock = FakeClock()
    scope = deadlines(clock, first_chunk=20, stall=15)
    task = await entered(scope)
    scope.content()
    clock.advance(15)
    await idle()
    assert task.done()
    assert isinstance(task.exception(), Stalled)


async def test_content_does_not_extend_the_turn() -> None:
    """A turn whose content never stops leaves with `TurnTimeout` all the same."""
    clock = FakeClock()
    scope = deadlines(clock, turn=120)
    task = await entered(scope)
    for _ in range(119):
        clock.advance(1)
        scope.content()
    await idle()
    assert not task.done()
    clock.advance(1)
    with pytest.raises(TurnTimeout):
        await task


async def test_turn_shorter_than_the_first_deadline() -> None:
    """A turn that may take less than its first content leaves with `TurnTimeout`."""
    clock = FakeClock()
    task = await entered(deadlines(clock, turn=10, first_chunk=20))
    clock.advance(10)
    with pytest.raises(TurnTimeout):
        await task


async def test_time_before_entry_counts() -> None:
    """A turn that was late before it entered its scope leaves at once."""
    clock = FakeClock()
    scope = deadlines(clock, first_chunk=20)
    clock.advance(20)
    with pytest.raises(FirstChunkTimeout):
        await hang(scope)


@pytest.mark.parametrize("reason", Stop)
async def test_stopped_during(reason: Stop) -> None:
    """A turn told to stop leaves with `Stopped`, which says why."""
    scope = deadlines(FakeClock())
    task = await entered(scope)
    scope.stop(reason)
    with pytest.raises(Stopped) as stopped:
        await task
    assert stopped.value.reason is reason


async def test_stopped_before_entry() -> None:
    """A turn told to stop before it entered its scope does not enter it."""
    scope, inside = deadlines(FakeClock()), asyncio.Event()
    scope.stop(Stop.CANCELLED)
    with pytest.raises(Stopped):
        await hang(scope, inside=inside)
    assert not inside.is_set()


async def test_first_reason_counts() -> None:
    """A turn leaves for the first reason it was given."""
    clock = FakeClock()
    scope = deadlines(clock)
    task = await entered(scope)
    scope.stop(Stop.CANCELLED)
    scope.stop(Stop.SHUTDOWN)
    clock.advance(500)
    with pytest.raises(Stopped) as stopped:
        await task
    assert stopped.value.reason is Stop.CANCELLED


async def test_stopped_and_late_before_entry() -> None:
    """A turn both stopped and late before it entered its scope is stopped."""
    clock = FakeClock()
    scope = deadlines(clock)
    scope.stop(Stop.CANCELLED)
    clock.advance(500)
    with pytest.raises(Stopped):
        await hang(scope)


async def test_stop_after_the_end_is_nothing() -> None:
    """A turn that has left its scope cannot be stopped."""
    scope = deadlines(FakeClock())
    async with scope:
        await idle()
    scope.stop(Stop.CANCELLED)
    await idle()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_nothing_stays_armed() -> None:
    """A scope that was left has no timer."""
    clock = FakeClock()
    async with deadlines(clock):
        assert clock.armed == 1
    assert clock.armed == 0


async def test_foreign_timeout_passes() -> None:
    """A `TimeoutError` of somebody else leaves the scope as it is."""
    foreign = TimeoutError("a socket's")
    with pytest.raises(TimeoutError) as raised:
        async with deadlines(FakeClock()):
            raise foreign
    assert raised.value is foreign


async def test_cancellation_passes() -> None:
    """Cancelling the task from outside is not taken for a deadline."""
    task = await entered(deadlines(FakeClock()))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_other_errors_pass() -> None:
    """An error inside the scope leaves it untouched."""
    with pytest.raises(KeyError):
        async with deadlines(FakeClock()):
            raise KeyError


async def test_times_of_content_are_kept() -> None:
    """When content came first and last is kept, and the longest silence between."""
    clock = FakeClock()
    scope = deadlines(clock)
    for silence in (3, 1, 4, 2):
        clock.advance(silence)
        scope.content()
    assert (scope.first_content, scope.last_content, scope.worst_gap) == (3, 10, 4)


async def test_time_so_far() -> None:
    """A turn knows how long it has run."""
    clock = FakeClock()
    scope = deadlines(clock)
    clock.advance(3)
    assert scope.elapsed() == 3


@pytest.mark.parametrize(("turn", "left"), [(120, 15), (10, 5)])
async def test_time_left_for_content(turn: float, left: float) -> None:
    """The time left for the first content is bounded by the turn's."""
    clock = FakeClock()
    scope = deadlines(clock, turn=turn, first_chunk=20)
    clock.advance(5)
    assert scope.to_first_content() == left
