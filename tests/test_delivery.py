"""Answers keep their pace, faults of the stream happen midway, and leaving clients are noticed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from gateway.backends.tokens import Tokenizer
from gateway.dev.delivery import SimulatorOptions
from gateway.dev.faults import Fault
from gateway.dev.seen import SeenRequest
from gateway.dev.simulator import SEEN, create_simulator
from tests.promises import GUARD_SECONDS

FLAT_OUT = SimulatorOptions(tokens_per_second=0, first_token_seconds=0)
CHAT = "/v1/chat/completions"
KEY = {"Authorization": "Bearer sk-test"}
SILENCE_SECONDS = 0.1  # long enough, when nothing at all should come

Client = TestClient[web.Request, web.Application]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """Load the tokenizer once."""
    return Tokenizer()


@pytest.fixture
async def client(tokenizer: Tokenizer, aiohttp_client: Callable[..., Awaitable[Client]]) -> Client:
    """Return a client of a simulator that does not pace itself."""
    app = create_simulator(tokenizer, options=FLAT_OUT)
    return await aiohttp_client(app, headers=KEY, timeout=aiohttp.ClientTimeout(10))


def ask(model: str, *, stream: bool = True) -> dict[str, object]:
    """Return the body of a request."""
    usage = {"stream_options": {"include_usage": True}} if stream else {}
    messages = [{"role": "user", "content": "What changed?"}]
    return {"model": model, "stream": stream, "messages": messages, **usage}


def seen_by(client: Client) -> SeenRequest:
    """Return the latest request."""
    assert client.app is not None
    return client.app[SEEN].requests[-1]


async def answer(client: Client, model: str) -> bytes:
    """Return the whole body of a stream."""
    async with client.post(CHAT, json=ask(model)) as response:
        return await response.read()


async def read_for(response: aiohttp.ClientResponse, *, seconds: float) -> tuple[bytes, bool]:
    """Return what comes in `seconds` and whether the stream has ended by then."""
    body = b""
    try:
        async with asyncio.timeout(seconds):
            async for part in response.content.iter_any():
                body += part
    except TimeoutError:
        return body, False
    return body, True


async def notices(seen: SeenRequest) -> bool:
    """Return whether the simulator notices that the client has left."""
    async with asyncio.timeout(GUARD_SECONDS):
        while not seen.closed_early:  # noqa: ASYNC110 - the record is plain data, without events
            await asyncio.sleep(0.01)
    return not seen.finished


async def hangs(call: Awaitable[object], *, at: web.Application) -> None:
    """Check that a call which has arrived is not answered, and give it up."""
    calling = asyncio.ensure_future(call)
    async with asyncio.timeout(GUARD_SECONDS):
        while not at[SEEN].requests:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
    await asyncio.wait({calling}, timeout=SILENCE_SECONDS)
    assert calling.cancel(), "it is answered"
    await asyncio.wait({calling})


def test_pace() -> None:
    """The pace is the first token's delay, then so many tokens a second."""
    options = SimulatorOptions(tokens_per_second=10, first_token_seconds=1)
    assert (options.seconds_until(1), options.seconds_until(21)) == (1.0, 3.0)
    assert FLAT_OUT.seconds_until(1_000) == 0.0


def test_slow_pace() -> None:
    """The model sim-slow begins after 4 s and goes on with 2 tokens a second."""
    slow = FLAT_OUT.under(Fault.SLOW)
    assert (slow.seconds_until(1), slow.seconds_until(3)) == (4.0, 5.0)


async def test_good_answer_ends_well(client: Client) -> None:
    """A good answer is finished and nobody left early."""
    assert (await answer(client, "sim")).endswith(b"data: [DONE]\n\n")
    assert (seen_by(client).finished, seen_by(client).closed_early) == (True, False)


async def test_eof(client: Client) -> None:
    """After sim-eof there is half an answer, no finish_reason and no [DONE]."""
    body = await answer(client, "sim-eof")
    assert body.count(b'"content":"') > 2
    assert b'"finish_reason":"' not in body
    assert b"[DONE]" not in body
    assert (seen_by(client).finished, seen_by(client).closed_early) == (False, False)


async def test_error_event(client: Client) -> None:
    """After half an answer sim-error-event sends an error and ends."""
    last = (await answer(client, "sim-error-event")).rstrip().split(b"\n\n")[-1]
    assert last.startswith(b'data: {"error":{"message":')


async def test_junk(client: Client) -> None:
    """One line of sim-junk is not JSON; the answer still ends well."""
    body = await answer(client, "sim-junk")
    assert body.count(b"data: {not json\n\n") == 1
    assert body.endswith(b"data: [DONE]\n\n")


async def test_content_filter(client: Client) -> None:
    """Half an answer of sim-content-filter is billed and ends with its reason."""
    body = await answer(client, "sim-content-filter")
    filtered = seen_by(client).billed_output
    await answer(client, "sim")
    assert b'"finish_reason":"content_filter"' in body
    assert 0 < filtered < seen_by(client).billed_output


async def test_no_usage(client: Client) -> None:
    """The model sim-no-usage ends well without a usage, and bills all the same."""
    body = await answer(client, "sim-no-usage")
    assert b'"usage"' not in body
    assert seen_by(client).billed_output > 0


async def test_ignores_limit(client: Client) -> None:
    """The model sim-ignore-max-tokens sends about 4,000 tokens against a limit of 10."""
    body = ask("sim-ignore-max-tokens") | {"max_completion_tokens": 10}
    async with client.post(CHAT, json=body) as response:
        await response.read()
    assert 4_000 <= seen_by(client).billed_output < 4_300


async def test_reset(client: Client) -> None:
    """The model sim-reset sends some chunks and then an RST."""
    async with client.post(CHAT, json=ask("sim-reset")) as response:
        assert b"chat.completion.chunk" in await response.content.readline()
        with pytest.raises(aiohttp.ClientPayloadError, match="reset by peer"):
            await response.read()
    assert not seen_by(client).closed_early


async def test_refuse(client: Client) -> None:
    """The model sim-refuse closes the connection without an answer."""
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await client.post(CHAT, json=ask("sim-refuse"))


async def test_hang(client: Client) -> None:
    """The model sim-hang sends no headers, and notices when the client gives up."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(SILENCE_SECONDS):
            await client.post(CHAT, json=ask("sim-hang"))
    assert await notices(seen_by(client))


@pytest.mark.parametrize(
    ("model", "first"),
    [("sim-stall", b'"content":"'), ("sim-slow", b""), ("sim-comments", b": keep-alive\n\n")],
)
async def test_silence(client: Client, model: str, first: bytes) -> None:
    """A silent stream stays open with nothing more to read, until the client leaves."""
    async with client.post(CHAT, json=ask(model)) as response:
        seen = seen_by(client)
        body = await response.content.readuntil(first) if first else b""
        rest, has_ended = await read_for(response, seconds=SILENCE_SECONDS)
        response.close()
    body += rest
    assert not has_ended
    assert b'finish_reason":"' not in body
    assert (b": keep-alive\n\n" in body) is (model == "sim-comments")
    assert (seen.billed_output > 0) is (model == "sim-stall")
    assert await notices(seen)


async def test_hang_is_bounded(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A forgotten connection is not held for ever."""
    monkeypatch.setattr("gateway.dev.connection.HANG_SECONDS", 0.0)
    async with client.post(CHAT, json=ask("sim-hang")) as response:
        assert response.status == 504
    assert b"[DONE]" not in await answer(client, "sim-stall")


@pytest.mark.parametrize(
    ("model", "status"), [("sim-error-event", 500), ("sim-junk", 200), ("sim-no-usage", 200)]
)
async def test_faults_of_whole_answers(client: Client, model: str, status: int) -> None:
    """Without stream a stream's fault becomes its nearest kin."""
    async with client.post(CHAT, json=ask(model, stream=False)) as response:
        assert response.status == status
        assert b'"usage"' not in await response.read()


@pytest.mark.parametrize("model", ["sim-reset", "sim-eof"])
async def test_cut_of_whole_answers(client: Client, model: str) -> None:
    """Without stream a cut is a reset before any answer."""
    with pytest.raises((aiohttp.ClientError, ConnectionResetError)):
        await client.post(CHAT, json=ask(model, stream=False))


@pytest.mark.parametrize("model", ["sim-stall", "sim-comments"])
async def test_silence_of_whole_answers(client: Client, model: str) -> None:
    """Without stream a silent model hangs."""
    assert client.app is not None
    await hangs(client.post(CHAT, json=ask(model, stream=False)), at=client.app)
    assert await notices(seen_by(client))


@pytest.fixture
async def address(tokenizer: Tokenizer) -> AsyncIterator[tuple[web.Application, str]]:
    """Serve a paced simulator as production does: handlers are not cancelled on disconnect."""
    options = SimulatorOptions(tokens_per_second=100, first_token_seconds=0)
    app = create_simulator(tokenizer, options=options)
    runner = web.AppRunner(app, handler_cancellation=False)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield app, f"http://{host}:{port}{CHAT}"
    await runner.cleanup()


async def test_leaving_is_noticed_uncancelled(address: tuple[web.Application, str]) -> None:
    """A client that leaves mid-answer stops the answer and the bill, without cancellation."""
    app, url = address
    async with aiohttp.ClientSession(headers=KEY) as session:
        response = await session.post(url, json=ask("sim-long"))
        await response.content.readline()
        response.close()
    seen = app[SEEN].requests[-1]
    assert await notices(seen)
    billed = seen.billed_output
    await asyncio.sleep(SILENCE_SECONDS)
    assert seen.billed_output == billed


async def test_leaving_a_hang_is_noticed_uncancelled(
    address: tuple[web.Application, str],
) -> None:
    """A client that gives up before any header is noticed without cancellation too."""
    app, url = address
    async with aiohttp.ClientSession(headers=KEY) as session:
        await hangs(session.post(url, json=ask("sim-hang")), at=app)
    assert await notices(app[SEEN].requests[-1])
