"""A turn belongs to the session: seen by every viewer, resumed anywhere, stopped once, asked once."""

from collections.abc import AsyncIterator
from itertools import pairwise
from uuid import uuid4

import pytest

from gateway.backends.postgres import Database
from gateway.backends.store import PostgresStore
from gateway.dev.embedded_server import EmbeddedServer
from tests.chat_client import ChatClient, Frame, text_of, types_of
from tests.integration.helpers import (
    REPORT,
    STROLLING,
    WALKING,
    begun,
    eventually,
    question,
    stored,
    without,
)
from tests.running_gateway import RunningGateway, running_gateway


@pytest.fixture
async def gateway(
    store: PostgresStore, postgres: EmbeddedServer, redis: EmbeddedServer
) -> AsyncIterator[RunningGateway]:
    """A gateway whose upstream takes half a second for an answer."""
    await store.import_reports([REPORT])
    async with running_gateway(database=postgres.url, redis=redis.url, options=WALKING) as gateway:
        yield gateway


@pytest.fixture
async def stalling(
    store: PostgresStore, postgres: EmbeddedServer, redis: EmbeddedServer
) -> AsyncIterator[RunningGateway]:
    """A gateway whose upstream falls silent in the middle of each answer."""
    await store.import_reports([REPORT])
    async with running_gateway(
        database=postgres.url, redis=redis.url, openai_model="sim-stall"
    ) as gateway:
        yield gateway


@pytest.fixture
async def client(gateway: RunningGateway) -> AsyncIterator[ChatClient]:
    """A viewer."""
    async with ChatClient.connect(gateway.url, report_id=REPORT.id) as client:
        yield client


@pytest.fixture
async def waiting(stalling: RunningGateway) -> AsyncIterator[ChatClient]:
    """A viewer whose answers never end by themselves."""
    async with ChatClient.connect(stalling.url, report_id=REPORT.id) as client:
        yield client


async def asked(client: ChatClient, **fields: object) -> list[Frame]:
    """Ask and return the frames up to the first of the answer."""
    await client.say(question(), **fields)
    return await begun(client, [])


async def cancelled(client: ChatClient, frames: list[Frame]) -> list[Frame]:
    """Cancel the turn that began with `frames` and return all its frames."""
    await client.send(type="cancel", turn_id=frames[0]["turn_id"])
    return frames + await client.until_end()


async def test_a_second_viewer_sees_the_same_answer(
    gateway: RunningGateway, client: ChatClient
) -> None:
    """Two connections to one session see the same turn from `accepted` to its end."""
    async with ChatClient.connect(gateway.url, session=client.ready["session"]) as other:
        mine = await client.ask(question())
        theirs = await other.until_end()
    # Where pieces are cut depends on how fast each reads.
    assert (theirs[0], text_of(theirs), theirs[-1]) == (mine[0], text_of(mine), mine[-1])


async def test_a_viewer_is_told_the_question_of_another(
    gateway: RunningGateway, client: ChatClient
) -> None:
    """A viewer who did not ask is told what was asked."""
    async with ChatClient.connect(gateway.url, session=client.ready["session"]) as other:
        await client.say(question(7))
        assert (await other.receive())["text"] == question(7)
        await other.until_end()


async def test_an_answer_arrives_in_pieces(client: ChatClient) -> None:
    """An answer is shown while it is made: in several deltas, each beginning where the last one ended."""
    deltas = [f for f in await client.ask(question()) if f["type"] == "delta"]
    joints = [(a["to"], b["from"]) for a, b in pairwise(deltas)]
    assert len(joints) > 3
    assert all(before == after for before, after in joints)


async def test_resuming_on_the_way(
    store: PostgresStore, database: Database, postgres: EmbeddedServer
) -> None:
    """Back while the answer is on its way, a client is given the rest of it, without gap or repetition."""
    await store.import_reports([REPORT])
    async with running_gateway(database=postgres.url, options=STROLLING) as gateway:
        async with ChatClient.connect(gateway.url, report_id=REPORT.id) as client:
            await client.say(question())
            frames = await begun(client, [], deltas=3)
        async with ChatClient.connect(gateway.url, session=client.ready["session"]) as again:
            turn_id = again.ready["active_turn"]["turn_id"]
            await again.send(type="resume", turn_id=turn_id, after=frames[-1]["to"])
            rest = await again.until_end()
    assert types_of(rest) == ["delta", "done"]
    # `text_of` checks that every piece follows the one before.
    assert text_of(frames + rest) == (await stored(database, turn_id))[1]


async def test_resuming_a_turn_that_has_ended(client: ChatClient) -> None:
    """Of an answer whose pieces are gone, a client is given the whole text and the same end."""
    frames = await client.ask(question())
    await client.send(type="resume", turn_id=frames[0]["turn_id"], after=2)
    again = await client.until_end()
    assert types_of(again) == ["snapshot", "done"]
    assert (text_of(again), again[-1]) == (text_of(frames), frames[-1])


async def test_resuming_at_the_end(client: ChatClient) -> None:
    """A client that has everything of an ended turn is told its end alone."""
    frames = await client.ask(question())
    done = frames[-1]
    await client.send(type="resume", turn_id=done["turn_id"], after=done["to"])
    assert await client.until_end() == [done]


async def test_resuming_from_a_position_that_never_was(client: ChatClient) -> None:
    """A position past all pieces is answered with the whole text."""
    done = (await client.ask(question()))[-1]
    await client.send(type="resume", turn_id=done["turn_id"], after=10**30)
    assert types_of(await client.until_end()) == ["snapshot", "done"]


async def test_leaving_does_not_stop_the_answer(
    gateway: RunningGateway, database: Database
) -> None:
    """An answer whose only viewer left is made and stored to its end."""
    async with ChatClient.connect(gateway.url, report_id=REPORT.id) as client:
        turn_id = (await asked(client))[0]["turn_id"]

    async def is_answered() -> bool:
        return (await stored(database, turn_id))[0] == "answered"

    await eventually(is_answered)
    assert gateway.upstream.requests[-1].finished


async def test_nobody_watching_for_long(
    store: PostgresStore, database: Database, postgres: EmbeddedServer
) -> None:
    """A turn that nobody watches for the time of grace is cancelled, and what there was is kept."""
    await store.import_reports([REPORT])
    async with running_gateway(
        database=postgres.url, openai_model="sim-stall", resume_grace_seconds="0.05"
    ) as gateway:
        async with ChatClient.connect(gateway.url, report_id=REPORT.id) as client:
            turn_id = (await asked(client))[0]["turn_id"]

        async def is_cancelled() -> bool:
            return (await stored(database, turn_id))[0] == "cancelled"

        await eventually(is_cancelled)
    assert (await stored(database, turn_id))[1] != ""


async def test_cancelling_ends_the_turn(waiting: ChatClient) -> None:
    """A cancelled turn ends with `done`, finish reason `cancelled`."""
    done = (await cancelled(waiting, await asked(waiting)))[-1]
    assert (done["type"], done["finish_reason"]) == ("done", "cancelled")


async def test_cancelling_keeps_the_text(waiting: ChatClient, database: Database) -> None:
    """What a cancelled turn had shown is stored, neither more nor less."""
    frames = await cancelled(waiting, await asked(waiting))
    assert text_of(frames) != ""
    assert await stored(database, frames[0]["turn_id"]) == ("cancelled", text_of(frames))


async def test_cancelling_leaves_the_upstream(
    stalling: RunningGateway, waiting: ChatClient
) -> None:
    """When a turn is cancelled the connection to the upstream is closed: nothing more is billed."""
    await cancelled(waiting, await asked(waiting))

    async def is_closed() -> bool:
        return stalling.upstream.requests[-1].closed_early

    await eventually(is_closed)


async def test_cancelling_what_has_ended(client: ChatClient) -> None:
    """Cancelling an ended turn does nothing."""
    turn_id = (await client.ask(question()))[-1]["turn_id"]
    await client.send(type="cancel", turn_id=turn_id)
    await client.send(type="ping", id="after")
    assert await client.receive() == {"type": "pong", "id": "after"}


async def test_the_same_question_while_it_runs(
    stalling: RunningGateway, waiting: ChatClient
) -> None:
    """A question sent again while it runs is accepted as a duplicate and never asked twice."""
    client_id = str(uuid4())
    first = (await asked(waiting, id=client_id))[0]
    await waiting.say(question(), id=client_id)
    frames = [await waiting.receive()]
    while frames[-1]["type"] != "accepted":
        frames.append(await waiting.receive())
    await cancelled(waiting, [first])
    assert frames[-1] == {**first, "duplicate": True}
    assert stalling.upstream.total_requests == 1


async def test_the_same_question_after_its_end(gateway: RunningGateway, client: ChatClient) -> None:
    """A question sent again after its end gets the answer that is stored and is never asked twice."""
    client_id = str(uuid4())
    first = await client.ask(question(), id=client_id)
    again = await client.ask(question(), id=client_id)
    assert again[0]["duplicate"] is True
    assert (text_of(again), again[-1]) == (text_of(first), first[-1])
    assert gateway.upstream.total_requests == 1


async def test_a_second_question_meanwhile(waiting: ChatClient) -> None:
    """While an answer runs, another question is told `busy`, retryable, and which one it was."""
    frames = await asked(waiting)
    client_id = await waiting.say(question(2))
    error = (await waiting.until_end())[-1]
    await cancelled(waiting, frames)
    assert without(error, "message", "trace_id") == {
        "type": "error",
        "scope": "frame",
        "code": "busy",
        "retryable": True,
        "id": client_id,
    }


async def test_busy_does_not_end_the_answer(client: ChatClient) -> None:
    """The answer that another question met goes on to its end."""
    frames = await asked(client)
    await client.say(question(2))
    while (frame := await client.receive())["type"] != "done":
        frames.append(frame)
    assert [f["code"] for f in frames if f["type"] == "error"] == ["busy"]
    assert frame["finish_reason"] == "stop"


async def test_the_next_question_after_a_cancelled_one(
    stalling: RunningGateway, waiting: ChatClient
) -> None:
    """The next prompt quotes what a cancelled answer had said."""
    said = text_of(await cancelled(waiting, await asked(waiting)))
    await cancelled(waiting, await asked(waiting))
    assert stalling.upstream.requests[-1].messages[2] == ("assistant", said)
