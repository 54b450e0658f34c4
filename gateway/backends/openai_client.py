"""Stream answers from OpenAI, or anything that speaks its API, and translate its errors.

The SDK gives addresses and headers. The request is sent with aiohttp and its bytes are read here, because the
SDK's own way costs ten times as much CPU for a chunk, and twice as much for a turn (docs/performance.md).
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Sequence
from typing import NamedTuple
from urllib.request import getproxies, proxy_bypass

import aiohttp
import msgspec
from yarl import URL

from gateway.backends.chunk_reader import BAD_EVENTS, ChunkReader
from gateway.backends.openai_refusal import refusal
from gateway.backends.openai_wire import Line, Request
from gateway.chat.errors import UpstreamTruncated, UpstreamUnavailable
from gateway.chat.records import Chunk, Message

logger = logging.getLogger(__name__)

# A connection that takes longer than this will not bring a first chunk in time either.
CONNECT_SECONDS = 5.0
# More than the connections the gateway accepts: who may ask is limited at the door, not here. Without a
# figure aiohttp would stop at 100.
MAX_CONNECTIONS = 20_000
KEEPALIVE_SECONDS = 30.0
# The end of the body follows [DONE] at once, if a packet later; without it the connection cannot be kept.
DRAIN_SECONDS = 0.1
# The deadlines of the answer are the turn's; without a figure for the whole, aiohttp would end it at 300 s.
TIMEOUTS = aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS)
# What says why is at its beginning; the rest of an endless page is nobody's.
REFUSAL_BYTES = 65_536
# What a connection that breaks, and an answer that is none, raise.
BROKEN = (aiohttp.ClientError, *BAD_EVENTS)


class _Proxy(NamedTuple):
    url: URL | None
    # In headers.
    login: dict[str, str] | None


class OpenAIClient:
    """The upstream. One client for the process: it keeps connections."""

    def __init__(self, *, api_key: str, base_url: str) -> None:
        # It takes longer to import than all the rest, and most commands never ask an upstream.
        import openai

        self._sdk = openai.AsyncOpenAI(api_key=api_key, base_url=base_url)
        self._url = URL(f"{self._sdk.base_url}chat/completions")
        self._proxy = _proxy(self._url)
        given = {**self._sdk.default_headers, **self._sdk.auth_headers}
        # With each request, not once with the session: aiohttp sends those of a session to a proxy as well,
        # and the key is among them.
        self._headers = {
            **{name: text for name, text in given.items() if isinstance(text, str)},
            # Compressed, an answer would come in lumps; where it does all the same, aiohttp unpacks it.
            "Accept-Encoding": "identity",
        }
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=MAX_CONNECTIONS, keepalive_timeout=KEEPALIVE_SECONDS
            ),
            # It has no use for whatever the upstream wants to recognise us by.
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=TIMEOUTS,
        )

    async def stream_chat(
        self, messages: Sequence[Message], *, model: str, max_output_tokens: int, traceparent: str
    ) -> AsyncGenerator[Chunk, None]:
        """Yield the answer's chunks, those that came together as one; closing it closes the connection.

        Raises `KeyInvalid`, `QuotaExhausted`, `ContextTooLong`, `UpstreamRejected`, `UpstreamRateLimited`,
        `UpstreamUnavailable`, and `UpstreamTruncated` for a stream that breaks after its first content.
        """
        started = finished = False
        response: aiohttp.ClientResponse | None = None
        request = Request(
            model=model,
            messages=[Line(message.role, message.text) for message in messages],
            max_completion_tokens=max_output_tokens,
        )
        try:
            async with self._http.post(
                self._url,
                data=msgspec.json.encode(request),
                # By the latter OpenAI finds a request that got no answer, and so no id of theirs
                # (https://developers.openai.com/api/reference/overview, "Debugging requests").
                headers={
                    **self._headers,
                    "traceparent": traceparent,
                    "X-Client-Request-Id": traceparent,
                },
                # A redirect would take the prompt to somebody we were not configured with.
                allow_redirects=False,
                proxy=self._proxy.url,
                proxy_headers=self._proxy.login,
            ) as response:
                if not 200 <= response.status < 300:
                    beginning = await _beginning(response.content)
                    raise refusal(
                        response.status, headers=response.headers, body=beginning
                    ) from None
                reader = ChunkReader()
                async for data in response.content.iter_any():
                    chunk = reader.feed(data)
                    if chunk is not None:
                        started = started or bool(chunk.text)
                        finished = finished or chunk.finish_reason is not None
                        yield chunk
                    if reader.broken is not None:
                        raise reader.broken
                    if reader.done:
                        await _drain(response.content)
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
                raise UpstreamUnavailable(status=response.status) from None

    async def close(self) -> None:
        """Close the connections that are kept."""
        await self._http.close()
        # It has a client of its own, never used; left alone, that would start a task to close itself.
        await self._sdk.close()


def _proxy(url: URL) -> _Proxy:
    # HTTPS_PROXY and NO_PROXY, once. aiohttp's `trust_env` would look at each request, in a thread, and in
    # ~/.netrc for somebody else's key.
    found = None if proxy_bypass(url.host or "") else getproxies().get(url.scheme)
    if not found:
        return _Proxy(None, None)
    proxy = URL(found)
    if proxy.user is None:
        return _Proxy(proxy, None)
    login = aiohttp.encode_basic_auth(proxy.user, proxy.password or "")
    return _Proxy(proxy.with_user(None), {"Proxy-Authorization": login})


async def _beginning(body: aiohttp.StreamReader) -> bytes:
    beginning = b""
    async for data in body.iter_any():
        beginning += data
        if len(beginning) > REFUSAL_BYTES:
            break
    return beginning


async def _drain(body: aiohttp.StreamReader) -> None:
    with contextlib.suppress(TimeoutError, *BROKEN):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in body.iter_any():
                pass
