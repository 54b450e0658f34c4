"""Tasks that outlive whoever asked for them, kept and awaited by their owner."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Tasks:
    """A set of running tasks; the event loop alone would hold them only weakly."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def start(self, work: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
        """Start `work` and keep it until it is done."""
        task = asyncio.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def wait(self, *, seconds: float) -> None:
        """Wait at most `seconds` for what is running."""
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)

    async def drain(self, *, seconds: float) -> None:
        """Wait at most `seconds` for what is running, then cancel the rest and wait for that."""
        await self.wait(seconds=seconds)
        rest = list(self._running)
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
