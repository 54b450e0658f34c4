"""One WebSocket connection: a task that reads frames, and one that follows answers while there are any."""

import asyncio
import logging
from contextlib import aclosing
from enum import IntEnum, unique
from uuid import UUID

import msgspec
from aiohttp import ClientError, WSMessage, WSMsgType, web

from gateway.chat.codes import Locale, Scope
from gateway.chat.errors import GatewayError, Internal, InvalidFrame, SessionNotFound
from gateway.chat.frames import (
    AnyClientFrame,
    Ask,
    Cancel,
    Delta,
    Error,
    Hello,
    Notice,
    Ping,
    Pong,
    Resume,
    ServerFrame,
    Snapshot,
    encode,
    parse,
)
from gateway.chat.live_session import LiveSession
from gateway.chat.service import ChatService
from gateway.chat.sessions import Sessions, locale_of
from gateway.chat.trace import CURRENT, Trace
from gateway.chat.turn import Turn, refusal

logger = logging.getLogger(__name__)

# The protocol gives a client ten seconds to say who it is.
HELLO_SECONDS = 10.0
# A reader that takes nothing for this long is stalled; its socket is aborted, because neither close() nor a
# missed heartbeat would free a blocked send (aiohttp#2309).
SEND_SECONDS = 8.0
# close() waits for a stalled reader without end (aiohttp#1002).
CLOSE_SECONDS = 2.0
BAD_FRAMES = 3


@unique
class Close(IntEnum):
    """Close codes: 4000 to 4499 invite to come back, 4500 to 4999 do not (docs/protocol.md)."""

    OK = 1000
    UNSUPPORTED = 1003
    RESTARTING = 1012
    OVERLOADED = 1013
    SLOW_READER = 4000
    BAD_FRAMES = 4500
    UNKNOWN_SESSION = 4502
    SUBPROTOCOL = 4506
    NO_HELLO = 4508


class _Watch:
    """A turn to show, from where, and whether its start is to be told."""

    __slots__ = ("after", "duplicate", "resumed", "turn")

    def __init__(
        self, turn: Turn, *, after: int = 0, resumed: bool = False, duplicate: bool = False
    ) -> None:
        self.turn = turn
        self.after = after
        self.resumed = resumed
        self.duplicate = duplicate


class Connection:
    """Reads what one client says and shows it the turns of its session."""

    __slots__ = (
        "_bad",
        "_follower",
        "_following",
        "_locale",
        "_position",
        "_queue",
        "_service",
        "_session",
        "_sessions",
        "_socket",
        "_trace",
        "_traceparent",
        "_transport",
    )

    def __init__(
        self,
        socket: web.WebSocketResponse,
        *,
        transport: asyncio.Transport | None,
        sessions: Sessions,
        service: ChatService,
        traceparent: str | None,
    ) -> None:
        self._socket = socket
        self._transport = transport
        self._sessions = sessions
        self._service = service
        self._traceparent = traceparent
        self._trace = Trace.start(traceparent)
        self._locale = Locale.KO
        self._session: LiveSession | None = None
        self._bad = 0
        self._queue: list[_Watch | Notice | Close] = []
        self._following: Turn | None = None
        self._position = 0
        self._follower: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Serve the client until it leaves, or has to."""
        CURRENT.set(self._trace)
        try:
            async with asyncio.timeout(HELLO_SECONDS) as hello:
                async for message in self._socket:
                    await self._receive(message)
                    if self._session is not None and hello.when() is not None:
                        hello.reschedule(None)
        except TimeoutError:
            await self.close(Close.NO_HELLO)
        finally:
            if self._session is not None:
                self._sessions.leave(self._session, viewer=self)
            if self._follower is not None:
                self._follower.cancel()
                await asyncio.gather(self._follower, return_exceptions=True)

    def watch(self, turn: Turn) -> None:
        """Follow `turn` from its start, unless it is being followed already."""
        queued = [w.turn for w in self._queue if isinstance(w, _Watch)]
        if not any(_is_same(turn, other) for other in (self._following, *queued)):
            self._enqueue(_Watch(turn))

    def notify(self, notice: Notice) -> None:
        """Show `notice` after what is being shown."""
        self._enqueue(notice)

    def dismiss(self) -> None:
        """Close the connection with 1012 once everything is shown."""
        self._enqueue(Close.RESTARTING)

    async def send(self, frame: ServerFrame) -> None:
        """Send a frame; a reader too slow for it, or gone, loses its connection."""
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._socket.send_frame(encode(frame), WSMsgType.TEXT)
        except TimeoutError:
            logger.warning("connection.slow", extra={"close_code": Close.SLOW_READER.value})
            self._abort()
        except (ClientError, ConnectionError):
            # It left; the reading task hears of it too and cleans up.
            return

    async def close(self, code: Close) -> None:
        """Close the connection, politely if the client lets us."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._socket.close(code=code)
        except TimeoutError:
            self._abort()

    async def _receive(self, message: WSMessage) -> None:
        if message.type is WSMsgType.BINARY:
            await self.close(Close.UNSUPPORTED)
            return
        if message.type is not WSMsgType.TEXT:
            return
        ask: UUID | None = None
        try:
            frame = parse(message.data)
            if isinstance(frame, Ask):
                ask = frame.id
            await self._handle(frame)
            self._bad = 0
        except InvalidFrame as error:
            await self.send(self._refusal(error, ask=ask))
            self._bad += 1
            if self._bad == BAD_FRAMES:
                await self.close(Close.BAD_FRAMES)
        except GatewayError as error:
            self._bad = 0
            await self.send(self._refusal(error, ask=ask))
        except Exception:
            logger.exception("frame.crashed")
            await self.send(self._refusal(Internal(), ask=ask))

    async def _handle(self, frame: AnyClientFrame) -> None:
        match frame:
            case Hello() if self._session is None:
                await self._enter(frame)
            case Ask() if self._session is not None:
                taken = self._service.handle_message(
                    self._session, frame, traceparent=self._traceparent
                )
                self._enqueue(_Watch(taken.turn, duplicate=taken.duplicate))
            case Cancel() if self._session is not None:
                await self._service.cancel(self._session, frame.turn_id)
            case Resume() if self._session is not None:
                turn = await self._service.find_turn(self._session, frame.turn_id)
                self._enqueue(_Watch(turn, after=frame.after, resumed=True))
            case Ping() if self._session is not None:
                await self.send(Pong(id=frame.id))
            case _:
                # A second hello, or anything before the first.
                raise InvalidFrame

    async def _enter(self, hello: Hello) -> None:
        self._locale = locale_of(hello.locale)
        if hello.traceparent is not None:
            self._traceparent = hello.traceparent
            self._trace = Trace.start(hello.traceparent)
            CURRENT.set(self._trace)
        try:
            self._session, ready = await self._sessions.enter(hello, viewer=self)
        except GatewayError as error:
            await self.send(self._refusal(error, scope=Scope.SESSION))
            if isinstance(error, SessionNotFound):
                await self.close(Close.UNKNOWN_SESSION)
            elif error.retryable:
                await self.close(Close.OVERLOADED)
            return
        await self.send(ready)

    def _enqueue(self, watch: _Watch | Notice | Close) -> None:
        previous = self._follower
        if (
            previous is not None
            and isinstance(watch, _Watch)
            and _is_same(watch.turn, self._following)
        ):
            # Asked for again: begin anew where the client says it is, or where it was.
            if not watch.resumed:
                watch.after = self._position
            previous.cancel()
            self._queue.insert(0, watch)
            self._follower = asyncio.create_task(self._follow(previous), name="follow")
            return
        self._queue.append(watch)
        if previous is None or previous.done():
            self._follower = asyncio.create_task(self._follow(None), name="follow")

    async def _follow(self, previous: asyncio.Task[None] | None) -> None:
        if previous is not None:
            await asyncio.gather(previous, return_exceptions=True)
        while self._queue:
            watch = self._queue.pop(0)
            if isinstance(watch, Notice):
                await self.send(watch)
                continue
            if isinstance(watch, Close):
                await self.close(watch)
                continue
            self._following = watch.turn
            try:
                await self._show(watch)
            except Exception:
                logger.exception("follow.crashed")
            finally:
                self._following = None

    async def _show(self, watch: _Watch) -> None:
        self._position = watch.after
        if not watch.resumed:
            accept = await watch.turn.accepted(duplicate=watch.duplicate)
            if accept is not None:
                await self.send(accept)
        async with aclosing(watch.turn.follow(watch.after)) as frames:
            async for frame in frames:
                if isinstance(frame, Delta | Snapshot):
                    self._position = frame.to
                await self.send(frame)
                if self._socket.closed:
                    return

    def _refusal(
        self, error: GatewayError, *, ask: UUID | None = None, scope: Scope | None = None
    ) -> Error:
        frame = refusal(error, locale=self._locale, trace_id=self._trace.trace_id, client_id=ask)
        return frame if scope is None else msgspec.structs.replace(frame, scope=scope)

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def _is_same(turn: Turn, other: Turn | None) -> bool:
    # Not by identity, nor by turn id: a question that came to two processes at once is a turn in each,
    # of which one turns out to stand for the other.
    return other is not None and turn.client_id == other.client_id
