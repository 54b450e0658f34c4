"""Count who was not let in, and why."""

from aiohttp import hdrs, web

from gateway.chat.errors import Interrupted, Overloaded, TooManyConnections
from gateway.web.counts import Admission, Transport
from gateway.web.keys import COUNTS

EVENT_STREAM = "text/event-stream"
REFUSALS: dict[type[Exception], Admission] = {
    web.HTTPForbidden: Admission.ORIGIN,
    web.HTTPBadRequest: Admission.BAD_REQUEST,
    Interrupted: Admission.DRAINING,
    Overloaded: Admission.LIMIT,
    TooManyConnections: Admission.LIMIT,
}


def count_refusal(request: web.Request, error: Exception) -> None:
    """Count a request for a connection that ended with `error` instead; other requests are none."""
    transport, result = _transport(request), REFUSALS.get(type(error))
    if transport is not None and result is not None:
        request.app[COUNTS].admissions[transport, result] += 1


def _transport(request: web.Request) -> Transport | None:
    if request.path == "/ws":
        return Transport.WEBSOCKET
    return Transport.SSE if EVENT_STREAM in request.headers.get(hdrs.ACCEPT, "") else None
