"""One WebSocket connection: what the client says, and who answers it."""

import asyncio
import logging
from uuid import UUID

import msgspec
from aiohttp import WSMessage, WSMsgType, web

from gateway.chat.codes import Locale, Scope
from gateway.chat.errors import GatewayError, Internal, InvalidFrame, SessionNotFound
from gateway.chat.frames import (
    AnyClientFrame,
    Ask,
    Cancel,
    Error,
    Hello,
    Notice,
    Ping,
    Pong,
    Resume,
    parse,
)
from gateway.chat.live_session import LiveSession
from gateway.chat.service import ChatService
from gateway.chat.sessions import Sessions, locale_of
from gateway.chat.trace import CURRENT, Trace
from gateway.chat.turn import Turn, refusal
from gateway.web.counts import Drop
from gateway.web.outlet import Close, Outlet
from gateway.web.showing import Showing, Watch

logger = logging.getLogger(__name__)

# The protocol gives a client ten seconds to say who it is.
HELLO_SECONDS = 10.0
BAD_FRAMES = 3
# Of any kind, a WebSocket's own pings too. The page says one for each thing a person does, and some more when
# it comes back: ten a second, and a hundred at once, are far from what anybody means to say.
FRAMES_AT_ONCE = 100
FRAME_SECONDS = 0.1


class Connection:
    """Reads what one client says and shows it the turns of its session."""

    __slots__ = (
        "_address",
        "_bad",
        "_heard_until",
        "_locale",
        "_service",
        "_session",
        "_sessions",
        "_showing",
        "_socket",
        "_trace",
        "_traceparent",
        "outlet",
    )

    def __init__(
        self,
        socket: web.WebSocketResponse,
        *,
        outlet: Outlet,
        sessions: Sessions,
        service: ChatService,
        address: int,
        traceparent: str | None,
    ) -> None:
        self._socket = socket
        self.outlet = outlet
        self._showing = Showing(outlet)
        self._sessions = sessions
        self._service = service
        self._address = address
        self._traceparent = traceparent
        # The request's, which is the same: two strings less for each open page.
        self._trace = CURRENT.get() or Trace.start(traceparent)
        self._locale = Locale.KO
        self._session: LiveSession | None = None
        self._bad = 0
        # When there will have been time enough for all that the client has said so far.
        self._heard_until = 0.0

    async def run(self) -> None:
        """Serve the client until it leaves, or has to."""
        CURRENT.set(self._trace)
        try:
            until = asyncio.get_running_loop().time() + HELLO_SECONDS
            while self._session is None and not self._socket.closed:
                await self._receive(await self._heard_before(until))
            async for message in self._socket:
                await self._receive(message)
        except TimeoutError:
            await self.outlet.close(Close.NO_HELLO)
        finally:
            if self._session is not None:
                self._sessions.leave(self._session, viewer=self)
            await self._showing.close()

    def watch(self, turn: Turn) -> None:
        """Show `turn` from its start, unless it is being shown already."""
        if not self._showing.knows(turn):
            self._showing.add(Watch(turn))

    def notify(self, notice: Notice) -> None:
        """Show `notice` after what is being shown."""
        self._showing.add(notice)

    def dismiss(self) -> None:
        """Close the connection with 1012 once everything is shown."""
        self._showing.add(Close.RESTARTING)

    async def _receive(self, message: WSMessage) -> None:
        if self._is_flood():
            await self.outlet.close(Close.TOO_MANY_FRAMES)
            return
        if message.type is WSMsgType.PING:
            await self.outlet.pong(message.data)
            return
        if message.type is WSMsgType.BINARY:
            await self.outlet.close(Close.UNSUPPORTED)
            return
        if message.type is WSMsgType.ERROR and isinstance(message.data, TimeoutError):
            # It did not answer a ping: aiohttp says so in place of a message.
            self.outlet.counts.drops[Drop.NO_PONG] += 1
        if message.type is not WSMsgType.TEXT:
            return
        ask: UUID | None = None
        try:
            frame = parse(message.data)
            self.outlet.counts.received[type(frame)] += 1
            if isinstance(frame, Ask):
                ask = frame.id
            await self._handle(frame)
            self._bad = 0
        except InvalidFrame as error:
            self.outlet.counts.invalid += 1
            await self.outlet.send(self._refusal(error, ask=ask))
            self._bad += 1
            if self._bad == BAD_FRAMES:
                await self.outlet.close(Close.BAD_FRAMES)
        except GatewayError as error:
            self._bad = 0
            await self.outlet.send(self._refusal(error, ask=ask))
        except Exception:
            logger.exception("frame.crashed")
            await self.outlet.send(self._refusal(Internal(), ask=ask))

    async def _heard_before(self, until: float) -> WSMessage:
        # What the store needs for its answer is no silence of the client's.
        async with asyncio.timeout_at(until):
            return await self._socket.receive()

    def _is_flood(self) -> bool:
        now = asyncio.get_running_loop().time()
        self._heard_until = max(now, self._heard_until) + FRAME_SECONDS
        return self._heard_until - now > FRAMES_AT_ONCE * FRAME_SECONDS

    async def _handle(self, frame: AnyClientFrame) -> None:
        match frame:
            case Hello() if self._session is None:
                await self._enter(frame)
            case Ask() if self._session is not None:
                taken = self._service.handle_message(
                    self._session, frame, address=self._address, traceparent=self._traceparent
                )
                self._showing.add(Watch(taken.turn, duplicate=taken.duplicate))
            case Cancel() if self._session is not None:
                await self._service.cancel(self._session, frame.turn_id)
            case Resume() if self._session is not None:
                with self.outlet.counts.resuming():
                    turn = await self._service.find_turn(self._session, frame.turn_id)
                self._showing.add(Watch(turn, after=frame.after, resumed=True))
            case Ping() if self._session is not None:
                await self.outlet.send(Pong(id=frame.id))
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
            await self.outlet.send(self._refusal(error, scope=Scope.SESSION))
            if isinstance(error, SessionNotFound):
                await self.outlet.close(Close.UNKNOWN_SESSION)
            elif error.retryable:
                await self.outlet.close(Close.OVERLOADED)
            return
        await self.outlet.send(ready)

    def _refusal(
        self, error: GatewayError, *, ask: UUID | None = None, scope: Scope | None = None
    ) -> Error:
        self.outlet.counts.errors[error.code] += 1
        frame = refusal(error, locale=self._locale, trace_id=self._trace.trace_id, client_id=ask)
        return frame if scope is None else msgspec.structs.replace(frame, scope=scope)
