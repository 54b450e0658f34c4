"""What ends a turn before its time: deadlines, and somebody saying stop."""

import asyncio
from enum import Enum, auto
from types import TracebackType
from typing import Self

from gateway.chat.errors import FirstChunkTimeout, Stalled, Transient, TurnTimeout
from gateway.chat.ports import Clock, Timer


class Stop(Enum):
    """Why a turn was told to stop."""

    CANCELLED = auto()
    ABANDONED = auto()
    SHUTDOWN = auto()


class Stopped(Exception):
    """The turn was told to stop."""

    def __init__(self, reason: Stop) -> None:
        super().__init__(reason)
        self.reason = reason


class Deadlines:
    """The time a turn has and took, in seconds: for all of it, to its first content, between two contents.

    A scope like `asyncio.timeout`, which it is made of. It leaves with `TurnTimeout`, `FirstChunkTimeout`,
    `Stalled` or `Stopped`. Only content counts, so an upstream's keep-alive comments hold nothing up.
    """

    def __init__(self, clock: Clock, *, turn: float, first_chunk: float, stall: float) -> None:
        self._clock = clock
        self._turn = turn
        self._first_chunk = first_chunk
        self._stall = stall
        self.began = clock.time()
        # When content came first and last, and the longest silence between; in seconds since it began.
        self.first_content: float | None = None
        self.last_content: float | None = None
        self.worst_gap = 0.0
        self._reason: Transient | Stopped | None = None
        self._scope: asyncio.Timeout | None = None
        self._timer: Timer | None = None

    def content(self) -> None:
        """Note that content came; the timer looks at it only when it fires."""
        before, now = self.last_content, self._clock.time() - self.began
        self.last_content = now
        if before is None:
            self.first_content = now
            if self._timer is not None:
                # A stall may be due before what the timer waits for.
                self._timer.cancel()
                self._check()
        elif now - before > self.worst_gap:
            self.worst_gap = now - before

    def elapsed(self) -> float:
        """Return the seconds since the turn began."""
        return self._clock.time() - self.began

    def to_first_content(self) -> float:
        """Return the seconds left for the first content."""
        return min(self._first_chunk, self._turn) - self.elapsed()

    def stop(self, reason: Stop) -> None:
        """End the scope now; one that is not entered yet will not be."""
        self._expire(Stopped(reason))

    async def __aenter__(self) -> Self:
        if self._reason is not None:
            raise self._reason
        self._scope = await asyncio.timeout(None).__aenter__()
        self._check()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        scope, self._scope = self._scope, None
        assert scope is not None, "the scope was entered"
        if self._timer is not None:
            self._timer.cancel()
        try:
            await scope.__aexit__(kind, error, traceback)
        except TimeoutError:
            assert self._reason is not None, "only `_expire` moves the scope's end"
            raise self._reason from None

    def _due(self) -> tuple[float, type[Transient]]:
        turn = self.began + self._turn
        if self.last_content is None:
            first = self.began + self._first_chunk
            return (first, FirstChunkTimeout) if first < turn else (turn, TurnTimeout)
        stall = self.began + self.last_content + self._stall
        return (stall, Stalled) if stall < turn else (turn, TurnTimeout)

    def _check(self) -> None:
        at, error = self._due()
        if self._clock.time() >= at:
            self._expire(error())
        else:
            self._timer = self._clock.call_at(at, self._check)

    def _expire(self, reason: Transient | Stopped) -> None:
        if self._reason is not None:
            return
        self._reason = reason
        if self._scope is not None:
            self._scope.reschedule(asyncio.get_running_loop().time())
