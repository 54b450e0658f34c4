"""The simulator speaks OpenAI's format, counts exactly, refuses and remembers."""

from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from gateway.backends.tokens import Tokenizer
from gateway.dev.delivery import SimulatorOptions
from gateway.dev.faults import Fault
from gateway.dev.openai_wire import Chunk, Completion, ErrorBody, ErrorEnvelope, ModelList, Usage
from gateway.dev.seen import SeenRequest, SimulatorLog
from gateway.dev.simulator import SEEN, create_simulator

FLAT_OUT = SimulatorOptions(tokens_per_second=0, first_token_seconds=0)
CHAT = "/v1/chat/completions"
KEY = {"Authorization": "Bearer sk-test"}
REPORT = "<report>\n# 새솔전자 실적\n\n매출은 10.0% 늘었다. 영업이익은 14.4% 줄었다.\n</report>"

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


def ask(model: str = "sim", *, stream: bool = True, **extra: object) -> dict[str, object]:
    """Return the body of a request that wants its usage."""
    messages = [
        {"role": "system", "content": REPORT},
        {"role": "user", "content": "영업이익은 어떻게 됐어?"},
    ]
    usage = {"stream_options": {"include_usage": True}} if stream else {}
    return {"model": model, "messages": messages, "stream": stream, **usage, **extra}


def log_of(client: Client) -> SimulatorLog:
    """Return what the simulator behind `client` saw."""
    app = client.app
    assert app is not None
    return app[SEEN]


def last_seen(client: Client) -> SeenRequest:
    """Return the latest request."""
    return log_of(client).requests[-1]


async def events(response: aiohttp.ClientResponse) -> AsyncIterator[str]:
    """Yield the data of each event."""
    async for line in response.content:
        if line.startswith(b"data: "):
            yield line.removeprefix(b"data: ").decode().rstrip("\n")


async def stream(client: Client, **body: object) -> tuple[list[Chunk], list[str]]:
    """Return the chunks of a whole answer and every event's data as it came."""
    async with client.post(CHAT, json=ask() | body) as response:
        assert response.status == 200
        raw = [data async for data in events(response)]
    return [msgspec.json.decode(data, type=Chunk) for data in raw if data.startswith('{"id"')], raw


def text_of(chunks: list[Chunk]) -> str:
    """Return the text of an answer."""
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


def finish_of(chunks: list[Chunk]) -> str | None:
    """Return the finish_reason of an answer."""
    return next((c.choices[0].finish_reason for c in chunks[::-1] if c.choices), None)


def usage_of(chunks: list[Chunk]) -> Usage | None:
    """Return the usage of an answer."""
    return next((c.usage for c in chunks if isinstance(c.usage, Usage)), None)


async def error_of(client: Client, model: str, *, status: int) -> ErrorBody:
    """Return the error that `model` answers with `status`."""
    async with client.post(CHAT, json=ask(model)) as response:
        assert response.status == status
        return msgspec.json.decode(await response.read(), type=ErrorEnvelope).error


async def test_stream_order(client: Client) -> None:
    """A stream is role, text, finish_reason, usage without choices, [DONE]."""
    chunks, raw = await stream(client)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert (chunks[-1].choices, raw[-1]) == ((), "[DONE]")
    assert all('"usage":null' in data for data in raw[:-2])


async def test_no_usage_unasked(client: Client) -> None:
    """Without include_usage no chunk has a usage field."""
    _, raw = await stream(client, stream_options=None)
    assert not any("usage" in data for data in raw)


async def test_usage_is_exact(client: Client, tokenizer: Tokenizer) -> None:
    """Usage is the tokens of the messages as OpenAI counts them and of the text sent."""
    chunks, _ = await stream(
        client, messages=[{"role": "user", "content": "한글과 English 🙂", "name": "kim"}]
    )
    prompt = sum(tokenizer.count(text) for text in ("user", "한글과 English 🙂", "kim"))
    answer = tokenizer.count(text_of(chunks))
    expected = Usage(3 + prompt + 1 + 3, answer, 3 + prompt + 1 + 3 + answer)
    assert usage_of(chunks) == expected
    assert last_seen(client).billed_output == answer


@pytest.mark.parametrize("name", ["max_completion_tokens", "max_tokens"])
async def test_limit_is_exact(client: Client, name: str) -> None:
    """An answer cut at its limit has exactly that many tokens and says so."""
    chunks, _ = await stream(client, **{name: 17})
    usage = usage_of(chunks)
    assert usage is not None
    assert (usage.completion_tokens, finish_of(chunks)) == (17, "length")


async def test_chunks_are_whole_characters(client: Client) -> None:
    """No chunk holds half a character, though characters span tokens."""
    chunks, _ = await stream(client, model="sim-korean-20k")
    text = text_of(chunks)
    assert "\N{REPLACEMENT CHARACTER}" not in text
    assert 19_000 < len(text.encode()) < 21_000


async def test_content_in_parts(client: Client) -> None:
    """A message's content may come as text parts, or be null."""
    parts = [{"type": "text", "text": "Who "}, {"type": "text", "text": "are you?"}]
    messages = [{"role": "assistant", "content": None}, {"role": "user", "content": parts}]
    await stream(client, messages=messages)
    assert last_seen(client).messages == (("assistant", ""), ("user", "Who are you?"))


async def test_whole_answer_equals_stream(client: Client) -> None:
    """Without stream the same answer and usage come in one piece."""
    chunks, _ = await stream(client)
    async with client.post(CHAT, json=ask(stream=False)) as response:
        completion = msgspec.json.decode(await response.read(), type=Completion)
    assert completion.choices[0].message.content == text_of(chunks)
    assert completion.usage == usage_of(chunks)


async def test_long_answer(client: Client) -> None:
    """The model sim-long answers with about 1,500 tokens."""
    usage = usage_of((await stream(client, model="sim-long"))[0])
    assert usage is not None
    assert 1_500 <= usage.completion_tokens < 1_800


@pytest.mark.parametrize("header", [None, "Basic sk-test", "Bearer ", "Bearer sk-invalid"])
async def test_key_is_required(client: Client, header: str | None) -> None:
    """Without a good bearer key there is a 401."""
    headers = {"Authorization": header or ""}
    async with client.get("/v1/models", headers=headers) as response:
        assert response.status == 401
        assert b'"code":"invalid_api_key"' in await response.read()


async def test_models(client: Client) -> None:
    """The list of models names every fault, and every response has a request id."""
    async with client.get("/v1/models") as response:
        models = msgspec.json.decode(await response.read(), type=ModelList)
        assert response.headers["x-request-id"].startswith("req_")
    assert {model.id for model in models.data} > set(Fault)


@pytest.mark.parametrize("body", [b"{", b"{}", b'{"model":"sim","messages":[]}'])
async def test_bad_body(client: Client, body: bytes) -> None:
    """A body that is not a request is a 400 in OpenAI's shape."""
    async with client.post(CHAT, data=body) as response:
        assert response.status == 400
        assert b'"type":"invalid_request_error"' in await response.read()


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("sim-429", 429, "rate_limit_exceeded"),
        ("sim-quota", 429, "insufficient_quota"),
        ("sim-500", 500, None),
        ("sim-400", 400, None),
        ("sim-401", 401, "invalid_api_key"),
        ("sim-context", 400, "context_length_exceeded"),
    ],
)
async def test_refusals(client: Client, model: str, status: int, code: str | None) -> None:
    """A refusing model refuses each time, free of charge."""
    for _ in range(2):
        assert (await error_of(client, model, status=status)).code == code
    assert last_seen(client).billed_input == 0


@pytest.mark.parametrize(("model", "status"), [("sim-429-once", 429), ("sim-500-once", 500)])
async def test_fails_once(client: Client, model: str, status: int) -> None:
    """A "once" model fails a question's first attempt and answers the second."""
    await error_of(client, model, status=status)
    assert finish_of((await stream(client, model=model))[0]) == "stop"
    await error_of(client, model, status=status)


async def test_rate_limit_says_when(client: Client) -> None:
    """A 429 carries Retry-After."""
    async with client.post(CHAT, json=ask("sim-429")) as response:
        assert response.headers["Retry-After"] == "1"


async def test_html_gateway_error(client: Client) -> None:
    """The 502 is a proxy's page, not JSON."""
    async with client.post(CHAT, json=ask("sim-502-html")) as response:
        assert (response.status, response.content_type) == (502, "text/html")


async def test_seen_and_bill(client: Client) -> None:
    """A request is recorded with its prompt, limit and trace, and the bill adds up."""
    body = ask(max_completion_tokens=9)
    async with client.post(CHAT, json=body, headers={"traceparent": "00-1-2-01"}) as response:
        await response.read()
    seen = last_seen(client)
    assert seen.messages == (("system", REPORT), ("user", "영업이익은 어떻게 됐어?"))
    assert (seen.max_completion_tokens, seen.traceparent, seen.finished) == (9, "00-1-2-01", True)
    await stream(client)
    log = log_of(client)
    async with client.get("/sim/bill") as response:
        assert await response.json() == {
            "requests": 2,
            "input_tokens": sum(seen.billed_input for seen in log.requests),
            "output_tokens": sum(seen.billed_output for seen in log.requests),
        }


async def test_armed_faults(client: Client) -> None:
    """An armed fault meets the next requests, whatever their model, and can be cleared."""
    async with client.post("/sim/faults", json={"fault": "sim-400", "times": 2}) as response:
        assert await response.json() == {"armed": 2}
    await error_of(client, "gpt-4o-mini", status=400)
    async with client.delete("/sim/faults") as response:
        assert response.status == 204
    assert finish_of((await stream(client, model="gpt-4o-mini"))[0]) == "stop"


async def test_unknown_fault_is_refused(client: Client) -> None:
    """A misspelt fault cannot be armed."""
    async with client.post("/sim/faults", json={"fault": "sim-typo"}) as response:
        assert response.status == 400
