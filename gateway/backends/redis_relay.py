"""Carry signals and running answers between processes, in Redis Streams."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from functools import partial
from typing import Any
from uuid import UUID

import msgspec

from gateway.backends.redis_link import CALL_SECONDS, RedisLink
from gateway.chat.signals import AnySignal, Part

logger = logging.getLogger(__name__)

SIGNALS = "chatgw:v1:signals"
# Far more than all processes together say while one of them reads.
KEPT_SIGNALS = 10_000
SIGNALS_TTL_SECONDS = 3600
# Longer than any turn: what is left of an answer nobody finished goes by itself.
ANSWER_TTL_SECONDS = 600
# One read waits so long for a signal; Redis wakes it at once when there is one.
BLOCK_SECONDS = 2.0
# After a read that failed: Redis is gone, and the link's breaker is open anyway.
PAUSE_SECONDS = 1.0
FIELD = "m"
FIELD_BYTES = b"m"


class RedisRelay:
    """The `Relay` of the chat."""

    def __init__(self, link: RedisLink, *, listening: RedisLink) -> None:
        self._link = link
        # A blocked read must not be taken for a Redis that hangs, nor hold up the others.
        self._listening = listening
        self._signals: msgspec.msgpack.Decoder[AnySignal] = msgspec.msgpack.Decoder(AnySignal)
        self._parts: msgspec.msgpack.Decoder[Part] = msgspec.msgpack.Decoder(Part)

    async def tell(self, signal: AnySignal) -> None:
        """Let every process hear `signal`."""
        await self._link.ask(lambda redis: _tell(redis, msgspec.msgpack.encode(signal)))

    async def signals(self) -> AsyncGenerator[AnySignal, None]:
        """Yield what is told from now on, by every process, without end."""
        mark: str | None = None
        while True:
            # Not "$": what is told between two reads would be missed.
            mark = mark or await self._listening.ask(_last_mark)
            entries: list[tuple[str, bytes]] | None = None
            if mark is not None:
                entries = await self._listening.ask(
                    partial(_listen, mark=mark), patience=BLOCK_SECONDS + CALL_SECONDS
                )
            if entries is None:
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            for entry_mark, value in entries:
                mark = entry_mark
                try:
                    yield self._signals.decode(value)
                except msgspec.MsgspecError:
                    logger.warning("relay.foreign_value")

    async def publish(self, turn_id: UUID, parts: Sequence[Part]) -> None:
        """Add parts of an answer, for whoever reads them."""
        values = [msgspec.msgpack.encode(part) for part in parts]
        await self._link.ask(lambda redis: _publish(redis, _key(turn_id), values))

    async def read(self, turn_id: UUID, *, after: str) -> list[tuple[str, Part]]:
        """Return the parts published after the one with that mark, each with its own."""
        reply = await self._link.ask(lambda redis: redis.xread({_key(turn_id): after}))
        try:
            return [(mark, self._parts.decode(value)) for mark, value in _entries(reply)]
        except msgspec.MsgspecError:
            logger.warning("relay.foreign_value")
            return []


class NoRelay:
    """The `Relay` where there is no Redis: nothing is heard, and the store has to do."""

    async def tell(self, signal: AnySignal) -> None:
        """Say nothing."""

    async def signals(self) -> AsyncGenerator[AnySignal, None]:
        """Hear nothing."""
        for signal in list[AnySignal]():
            yield signal

    async def publish(self, turn_id: UUID, parts: Sequence[Part]) -> None:
        """Show nothing."""

    async def read(self, turn_id: UUID, *, after: str) -> list[tuple[str, Part]]:
        """Find nothing."""
        return []


async def _last_mark(redis: Any) -> str:
    last = await redis.xrevrange(SIGNALS, count=1)
    return last[0][0].decode() if last else "0"


async def _listen(redis: Any, *, mark: str) -> list[tuple[str, bytes]]:
    return _entries(await redis.xread({SIGNALS: mark}, block=int(BLOCK_SECONDS * 1000)))


async def _tell(redis: Any, value: bytes) -> None:
    async with redis.pipeline(transaction=False) as pipe:
        pipe.xadd(SIGNALS, {FIELD: value}, maxlen=KEPT_SIGNALS, approximate=True)
        pipe.expire(SIGNALS, SIGNALS_TTL_SECONDS)
        await pipe.execute()


async def _publish(redis: Any, key: str, values: list[bytes]) -> None:
    async with redis.pipeline(transaction=False) as pipe:
        for value in values:
            pipe.xadd(key, {FIELD: value})
        pipe.expire(key, ANSWER_TTL_SECONDS)
        await pipe.execute()


def _entries(reply: Any) -> list[tuple[str, bytes]]:
    return [
        (mark.decode(), fields[FIELD_BYTES])
        for _, entries in reply or []
        for mark, fields in entries
        if FIELD_BYTES in fields
    ]


def _key(turn_id: UUID) -> str:
    return f"chatgw:v1:answer:{turn_id}"
