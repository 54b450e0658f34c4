"""What is asked at the same time is one call; nobody suffers for another's question."""

import asyncio
from collections.abc import Sequence

import pytest

from gateway.backends.gathering import AT_ONCE, MOST, Gathering
from gateway.chat.errors import Internal, StorageUnavailable
from tests.fakes import idle


class Doubling:
    """Doubles what it is given, once `gate` is open; refuses zero, and everything while it is `away`."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.gate = asyncio.Event()
        self.away = False
        self.gathering = Gathering(self._double)

    async def _double(self, numbers: Sequence[int]) -> list[int]:
        self.calls.append(list(numbers))
        await self.gate.wait()
        if self.away:
            raise StorageUnavailable
        if 0 in numbers:
            raise Internal
        return [2 * number for number in numbers]

    def ask(self, *numbers: int) -> list[asyncio.Task[int]]:
        """Ask for each number by a task of its own."""
        return [asyncio.create_task(self.gathering.join(number)) for number in numbers]


async def test_one_question_goes_at_once() -> None:
    """A question by itself waits for nobody."""
    doubling = Doubling()
    (asked,) = doubling.ask(1)
    await idle()
    assert doubling.calls == [[1]]
    doubling.gate.set()
    assert await asked == 2


async def test_what_comes_meanwhile_goes_together() -> None:
    """While as many calls as may be are on their way, what comes waits for the next, in its order."""
    doubling = Doubling()
    asked = []
    for first in range(1, AT_ONCE + 1):
        asked += doubling.ask(first)
        await idle()
    asked += doubling.ask(7, 8, 9)
    await idle()
    doubling.gate.set()
    await asyncio.gather(*asked)
    assert doubling.calls == [[1], [2], [7, 8, 9]]


async def test_asking_again_as_the_last_calls_end() -> None:
    """Who asks again in the very step that brings the reply is heard, though all calls ended in it."""
    doubling = Doubling()

    async def ask_twice(number: int) -> int:
        return await doubling.gathering.join(await doubling.gathering.join(number))

    asked = asyncio.create_task(ask_twice(1))
    await idle()
    for number in range(2, AT_ONCE + 1):
        doubling.ask(number)
        await idle()
    doubling.gate.set()
    await idle()
    assert asked.done()
    assert await asked == 4


async def test_each_has_its_own_reply() -> None:
    """Replies come to who asked."""
    doubling = Doubling()
    doubling.gate.set()
    assert await asyncio.gather(*doubling.ask(*range(1, 50))) == [2 * n for n in range(1, 50)]


async def test_a_call_holds_only_so_many() -> None:
    """No call is longer than `MOST`."""
    doubling = Doubling()
    doubling.gate.set()
    await asyncio.gather(*doubling.ask(*range(1, 3 * MOST)))
    assert max(len(call) for call in doubling.calls) == MOST


async def test_one_that_is_refused_spoils_nothing() -> None:
    """Where one question of many is refused, the others are answered all the same."""
    doubling = Doubling()
    doubling.gate.set()
    replies = await asyncio.gather(*doubling.ask(1, 0, 3), return_exceptions=True)
    assert (replies[0], type(replies[1]), replies[2]) == (2, Internal, 6)


async def test_all_hear_that_nobody_is_there() -> None:
    """Where the store is away, everybody is told, and nobody asks again one by one."""
    doubling = Doubling()
    doubling.away = True
    doubling.gate.set()
    replies = await asyncio.gather(*doubling.ask(1, 2, 3), return_exceptions=True)
    assert [type(reply) for reply in replies] == [StorageUnavailable] * 3
    assert doubling.calls == [[1, 2, 3]]


async def test_who_left_is_not_missed() -> None:
    """A caller that is cancelled takes no reply from the others."""
    doubling = Doubling()
    leaving, staying = doubling.ask(1, 2)
    await idle()
    leaving.cancel()
    await idle()
    doubling.gate.set()
    assert await staying == 4


async def test_who_left_before_a_failure_is_not_missed() -> None:
    """Nor does its leaving hide a failure from them."""
    doubling = Doubling()
    doubling.away = True
    leaving, staying = doubling.ask(1, 2)
    await idle()
    leaving.cancel()
    await idle()
    doubling.gate.set()
    with pytest.raises(StorageUnavailable):
        await staying


async def test_close_gives_up() -> None:
    """Closing ends what is on its way, and asking again afterwards works."""
    doubling = Doubling()
    (asked,) = doubling.ask(1)
    await idle()
    await doubling.gathering.close()
    asked.cancel()
    doubling.gate.set()
    assert await doubling.ask(4)[0] == 8


async def test_close_before_a_call_has_begun() -> None:
    """Calls that are closed before their first step do not count as on their way afterwards."""
    doubling = Doubling()
    doubling.gate.set()
    # Each begins its call in the step in which it asks; the calls themselves are only due.
    asked = doubling.ask(*range(1, AT_ONCE + 1))
    await asyncio.sleep(0)
    await doubling.gathering.close()
    for task in asked:
        task.cancel()
    await idle()
    (again,) = doubling.ask(4)
    await idle()
    assert again.done()
    assert await again == 8
