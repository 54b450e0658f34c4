"""Clients that say nothing, or a byte now and then, or take nothing: each is closed in time."""

import asyncio
import socket
from contextlib import suppress
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web

from gateway.backends.postgres import Database
from gateway.dev.embedded_server import EmbeddedServer
from gateway.serve import listening
from gateway.web.limits import DOOR
from tests.integration import figures
from tests.integration.helpers import failures
from tests.integration.money import OPEN_DOOR, until
from tests.promises import GUARD_SECONDS, promised
from tests.running_gateway import FLAT_OUT, RunningGateway, running_gateway

# All of them are gone after so long, however slow each is.
PROMISED_SECONDS = 20.0
DRIP_SECONDS = 0.1
HEAD = "Host: x\r\nContent-Type: application/json\r\n"
UPGRADE = (
    "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    "Sec-WebSocket-Protocol: chatgw.v1\r\n\r\n"
)
# What each says at once, and then again and again.
SLOW = {
    "silence": ("", ""),
    "a dripping method": ("G", "E"),
    "half a request line": ("GET /health", ""),
    "a dripping request line": ("GET /", "x"),
    "headers without an end": ("GET /health HTTP/1.1\r\nHost: x\r\n", ""),
    "dripping headers": ("GET /health HTTP/1.1\r\nHost: x\r\n", "X-A: b\r\n"),
    "a dripping header": ("GET /health HTTP/1.1\r\nHost: x\r\nX-A: ", "b"),
    "a second request that drips": ("GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /", "x"),
    "a question without its body": (
        f"POST /api/messages HTTP/1.1\r\n{HEAD}Content-Length: 9\r\n\r\n",
        "",
    ),
    "a question that drips": (
        f"POST /api/messages HTTP/1.1\r\n{HEAD}Content-Length: 9999\r\n\r\n",
        " ",
    ),
    "a question in dripping chunks": (
        f"POST /api/messages HTTP/1.1\r\n{HEAD}Transfer-Encoding: chunked\r\n\r\n",
        "1\r\n \r\n",
    ),
    "a session that drips": (
        f"POST /api/sessions HTTP/1.1\r\n{HEAD}Content-Length: 9999\r\n\r\n",
        " ",
    ),
    "a body that nobody wants": (
        f"GET /health HTTP/1.1\r\n{HEAD}Content-Length: 9999\r\n\r\n",
        " ",
    ),
    "a body for a page": (f"GET / HTTP/1.1\r\n{HEAD}Content-Length: 9999\r\n\r\n", " "),
    "a body for nothing": (f"PUT /nothing HTTP/1.1\r\n{HEAD}Content-Length: 9999\r\n\r\n", " "),
    "a promise of a body": (
        f"POST /api/sessions HTTP/1.1\r\n{HEAD}Expect: 100-continue\r\nContent-Length: 9\r\n\r\n",
        "",
    ),
    "a WebSocket without a word": (UPGRADE, ""),
    "a WebSocket with half a frame": (UPGRADE + "\x81\xfe", ""),
}


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every bound a fraction of what it is."""
    monkeypatch.setattr("gateway.serve.KEEPALIVE_SECONDS", 0.6)
    monkeypatch.setattr("gateway.serve.LINGER_SECONDS", 0.3)
    monkeypatch.setattr("gateway.serve.UNREAD_SECONDS", 1.0)
    monkeypatch.setattr("gateway.web.rest.BODY_SECONDS", 0.5)
    monkeypatch.setattr("gateway.web.connection.HELLO_SECONDS", 0.5)


async def seconds_open(gateway: RunningGateway, first: str, drip: str) -> float:
    """Return after how long a client that says this is closed."""
    loop = asyncio.get_running_loop()
    address = urlsplit(gateway.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    began = loop.time()
    reading = asyncio.create_task(to_the_end(reader))
    try:
        with suppress(ConnectionError):
            writer.write(first.encode("latin-1"))
            while drip and not reading.done():
                writer.write(drip.encode())
                await writer.drain()
                await asyncio.wait({reading}, timeout=DRIP_SECONDS)
        async with asyncio.timeout(GUARD_SECONDS):
            await reading
        return loop.time() - began
    finally:
        writer.transport.abort()


async def to_the_end(reader: asyncio.StreamReader) -> None:
    """Read until the connection is closed."""
    with suppress(ConnectionError):
        while await reader.read(65536):
            pass


async def health(gateway: RunningGateway, *, times: list[float]) -> None:
    """Ask /health again and again, on connections of its own, and note how long each answer took."""
    loop = asyncio.get_running_loop()
    while True:
        began = loop.time()
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{gateway.url}/health") as response,
        ):
            assert response.status == 200
        times.append(loop.time() - began)
        await asyncio.sleep(DRIP_SECONDS)


@pytest.mark.parametrize("clients", [54, pytest.param(500, marks=pytest.mark.stress)])
async def test_slow_clients(
    postgres: EmbeddedServer,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    clients: int,
) -> None:
    """Whatever people leave unsaid, or say a byte at a time, they are closed in time; others are served."""
    if clients < 500:
        hurry(monkeypatch)
    names = [*SLOW] * (clients // len(SLOW) + 1)
    times = list[float]()
    async with running_gateway(database=postgres.url, options=FLAT_OUT, **OPEN_DOOR) as gateway:
        asking = asyncio.create_task(health(gateway, times=times))
        took = await asyncio.gather(*(seconds_open(gateway, *SLOW[n]) for n in names[:clients]))
        assert not asking.done(), "each answer was a good one"
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await until(lambda: len(gateway.app[DOOR]) == 0)
    slowest = dict(sorted(zip(took, names, strict=False))[-3:])
    assert max(took) < promised(PROMISED_SECONDS), slowest
    assert failures(caplog) == []
    times.sort()
    half, most = (times[len(times) * share // 100] * 1000 for share in (50, 95))
    figures.record(
        f"{clients} slow clients",
        f"the last closed after {max(took):.1f} s; meanwhile /health took "
        f"{half:.0f} ms (half), {most:.0f} ms (95 %)",
    )


async def test_a_client_that_takes_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Who asks for more than fits into sockets, and reads nothing of it, is cut off."""
    hurry(monkeypatch)
    transports = list[asyncio.Transport]()

    async def megabytes(request: web.Request) -> web.Response:
        assert request.transport is not None
        transports.append(request.transport)
        return web.Response(body=b"x" * 8_000_000)

    app, loop = web.Application(), asyncio.get_running_loop()
    app.router.add_get("/", megabytes)
    async with listening(app, host="127.0.0.1", port=0) as port:
        with socket.socket() as client:
            client.setblocking(False)
            await loop.sock_connect(client, ("127.0.0.1", port))
            await loop.sock_sendall(client, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await until(lambda: len(transports) == 1 and transports[0].is_closing())
    assert failures(caplog) == []
