"""The client against the simulator: the ordinary path, and each of its faults."""

import asyncio
from collections.abc import AsyncGenerator, Callable

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpServer

from gateway.backends.openai_client import OpenAIClient
from gateway.backends.tokens import Tokenizer
from gateway.chat.errors import (
    ContextTooLong,
    GatewayError,
    KeyInvalid,
    QuotaExhausted,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTruncated,
    UpstreamUnavailable,
)
from gateway.chat.records import FinishReason
from gateway.dev.delivery import SimulatorOptions
from gateway.dev.faults import Fault
from gateway.dev.seen import SeenRequest
from gateway.dev.simulator import SEEN, create_simulator
from tests.promises import GUARD_SECONDS
from tests.test_openai_client import TRACEPARENT, ask, connected, read, text_of

FLAT_OUT = SimulatorOptions(tokens_per_second=0, first_token_seconds=0)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """Load the tokenizer once."""
    return Tokenizer()


@pytest.fixture
def app(tokenizer: Tokenizer) -> web.Application:
    """Return a simulator that does not pace itself."""
    return create_simulator(tokenizer, options=FLAT_OUT)


@pytest.fixture
async def client(
    app: web.Application, aiohttp_server: AiohttpServer
) -> AsyncGenerator[OpenAIClient, None]:
    """Give a client of the simulator."""
    server = await aiohttp_server(app)
    async with connected(str(server.make_url("/v1"))) as client:
        yield client


def last_seen(app: web.Application) -> SeenRequest:
    """Return the latest request."""
    return app[SEEN].requests[-1]


async def until(met: Callable[[], bool]) -> None:
    """Wait for the simulator, which tells nobody, to come to something."""
    async with asyncio.timeout(GUARD_SECONDS):
        while not met():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_answer(client: OpenAIClient, tokenizer: Tokenizer) -> None:
    """An answer comes with its finish reason and an exact bill."""
    got = await read(client, model="sim")
    (usage,) = [chunk.usage for chunk in got if chunk.usage]

    assert [chunk.finish_reason for chunk in got if chunk.finish_reason] == [FinishReason.STOP]
    assert usage.output_tokens == tokenizer.count(text_of(got)) > 0
    assert usage.input_tokens > 4


async def test_what_was_asked(client: OpenAIClient, app: web.Application) -> None:
    """The simulator sees the prompt, the limit and the trace."""
    await read(client, model="sim")
    seen = last_seen(app)

    assert seen.messages == (("system", "Answer."), ("user", "왜?"))
    assert (seen.max_completion_tokens, seen.stream) == (1000, True)
    assert seen.traceparent == TRACEPARENT


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.RATE_LIMIT, UpstreamRateLimited),
        (Fault.QUOTA, QuotaExhausted),
        (Fault.SERVER_ERROR, UpstreamUnavailable),
        (Fault.BAD_GATEWAY, UpstreamUnavailable),
        (Fault.BAD_REQUEST, UpstreamRejected),
        (Fault.BAD_KEY, KeyInvalid),
        (Fault.CONTEXT, ContextTooLong),
        (Fault.REFUSE, UpstreamUnavailable),
        (Fault.RESET, UpstreamTruncated),
        (Fault.ERROR_EVENT, UpstreamTruncated),
        (Fault.JUNK, UpstreamTruncated),
    ],
)
async def test_fault(
    client: OpenAIClient, app: web.Application, fault: Fault, error: type[GatewayError]
) -> None:
    """Each fault is the error it means, after one request: retries are the turn's."""
    with pytest.raises(error):
        await read(client, model=fault)

    assert len(app[SEEN].requests) == 1


async def test_retry_after(client: OpenAIClient) -> None:
    """The simulator's Retry-After is passed on."""
    with pytest.raises(UpstreamRateLimited) as caught:
        await read(client, model=Fault.RATE_LIMIT)

    assert caught.value.retry_after == 1.0


@pytest.mark.parametrize(
    ("fault", "reasons"),
    [
        (Fault.EOF, []),
        (Fault.CONTENT_FILTER, [FinishReason.CONTENT_FILTER]),
        (Fault.NO_USAGE, [FinishReason.STOP]),
    ],
)
async def test_faults_that_end(
    client: OpenAIClient, fault: Fault, reasons: list[FinishReason]
) -> None:
    """A stream that ends is no error here, whatever its finish reason."""
    got = await read(client, model=fault)

    assert text_of(got)
    assert [chunk.finish_reason for chunk in got if chunk.finish_reason] == reasons


@pytest.mark.parametrize("fault", [Fault.HANG, Fault.COMMENTS, Fault.STALL, Fault.SLOW])
async def test_silence_is_left(client: OpenAIClient, app: web.Application, fault: Fault) -> None:
    """A reader cancelled in a silence, of whatever kind, is seen to leave."""
    task = asyncio.create_task(read(client, model=fault))
    await until(lambda: bool(app[SEEN].requests))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await until(lambda: last_seen(app).closed_early)


async def test_many_at_once(client: OpenAIClient, app: web.Application) -> None:
    """More answers than aiohttp's hundred connections stream at the same time."""
    streams = [ask(client, model=Fault.STALL) for _ in range(120)]
    async with asyncio.timeout(GUARD_SECONDS):
        await asyncio.gather(*(anext(stream) for stream in streams))
    seen = len(app[SEEN].requests)
    await asyncio.gather(*(stream.aclose() for stream in streams))

    assert seen == 120
