"""What one client is shown: the turns of its session, one after another."""

import asyncio
import logging

from gateway.chat.answer import Cursor
from gateway.chat.frames import Delta, Done, Error, Notice, Snapshot
from gateway.chat.turn import Turn
from gateway.web.outlet import Close, Outlet

logger = logging.getLogger(__name__)

# Far more than waits for a reader who reads, and each may hold a whole answer.
MOST_WAITING = 16


class Watch:
    """A turn to show, from where, and whether its start is to be told."""

    __slots__ = ("after", "duplicate", "resumed", "turn")

    def __init__(
        self, turn: Turn, *, after: int = 0, resumed: bool = False, duplicate: bool = False
    ) -> None:
        self.turn = turn
        self.after = after
        self.resumed = resumed
        self.duplicate = duplicate


class Showing:
    """A queue of what is to be shown, and a task that shows it while there is any."""

    __slots__ = ("_again", "_left", "_outlet", "_position", "_queue", "_task", "_turn")

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._queue: list[Watch | Notice | Close] = []
        self._turn: Turn | None = None
        self._position = 0
        # The turn that is being shown, asked for again meanwhile.
        self._again: Watch | None = None
        self._left: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None

    def knows(self, turn: Turn) -> bool:
        """Return whether `turn` is being shown, or will be."""
        queued = [w.turn for w in self._queue if isinstance(w, Watch)]
        return any(_is_same(turn, other) for other in (self._turn, *queued))

    def add(self, item: Watch | Notice | Close) -> None:
        """Show a turn or a notice, or close the connection, after what is being shown."""
        if isinstance(item, Watch) and _is_same(item.turn, self._turn):
            # A frame on its way is waited for, or who asks again and again would never be found too slow.
            self._again = item
            if self._left is not None and not self._left.done():
                self._left.set_result(None)
            return
        if len(self._queue) == MOST_WAITING:
            self._outlet.give_up()
            return
        self._queue.append(item)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="show")

    async def close(self) -> None:
        """Show nothing any more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while self._queue:
            item = self._queue.pop(0)
            if isinstance(item, Notice):
                await self._outlet.send(item)
                continue
            if isinstance(item, Close):
                await self._outlet.close(item)
                continue
            self._turn = item.turn
            try:
                await self._show(item)
                while self._again is not None:
                    again, self._again = self._again, None
                    # Where the client says it is, or where it was.
                    if not again.resumed:
                        again.after = self._position
                    await self._show(again)
            except Exception:
                logger.exception("follow.crashed")
            finally:
                self._turn = self._again = None

    async def _show(self, watch: Watch) -> None:
        turn, cursor = watch.turn, Cursor(watch.after)
        self._position = watch.after
        if not watch.resumed:
            accept = await turn.accepted(duplicate=watch.duplicate)
            if accept is not None:
                await self._outlet.send(accept)
        else:
            await turn.opened()
            self._outlet.counts.resumed(whole=not turn.holds(watch.after))
        while not self._outlet.closed and self._again is None:
            frames = turn.take(cursor)
            for frame in frames:
                if isinstance(frame, Delta | Snapshot):
                    self._position = frame.to
                await self._outlet.send(frame)
                if isinstance(frame, Done | Error) or self._again is not None:
                    return
            if not frames:
                await self._keep_up(turn, cursor)

    async def _keep_up(self, turn: Turn, cursor: Cursor) -> None:
        """Write what comes in the step in which it comes, until the end or until the reader is slow."""
        self._left = left = asyncio.get_running_loop().create_future()

        def more() -> None:
            if left.done():
                return
            if turn.end is not None or not self._outlet.idle:
                left.set_result(None)
                return
            for frame in turn.take(cursor):
                self._outlet.write(frame)
            self._position = cursor.position

        turn.subscribe(more)
        try:
            await left
        finally:
            self._left = None
            turn.unsubscribe(more)


def _is_same(turn: Turn, other: Turn | None) -> bool:
    # Not by identity, nor by turn id: a question that came to two processes at once is a turn in each,
    # of which one turns out to stand for the other.
    return other is not None and turn.client_id == other.client_id
