"""RedisRelay: what one process tells, the others hear; what Redis loses, nobody waits for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import pytest

from gateway.backends import redis_link, redis_relay
from gateway.backends.redis_link import CALL_SECONDS, RedisLink
from gateway.backends.redis_relay import ANSWER_TTL_SECONDS, NoRelay, RedisRelay
from gateway.chat.signals import AnySignal, Cancelled, Part, Pieces, Wanted
from gateway.dev.embedded_server import EmbeddedServer
from tests.integration.helpers import down, hung
from tests.integration.redis_wire import command
from tests.promises import GUARD_SECONDS, promised


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis is tried again soon after a failure, and waited for longer on a busy machine."""
    for module in (redis_link, redis_relay):
        monkeypatch.setattr(module, "CALL_SECONDS", promised(CALL_SECONDS))
    monkeypatch.setattr(redis_link, "BREAKER_SECONDS", 0.1)
    monkeypatch.setattr(redis_relay, "PAUSE_SECONDS", 0.05)


@pytest.fixture
async def relay(redis: EmbeddedServer) -> AsyncIterator[RedisRelay]:
    """A relay whose Redis is empty."""
    assert await command(redis, "FLUSHALL") == b"+OK\r\n"
    async with relaying(redis.url) as relay:
        yield relay


@asynccontextmanager
async def relaying(url: str) -> AsyncIterator[RedisRelay]:
    """Make a relay and close its links."""
    link, listening = RedisLink(url), RedisLink(url)
    yield RedisRelay(link, listening=listening)
    await link.close()
    await listening.close()


@asynccontextmanager
async def hearing(relay: RedisRelay) -> AsyncIterator[list[AnySignal]]:
    """Collect what is told inside the block."""
    heard: list[AnySignal] = []

    async def listen() -> None:
        async for signal in relay.signals():
            heard.append(signal)

    task = asyncio.create_task(listen())
    try:
        await listens(relay, heard)
        yield heard
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def a_signal(turn_id: UUID | None = None) -> Cancelled:
    """Return a signal that can be recognised."""
    return Cancelled(origin=uuid4(), turn_id=turn_id or uuid4())


async def heard_of(heard: list[AnySignal], signal: AnySignal) -> None:
    """Wait until `signal` was heard."""
    async with asyncio.timeout(GUARD_SECONDS):
        while signal not in heard:  # noqa: ASYNC110 (a list has nobody to tell us)
            await asyncio.sleep(0.01)


async def listens(relay: RedisRelay, heard: list[AnySignal]) -> None:
    """Tell until what was told last is heard, and forget that: nothing is missed from here on."""
    async with asyncio.timeout(GUARD_SECONDS):
        while True:
            told = a_signal()
            await relay.tell(told)
            for _ in range(20):
                if told in heard:
                    heard.clear()
                    return
                await asyncio.sleep(0.01)


def pieces(start: int, *texts: str) -> Pieces:
    """Return a part of an answer."""
    return Pieces(start=start, texts=texts)


def parts(read: list[tuple[str, Part]]) -> list[Part]:
    """Return what was read, without marks."""
    return [part for _, part in read]


async def test_a_signal_is_heard(relay: RedisRelay) -> None:
    """Signals are heard in the order they are told, with what they say."""
    first = Wanted(origin=uuid4(), turn_id=uuid4(), after=3)
    second = a_signal()
    async with hearing(relay) as heard:
        await relay.tell(first)
        await relay.tell(second)
        await heard_of(heard, second)
    assert heard == [first, second]


async def test_everybody_hears(relay: RedisRelay, redis: EmbeddedServer) -> None:
    """Each process hears every signal, its own too."""
    async with relaying(redis.url) as other, hearing(relay) as mine, hearing(other) as theirs:
        signal = a_signal()
        await other.tell(signal)
        await heard_of(mine, signal)
        await heard_of(theirs, signal)


async def test_the_past_is_not_heard(relay: RedisRelay) -> None:
    """What was told before somebody listened is not told again."""
    await relay.tell(a_signal())
    async with hearing(relay) as heard:
        signal = a_signal()
        await relay.tell(signal)
        await heard_of(heard, signal)
    assert heard == [signal]


async def test_signals_without_a_gap(relay: RedisRelay) -> None:
    """However fast they are told, every signal is heard once."""
    told = [a_signal() for _ in range(300)]
    async with hearing(relay) as heard:
        await asyncio.gather(*(relay.tell(signal) for signal in told))
        await asyncio.sleep(0)
        await heard_of(heard, told[-1])
        for signal in told:
            await heard_of(heard, signal)
    assert len(heard) == len(told)


async def test_an_answer_is_read(relay: RedisRelay) -> None:
    """What was published is read in order, and after a mark only what came later."""
    turn_id = uuid4()
    first, second, third = pieces(0, "a"), pieces(1, "b", "나"), pieces(3, "c")
    await relay.publish(turn_id, [first, second])
    read = await relay.read(turn_id, after="0")
    assert parts(read) == [first, second]
    await relay.publish(turn_id, [third])
    assert parts(await relay.read(turn_id, after=read[-1][0])) == [third]


async def test_another_answer(relay: RedisRelay) -> None:
    """Nothing of one answer is read as another's."""
    await relay.publish(uuid4(), [pieces(0, "a")])
    assert await relay.read(uuid4(), after="0") == []


async def test_answers_go_by_themselves(relay: RedisRelay, redis: EmbeddedServer) -> None:
    """What is left of an answer is forgotten in time."""
    turn_id = uuid4()
    await relay.publish(turn_id, [pieces(0, "a")])
    ttl = int((await command(redis, "TTL", _key(turn_id)))[1:])
    assert 0 < ttl <= ANSWER_TTL_SECONDS


async def test_foreign_values(relay: RedisRelay, redis: EmbeddedServer) -> None:
    """What is not ours is neither heard nor read."""
    turn_id = uuid4()
    await command(redis, "XADD", _key(turn_id), "*", "m", b"\xc1")
    assert await relay.read(turn_id, after="0") == []
    async with hearing(relay) as heard:
        await command(redis, "XADD", redis_relay.SIGNALS, "*", "m", "nonsense")
        await command(redis, "XADD", redis_relay.SIGNALS, "*", "x", "y")
        signal = a_signal()
        await relay.tell(signal)
        await heard_of(heard, signal)
    assert heard == [signal]


async def test_a_wiped_redis(relay: RedisRelay, redis: EmbeddedServer) -> None:
    """After a wipe new signals are heard and new parts read, those wiped are gone."""
    turn_id = uuid4()
    await relay.publish(turn_id, [pieces(0, "a")])
    mark = (await relay.read(turn_id, after="0"))[-1][0]
    async with hearing(relay) as heard:
        await relay.tell(a_signal())
        await command(redis, "FLUSHALL")
        assert await relay.read(turn_id, after="0") == []
        signal = a_signal()
        await relay.tell(signal)
        await heard_of(heard, signal)
    await relay.publish(turn_id, [pieces(1, "b")])
    assert parts(await relay.read(turn_id, after=mark)) == [pieces(1, "b")]


async def test_a_killed_redis(relay: RedisRelay, redis: EmbeddedServer) -> None:
    """Without Redis nothing is heard or read and nobody waits; once it is back, all works again."""
    turn_id = uuid4()
    async with asyncio.timeout(GUARD_SECONDS), hearing(relay) as heard:
        async with down(redis):
            await relay.tell(a_signal())
            await relay.publish(turn_id, [pieces(0, "a")])
            assert await relay.read(turn_id, after="0") == []
        await listens(relay, heard)
        await relay.publish(turn_id, [pieces(0, "a")])
        assert parts(await relay.read(turn_id, after="0")) == [pieces(0, "a")]


async def test_a_hung_redis(relay: RedisRelay, redis: EmbeddedServer) -> None:
    """A Redis that hangs holds nobody up, and is heard again when it goes on."""
    turn_id = uuid4()
    async with asyncio.timeout(GUARD_SECONDS), hearing(relay) as heard:
        await relay.tell(a_signal())
        with hung(redis):
            for _ in range(20):
                await relay.publish(turn_id, [pieces(0, "a")])
                assert await relay.read(turn_id, after="0") == []
        await listens(relay, heard)


async def test_no_relay() -> None:
    """Where there is no Redis nothing is heard or read."""
    relay, turn_id = NoRelay(), uuid4()
    await relay.tell(a_signal())
    await relay.publish(turn_id, [pieces(0, "a")])
    assert await relay.read(turn_id, after="0") == []
    assert [signal async for signal in relay.signals()] == []


def _key(turn_id: UUID) -> str:
    return f"chatgw:v1:answer:{turn_id}"
