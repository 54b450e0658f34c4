"""The text of a running turn: appended by one, followed by any number of readers.

The writer never waits for a reader. A reader is a cursor: it takes everything after its position, so a
slow one just gets bigger pieces. Back-pressure, coalescing, resume and several tabs are this one mechanism.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator

import msgspec

from gateway.chat.frames import StatusState

# The longest text handed out at once, in characters: the largest frame of four-byte characters, with its
# JSON around it, stays below 64 KiB.
SLICE_CHARS = 12_000


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


class Answer:
    """An append-only text in numbered pieces; the first `first` of them are known joined, as `before`."""

    def __init__(self, *, before: str = "", first: int = 0) -> None:
        self._before = before
        self._first = first
        self._pieces: list[str] = []
        self._progress: Progress | None = None
        self._ended = False
        self._waiting: set[asyncio.Future[None]] = set()

    @property
    def position(self) -> int:
        """The number of the last piece."""
        return self._first + len(self._pieces)

    @property
    def text(self) -> str:
        """Everything so far."""
        return self._before + "".join(self._pieces)

    @property
    def ended(self) -> bool:
        """Whether nothing will be appended any more."""
        return self._ended

    def append(self, text: str) -> None:
        """Add one piece and wake the readers."""
        self._pieces.append(text)
        self._wake()

    def pieces(self, after: int) -> list[str]:
        """Return the pieces after position `after`, one by one."""
        return self._pieces[max(0, after - self._first) :]

    def reset(self, *, before: str, first: int) -> None:
        """Replace everything by a text known only joined; readers elsewhere are given it whole."""
        self._before, self._first = before, first
        self._pieces.clear()
        self._wake()

    def report(self, progress: Progress) -> None:
        """Tell readers that see no content yet what is going on."""
        self._progress = progress
        self._wake()

    def end(self) -> None:
        """Let readers go once they have everything."""
        self._ended = True
        self._wake()

    async def follow(self, after: int = 0) -> AsyncGenerator[Slice | Whole | Progress, None]:
        """Yield everything after position `after` until the end, waiting for what is not there yet."""
        told: Progress | None = None
        position = after
        while True:
            if not self._first <= position <= self.position:
                position = self.position
                yield Whole(position, self.text)
            while position < self.position:
                for piece in self._slices(position):
                    position = piece.stop
                    yield piece
            if self._ended:
                return
            if self._progress is not told and self._progress is not None and not self._pieces:
                told = self._progress
                yield told
                continue
            await self._changed()

    def _slices(self, position: int) -> Iterator[Slice]:
        start, size, texts = position, 0, list[str]()
        for text in self._pieces[position - self._first :]:
            if texts and size + len(text) > SLICE_CHARS:
                stop = start + len(texts)
                yield Slice(start, stop, "".join(texts))
                start, size, texts = stop, 0, []
            texts.append(text)
            size += len(text)
        yield Slice(start, start + len(texts), "".join(texts))

    async def _changed(self) -> None:
        # A future for each reader: cancelling one reader must not cancel what the others wait for.
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)

    def _wake(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
        self._waiting.clear()
