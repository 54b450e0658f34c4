"""Save how turns ended, and go on trying until the store is back."""

import asyncio
import logging
from uuid import UUID

from gateway.chat.errors import StorageUnavailable
from gateway.chat.ports import Store
from gateway.chat.records import Outcome
from gateway.chat.tasks import Tasks

logger = logging.getLogger(__name__)

# A store that answers takes milliseconds. The end of an answer waits this long for it, so that normally
# `done` means stored; a store that is gone must not hold the reader up.
PATIENCE_SECONDS = 0.5
RETRY_SECONDS = 0.5


class Persister:
    """Outlives connections and requests: each save is a task of its own."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._saving = Tasks()

    @property
    def pending(self) -> int:
        """How many answers are not durable yet."""
        return len(self._saving)

    async def save(self, turn_id: UUID, outcome: Outcome) -> asyncio.Task[bool]:
        """Start saving and return once it is saved; after `PATIENCE_SECONDS`, with the task that goes on."""
        task = self._saving.start(self._save(turn_id, outcome), name="save")
        # Not `await task`: cancelling whoever waits must not cancel the save.
        await asyncio.wait({task}, timeout=PATIENCE_SECONDS)
        return task

    async def close(self, *, seconds: float) -> None:
        """Give what is not saved yet `seconds` more."""
        await self._saving.drain(seconds=seconds)

    async def _save(self, turn_id: UUID, outcome: Outcome) -> bool:
        while True:
            try:
                await self._store.finish_turn(turn_id, outcome)
            except StorageUnavailable:
                logger.warning("turn.save_delayed")
                await asyncio.sleep(RETRY_SECONDS)
            except Exception:
                # Not a store that is gone but one that refuses: trying again would not help.
                logger.exception("turn.save_refused")
                return False
            else:
                return True
