"""Errors over HTTP: problem details (RFC 9457) with the code they have on the WebSocket."""

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from math import ceil

import msgspec
from aiohttp import hdrs, web

from gateway.chat.codes import CATALOGUE, Code, Locale
from gateway.chat.errors import GatewayError, Internal
from gateway.chat.frames import Error
from gateway.chat.sessions import locale_of
from gateway.chat.trace import CURRENT, Trace
from gateway.chat.turn import refusal
from gateway.web.admissions import count_refusal
from gateway.web.keys import COUNTS

logger = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

STATUS = {
    Code.INVALID_FRAME: HTTPStatus.BAD_REQUEST,
    Code.EMPTY_MESSAGE: HTTPStatus.BAD_REQUEST,
    Code.MESSAGE_TOO_LONG: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Code.BUSY: HTTPStatus.CONFLICT,
    Code.RATE_LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
    Code.TOO_MANY_CONNECTIONS: HTTPStatus.TOO_MANY_REQUESTS,
    Code.OVERLOADED: HTTPStatus.SERVICE_UNAVAILABLE,
    Code.UNKNOWN_TURN: HTTPStatus.NOT_FOUND,
    Code.SESSION_NOT_FOUND: HTTPStatus.UNAUTHORIZED,
    Code.REPORT_NOT_FOUND: HTTPStatus.NOT_FOUND,
    Code.KEY_MISSING: HTTPStatus.SERVICE_UNAVAILABLE,
    Code.KEY_INVALID: HTTPStatus.BAD_GATEWAY,
    Code.COST_CAP_REACHED: HTTPStatus.PAYMENT_REQUIRED,
    Code.SESSION_BUDGET_REACHED: HTTPStatus.PAYMENT_REQUIRED,
    Code.DAILY_BUDGET_REACHED: HTTPStatus.PAYMENT_REQUIRED,
    Code.FIRST_CHUNK_TIMEOUT: HTTPStatus.GATEWAY_TIMEOUT,
    Code.STALLED: HTTPStatus.GATEWAY_TIMEOUT,
    Code.TURN_TIMEOUT: HTTPStatus.GATEWAY_TIMEOUT,
    Code.UPSTREAM_RATE_LIMITED: HTTPStatus.SERVICE_UNAVAILABLE,
    Code.UPSTREAM_UNAVAILABLE: HTTPStatus.BAD_GATEWAY,
    Code.UPSTREAM_TRUNCATED: HTTPStatus.BAD_GATEWAY,
    Code.UPSTREAM_REJECTED: HTTPStatus.BAD_GATEWAY,
    Code.QUOTA_EXHAUSTED: HTTPStatus.BAD_GATEWAY,
    Code.CONTEXT_TOO_LONG: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Code.STORAGE_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    Code.INTERRUPTED: HTTPStatus.SERVICE_UNAVAILABLE,
    Code.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
}
# What is refused before it is a call of ours, and so has no code of the protocol.
HTTP_CODES = {
    HTTPStatus.FORBIDDEN: "origin_not_allowed",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.REQUEST_TIMEOUT: "body_too_slow",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "body_too_large",
}
CONTENT_TYPE = "application/problem+json"


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error without a frame; `type` is about:blank, so `title` says what `code` means."""

    title: str
    status: int
    code: str
    retryable: bool = False
    retry_after_ms: int | None = None
    trace_id: str
    turn_id: str | None = None
    text: str | None = None


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer the gateway's errors as problems, and anything unforeseen as `internal`."""
    trace = Trace.start(request.headers.get("traceparent"))
    CURRENT.set(trace)
    try:
        return await handler(request)
    except web.HTTPException as error:
        count_refusal(request, error)
        if error.status not in HTTP_CODES or not request.path.startswith("/api/"):
            raise
        return _http_problem(error, trace_id=trace.trace_id)
    except GatewayError as error:
        count_refusal(request, error)
        frame = refusal(error, locale=locale_of_request(request), trace_id=trace.trace_id)
    except ConnectionError:
        # The client left midway; those to others are translated where they come in. Nobody will read this.
        return web.Response(status=HTTPStatus.BAD_REQUEST)
    except Exception:
        logger.exception("request.crashed")
        frame = refusal(Internal(), locale=locale_of_request(request), trace_id=trace.trace_id)
    request.app[COUNTS].errors[frame.code] += 1
    return problem(frame)


def problem(error: Error, *, text: str | None = None) -> web.Response:
    """Return an error frame as a response; `text` is what there is of the answer."""
    status = STATUS[error.code]
    response = json_response(
        Problem(
            title=error.message,
            status=status,
            code=error.code.value,
            retryable=CATALOGUE[error.code].retryable,
            retry_after_ms=error.retry_after_ms,
            trace_id=error.trace_id,
            turn_id=str(error.turn_id) if error.turn_id else None,
            text=text or None,
        ),
        status=status,
        content_type=CONTENT_TYPE,
    )
    if error.retry_after_ms is not None:
        response.headers[hdrs.RETRY_AFTER] = str(max(1, ceil(error.retry_after_ms / 1000)))
    return response


def _http_problem(error: web.HTTPException, *, trace_id: str) -> web.Response:
    status = HTTPStatus(error.status)
    response = json_response(
        Problem(title=status.phrase, status=status, code=HTTP_CODES[status], trace_id=trace_id),
        status=status,
        content_type=CONTENT_TYPE,
    )
    if hdrs.ALLOW in error.headers:
        response.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
    return response


def json_response(
    value: object, *, status: int = 200, content_type: str = "application/json"
) -> web.Response:
    """Return `value` as JSON."""
    return web.Response(
        body=msgspec.json.encode(value), status=status, content_type=content_type, charset="utf-8"
    )


def locale_of_request(request: web.Request) -> Locale:
    """Return the language of `Accept-Language`, as far as it is one of ours."""
    return locale_of(request.headers.get(hdrs.ACCEPT_LANGUAGE))
