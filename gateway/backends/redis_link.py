"""Ask Redis, briefly: a Redis that is slow or gone costs one call its patience, and the next ones nothing."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError

from gateway.backends.watch import Operation, Watch, unwatched, watched
from gateway.chat.errors import ConfigError
from gateway.chat.tasks import Tasks

logger = logging.getLogger(__name__)

# For everything together: a free connection, connecting, and the reply. Postgres, which we ask
# instead, answers within milliseconds, so a slower Redis is worse than none.
CALL_SECONDS = 0.3
# After a failure nobody asks for so long, and then nobody waits: a dead Redis costs one question
# `CALL_SECONDS`, not each, and not again and again.
BREAKER_SECONDS = 5.0
# A call takes less than a millisecond, so few serve thousands a second.
CONNECTIONS = 10

T = TypeVar("T")


class RedisLink:
    """A few connections behind a circuit breaker; raises `ConfigError` for a URL that is none."""

    def __init__(self, url: str, *, watch: Watch = unwatched) -> None:
        self._redis = Redis.from_pool(_connection_pool(url))
        self._watch = watch
        self._broken = False
        # When Redis may be tried again, on the monotonic clock.
        self._next_try = 0.0
        self._trying = Tasks()

    async def ask(
        self,
        command: Callable[[Redis], Awaitable[T]],
        *,
        operation: Operation = Operation.COMMAND,
        patience: float | None = None,
    ) -> T | None:
        """Return the reply to `command`, or None where there is none within `patience` seconds.

        Without `patience` it has `CALL_SECONDS`.
        """
        if self._broken:
            self._try_again()
            return None
        try:
            with watched(self._watch, operation):
                async with asyncio.timeout(CALL_SECONDS if patience is None else patience):
                    return await command(self._redis)
        except ResponseError as error:
            # It lives: it only refuses this one, for example because the key is something else.
            logger.warning("redis.refused", extra={"error_type": type(error).__name__})
        except Exception as error:
            # Anything else, a bug of the client's included, is a Redis we do better without.
            if not self._broken:
                logger.warning("redis.failed", extra={"error_type": type(error).__name__})
            self._broken = True
            self._next_try = time.monotonic() + BREAKER_SECONDS
        return None

    async def close(self) -> None:
        """Close the connections."""
        await self._trying.drain(seconds=0)
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await self._redis.aclose()
        except Exception as error:
            logger.warning("redis.not_closed", extra={"error_type": type(error).__name__})

    def _try_again(self) -> None:
        if time.monotonic() < self._next_try:
            return
        self._next_try = time.monotonic() + BREAKER_SECONDS
        # Not by the call that came by: nobody is to wait a second time for a Redis that hangs.
        self._trying.start(self._try(), name="redis")

    async def _try(self) -> None:
        try:
            with watched(self._watch, Operation.PING):
                async with asyncio.timeout(CALL_SECONDS):
                    await self._redis.ping()
        except Exception as error:
            logger.debug("redis.still_failing", extra={"error_type": type(error).__name__})
        else:
            self._broken = False


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
        raise ConfigError("[redis] url: expected redis://, rediss:// or unix://") from None
