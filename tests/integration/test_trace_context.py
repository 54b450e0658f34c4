"""One trace from the caller to the model: W3C trace context at every place that names a turn."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from gateway.backends.store import PostgresStore
from gateway.chat.frames import SUBPROTOCOL
from gateway.dev.embedded_server import EmbeddedServer
from gateway.dev.faults import Fault
from tests.builders import TRACE_ID, TRACEPARENT
from tests.chat_client import ChatClient, Frame
from tests.http_client import HttpClient
from tests.integration.helpers import REPORT, question
from tests.integration.money import faults, seen_of
from tests.running_gateway import RunningGateway, running_gateway

# Other than the W3C's form, or all zero: what says so names no trace.
MALFORMED = (
    "00-zz",
    TRACEPARENT.upper(),
    f"{TRACEPARENT}-00",
    f"ff{TRACEPARENT[2:]}",
    f"00-{'0' * 32}-b7ad6b7169203331-01",
    f"00-{TRACE_ID}-{'0' * 16}-01",
)


@pytest.fixture
async def gateway(store: PostgresStore, postgres: EmbeddedServer) -> AsyncIterator[RunningGateway]:
    """A gateway with a report."""
    await store.import_reports([REPORT])
    async with running_gateway(database=postgres.url) as gateway:
        yield gateway


@asynccontextmanager
async def connected(
    gateway: RunningGateway, *, header: str | None = None, **hello: object
) -> AsyncIterator[ChatClient]:
    """Connect with `traceparent` in the upgrade's head, in `hello`, or in neither."""
    headers = {} if header is None else {"traceparent": header}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.ws_connect(f"{gateway.url}/ws", protocols=(SUBPROTOCOL,)) as socket,
    ):
        client = ChatClient(socket)
        await client.send(type="hello", **hello)
        client.ready = await client.receive()
        yield client


async def end(gateway: RunningGateway, **how: Any) -> Frame:
    """Ask one question and return the frame that ends its turn."""
    async with connected(gateway, **how) as client:
        return (await client.ask(question()))[-1]


async def traces(gateway: RunningGateway, trace_id: str) -> list[Frame]:
    """Return what operators are told of a trace."""
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{gateway.ops_url}/traces/{trace_id}") as response,
    ):
        assert response.status == 200
        found: list[Frame] = await response.json()
        return found


@pytest.mark.parametrize("how", [{"header": TRACEPARENT}, {"traceparent": TRACEPARENT}])
async def test_the_callers_trace_goes_on(gateway: RunningGateway, how: dict[str, str]) -> None:
    """A trace of the upgrade or of `hello` is that of the turn, of its request, and of its timeline."""
    done = await end(gateway, **how)
    assert (done["type"], done["trace_id"]) == ("done", TRACE_ID)
    (seen,) = seen_of(gateway, TRACE_ID)
    (turn,) = await traces(gateway, TRACE_ID)
    assert turn["turn_id"] == done["turn_id"]
    span_id = turn["attempts"][0]["span_id"]
    assert seen.traceparent == seen.client_request_id == f"00-{TRACE_ID}-{span_id}-01"
    assert span_id not in TRACEPARENT


async def test_the_callers_trace_goes_on_over_http(gateway: RunningGateway) -> None:
    """A trace of a call is that of the turn it asks for."""
    async with HttpClient.connect(gateway.url) as client:
        _, done = await client.call(
            "POST",
            "/api/messages",
            json={"id": str(uuid4()), "text": question()},
            headers={"traceparent": TRACEPARENT},
        )
    assert (done["type"], done["trace_id"]) == ("done", TRACE_ID)
    assert len(await traces(gateway, TRACE_ID)) == 1


@pytest.mark.parametrize("place", ["header", "traceparent"])
@pytest.mark.parametrize("malformed", MALFORMED)
async def test_what_is_no_trace_is_not_taken(
    gateway: RunningGateway, place: str, malformed: str
) -> None:
    """What is not well formed begins a trace of our own, and goes nowhere."""
    done = await end(gateway, **{place: malformed})
    assert done["type"] == "done"
    assert done["trace_id"] not in (TRACE_ID, "0" * 32)
    (seen,) = seen_of(gateway, done["trace_id"])
    assert TRACE_ID not in str(seen.traceparent)


async def test_each_request_is_a_span(gateway: RunningGateway) -> None:
    """A retry is another span of the same trace, under an id of its own at OpenAI."""
    async with faults(gateway, Fault.SERVER_ERROR_ONCE, times=1):
        done = await end(gateway, traceparent=TRACEPARENT)
    first, second = seen_of(gateway, TRACE_ID)
    assert (done["type"], first.fault) == ("done", Fault.SERVER_ERROR_ONCE)
    assert first.client_request_id != second.client_request_id
    (turn,) = await traces(gateway, TRACE_ID)
    assert [attempt["result"] for attempt in turn["attempts"]] == ["5xx", "ok"]


async def test_every_error_names_its_trace(gateway: RunningGateway) -> None:
    """An error of a session, of a frame and of a turn each carry the trace."""
    async with connected(gateway, traceparent=TRACEPARENT, report_id="none") as client:
        session_error = client.ready
    async with connected(gateway, traceparent=TRACEPARENT) as client:
        await client.send(type="message", id=str(uuid4()), text=" ")
        frame_error = await client.receive()
        async with faults(gateway, Fault.EOF, times=1):
            turn_error = (await client.ask(question()))[-1]
    errors = (session_error, frame_error, turn_error)
    assert [error["scope"] for error in errors] == ["session", "frame", "turn"]
    assert {error["trace_id"] for error in errors} == {TRACE_ID}
    assert [turn["outcome"] for turn in await traces(gateway, TRACE_ID)] == ["upstream_truncated"]


async def test_every_line_of_a_turn_names_its_trace(gateway: RunningGateway, run_log: Path) -> None:
    """All that is logged of a turn, also of its requests, carries its trace."""
    before = len(run_log.read_bytes())
    async with faults(gateway, Fault.SERVER_ERROR_ONCE, times=1):
        done = await end(gateway)
    lines = [json.loads(line) for line in run_log.read_bytes()[before:].splitlines()]
    told = [line for line in lines if line["event"].startswith(("turn.", "upstream."))]
    events = {line["event"] for line in told}
    assert events == {"upstream.refused", "upstream.retry", "turn.ended"}
    assert {line["trace_id"] for line in told} == {done["trace_id"]}
