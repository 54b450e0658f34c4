"""`GET /figures`: how this process does just now, in numbers, for the operator's page."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from math import ceil

import msgspec
from aiohttp import web

from gateway import __version__
from gateway.chat.codes import Code
from gateway.chat.errors import GatewayError
from gateway.chat.pricing import usd
from gateway.chat.timeline import Ending
from gateway.web.counts import Transport
from gateway.web.keys import COUNTS, DAY_NANO, LEDGER, SERVICE, TIMELINES
from gateway.web.problems import json_response
from gateway.web.readiness import STORE_SECONDS, Status, look
from gateway.web.websocket import CONNECTIONS


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds that half, 95 and 99 of a hundred turns stayed within, of so many turns."""

    turns: int
    p50_ms: int
    p95_ms: int
    p99_ms: int


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """Today's budget (UTC), of all processes together: decimal dollars."""

    day: str
    spent_usd: str
    reserved_usd: str
    cap_usd: str


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The present, sums over the last thousand turns, and the errors readers were told since the start.

    `day` is None while Postgres is away.
    """

    at: datetime
    version: str
    status: Status
    connections: dict[Transport, int]
    turns_running: int
    answers_pending: int
    day: Day | None
    first_chunk: Latency | None
    outcomes: dict[Ending, int]
    errors: dict[Code, int]


def add_figures(ops: web.Application, app: web.Application) -> None:
    """Serve the figures of `app`."""

    async def figures(_request: web.Request) -> web.Response:
        if SERVICE not in app:
            raise web.HTTPServiceUnavailable
        return json_response(await _figures(app))

    ops.router.add_get("/figures", figures)


async def _figures(app: web.Application) -> Figures:
    timelines, service, counts = app[TIMELINES], app[SERVICE], app[COUNTS]
    turns = list(timelines)
    # At once, because either waits for a Postgres that does not answer.
    readiness, day = await asyncio.gather(look(app), _day(app))
    return Figures(
        at=datetime.now(UTC),
        version=__version__,
        status=readiness.status,
        connections={
            Transport.WEBSOCKET: len(app[CONNECTIONS]),
            Transport.SSE: counts.streams,
        },
        turns_running=service.running,
        answers_pending=service.pending,
        day=day,
        first_chunk=_latency([t.first_chunk for t in turns if t.first_chunk is not None]),
        outcomes=dict(Counter(t.ending for t in turns if t.ending is not None).most_common()),
        errors={code: count for code, count in counts.errors.items() if count},
    )


async def _day(app: web.Application) -> Day | None:
    try:
        async with asyncio.timeout(STORE_SECONDS):
            spending = await app[LEDGER].today()
    except (GatewayError, TimeoutError):
        return None
    return Day(
        day=spending.name,
        spent_usd=usd(spending.spent_nano),
        reserved_usd=usd(spending.reserved_nano),
        cap_usd=usd(app[DAY_NANO]),
    )


def _latency(seconds: Sequence[float]) -> Latency | None:
    if not seconds:
        return None
    ordered = sorted(seconds)
    # The nearest rank: a time that really was, not one between two.
    p50, p95, p99 = (
        int(ordered[ceil(percent * len(ordered) / 100) - 1] * 1000) for percent in (50, 95, 99)
    )
    return Latency(turns=len(ordered), p50_ms=p50, p95_ms=p95, p99_ms=p99)
