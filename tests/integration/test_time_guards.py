"""What a reader is told while nothing comes, and deadlines that hold whatever the upstream is doing."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import msgspec
import pytest

from gateway.backends.postgres import Database
from gateway.dev.embedded_server import EmbeddedServer
from gateway.dev.simulator import SimulatorOptions
from tests.chat_client import ChatClient, Frame
from tests.integration.money import PROMISED_SECONDS, connected
from tests.promises import promised
from tests.raw_upstream import (
    DONE,
    HEAD,
    Do,
    Script,
    answer,
    chunks,
    content,
    finish,
    playing,
    refusal,
    usage,
)
from tests.running_gateway import FLAT_OUT, running_gateway

FINE = answer(content("Revenue rose."), finish(), usage(), DONE)
COMMENTS: Script = (chunks(b": keep-alive\n\n"), Do.WAIT) * 100
WORDS: Script = (chunks(content("word ")), Do.WAIT) * 100
SOON_AGAIN = refusal(500, None, b"Retry-After: 0.1")
FIRST_CHUNK = 0.8


@asynccontextmanager
async def asking(
    postgres: EmbeddedServer, base_url: str, **settings: str
) -> AsyncIterator[ChatClient]:
    """Connect to a gateway whose upstream is at `base_url`."""
    async with (
        running_gateway(
            database=postgres.url, options=FLAT_OUT, openai_base_url=base_url, **settings
        ) as gateway,
        connected(gateway.url) as clients,
    ):
        yield clients[0]


def statuses(frames: list[Frame]) -> list[str]:
    """Return the states that were told, in order."""
    return [frame["state"] for frame in frames if frame["type"] == "status"]


def retry_in_ms(frames: list[Frame]) -> int:
    """Return how soon a reader was told that another try comes."""
    (retrying,) = (f for f in frames if f.get("state") == "retrying")
    delay: int = retrying["retry_in_ms"]
    return delay


@contextmanager
def full_server() -> Iterator[str]:
    """Listen on an address that lets nobody in: its queue of connections is full (listen(2))."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(address)
        yield f"http://127.0.0.1:{address[1]}/v1"


async def test_slow(postgres: EmbeddedServer, database: Database) -> None:
    """A reader waits, is told that it takes long, and gets the answer."""
    options = SimulatorOptions(tokens_per_second=0, first_token_seconds=0.3)
    async with (
        running_gateway(
            database=postgres.url, options=options, limits_slow_notice_seconds="0.1"
        ) as gateway,
        connected(gateway.url) as clients,
    ):
        frames = await clients[0].ask("Why?")
    assert statuses(frames) == ["waiting", "slow"]
    assert frames[-1]["finish_reason"] == "stop"


async def test_not_slow(postgres: EmbeddedServer, database: Database) -> None:
    """A reader who has content already is not told that it takes long."""
    options = SimulatorOptions(tokens_per_second=200, first_token_seconds=0)
    async with (
        running_gateway(
            database=postgres.url, options=options, limits_slow_notice_seconds="0.25"
        ) as gateway,
        connected(gateway.url) as clients,
    ):
        frames = await clients[0].ask("Why?")
    assert statuses(frames) == ["waiting"]
    assert frames[-1]["total_ms"] >= 250


async def test_retrying(postgres: EmbeddedServer, database: Database) -> None:
    """A reader is told of the second try, which answers."""
    async with (
        playing((refusal(500),), (FINE,)) as upstream,
        asking(postgres, upstream.base_url) as client,
    ):
        frames = await client.ask("Why?")
    assert statuses(frames) == ["waiting", "retrying"]
    assert frames[-1]["finish_reason"] == "stop"
    assert len(upstream.requests) == 2


async def test_retry_after_seconds(postgres: EmbeddedServer, database: Database) -> None:
    """The second try comes when the upstream said, in seconds."""
    script = (refusal(429, None, b"Retry-After: 0.2"),)
    async with (
        playing(script, (FINE,)) as upstream,
        asking(postgres, upstream.base_url) as client,
    ):
        frames = await client.ask("Why?")
    assert retry_in_ms(frames) == 200
    assert frames[-1]["finish_reason"] == "stop"


async def test_retry_after_date(postgres: EmbeddedServer, database: Database) -> None:
    """The second try comes when the upstream said, as a date."""
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True).encode()
    async with (
        playing((refusal(503, None, b"Retry-After: " + date),), (FINE,)) as upstream,
        asking(postgres, upstream.base_url) as client,
    ):
        frames = await client.ask("Why?")
    # A date has no fractions of a second.
    assert 0 <= retry_in_ms(frames) <= 2000
    assert frames[-1]["finish_reason"] == "stop"


@pytest.mark.parametrize(
    "value",
    [b"60", format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True).encode()],
)
async def test_retry_after_too_long(
    value: bytes, postgres: EmbeddedServer, database: Database
) -> None:
    """What asks for more time than there is is not tried again, and the reader is told when to."""
    async with (
        playing((refusal(429, None, b"Retry-After: " + value),)) as upstream,
        asking(postgres, upstream.base_url) as client,
    ):
        frames = await client.ask("Why?")
    assert frames[-1]["code"] == "upstream_rate_limited"
    assert frames[-1]["retry_after_ms"] > 20_000
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("value", [b"inf", b"1e300", b"nan", b"Mon, 01 Jan 2035 00:00:00 -0000"])
async def test_absurd_retry_after(
    value: bytes, postgres: EmbeddedServer, database: Database
) -> None:
    """A Retry-After that no clock knows ends the turn as any 429 does, or is passed over."""
    async with (
        playing((refusal(429, None, b"Retry-After: " + value),)) as upstream,
        asking(postgres, upstream.base_url) as client,
    ):
        frames = await client.ask("Why?")
    assert frames[-1]["code"] == "upstream_rate_limited"


async def test_quota_is_not_retried(postgres: EmbeddedServer, database: Database) -> None:
    """A quota that is used up is told after one request."""
    error = {"message": "no", "type": "insufficient_quota", "code": "insufficient_quota"}
    async with (
        playing((refusal(429, error),)) as upstream,
        asking(postgres, upstream.base_url) as client,
    ):
        frames = await client.ask("Why?")
    assert frames[-1]["code"] == "quota_exhausted"
    assert len(upstream.requests) == 1


async def test_nothing_is_retried_after_content(
    postgres: EmbeddedServer, database: Database
) -> None:
    """An answer that broke off is told after one request."""
    script = (HEAD + chunks(content("Revenue")), Do.RESET)
    async with (
        playing(script) as upstream,
        asking(postgres, upstream.base_url) as client,
    ):
        frames = await client.ask("Why?")
    assert frames[-1]["code"] == "upstream_truncated"
    assert len(upstream.requests) == 1


async def test_fallback_model(postgres: EmbeddedServer, database: Database) -> None:
    """The second try uses the fallback model, which is named, and costs what that one costs."""
    async with (
        playing((refusal(500),), (FINE,)) as upstream,
        asking(
            postgres,
            upstream.base_url,
            openai_model="gpt-4o-mini",
            openai_fallback_model="gpt-4o",
        ) as client,
    ):
        frames = await client.ask("Why?")
    asked = [msgspec.json.decode(request.body)["model"] for request in upstream.requests]
    assert asked == ["gpt-4o-mini", "gpt-4o"]
    assert frames[-1]["model"] == "gpt-4o"
    # 12 tokens in and 3 out of gpt-4o: $2.50 and $10.00 for a million.
    assert frames[-1]["cost_usd"] == "0.00006"


SILENCES: dict[str, tuple[Script, ...]] = {
    "waiting for headers": ((Do.HOLD,),),
    "comments": ((HEAD, *COMMENTS),),
    "a first event without content": ((HEAD + chunks(content("")), Do.HOLD),),
    "retrying": ((SOON_AGAIN,), (Do.HOLD,)),
    "comments after a retry": ((SOON_AGAIN,), (HEAD, *COMMENTS)),
}


@pytest.mark.timed
@pytest.mark.parametrize("silence", SILENCES)
async def test_first_chunk_deadline(
    silence: str, postgres: EmbeddedServer, database: Database
) -> None:
    """Whatever comes instead of content, the first of it has to come before the deadline."""
    async with (
        playing(*SILENCES[silence]) as upstream,
        asking(postgres, upstream.base_url, limits_first_chunk_seconds=str(FIRST_CHUNK)) as client,
    ):
        seconds, end = await timed_end(client)
    assert end["code"] == "first_chunk_timeout"
    assert seconds <= FIRST_CHUNK + promised(PROMISED_SECONDS)


@pytest.mark.timed
async def test_deadline_while_connecting(postgres: EmbeddedServer, database: Database) -> None:
    """An upstream that cannot be reached does not hold the deadline up."""
    with full_server() as base_url:
        async with asking(
            postgres, base_url, limits_first_chunk_seconds=str(FIRST_CHUNK)
        ) as client:
            seconds, end = await timed_end(client)
    assert end["code"] == "first_chunk_timeout"
    assert seconds <= FIRST_CHUNK + promised(PROMISED_SECONDS)


@pytest.mark.timed
async def test_comments_midway(postgres: EmbeddedServer, database: Database) -> None:
    """Comments do not keep an answer alive whose content has stopped."""
    script = (HEAD + chunks(content("Revenue")), *COMMENTS)
    async with (
        playing(script) as upstream,
        asking(postgres, upstream.base_url, limits_stall_seconds="0.5") as client,
    ):
        seconds, end = await timed_end(client)
    assert end["code"] == "stalled"
    assert end["partial"]
    assert seconds <= 0.5 + promised(PROMISED_SECONDS)


async def test_finished_answer_is_complete(postgres: EmbeddedServer, database: Database) -> None:
    """An answer that said it is finished is complete, though its bill never comes."""
    script = (HEAD + chunks(content("Revenue rose."), finish()), Do.HOLD)
    async with (
        playing(script) as upstream,
        asking(postgres, upstream.base_url, limits_stall_seconds="0.3") as client,
    ):
        frames = await client.ask("Why?")
    assert frames[-1].get("finish_reason") == "stop"
    assert frames[-1]["cost_source"] == "estimated"


@pytest.mark.timed
async def test_turn_deadline(postgres: EmbeddedServer, database: Database) -> None:
    """Content that goes on and on ends when the turn's time is up."""
    script = (HEAD, *WORDS)
    async with (
        playing(script) as upstream,
        asking(postgres, upstream.base_url, limits_turn_seconds="0.7") as client,
    ):
        seconds, end = await timed_end(client)
    assert end["code"] == "turn_timeout"
    assert seconds <= 0.7 + promised(PROMISED_SECONDS)


async def timed_end(client: ChatClient) -> tuple[float, Frame]:
    """Ask and return how many seconds it took, and how it ended."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    frames = await client.ask("Why?")
    return loop.time() - started, frames[-1]
