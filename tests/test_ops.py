"""What operators see of a process: its figures, its last turns, and the page that shows them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from gateway.chat.codes import Code
from gateway.chat.records import Spending
from gateway.chat.timeline import Ending, Timeline
from gateway.resources import static_folder
from gateway.web.counts import Counts
from gateway.web.keys import CACHE, COUNTS, DAY_NANO, LEDGER, SERVICE, STORE, TIMELINES
from gateway.web.ops import create_ops_app
from gateway.web.pages import HEADERS, add_pages
from gateway.web.timelines import KEPT, Timelines
from gateway.web.websocket import CONNECTIONS
from tests.fakes import FakeLedger
from tests.stage import stage
from tests.test_timelines import a_timeline

Client = TestClient[web.Request, web.Application]
Clients = Callable[..., Awaitable[Client]]


@pytest.fixture
async def app() -> AsyncIterator[web.Application]:
    """A gateway as the ops listener sees it, which nobody has asked anything yet."""
    async with stage() as s:
        app = web.Application()
        app[SERVICE], app[STORE], app[CACHE] = s.service, s.store, s.cache
        app[COUNTS], app[TIMELINES], app[CONNECTIONS] = Counts(), Timelines(), set()
        app[LEDGER], app[DAY_NANO] = FakeLedger(Spending("2026-11-20", 0, 0)), 50_000_000_000
        yield app


@pytest.fixture
async def client(app: web.Application, aiohttp_client: Clients) -> Client:
    """An operator."""
    return await aiohttp_client(create_ops_app(app))


async def get(client: Client, path: str) -> Any:
    """Return what is said at `path`."""
    async with client.get(path) as response:
        assert response.status == 200, await response.text()
        return await response.json()


def turn(**changes: Any) -> Timeline:
    """Return a turn that was answered, but for `changes`."""
    timeline = a_timeline()
    for name, value in changes.items():
        setattr(timeline, name, value)
    return timeline


async def test_nobody_came_yet(client: Client) -> None:
    """A process nobody has asked anything has figures all the same, and no latency."""
    figures = await get(client, "/figures")
    assert (figures["status"], figures["turns_running"], figures["answers_pending"]) == ("ok", 0, 0)
    assert (figures["first_chunk"], figures["outcomes"], figures["errors"]) == (None, {}, {})
    assert figures["connections"] == {"websocket": 0, "sse": 0}


async def test_latency(app: web.Application, client: Client) -> None:
    """Of a hundred first chunks, half came within the 50th, 95 within the 95th; none is made up."""
    for number in range(100, 0, -1):
        app[TIMELINES].turn_ended(turn(first_chunk=number / 100))
    app[TIMELINES].turn_ended(turn(first_chunk=None))
    latency = (await get(client, "/figures"))["first_chunk"]
    assert latency == {"turns": 100, "p50_ms": 500, "p95_ms": 950, "p99_ms": 990}


async def test_latency_of_one(app: web.Application, client: Client) -> None:
    """Of one turn every share is that turn."""
    app[TIMELINES].turn_ended(turn(first_chunk=0.25))
    latency = (await get(client, "/figures"))["first_chunk"]
    assert latency == {"turns": 1, "p50_ms": 250, "p95_ms": 250, "p99_ms": 250}


async def test_outcomes_and_errors(app: web.Application, client: Client) -> None:
    """How the last turns ended is counted, the most frequent first, and what readers were told."""
    for ending in (Ending.IDLE_TIMEOUT, Ending.OK, Ending.OK):
        app[TIMELINES].turn_ended(turn(ending=ending))
    app[COUNTS].errors[Code.STALLED] += 2
    figures = await get(client, "/figures")
    assert list(figures["outcomes"].items()) == [("ok", 2), ("idle_timeout", 1)]
    assert figures["errors"] == {"stalled": 2}


async def test_the_day(app: web.Application, client: Client) -> None:
    """Today's spending stands beside its cap."""
    app[LEDGER] = FakeLedger(Spending("2026-11-20", 1_250_000_000, 40_000_000))
    assert (await get(client, "/figures"))["day"] == {
        "day": "2026-11-20",
        "spent_usd": "1.25",
        "reserved_usd": "0.04",
        "cap_usd": "50.00",
    }


async def test_figures_without_postgres(app: web.Application, client: Client) -> None:
    """Without Postgres the day is not known; all else is."""
    app[LEDGER] = FakeLedger()
    figures = await get(client, "/figures")
    assert (figures["day"], figures["turns_running"]) == (None, 0)


async def test_figures_before_the_start(aiohttp_client: Clients) -> None:
    """A process that is starting has no figures yet."""
    client = await aiohttp_client(create_ops_app(web.Application()))
    async with client.get("/figures") as response:
        assert response.status == 503


async def test_the_last_turns(app: web.Application, client: Client) -> None:
    """Turns are listed, the latest first, as many as asked for and never more than are kept."""
    for number in range(60):
        app[TIMELINES].turn_ended(turn(trace_id=f"{number:032x}"))
    assert len(await get(client, "/traces")) == 50
    first, second = await get(client, "/traces?limit=2")
    assert (first["trace_id"], second["trace_id"]) == (f"{59:032x}", f"{58:032x}")
    assert len(await get(client, f"/traces?limit={KEPT * 10}")) == 60


@pytest.mark.parametrize("limit", ["x", "1.5", ""])
async def test_a_limit_that_is_none(client: Client, limit: str) -> None:
    """A limit that is no number is refused."""
    async with client.get("/traces", params={"limit": limit}) as response:
        assert response.status == 400


async def test_one_turn(app: web.Application, client: Client) -> None:
    """A turn is found by its trace, with all that happened to it and not a word of what was said."""
    timeline = turn()
    app[TIMELINES].turn_ended(timeline)
    (found,) = await get(client, f"/traces/{timeline.trace_id}")
    assert (found["turn_id"], found["outcome"]) == (str(timeline.turn_id), "ok")
    assert found["attempts"][0]["span_id"] == timeline.attempts[0].span_id
    assert {"question", "text", "messages"}.isdisjoint(found)


@pytest.mark.parametrize("trace_id", ["0" * 32, "none", "%00", "a" * 5000])
async def test_a_turn_nobody_knows(client: Client, trace_id: str) -> None:
    """Unknown, forgotten and malformed ids are told the same."""
    async with client.get(f"/traces/{trace_id}") as response, client.get("/traces/f") as other:
        assert (response.status, await response.text()) == (404, await other.text())


async def test_the_page(client: Client) -> None:
    """The operator's page and its files are there, under the headers that let nothing else in."""
    for path in ("/", "/static/ops/js/main.js", "/static/ops/ops.css", "/static/chat.css"):
        async with client.get(path) as response:
            assert response.status == 200, path
            assert {name: response.headers[name] for name in HEADERS} == HEADERS


async def test_not_for_the_public(aiohttp_client: Clients) -> None:
    """The chat's listener has none of the operator's files."""
    app = web.Application()
    add_pages(app, static=static_folder())
    client = await aiohttp_client(app)
    for path in ("/static/ops/index.html", "/static/ops/js/main.js", "/figures", "/traces"):
        async with client.get(path) as response:
            assert response.status == 404, path
