"""No page of another site can do anything through a visitor's browser, whatever its origin looks like."""

from collections import Counter
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import WSServerHandshakeError

from gateway.backends.postgres import Database
from gateway.chat.frames import SUBPROTOCOL
from gateway.dev.embedded_server import EmbeddedServer
from tests.hostile import origins
from tests.http_client import HttpClient
from tests.integration.helpers import question
from tests.integration.money import OPEN_DOOR
from tests.running_gateway import FLAT_OUT, running_gateway

LISTED = "https://reports.example"
COUNTS = "SELECT (SELECT count(*) FROM sessions), (SELECT count(*) FROM turns), cancel_requested FROM turns"


async def upgrade(http: aiohttp.ClientSession, url: str, *, origin: str) -> int:
    """Return the status with which a page's WebSocket is answered."""
    try:
        async with http.ws_connect(url, origin=origin, protocols=(SUBPROTOCOL,)):
            return 101
    except WSServerHandshakeError as refused:
        return refused.status


@pytest.mark.parametrize("listed", ["", LISTED], ids=["own host", "listed"])
async def test_hostile_origins(postgres: EmbeddedServer, database: Database, listed: str) -> None:
    """Of pages of other sites no WebSocket is upgraded, and no call that changes something is taken."""
    async with (
        running_gateway(
            database=postgres.url, options=FLAT_OUT, server_allowed_origins=listed, **OPEN_DOOR
        ) as gateway,
        HttpClient.connect(gateway.url) as client,
    ):
        _, answer = await client.ask(question())
        before = await database.fetch(COUNTS)
        ours = gateway.url.removeprefix("http://")
        statuses = Counter[int]()
        for origin in origins(
            listed.removeprefix("https://") + ":443" if listed else ours
        ).values():
            headers = {"Origin": origin}
            for method, path, body in (
                ("POST", "/api/sessions", {}),
                ("POST", "/api/messages", {"id": str(uuid4()), "text": question(2)}),
                ("DELETE", f"/api/turns/{answer['turn_id']}", None),
            ):
                status, problem = await client.call(method, path, json=body, headers=headers)
                assert problem["code"] == "origin_not_allowed", (origin, problem)
                statuses[status] += 1
            for path in ("/ws", "/selftest/ws"):
                statuses[await upgrade(client.http, gateway.url + path, origin=origin)] += 1
        assert set(statuses) == {403}
        assert statuses[403] >= 30 * 5
        assert await database.fetch(COUNTS) == before
