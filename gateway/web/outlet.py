"""The way out of a WebSocket: frames to a reader that may be slow, or gone."""

import asyncio
import logging
from enum import IntEnum, unique

from aiohttp import ClientError, WSMsgType, web

from gateway.chat.frames import ServerFrame, encode
from gateway.web.counts import Counts, Drop

logger = logging.getLogger(__name__)

# A reader that takes nothing for this long is stalled; its socket is aborted, because neither close() nor a
# missed heartbeat would free a blocked send (aiohttp#2309).
SEND_SECONDS = 8.0
# close() waits for a stalled reader without end (aiohttp#1002).
CLOSE_SECONDS = 2.0


@unique
class Close(IntEnum):
    """Close codes: 4000 to 4499 invite to come back, 4500 to 4999 do not (docs/protocol.md)."""

    OK = 1000
    UNSUPPORTED = 1003
    RESTARTING = 1012
    OVERLOADED = 1013
    SLOW_READER = 4000
    TOO_MANY_FRAMES = 4029
    BAD_FRAMES = 4500
    UNKNOWN_SESSION = 4502
    SUBPROTOCOL = 4506
    NO_HELLO = 4508


class Outlet:
    """Sends frames to one client, and gets rid of one that does not take them."""

    __slots__ = ("_socket", "_transport", "closed_with", "counts")

    def __init__(
        self,
        socket: web.WebSocketResponse,
        *,
        transport: asyncio.Transport | None,
        counts: Counts,
    ) -> None:
        self.counts = counts
        # The code we closed with: a client need not give it back.
        self.closed_with: Close | None = None
        self._socket = socket
        self._transport = transport

    @property
    def closed(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._socket.closed

    @property
    def idle(self) -> bool:
        """Whether the client has taken everything that was sent."""
        return self._transport is not None and not self._transport.get_write_buffer_size()

    async def send(self, frame: ServerFrame) -> None:
        """Send a frame; a reader too slow for it, or gone, loses its connection."""
        if self.idle:
            self.write(frame)
            return
        self.counts.sent[type(frame)] += 1
        await self._send(encode(frame), WSMsgType.TEXT)

    async def pong(self, data: bytes) -> None:
        """Answer a WebSocket's own ping (RFC 6455, 5.5.3); a slow reader loses its connection here too."""
        await self._send(data, WSMsgType.PONG)

    async def _send(self, data: bytes, kind: WSMsgType) -> None:
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._socket.send_frame(data, kind)
        except TimeoutError:
            self.give_up()
        except (ClientError, ConnectionError):
            # It left; the reading task hears of it too and cleans up.
            return

    def write(self, frame: ServerFrame) -> None:
        """Send a frame without waiting, to a reader that is `idle`.

        Half of what a chunk costs would be the task to wait in, and its timer (docs/performance.md).
        """
        self.counts.sent[type(frame)] += 1
        sending = self._socket.send_frame(encode(frame), WSMsgType.TEXT)
        try:
            sending.send(None)
        except StopIteration:
            return
        except (ClientError, ConnectionError):
            # As above.
            return
        # All of it is in the buffer. What it would wait for now, the next `send` waits for.
        sending.close()

    async def close(self, code: Close) -> None:
        """Close the connection, politely if the client lets us."""
        if not self._socket.closed:
            self.closed_with = code
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._socket.close(code=code)
        except TimeoutError:
            self.abort()

    def give_up(self) -> None:
        """Drop the connection of a reader too slow for what it asked for."""
        logger.warning("connection.slow", extra={"close_code": Close.SLOW_READER.value})
        self.counts.drops[Drop.SLOW] += 1
        self.closed_with = Close.SLOW_READER
        self.abort()

    def abort(self) -> None:
        """Drop the connection at once."""
        if self._transport is not None:
            self._transport.abort()
