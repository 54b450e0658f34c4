"""A Postgres that takes no writes, as after a failover or with a full disk, is away and comes back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.backends.postgres import Database
from gateway.chat.errors import StorageUnavailable
from gateway.dev.embedded_server import EmbeddedServer
from gateway.web.keys import SERVICE, STORE
from tests.chat_client import ChatClient, text_of
from tests.integration.helpers import STROLLING, begun, eventually, question
from tests.integration.money import OPEN_DOOR, until
from tests.running_gateway import running_gateway

STORED = "SELECT state, answer FROM turns ORDER BY number"


@asynccontextmanager
async def read_only(postgres: EmbeddedServer) -> AsyncIterator[None]:
    """Let Postgres take no writes inside the block, also from whoever is connected already."""
    operator = Database(postgres.url, pool_size=1)
    watcher = Database(postgres.url)

    async def is_on(value: str) -> bool:
        return await watcher.fetch("SHOW transaction_read_only") == [(value,)]

    # Whoever is to mend it has to be able to write.
    await operator.fetch("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE")
    await operator.fetch("ALTER SYSTEM SET default_transaction_read_only = on")
    await operator.fetch("SELECT pg_reload_conf()")
    try:
        await eventually(lambda: is_on("on"))
        yield
    finally:
        await operator.fetch("ALTER SYSTEM RESET default_transaction_read_only")
        await operator.fetch("SELECT pg_reload_conf()")
        await eventually(lambda: is_on("off"))
        await operator.close()
        await watcher.close()


async def test_nothing_can_be_written(postgres: EmbeddedServer, database: Database) -> None:
    """A write says that storage is unavailable, not that we have a bug."""
    async with read_only(postgres):
        with pytest.raises(StorageUnavailable):
            await database.fetch("CREATE TABLE t (id integer)")


async def test_nobody_is_sent_there(postgres: EmbeddedServer, database: Database) -> None:
    """A process whose Postgres takes nothing is not ready."""
    async with running_gateway(database=postgres.url) as gateway:
        async with read_only(postgres):
            with pytest.raises(StorageUnavailable):
                await gateway.app[STORE].ping()
        await gateway.app[STORE].ping()


async def test_an_answer_waits_for_it(postgres: EmbeddedServer, database: Database) -> None:
    """What ends meanwhile is stored as soon as it can be, and the next answer is kept alive as ever."""
    async with (
        running_gateway(
            database=postgres.url,
            options=STROLLING,
            openai_model="sim-long",
            openai_max_output_tokens="400",
            resume_checkpoint_seconds="0.2",
            **OPEN_DOOR,
        ) as gateway,
        ChatClient.connect(gateway.url, locale="en") as client,
    ):
        await client.say(question(1))
        frames = await begun(client, [])
        async with read_only(postgres):
            await client.send(type="cancel", turn_id=frames[-1]["turn_id"])
            frames += await client.until_end()
            assert frames[-1]["type"] == "done"
        await until(lambda: gateway.app[SERVICE].pending == 0)
        assert await database.fetch(STORED) == [("cancelled", text_of(frames))]
        await client.say(question(2))
        await begun(client, [])

        async def kept() -> bool:
            *_, (state, answer) = await database.fetch(STORED)
            return state == "streaming" and bool(answer)

        await eventually(kept)
