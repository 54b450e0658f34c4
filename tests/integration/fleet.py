"""Two gateway processes behind nginx with the configuration we ship, for as many tests as want them."""

import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType

import aiohttp
import msgspec
import pytest

from gateway.dev.embedded_server import EmbeddedServer
from tests.integration.gateway_process import free_port
from tests.integration.money import OPEN_DOOR
from tests.system_packages import install

SHIPPED = Path(__file__).parents[2] / "docs" / "nginx.conf"
# Debian's package puts it where only root looks.
PLACES = f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin"


class Gateway(msgspec.Struct):
    """One of several gateway processes."""

    url: str
    ops_url: str
    server: EmbeddedServer

    async def turns(self) -> int:
        """Return how many turns run there."""
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{self.ops_url}/readyz") as response,
        ):
            turns: int = (await response.json())["turns"]
            return turns


class Fleet(msgspec.Struct):
    """Where nginx listens, the gateways behind it, and the port where they look for their upstream."""

    url: str
    gateways: tuple[Gateway, Gateway]
    upstream_port: int
    folder: Path

    async def owner(self) -> Gateway:
        """Return the gateway that runs the one turn there is."""
        first, second = self.gateways
        return first if await first.turns() else second

    def last_met(self) -> set[str]:
        """Return which gateways the last two WebSockets met that are closed by now."""
        lines = (self.folder / "logs" / "access.log").read_text().splitlines()
        return {line.split()[-2] for line in [line for line in lines if " /ws " in line][-2:]}


def nginx_binary() -> str:
    """Return nginx, installed with apt-get where it is missing; skips where that cannot be, but not in CI."""
    if shutil.which("nginx", path=PLACES) is None:
        install("nginx-light")
    binary = shutil.which("nginx", path=PLACES)
    if binary is None:
        assert os.environ.get("CI") != "true", "nginx-light is missing and could not be installed"
        pytest.skip("nginx-light is missing and could not be installed (apt-get as root)")
    return binary


def nginx_folder(
    folder: Path,
    *,
    port: int,
    upstreams: tuple[str, str],
    changed: Mapping[str, str] = MappingProxyType({}),
) -> Path:
    """Make a folder in which nginx can run with what we ship, addresses, ports and `changed` lines apart."""
    for name in ("logs", "temp"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    text = SHIPPED.read_text()
    for shipped, here in (
        ("listen 80;", f"listen 127.0.0.1:{port};"),
        ("127.0.0.1:8080", upstreams[0]),
        ("127.0.0.1:8081", upstreams[1]),
        *changed.items(),
    ):
        assert text.count(shipped) == 1, shipped
        text = text.replace(shipped, here)
    (folder / "nginx.conf").write_text(text)
    return folder


@asynccontextmanager
async def nginx(
    folder: Path,
    *upstreams: str,
    port: int = 0,
    changed: Mapping[str, str] = MappingProxyType({}),
) -> AsyncIterator[EmbeddedServer]:
    """Run nginx before two addresses; on `port`, where it has to be known before."""
    port = port or free_port()
    first, second = upstreams
    nginx_folder(folder, port=port, upstreams=(first, second), changed=changed)
    server = EmbeddedServer(
        f"http://127.0.0.1:{port}",
        command=[*nginx_command(folder), "-g", "daemon off;"],
        log=folder / "nginx.log",
        gentle=signal.SIGTERM,
        ready=lambda _: _listens(port),
    )
    async with _started(server):
        yield server


def nginx_command(folder: Path) -> list[str]:
    """Return how nginx is called for a folder."""
    return [nginx_binary(), "-p", str(folder), "-e", "logs/error.log", "-c", "nginx.conf"]


@asynccontextmanager
async def gateway(
    folder: Path, *, database: str, redis: str, upstream_port: int, **settings: str
) -> AsyncIterator[Gateway]:
    """Run `python -m gateway serve` on a port of its own, to be killed and started again."""
    port, ops_port = free_port(), free_port()
    environ = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": database,
        "REDIS_URL": redis,
        "OPENAI_API_KEY": "sk-test",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{upstream_port}/v1",
        "GATEWAY_OPENAI_MODEL": "sim-ignore-max-tokens",
        "GATEWAY_SERVER_OPS_PORT": str(ops_port),
    } | {f"GATEWAY_{name.upper()}": value for name, value in (OPEN_DOOR | settings).items()}
    server = EmbeddedServer(
        f"http://127.0.0.1:{port}",
        command=[
            *("/usr/bin/env", "-i", *(f"{name}={value}" for name, value in environ.items())),
            *(sys.executable, "-m", "gateway", "serve", "--port", str(port)),
        ],
        log=folder / f"gateway-{port}.log",
        gentle=signal.SIGTERM,
        ready=lambda _: _listens(port),
    )
    async with _started(server):
        yield Gateway(server.url, f"http://127.0.0.1:{ops_port}", server)


@asynccontextmanager
async def fleet(folder: Path, *, database: str, redis: str) -> AsyncIterator[Fleet]:
    """Run two gateways and nginx before them; the upstream is to be run by each test."""
    upstream_port = free_port()
    async with (
        gateway(folder, database=database, redis=redis, upstream_port=upstream_port) as first,
        gateway(folder, database=database, redis=redis, upstream_port=upstream_port) as second,
        nginx(
            folder / "nginx",
            first.url.removeprefix("http://"),
            second.url.removeprefix("http://"),
        ) as server,
    ):
        yield Fleet(server.url, (first, second), upstream_port, folder / "nginx")


@asynccontextmanager
async def _started(server: EmbeddedServer) -> AsyncIterator[None]:
    try:
        await server.start()
        yield
    finally:
        await server.stop()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
