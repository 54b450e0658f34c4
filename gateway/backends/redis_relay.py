"""Carry signals and running answers between processes, in Redis Streams."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec

from gateway.backends.redis_link import CALL_SECONDS, RedisLink
from gateway.backends.watch import Operation
from gateway.chat.signals import AnySignal, Part
from gateway.chat.tasks import Tasks

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
# A call of redis-py costs a fifth of a millisecond: one for each answer, and some hundred answers would wait
# for each other longer than the link is patient. Together they are a few dozen calls a second, however many.
GATHER_SECONDS = 0.02
FIELD = "m"
FIELD_BYTES = b"m"

T = TypeVar("T")


class RedisRelay:
    """The `Relay` of the chat."""

    def __init__(self, link: RedisLink, *, listening: RedisLink) -> None:
        self._link = link
        # A blocked read must not be taken for a Redis that hangs, nor hold up the others.
        self._listening = listening
        self._signals: msgspec.msgpack.Decoder[AnySignal] = msgspec.msgpack.Decoder(AnySignal)
        self._parts: msgspec.msgpack.Decoder[Part] = msgspec.msgpack.Decoder(Part)
        self._said: list[bytes] = []
        self._outgoing: list[tuple[str, list[bytes]]] = []
        self._wanted: dict[Any, Any] = {}
        self._tells = _Together(self._tell)
        self._writes = _Together(self._write)
        self._reads = _Together(self._read)

    async def tell(self, signal: AnySignal) -> None:
        """Let every process hear `signal`."""
        self._said.append(msgspec.msgpack.encode(signal))
        await self._tells.join()

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
        self._outgoing.append((_key(turn_id), values))
        await self._writes.join()

    async def read(self, turn_id: UUID, *, after: str) -> list[tuple[str, Part]]:
        """Return the parts published after the one with that mark, each with its own."""
        key = _key(turn_id)
        self._wanted[key] = after
        found = await self._reads.join()
        try:
            return [(mark, self._parts.decode(value)) for mark, value in found.get(key, ())]
        except msgspec.MsgspecError:
            logger.warning("relay.foreign_value")
            return []

    async def close(self) -> None:
        """Give up what is on its way."""
        for calls in (self._tells, self._reads, self._writes):
            await calls.close()

    async def _tell(self) -> None:
        said, self._said = self._said, []
        await self._link.ask(lambda redis: _tell(redis, said), operation=Operation.TELL)

    async def _write(self) -> None:
        outgoing, self._outgoing = self._outgoing, []
        await self._link.ask(lambda redis: _publish(redis, outgoing), operation=Operation.PUBLISH)

    async def _read(self) -> dict[str, list[tuple[str, bytes]]]:
        wanted, self._wanted = self._wanted, {}
        reply = await self._link.ask(lambda redis: redis.xread(wanted), operation=Operation.READ)
        return _entries(reply)


class _Together(Generic[T]):
    """One call for everybody who joins within `GATHER_SECONDS`."""

    def __init__(self, call: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._call = call
        self._next: asyncio.Task[T] | None = None
        self._calls = Tasks()

    async def join(self) -> T:
        """Return what the next call returns."""
        task = self._next = self._next or self._calls.start(self._run(), name="redis")
        # Not `await task`: whoever is cancelled must not cancel it for the others.
        await asyncio.wait({task})
        return task.result()

    async def close(self) -> None:
        """Cancel what is on its way."""
        await self._calls.drain(seconds=0)

    async def _run(self) -> T:
        await asyncio.sleep(GATHER_SECONDS)
        self._next = None
        return await self._call()


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
    reply = await redis.xread({SIGNALS: mark}, block=int(BLOCK_SECONDS * 1000))
    return _entries(reply).get(SIGNALS, [])


async def _tell(redis: Any, said: list[bytes]) -> None:
    async with redis.pipeline(transaction=False) as pipe:
        for value in said:
            pipe.xadd(SIGNALS, {FIELD: value}, maxlen=KEPT_SIGNALS, approximate=True)
        pipe.expire(SIGNALS, SIGNALS_TTL_SECONDS)
        await pipe.execute()


async def _publish(redis: Any, outgoing: list[tuple[str, list[bytes]]]) -> None:
    async with redis.pipeline(transaction=False) as pipe:
        for key, values in outgoing:
            for value in values:
                pipe.xadd(key, {FIELD: value})
            pipe.expire(key, ANSWER_TTL_SECONDS)
        await pipe.execute()


def _entries(reply: Any) -> dict[str, list[tuple[str, bytes]]]:
    return {
        key.decode(): [
            (mark.decode(), fields[FIELD_BYTES])
            for mark, fields in entries
            if FIELD_BYTES in fields
        ]
        for key, entries in reply or []
    }


def _key(turn_id: UUID) -> str:
    return f"chatgw:v1:answer:{turn_id}"
