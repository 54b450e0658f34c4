"""The product as a supervisor runs it, its servers, and two readers in front of it."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from playwright.async_api import async_playwright

from gateway.backends.migrations import migrate
from gateway.backends.postgres import Database
from gateway.backends.store import PostgresStore
from gateway.commands import SAMPLE_REPORTS, read_reports
from gateway.dev.embedded import postgres_server, redis_server
from gateway.dev.embedded_server import EmbeddedServer
from gateway.dev.simulator import SimulatorOptions
from gateway.resources import migrations_folder
from tests.browser.conftest import ARGUMENTS, BROWSERS
from tests.integration.gateway_process import free_port, simulator
from tests.promises import GUARD_SECONDS
from tests.rehearsal.reader import Reader

REPORT = "saesol-2026q3"
# Deadlines that nobody waits long for, and a cap that a long question passes.
SETTINGS = {
    "GATEWAY_OPENAI_MODEL": "sim-plain",
    "GATEWAY_LIMITS_FIRST_CHUNK_SECONDS": "4",
    "GATEWAY_LIMITS_STALL_SECONDS": "4",
    "GATEWAY_COST_REQUEST_USD": "0.0008",
    "GATEWAY_COST_SESSION_USD": "1000",
}
# Half of an answer takes a tenth of a second: what is told in seconds then is our own deadline.
PACE = SimulatorOptions(tokens_per_second=2000, first_token_seconds=0)
LOCALES = {"ko": "ko-KR", "en": "en-US"}

Line = dict[str, Any]


class Theatre(msgspec.Struct):
    """Everything that a rehearsal has a hand on; `log` grows as the gateway writes it."""

    ops_url: str
    simulator_url: str
    postgres: EmbeddedServer
    redis: EmbeddedServer
    readers: dict[str, Reader]
    log: list[Line]

    async def arm(self, fault: str, *, times: int) -> None:
        """Let the next requests meet a fault."""
        async with (
            aiohttp.ClientSession() as http,
            http.post(
                f"{self.simulator_url}/sim/faults", json={"fault": fault, "times": times}
            ) as response,
        ):
            assert response.status == 200

    async def readiness(self) -> str:
        """Return what machines are told when they ask whether visitors may be sent."""
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{self.ops_url}/readyz") as response,
        ):
            return f"{response.status} `{(await response.json())['status']}`"

    async def ready(self) -> None:
        """Wait until everything is there."""
        async with asyncio.timeout(GUARD_SECONDS):
            # Nobody tells us when a server is as quick again as it was.
            while await self.readiness() != "200 `ok`":  # noqa: ASYNC110
                await asyncio.sleep(0.2)

    async def logged(self, event: str, *, since: int) -> None:
        """Wait until the log has `event` after its first `since` lines."""
        async with asyncio.timeout(GUARD_SECONDS):
            # The log has nobody to tell us.
            while not any(x["event"] == event for x in self.log[since:]):  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def timeline(self, trace_id: str) -> dict[str, Any]:
        """Return what happened to the last turn of a trace, once it is known."""
        async with asyncio.timeout(GUARD_SECONDS), aiohttp.ClientSession() as http:
            while True:
                async with http.get(f"{self.ops_url}/traces/{trace_id}") as response:
                    if response.status == 200 and (found := await response.json()):
                        view: dict[str, Any] = found[0]
                        return view
                await asyncio.sleep(0.05)


@asynccontextmanager
async def theatre(folder: Path) -> AsyncIterator[Theatre]:
    """Open everything, and close it again."""
    async with (
        postgres_server(folder / "postgres", durable=False) as postgres,
        redis_server(folder / "redis") as redis,
        simulator(PACE) as (base_url, _),
    ):
        database = Database(postgres.url)
        await migrate(database, folder=migrations_folder())
        await PostgresStore(database).import_reports(read_reports(SAMPLE_REPORTS))
        await database.close()
        log: list[Line] = []
        ops_port = free_port()
        environ = SETTINGS | {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": postgres.url,
            "REDIS_URL": redis.url,
            "OPENAI_API_KEY": "sk-test",
            "OPENAI_BASE_URL": base_url,
            "GATEWAY_SERVER_OPS_PORT": str(ops_port),
        }
        async with _gateway(environ, ops_port=ops_port, log=log) as url, async_playwright() as play:
            browser = await play.chromium.launch(
                executable_path=next(filter(None, map(shutil.which, BROWSERS)), None),
                args=list(ARGUMENTS),
            )
            page = f"{url}/?report={REPORT}"
            async with (
                Reader.at(page, browser=browser, locale=LOCALES["ko"]) as ko,
                Reader.at(page, browser=browser, locale=LOCALES["en"]) as en,
            ):
                yield Theatre(
                    ops_url=f"http://127.0.0.1:{ops_port}",
                    simulator_url=base_url.removesuffix("/v1"),
                    postgres=postgres,
                    redis=redis,
                    readers={"ko": ko, "en": en},
                    log=log,
                )
            await browser.close()


@asynccontextmanager
async def _gateway(
    environ: dict[str, str], *, ops_port: int, log: list[Line]
) -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "serve", "--port", "0"),
        env=environ,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    reading = asyncio.create_task(_read(process.stderr, log))
    try:
        async with asyncio.timeout(GUARD_SECONDS):
            while not (ports := [p for p in _ports(log) if p != ops_port]):
                assert process.returncode is None, "the gateway did not start"
                await asyncio.sleep(0.05)
        yield f"http://127.0.0.1:{ports[0]}"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        await reading


def _ports(log: list[Line]) -> list[int]:
    return [line["port"] for line in log if line["event"] == "server.listening"]


async def _read(stream: asyncio.StreamReader, log: list[Line]) -> None:
    async for line in stream:
        log.append(msgspec.json.decode(line))
