"""Two gateways behind nginx as we ship it: any process serves any visitor, and nothing is held back."""

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from gateway.backends.postgres import Database
from gateway.dev.embedded_server import EmbeddedServer
from gateway.dev.simulator import SimulatorLog, SimulatorOptions
from tests.chat_client import text_of
from tests.http_client import HttpClient
from tests.integration import figures
from tests.integration.conftest import running
from tests.integration.fleet import Fleet, fleet, nginx, nginx_command, nginx_folder
from tests.integration.gateway_process import free_port, simulator
from tests.integration.helpers import begun, question, stored
from tests.integration.money import PROMISED_SECONDS, connected, until
from tests.promises import promised

# Half a minute for an answer that nobody stops.
LONG = SimulatorOptions(tokens_per_second=40, first_token_seconds=0)
# Five seconds: time to come back while it is on its way, also where two cores are busy with other tests.
LEISURELY = SimulatorOptions(tokens_per_second=240, first_token_seconds=0)
# A second or two.
SHORT = SimulatorOptions(tokens_per_second=800, first_token_seconds=0)
INTERRUPTED_SECONDS = 5.0
# So slowly that nginx would hold back half a minute of it, if it held anything back.
HESITANT = SimulatorOptions(tokens_per_second=2, first_token_seconds=0)
# An nginx that buffers passes on twenty events at once.
FEW_EVENTS = 10
# `limit_conn` of our nginx.conf.
CONNECTIONS = 50
# Then it sends the next two visitors to different gateways.
NOTICE_SECONDS = 0.1


@pytest.fixture(scope="module")
def two(postgres: EmbeddedServer, redis: EmbeddedServer, servers_folder: Path) -> Iterator[Fleet]:
    """Two gateways behind nginx."""
    with running(fleet(servers_folder, database=postgres.url, redis=redis.url)) as two:
        yield two


@asynccontextmanager
async def upstream(two: Fleet, options: SimulatorOptions = SHORT) -> AsyncIterator[SimulatorLog]:
    """Run the upstream of both gateways, when nginx has noticed that the last visitors left."""
    await asyncio.sleep(NOTICE_SECONDS)
    async with simulator(options, port=two.upstream_port) as (_, seen):
        yield seen


def test_nginx_takes_it(tmp_path: Path) -> None:
    """`nginx -t` accepts the configuration."""
    folder = nginx_folder(tmp_path, port=free_port(), upstreams=("127.0.0.1:1", "127.0.0.1:2"))
    tested = subprocess.run(
        [*nginx_command(folder), "-t"], capture_output=True, text=True, check=False
    )
    assert tested.returncode == 0, tested.stderr


async def test_a_conversation(two: Fleet, database: Database) -> None:
    """Questions are answered over a WebSocket, the next one with the last one in mind."""
    async with upstream(two) as seen, connected(two.url) as (client,):
        texts = [text_of(await client.ask(question(number))) for number in (1, 2)]
    assert seen.requests[-1].messages[2] == ("assistant", texts[0])
    assert texts[1] != ""


async def test_events_are_not_held_back(two: Fleet, database: Database) -> None:
    """An answer arrives over an event stream while it is made, not when it is complete."""
    async with (
        upstream(two, HESITANT) as seen,
        HttpClient.connect(two.url) as http,
    ):
        behind = list[int]()
        async for event in http.stream(question()):
            if event.name == "delta":
                behind.append(seen.requests[-1].billed_output - event.frame["to"])
            if len(behind) == 3:
                await http.call("DELETE", f"/api/turns/{event.frame['turn_id']}")
    assert max(behind) < FEW_EVENTS
    figures.record("events through nginx", f"at most {max(behind)} tokens behind the upstream")


async def test_a_reload_meets_the_other_process(two: Fleet, database: Database) -> None:
    """Whoever reloads and meets the other process sees the answer go on, to the last character."""
    async with upstream(two, LEISURELY), connected(two.url) as (first,):
        await first.say(question())
        frames = await begun(first, [], deltas=5)
        async with connected(two.url, session=first.ready["session"]) as (again,):
            await first.socket.close()
            turn_id = again.ready["active_turn"]["turn_id"]
            await again.send(type="resume", turn_id=turn_id, after=frames[-1]["to"])
            rest = await again.until_end()
    await until(lambda: len(two.last_met()) == 2, two.last_met)
    assert rest[-1]["type"] == "done"
    assert (await stored(database, turn_id))[1] == text_of(frames + rest)
    assert sum(frame["type"] == "delta" for frame in rest) > 5


@pytest.mark.timed
async def test_stop_at_the_other_process(two: Fleet, database: Database) -> None:
    """Stop pressed at the other process closes the upstream within a second, and both tabs are told."""
    async with upstream(two, LONG) as seen, connected(two.url) as (first,):
        await first.say(question())
        frames = await begun(first, [], deltas=5)
        async with connected(two.url, session=first.ready["session"]) as (other,):
            turn_id = frames[0]["turn_id"]
            await other.send(type="resume", turn_id=turn_id, after=0)
            theirs = await begun(other, [], deltas=5)
            await other.send(type="cancel", turn_id=turn_id)
            began = time.monotonic()
            await until(lambda: seen.requests[-1].closed_early, seconds=promised(PROMISED_SECONDS))
            took = time.monotonic() - began
            frames += await first.until_end()
            theirs += await other.until_end()
    await until(lambda: len(two.last_met()) == 2, two.last_met)
    assert frames[-1]["finish_reason"] == "cancelled"
    assert (text_of(theirs), theirs[-1]) == (text_of(frames), frames[-1])
    figures.record("stop at another process", f"upstream closed after {took * 1000:.0f} ms")


@pytest.mark.timed
async def test_the_owner_is_killed(two: Fleet, database: Database) -> None:
    """Five seconds after a kill -9 at the latest a viewer at the other process is told `interrupted`."""
    async with upstream(two, LONG), connected(two.url) as (first,):
        await first.say(question())
        frames = await begun(first, [], deltas=60)
        async with connected(two.url, session=first.ready["session"]) as (viewer,):
            await viewer.send(type="resume", turn_id=frames[0]["turn_id"], after=0)
            theirs = await begun(viewer, [], deltas=2)
            owner = await two.owner()
            owner.server.kill()
            began = time.monotonic()
            try:
                theirs += await viewer.until_end()
                took = time.monotonic() - began
            finally:
                await owner.server.start()
            end = theirs[-1]
            assert (end["code"], end["retryable"], end["partial"]) == ("interrupted", True, True)
            assert took < promised(INTERRUPTED_SECONDS)
            async with connected(two.url, session=first.ready["session"]) as (again,):
                (turn,) = again.ready["turns"]
                # What was spent by then is told with each end anew.
                assert {**turn["end"], "budget": None} == {**end, "budget": None}
    figures.record("the owner of a turn killed", f"told elsewhere after {took:.1f} s")


async def test_a_dead_process_is_passed_over(two: Fleet, database: Database) -> None:
    """With one process gone every visitor is served by the other."""
    dead = two.gateways[0].server
    dead.kill()
    try:
        async with upstream(two):
            for _ in range(4):
                async with connected(two.url) as (client,):
                    assert client.ready["type"] == "ready"
    finally:
        await dead.start()


@pytest.mark.parametrize("path", ["/metrics", "/livez", "/readyz", "/healthz", "/metrics/x"])
async def test_the_ops_listener_is_not_public(two: Fleet, path: str) -> None:
    """What machines ask is not passed on."""
    async with aiohttp.ClientSession() as http, http.get(f"{two.url}{path}") as response:
        assert response.status == 404


@pytest.mark.parametrize(("origin", "status"), [("", 201), ("http://evil.example", 403)])
async def test_origin_is_compared(two: Fleet, database: Database, origin: str, status: int) -> None:
    """The page's own origin, port included, is let in, another one is not."""
    headers = {"Origin": origin or two.url}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{two.url}/api/sessions", headers=headers) as response,
    ):
        assert response.status == status


async def test_connections_of_an_address(two: Fleet, database: Database) -> None:
    """The fifty-first connection of an address is refused with 429; who leaves makes room."""
    async with connected(*[two.url] * CONNECTIONS) as clients, aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(f"{two.url}/ws")
        assert refused.value.status == 429
        await clients[0].socket.close()
    async with connected(two.url) as (client,):
        assert client.ready["type"] == "ready"


async def passed_on(folder: Path, *lines: str) -> str:
    """Return a request as nginx passes it on, in small letters."""
    heads = asyncio.Queue[str]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.put_nowait((await reader.readuntil(b"\r\n\r\n")).decode().lower())
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with nginx(folder, address, "127.0.0.1:1") as front:
            host = front.url.removeprefix("http://")
            reader, writer = await asyncio.open_connection(*host.split(":"))
            head = ["GET /ws HTTP/1.1", "Host: shown.example:8443", *lines, "", ""]
            writer.write("\r\n".join(head).encode())
            await reader.readline()
            writer.close()
            return heads.get_nowait()


async def test_a_websocket_is_passed_on(tmp_path: Path) -> None:
    """An upgrade to a WebSocket goes through, its extensions do not."""
    head = await passed_on(
        tmp_path,
        "Upgrade: WebSocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Protocol: chatgw.v1",
        "Sec-WebSocket-Extensions: permessage-deflate",
    )
    assert "\r\nupgrade: websocket\r\n" in head
    assert "\r\nconnection: upgrade\r\n" in head
    assert "\r\nsec-websocket-protocol: chatgw.v1\r\n" in head
    assert "extensions" not in head


async def test_no_other_upgrade_is_passed_on(tmp_path: Path) -> None:
    """`Upgrade: h2c` arrives without any sign of an upgrade."""
    head = await passed_on(
        tmp_path, "Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABk"
    )
    assert "upgrade" not in head
    assert "http2-settings" not in head


async def test_the_address_is_nginxs_word(tmp_path: Path) -> None:
    """What a visitor claims to have come from is dropped, what they call the host is kept."""
    head = await passed_on(
        tmp_path, "X-Forwarded-For: 6.6.6.6", "Forwarded: for=6.6.6.6", "X-Forwarded-Proto: https"
    )
    assert "\r\nx-forwarded-for: 127.0.0.1\r\n" in head
    assert "\r\nx-forwarded-proto: http\r\n" in head
    assert "6.6.6.6" not in head
    assert "\r\nhost: shown.example:8443\r\n" in head
