"""Whatever goes wrong upstream is one of our errors, once, and says nothing of what was asked."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

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
from tests.promises import GUARD_SECONDS
from tests.raw_upstream import (
    DONE,
    END,
    HEAD,
    Do,
    Script,
    answer,
    chunks,
    content,
    event,
    finish,
    playing,
    refusal,
)
from tests.test_openai_client import ask, connected, read, text_of

QUOTA = {"message": "no", "type": "insufficient_quota", "code": "insufficient_quota"}
TOO_LONG = {"message": "no", "type": "x", "code": "context_length_exceeded"}
HTML = b"<html>502 Bad Gateway</html>"
# The starts of a stream: nothing, what is no content, and content.
NOTHING = HEAD
NO_CONTENT = HEAD + chunks(b": ping\n\n", content(""))
CONTENT = HEAD + chunks(content("half"))


async def failure(*scripts: Script) -> tuple[GatewayError, str]:
    """Return the error of an answer, and the text before it; exactly one request is made."""
    text = ""
    async with playing(*scripts) as upstream, connected(upstream.base_url) as client:
        with pytest.raises(GatewayError) as caught:
            async with asyncio.timeout(GUARD_SECONDS), aclosing(ask(client)) as stream:
                async for chunk in stream:
                    text += chunk.text
    assert len(upstream.requests) == 1
    return caught.value, text


async def test_nobody_listens() -> None:
    """A refused connection is UpstreamUnavailable, without a status."""
    async with playing() as upstream:
        base_url = upstream.base_url
    async with connected(base_url) as client:
        with pytest.raises(UpstreamUnavailable) as caught:
            await read(client)
    assert caught.value.status is None


async def test_unknown_host() -> None:
    """A name that does not resolve is UpstreamUnavailable."""
    async with connected("http://upstream.invalid/v1") as client:
        with pytest.raises(UpstreamUnavailable):
            await read(client)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (302, UpstreamRejected),
        (400, UpstreamRejected),
        (401, KeyInvalid),
        (402, UpstreamRejected),
        (403, UpstreamRejected),
        (404, UpstreamRejected),
        (408, UpstreamUnavailable),
        (409, UpstreamUnavailable),
        (413, UpstreamRejected),
        (422, UpstreamRejected),
        (429, UpstreamRateLimited),
        (500, UpstreamUnavailable),
        (502, UpstreamUnavailable),
        (503, UpstreamUnavailable),
        (529, UpstreamUnavailable),
    ],
)
async def test_status(status: int, error: type[GatewayError]) -> None:
    """Each status is the error it means, after one request, and is told where a retry may help."""
    got, _ = await failure((refusal(status),))

    assert type(got) is error
    assert not isinstance(got, UpstreamUnavailable) or got.status == status


async def test_quota() -> None:
    """A 429 for want of money is not one for want of time."""
    got, _ = await failure((refusal(429, QUOTA, b"Retry-After: 1"),))

    assert type(got) is QuotaExhausted


@pytest.mark.parametrize("status", [400, 413])
async def test_context_too_long(status: int) -> None:
    """A prompt over the model's context is told by its code, whatever the status."""
    got, _ = await failure((refusal(status, TOO_LONG),))

    assert type(got) is ContextTooLong


@pytest.mark.parametrize("error", ["gone", ["gone"], {"code": 1302}, {"code": {}}])
@pytest.mark.parametrize("status", [400, 500])
async def test_odd_error_bodies(status: int, error: object) -> None:
    """An error body of another shape is told by its status."""
    got, _ = await failure((refusal(status, error),))

    assert type(got) is (UpstreamRejected if status == 400 else UpstreamUnavailable)


async def test_html() -> None:
    """A proxy's page in place of JSON is UpstreamUnavailable."""
    head = b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n"
    got, _ = await failure((head % len(HTML) + HTML,))

    assert type(got) is UpstreamUnavailable


async def test_broken_error_body() -> None:
    """An error whose body breaks is UpstreamUnavailable."""
    got, _ = await failure((b"HTTP/1.1 500 No\r\nContent-Length: 99\r\n\r\n{", Do.CLOSE))

    assert type(got) is UpstreamUnavailable


async def test_redirect_is_not_followed() -> None:
    """A redirect, which would take the prompt elsewhere, is refused."""
    async with playing((answer(content("stolen"), finish(), DONE),)) as elsewhere:
        location = f"Location: {elsewhere.base_url}/chat/completions".encode()
        got, _ = await failure((refusal(307, None, location),))

    assert type(got) is UpstreamRejected
    assert elsewhere.requests == []


async def retry_after(value: str, *, status: int = 429) -> float | None:
    """Return what we make of a Retry-After."""
    got, _ = await failure((refusal(status, None, f"Retry-After: {value}".encode("latin-1")),))
    assert isinstance(got, UpstreamRateLimited | UpstreamUnavailable)
    assert got.retry_after_ms is None or got.retry_after_ms >= 0
    return got.retry_after


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("3", 3.0),
        ("0", 0.0),
        ("0.25", 0.25),
        ("-5", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("99999999999", 86_400.0),
        ("Wed, 21 Oct 2999 07:28:00 GMT", 86_400.0),
        ("Wed, 21 Oct 2999 07:28:00", 86_400.0),
        ("Wed, 21 Oct 2999 07:28:00 -0000", 86_400.0),
    ],
)
async def test_retry_after(value: str, seconds: float) -> None:
    """Retry-After is read as seconds or as a date, and is between now and a day."""
    assert await retry_after(value) == seconds


async def test_retry_after_date() -> None:
    """A date in Retry-After is the seconds until then."""
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)

    assert await retry_after(at) == pytest.approx(29, abs=1.5)


@pytest.mark.parametrize(
    "value", ["", "soon", "inf", "nan", "1e999", "Wed, 99 Oct 2026 07:28:00 GMT", "\xff", ", ,"]
)
async def test_unreadable_retry_after(value: str) -> None:
    """A Retry-After that says nothing is none, and the error is still the 429's."""
    assert await retry_after(value) is None


async def test_retry_after_of_503() -> None:
    """An upstream that is down may also say for how long."""
    assert await retry_after("7", status=503) == 7.0


@pytest.mark.parametrize(
    "script",
    [
        (Do.CLOSE,),
        (Do.RESET,),
        (b"HTTP/1.1 200 OK\r\nContent-Ty", Do.WAIT, Do.CLOSE),
        (b"HTTP/1.1 200 OK\r\nContent-Ty", Do.RESET),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", Do.CLOSE),
        (b"HTTP/1.1 200 OK\r\nBad header\0\r\n\r\n", Do.CLOSE),
        (b"HTTP/1.1 200 OK\r\nX: %s\r\n\r\n" % (b"x" * 100_000), Do.CLOSE),
        (HEAD + b"zz\r\nnot a size\r\n", Do.CLOSE),
        (HEAD + b"3\r\ntoo long\r\n", Do.CLOSE),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",),
    ],
    ids=[
        "closed", "reset", "closed in headers", "reset in headers", "not HTTP", "bad header",
        "huge header", "bad chunk size", "bad chunk end", "not gzip",
    ],
)  # fmt: skip
async def test_no_answer(script: Script) -> None:
    """Whatever comes in place of a response is UpstreamUnavailable, after one request."""
    got, _ = await failure(script)

    assert type(got) is UpstreamUnavailable


BREAKS: dict[str, Script] = {
    "closed between chunks": (Do.WAIT, Do.CLOSE),
    "reset between chunks": (Do.RESET,),
    "closed in a chunk": (b"ff\r\nabc", Do.WAIT, Do.CLOSE),
    "reset in a chunk": (b"ff\r\nabc", Do.RESET),
    "closed in an event": (chunks(b'data: {"cho'), Do.WAIT, Do.CLOSE),
    "error event": (chunks(event({"error": {"message": "no", "code": "x"}})) + END,),
    "error event of text": (chunks(event({"error": "no"})) + END,),
    "junk": (chunks(b"data: {not json\n\n") + END,),
    "not an object": (chunks(event([1])) + END,),
    "wrong types": (chunks(event({"choices": "none"})) + END,),
    "not UTF-8": (chunks(b'data: {"choices": [{"delta": {"content": "\xff"}}]}\n\n') + END,),
    "too deep": (chunks(b'data: {"x": ' + b"[" * 50_000 + b"]" * 50_000 + b"}\n\n") + END,),
    "too large": (chunks(b"data: " + b"x" * 1_100_000) + END,),
}


@pytest.mark.parametrize("rest", BREAKS.values(), ids=BREAKS)
@pytest.mark.parametrize("start", [NOTHING, NO_CONTENT], ids=["nothing", "no content"])
async def test_break_before_content(start: bytes, rest: Script) -> None:
    """A stream that breaks, or turns to junk, before its first content may be tried again."""
    got, text = await failure((start, *rest))

    assert isinstance(got, UpstreamUnavailable)
    assert (got.status, text) == (200, "")


@pytest.mark.parametrize("rest", BREAKS.values(), ids=BREAKS)
async def test_break_after_content(rest: Script) -> None:
    """A stream that breaks, or turns to junk, after its first content is truncated, the text given."""
    got, text = await failure((CONTENT, *rest))

    assert (type(got), text) == (UpstreamTruncated, "half")


@pytest.mark.parametrize("rest", BREAKS.values(), ids=BREAKS)
async def test_break_after_the_end(rest: Script) -> None:
    """A stream that breaks after its finish reason has given a whole answer: only its bill is lost."""
    script = (HEAD + chunks(content("whole"), finish()), *rest)
    async with playing(script) as upstream, connected(upstream.base_url) as client:
        async with asyncio.timeout(GUARD_SECONDS):
            assert text_of(await read(client)) == "whole"


async def test_chunk_coding_breaks_midway() -> None:
    """A broken chunk coding midway is no foreign error, and the connection is closed at once.

    aiohttp 3.14.5 tells the connection and not the body, so here it is silence, which the turn's stall
    deadline ends.
    """
    script = (CONTENT, Do.WAIT, b"zz\r\nnot a size\r\n", Do.HOLD)
    async with playing(script) as upstream, connected(upstream.base_url) as client:
        with pytest.raises((UpstreamTruncated, TimeoutError)):
            async with asyncio.timeout(0.3):
                await read(client)
        async with asyncio.timeout(GUARD_SECONDS):
            await upstream.left.wait()


async def test_errors_hide_their_cause() -> None:
    """An error carries neither the upstream's words nor an exception that does."""
    got, _ = await failure((refusal(400, {"message": "canary", "code": "canary"}),))

    assert got.__cause__ is None
    assert got.__suppress_context__
    assert "canary" not in f"{got!r} {got}"


async def test_client_survives() -> None:
    """After a break the same client answers the next question."""
    good = (answer(content("a"), finish(), DONE),)
    bad = (CONTENT, Do.RESET)
    async with playing(bad, good) as upstream, connected(upstream.base_url) as client:
        with pytest.raises(UpstreamTruncated):
            await read(client)

        assert text_of(await read(client)) == "a"
