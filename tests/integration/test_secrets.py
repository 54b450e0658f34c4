"""Nine secrets, and a gateway at which everything goes wrong: none of them is anywhere it does not belong.

The API key, the passwords of Postgres and Redis, tokens, questions, answers, reports, the instructions to
the model, and what the upstream says when it fails.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest

from gateway.backends.store import PostgresStore
from gateway.chat import context
from gateway.dev.embedded_server import EmbeddedServer
from gateway.dev.faults import Fault
from tests import canary
from tests.chat_client import ChatClient, Frame, text_of
from tests.http_client import HttpClient, frames_of
from tests.integration import figures
from tests.integration.gateway_process import (
    GatewayProcess,
    free_port,
    gateway_process,
    simulator,
)
from tests.integration.helpers import REPORT, down, question, without
from tests.integration.money import OPEN_DOOR, connected, faults
from tests.integration.redis_wire import command

# What the simulator says when it fails, and what the model is told.
ERROR_BODY = "Simulated:"
INSTRUCTIONS = (context.INSTRUCTIONS[:40], context.INSTRUCTIONS[-40:], context.NO_REPORT[:40])
# Of each answer these characters are searched for, as far as it has so many.
PIECE = slice(20, 60)
SHORT_PIECE = 30
PATHS = ("/metrics", "/readyz?verbose", "/livez", "/figures", "/traces?limit=1000")


class Told(NamedTuple):
    """What clients were told, tokens and answers apart, and those."""

    frames: list[Frame]
    tokens: set[str]
    answers: set[str]

    def add(self, frames: list[Frame]) -> None:
        """Add the frames of a turn."""
        self.frames.extend(frames)
        if any(frame["type"] in ("delta", "snapshot") for frame in frames):
            self.answers.add(text_of(frames))

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be found, beside everything with a canary in it."""
        pieces = (text[PIECE].strip() for text in self.answers)
        long = (piece for piece in pieces if len(piece) >= SHORT_PIECE and "\n" not in piece)
        return (ERROR_BODY, *INSTRUCTIONS, *self.tokens, *long)


class Upstream(NamedTuple):
    """Where the simulator listens."""

    upstream_url: str


def bare(frame: Frame) -> Frame:
    """Return a frame without that in which a secret belongs."""
    match frame["type"]:
        case "ready":
            turns = [without(turn, "question", "text") for turn in frame["turns"]]
            return without(frame, "session", "report", "suggestions") | {"turns": turns}
        case "accepted" | "delta" | "snapshot":
            return without(frame, "text")
    return frame


@asynccontextmanager
async def guarded(redis: EmbeddedServer) -> AsyncIterator[str]:
    """Let Redis ask for a password inside the block; yields its URL with it."""
    user = ("ACL", "SETUSER", "canary", "on", f">{canary.REDIS_PASSWORD}", "allkeys", "allchannels")
    assert await command(redis, *user, "allcommands") == b"+OK\r\n"
    path = redis.url.removeprefix("unix://")
    try:
        yield f"unix://canary:{canary.REDIS_PASSWORD}@{path}"
    finally:
        await command(redis, "ACL", "DELUSER", "canary")


async def ask(client: ChatClient, number: int, *, told: Told) -> None:
    """Ask over a WebSocket."""
    told.add(await client.ask(question(number)))


async def ask_for_events(client: HttpClient, *, told: Told) -> None:
    """Ask over HTTP, for a stream."""
    told.add(await frames_of(client.stream(question())))


async def ask_for_all(client: HttpClient, *, told: Told) -> None:
    """Ask over HTTP, for the whole answer."""
    _, answer = await client.ask(question())
    told.answers.add(answer.pop("text", ""))
    told.frames.append({"type": "whole"} | answer)


async def play(
    gateway: GatewayProcess, upstream: Upstream, fault: Fault, *, each: int, told: Told
) -> int:
    """Ask in every way while `fault` is played, and again after; returns how many turns that were."""
    hello = {"report_id": REPORT.id, "locale": "en"}
    async with (
        connected(*[gateway.url] * each, **hello) as clients,
        HttpClient.connect(gateway.url, **hello) as streaming,
        HttpClient.connect(gateway.url, **hello) as waiting,
    ):
        for ready in (*(client.ready for client in clients), streaming.ready, waiting.ready):
            told.frames.append(ready)
            told.tokens.add(ready["session"])

        async def everybody() -> None:
            await asyncio.gather(
                *(ask(client, n, told=told) for n, client in enumerate(clients)),
                ask_for_events(streaming, told=told),
                ask_for_all(waiting, told=told),
            )

        async with faults(upstream, fault, times=2 * each + 4):
            await everybody()
        await everybody()
    return 2 * each + 4


async def read_ops(port: int) -> str:
    """Return all that machines can read."""
    async with aiohttp.ClientSession() as http:
        said = []
        for path in PATHS:
            async with http.get(f"http://127.0.0.1:{port}{path}") as response:
                assert response.status != 404, path
                said.append(await response.text())
        return "\n".join(said)


@pytest.mark.parametrize("each", [1, pytest.param(8, marks=pytest.mark.stress)])
async def test_nine_secrets(
    store: PostgresStore, postgres: EmbeddedServer, redis: EmbeddedServer, each: int
) -> None:
    """Through every fault, at DEBUG: not in the log, in no frame, no metric, no trace, no command line."""
    await store.import_reports([REPORT])
    told, ops_port = Told([], set(), set()), free_port()
    async with (
        simulator() as (base_url, seen),
        guarded(redis) as redis_url,
        gateway_process(
            database=postgres.url.replace("postgres@", f"postgres:{canary.DATABASE_PASSWORD}@"),
            base_url=base_url,
            redis_url=redis_url,
            openai_api_key=canary.KEY,
            openai_max_output_tokens="100",
            limits_first_chunk_seconds="1.5",
            limits_stall_seconds="0.5",
            limits_turn_seconds="3",
            log_level="DEBUG",
            server_ops_port=str(ops_port),
            **OPEN_DOOR,
        ) as gateway,
    ):
        upstream, turns = Upstream(base_url), 0
        for fault in Fault:
            turns += await play(gateway, upstream, fault, each=each, told=told)
        sources = {f["context"]["source"] for f in told.frames if f["type"] == "accepted"}
        async with (
            connected(gateway.url, report_id=REPORT.id) as (client,),
            down(postgres),
            down(redis),
        ):
            told.add(await client.ask(question()))
        machines = await read_ops(ops_port)
        command_line = Path(f"/proc/{gateway.process.pid}/cmdline").read_text()
    log = b"".join(gateway.log).decode()
    frames = "\n".join(json.dumps(bare(frame), ensure_ascii=False) for frame in told.frames)
    for name, text in (
        ("log", log),
        ("frames", frames),
        ("machines", machines),
        ("command line", command_line),
    ):
        assert canary.hits(text, *told.secrets) == [], name
    assert all(isinstance(json.loads(line), dict) for line in gateway.log)
    # And there was something to find: Redis took its password, the upstream the prompt and the report.
    assert "cache" in sources
    assert len(seen.requests) > turns / 2
    assert any(text in seen.requests[-1].messages[0].content for text in INSTRUCTIONS)
    assert canary.hits("\n".join(told.answers))
    assert "chatgw_turns_total" in machines
    assert machines.count('"trace_id"') >= turns
    codes = {frame.get("code") for frame in told.frames}
    assert {"storage_unavailable", "upstream_unavailable", "upstream_truncated"} <= codes
    figures.record(
        f"{turns} turns through every fault",
        f"nine secrets in {len(gateway.log)} lines of log, {len(told.frames)} frames: 0 hits",
    )
