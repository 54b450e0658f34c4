"""Stream answers from OpenAI, or anything that speaks its API, and translate its errors.

The SDK gives authentication, transport and errors; the bytes are read here, because its own iteration costs
ten times as much CPU for a chunk (docs/performance.md).
"""

import asyncio
import contextlib
import logging
import math
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import httpx2
import msgspec
import openai

from gateway.backends.chunk_reader import BAD_EVENTS, ChunkReader
from gateway.backends.openai_wire import Line, Request
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
from gateway.chat.records import Chunk, Message

logger = logging.getLogger(__name__)

# A connection that takes longer than this will not bring a first chunk in time either.
CONNECT_SECONDS = 5.0
# More than the connections the gateway accepts: who may ask is limited at the door, not here. Without a
# figure the aiohttp transport would stop at 100.
MAX_CONNECTIONS = 20_000
KEEPALIVE_SECONDS = 30.0
# The end of the body follows [DONE] at once, if a packet later; without it the connection cannot be kept.
DRAIN_SECONDS = 0.1
# A longer wait is nobody's; it also has to fit the wire and the store.
MAX_RETRY_AFTER = 86_400.0
# Worth another try although they are 4xx (openai-python retries the same).
TRANSIENT_STATUS = frozenset({408, 409})


# What a connection that breaks, and an answer that is none, raise on their way through httpx2 and the
# transport, which lets aiohttp's own error for what is not HTTP pass.
BROKEN = (httpx2.HTTPError, aiohttp.ClientError, *BAD_EVENTS)


class OpenAIClient:
    """The upstream. One client for the process: it keeps connections."""

    def __init__(self, *, api_key: str, base_url: str) -> None:
        self._client = openai.AsyncOpenAI(
            api_key=api_key,
            base_url=base_url,
            # Retries and deadlines are the turn's: the SDK would try three times, out of its sight.
            max_retries=0,
            timeout=httpx2.Timeout(None, connect=CONNECT_SECONDS, pool=CONNECT_SECONDS),
            http_client=openai.DefaultAioHttpClient(
                # A redirect would take the prompt to somebody we were not configured with.
                follow_redirects=False,
                limits=httpx2.Limits(
                    max_connections=MAX_CONNECTIONS, keepalive_expiry=KEEPALIVE_SECONDS
                ),
            ),
        )

    async def stream_chat(
        self, messages: Sequence[Message], *, model: str, max_output_tokens: int, traceparent: str
    ) -> AsyncGenerator[Chunk, None]:
        """Yield the answer's chunks, those that came together as one; closing it closes the connection.

        Raises `KeyInvalid`, `QuotaExhausted`, `ContextTooLong`, `UpstreamRejected`, `UpstreamRateLimited`,
        `UpstreamUnavailable`, and `UpstreamTruncated` for a stream that breaks after its first content.
        """
        started = finished = False
        response: openai.AsyncAPIResponse[object] | None = None
        try:
            request = Request(
                model=model,
                messages=[Line(message.role, message.text) for message in messages],
                max_completion_tokens=max_output_tokens,
            )
            async with self._post(request, traceparent=traceparent) as response:
                reader = ChunkReader()
                async with contextlib.aclosing(_body(response)) as body:
                    async for data in body:
                        chunk = reader.feed(data)
                        if chunk is not None:
                            started = started or bool(chunk.text)
                            finished = finished or chunk.finish_reason is not None
                            yield chunk
                        if reader.broken is not None:
                            raise reader.broken
                        if reader.done:
                            await _drain(body)
                            return
        except openai.APIError as error:
            raise _translate(error) from None
        except BROKEN as error:
            # The connection broke, or what came is no answer: before the first content that is worth a
            # retry, after it the reader has half an answer, and after the finish reason a whole one
            # whose bill is lost.
            logger.warning("upstream.broke", extra={"error_type": type(error).__name__})
            if not finished:
                if started:
                    raise UpstreamTruncated from None
                status = None if response is None else response.status_code
                raise UpstreamUnavailable(status=status) from None

    async def close(self) -> None:
        """Close the connections that are kept."""
        await self._client.close()

    @contextlib.asynccontextmanager
    async def _post(
        self, request: Request, *, traceparent: str
    ) -> AsyncGenerator[openai.AsyncAPIResponse[object], None]:
        # What `chat.completions.with_streaming_response.create` does, but for its walk through the type of
        # every parameter there is, which costs more than all the rest of a turn (docs/performance.md).
        answer: Any = await self._client.post(
            "/chat/completions",
            cast_to=object,
            content=msgspec.json.encode(request),
            options={
                "headers": {
                    "Content-Type": "application/json",
                    "Accept-Encoding": "identity",
                    "X-Stainless-Raw-Response": "stream",
                    "traceparent": traceparent,
                }
            },
            stream=True,
            stream_cls=openai.AsyncStream[object],
        )
        response: openai.AsyncAPIResponse[object] = answer
        try:
            yield response
        finally:
            await response.close()


def _body(response: openai.AsyncAPIResponse[object]) -> AsyncGenerator[bytes, None]:
    # `iter_bytes` alone is right for an answer that was compressed although we asked for none to be; its
    # four generators cost as much as all that is done with a chunk (docs/performance.md).
    compressed = "content-encoding" in response.headers
    body: Any = response.iter_bytes() if compressed else response.http_response.stream
    stream: AsyncGenerator[bytes, None] = aiter(body)
    return stream


async def _drain(body: AsyncIterator[bytes]) -> None:
    with contextlib.suppress(TimeoutError, *BROKEN):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in body:
                pass


def _translate(error: openai.APIError) -> GatewayError:
    if not isinstance(error, openai.APIStatusError):
        logger.warning("upstream.unreachable", extra={"error_type": type(error).__name__})
        return UpstreamUnavailable()
    status = error.status_code
    logger.warning("upstream.refused", extra={"status": status, "error_type": type(error).__name__})
    if status == 429 and error.code == "insufficient_quota":
        return QuotaExhausted()
    if status == 429:
        return UpstreamRateLimited(retry_after=_retry_after(error.response.headers))
    if status >= 500 or status in TRANSIENT_STATUS:
        return UpstreamUnavailable(retry_after=_retry_after(error.response.headers), status=status)
    if status == 401:
        return KeyInvalid()
    if error.code == "context_length_exceeded":
        return ContextTooLong()
    return UpstreamRejected()


def _retry_after(headers: httpx2.Headers) -> float | None:
    """Return the seconds of Retry-After, a number or a date (RFC 9110, 10.2.3)."""
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            at = parsedate_to_datetime(value)
        except ValueError:
            return None
        # HTTP dates are GMT, also where they do not say so.
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        seconds = (at - datetime.now(UTC)).total_seconds()
    return min(max(0.0, seconds), MAX_RETRY_AFTER) if math.isfinite(seconds) else None
