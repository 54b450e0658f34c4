"""Each metric of the connections to a running gateway moves when it should."""

from collections.abc import AsyncIterator
from uuid import uuid4

import aiohttp
import pytest
import pytest_asyncio

from gateway.chat.frames import SUBPROTOCOL
from gateway.dev.embedded_server import EmbeddedServer
from gateway.dev.faults import Fault
from gateway.web import websocket
from gateway.web.keys import SERVICE
from tests.chat_client import ChatClient
from tests.http_client import HttpClient, frames_of
from tests.integration.helpers import question
from tests.integration.money import faults
from tests.integration.scrape import counting_gateway, moved, scrape
from tests.running_gateway import FLAT_OUT, RunningGateway, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(postgres: EmbeddedServer, redis: EmbeddedServer) -> AsyncIterator[RunningGateway]:
    """One gateway for all tests here."""
    async with counting_gateway(postgres, redis) as gateway:
        yield gateway


async def refused(gateway: RunningGateway, **how: str) -> int:
    """Return the status with which an attempt to upgrade with those headers is refused."""
    headers = {name.replace("_", "-"): value for name, value in how.items()}
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{gateway.url}/ws", headers=headers) as response,
    ):
        return response.status


async def test_open_websocket(gateway: RunningGateway) -> None:
    """An open WebSocket is there to see, and then gone."""
    name, labels = "chatgw_connections", {"transport": "websocket"}
    before = await scrape(gateway)
    async with ChatClient.connect(gateway.url):
        during = await scrape(gateway)
    assert during.since(before, name, **labels) == 1
    assert await moved(gateway, during, name, **labels) == -1


async def test_open_event_stream(gateway: RunningGateway) -> None:
    """An open event stream is there to see, and then gone."""
    name, labels = "chatgw_connections", {"transport": "sse"}
    before = await scrape(gateway)
    async with HttpClient.connect(gateway.url) as http:
        async with faults(gateway, Fault.SLOW, times=1):
            stream = http.stream(question())
            accepted = (await anext(stream)).frame
            during = await scrape(gateway)
        await http.call("DELETE", f"/api/turns/{accepted['turn_id']}")
        await frames_of(stream)
    assert during.since(before, name, **labels) == 1
    assert await moved(gateway, during, name, **labels) == -1


async def test_accepted(gateway: RunningGateway) -> None:
    """Whoever is let in counts as `accepted`, by transport."""
    before = await scrape(gateway)
    async with ChatClient.connect(gateway.url), HttpClient.connect(gateway.url) as http:
        await frames_of(http.stream(question()))
    after = await scrape(gateway)
    for transport in ("websocket", "sse"):
        labels = {"transport": transport, "result": "accepted"}
        assert after.since(before, "chatgw_connections_total", **labels) == 1


async def test_foreign_origin(gateway: RunningGateway) -> None:
    """A page of another site counts as refused because of its origin."""
    before = await scrape(gateway)
    assert await refused(gateway, Origin="https://evil.example") == 403
    after = await scrape(gateway)
    assert after.since(before, "chatgw_connections_total") == 1
    assert after.since(before, "chatgw_connections_total", result="origin") == 1


async def test_foreign_origin_of_events(gateway: RunningGateway) -> None:
    """So does one that asks for events."""
    before = await scrape(gateway)
    async with HttpClient.connect(gateway.url) as http:
        status, _ = await http.call(
            "POST",
            "/api/messages",
            json={"id": str(uuid4()), "text": "Why?"},
            headers={"Origin": "https://evil.example", "Accept": "text/event-stream"},
        )
    assert status == 403
    labels = {"transport": "sse", "result": "origin"}
    assert (await scrape(gateway)).since(before, "chatgw_connections_total", **labels) == 1


async def test_no_upgrade(gateway: RunningGateway) -> None:
    """What does not ask for a WebSocket counts as a bad request."""
    before = await scrape(gateway)
    assert await refused(gateway) == 400
    labels = {"transport": "websocket", "result": "bad_request"}
    assert (await scrape(gateway)).since(before, "chatgw_connections_total", **labels) == 1


async def test_other_subprotocol(gateway: RunningGateway) -> None:
    """What speaks another protocol counts as a bad request."""
    before = await scrape(gateway)
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{gateway.url}/ws", protocols=("other",)) as socket,
    ):
        await socket.receive()
    labels = {"transport": "websocket", "result": "bad_request"}
    assert (await scrape(gateway)).since(before, "chatgw_connections_total", **labels) == 1


async def test_disconnect_of_a_client(gateway: RunningGateway) -> None:
    """A client that leaves counts by its close code."""
    before = await scrape(gateway)
    async with ChatClient.connect(gateway.url) as client:
        await client.socket.close(code=1001)
    labels = {"transport": "websocket", "code": "1001"}
    assert await moved(gateway, before, "chatgw_disconnects_total", **labels) == 1


async def test_disconnect_by_us(gateway: RunningGateway) -> None:
    """A client that we send away counts by our close code."""
    before = await scrape(gateway)
    async with ChatClient.connect(gateway.url) as client:
        for _ in range(3):
            await client.send(type="nothing")
        assert await client.closed() == 4500
    labels = {"transport": "websocket", "code": "4500"}
    assert await moved(gateway, before, "chatgw_disconnects_total", **labels) == 1


async def test_disconnect_without_a_close(gateway: RunningGateway) -> None:
    """A connection that just breaks counts as 1006."""
    before = await scrape(gateway)
    async with ChatClient.connect(gateway.url) as client:
        connection = client.socket._response.connection
        assert connection is not None
        assert connection.transport is not None
        connection.transport.abort()
        labels = {"transport": "websocket", "code": "1006"}
        assert await moved(gateway, before, "chatgw_disconnects_total", **labels) == 1


async def test_disconnect_of_events(gateway: RunningGateway) -> None:
    """An event stream that came to its end counts as 1000."""
    before = await scrape(gateway)
    async with HttpClient.connect(gateway.url) as http:
        await frames_of(http.stream(question()))
    labels = {"transport": "sse", "code": "1000"}
    assert await moved(gateway, before, "chatgw_disconnects_total", **labels) == 1


async def test_no_pong(gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that does not answer a ping is dropped, and counted."""
    monkeypatch.setattr(websocket, "HEARTBEAT_SECONDS", 0.1)
    before = await scrape(gateway)
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{gateway.url}/ws", protocols=(SUBPROTOCOL,), autoping=False) as socket,
    ):
        name = "chatgw_send_queue_dropped_connections_total"
        assert await moved(gateway, before, name, reason="no_pong") == 1
        assert not socket.closed


@pytest_asyncio.fixture(loop_scope="module")
async def narrow(postgres: EmbeddedServer) -> AsyncIterator[RunningGateway]:
    """A gateway for one visitor with one question."""
    async with running_gateway(
        database=postgres.url,
        options=FLAT_OUT,
        server_max_connections="1",
        limits_messages_per_minute="1",
    ) as gateway:
        yield gateway


async def test_limit(narrow: RunningGateway) -> None:
    """Whoever finds no place counts as refused by a limit."""
    async with ChatClient.connect(narrow.url):
        assert await refused(narrow) == 503
    labels = {"transport": "websocket", "result": "limit"}
    assert (await scrape(narrow)).value("chatgw_connections_total", **labels) == 1


async def test_draining(narrow: RunningGateway) -> None:
    """Whoever comes while the process is leaving counts as that."""
    narrow.app[SERVICE].draining = True
    assert await refused(narrow) == 503
    labels = {"transport": "websocket", "result": "draining"}
    assert (await scrape(narrow)).value("chatgw_connections_total", **labels) == 1


async def test_rate_limit(narrow: RunningGateway) -> None:
    """A question too many counts as a turn of that outcome, and as the error that was told."""
    async with ChatClient.connect(narrow.url) as client:
        for number in (1, 2):
            await client.ask(question(number))
    told = await scrape(narrow)
    assert told.value("chatgw_turns_total", outcome="rate_limited") == 1
    assert told.value("chatgw_errors_total", code="rate_limited") == 1
