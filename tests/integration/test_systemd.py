"""As a systemd service: the unit is well formed, and the process tells systemd what the unit expects."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.backends.postgres import Database
from gateway.dev.embedded_server import EmbeddedServer
from tests.integration.gateway_process import ALONE
from tests.integration.money import until
from tests.promises import GUARD_SECONDS
from tests.system_packages import install

UNIT = Path(__file__).parents[2] / "docs" / "gateway.service"
INSTALLED = "/opt/report-chat-gateway/bin/gateway"
# What docs/operations.md adds for several processes.
TEMPLATE = "Environment=GATEWAY_SERVER_PORT=%i GATEWAY_SERVER_OPS_PORT=1%i\n"
# `systemd-analyze security` in tenths: 0 has nothing left to lose, 100 everything.
MOST_EXPOSED = 15
IN_CI = os.environ.get("CI") == "true"


@pytest.fixture(scope="module")
def analyze() -> str:
    """The program that judges units."""
    if shutil.which("systemd-analyze") is None:
        if not IN_CI:
            pytest.skip("there is no systemd-analyze (Debian: apt-get install systemd)")
        install("systemd")
    return "systemd-analyze"


@pytest.fixture(params=["gateway.service", "gateway@.service"])
def unit(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The unit, for one process and for several, with the command of this installation."""
    text = UNIT.read_text(encoding="utf-8").replace(
        INSTALLED, str(Path(sys.executable).with_name("gateway"))
    )
    if "@" in request.param:
        text = text.replace("[Service]\n", f"[Service]\n{TEMPLATE}")
    file = tmp_path / str(request.param)
    file.write_text(text, encoding="utf-8")
    return file


@pytest.fixture
async def notices() -> AsyncIterator[tuple[str, list[str]]]:
    """The address of a supervisor, and what it has heard."""
    heard: list[str] = []
    loop = asyncio.get_running_loop()
    with (
        # Not pytest's folder: the path of a socket has at most 107 bytes.
        tempfile.TemporaryDirectory(prefix="gateway-") as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver,
    ):
        receiver.setblocking(False)
        receiver.bind(f"{folder}/notify")
        loop.add_reader(receiver, lambda: heard.append(receiver.recv(100).decode()))
        yield f"{folder}/notify", heard
        loop.remove_reader(receiver)


@asynccontextmanager
async def supervised(database: str, **environ: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `python -m gateway serve` without a key, as a service would be."""
    alone = {f"GATEWAY_{name.upper()}": value for name, value in ALONE.items()}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "serve", "--port", "0"),
        env={"PATH": os.environ["PATH"], "DATABASE_URL": database, **alone, **environ},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def test_unit(analyze: str, unit: Path) -> None:
    """systemd finds nothing wrong with the unit, nor with the template made of it."""
    judged = subprocess.run(
        [analyze, "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
        timeout=GUARD_SECONDS,
    )

    # Where it does not know a key it says so, and is content.
    assert (judged.returncode, judged.stdout + judged.stderr) == (0, "")


def test_exposure(analyze: str, unit: Path) -> None:
    """The service can do little beside what it is for, as systemd measures that."""
    judged = subprocess.run(
        [
            *(analyze, "security", "--offline=yes", "--no-pager"),
            *(f"--threshold={MOST_EXPOSED}", str(unit)),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=GUARD_SECONDS,
    )

    assert judged.returncode == 0, judged.stdout + judged.stderr


async def test_ready_and_stopping(
    postgres: EmbeddedServer, database: Database, notices: tuple[str, list[str]]
) -> None:
    """systemd hears READY=1 once the gateway listens, and STOPPING=1 at SIGTERM; then it ends well."""
    address, heard = notices
    async with supervised(postgres.url, NOTIFY_SOCKET=address) as process:
        await until(lambda: "READY=1" in heard, seconds=GUARD_SECONDS)
        assert heard == ["READY=1"]
        process.terminate()
        async with asyncio.timeout(GUARD_SECONDS):
            assert await process.wait() == 0
        await until(lambda: len(heard) > 1, lambda: heard)
    assert heard == ["READY=1", "STOPPING=1"]


async def test_watchdog(
    postgres: EmbeddedServer, database: Database, notices: tuple[str, list[str]]
) -> None:
    """With a watchdog systemd hears again and again, twice in its time, that the gateway lives."""
    address, heard = notices
    async with supervised(postgres.url, NOTIFY_SOCKET=address, WATCHDOG_USEC="200000") as process:
        await until(
            lambda: "READY=1" in heard and heard.count("WATCHDOG=1") > 3, seconds=GUARD_SECONDS
        )
        process.terminate()
        async with asyncio.timeout(GUARD_SECONDS):
            assert await process.wait() == 0


async def test_bad_configuration(postgres: EmbeddedServer, notices: tuple[str, list[str]]) -> None:
    """A configuration that cannot work ends with the status at which the unit does not restart."""
    address, heard = notices
    async with supervised(postgres.url, NOTIFY_SOCKET=address, GATEWAY_SERVER_PROT="1") as process:
        status = await process.wait()

    assert f"RestartPreventExitStatus={status}\n" in UNIT.read_text(encoding="utf-8")
    assert heard == []
