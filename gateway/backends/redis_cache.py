"""Remember recent exchanges in Redis; a Redis that is slow, wiped or gone only makes us forget."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from uuid import UUID

import msgspec
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError

from gateway.chat.errors import ConfigError
from gateway.chat.records import History

logger = logging.getLogger(__name__)

# For everything together: a free connection, connecting, and the reply. Postgres, which we ask
# instead, answers within milliseconds, so a slower cache is worse than none.
CALL_SECONDS = 0.3
# After a failure nobody asks for so long: a dead Redis costs one question `CALL_SECONDS`, not each.
BREAKER_SECONDS = 5.0
# A call takes less than a millisecond, so few serve thousands a second.
CONNECTIONS = 10


class _Remembered(msgspec.Struct, frozen=True, array_like=True):
    """A cached value; whose it is stands inside, so no mix-up of keys or replies goes unnoticed."""

    session_id: UUID
    history: History


class RedisCache:
    """The `Cache` of the chat, for conversations of which the last `messages` are quoted.

    Raises `ConfigError` for a URL that is none, and nothing ever after.
    """

    def __init__(self, url: str, *, messages: int, ttl_seconds: int) -> None:
        self._redis = Redis.from_pool(_connection_pool(url))
        self._messages = messages
        self._ttl_seconds = ttl_seconds
        self._decoder = msgspec.msgpack.Decoder(_Remembered)
        # When Redis may be asked again, on the monotonic clock; None while all is well.
        self._broken_until: float | None = None

    async def recall(self, session_id: UUID) -> History | None:
        """Return what was remembered, or None."""
        value = await self._ask(lambda redis: redis.get(self._key(session_id)))
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
        await self._ask(lambda redis: redis.set(self._key(session_id), value, ex=self._ttl_seconds))

    async def close(self) -> None:
        """Close the connections."""
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await self._redis.aclose()
        except Exception as error:
            logger.warning("cache.not_closed", extra={"error_type": type(error).__name__})

    async def _ask(self, command: Callable[[Redis], Awaitable[object]]) -> object:
        broken = self._broken_until is not None
        if self._broken_until is not None:
            if time.monotonic() < self._broken_until:
                return None
            # One of us finds out whether it is back; the others do not wait for that.
            self._broken_until = time.monotonic() + BREAKER_SECONDS
        try:
            async with asyncio.timeout(CALL_SECONDS):
                reply = await command(self._redis)
        except ResponseError as error:
            # It lives: it only refuses this one, for example because the key is something else.
            logger.warning("cache.refused", extra={"error_type": type(error).__name__})
            reply = None
        except Exception as error:
            # Anything else, a bug of the client's included, is a Redis we do better without.
            self._broken_until = time.monotonic() + BREAKER_SECONDS
            if not broken:
                logger.warning("cache.failed", extra={"error_type": type(error).__name__})
            return None
        self._broken_until = None
        return reply

    def _key(self, session_id: UUID) -> str:
        return f"chatgw:v1:history:{self._messages}:{session_id}"


class NoCache:
    """The `Cache` where there is no Redis."""

    async def recall(self, session_id: UUID) -> History | None:
        """Return None."""
        return None

    async def remember(self, session_id: UUID, history: History) -> None:
        """Forget it."""


def _connection_pool(url: str) -> BlockingConnectionPool:
    try:
        # No time-outs of redis-py's: they bound each step by itself, and its writes use
        # asyncio.wait_for, which can swallow a cancellation before 3.12 (cpython#86296). Cancelled
        # by ours, a connection is closed, never returned half-read (CVE-2023-28858).
        # No HELLO and no CLIENT SETINFO: each is one more round trip before the first command.
        return BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=CALL_SECONDS,
            socket_timeout=None,
            socket_connect_timeout=None,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            driver_info=None,
        )
    except ValueError:
        # Its text would quote the password.
        raise ConfigError("redis url: expected redis://, rediss:// or unix://") from None
