"""Machines are told what a process can do, while Postgres and Redis really die."""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import psutil
import pytest

from gateway.app import create_app
from gateway.backends.migrations import migrate
from gateway.backends.postgres import Database
from gateway.backends.store import PostgresStore
from gateway.config import load
from gateway.dev.embedded_server import EmbeddedServer
from gateway.resources import migrations_folder
from gateway.serve import listening
from gateway.web.keys import SERVICE
from gateway.web.ops import create_ops_app
from tests.integration import figures
from tests.integration.helpers import down, empty_database, eventually
from tests.promises import promised
from tests.running_gateway import RunningGateway, running_gateway

# How soon machines are told that Postgres is away, and how soon that it is back.
TOLD_SECONDS = 5.0
ALL_WELL = {
    "started": "ok",
    "tokenizer": "ok",
    "not_draining": "ok",
    "postgres": "ok",
    "redis": "ok",
}
WITHOUT_REDIS = (200, "degraded", ALL_WELL | {"redis": "failed"})
WITHOUT_POSTGRES = (503, "storage_unavailable", ALL_WELL | {"postgres": "failed"})


@pytest.fixture
async def gateway(
    store: PostgresStore, postgres: EmbeddedServer, redis: EmbeddedServer
) -> AsyncIterator[RunningGateway]:
    """A gateway with everything it can have."""
    async with running_gateway(database=postgres.url, redis=redis.url) as gateway:
        yield gateway


async def ask(ops_url: str, path: str) -> tuple[int, Any]:
    """Return status and body of a call of the ops listener."""
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{ops_url}{path}") as response,
    ):
        return response.status, await response.json()


async def verbose(ops_url: str) -> tuple[int, str, dict[str, str]]:
    """Return status, word and checks of `/readyz?verbose`."""
    status, body = await ask(ops_url, "/readyz?verbose")
    return status, body["status"], body["checks"]


async def says(gateway: RunningGateway, status: str) -> bool:
    """Return whether `/readyz` has that status."""
    return (await verbose(gateway.ops_url))[1] == status


@contextmanager
def frozen(server: EmbeddedServer) -> Iterator[None]:
    """Let a server and all its children answer nobody inside the block."""
    server_process = psutil.Process(server.pid)
    frozen = [server_process, *server_process.children(recursive=True)]
    for process in frozen:
        process.suspend()
    try:
        yield
    finally:
        for process in frozen:
            process.resume()


@pytest.mark.parametrize("path", ["/readyz", "/healthz"])
async def test_ready(gateway: RunningGateway, path: str) -> None:
    """A process that has everything says so, under both names, and how much it has to do."""
    told = await ask(gateway.ops_url, path)
    assert told == (200, {"status": "ok", "turns": 0, "answers_pending": 0})


async def test_checks(gateway: RunningGateway) -> None:
    """Each check is told to whoever asks for it."""
    assert await verbose(gateway.ops_url) == (200, "ok", ALL_WELL)


async def test_upstream_is_never_asked(gateway: RunningGateway) -> None:
    """Looking costs nothing: the upstream sees no request."""
    await verbose(gateway.ops_url)
    assert gateway.upstream.total_requests == 0


async def test_starting() -> None:
    """A process that has not started yet is alive, and not ready."""
    app = create_app(load(environ={"DATABASE_URL": "postgresql://nowhere.invalid/x"}))
    async with listening(create_ops_app(app), host="127.0.0.1", port=0) as port:
        ops_url = f"http://127.0.0.1:{port}"
        told = await verbose(ops_url)
        assert told == (503, "starting", {"started": "failed", "tokenizer": "failed"})
        assert (await ask(ops_url, "/livez"))[0] == 200


async def test_draining(gateway: RunningGateway) -> None:
    """A process that is about to leave is not sent anybody."""
    gateway.app[SERVICE].draining = True
    told = await verbose(gateway.ops_url)
    assert told == (503, "draining", ALL_WELL | {"not_draining": "failed"})
    assert await ask(gateway.url, "/health") == (503, {"status": "draining"})


async def test_without_redis(store: PostgresStore, postgres: EmbeddedServer) -> None:
    """A process that was given no Redis lacks nothing."""
    async with running_gateway(database=postgres.url) as gateway:
        told = await verbose(gateway.ops_url)
    assert told == (200, "ok", ALL_WELL | {"redis": "not_configured"})


async def test_redis_dead(gateway: RunningGateway, redis: EmbeddedServer) -> None:
    """Without its Redis a process is degraded, and still sent visitors; then it recovers by itself."""
    async with down(redis):
        assert await verbose(gateway.ops_url) == WITHOUT_REDIS
        assert (await ask(gateway.ops_url, "/livez"))[0] == 200
    await eventually(lambda: says(gateway, "ok"))


async def test_redis_frozen(gateway: RunningGateway, redis: EmbeddedServer) -> None:
    """A Redis that hangs is as good as none."""
    with frozen(redis):
        assert await verbose(gateway.ops_url) == WITHOUT_REDIS


async def test_before_the_migrations(store: PostgresStore, postgres: EmbeddedServer) -> None:
    """A process whose tables are not there yet is not sent anybody, and is once they are."""
    async with empty_database(postgres) as url, running_gateway(database=url) as gateway:
        assert (await verbose(gateway.ops_url))[:2] == (503, "storage_unavailable")
        database = Database(url, pool_size=1)
        await migrate(database, folder=migrations_folder())
        await database.close()
        assert (await verbose(gateway.ops_url))[:2] == (200, "ok")


async def test_postgres_dead(gateway: RunningGateway, postgres: EmbeddedServer) -> None:
    """Without Postgres a process is alive but not ready; then it recovers by itself."""
    async with down(postgres):
        assert await verbose(gateway.ops_url) == WITHOUT_POSTGRES
        assert (await ask(gateway.ops_url, "/livez"))[0] == 200
    await eventually(lambda: says(gateway, "ok"))


@pytest.mark.timed
async def test_postgres_frozen(gateway: RunningGateway, postgres: EmbeddedServer) -> None:
    """A Postgres that hangs is as good as none, and that is told in time; then it is back by itself."""
    with frozen(postgres):
        began = time.monotonic()
        status, word, _ = await verbose(gateway.ops_url)
        took = time.monotonic() - began
        assert took < promised(TOLD_SECONDS)
        assert (status, word) == (503, "storage_unavailable")
    figures.record("readyz while Postgres hangs", f"503 after {took:.1f} s")
    await eventually(lambda: says(gateway, "ok"))
