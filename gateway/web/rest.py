"""The HTTP side: reports for the page's picker, and whether the gateway is up."""

import logging
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from gateway.chat.errors import GatewayError, Internal, ReportNotFound, SessionNotFound
from gateway.chat.ports import Reports
from gateway.chat.sessions import locale_of
from gateway.chat.trace import CURRENT, Trace

logger = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
REPORTS = web.AppKey("reports", Reports)
NOT_FOUND = (ReportNotFound, SessionNotFound)


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """An error as RFC 9457 problem details, with the code it has on the WebSocket."""

    title: str
    status: int
    code: str
    trace_id: str


async def list_reports(request: web.Request) -> web.Response:
    """Return every report, newest first."""
    return _json(await request.app[REPORTS].reports())


async def get_report(request: web.Request) -> web.Response:
    """Return one report."""
    return _json(await request.app[REPORTS].report(request.match_info["id"]))


async def health(_request: web.Request) -> web.Response:
    """Say that the process answers."""
    return _json({"status": "ok"})


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer the gateway's errors as problem details, and anything unforeseen as `internal`."""
    try:
        return await handler(request)
    except GatewayError as error:
        return _problem(request, error)
    except web.HTTPException:
        raise
    except Exception:
        logger.exception("request.crashed")
        return _problem(request, Internal())


def add_rest(app: web.Application) -> None:
    """Serve the HTTP calls; `REPORTS` is to be set before the start ends."""
    app.middlewares.append(problems)
    app.router.add_get("/api/reports", list_reports)
    app.router.add_get("/api/reports/{id}", get_report)
    app.router.add_get("/health", health)


def _problem(request: web.Request, error: GatewayError) -> web.Response:
    if isinstance(error, NOT_FOUND):
        status = 404
    else:
        status = 503 if error.retryable else 400
    trace = CURRENT.get() or Trace.start(request.headers.get("traceparent"))
    locale = locale_of(request.headers.get("Accept-Language"))
    problem = Problem(
        title=error.message(locale), status=status, code=error.code.value, trace_id=trace.trace_id
    )
    return _json(problem, status=status, content_type="application/problem+json")


def _json(
    value: object, *, status: int = 200, content_type: str = "application/json"
) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(value), status=status, content_type=content_type, charset="utf-8"
    )
