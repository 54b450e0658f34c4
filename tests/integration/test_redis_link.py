"""RedisLink: a Redis that is slow, hung or gone costs one call its patience, and the next ones nothing."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.backends import redis_link as module
from gateway.backends.redis_link import CALL_SECONDS, RedisLink
from gateway.backends.watch import Operation
from gateway.chat.errors import ConfigError
from gateway.dev.embedded_server import EmbeddedServer
from tests.integration.helpers import down, eventually, hung
from tests.integration.redis_wire import command, slow
from tests.promises import GUARD_SECONDS


@pytest.fixture
async def link(redis: EmbeddedServer) -> AsyncIterator[RedisLink]:
    """A link to a Redis that holds `mine`."""
    assert await command(redis, "FLUSHALL") == b"+OK\r\n"
    await command(redis, "SET", "mine", "1")
    async with linked(redis.url) as link:
        yield link


@pytest.fixture
def no_breaker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis is tried again by the next call after a failure."""
    monkeypatch.setattr(module, "BREAKER_SECONDS", 0.0)


@asynccontextmanager
async def linked(url: str) -> AsyncIterator[RedisLink]:
    """Make a link and close it."""
    link = RedisLink(url)
    yield link
    await link.close()


async def get(link: RedisLink, key: str = "mine") -> bytes | None:
    """Ask for a value."""

    async def alone(redis: Any) -> bytes | None:
        value: bytes | None = await redis.get(key)
        return value

    return await link.ask(alone)


async def get_by_pipeline(link: RedisLink, key: str = "mine") -> bytes | None:
    """Ask for a value among others, as the relay writes."""

    async def together(redis: Any) -> bytes:
        async with redis.pipeline(transaction=False) as pipe:
            pipe.get(key)
            pipe.get("nothing")
            value: bytes = (await pipe.execute())[0]
            return value

    return await link.ask(together)


def at_once(call: Coroutine[Any, Any, bytes | None]) -> bytes | None:
    """Return what `call` returns without giving anybody else a turn; fails where it waits."""
    try:
        call.send(None)
    except StopIteration as ended:
        reply: bytes | None = ended.value
        return reply
    call.close()
    raise AssertionError("it waits")


async def test_a_reply(link: RedisLink) -> None:
    """The reply is returned."""
    assert await get(link) == b"1"
    assert await get_by_pipeline(link) == b"1"


async def test_a_refusal(link: RedisLink, caplog: pytest.LogCaptureFixture) -> None:
    """A command that Redis refuses has no reply, and the next one is asked."""
    assert await link.ask(lambda redis: redis.lpush("mine", "x")) is None
    assert [record.msg for record in caplog.records] == ["redis.refused"]
    assert await get(link) == b"1"


async def test_a_redis_that_is_gone(
    link: RedisLink, redis: EmbeddedServer, no_breaker: None
) -> None:
    """A Redis that was killed is done without, and used again when it is back."""
    assert await get(link) == b"1"
    async with down(redis):
        assert [await get(link), await get(link)] == [None, None]
    await command(redis, "SET", "mine", "2")

    async def is_back() -> bool:
        return await get(link) == b"2"

    await eventually(is_back)


async def test_a_silent_redis(
    link: RedisLink, redis: EmbeddedServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A Redis that no longer answers is waited for once, then not asked, and that is said once."""
    await get(link)
    with hung(redis):
        async with asyncio.timeout(GUARD_SECONDS):
            assert await get(link) is None
            assert [at_once(get(link)) for _ in range(100)] == [None] * 100
    assert [record.msg for record in caplog.records] == ["redis.failed"]


async def test_a_redis_that_never_greets(redis: EmbeddedServer) -> None:
    """Connecting to a silent Redis is bounded too."""
    with hung(redis):
        async with asyncio.timeout(GUARD_SECONDS), linked(redis.url) as link:
            assert await get(link) is None


async def test_nobody_waits_again(link: RedisLink, redis: EmbeddedServer, no_breaker: None) -> None:
    """While Redis hangs, finding out whether it is back costs no call anything."""
    with hung(redis):
        assert await get(link) is None
        for _ in range(20):
            assert at_once(get(link)) is None
            await asyncio.sleep(0)


async def test_calls_are_told(redis: EmbeddedServer, no_breaker: None) -> None:
    """Calls are told with what came of them, those that look whether Redis is back too."""
    told: list[tuple[str, str]] = []
    link = RedisLink(redis.url, watch=lambda what, result, _: told.append((what, result)))
    await link.ask(lambda redis: redis.get("mine"), operation=Operation.RECALL)
    async with down(redis):
        await link.ask(lambda redis: redis.get("mine"), operation=Operation.RECALL)
        await link.ask(lambda redis: redis.get("mine"), operation=Operation.RECALL)
        await eventually(lambda: asyncio.sleep(0, len(told) == 3))
    assert told == [("recall", "ok"), ("recall", "error"), ("ping", "error")]
    await link.close()


async def test_one_try_at_a_time(
    link: RedisLink, redis: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failure nobody asks Redis anything until one try has shown that it is back."""
    monkeypatch.setattr(module, "BREAKER_SECONDS", 0.2)
    with hung(redis):
        assert await get(link) is None
    assert [await get(link) for _ in range(10)] == [None] * 10
    await asyncio.sleep(0.25)
    assert await get(link) is None

    async def is_back() -> bool:
        return await get(link) == b"1"

    await eventually(is_back)


async def test_a_patient_call(link: RedisLink) -> None:
    """Who says so waits longer, as for a signal that is still to come."""
    reply = await link.ask(
        lambda redis: redis.blpop("none", timeout=CALL_SECONDS + 0.1), patience=GUARD_SECONDS
    )
    assert reply is None
    assert await get(link) == b"1"


@pytest.mark.parametrize("ask", [get, get_by_pipeline])
async def test_a_late_reply_is_nobodys(
    redis: EmbeddedServer, tmp_path: Path, no_breaker: None, ask: Any
) -> None:
    """A reply that comes after its caller left is not taken for the next caller's (CVE-2023-28858)."""
    for key in ("first", "second"):
        await command(redis, "SET", key, key)
    async with slow(redis, tmp_path, seconds=[0.0, 0.5]) as url, linked(url) as link:
        assert await ask(link, "second") == b"second"
        assert await ask(link, "first") is None
        replies = set()
        while b"second" not in replies:
            replies.add(await ask(link, "second"))
            await asyncio.sleep(0.01)
        assert replies == {None, b"second"}


async def test_a_cancellation_is_one(link: RedisLink, redis: EmbeddedServer) -> None:
    """Cancelling whoever waits for Redis raises CancelledError there."""
    await get(link)
    with hung(redis):
        call = asyncio.create_task(get(link))
        await asyncio.sleep(0.05)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call


async def test_closing_without_redis(redis: EmbeddedServer) -> None:
    """A link to a Redis that hangs is closed all the same."""
    link = RedisLink(redis.url)
    await get(link)
    with hung(redis):
        async with asyncio.timeout(GUARD_SECONDS):
            await link.close()


@pytest.mark.parametrize("url", ["http://me:hunter2@localhost", "redis://me:hunter2@h:port"])
def test_a_bad_url(url: str) -> None:
    """A URL that is none stops the start, and its password is not repeated."""
    with pytest.raises(ConfigError) as caught:
        RedisLink(url)
    assert "hunter2" not in str(caught.value)
