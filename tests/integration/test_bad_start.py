"""Whoever comes in the wrong way: the documented code at the upgrade, or at the first frame."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import aiohttp
import pytest

from gateway.backends.postgres import Database
from gateway.backends.store import PostgresStore
from gateway.chat.frames import SUBPROTOCOL
from gateway.dev.embedded_server import EmbeddedServer
from tests import canary
from tests.chat_client import ChatClient, Frame
from tests.integration.helpers import REPORT, close_code, question, without
from tests.promises import GUARD_SECONDS
from tests.running_gateway import RunningGateway, running_gateway

FOREIGN = "https://evil.example"
OURS = "https://ours.example"


@pytest.fixture
async def gateway(
    store: PostgresStore,
    database: Database,
    postgres: EmbeddedServer,
    caplog: pytest.LogCaptureFixture,
) -> AsyncIterator[RunningGateway]:
    """A gateway at which nothing crashes and no session is stored but those that a test asks for."""
    await store.import_reports([REPORT])
    async with running_gateway(database=postgres.url) as gateway:
        yield gateway
    assert [
        r.msg for r in caplog.get_records("call") if r.exc_info or r.levelno >= logging.ERROR
    ] == []


@asynccontextmanager
async def silent(
    gateway: RunningGateway,
    *,
    origin: str | None = None,
    protocols: tuple[str, ...] = (SUBPROTOCOL,),
) -> AsyncIterator[ChatClient]:
    """Connect without a word."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{gateway.url}/ws", origin=origin, protocols=protocols) as socket,
    ):
        yield ChatClient(socket)


async def hello(client: ChatClient, **fields: object) -> Frame:
    """Say hello and return what comes back."""
    await client.send(type="hello", **fields)
    return await client.receive()


async def test_a_message_before_hello(gateway: RunningGateway) -> None:
    """A question before hello is told `invalid_frame`, and which one it was."""
    async with silent(gateway) as client:
        client_id = await client.say(question())
        error = await client.receive()
        assert (error["code"], error["scope"], error["id"]) == ("invalid_frame", "frame", client_id)


async def test_hello_after_a_message(gateway: RunningGateway) -> None:
    """A client that spoke too early can still say hello and be answered."""
    async with silent(gateway) as client:
        await client.ask(question())
        assert (await hello(client, report_id=REPORT.id))["type"] == "ready"
        assert (await client.ask(question()))[-1]["type"] == "done"


@pytest.mark.parametrize("frame", ["cancel", "resume", "ping"])
async def test_any_frame_before_hello(gateway: RunningGateway, frame: str) -> None:
    """Any other frame before hello is told `invalid_frame`."""
    async with silent(gateway) as client:
        await client.send(type=frame, turn_id=str(uuid4()), after=0)
        assert (await client.receive())["code"] == "invalid_frame"


async def test_three_messages_before_hello(gateway: RunningGateway) -> None:
    """The third frame in a row that should have been hello closes the connection with 4500."""
    async with silent(gateway) as client:
        for _ in range(3):
            await client.ask(question())
        assert await close_code(client) == 4500


async def test_no_hello(gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that does not say hello in time is sent away with 4508."""
    monkeypatch.setattr("gateway.web.connection.HELLO_SECONDS", 0.05)
    async with silent(gateway) as client:
        assert await client.closed() == 4508


async def test_no_good_hello(gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client whose hellos are refused is sent away with 4508 as well."""
    monkeypatch.setattr("gateway.web.connection.HELLO_SECONDS", 0.3)
    async with silent(gateway) as client:
        await hello(client, report_id="nowhere")
        assert await client.closed() == 4508


async def test_slow_answer_to_hello(
    gateway: RunningGateway, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that is slow to answer a hello is not held against who said it."""
    monkeypatch.setattr("gateway.web.connection.HELLO_SECONDS", 0.3)
    async with database.transaction(seconds=GUARD_SECONDS) as fetch:
        await fetch("LOCK TABLE sessions")
        async with asyncio.TaskGroup() as group, silent(gateway) as client:
            welcome = group.create_task(hello(client))
            await asyncio.sleep(0.6)
            await fetch("ROLLBACK")
            assert (await welcome)["type"] == "ready"


async def test_time_after_hello(gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has said hello may be silent for as long as they like."""
    monkeypatch.setattr("gateway.web.connection.HELLO_SECONDS", 0.2)
    async with silent(gateway) as client:
        await hello(client)
        with pytest.raises(TimeoutError):
            await client.socket.receive(timeout=0.4)


@pytest.mark.parametrize("protocols", [(), ("graphql-ws",)])
async def test_another_subprotocol(gateway: RunningGateway, protocols: tuple[str, ...]) -> None:
    """A client that does not speak our subprotocol is sent away with 4506."""
    async with silent(gateway, protocols=protocols) as client:
        assert await client.closed() == 4506


async def test_an_unknown_session(gateway: RunningGateway) -> None:
    """A token of no session is told `session_not_found`, of scope session, and closed with 4502."""
    async with silent(gateway) as client:
        error = await hello(client, session=canary.TOKEN, locale="en")
        assert without(error, "trace_id") == {
            "type": "error",
            "scope": "session",
            "code": "session_not_found",
            "message": "Conversation not found. Start a new one.",
            "retryable": False,
        }
        assert await client.closed() == 4502


async def test_an_unknown_report(gateway: RunningGateway) -> None:
    """A report that is not there is told `report_not_found`, of scope session."""
    async with silent(gateway) as client:
        error = await hello(client, report_id="nowhere")
        assert (error["scope"], error["code"]) == ("session", "report_not_found")


async def test_another_hello_after_an_unknown_report(gateway: RunningGateway) -> None:
    """The same connection can say hello again, with a report that is there."""
    async with silent(gateway) as client:
        await hello(client, report_id="nowhere")
        assert (await hello(client, report_id=REPORT.id))["report"]["id"] == REPORT.id


async def test_no_session_of_an_unknown_report(gateway: RunningGateway, database: Database) -> None:
    """An unknown report leaves no session behind."""
    async with silent(gateway) as client:
        await hello(client, report_id="nowhere")
    assert await database.fetch("SELECT count(*) FROM sessions") == [(0,)]


@pytest.mark.parametrize(
    "fields",
    [
        {"session": "x" * 201},
        {"session": "\0"},
        {"report_id": "\0"},
        {"report_id": ["saesol"]},
        {"locale": 7},
    ],
    ids=str,
)
async def test_a_bad_hello(gateway: RunningGateway, fields: dict[str, object]) -> None:
    """A hello with a bad field is told `invalid_frame`."""
    async with silent(gateway) as client:
        assert (await hello(client, **fields))["code"] == "invalid_frame"


async def test_a_traceparent_that_is_none(gateway: RunningGateway) -> None:
    """A trace context that is malformed is ignored, as its specification asks."""
    async with silent(gateway) as client:
        assert (await hello(client, traceparent="00-zz"))["type"] == "ready"


async def refusal_of(gateway: RunningGateway, origin: str) -> int | None:
    """Return the status with which the upgrade is refused to a page, None where it is not."""
    try:
        async with silent(gateway, origin=origin) as client:
            await hello(client)
    except aiohttp.WSServerHandshakeError as refused:
        return refused.status
    return None


@pytest.mark.parametrize("origin", [FOREIGN, "null", "", "http://127.0.0.1:1"])
async def test_a_page_of_another_site(gateway: RunningGateway, origin: str) -> None:
    """A page of another site gets 403 instead of the upgrade."""
    assert await refusal_of(gateway, origin) == 403


async def test_a_page_of_ours(gateway: RunningGateway) -> None:
    """A page that the gateway served itself may connect."""
    assert await refusal_of(gateway, gateway.url) is None


async def test_configured_origins(postgres: EmbeddedServer, database: Database) -> None:
    """Where origins are configured, pages of those may connect and no others."""
    async with running_gateway(database=postgres.url, server_allowed_origins=OURS) as gateway:
        statuses = [await refusal_of(gateway, each) for each in (OURS, FOREIGN, gateway.url)]
    assert statuses == [None, 403, 403]
