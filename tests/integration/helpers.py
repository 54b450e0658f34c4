"""What the tests of the whole gateway share: a report, questions, and a hand on Redis."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import aiohttp
import pytest

from gateway.backends.postgres import Database
from gateway.chat.records import ReportSnapshot
from gateway.dev.embedded_server import EmbeddedServer
from gateway.dev.simulator import SimulatorOptions
from tests import canary
from tests.chat_client import ChatClient, Frame
from tests.promises import GUARD_SECONDS

# A second or two for an answer: time to leave and come back while it is on its way.
STROLLING = SimulatorOptions(tokens_per_second=60, first_token_seconds=0)
# Half a second: time to do something at once.
WALKING = SimulatorOptions(tokens_per_second=240, first_token_seconds=0)
# A tenth or two.
RUNNING = SimulatorOptions(tokens_per_second=800, first_token_seconds=0)
REPORT = ReportSnapshot(
    id="saesol",
    headline=f"Saesol's third quarter {canary.HEADLINE}",
    summary=(
        f"Revenue rose by a tenth to 1.37 trillion won, says {canary.SUMMARY}. "
        "Operating profit fell because copper became dearer. "
        f"새솔전자의 매출은 늘었고 이익은 줄었다고 {canary.KOREAN}이 전했다. "
        "The company expects a better margin in the fourth quarter. "
        "The exchange rate remains a risk."
    ),
    figures="| item | won |\n|---|---|\n| revenue | 13,728 |\n| profit | 961 |",
)
TOPICS = ("revenue", "매출", "operating profit", "이익", "the exchange rate", "the margin")
FORMS = ("Why did {} change", "{} 요약해 줘", "What is the risk of {}", "{} 얼마야")


def question(number: int = 1) -> str:
    """Return the question of that number: no two are the same."""
    asked = FORMS[number % len(FORMS)].format(TOPICS[number % len(TOPICS)])
    return f"{number}. {asked}, {canary.QUESTION} {canary.KOREAN}?"


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until `condition` is true, which is a matter of milliseconds or a hang."""
    async with asyncio.timeout(GUARD_SECONDS):
        # A database and a log have nobody to tell us.
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


@asynccontextmanager
async def empty_database(
    postgres: EmbeddedServer, options: str = "", change: str = ""
) -> AsyncIterator[str]:
    """Make a database without tables, for the block; `change` is done to it, as `{name}`."""
    name = f"empty_{uuid4().hex}"
    server = Database(postgres.url, pool_size=1)
    await server.fetch(f"CREATE DATABASE {name} {options}")
    if change:
        await server.fetch(change.format(name=name))
    yield postgres.url.replace("/postgres?", f"/{name}?")
    await server.fetch(f"DROP DATABASE {name} WITH (FORCE)")
    await server.close()


async def begun(client: ChatClient, frames: list[Frame], *, deltas: int = 1) -> list[Frame]:
    """Receive into `frames` until so many deltas have come, the answer is on its way then, or its end."""
    while sum(frame["type"] == "delta" for frame in frames) < deltas:
        frames.append(await client.receive())
        if frames[-1]["type"] in {"done", "error"}:
            break
    return frames


async def close_code(client: ChatClient) -> int | None:
    """Return the code with which the gateway has closed the connection, None where it has not."""
    with suppress(aiohttp.ClientError):
        # Whatever is the answer to this, it is no close.
        await client.send(type="ping")
    async with asyncio.timeout(GUARD_SECONDS):
        await client.socket.receive()
    return client.socket.close_code


async def stored_turns(database: Database) -> int:
    """Return how many turns the database holds."""
    rows = await database.fetch("SELECT count(*) FROM turns")
    count: int = rows[0][0]
    return count


async def stored(database: Database, turn_id: str) -> tuple[str, str]:
    """Return state and answer of a turn as the database holds it."""
    rows = await database.fetch("SELECT state, answer FROM turns WHERE id = %s", (UUID(turn_id),))
    state, answer = rows[0]
    return state, answer


async def wipe(redis: EmbeddedServer) -> None:
    """Let Redis forget everything."""
    reader, writer = await asyncio.open_unix_connection(urlsplit(redis.url).path)
    writer.write(b"FLUSHALL\r\n")
    assert await reader.readline() == b"+OK\r\n"
    writer.close()
    await writer.wait_closed()


@contextmanager
def hung(server: EmbeddedServer) -> Iterator[None]:
    """Let a server answer nobody inside the block, though its connections stay open."""
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


@asynccontextmanager
async def down(server: EmbeddedServer) -> AsyncIterator[None]:
    """Let a server be dead inside the block, as after a crash."""
    server.kill()
    try:
        yield
    finally:
        await server.start()


def failures(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was logged of crashes and errors during the test."""
    return [r.msg for r in caplog.get_records("call") if r.exc_info or r.levelno >= logging.ERROR]


def without(frame: Frame, *names: str) -> dict[str, Any]:
    """Return `frame` without some fields."""
    return {name: value for name, value in frame.items() if name not in names}
