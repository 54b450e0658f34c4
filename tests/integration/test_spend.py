"""`gateway spend`: what was spent, for the one who pays."""

import asyncio
import os
import sys

from gateway.backends.postgres import Database
from gateway.backends.store import PostgresStore
from gateway.dev.embedded_server import EmbeddedServer
from tests.builders import a_new_turn, an_outcome


async def spend(postgres: EmbeddedServer, *arguments: str) -> list[list[str]]:
    """Run the command and return the fields of each line it prints, its heading left out."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "spend", *arguments),
        env={"PATH": os.environ["PATH"], "DATABASE_URL": postgres.url},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    heading, *lines = output.decode().splitlines()
    assert heading.split("  ")[0] == ("session" if "--session" in arguments else "day")
    return [line.split() for line in lines]


async def some_turns(store: PostgresStore) -> list[str]:
    """Store a cheap session and a dear one, whose second turn runs; return their ids."""
    ids = []
    for number, cost in enumerate((30_000, 1_500_000_000)):
        session = await store.open_session(b"token %d" % number, report_id=None)
        ids.append(str(session.id))
        for outcome in (an_outcome(cost_nano=cost), None):
            turn = a_new_turn(session.id)
            await store.accept_turn(turn)
            if outcome or number:
                caps = {"session_cap": 10**12, "day_cap": 10**12}
                await store.reserve(turn.id, wanted=2_000_000_000, least=1, **caps)
            if outcome:
                await store.finish_turn(turn.id, outcome)
    return ids


async def test_nothing_spent(postgres: EmbeddedServer, database: Database) -> None:
    """An empty ledger is a heading."""
    assert await spend(postgres) == []


async def test_days(postgres: EmbeddedServer, database: Database, store: PostgresStore) -> None:
    """A day (UTC) is a line: what it has spent, and what it has set aside."""
    await some_turns(store)
    ((today,),) = await database.fetch("SELECT (now() AT TIME ZONE 'UTC')::date::text")
    assert await spend(postgres) == [[today, "1.50003", "2.00"]]
    assert await spend(postgres, "--day") == [[today, "1.50003", "2.00"]]


async def test_sessions(postgres: EmbeddedServer, database: Database, store: PostgresStore) -> None:
    """A session is a line, the dearest first."""
    cheap, dear = await some_turns(store)
    assert await spend(postgres, "--session") == [
        [dear, "1.50", "2.00"],
        [cheap, "0.00003", "0.00"],
    ]
