"""What is somebody else's is as unknown as what never was: the same status, the same words, at every door."""

import hashlib
import random
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from uuid import UUID

import pytest

from gateway.backends.postgres import Database
from gateway.dev.embedded_server import EmbeddedServer
from tests.chat_client import ChatClient
from tests.http_client import HttpClient
from tests.integration.helpers import question, stored_turns, without
from tests.integration.money import OPEN_DOOR, connected
from tests.running_gateway import FLAT_OUT, running_gateway

SEED = 20260101
TURN_CALLS = [
    ("GET", "/api/turns/{}"),
    ("DELETE", "/api/turns/{}"),
    ("GET", "/api/turns/{}/events"),
]
SESSION_CALLS = [
    ("GET", "/api/session"),
    ("GET", "/api/messages"),
    ("POST", "/api/messages"),
    *((method, path.format(UUID(int=7))) for method, path in TURN_CALLS),
]
BODY = {"json": {"id": str(UUID(int=1)), "text": "Why?"}}
EACH = pytest.mark.parametrize("ids", [60, pytest.param(10_000, marks=pytest.mark.stress)])


class People(NamedTuple):
    """Somebody who tries, and somebody else's conversation: its token, its id, a turn of it."""

    url: str
    trying: HttpClient
    token: str
    session_id: str
    turn_id: str


@asynccontextmanager
async def people(postgres: EmbeddedServer) -> AsyncIterator[People]:
    """Run a gateway with two people."""
    async with (
        running_gateway(database=postgres.url, options=FLAT_OUT, **OPEN_DOOR) as gateway,
        HttpClient.connect(gateway.url, locale="en") as trying,
        HttpClient.connect(gateway.url, locale="en") as other,
    ):
        _, answer = await other.ask(question())
        ready = other.ready
        yield People(gateway.url, trying, ready["session"], ready["session_id"], answer["turn_id"])


def wrong_tokens(token: str, session_id: str, *, chance: random.Random) -> Iterator[str]:
    """Yield tokens of nobody: some near a true one, and then any number that are made up."""
    yield from (token[:-1], token + "A", token.swapcase(), token[::-1], session_id, "", "null")
    yield hashlib.sha256(token.encode()).hexdigest()
    for index in range(len(token)):
        yield token[:index] + ("A" if token[index] != "A" else "B") + token[index + 1 :]
    while True:
        yield secrets.token_urlsafe(chance.choice((16, 32, 33)))


def wrong_turns(turn_id: str, *, chance: random.Random) -> Iterator[str]:
    """Yield somebody else's turn and such as never were."""
    true = UUID(turn_id).int
    yield turn_id
    for bit in range(48):
        yield str(UUID(int=true ^ 1 << bit))
    while True:
        yield str(UUID(int=chance.getrandbits(128)))


def told(status: int, problem: Any) -> str:
    """Return an answer without what differs each time."""
    return f"{status} {without(problem, 'trace_id')}"


@EACH
async def test_tokens(postgres: EmbeddedServer, database: Database, ids: int) -> None:
    """A token that is none, however near to one, opens nothing, and is told so in the same words."""
    answers = set[str]()
    async with people(postgres) as them:
        tokens = wrong_tokens(them.token, them.session_id, chance=random.Random(SEED))
        for number, token in zip(range(ids), tokens, strict=False):
            method, path = SESSION_CALLS[number % len(SESSION_CALLS)]
            headers = {"Authorization": f"Bearer {token}", "Accept-Language": "en"}
            body = BODY if method == "POST" else {}
            answers.add(told(*await them.trying.call(method, path, headers=headers, **body)))
        assert len(answers) == 1
        assert "session_not_found" in answers.pop()
        assert await stored_turns(database) == 1


@EACH
async def test_turns(postgres: EmbeddedServer, database: Database, ids: int) -> None:
    """Somebody else's turn is shown, followed and stopped as little as one that never was."""
    answers = set[str]()
    async with (
        people(postgres) as them,
        connected(them.url, session=them.trying.ready["session"]) as (socket,),
    ):
        turns = wrong_turns(them.turn_id, chance=random.Random(SEED))
        frames = set[str]()
        for number, turn_id in zip(range(ids), turns, strict=False):
            calls = TURN_CALLS if number == 0 else [TURN_CALLS[number % 3]]
            for method, path in calls:
                answers.add(told(*await them.trying.call(method, path.format(turn_id))))
            if number < 30:
                for kind in ("cancel", "resume"):
                    await socket.send(type=kind, turn_id=turn_id, after=0)
                    frames.add(str(without(await socket.receive(), "trace_id")))
        assert len(answers) == len(frames) == 1
        assert "unknown_turn" in answers.pop()
        assert "unknown_turn" in frames.pop()


async def test_answered_anew(postgres: EmbeddedServer, database: Database) -> None:
    """A question that claims to replace somebody else's turn is answered as one that replaces none."""
    async with people(postgres) as them:
        seen = [
            await them.trying.ask("Why?", regenerate_of=turn_id)
            for turn_id in (them.turn_id, str(UUID(int=7)))
        ]
        assert [status for status, _ in seen] == [200, 200]


async def test_hello(postgres: EmbeddedServer, database: Database) -> None:
    """A hello with a token of nobody is told the same, and sent away with the same code."""
    refusals = set[str]()
    async with people(postgres) as them:
        tokens = wrong_tokens(them.token, them.session_id, chance=random.Random(SEED))
        for _, token in zip(range(20), tokens, strict=False):
            async with ChatClient.connect(them.url, session=token, locale="en") as client:
                refusals.add(f"{without(client.ready, 'trace_id')} {await client.closed()}")
    assert len(refusals) == 1
    assert "session_not_found" in refusals.pop()
