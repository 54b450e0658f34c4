"""A gateway in a process of its own, as a supervisor starts it."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from gateway.dev.simulator import SEEN, SimulatorLog, SimulatorOptions, create_simulator
from gateway.serve import listening
from tests.integration.money import known
from tests.promises import GUARD_SECONDS
from tests.running_gateway import FLAT_OUT, shared_tokenizer

# Not two processes on one port.
ALONE = known(server_ops_port="0")


class GatewayProcess(msgspec.Struct):
    """Where it listens (http), the process itself, and what it has logged so far."""

    url: str
    process: asyncio.subprocess.Process
    log: list[bytes]

    async def kill(self) -> None:
        """Kill it (kill -9) and wait until it is gone."""
        self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def simulator(
    options: SimulatorOptions = FLAT_OUT, *, port: int = 0
) -> AsyncIterator[tuple[str, SimulatorLog]]:
    """Run a simulator that outlives gateways; yields its base URL and what it sees."""
    app = create_simulator(shared_tokenizer(), options=options)
    async with listening(app, host="127.0.0.1", port=port) as port:
        yield f"http://127.0.0.1:{port}/v1", app[SEEN]


@asynccontextmanager
async def gateway_process(
    *, database: str, base_url: str, port: int | str = 0, **settings: str
) -> AsyncIterator[GatewayProcess]:
    """Run `python -m gateway serve`; `settings` are named as in the environment."""
    settings = ALONE | settings
    environ = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": database,
        "OPENAI_API_KEY": "sk-test",
        "OPENAI_BASE_URL": base_url,
        "GATEWAY_OPENAI_MODEL": "sim-plain",
    } | {f"GATEWAY_{name.upper()}": value for name, value in settings.items()}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "serve", "--port", str(port)),
        env=environ,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    listening = asyncio.get_running_loop().create_future()
    # The ops listener comes first, and says so too.
    ops_port = int(settings["server_ops_port"])
    lines = list[bytes]()
    log = asyncio.create_task(_read(process.stderr, lines, listening, ops_port=ops_port))
    try:
        async with asyncio.timeout(GUARD_SECONDS):
            port = await listening
        yield GatewayProcess(f"http://127.0.0.1:{port}", process, lines)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        await log


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _read(
    log: asyncio.StreamReader,
    lines: list[bytes],
    listening: asyncio.Future[int],
    *,
    ops_port: int,
) -> None:
    # To its end: a process whose log nobody reads stops when the pipe is full.
    async for line in log:
        lines.append(line)
        if b'"server.listening"' in line and not listening.done():
            port = msgspec.json.decode(line)["port"]
            if port != ops_port:
                listening.set_result(port)
    if not listening.done():
        listening.set_exception(AssertionError("the gateway did not start"))
