"""The client asks for an answer and gives its chunks."""

import gzip
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager

import msgspec
import pytest

from gateway.backends.openai_client import OpenAIClient
from gateway.chat.records import Chunk, FinishReason, Message, Role, Usage
from tests.raw_upstream import (
    DONE,
    END,
    HEAD,
    Do,
    answer,
    chunks,
    content,
    event,
    finish,
    playing,
    usage,
)

PROMPT = (Message(Role.SYSTEM, "Answer.", 2), Message(Role.USER, "왜?", 2))
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

Stream = AsyncGenerator[Chunk, None]


@asynccontextmanager
async def connected(base_url: str) -> AsyncGenerator[OpenAIClient, None]:
    """Give a client and close it."""
    client = OpenAIClient(api_key="sk-test", base_url=base_url)
    try:
        yield client
    finally:
        await client.close()


def ask(
    client: OpenAIClient,
    *,
    model: str = "m",
    messages: tuple[Message, ...] = PROMPT,
    max_output_tokens: int = 1000,
) -> Stream:
    """Return the stream of an answer."""
    return client.stream_chat(
        messages, model=model, max_output_tokens=max_output_tokens, traceparent=TRACEPARENT
    )


async def read(client: OpenAIClient, *, model: str = "m") -> list[Chunk]:
    """Return every chunk of an answer."""
    async with aclosing(ask(client, model=model)) as stream:
        return [chunk async for chunk in stream]


async def chunks_of(*events: bytes) -> list[Chunk]:
    """Return the chunks of a response of `events`."""
    async with playing((answer(*events),)) as upstream, connected(upstream.base_url) as client:
        return await read(client)


def text_of(parts: list[Chunk]) -> str:
    """Return the text of an answer."""
    return "".join(part.text for part in parts)


async def test_chunks_in_order() -> None:
    """Text, finish reason and usage come as the events do."""
    events = [content("Reve"), content("nue."), finish(), usage(), DONE]
    script = [HEAD, *(step for body in events for step in (chunks(body), Do.WAIT)), END]
    async with playing(tuple(script)) as upstream, connected(upstream.base_url) as client:
        got = await read(client)

    assert got == [
        Chunk(text="Reve"),
        Chunk(text="nue."),
        Chunk(finish_reason=FinishReason.STOP),
        Chunk(usage=Usage(input_tokens=12, output_tokens=3)),
    ]


async def test_compressed_although_it_was_not_asked_to_be() -> None:
    """An answer that some proxy compressed is read all the same."""
    head = HEAD.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
    script = head + chunks(gzip.compress(content("a") + DONE)) + END
    async with playing((script,)) as upstream, connected(upstream.base_url) as client:
        assert text_of(await read(client)) == "a"
    assert upstream.requests[0].headers["accept-encoding"] == "identity"


async def test_text_and_finish_reason_together() -> None:
    """A last event with text and a finish reason is one chunk with both."""
    last = event({"choices": [{"delta": {"content": "."}, "finish_reason": "stop"}]})

    assert await chunks_of(last, DONE) == [Chunk(text=".", finish_reason=FinishReason.STOP)]


async def test_every_byte_by_itself() -> None:
    """A stream of single bytes, which cut every character, gives the same text."""
    stream = content("매출이 늘었다 👩‍👧") + finish() + DONE
    singles = HEAD + chunks(*(stream[i : i + 1] for i in range(len(stream)))) + END

    async with playing((singles,)) as upstream, connected(upstream.base_url) as client:
        assert text_of(await read(client)) == "매출이 늘었다 👩‍👧"


async def test_usage_details() -> None:
    """Cached and reasoning tokens are taken from the details."""
    bill = usage(
        prompt_tokens_details={"cached_tokens": 8, "audio_tokens": 0},
        completion_tokens_details={"reasoning_tokens": 2},
        total_tokens=15,
    )

    assert await chunks_of(bill) == [
        Chunk(usage=Usage(input_tokens=12, cached_tokens=8, output_tokens=3, reasoning_tokens=2))
    ]


@pytest.mark.parametrize("details", [None, {}, {"cached_tokens": None}])
async def test_usage_without_details(details: object) -> None:
    """Details that are null, empty or half there count as none."""
    assert await chunks_of(usage(prompt_tokens_details=details)) == [
        Chunk(usage=Usage(input_tokens=12, output_tokens=3))
    ]


@pytest.mark.parametrize(
    "bill",
    [
        {},
        {"prompt_tokens": None, "completion_tokens": 1},
        {"prompt_tokens": -1, "completion_tokens": 1},
        {"prompt_tokens": 10**30, "completion_tokens": 1},
        {"prompt_tokens": "many", "completion_tokens": 1},
    ],
)
async def test_unreadable_usage(bill: object) -> None:
    """A bill that makes no sense is no bill; the answer it came with is whole."""
    got = await chunks_of(content("a"), finish(), event({"choices": [], "usage": bill}), DONE)

    assert text_of(got) == "a"
    assert [part.usage for part in got] == [None] * len(got)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("stop", FinishReason.STOP),
        ("length", FinishReason.LENGTH),
        ("content_filter", FinishReason.CONTENT_FILTER),
        ("tool_calls", FinishReason.STOP),
        (None, None),
        ("", None),
    ],
)
async def test_finish_reasons(said: str | None, meant: FinishReason | None) -> None:
    """A reason we do not know is a stop; null or nothing is no reason."""
    last = event({"choices": [{"delta": {}, "finish_reason": said}]})

    assert await chunks_of(last) == [Chunk(finish_reason=meant)]


async def test_refusal_is_text() -> None:
    """A model's refusal is shown as its answer."""
    said = event({"choices": [{"delta": {"content": None, "refusal": "I cannot."}}]})

    assert await chunks_of(said) == [Chunk(text="I cannot.")]


@pytest.mark.parametrize(
    "body",
    [
        {"choices": [{"index": 0, "content_filter_results": {}, "finish_reason": None}]},
        {"choices": [{"delta": None, "finish_reason": None}]},
        {"choices": None},
        {"choices": [], "prompt_filter_results": []},
        {"error": None, "choices": []},
    ],
)
async def test_events_without_text(body: object) -> None:
    """Events without a delta, as Azure sends for its filter, are chunks without text."""
    assert await chunks_of(event(body)) == [Chunk()]


async def test_nul_is_removed() -> None:
    """NUL, which Postgres cannot hold, is not in the text."""
    assert await chunks_of(content("a\0b\0"), content("\0")) == [Chunk(text="ab")]


async def test_comments_and_line_ends() -> None:
    """Comments, CRLF and several data lines are read as the standard says."""
    body = b': ping\r\n\r\ndata: {"choices": [{"delta":\r\ndata: {"content": "a"}}]}\r\n\r\n'

    assert await chunks_of(body) == [Chunk(text="a")]


async def test_done_ends() -> None:
    """What follows [DONE] is not read."""
    assert await chunks_of(content("a"), DONE, content("b")) == [Chunk(text="a")]


async def test_clean_end() -> None:
    """A stream that ends without finish reason and [DONE] just ends; the turn says what that means."""
    assert await chunks_of(content("a")) == [Chunk(text="a")]


async def test_request() -> None:
    """The request asks for a stream with usage and a bounded answer, in the trace, with the key."""
    async with playing((answer(DONE),)) as upstream, connected(upstream.base_url) as client:
        await read(client, model="gpt-4o-mini")
    (request,) = upstream.requests

    assert request.line == "POST /v1/chat/completions HTTP/1.1"
    assert request.headers["traceparent"] == request.headers["x-client-request-id"] == TRACEPARENT
    assert request.headers["authorization"] == "Bearer sk-test"
    assert msgspec.json.decode(request.body) == {
        "model": "gpt-4o-mini",
        "messages": [
            {"role": "system", "content": "Answer."},
            {"role": "user", "content": "왜?"},
        ],
        "max_completion_tokens": 1000,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_assistant_message() -> None:
    """Earlier answers are sent as the assistant's."""
    history = (Message(Role.ASSISTANT, "Because.", 2),)
    async with (
        playing((answer(DONE),)) as upstream,
        connected(upstream.base_url) as client,
        aclosing(ask(client, messages=history)) as stream,
    ):
        assert [chunk async for chunk in stream] == []

    sent = msgspec.json.decode(upstream.requests[0].body)["messages"]
    assert sent == [{"role": "assistant", "content": "Because."}]
