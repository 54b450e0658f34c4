"""One call for many: what is asked while calls are on their way goes together in the next one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Generic, TypeVar

from gateway.chat.errors import StorageUnavailable

# A call by itself does not wait for another one; in a burst, the second is on its way while the first is
# being committed.
AT_ONCE = 2
# What one call may hold: longer ones would make the first of it wait for the last.
MOST = 200

Item = TypeVar("Item")
Reply = TypeVar("Reply")


class Gathering(Generic[Item, Reply]):
    """Answers each item by a call that takes many and returns a reply for each, in their order.

    Hundreds of small transactions that all need one row would wait in line for it, each for the disk
    (docs/performance.md).
    """

    def __init__(self, call: Callable[[Sequence[Item]], Awaitable[Sequence[Reply]]]) -> None:
        self._call = call
        self._waiting: list[tuple[Item, asyncio.Future[Reply]]] = []
        self._running: set[asyncio.Task[None]] = set()

    async def join(self, item: Item) -> Reply:
        """Return the reply to `item`; raises what the call raises.

        Whoever is cancelled may have been heard.
        """
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if len(self._running) < AT_ONCE:
            # Its own context: it works for several turns, and none of them is the one to be logged.
            task = asyncio.create_task(self._run(), name="gathering", context=Context())
            self._running.add(task)
        return await future

    async def close(self) -> None:
        """Give up what is on its way; nobody may be waiting for it any more."""
        running = list(self._running)
        # One that is cancelled before its first step would not take itself off.
        self._running.clear()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                await self._answer(batch)
        finally:
            # In this very step, not by a callback after it: who asked in between would wait for a call that
            # has looked for the last time.
            self._running.discard(asyncio.current_task())

    async def _answer(self, batch: Sequence[tuple[Item, asyncio.Future[Reply]]]) -> None:
        try:
            replies = await self._call([item for item, _ in batch])
        except StorageUnavailable as error:
            self._fail(batch, error)
        except Exception as error:
            if len(batch) == 1:
                self._fail(batch, error)
                return
            # One of them is refused; the others must not be.
            for one in batch:
                await self._answer([one])
        else:
            for (_, future), reply in zip(batch, replies, strict=True):
                if not future.done():
                    future.set_result(reply)

    def _fail(self, batch: Sequence[tuple[Item, asyncio.Future[Reply]]], error: Exception) -> None:
        for _, future in batch:
            if not future.done():
                future.set_exception(error)
