"""An answer is an append-only text; whoever wants it is a cursor."""

from gateway.chat.answer import SLICE_BYTES, Answer, Cursor, Item, Progress, Slice, Whole
from gateway.chat.frames import StatusState

WAITING = Progress(StatusState.WAITING)


class Reader:
    """Takes what there is from position `after`, and whatever comes as it comes."""

    def __init__(self, answer: Answer, *, after: int = 0) -> None:
        self.items: list[Item] = []
        self._answer, self._cursor = answer, Cursor(after)
        answer.subscribe(self.look)
        self.look()

    def look(self) -> None:
        """Take what is new."""
        self.items += self._answer.take(self._cursor)

    def leave(self) -> None:
        """Be told no more."""
        self._answer.unsubscribe(self.look)


def read(answer: Answer, after: int = 0) -> list[Item]:
    """Return what a reader at `after` is given at once."""
    return answer.take(Cursor(after))


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


def test_reset_answer_is_given_whole() -> None:
    """A reader of an answer that was replaced elsewhere gets all of it, and goes on from there."""
    answer = answer_of("a", ended=False)
    reader = Reader(answer)
    answer.reset(before="abcd", first=4)
    answer.append("e")
    assert reader.items == [Slice(0, 1, "a"), Whole(4, "abcd"), Slice(4, 5, "e")]


def test_ended_says_whether_more_may_come() -> None:
    """An answer is ended once it was told so, not before."""
    assert (answer_of(ended=False).ended, answer_of().ended) == (False, True)


def test_reader_gets_each_piece_as_it_comes() -> None:
    """A reader that keeps up gets every piece by itself, in the step in which it is appended."""
    answer = Answer()
    reader = Reader(answer)
    answer.append("a")
    assert reader.items == [Slice(0, 1, "a")]
    answer.append("b")
    assert reader.items == [Slice(0, 1, "a"), Slice(1, 2, "b")]


def test_slow_reader_gets_bigger_pieces() -> None:
    """What came while a reader was busy is handed to it at once."""
    answer, cursor = answer_of("a", ended=False), Cursor()
    assert answer.take(cursor) == [Slice(0, 1, "a")]
    for piece in ("b", "c", "d"):
        answer.append(piece)
    assert answer.take(cursor) == [Slice(1, 4, "bcd")]


def test_nothing_is_given_twice() -> None:
    """A reader that has everything is given nothing."""
    answer, cursor = answer_of("a", ended=False), Cursor()
    answer.take(cursor)
    assert answer.take(cursor) == []


def test_late_reader_gets_everything_from_its_position() -> None:
    """A reader that joins late gets everything from its position."""
    assert read(answer_of("a", "b", "c"), after=1) == [Slice(1, 3, "bc")]


def test_reader_at_the_end_gets_nothing() -> None:
    """A reader that has everything is let go."""
    assert read(answer_of("a"), after=1) == []


def test_readers_do_not_disturb_each_other() -> None:
    """Several readers each get the whole text, whenever they join."""
    answer = Answer()
    first = Reader(answer)
    answer.append("a")
    second = Reader(answer)
    answer.append("b")
    assert first.items == second.items == [Slice(0, 1, "a"), Slice(1, 2, "b")]


def test_reader_that_left_is_told_no_more() -> None:
    """Who leaves is told nothing any more, and nobody else misses anything for it."""
    answer = Answer()
    leaving, staying = Reader(answer), Reader(answer)
    leaving.leave()
    answer.append("a")
    assert (leaving.items, staying.items) == ([], [Slice(0, 1, "a")])


def test_reader_may_leave_while_it_is_told() -> None:
    """A reader that leaves as a piece comes does not make the next one miss it."""
    answer = Answer()

    def once() -> None:
        answer.unsubscribe(once)

    answer.subscribe(once)
    staying = Reader(answer)
    answer.append("a")
    assert staying.items == [Slice(0, 1, "a")]


def test_reader_is_told_of_the_end() -> None:
    """The end wakes the readers too."""
    answer, told = Answer(), list[bool]()
    answer.subscribe(lambda: told.append(answer.ended))
    answer.end()
    assert told == [True]


def test_position_ahead_gets_the_whole() -> None:
    """A reader ahead of the answer gets all of it, and goes on from there."""
    answer = answer_of("a", ended=False)
    reader = Reader(answer, after=5)
    answer.append("b")
    assert reader.items == [Whole(1, "a"), Slice(1, 2, "b")]


def test_position_among_pieces_that_are_gone_gets_the_whole() -> None:
    """A reader whose pieces are only known joined gets all of the answer."""
    answer = Answer(before="abc", first=3)
    answer.append("d")
    answer.end()
    assert read(answer, after=2) == [Whole(4, "abcd")]


def test_position_after_pieces_that_are_gone_is_followed() -> None:
    """A reader that has all the joined pieces gets only what came after."""
    answer = Answer(before="abc", first=3)
    answer.append("d")
    answer.end()
    assert read(answer, after=3) == [Slice(3, 4, "d")]


def test_slices_are_bounded() -> None:
    """No slice of several pieces is longer than `SLICE_BYTES`."""
    piece = "x" * (SLICE_BYTES // 3 + 1)
    slices = read(answer_of(*[piece] * 5))
    assert slices == [Slice(0, 2, piece * 2), Slice(2, 4, piece * 2), Slice(4, 5, piece)]


def test_slice_of_just_the_bound_is_not_split() -> None:
    """Pieces that together have exactly `SLICE_BYTES` bytes are one slice."""
    half = "x" * (SLICE_BYTES // 2)
    assert read(answer_of(half, half)) == [Slice(0, 2, half * 2)]


def test_progress_is_told_before_content() -> None:
    """A reader without content is told what is going on, once."""
    answer = Answer()
    reader = Reader(answer)
    answer.report(WAITING)
    reader.look()
    answer.append("a")
    assert reader.items == [WAITING, Slice(0, 1, "a")]


def test_late_reader_is_told_the_latest_progress() -> None:
    """A reader that joins before content is told only how things are now."""
    answer = Answer()
    retrying = Progress(StatusState.RETRYING, retry_in_ms=500)
    answer.report(WAITING)
    answer.report(retrying)
    assert read(answer) == [retrying]


def test_progress_is_not_told_after_content() -> None:
    """Progress means nothing once there is content."""
    answer = answer_of("a", ended=False)
    reader = Reader(answer)
    answer.report(WAITING)
    assert reader.items == [Slice(0, 1, "a")]


def test_progress_is_not_told_after_the_end() -> None:
    """Progress means nothing once nothing will come."""
    answer = Answer()
    answer.report(WAITING)
    answer.end()
    assert read(answer) == []


def test_position_is_held_where_its_pieces_are() -> None:
    """A position is known from the joined pieces to the last one, and nowhere else."""
    answer = Answer(before="abc", first=3)
    answer.append("d")
    assert [position for position in range(6) if answer.holds(position)] == [3, 4]


def test_half_a_character_is_kept() -> None:
    """What JSON may say and UTF-8 may not is given on as it came."""
    assert read(answer_of("a\ud800", "b")) == [Slice(0, 2, "a\ud800b")]


def test_line_ends_are_kept() -> None:
    """No line end is made into another one."""
    assert answer_of("a\r", "\nb\r").text == "a\r\nb\r"
