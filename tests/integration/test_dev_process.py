"""`gateway dev` as people run it: it answers, keeps what they write to itself, and leaves nothing behind."""

import asyncio
import os
import re
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import psutil
import pytest

from gateway.dev.simulator import SEEN, SimulatorLog, create_simulator
from gateway.serve import listening
from tests import canary
from tests.chat_client import ChatClient, text_of
from tests.integration.gateway_process import ALONE, free_port
from tests.integration.helpers import question
from tests.promises import GUARD_SECONDS
from tests.running_gateway import FLAT_OUT, shared_tokenizer

ROOT = Path(__file__).parents[2]
SAMPLE = "saesol-2026q3"
URL = re.compile(rb"http://\S+")


class Trial:
    """A `gateway dev` in a process of its own."""

    def __init__(self, url: str, *, process: asyncio.subprocess.Process, folder: Path) -> None:
        self.url = url
        self._process = process
        self._folder = folder

    async def interrupt(self) -> int:
        """Press Ctrl-C and return the exit status."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGINT)
        async with asyncio.timeout(GUARD_SECONDS):
            return await self._process.wait()

    def children(self) -> list[psutil.Process]:
        """Return every process it has started, and those they have."""
        return psutil.Process(self._process.pid).children(recursive=True)

    def logs(self) -> list[Path]:
        """Return everything it and its servers have written for people to read."""
        return [file for file in self._folder.rglob("*") if file.suffix in (".log", ".out", ".err")]


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder that other users may look through, as Postgres must."""
    with tempfile.TemporaryDirectory(prefix="gateway-dev-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture
async def upstream() -> AsyncIterator[tuple[str, SimulatorLog]]:
    """A simulator outside the trial, for the sake of a key."""
    simulator = create_simulator(shared_tokenizer(), options=FLAT_OUT)
    async with listening(simulator, host="127.0.0.1", port=0) as port:
        yield f"http://127.0.0.1:{port}/v1", simulator[SEEN]


@asynccontextmanager
async def trial(folder: Path, **environ: str) -> AsyncIterator[Trial]:
    """Run `gateway dev` at DEBUG; its data and its output are in `folder`."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    with (folder / "trial.out").open("wb") as output, (folder / "trial.err").open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "dev"),
            *("--port", "0", "--data", str(folder / "data")),
            cwd=ROOT,
            env={
                **inherited,
                "GATEWAY_LOG_LEVEL": "DEBUG",
                **{f"GATEWAY_{name.upper()}": value for name, value in ALONE.items()},
                **environ,
            },
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
        )
    try:
        url = await _announced(folder / "trial.out", process)
        running = Trial(url, process=process, folder=folder)
        yield running
        await running.interrupt()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _announced(output: Path, process: asyncio.subprocess.Process) -> str:
    async with asyncio.timeout(GUARD_SECONDS):
        while (found := URL.search(output.read_bytes())) is None:
            assert process.returncode is None, "it did not start"
            await asyncio.sleep(0.02)
    return found[0].decode()


async def test_a_trial(folder: Path) -> None:
    """Without key or servers, `gateway dev` answers a question about a sample report, and shows how."""
    ops_port = free_port()
    async with (
        trial(folder, GATEWAY_SERVER_OPS_PORT=str(ops_port)) as running,
        ChatClient.connect(running.url, report_id=SAMPLE) as client,
        aiohttp.ClientSession() as http,
    ):
        assert client.ready["simulated"] is True
        done = (await client.ask("매출은?"))[-1]
        assert done["type"] == "done"
        operators = f"http://127.0.0.1:{ops_port}"
        assert f"For operators: {operators}\n" in (folder / "trial.out").read_text()
        async with http.get(f"{operators}/traces/{done['trace_id']}") as response:
            assert [turn["turn_id"] for turn in await response.json()] == [done["turn_id"]]


async def test_the_end_of_a_trial(folder: Path) -> None:
    """Ctrl-C ends a trial with status 0, and every process that it had started."""
    async with trial(folder) as running, ChatClient.connect(running.url) as client:
        await client.say(question())
        children = running.children()
        assert await running.interrupt() == 0
        _, left = await asyncio.to_thread(psutil.wait_procs, children, timeout=GUARD_SECONDS)
    assert children, "it started servers"
    assert left == []


async def test_what_a_trial_writes(folder: Path, upstream: tuple[str, SimulatorLog]) -> None:
    """All output and logs of a trial at DEBUG hold nothing of question, answer, key or token."""
    base_url, seen = upstream
    async with (
        trial(
            folder,
            OPENAI_API_KEY=canary.KEY,
            OPENAI_BASE_URL=base_url,
            GATEWAY_OPENAI_MODEL="sim-plain",
        ) as running,
    ):
        async with ChatClient.connect(running.url, report_id=SAMPLE) as client:
            token = client.ready["session"]
            answer = text_of(await client.ask(question()))
            await client.socket.send_str(question())
            await client.receive()
        assert await running.interrupt() == 0
        written = {file.name: file.read_text(errors="replace") for file in running.logs()}
    assert seen.total_requests == 1
    assert {"trial.out", "trial.err", "postgres.log", "redis.log"} <= set(written)
    assert "turn.ended" in written["trial.err"]
    # A line of the answer is enough; all of it would never stand in one line.
    more = (token, *(line for line in answer.splitlines() if len(line) > 10))
    assert [hit for text in written.values() for hit in canary.hits(text, *more)] == []
