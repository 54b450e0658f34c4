"""Postgres or Redis dies: people are told, answers go on, and everything heals by itself."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.backends.postgres import Database
from gateway.backends.store import PostgresStore
from gateway.dev.embedded_server import EmbeddedServer
from tests.chat_client import ChatClient, Frame, text_of, types_of
from tests.integration.helpers import (
    REPORT,
    WALKING,
    begun,
    down,
    eventually,
    hung,
    question,
    stored,
    wipe,
)
from tests.integration.money import OPEN_DOOR
from tests.running_gateway import RunningGateway, running_gateway


@pytest.fixture
async def gateway(
    store: PostgresStore, postgres: EmbeddedServer, redis: EmbeddedServer
) -> AsyncIterator[RunningGateway]:
    """A gateway whose answers take half a second."""
    await store.import_reports([REPORT])
    async with running_gateway(
        database=postgres.url, redis=redis.url, options=WALKING, **OPEN_DOOR
    ) as gateway:
        yield gateway


@pytest.fixture
async def client(gateway: RunningGateway) -> AsyncIterator[ChatClient]:
    """A client that has said hello while all was well."""
    async with ChatClient.connect(gateway.url, report_id=REPORT.id, locale="en") as client:
        yield client


async def answer_during_a_crash(client: ChatClient, postgres: EmbeddedServer) -> list[Frame]:
    """Ask, kill Postgres on the way, see the turn's end, and start Postgres again."""
    await client.say(question())
    frames = await begun(client, [])
    async with down(postgres):
        return frames + await client.until_end()


async def test_a_question_without_postgres(client: ChatClient, postgres: EmbeddedServer) -> None:
    """Without Postgres a question is told `storage_unavailable`, retryable."""
    async with down(postgres):
        frames = await client.ask(question())
    assert types_of(frames) == ["error"]
    assert (frames[0]["code"], frames[0]["retryable"]) == ("storage_unavailable", True)


async def test_nothing_is_asked_without_postgres(
    gateway: RunningGateway, client: ChatClient, postgres: EmbeddedServer
) -> None:
    """A question that cannot be stored is never asked, so it costs nothing."""
    async with down(postgres):
        await client.ask(question())
    assert gateway.upstream.total_requests == 0


async def test_hello_without_postgres(gateway: RunningGateway, postgres: EmbeddedServer) -> None:
    """Without Postgres hello is told `storage_unavailable`, of scope session, and closed with 1013."""
    async with down(postgres), ChatClient.connect(gateway.url) as client:
        error = client.ready
        assert (error["scope"], error["code"]) == ("session", "storage_unavailable")
        assert error["retryable"] is True
        assert await client.closed() == 1013


async def test_the_same_connection_after_the_crash(
    client: ChatClient, postgres: EmbeddedServer
) -> None:
    """Once Postgres is back the very same connection is answered again, the same question too."""
    async with down(postgres):
        client_id = await client.say(question())
        await client.until_end()
    assert (await client.ask(question(), id=client_id))[-1]["type"] == "done"


async def test_a_gateway_that_starts_without_postgres(
    database: Database, postgres: EmbeddedServer
) -> None:
    """A gateway that was started before Postgres serves as soon as that is there."""
    async with down(postgres):
        starting = running_gateway(database=postgres.url)
        gateway = await starting.__aenter__()
    try:
        async with ChatClient.connect(gateway.url) as client:
            assert client.ready["type"] == "ready"
    finally:
        await starting.__aexit__(None, None, None)


async def test_a_crash_on_the_way(client: ChatClient, postgres: EmbeddedServer) -> None:
    """An answer that is on its way when Postgres dies goes on to its end."""
    frames = await answer_during_a_crash(client, postgres)
    assert frames[-1]["type"] == "done"
    assert frames[-1]["finish_reason"] == "stop"


async def test_an_answer_is_kept_through_a_crash(
    client: ChatClient, database: Database, postgres: EmbeddedServer
) -> None:
    """Once Postgres is back, the whole of that answer is stored."""
    frames = await answer_during_a_crash(client, postgres)
    turn_id = frames[0]["turn_id"]

    async def is_answered() -> bool:
        return (await stored(database, turn_id))[0] == "answered"

    await eventually(is_answered)
    assert await stored(database, turn_id) == ("answered", text_of(frames))


async def test_the_conversation_after_a_crash(
    gateway: RunningGateway, client: ChatClient, postgres: EmbeddedServer
) -> None:
    """Once that answer is stored the conversation goes on, and the next prompt quotes it."""
    said = text_of(await answer_during_a_crash(client, postgres))

    async def is_answered() -> bool:
        end = (await client.ask(question(2)))[-1]
        assert end["type"] == "done" or end["retryable"]
        return bool(end["type"] == "done")

    await eventually(is_answered)
    assert gateway.upstream.requests[-1].messages[2] == ("assistant", said)


async def test_a_stop_before_the_answer_is_stored(
    store: PostgresStore, database: Database, postgres: EmbeddedServer
) -> None:
    """A gateway that is stopped while Postgres is on its way back stores the answer first."""
    await store.import_reports([REPORT])
    async with running_gateway(database=postgres.url, options=WALKING) as gateway:
        async with ChatClient.connect(gateway.url, report_id=REPORT.id) as client:
            await client.say(question())
            frames = await begun(client, [])
            postgres.kill()
            frames += await client.until_end()
        back = asyncio.create_task(postgres.start())
    await back
    assert await stored(database, frames[0]["turn_id"]) == ("answered", text_of(frames))


async def test_redis_dies_on_the_way(client: ChatClient, redis: EmbeddedServer) -> None:
    """With Redis dead from the middle of an answer on, every question is answered."""
    await client.say(question())
    frames = await begun(client, [])
    async with down(redis):
        ends = [(await client.until_end())[-1]]
        ends += [(await client.ask(question(n)))[-1] for n in (2, 3)]
    ends.append((await client.ask(question(4)))[-1])
    assert frames[0]["type"] == "accepted"
    assert [end["type"] for end in ends] == ["done"] * 4


async def test_redis_hangs_on_the_way(client: ChatClient, redis: EmbeddedServer) -> None:
    """With Redis hung from the middle of an answer on, every question is answered."""
    await client.say(question())
    await begun(client, [])
    with hung(redis):
        ends = [(await client.until_end())[-1]]
        ends += [(await client.ask(question(n)))[-1] for n in (2, 3)]
    ends.append((await client.ask(question(4)))[-1])
    assert [end["type"] for end in ends] == ["done"] * 4


async def test_redis_is_wiped_on_the_way(client: ChatClient, redis: EmbeddedServer) -> None:
    """With Redis wiped in the middle of an answer, the next question is answered."""
    await client.say(question())
    await begun(client, [])
    await wipe(redis)
    await client.until_end()
    assert (await client.ask(question(2)))[-1]["type"] == "done"
