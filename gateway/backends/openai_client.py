"""Stream answers from OpenAI, or anything that speaks its API, and translate its errors.

The SDK gives addresses, headers and transport. The request is sent and its bytes are read here, because the
SDK's own way costs ten times as much CPU for a chunk, and twice as much for a turn (docs/performance.md).
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any

import aiohttp
import httpx2
import msgspec
import openai

from gateway.backends.chunk_reader import BAD_EVENTS, ChunkReader
from gateway.backends.openai_refusal import refusal
from gateway.backends.openai_wire import Line, Request
from gateway.chat.errors import UpstreamTruncated, UpstreamUnavailable
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
# The deadlines are the turn's. An SDK of its own would also try again, out of the turn's sight.
TIMEOUTS = {"timeout": {"connect": CONNECT_SECONDS, "pool": CONNECT_SECONDS}}
# What says why is at its beginning; the rest of an endless page is nobody's.
REFUSAL_BYTES = 65_536


# What a connection that breaks, and an answer that is none, raise on their way through httpx2 and the
# transport, which lets aiohttp's own error for what is not HTTP pass.
BROKEN = (httpx2.HTTPError, aiohttp.ClientError, *BAD_EVENTS)


class OpenAIClient:
    """The upstream. One client for the process: it keeps connections."""

    def __init__(self, *, api_key: str, base_url: str) -> None:
        self._http = openai.DefaultAioHttpClient(
            # A redirect would take the prompt to somebody we were not configured with.
            follow_redirects=False,
            limits=httpx2.Limits(
                max_connections=MAX_CONNECTIONS, keepalive_expiry=KEEPALIVE_SECONDS
            ),
        )
        sdk = openai.AsyncOpenAI(api_key=api_key, base_url=base_url, http_client=self._http)
        self._url = httpx2.URL(f"{sdk.base_url}chat/completions")
        given = {**sdk.default_headers, **sdk.auth_headers, "Accept-Encoding": "identity"}
        self._headers = {name: text for name, text in given.items() if isinstance(text, str)}

    async def stream_chat(
        self, messages: Sequence[Message], *, model: str, max_output_tokens: int, traceparent: str
    ) -> AsyncGenerator[Chunk, None]:
        """Yield the answer's chunks, those that came together as one; closing it closes the connection.

        Raises `KeyInvalid`, `QuotaExhausted`, `ContextTooLong`, `UpstreamRejected`, `UpstreamRateLimited`,
        `UpstreamUnavailable`, and `UpstreamTruncated` for a stream that breaks after its first content.
        """
        started = finished = False
        response: httpx2.Response | None = None
        request = Request(
            model=model,
            messages=[Line(message.role, message.text) for message in messages],
            max_completion_tokens=max_output_tokens,
        )
        try:
            async with (
                self._post(request, traceparent=traceparent) as response,
                contextlib.aclosing(_body(response)) as body,
            ):
                if not response.is_success:
                    beginning = await _beginning(body)
                    raise refusal(
                        response.status_code, headers=response.headers, body=beginning
                    ) from None
                reader = ChunkReader()
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
        except BROKEN as error:
            kind = type(error).__name__
            if response is None:
                logger.warning("upstream.unreachable", extra={"error_type": kind})
                raise UpstreamUnavailable from None
            # The connection broke, or what came is no answer: before the first content that is worth a
            # retry, after it the reader has half an answer, and after the finish reason a whole one
            # whose bill is lost.
            logger.warning("upstream.broke", extra={"error_type": kind})
            if not finished:
                if started:
                    raise UpstreamTruncated from None
                raise UpstreamUnavailable(status=response.status_code) from None

    async def close(self) -> None:
        """Close the connections that are kept."""
        await self._http.aclose()

    @contextlib.asynccontextmanager
    async def _post(
        self, body: Request, *, traceparent: str
    ) -> AsyncGenerator[httpx2.Response, None]:
        # What the SDK does with a request, less its walk through the type of every parameter there is and its
        # making of each header anew: those cost more than all the rest of a turn (docs/performance.md).
        request = httpx2.Request(
            "POST",
            self._url,
            # By the latter OpenAI finds a request that got no answer, and so no id of theirs
            # (https://developers.openai.com/api/reference/overview, "Debugging requests").
            headers={
                **self._headers,
                "traceparent": traceparent,
                "X-Client-Request-Id": traceparent,
            },
            content=msgspec.json.encode(body),
            extensions=TIMEOUTS,
        )
        response = await self._http.send(request, stream=True)
        try:
            yield response
        finally:
            await response.aclose()


def _body(response: httpx2.Response) -> AsyncGenerator[bytes, None]:
    # `aiter_bytes` alone is right for an answer that was compressed although we asked for none to be; its
    # generators cost as much as all that is done with a chunk (docs/performance.md).
    compressed = "content-encoding" in response.headers
    body: Any = response.aiter_bytes() if compressed else response.stream
    stream: AsyncGenerator[bytes, None] = aiter(body)
    return stream


async def _beginning(body: AsyncIterator[bytes]) -> bytes:
    beginning = b""
    async for data in body:
        beginning += data
        if len(beginning) > REFUSAL_BYTES:
            break
    return beginning


async def _drain(body: AsyncIterator[bytes]) -> None:
    with contextlib.suppress(TimeoutError, *BROKEN):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in body:
                pass
