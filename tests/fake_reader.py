"""A reader at the other end of a WebSocket, who may take nothing."""

import asyncio
from typing import Any, cast

from aiohttp import web

from gateway.web.counts import Counts
from gateway.web.outlet import Outlet


class FakeSocket:
    """A client that takes what it is sent, or, `stalled`, nothing."""

    def __init__(self, *, stalled: bool = False) -> None:
        self.stalled = stalled
        self.closed = False
        self.offered = 0
        self.taken: list[bytes] = []

    async def send_frame(self, data: bytes, *_: Any) -> None:
        """Take a frame."""
        self.offered += 1
        if self.stalled:
            await asyncio.get_running_loop().create_future()
        self.taken.append(data)


class FakeTransport:
    """A connection that can be dropped; `buffered` bytes have not been taken yet."""

    def __init__(self, *, buffered: int = 0) -> None:
        self.aborted = False
        self.buffered = buffered

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait."""
        return self.buffered

    def abort(self) -> None:
        """Drop it."""
        self.aborted = True


def outlet(socket: FakeSocket, *, transport: FakeTransport, counts: Counts | None = None) -> Outlet:
    """Return the way out to `socket`."""
    return Outlet(
        cast(web.WebSocketResponse, socket),
        transport=cast(asyncio.Transport, transport),
        counts=counts or Counts(),
    )
