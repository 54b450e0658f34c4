"""Measure from outside what a proxy does to answers, and say what to change in it."""

import asyncio
import statistics
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from enum import StrEnum, unique
from http import HTTPStatus
from itertools import pairwise
from urllib.parse import urljoin, urlsplit

import aiohttp
import msgspec
from aiohttp import hdrs

from gateway.backends.event_stream import EventSplitter, EventTooLarge
from gateway.chat.frames import SUBPROTOCOL
from gateway.web.selftest import Piece

# To a server that is there, connecting takes milliseconds.
CONNECT_SECONDS = 5.0
# The pieces are sent within a second. What is not through after this will not come.
WHOLE_SECONDS = 10.0
CLOSING = aiohttp.ClientWSTimeout(ws_receive=WHOLE_SECONDS, ws_close=1.0)
ROUND_TRIPS = 3

BUSY = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
BUSY_ADVICE = "Too many connections at the moment, or a restart: try again."
ORIGIN_ADVICE = """\
The gateway refuses the page's origin. nginx has to pass on the host as the browser said it:
    proxy_set_header Host $http_host;
or the origin has to be named in [server] allowed_origins."""
UPGRADE_ADVICE = """\
WebSockets do not get through; the page works over HTTP instead. In nginx, with the maps of docs/nginx.conf:
    proxy_http_version 1.1;
    proxy_set_header Upgrade $gateway_upgrade;
    proxy_set_header Connection $gateway_connection;"""
EVENTS_ADVICE = (
    "Answers over HTTP do not get through: the proxy has to pass on every path of the gateway."
)
FRAMES_ADVICE = """\
Something holds back what a WebSocket carries, which nginx never does: look for a virus scanner, or for
a company's proxy."""
BUFFERING_ADVICE = """\
Something keeps answers over HTTP until they are complete. In nginx:
    gzip off;
    proxy_buffering off;
and no `proxy_ignore_headers X-Accel-Buffering;`."""
CUT_ADVICE = """\
Something ends connections within seconds. In nginx:
    proxy_read_timeout 75s;
    proxy_send_timeout 30s;"""


@unique
class Verdict(StrEnum):
    """What became of the pieces on their way."""

    OK = "ok"
    # They came, but not when they were sent.
    BUFFERED = "buffered"
    # Some came, and then no more.
    CUT = "cut off"
    BLOCKED = "blocked"


class Arrival(msgspec.Struct, frozen=True):
    """When a piece was sent and when it came, each in milliseconds of a clock of its own."""

    sent_ms: float
    came_ms: float


class Outcome(msgspec.Struct, frozen=True):
    """How a transport fared; `status` is that of the response which refused it, where there was one."""

    verdict: Verdict
    status: int | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """How both transports fared, and the milliseconds there and back; `silence` says why nobody answered."""

    socket: Outcome = Outcome(Verdict.BLOCKED)
    events: Outcome = Outcome(Verdict.BLOCKED)
    round_trip_ms: float | None = None
    silence: str | None = None

    @property
    def fine(self) -> bool:
        """Whether there is nothing to change."""
        return self.socket.verdict is self.events.verdict is Verdict.OK

    def __str__(self) -> str:
        if self.silence is not None:
            return self.silence
        return "\n".join(
            (
                f"WebSocket   {self.socket.verdict}",
                f"SSE         {self.events.verdict}",
                f"round trip  {self.round_trip_ms:.0f} ms",
                *_advice(self.socket, self.events),
            )
        )


def judge(arrivals: Sequence[Arrival], *, of: int) -> Verdict:
    """Return what happened to `of` pieces, of which `arrivals` came, in their order.

    Buffered: most of the pauses between them have shrunk to less than half. One hiccup of a network shrinks
    a few, a steady delay none. static/js/selftest.js does the same.
    """
    if not arrivals:
        return Verdict.BLOCKED
    if len(arrivals) < of:
        return Verdict.CUT
    shrunk = sum(
        later.came_ms - earlier.came_ms < (later.sent_ms - earlier.sent_ms) / 2
        for earlier, later in pairwise(arrivals)
    )
    return Verdict.BUFFERED if shrunk > (of - 1) / 2 else Verdict.OK


async def measure(url: str) -> Report:
    """Return how the gateway whose page is at `url` is reached; takes at most `WHOLE_SECONDS` three times."""
    page = urlsplit(url)
    async with aiohttp.ClientSession(
        # As a browser would: the gateway compares it with the host that the proxy passes on.
        headers={hdrs.ORIGIN: f"{page.scheme}://{page.netloc}"},
        timeout=aiohttp.ClientTimeout(total=WHOLE_SECONDS, connect=CONNECT_SECONDS),
    ) as http:
        try:
            round_trip_ms = await _round_trip(http, urljoin(url, "health"))
        except (aiohttp.ClientError, TimeoutError) as error:
            return Report(silence=_silence(error))
        return Report(
            socket=await _outcome(_over_socket(http, urljoin(url, "selftest/ws"))),
            events=await _outcome(_over_events(http, urljoin(url, "selftest/events"))),
            round_trip_ms=round_trip_ms,
        )


async def _round_trip(http: aiohttp.ClientSession, url: str) -> float:
    took = []
    # One more, because the first one connects.
    for _ in range(1 + ROUND_TRIPS):
        began = time.monotonic()
        async with http.get(url) as response:
            response.raise_for_status()
            await response.read()
        took.append(time.monotonic() - began)
    return statistics.median(took[1:]) * 1000


async def _outcome(pieces: AsyncGenerator[bytes, None]) -> Outcome:
    arrivals: list[Arrival] = []
    of, status = 0, None
    try:
        async with asyncio.timeout(WHOLE_SECONDS), aclosing(pieces):
            async for data in pieces:
                piece = msgspec.json.decode(data, type=Piece)
                arrivals.append(Arrival(piece.sent_ms, time.monotonic() * 1000))
                of = piece.of
    except aiohttp.ClientResponseError as error:
        status = error.status
    except (aiohttp.ClientError, msgspec.MsgspecError, EventTooLarge, TimeoutError):
        # What came until then says enough.
        pass
    return Outcome(judge(arrivals, of=of), status)


async def _over_socket(http: aiohttp.ClientSession, url: str) -> AsyncGenerator[bytes, None]:
    async with http.ws_connect(url, protocols=(SUBPROTOCOL,), timeout=CLOSING) as socket:
        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                yield message.data.encode()


async def _over_events(http: aiohttp.ClientSession, url: str) -> AsyncGenerator[bytes, None]:
    splitter = EventSplitter()
    async with http.get(url, headers={hdrs.ACCEPT: "text/event-stream"}) as response:
        response.raise_for_status()
        async for data in response.content.iter_any():
            for event in splitter.feed(data):
                yield event


def _silence(error: Exception) -> str:
    match error:
        case aiohttp.ClientResponseError(status=status):
            return f"What answers there is not the gateway: /health ended with {status}."
        case aiohttp.ClientConnectorCertificateError():
            return "Its certificate is not accepted."
        case aiohttp.ClientSSLError():
            return "No TLS is spoken there: perhaps its address begins with http://."
        case aiohttp.ClientConnectorDNSError():
            return "Its name is unknown."
        case TimeoutError():
            return f"No answer within {CONNECT_SECONDS:g} seconds."
    return "Nobody answers there."


def _advice(socket: Outcome, events: Outcome) -> Iterator[str]:
    """Yield what to change, each thing once."""
    if HTTPStatus.FORBIDDEN in (socket.status, events.status):
        yield ORIGIN_ADVICE
    elif {socket.status, events.status} & BUSY:
        yield BUSY_ADVICE
    else:
        if socket.verdict is Verdict.BLOCKED:
            yield UPGRADE_ADVICE
        if events.verdict is Verdict.BLOCKED:
            yield EVENTS_ADVICE
    if socket.verdict is Verdict.BUFFERED:
        yield FRAMES_ADVICE
    if events.verdict is Verdict.BUFFERED:
        yield BUFFERING_ADVICE
    if Verdict.CUT in (socket.verdict, events.verdict):
        yield CUT_ADVICE
