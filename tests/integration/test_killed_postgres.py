"""Postgres is killed in the middle of answers (kill -9): none is lost, none is there twice."""

import asyncio
import random
import time
from uuid import UUID

import pytest

from gateway.backends.postgres import Database
from gateway.backends.store import PostgresStore
from gateway.dev.embedded_server import EmbeddedServer
from tests.chat_client import ChatClient, text_of
from tests.integration import figures
from tests.integration.helpers import (
    REPORT,
    STROLLING,
    begun,
    down,
    eventually,
    question,
    stored,
    stored_turns,
)
from tests.integration.money import BY_DAY, BY_SESSION, OPEN_DOOR, connected, sums
from tests.promises import promised
from tests.running_gateway import running_gateway

# "At once", for somebody who waits.
AT_ONCE_SECONDS = 0.5
ROWS = "SELECT count(*) FROM turns WHERE client_id = %s"


async def refused(client: ChatClient) -> float:
    """Ask without a database; returns after how many seconds that was told."""
    began = time.monotonic()
    end = (await client.ask("And?"))[-1]
    assert (end["code"], end["retryable"]) == ("storage_unavailable", True)
    return time.monotonic() - began


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.stress)])
async def test_killed(
    kills: int, postgres: EmbeddedServer, store: PostgresStore, database: Database
) -> None:
    """Each answer goes on to its end and is stored once; meanwhile others are told at once to try later."""
    chance = random.Random(kills)
    await store.import_reports([REPORT])
    slowest = 0.0
    async with (
        running_gateway(database=postgres.url, options=STROLLING, **OPEN_DOOR) as gateway,
        connected(gateway.url) as (other,),
    ):
        for number in range(kills):
            async with connected(gateway.url, report_id=REPORT.id) as (client,):
                client_id = await client.say(question(number))
                frames = await begun(client, [], deltas=chance.randint(1, 20))
                async with down(postgres):
                    slowest = max(slowest, await refused(other))
                    # Some are back before the answer has ended, some after.
                    await asyncio.sleep(chance.uniform(0, 2))
                    slowest = max(slowest, await refused(other))
                frames += await client.until_end()
            assert frames[-1]["type"] == "done"
            turn_id = frames[0]["turn_id"]

            async def is_answered(turn_id: str = turn_id) -> bool:
                return (await stored(database, turn_id))[0] == "answered"

            await eventually(is_answered)
            assert await stored(database, turn_id) == ("answered", text_of(frames))
            assert await database.fetch(ROWS, (UUID(client_id),)) == [(1,)]
        # Neither of the questions that were refused.
        assert await stored_turns(database) == gateway.upstream.total_requests == kills
    for sql in (BY_DAY, BY_SESSION):
        now = await sums(database, sql=sql)
        assert (now.reserved, now.running) == (0, 0)
    assert slowest < promised(AT_ONCE_SECONDS)
    figures.record(
        f"kill -9 of Postgres, {kills} times",
        f"{kills} answers stored, none twice; others told after {slowest * 1000:.0f} ms at most",
    )
