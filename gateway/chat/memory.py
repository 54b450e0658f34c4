"""The recent exchanges of a session: from the cache where it is right, else from the store."""

from uuid import UUID

from gateway.chat.ports import Cache, Store
from gateway.chat.records import ContextSource, Exchange, History


class Memory:
    """Remembers conversations. A cache that died and came back is noticed, so it can never lie."""

    def __init__(self, store: Store, *, cache: Cache, messages: int) -> None:
        self._store = store
        self._cache = cache
        self._messages = messages

    async def recall(self, session_id: UUID, *, number: int) -> tuple[History, ContextSource]:
        """Return what came before turn `number`, and where it was found.

        Raises `StorageUnavailable`.
        """
        if number == 1:
            return History(last_turn=0), ContextSource.NONE
        history = await self._cache.recall(session_id)
        source = ContextSource.CACHE
        # The list carries the number of its last turn: any other than the one before this is stale.
        if history is None or history.last_turn != number - 1:
            history = await self._store.history(session_id, before=number, messages=self._messages)
            source = ContextSource.DATABASE
        return history, source

    async def remember(
        self, session_id: UUID, history: History, *, exchange: Exchange | None
    ) -> None:
        """Keep `history` with the turn after it, which left `exchange` or nothing to quote."""
        exchanges = history.exchanges if exchange is None else (*history.exchanges, exchange)
        recent = exchanges[-((self._messages + 1) // 2) :] if self._messages else ()
        await self._cache.remember(
            session_id, History(last_turn=history.last_turn + 1, exchanges=recent)
        )
