"""Waiting on a client's connection, and the ways to leave it in the lurch."""

import asyncio
import socket
import struct
import time

from aiohttp import web

HANG_SECONDS = 600.0  # longer than any client's patience, so a hang never ends by itself
STEP_SECONDS = 0.05  # how soon a client's leaving is noticed while waiting
# l_onoff, l_linger: close() then sends RST instead of FIN (socket(7)).
LINGER_NONE = struct.pack("ii", 1, 0)


async def wait_until(when: float, *, request: web.Request) -> None:
    """Wait until the monotonic time `when`; raises `ConnectionResetError` if the client leaves."""
    while True:
        if has_left(request):
            raise ConnectionResetError
        left = when - time.monotonic()
        # Also when it is late: other connections must get their turn between two pieces.
        await asyncio.sleep(min(max(left, 0.0), STEP_SECONDS))
        if left <= STEP_SECONDS:
            return


async def hold(request: web.Request) -> None:
    """Keep the connection open and silent; raises `ConnectionResetError` when the client leaves."""
    await wait_until(time.monotonic() + HANG_SECONDS, request=request)


def has_left(request: web.Request) -> bool:
    """Return whether the connection is gone; aiohttp does not always cancel the handler then."""
    return request.transport is None or request.transport.is_closing()


def close(request: web.Request) -> None:
    """Close the connection; what aiohttp still wants to write to it goes nowhere."""
    if request.transport is not None:
        request.transport.close()


async def reset(request: web.Request) -> None:
    """Close the connection with an RST; raises `ConnectionResetError` if the client left first."""
    # A moment, so that what was written is with the client before the reset overtakes it.
    await wait_until(time.monotonic() + STEP_SECONDS, request=request)
    if request.transport is not None:
        connection: socket.socket = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
        request.transport.abort()
