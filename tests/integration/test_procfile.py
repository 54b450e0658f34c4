"""The Procfile as people run it: `honcho start`, two processes on one port, and Ctrl-C."""

import asyncio
import os
import re
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import msgspec
import psutil
import pytest

from gateway.backends.postgres import Database
from gateway.backends.store import PostgresStore
from gateway.dev.embedded_server import EmbeddedServer
from tests.chat_client import ChatClient
from tests.integration.gateway_process import simulator
from tests.integration.helpers import REPORT, question
from tests.promises import GUARD_SECONDS

PROCFILE = Path(__file__).parents[2] / "Procfile"
# The ports the Procfile names: of the visitors, and of the machines that ask each process.
PUBLIC = "8080"
OPS = ("9080", "9081")
# The kernel deals connections out as if by dice: that 40 all go to one process happens never.
CONNECTIONS = 40
ADDRESS = "127.0.0.1"


class Crew(msgspec.Struct):
    """What honcho started, on ports that were free, and what it has printed so far."""

    honcho: asyncio.subprocess.Process
    ports: dict[str, int]
    output: list[str]

    @property
    def url(self) -> str:
        """Where both processes listen."""
        return f"http://{ADDRESS}:{self.ports[PUBLIC]}"

    def listeners(self) -> list[psutil.Process]:
        """Return the processes that serve visitors."""
        return [
            process
            for process in psutil.Process(self.honcho.pid).children(recursive=True)
            if any(
                c.status == psutil.CONN_LISTEN and c.laddr.port == self.ports[PUBLIC]
                for c in process.net_connections("tcp")
            )
        ]


@pytest.fixture
async def crew(
    tmp_path: Path, store: PostgresStore, postgres: EmbeddedServer, redis: EmbeddedServer
) -> AsyncIterator[Crew]:
    """The Procfile's processes, ready."""
    await store.import_reports([REPORT])
    ports = dict(zip((PUBLIC, *OPS), _free_ports(1 + len(OPS)), strict=True))
    text = PROCFILE.read_text(encoding="utf-8")
    for written, free in ports.items():
        assert re.search(rf"\b{written}\b", text), "the Procfile has other ports"
        text = re.sub(rf"\b{written}\b", str(free), text)
    (tmp_path / "Procfile").write_text(text, encoding="utf-8")
    binaries = str(Path(sys.executable).parent)
    honcho = shutil.which("honcho", path=binaries)
    assert honcho is not None, "it is among what tests need"
    async with simulator() as (base_url, _):
        process = await asyncio.create_subprocess_exec(
            *(honcho, "--no-colour", "start"),
            cwd=tmp_path,
            env={
                "PATH": f"{binaries}:{os.environ['PATH']}",
                "DATABASE_URL": postgres.url,
                "REDIS_URL": redis.url,
                "OPENAI_API_KEY": "sk-test",
                "OPENAI_BASE_URL": base_url,
                "GATEWAY_OPENAI_MODEL": "sim-plain",
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            # Ctrl-C is pressed there, not here.
            start_new_session=True,
        )
        crew = Crew(process, ports, [])
        reading = asyncio.create_task(_read(crew))
        try:
            async with asyncio.timeout(GUARD_SECONDS):
                await asyncio.gather(*(_ready(ports[port]) for port in OPS))
            yield crew
        finally:
            if process.returncode is None:
                process.terminate()
            async with asyncio.timeout(GUARD_SECONDS):
                await process.wait()
                await reading


async def test_both_serve(crew: Crew, database: Database) -> None:
    """Both processes take connections of the one port, and questions get their answers."""
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(ChatClient.connect(crew.url, report_id=REPORT.id))
            for _ in range(CONNECTIONS)
        ]
        served = [_connections(process, crew) for process in crew.listeners()]
        ends = [(await client.ask(question()))[-1]["type"] for client in clients[:4]]

    assert len(served) == len(OPS)
    assert min(served) > 0
    assert sum(served) == CONNECTIONS
    assert ends == ["done"] * 4


async def test_ctrl_c(crew: Crew) -> None:
    """Ctrl-C ends both processes with exit status 0, and nothing is left."""
    processes = crew.listeners()

    os.killpg(crew.honcho.pid, signal.SIGINT)
    async with asyncio.timeout(GUARD_SECONDS):
        await crew.honcho.wait()
        _, left = await asyncio.to_thread(psutil.wait_procs, processes, timeout=GUARD_SECONDS)

    assert left == []
    stopped = [line.rpartition("|")[2].strip() for line in crew.output if "stopped" in line]
    assert sorted(line for line in stopped if "(rc=" in line) == [
        "web.1 stopped (rc=0)",
        "web2.1 stopped (rc=0)",
    ]


def _free_ports(number: int) -> list[int]:
    # All of them held until the last is found, so that no two are the same.
    sockets = [socket.create_server((ADDRESS, 0)) for _ in range(number)]
    ports = [listening.getsockname()[1] for listening in sockets]
    for listening in sockets:
        listening.close()
    return ports


def _connections(process: psutil.Process, crew: Crew) -> int:
    return sum(
        c.status == psutil.CONN_ESTABLISHED and c.laddr.port == crew.ports[PUBLIC]
        for c in process.net_connections("tcp")
    )


async def _ready(port: int) -> None:
    """Wait until the process behind that ops port may be sent visitors."""
    async with aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(f"http://{ADDRESS}:{port}/readyz") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                # It is still starting.
                pass
            await asyncio.sleep(0.05)


async def _read(crew: Crew) -> None:
    assert crew.honcho.stdout is not None
    async for line in crew.honcho.stdout:
        crew.output.append(line.decode())
