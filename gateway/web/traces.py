"""`GET /traces`: what happened to the last turns, one by one, without a word of what was said."""

import msgspec
from aiohttp import web

from gateway.web.keys import TIMELINES
from gateway.web.problems import json_response
from gateway.web.timelines import KEPT

SHOWN = 50


def add_traces(ops: web.Application, app: web.Application) -> None:
    """Serve the timelines of `app`."""

    async def traces(request: web.Request) -> web.Response:
        return json_response(app[TIMELINES].latest(limit=_limit(request)))

    async def trace(request: web.Request) -> web.Response:
        found = app[TIMELINES].find(request.match_info["trace_id"])
        if not found:
            # Unknown, forgotten or none at all: all the same to whoever asks.
            raise web.HTTPNotFound
        return json_response(found)

    ops.router.add_get("/traces", traces)
    ops.router.add_get("/traces/{trace_id}", trace)


def _limit(request: web.Request) -> int:
    try:
        limit = msgspec.convert(request.query.get("limit", SHOWN), int, strict=False)
    except msgspec.ValidationError:
        raise web.HTTPBadRequest from None
    return min(max(limit, 1), KEPT)
