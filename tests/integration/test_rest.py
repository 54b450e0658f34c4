"""The HTTP side: every call, what it refuses, and how it says so."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from gateway.backends.postgres import Database
from gateway.backends.store import PostgresStore
from gateway.dev.embedded_server import EmbeddedServer
from tests.chat_client import ChatClient
from tests.http_client import HttpClient
from tests.integration.helpers import REPORT, begun, question, stored_turns, without
from tests.running_gateway import RunningGateway, running_gateway

PROBLEM = "application/problem+json"
CALLS = [
    ("GET", "/api/reports"),
    ("GET", "/api/reports/saesol"),
    ("POST", "/api/sessions"),
    ("GET", "/api/session"),
    ("GET", "/api/messages"),
    ("POST", "/api/messages"),
    ("GET", f"/api/turns/{uuid4()}"),
    ("DELETE", f"/api/turns/{uuid4()}"),
    ("GET", f"/api/turns/{uuid4()}/events"),
]
# All but those that need no session.
WITH_SESSION = CALLS[3:]
BODIES = {"POST": {"json": {"id": str(uuid4()), "text": "Why?"}}}


@pytest.fixture
async def gateway(store: PostgresStore, postgres: EmbeddedServer) -> AsyncIterator[RunningGateway]:
    """A gateway with a report."""
    await store.import_reports([REPORT])
    async with running_gateway(database=postgres.url) as gateway:
        yield gateway


@pytest.fixture
async def client(gateway: RunningGateway) -> AsyncIterator[HttpClient]:
    """Somebody with a session about the report."""
    async with HttpClient.connect(gateway.url, report_id=REPORT.id, locale="en") as client:
        yield client


async def raw(gateway: RunningGateway, method: str, path: str, **how: Any) -> tuple[Any, ...]:
    """Call without a session; returns status, content type and body."""
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, f"{gateway.url}{path}", **how) as response,
    ):
        text = await response.text()
        return response.status, response.content_type, json.loads(text) if text else None


async def test_reports(gateway: RunningGateway) -> None:
    """Reports are listed, and each can be had by itself."""
    status, _, reports = await raw(gateway, "GET", "/api/reports")
    assert (status, [report["id"] for report in reports]) == (200, [REPORT.id])
    status, _, report = await raw(gateway, "GET", f"/api/reports/{REPORT.id}")
    assert (status, report["headline"]) == (200, REPORT.headline)


async def test_an_unknown_report(gateway: RunningGateway) -> None:
    """A report that is not there is a problem, alone and in a new session."""
    status, kind, problem = await raw(gateway, "GET", "/api/reports/none")
    assert (status, kind, problem["code"]) == (404, PROBLEM, "report_not_found")
    status, kind, again = await raw(gateway, "POST", "/api/sessions", json={"report_id": "none"})
    assert (status, kind, again["code"]) == (404, PROBLEM, "report_not_found")


async def test_a_session(client: HttpClient) -> None:
    """A session is opened with the `ready` that it is greeted with later."""
    assert client.ready["type"] == "ready"
    assert client.ready["report"]["id"] == REPORT.id
    assert await client.call("GET", "/api/session") == (200, client.ready)


async def test_a_session_without_a_body(gateway: RunningGateway) -> None:
    """A session about no report needs no body."""
    status, _, ready = await raw(gateway, "POST", "/api/sessions")
    assert (status, ready["report"]) == (201, None)


async def test_a_session_of_the_socket(gateway: RunningGateway) -> None:
    """A session opened over a WebSocket is the same one over HTTP."""
    async with ChatClient.connect(gateway.url, report_id=REPORT.id) as opened:
        token = opened.ready["session"]
        async with HttpClient.connect(gateway.url, session=token) as client:
            assert client.ready == opened.ready


async def test_a_whole_answer(client: HttpClient, database: Database) -> None:
    """Who waits is given the text and the fields of `done`; the same id again is the same answer."""
    client_id = str(uuid4())
    status, answer = await client.ask(question(), id=client_id)
    assert (status, answer["type"], answer["finish_reason"]) == (200, "done", "stop")
    assert answer["text"] != ""
    assert await client.ask(question(), id=client_id) == (200, answer)
    assert await stored_turns(database) == 1


async def test_messages(client: HttpClient) -> None:
    """Stored turns can be had page by page, forward and back, oldest first."""
    for number in (1, 2, 3):
        await client.ask(question(number))
    _, turns = await client.call("GET", "/api/messages")
    assert [turn["question"] for turn in turns] == [question(n) for n in (1, 2, 3)]
    _, page = await client.call("GET", "/api/messages", params={"after": 1, "limit": 1})
    assert page == turns[1:2]
    assert await client.call("GET", "/api/messages", params={"after": 3}) == (200, [])
    _, page = await client.call("GET", "/api/messages", params={"before": 3, "limit": 1})
    assert page == turns[1:2]
    assert await client.call("GET", "/api/messages", params={"before": 1}) == (200, [])


async def test_a_turn(client: HttpClient) -> None:
    """A turn is shown with its text and its end."""
    _, answer = await client.ask(question())
    status, turn = await client.call("GET", f"/api/turns/{answer['turn_id']}")
    assert (status, turn["state"], turn["text"]) == (200, "answered", answer["text"])
    assert turn["end"] == without(answer, "text")


async def test_stopping(store: PostgresStore, postgres: EmbeddedServer, database: Database) -> None:
    """A running turn is shown with its text so far, and stopped; stopping it again does nothing."""
    async with (
        running_gateway(database=postgres.url, openai_model="sim-stall") as gateway,
        ChatClient.connect(gateway.url) as asking,
        HttpClient.connect(gateway.url, session=asking.ready["session"]) as client,
    ):
        await asking.say(question())
        frames = await begun(asking, [])
        path = f"/api/turns/{frames[0]['turn_id']}"
        _, turn = await client.call("GET", path)
        assert turn["end"] is None
        assert turn["text"].startswith(frames[-1]["text"])
        assert await client.call("DELETE", path) == (204, None)
        frames += await asking.until_end()
        assert frames[-1]["finish_reason"] == "cancelled"
        assert await client.call("DELETE", path) == (204, None)
        _, turn = await client.call("GET", path)
        assert (turn["state"], turn["end"]) == ("cancelled", frames[-1])


@pytest.mark.parametrize(("method", "path"), WITH_SESSION)
async def test_no_session(gateway: RunningGateway, method: str, path: str) -> None:
    """Without a token, or with any that is none of ours, a call is refused in the same words."""
    headers: list[dict[str, str]] = [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic d3Jvbmc6d3Jvbmc="},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer \udcff"},
        {"Authorization": "bearer of news"},
    ]
    bodies = BODIES.get(method, {})
    seen = [await raw(gateway, method, path, headers=h, **bodies) for h in headers]
    assert {(status, kind) for status, kind, _ in seen} == {(401, PROBLEM)}
    assert {body["code"] for *_, body in seen} == {"session_not_found"}
    assert len({str(without(body, "trace_id")) for *_, body in seen}) == 1


@pytest.mark.parametrize(("method", "path"), [c for c in CALLS if "/turns/" in c[1]])
async def test_another_sessions_turn(
    gateway: RunningGateway, client: HttpClient, method: str, path: str
) -> None:
    """A turn of somebody else is as unknown as one that never was, or whose id is none."""
    async with HttpClient.connect(gateway.url, locale="en") as other:
        _, theirs = await other.ask(question())
    unknown = path.split("/")[3]
    seen = [
        await client.call(method, path.replace(unknown, turn_id))
        for turn_id in (unknown, theirs["turn_id"], "nonsense", "0" * 5000)
    ]
    assert {status for status, _ in seen} == {404}
    assert len({str(without(body, "trace_id")) for _, body in seen}) == 1
    assert seen[0][1]["code"] == "unknown_turn"


@pytest.mark.parametrize(("method", "path"), [c for c in CALLS if c[0] != "GET"])
async def test_a_foreign_origin(
    gateway: RunningGateway, client: HttpClient, method: str, path: str
) -> None:
    """Whatever changes something is refused to pages of other sites."""
    headers = {"Origin": "http://evil.example"}
    status, problem = await client.call(method, path, headers=headers, **BODIES.get(method, {}))
    assert (status, problem["code"]) == (403, "origin_not_allowed")
    headers = {"Origin": gateway.url}
    status, _ = await client.call(method, path, headers=headers, **BODIES.get(method, {}))
    assert status != 403


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"text": "Why?"}',
        b'{"id": 1, "text": "Why?"}',
        b"\xff",
        b"[" * 9999,
    ],
)
async def test_a_bad_body(client: HttpClient, database: Database, body: bytes) -> None:
    """What is not a message is refused, and nothing is asked."""
    status, problem = await client.call("POST", "/api/messages", data=body)
    assert (status, problem["code"]) == (400, "invalid_frame")
    assert await stored_turns(database) == 0


async def test_an_empty_message(client: HttpClient) -> None:
    """A message without words is refused."""
    status, problem = await client.ask(" \n")
    assert (status, problem["code"]) == (400, "empty_message")


async def test_a_long_message(client: HttpClient) -> None:
    """A message past the limit is refused."""
    status, problem = await client.ask("x" * 8001)
    assert (status, problem["code"]) == (413, "message_too_long")


@pytest.mark.parametrize("path", ["/api/messages", "/api/sessions"])
async def test_a_body_too_large(client: HttpClient, path: str) -> None:
    """A body past the largest frame is not even looked at."""
    status, problem = await client.call("POST", path, data=b" " * (64 * 1024 + 1))
    assert (status, problem["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    "query",
    [
        *({"after": "x"}, {"after": "-1"}, {"before": "x"}, {"before": "0"}),
        *({"limit": "0"}, {"limit": "101"}, {"limit": "1e9"}),
    ],
)
async def test_a_bad_query(client: HttpClient, query: dict[str, str]) -> None:
    """A query that makes no sense is refused."""
    status, problem = await client.call("GET", "/api/messages", params=query)
    assert (status, problem["code"]) == (400, "invalid_frame")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/nothing", 404, "not_found"),
        ("PUT", "/api/messages", 405, "method_not_allowed"),
    ],
)
async def test_no_such_call(
    gateway: RunningGateway, method: str, path: str, status: int, code: str
) -> None:
    """A call that there is not is a problem too."""
    found, kind, problem = await raw(gateway, method, path)
    assert (found, kind, problem["code"]) == (status, PROBLEM, code)


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_disabled(
    postgres: EmbeddedServer, database: Database, method: str, path: str
) -> None:
    """Where the HTTP side is switched off every call says so and points to the WebSocket."""
    async with running_gateway(database=postgres.url, rest_enabled="no") as gateway:
        status, kind, problem = await raw(gateway, method, path)
        assert (status, kind, problem["code"]) == (501, PROBLEM, "rest_disabled")
        assert "/ws" in problem["title"]
        assert (await raw(gateway, "GET", "/health"))[0] == 200
