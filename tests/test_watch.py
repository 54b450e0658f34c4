"""Calls of a dependency are told with their result and their time."""

import asyncio

import pytest

from gateway.backends.watch import Operation, Result, watched
from tests.fakes import idle

Told = list[tuple[Operation, Result, float]]


def call(told: Told, error: BaseException | None = None) -> None:
    """Make a call that ends with `error`, and note what is told of it."""
    with watched(lambda *said: told.append(said), Operation.PING):
        if error is not None:
            raise error


def test_success() -> None:
    """A call that came back is told with how long it took."""
    told: Told = []
    call(told)
    ((operation, result, seconds),) = told
    assert (operation, result) == (Operation.PING, Result.OK)
    assert 0 <= seconds < 10


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (TimeoutError(), Result.TIMEOUT),
        (ConnectionRefusedError(), Result.ERROR),
        (ValueError(), Result.ERROR),
    ],
)
def test_failure(error: Exception, result: Result) -> None:
    """A call that failed is told as that, and fails."""
    told: Told = []
    with pytest.raises(type(error)):
        call(told, error)
    assert [said[1] for said in told] == [result]


async def test_cancelled_by_us() -> None:
    """A call that we gave up says nothing of the dependency."""
    told: Told = []

    async def wait() -> None:
        with watched(lambda *said: told.append(said), Operation.PING):
            await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(wait())
    await idle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert told == []


async def test_cancelled_by_the_dependency() -> None:
    """A call that was cancelled and not by us was cancelled by the other side: it took too long."""
    told: Told = []
    with pytest.raises(asyncio.CancelledError):
        call(told, asyncio.CancelledError())
    assert [said[1] for said in told] == [Result.TIMEOUT]
