"""`gateway selftest`: straight, through nginx as we ship it, and through one that is set up badly."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from gateway.chat.frames import SUBPROTOCOL
from gateway.selftest import Outcome, Report, Verdict, measure
from tests.integration.fleet import nginx
from tests.integration.gateway_process import simulator
from tests.integration.test_bad_start import FOREIGN, OURS
from tests.running_gateway import RunningGateway, running_gateway

NOBODY = "127.0.0.1:1"
# What nginx compresses it collects. Alone, `proxy_buffering on` holds nothing back from a quick reader.
BUFFERING = {
    "proxy_buffering off;": "proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;",
    "gzip off;": "gzip on; gzip_types *;",
}
NO_UPGRADE = {
    "proxy_set_header Upgrade $gateway_upgrade;": "",
    "proxy_set_header Connection $gateway_connection;": "",
}
OTHER_HOST = {"proxy_set_header Host $http_host;": "proxy_set_header Host $proxy_host;"}


@pytest.fixture
async def gateway() -> AsyncIterator[RunningGateway]:
    """A gateway that needs no database for this."""
    async with running_gateway(database=f"postgresql://{NOBODY}/none") as gateway:
        yield gateway


async def through(folder: Path, gateway: RunningGateway, **changed: str) -> Report:
    """Return what is measured through nginx, with some of its lines replaced."""
    address = gateway.url.removeprefix("http://")
    async with nginx(folder, address, NOBODY, changed=changed) as front:
        return await measure(f"{front.url}/")


def verdicts(report: Report) -> tuple[Verdict, Verdict]:
    """Return what happened over a WebSocket and over SSE."""
    assert report.silence is None
    return report.socket.verdict, report.events.verdict


async def test_straight(gateway: RunningGateway) -> None:
    """With nothing in between, every piece comes when it is sent."""
    assert verdicts(await measure(gateway.url)) == (Verdict.OK, Verdict.OK)


async def test_through_nginx(gateway: RunningGateway, tmp_path: Path) -> None:
    """Through nginx as we ship it, too."""
    assert verdicts(await through(tmp_path, gateway)) == (Verdict.OK, Verdict.OK)


async def test_nginx_buffers(gateway: RunningGateway, tmp_path: Path) -> None:
    """An nginx that buffers and compresses holds events back, and no WebSocket."""
    report = await through(tmp_path, gateway, **BUFFERING)
    assert verdicts(report) == (Verdict.OK, Verdict.BUFFERED)
    assert "proxy_buffering off;" in str(report)


async def test_nginx_does_not_upgrade(gateway: RunningGateway, tmp_path: Path) -> None:
    """An nginx that drops the upgrade headers blocks WebSockets, and no event."""
    report = await through(tmp_path, gateway, **NO_UPGRADE)
    assert verdicts(report) == (Verdict.BLOCKED, Verdict.OK)
    assert "proxy_set_header Upgrade" in str(report)


async def test_nginx_renames_the_host(gateway: RunningGateway, tmp_path: Path) -> None:
    """An nginx that passes on another host makes the gateway refuse its own page, and that is told."""
    report = await through(tmp_path, gateway, **OTHER_HOST)
    assert report.socket == report.events == Outcome(Verdict.BLOCKED, 403)
    assert "proxy_set_header Host $http_host;" in str(report)


async def test_a_page_below_a_path(gateway: RunningGateway) -> None:
    """The address is what a browser shows, its query too."""
    report = await measure(f"{gateway.url}/?report=q3#top")
    assert report.fine


@pytest.mark.parametrize("path", ["/selftest/events", "/selftest/ws"])
async def test_a_page_of_another_site(gateway: RunningGateway, path: str) -> None:
    """A page of another site may not measure."""
    async with (
        aiohttp.ClientSession() as http,
        http.get(gateway.url + path, headers={"Origin": FOREIGN}) as response,
    ):
        assert response.status == 403


async def test_configured_origins() -> None:
    """Where origins are configured and the page's own is not among them, that is found."""
    async with running_gateway(
        database=f"postgresql://{NOBODY}/none", server_allowed_origins=OURS
    ) as gateway:
        report = await measure(gateway.url)
    assert report.socket.status == report.events.status == 403


async def test_no_room() -> None:
    """A test counts as the connection it is; where there is no room for one, no proxy is accused."""
    async with (
        running_gateway(
            database=f"postgresql://{NOBODY}/none", server_max_connections_per_ip="1"
        ) as gateway,
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{gateway.url}/ws", protocols=(SUBPROTOCOL,)),
    ):
        report = await measure(gateway.url)
    assert report.socket.status == report.events.status == 429
    assert "Too many connections at the moment" in str(report)
    assert "nginx" not in str(report)


async def test_a_visitor_who_leaves(gateway: RunningGateway) -> None:
    """Who leaves in the middle of a test leaves nothing behind."""
    async with aiohttp.ClientSession() as http:
        async with http.ws_connect(f"{gateway.url}/selftest/ws") as socket:
            await socket.receive()
        async with http.get(f"{gateway.url}/selftest/events") as response:
            await response.content.readany()
    assert verdicts(await measure(gateway.url)) == (Verdict.OK, Verdict.OK)


async def test_nobody_is_there() -> None:
    """Where nothing listens that is said."""
    assert str(await measure(f"http://{NOBODY}")) == "Nobody answers there."


async def test_an_unknown_name() -> None:
    """A name that nobody knows is told from a server that is down."""
    assert str(await measure("http://no-such-name.invalid")) == "Its name is unknown."


async def test_somebody_else_is_there() -> None:
    """What is no gateway is told by its answer."""
    async with simulator() as (base_url, _):
        report = await measure(base_url)
    assert str(report) == "What answers there is not the gateway: /health ended with 404."


async def command(url: str) -> tuple[int | None, str]:
    """Run `gateway selftest` and return its exit status and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "selftest", url),
        env={"PATH": os.environ["PATH"]},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_the_command(gateway: RunningGateway) -> None:
    """It ends with 0 where there is nothing to change."""
    status, output = await command(gateway.url)
    assert status == 0
    assert output.splitlines()[:2] == ["WebSocket   ok", "SSE         ok"]


async def test_the_command_finds_something() -> None:
    """It ends with 1 where there is something to change."""
    assert await command(f"http://{NOBODY}") == (1, "Nobody answers there.\n")


async def test_the_command_wants_an_address() -> None:
    """What is no address is refused with the usage."""
    status, output = await command("chat.example")
    assert status == 2
    assert "expected http:// or https://" in output
