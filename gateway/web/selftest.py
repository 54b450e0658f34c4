"""Ten timed pieces over each transport: whoever receives them sees what a proxy does to answers."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec
from aiohttp import ClientError, WSMsgType, hdrs, web

from gateway.chat.frames import SUBPROTOCOL
from gateway.web.limits import DOOR, check_origin
from gateway.web.sse import HEADERS

PIECES = 10
# Far above the jitter of a network, far below a reader's patience.
PAUSE_SECONDS = 0.1
# The pieces take one second; whoever takes them slower than this is cut off.
WHOLE_SECONDS = 5.0


class Piece(msgspec.Struct, frozen=True):
    """The `n`-th piece of so many, and when it was sent, in milliseconds after the first."""

    n: int
    of: int
    sent_ms: int


async def selftest_events(request: web.Request) -> web.StreamResponse:
    """Send the pieces as Server-Sent Events, under the headers of an answer."""
    check_origin(request)
    with request.app[DOOR].inside(request):
        return await _send_events(request)


async def selftest_socket(request: web.Request) -> web.WebSocketResponse:
    """Send the pieces over a WebSocket like that of a chat, and close it."""
    check_origin(request)
    with request.app[DOOR].inside(request):
        return await _send_frames(request)


def add_selftest(app: web.Application) -> None:
    """Serve both."""
    app.router.add_route(hdrs.METH_GET, "/selftest/events", selftest_events)
    app.router.add_route(hdrs.METH_GET, "/selftest/ws", selftest_socket)


async def _send_events(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers=HEADERS)
    try:
        async with asyncio.timeout(WHOLE_SECONDS):
            await response.prepare(request)
            async with aclosing(_pieces()) as pieces:
                async for piece in pieces:
                    await response.write(b"data: %s\n\n" % piece)
            await response.write_eof()
    except TimeoutError:
        _abort(request)
    except (ClientError, ConnectionError):
        # It left.
        return response
    return response


async def _send_frames(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(protocols=(SUBPROTOCOL,), compress=False)
    try:
        async with asyncio.timeout(WHOLE_SECONDS):
            await socket.prepare(request)
            async with aclosing(_pieces()) as pieces:
                async for piece in pieces:
                    await socket.send_frame(piece, WSMsgType.TEXT)
            await socket.close()
    except TimeoutError:
        _abort(request)
    except (ClientError, ConnectionError):
        # It left.
        return socket
    return socket


async def _pieces() -> AsyncGenerator[bytes, None]:
    clock = asyncio.get_running_loop()
    began = clock.time()
    for n in range(1, PIECES + 1):
        sent_ms = round((clock.time() - began) * 1000)
        yield msgspec.json.encode(Piece(n=n, of=PIECES, sent_ms=sent_ms))
        if n < PIECES:
            await asyncio.sleep(PAUSE_SECONDS)


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
