"""Remember recent exchanges in Redis; a Redis that is slow, wiped or gone only makes us forget."""

import logging
from uuid import UUID

import msgspec

from gateway.backends.redis_link import RedisLink
from gateway.backends.watch import Operation
from gateway.chat.records import History

logger = logging.getLogger(__name__)


class _Remembered(msgspec.Struct, frozen=True, array_like=True):
    """A cached value; whose it is stands inside, so no mix-up of keys or replies goes unnoticed."""

    session_id: UUID
    history: History


class RedisCache:
    """The `Cache` of the chat: `messages` is how many of them are quoted, `ttl_seconds` how long kept."""

    def __init__(self, link: RedisLink, *, messages: int, ttl_seconds: int) -> None:
        self._link = link
        self._messages = messages
        self._ttl_seconds = ttl_seconds
        self._decoder = msgspec.msgpack.Decoder(_Remembered)

    async def reachable(self) -> bool:
        """Return whether Redis answers; one that did not is left alone for a while."""
        reply = await self._link.ask(lambda redis: redis.ping(), operation=Operation.PING)
        return reply is not None

    async def recall(self, session_id: UUID) -> History | None:
        """Return what was remembered, or None."""
        value = await self._link.ask(
            lambda redis: redis.get(self._key(session_id)), operation=Operation.RECALL
        )
        if not isinstance(value, bytes):
            return None
        try:
            remembered = self._decoder.decode(value)
        except msgspec.MsgspecError:
            logger.warning("cache.foreign_value")
            return None
        return remembered.history if remembered.session_id == session_id else None

    async def remember(self, session_id: UUID, history: History) -> None:
        """Keep `history` for `ttl_seconds`."""
        value = msgspec.msgpack.encode(_Remembered(session_id, history))
        await self._link.ask(
            lambda redis: redis.set(self._key(session_id), value, ex=self._ttl_seconds),
            operation=Operation.REMEMBER,
        )

    def _key(self, session_id: UUID) -> str:
        return f"chatgw:v1:history:{self._messages}:{session_id}"


class NoCache:
    """The `Cache` where there is no Redis."""

    async def reachable(self) -> None:
        """Return None."""

    async def recall(self, session_id: UUID) -> History | None:
        """Return None."""
        return None

    async def remember(self, session_id: UUID, history: History) -> None:
        """Forget it."""
