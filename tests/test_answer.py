"""An answer is an append-only text; whoever wants it is a cursor."""

import asyncio
from contextlib import aclosing, suppress

from gateway.chat.answer import SLICE_CHARS, Answer, Progress, Slice, Whole
from gateway.chat.frames import StatusState
from tests.fakes import idle

Item = Slice | Whole | Progress
WAITING = Progress(StatusState.WAITING)


async def read(answer: Answer, after: int = 0) -> list[Item]:
    """Return what a reader at `after` is given until the end."""
    async with aclosing(answer.follow(after)) as items:
        return [item async for item in items]


def answer_of(*pieces: str, ended: bool = True) -> Answer:
    """Return an answer of `pieces`."""
    answer = Answer()
    for piece in pieces:
        answer.append(piece)
    if ended:
        answer.end()
    return answer


def test_position_counts_pieces() -> None:
    """The position is the number of the last piece."""
    assert answer_of("a", "b").position == 2


def test_text_is_all_pieces_joined() -> None:
    """The text is everything so far."""
    assert answer_of("a", "b").text == "ab"


def test_restored_answer_goes_on_counting() -> None:
    """An answer whose first pieces are only known joined goes on where they ended."""
    answer = Answer(before="abc", first=3)
    answer.append("d")
    assert (answer.position, answer.text) == (4, "abcd")


def test_pieces_are_known_one_by_one() -> None:
    """What was appended after a position is known piece by piece, where it was appended here."""
    answer = Answer(before="abc", first=3)
    for piece in ("d", "e"):
        answer.append(piece)
    assert (answer.pieces(4), answer.pieces(0)) == (["e"], ["d", "e"])


async def test_reset_answer_is_given_whole() -> None:
    """A reader of an answer that was replaced elsewhere gets all of it, and goes on from there."""
    answer = answer_of("a", ended=False)
    reading = asyncio.create_task(read(answer))
    await idle()
    answer.reset(before="abcd", first=4)
    await idle()
    answer.append("e")
    answer.end()
    assert await reading == [Slice(0, 1, "a"), Whole(4, "abcd"), Slice(4, 5, "e")]


def test_ended_says_whether_more_may_come() -> None:
    """An answer is ended once it was told so, not before."""
    assert (answer_of(ended=False).ended, answer_of().ended) == (False, True)


async def test_reader_gets_each_piece_as_it_comes() -> None:
    """A reader that keeps up gets every piece by itself."""
    answer = Answer()
    reading = asyncio.create_task(read(answer))
    for piece in ("a", "b"):
        await idle()
        answer.append(piece)
    await idle()
    answer.end()
    assert await reading == [Slice(0, 1, "a"), Slice(1, 2, "b")]


async def test_slow_reader_gets_bigger_pieces() -> None:
    """What came while a reader was busy is handed to it at once."""
    answer = answer_of("a", ended=False)
    async with aclosing(answer.follow()) as items:
        assert await anext(items) == Slice(0, 1, "a")
        for piece in ("b", "c", "d"):
            answer.append(piece)
        assert await anext(items) == Slice(1, 4, "bcd")


async def test_late_reader_gets_everything_from_its_position() -> None:
    """A reader that joins late gets everything from its position."""
    assert await read(answer_of("a", "b", "c"), after=1) == [Slice(1, 3, "bc")]


async def test_reader_at_the_end_gets_nothing() -> None:
    """A reader that has everything is let go."""
    assert await read(answer_of("a"), after=1) == []


async def test_readers_do_not_disturb_each_other() -> None:
    """Several readers each get the whole text, whenever they join."""
    answer = Answer()
    first = asyncio.create_task(read(answer))
    await idle()
    answer.append("a")
    await idle()
    second = asyncio.create_task(read(answer))
    await idle()
    answer.append("b")
    answer.end()
    assert (await first, await second) == (
        [Slice(0, 1, "a"), Slice(1, 2, "b")],
        [Slice(0, 1, "a"), Slice(1, 2, "b")],
    )


async def test_cancelled_reader_leaves_the_others_waiting() -> None:
    """Cancelling one reader cancels nothing that another waits for."""
    answer = Answer()
    leaving, staying = (asyncio.create_task(read(answer)) for _ in range(2))
    await idle()
    leaving.cancel()
    with suppress(asyncio.CancelledError):
        await leaving
    answer.append("a")
    answer.end()
    assert await staying == [Slice(0, 1, "a")]


async def test_reader_cancelled_as_a_piece_comes_is_no_harm() -> None:
    """A reader cancelled but not gone yet is passed over when a piece comes."""
    answer = Answer()
    reading = asyncio.create_task(read(answer))
    await idle()
    reading.cancel()
    answer.append("a")
    with suppress(asyncio.CancelledError):
        await reading
    assert reading.cancelled()


async def test_position_ahead_gets_the_whole() -> None:
    """A reader ahead of the answer gets all of it, and goes on from there."""
    answer = answer_of("a", ended=False)
    async with aclosing(answer.follow(5)) as items:
        assert await anext(items) == Whole(1, "a")
        answer.append("b")
        assert await anext(items) == Slice(1, 2, "b")


async def test_position_among_pieces_that_are_gone_gets_the_whole() -> None:
    """A reader whose pieces are only known joined gets all of the answer."""
    answer = Answer(before="abc", first=3)
    answer.append("d")
    answer.end()
    assert await read(answer, after=2) == [Whole(4, "abcd")]


async def test_position_after_pieces_that_are_gone_is_followed() -> None:
    """A reader that has all the joined pieces gets only what came after."""
    answer = Answer(before="abc", first=3)
    answer.append("d")
    answer.end()
    assert await read(answer, after=3) == [Slice(3, 4, "d")]


async def test_slices_are_bounded() -> None:
    """No slice of several pieces is longer than `SLICE_CHARS`."""
    piece = "x" * (SLICE_CHARS // 3 + 1)
    slices = await read(answer_of(*[piece] * 5))
    assert slices == [Slice(0, 2, piece * 2), Slice(2, 4, piece * 2), Slice(4, 5, piece)]


async def test_slice_of_just_the_bound_is_not_split() -> None:
    """Pieces that together have exactly `SLICE_CHARS` characters are one slice."""
    half = "x" * (SLICE_CHARS // 2)
    assert await read(answer_of(half, half)) == [Slice(0, 2, half * 2)]


async def test_progress_is_told_before_content() -> None:
    """A reader without content is told what is going on, once."""
    answer = Answer()
    reading = asyncio.create_task(read(answer))
    answer.report(WAITING)
    await idle()
    answer.append("a")
    answer.end()
    assert await reading == [WAITING, Slice(0, 1, "a")]


async def test_late_reader_is_told_the_latest_progress() -> None:
    """A reader that joins before content is told only how things are now."""
    answer = Answer()
    retrying = Progress(StatusState.RETRYING, retry_in_ms=500)
    answer.report(WAITING)
    answer.report(retrying)
    async with aclosing(answer.follow()) as items:
        assert await anext(items) == retrying


async def test_progress_is_not_told_after_content() -> None:
    """Progress means nothing once there is content."""
    answer = answer_of("a", ended=False)
    answer.report(WAITING)
    reading = asyncio.create_task(read(answer))
    await idle()
    answer.report(Progress(StatusState.SLOW))
    await idle()
    answer.end()
    assert await reading == [Slice(0, 1, "a")]
