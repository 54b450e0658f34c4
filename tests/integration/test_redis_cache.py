"""RedisCache: it may forget, it never lies and never raises."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import pytest

from gateway.backends import redis_link
from gateway.backends.redis_cache import NoCache, RedisCache
from gateway.backends.redis_link import CALL_SECONDS, RedisLink
from gateway.chat.records import History
from gateway.dev.embedded_server import EmbeddedServer
from tests.builders import an_exchange
from tests.integration.helpers import hung
from tests.integration.redis_wire import command
from tests.promises import GUARD_SECONDS, promised


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Redis on a busy machine is waited for longer."""
    monkeypatch.setattr(redis_link, "CALL_SECONDS", promised(CALL_SECONDS))


@pytest.fixture
async def cache(redis: EmbeddedServer) -> AsyncIterator[RedisCache]:
    """A cache whose Redis is empty."""
    assert await command(redis, "FLUSHALL") == b"+OK\r\n"
    async with caching(redis.url) as cache:
        yield cache


@asynccontextmanager
async def caching(url: str, *, messages: int = 20) -> AsyncIterator[RedisCache]:
    """Make a cache and close its link."""
    link = RedisLink(url)
    yield RedisCache(link, messages=messages, ttl_seconds=100)
    await link.close()


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
    async with caching(redis.url, messages=4) as other:
        assert await other.recall(session_id) is None


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


async def test_a_silent_redis(cache: RedisCache, redis: EmbeddedServer) -> None:
    """With a Redis that no longer answers nothing is recalled, a hundred times over."""
    session_id = uuid4()
    await cache.remember(session_id, a_history(session_id))
    with hung(redis):
        async with asyncio.timeout(GUARD_SECONDS):
            for _ in range(100):
                assert await cache.recall(session_id) is None


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


async def test_no_cache() -> None:
    """Where there is no Redis nothing is remembered."""
    cache, session_id = NoCache(), uuid4()
    await cache.remember(session_id, a_history(session_id))
    assert await cache.recall(session_id) is None


def _key(session_id: UUID) -> str:
    return f"chatgw:v1:history:20:{session_id}"
