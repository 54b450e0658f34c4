"""The text of a running turn: appended by one, followed by any number of readers.

The writer never waits for a reader. A reader is a cursor: it takes everything after its position, so a
slow one just gets bigger pieces. Back-pressure, coalescing, resume and several tabs are this one mechanism.
"""

from array import array
from collections.abc import Callable, Iterator
from itertools import pairwise

import msgspec

from gateway.chat.compact import decoded, encoded
from gateway.chat.frames import StatusState

# The longest text of several pieces handed out at once: of control characters, which JSON makes six times as
# long, the frame stays below 64 KiB still.
SLICE_BYTES = 10_000


class Slice(msgspec.Struct, frozen=True):
    """Pieces `start + 1` to `stop` of an answer."""

    start: int
    stop: int
    text: str


class Whole(msgspec.Struct, frozen=True):
    """The text up to piece `stop`, for a reader whose position is not in this answer."""

    stop: int
    text: str


class Progress(msgspec.Struct, frozen=True):
    """A sign of life while there is no content."""

    state: StatusState
    retry_in_ms: int | None = None


Item = Slice | Whole | Progress


class Cursor:
    """How far a reader is: the number of the last piece it has, and the sign of life it was given."""

    __slots__ = ("position", "told")

    def __init__(self, position: int = 0) -> None:
        self.position = position
        self.told: Progress | None = None


class Answer:
    """An append-only text in numbered pieces; the first `first` of them are known joined, as `before`."""

    def __init__(self, *, before: str = "", first: int = 0) -> None:
        self._first = first
        self._text = bytearray(encoded(before))
        # Where `before` ends, and each piece after it.
        self._ends = array("L", [len(self._text)])
        self._progress: Progress | None = None
        self._ended = False
        self._readers: list[Callable[[], None]] = []

    @property
    def position(self) -> int:
        """The number of the last piece."""
        return self._first + len(self._ends) - 1

    @property
    def text(self) -> str:
        """Everything so far."""
        return decoded(self._text)

    @property
    def ended(self) -> bool:
        """Whether nothing will be appended any more."""
        return self._ended

    def append(self, text: str) -> None:
        """Add one piece and wake the readers."""
        self._text += encoded(text)
        self._ends.append(len(self._text))
        self._wake()

    def pieces(self, after: int) -> list[str]:
        """Return the pieces after position `after`, one by one."""
        ends = self._ends[max(0, after - self._first) :]
        return [decoded(self._text[start:stop]) for start, stop in pairwise(ends)]

    def reset(self, *, before: str, first: int) -> None:
        """Replace everything by a text known only joined; readers elsewhere are given it whole."""
        self._first = first
        self._text = bytearray(encoded(before))
        self._ends = array("L", [len(self._text)])
        self._wake()

    def report(self, progress: Progress) -> None:
        """Tell readers that see no content yet what is going on."""
        self._progress = progress
        self._wake()

    def end(self) -> None:
        """Let readers go once they have everything."""
        self._ended = True
        self._wake()

    def take(self, cursor: Cursor) -> list[Item]:
        """Return what the reader at `cursor` does not have yet, and move the cursor past it."""
        items: list[Item] = []
        last = self.position
        if not self._first <= cursor.position <= last:
            cursor.position = last
            items.append(Whole(last, self.text))
        elif cursor.position < last:
            items += self._slices(cursor.position)
            cursor.position = last
        if self._progress is not cursor.told and len(self._ends) == 1 and not self._ended:
            assert self._progress is not None, "it only ever becomes another"
            cursor.told = self._progress
            items.append(self._progress)
        return items

    def holds(self, position: int) -> bool:
        """Return whether what comes after `position` is known by itself."""
        return self._first <= position <= self.position

    def subscribe(self, reader: Callable[[], None]) -> None:
        """Have `reader` called whenever there may be more to take, in the writer's own step."""
        self._readers.append(reader)

    def unsubscribe(self, reader: Callable[[], None]) -> None:
        """Have `reader` called no more."""
        self._readers.remove(reader)

    def _slices(self, position: int) -> Iterator[Slice]:
        ends, last = self._ends, len(self._ends) - 1
        start = position - self._first
        while start < last:
            stop = start + 1
            while stop < last and ends[stop + 1] - ends[start] <= SLICE_BYTES:
                stop += 1
            text = decoded(self._text[ends[start] : ends[stop]])
            yield Slice(self._first + start, self._first + stop, text)
            start = stop

    def _wake(self) -> None:
        # A copy: a reader that has enough leaves while it is told.
        for reader in self._readers.copy():
            reader()
