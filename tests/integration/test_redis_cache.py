"""RedisCache: it may forget, it never lies, never raises and never keeps anybody waiting."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from gateway.backends import redis_cache as module
from gateway.backends.redis_cache import NoCache, RedisCache
from gateway.chat.errors import ConfigError
from gateway.chat.records import History
from gateway.dev.embedded_server import EmbeddedServer
from tests.builders import an_exchange

# Only so that a hang fails the test instead of holding it up.
HANG_SECONDS = 5.0


@pytest.fixture
async def cache(redis: EmbeddedServer) -> AsyncIterator[RedisCache]:
    """A cache whose Redis is empty."""
    assert await command(redis, "FLUSHALL") == b"+OK\r\n"
    async with caching(redis.url) as cache:
        yield cache


@pytest.fixture
def no_breaker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis is asked again at once after a failure."""
    monkeypatch.setattr(module, "BREAKER_SECONDS", 0.0)


@asynccontextmanager
async def caching(url: str) -> AsyncIterator[RedisCache]:
    """Make a cache and close it."""
    cache = RedisCache(url, messages=20, ttl_seconds=100)
    yield cache
    await cache.close()


def a_history(session_id: UUID) -> History:
    """Return a history in which the session can be recognised."""
    return History(last_turn=1, exchanges=(an_exchange(str(session_id)),))


async def test_it_remembers(cache: RedisCache) -> None:
    """What was remembered is recalled, and replaced by what is remembered after it."""
    session_id = uuid4()
    for last_turn in (1, 2):
        history = History(last_turn=last_turn, exchanges=(an_exchange("금액?"),))
        await cache.remember(session_id, history)
        assert await cache.recall(session_id) == history


async def test_an_unknown_session(cache: RedisCache) -> None:
    """What was never remembered is not recalled."""
    assert await cache.recall(uuid4()) is None


async def test_it_forgets_in_time(cache: RedisCache, redis: EmbeddedServer) -> None:
    """What is remembered is kept for its time to live."""
    session_id = uuid4()
    await cache.remember(session_id, a_history(session_id))
    ttl = await command(redis, "TTL", _key(session_id))
    assert ttl in (b":100\r\n", b":99\r\n")


async def test_another_length_is_another_memory(cache: RedisCache, redis: EmbeddedServer) -> None:
    """A gateway that quotes another number of messages does not see what this one remembers."""
    session_id = uuid4()
    await cache.remember(session_id, a_history(session_id))
    other = RedisCache(redis.url, messages=4, ttl_seconds=100)
    assert await other.recall(session_id) is None
    await other.close()


async def test_a_wiped_redis(cache: RedisCache, redis: EmbeddedServer) -> None:
    """A Redis that was wiped has forgotten, and remembers again."""
    session_id = uuid4()
    await cache.remember(session_id, a_history(session_id))
    await command(redis, "FLUSHALL")
    assert await cache.recall(session_id) is None
    history = a_history(session_id)
    await cache.remember(session_id, history)
    assert await cache.recall(session_id) == history


@pytest.mark.parametrize("value", [b"", b"nonsense", b"\x93\x01\x02\x03", b"\xc1"])
async def test_a_foreign_value(cache: RedisCache, redis: EmbeddedServer, value: bytes) -> None:
    """A value that is not ours is not recalled."""
    session_id = uuid4()
    await command(redis, "SET", _key(session_id), value)
    assert await cache.recall(session_id) is None


async def test_a_value_of_another_session(cache: RedisCache, redis: EmbeddedServer) -> None:
    """A value that belongs to another session is not recalled, wherever it stands."""
    mine, other = uuid4(), uuid4()
    await cache.remember(other, a_history(other))
    await command(redis, "RENAME", _key(other), _key(mine))
    assert await cache.recall(mine) is None


async def test_a_key_of_another_kind(cache: RedisCache, redis: EmbeddedServer) -> None:
    """A key that holds a list is no reason to ask Redis nothing more."""
    session_id, other = uuid4(), uuid4()
    await command(redis, "LPUSH", _key(session_id), "x")
    assert await cache.recall(session_id) is None
    await cache.remember(other, a_history(other))
    assert await cache.recall(other) is not None


async def test_a_redis_that_is_gone(
    cache: RedisCache, redis: EmbeddedServer, no_breaker: None
) -> None:
    """A Redis that was killed is forgotten about, and used again when it is back."""
    session_id = uuid4()
    await cache.remember(session_id, a_history(session_id))
    redis.kill()
    for _ in range(2):
        assert await cache.recall(session_id) is None
        await cache.remember(session_id, a_history(session_id))
    await redis.start()
    await cache.remember(session_id, a_history(session_id))
    assert await cache.recall(session_id) is not None


async def test_a_silent_redis(
    cache: RedisCache, redis: EmbeddedServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A Redis that no longer answers is waited for once, then not asked, and that is said once."""
    session_id = uuid4()
    await cache.remember(session_id, a_history(session_id))
    with stopped(redis):
        async with asyncio.timeout(HANG_SECONDS):
            for _ in range(100):
                assert await cache.recall(session_id) is None
    assert [record.msg for record in caplog.records] == ["cache.failed"]


async def test_a_redis_that_never_greets(redis: EmbeddedServer) -> None:
    """Connecting to a silent Redis is bounded too."""
    with stopped(redis):
        async with asyncio.timeout(HANG_SECONDS), caching(redis.url) as cache:
            assert await cache.recall(uuid4()) is None


async def test_one_asks_whether_it_is_back(
    cache: RedisCache, redis: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failure and a pause a single call tries, and the others do without."""
    session_id = uuid4()
    await cache.remember(session_id, a_history(session_id))
    with stopped(redis), monkeypatch.context() as patch:
        patch.setattr(module, "BREAKER_SECONDS", 0.0)
        assert await cache.recall(session_id) is None
    recalled = await asyncio.gather(*(cache.recall(session_id) for _ in range(10)))
    assert sum(history is not None for history in recalled) == 1
    assert await cache.recall(session_id) is not None


async def test_a_late_reply_is_nobodys(
    redis: EmbeddedServer, tmp_path: Path, no_breaker: None
) -> None:
    """A reply that comes after its caller left is not taken for the next caller's (CVE-2023-28858)."""
    first, second = uuid4(), uuid4()
    async with slow(redis, tmp_path, seconds=[0.0, 0.0, 0.5]) as url, caching(url) as cache:
        await cache.remember(first, a_history(first))
        await cache.remember(second, a_history(second))
        assert await cache.recall(first) is None
        history = await cache.recall(second)
        assert history is not None
        assert history.exchanges[0].question.text == str(second)


async def test_a_storm_of_cancellations(cache: RedisCache) -> None:
    """After many calls cancelled at any moment each session gets its own memory, and calls work."""
    chance = random.Random(7)
    sessions = [uuid4() for _ in range(20)]
    for session_id in sessions:
        await cache.remember(session_id, a_history(session_id))

    async def cancelled(session_id: UUID) -> None:
        call = asyncio.create_task(cache.recall(session_id))
        await asyncio.sleep(chance.uniform(0, 0.05))
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)

    await asyncio.gather(*(cancelled(chance.choice(sessions)) for _ in range(200)))
    recalled = await asyncio.gather(*(cache.recall(session_id) for session_id in sessions))
    texts = [history and history.exchanges[0].question.text for history in recalled]
    assert texts == [str(session_id) for session_id in sessions]


async def test_a_cancellation_is_one(cache: RedisCache, redis: EmbeddedServer) -> None:
    """Cancelling whoever waits for Redis raises CancelledError there."""
    session_id = uuid4()
    await cache.remember(session_id, a_history(session_id))
    with stopped(redis):
        call = asyncio.create_task(cache.recall(session_id))
        await asyncio.sleep(0.05)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call


async def test_no_cache() -> None:
    """Where there is no Redis nothing is remembered."""
    cache, session_id = NoCache(), uuid4()
    await cache.remember(session_id, a_history(session_id))
    assert await cache.recall(session_id) is None


@pytest.mark.parametrize("url", ["http://me:hunter2@localhost", "redis://me:hunter2@h:port"])
def test_a_bad_url(url: str) -> None:
    """A URL that is none stops the start, and its password is not repeated."""
    with pytest.raises(ConfigError) as caught:
        RedisCache(url, messages=20, ttl_seconds=100)
    assert "hunter2" not in str(caught.value)


@contextmanager
def stopped(redis: EmbeddedServer) -> Iterator[None]:
    """Let Redis accept connections and answer nothing."""
    os.kill(redis.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(redis.pid, signal.SIGCONT)


@asynccontextmanager
async def slow(redis: EmbeddedServer, folder: Path, *, seconds: list[float]) -> AsyncIterator[str]:
    """Pass everything on, each reply so many `seconds` later, at last without delay."""
    delays = iter(seconds)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        redis_reader, redis_writer = await asyncio.open_unix_connection(_path(redis))
        while request := await reader.read(65536):
            redis_writer.write(request)
            reply = await redis_reader.read(65536)
            await asyncio.sleep(next(delays, 0.0))
            writer.write(reply)
        for end in (redis_writer, writer):
            end.close()

    path = folder / "slow.sock"
    async with await asyncio.start_unix_server(serve, path):
        yield f"unix://{path}"
    # What is being delayed ends too.
    await asyncio.sleep(max(seconds))


async def command(redis: EmbeddedServer, *words: str | bytes) -> bytes:
    """Send one command and return the first part of the reply, as they are on the wire."""
    reader, writer = await asyncio.open_unix_connection(_path(redis))
    parts = [word.encode() if isinstance(word, str) else word for word in words]
    writer.write(b"*%d\r\n" % len(parts))
    for part in parts:
        writer.write(b"$%d\r\n%b\r\n" % (len(part), part))
    reply = await reader.readline()
    writer.close()
    return reply


def _key(session_id: UUID) -> str:
    return f"chatgw:v1:history:20:{session_id}"


def _path(redis: EmbeddedServer) -> str:
    return redis.url.removeprefix("unix://")
