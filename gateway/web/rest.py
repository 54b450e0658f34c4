"""The same turns without a WebSocket: sessions, messages, turns and their events over HTTP."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, TypeVar
from uuid import UUID

import msgspec
from aiohttp import hdrs, web

from gateway.chat.codes import Scope
from gateway.chat.errors import Internal, InvalidFrame, SessionNotFound, UnknownTurn
from gateway.chat.frames import (
    Ask,
    Delta,
    Done,
    Error,
    Hello,
    Name,
    Notice,
    Snapshot,
    Text,
    TurnFrame,
)
from gateway.chat.live_session import LiveSession
from gateway.chat.ports import Reports
from gateway.chat.turn import Turn
from gateway.web.admissions import EVENT_STREAM
from gateway.web.keys import COUNTS, SERVICE, SESSIONS
from gateway.web.limits import DOOR, check_origin
from gateway.web.problems import CONTENT_TYPE, json_response, locale_of_request, problem
from gateway.web.sse import send_events

REPORTS = web.AppKey("reports", Reports)
BEARER = "Bearer "
POSITION_DIGITS = 18
# The largest body is as large as a frame: a line that needs longer for it could not carry an answer.
BODY_SECONDS = 10.0

T = TypeVar("T")


class NewSession(msgspec.Struct, frozen=True):
    """The body of `POST /api/sessions`."""

    report_id: Name | None = None
    locale: Name | None = None


class NewMessage(msgspec.Struct, frozen=True):
    """The body of `POST /api/messages`."""

    id: UUID
    text: Text
    regenerate_of: UUID | None = None


class Page(msgspec.Struct, frozen=True):
    """The query of `GET /api/messages`; with `before` it goes back instead of on."""

    after: Annotated[int, msgspec.Meta(ge=0)] = 0
    # 0 where it is left out: with None, a query could say `null`.
    before: Annotated[int, msgspec.Meta(ge=1)] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 50


class Position(msgspec.Struct, frozen=True):
    """The query of `GET /api/turns/{turn_id}/events`."""

    after: Annotated[int, msgspec.Meta(ge=0)] = 0


class _Reader:
    """Somebody on HTTP: sees the one turn it asked for."""

    def watch(self, turn: Turn) -> None:
        """Nothing: other turns have calls of their own."""

    def notify(self, notice: Notice) -> None:
        """Nothing: there is no place for it."""


async def list_reports(request: web.Request) -> web.Response:
    """Return every report, newest first."""
    return json_response(await request.app[REPORTS].reports())


async def get_report(request: web.Request) -> web.Response:
    """Return one report."""
    return json_response(await request.app[REPORTS].report(request.match_info["id"]))


async def create_session(request: web.Request) -> web.Response:
    """Open a session and return its `ready`."""
    check_origin(request)
    wish = _decode(await _body(request) or b"{}", NewSession)
    hello = Hello(report_id=wish.report_id, locale=wish.locale or locale_of_request(request))
    return await _greet(request, hello, status=201)


async def get_session(request: web.Request) -> web.Response:
    """Return the `ready` of the session."""
    hello = Hello(session=_token(request), locale=locale_of_request(request))
    return await _greet(request, hello, status=200)


async def get_messages(request: web.Request) -> web.Response:
    """Return stored turns, oldest first."""
    page = _query(request, Page)
    async with _attending(request) as session:
        sessions = request.app[SESSIONS]
        if page.before:
            turns = await sessions.turns_before(session, number=page.before, limit=page.limit)
        else:
            turns = await sessions.turns_after(session, number=page.after, limit=page.limit)
    return json_response(turns)


async def post_message(request: web.Request) -> web.StreamResponse:
    """Ask; answered with the turn's frames as they come, or with the whole answer."""
    check_origin(request)
    # From before the body: one that never ends keeps a connection as well.
    with request.app[DOOR].inside(request) as address:
        message = _decode(await _body(request), NewMessage)
        ask = Ask(id=message.id, text=message.text, regenerate_of=message.regenerate_of)
        async with _attending(request) as session:
            taken = request.app[SERVICE].handle_message(
                session, ask, address=address, traceparent=request.headers.get("traceparent")
            )
            turn, frames = taken.turn, _from_start(taken.turn, duplicate=taken.duplicate)
            streams = EVENT_STREAM in request.headers.get(hdrs.ACCEPT, "")
            if streams and not await _is_refused(turn):
                return await send_events(request, frames, turn_id=turn.id, after=0)
            return await _whole(frames)


async def get_turn(request: web.Request) -> web.Response:
    """Return a turn's state and its text so far."""
    async with _attending(request) as session:
        return json_response(await request.app[SERVICE].view_turn(session, _turn_id(request)))


async def get_events(request: web.Request) -> web.StreamResponse:
    """Follow a turn from `Last-Event-ID`, or from `after`."""
    turn_id = _turn_id(request)
    after = _last_position(request, turn_id)
    if after is None:
        after = _query(request, Position).after
    with request.app[DOOR].inside(request):
        async with _attending(request) as session:
            counts = request.app[COUNTS]
            with counts.resuming():
                turn = await request.app[SERVICE].find_turn(session, turn_id)
            counts.resumed(whole=not turn.holds(after))
            return await send_events(request, turn.follow(after), turn_id=turn_id, after=after)


async def delete_turn(request: web.Request) -> web.Response:
    """Stop a turn."""
    check_origin(request)
    async with _attending(request) as session:
        await request.app[SERVICE].cancel(session, _turn_id(request))
    return web.Response(status=204)


def add_rest(app: web.Application, *, enabled: bool) -> None:
    """Serve the calls, or say of each that it is disabled; `REPORTS` is to be set before the start ends."""
    for method, path, handler in (
        ("GET", "/api/reports", list_reports),
        ("GET", "/api/reports/{id}", get_report),
        ("POST", "/api/sessions", create_session),
        ("GET", "/api/session", get_session),
        ("GET", "/api/messages", get_messages),
        ("POST", "/api/messages", post_message),
        ("GET", "/api/turns/{turn_id}", get_turn),
        ("DELETE", "/api/turns/{turn_id}", delete_turn),
        ("GET", "/api/turns/{turn_id}/events", get_events),
    ):
        app.router.add_route(method, path, handler if enabled else _disabled)


async def _disabled(_request: web.Request) -> web.Response:
    return json_response(
        {"title": "Use the WebSocket at /ws.", "status": 501, "code": "rest_disabled"},
        status=501,
        content_type=CONTENT_TYPE,
    )


async def _greet(request: web.Request, hello: Hello, *, status: int) -> web.Response:
    reader = _Reader()
    sessions = request.app[SESSIONS]
    session, ready = await sessions.enter(hello, viewer=reader)
    sessions.leave(session, viewer=reader)
    return json_response(ready, status=status)


@asynccontextmanager
async def _attending(request: web.Request) -> AsyncIterator[LiveSession]:
    reader = _Reader()
    sessions = request.app[SESSIONS]
    locale = locale_of_request(request)
    session = await sessions.attend(_token(request), locale=locale, viewer=reader)
    try:
        yield session
    finally:
        sessions.leave(session, viewer=reader)


async def _is_refused(turn: Turn) -> bool:
    """Return whether a question was not even taken: then a status says more than a stream."""
    if await turn.accepted() is not None:
        return False
    return isinstance(turn.end, Error) and turn.end.scope is Scope.FRAME


async def _from_start(turn: Turn, *, duplicate: bool) -> AsyncGenerator[TurnFrame, None]:
    accept = await turn.accepted(duplicate=duplicate)
    if accept is not None:
        yield accept
    async for frame in turn.follow():
        yield frame


async def _whole(frames: AsyncGenerator[TurnFrame, None]) -> web.Response:
    text = ""
    async for frame in frames:
        match frame:
            case Delta():
                text += frame.text
            case Snapshot():
                text = frame.text
            case Error():
                return problem(frame, text=text)
            case Done():
                return json_response({**msgspec.to_builtins(frame), "text": text})
    raise Internal


def _token(request: web.Request) -> str:
    value = request.headers.get(hdrs.AUTHORIZATION, "")
    # Our tokens are ASCII; of what is not, some cannot even be hashed.
    if not value.startswith(BEARER) or not value.isascii():
        raise SessionNotFound
    return value.removeprefix(BEARER)


def _turn_id(request: web.Request) -> UUID:
    try:
        return UUID(request.match_info["turn_id"])
    except ValueError:
        raise UnknownTurn from None


def _last_position(request: web.Request, turn_id: UUID) -> int | None:
    turn, _, position = request.headers.get("Last-Event-ID", "").rpartition(":")
    # Longer is none that we gave out, and past a limit Python refuses to count (CVE-2020-10735).
    if turn == str(turn_id) and position.isdecimal() and len(position) <= POSITION_DIGITS:
        return int(position)
    return None


async def _body(request: web.Request) -> bytes:
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout from None
    except web.RequestPayloadError:
        raise InvalidFrame from None


def _decode(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise InvalidFrame from None


def _query(request: web.Request, kind: type[T]) -> T:
    try:
        return msgspec.convert(dict(request.query), type=kind, strict=False)
    except msgspec.ValidationError:
        raise InvalidFrame from None
