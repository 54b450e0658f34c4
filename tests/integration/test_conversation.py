"""A long conversation: the upstream sees the report and the last ten exchanges, whatever Redis does."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self
from uuid import uuid4

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from gateway.backends.store import PostgresStore
from gateway.chat.frames import SUBPROTOCOL
from gateway.dev.embedded_server import EmbeddedServer
from gateway.dev.openai_wire import Line
from tests.chat_client import ChatClient, Frame, text_of
from tests.integration.helpers import REPORT, hung, question, wipe, without
from tests.integration.money import OPEN_DOOR
from tests.promises import GUARD_SECONDS
from tests.running_gateway import FLAT_OUT, RunningGateway, running_gateway

TURNS = 25
HISTORY = 20


class Talk:
    """A conversation held with a WebSocket library that is not ours, and what was said in it."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.said: list[Line] = []

    @classmethod
    @asynccontextmanager
    async def begin(cls, gateway: RunningGateway) -> AsyncIterator[Self]:
        """Begin a conversation about the report."""
        url = gateway.url.replace("http:", "ws:") + "/ws"
        # No proxy: the environment may name one.
        async with connect(url, subprotocols=[Subprotocol(SUBPROTOCOL)], proxy=None) as socket:
            talk = cls(socket)
            await talk._send(type="hello", report_id=REPORT.id, locale="en")
            assert (await talk._receive())["type"] == "ready"
            yield talk

    async def ask(self, text: str) -> list[Frame]:
        """Ask and return the frames of the turn, which was answered."""
        await self._send(type="message", id=str(uuid4()), text=text)
        frames = [await self._receive()]
        while frames[-1]["type"] not in ("done", "error"):
            frames.append(await self._receive())
        assert frames[-1]["type"] == "done", frames[-1]
        self.said += [Line("user", text), Line("assistant", text_of(frames))]
        return frames

    async def _send(self, **frame: object) -> None:
        await self._socket.send(json.dumps(frame))

    async def _receive(self) -> Frame:
        async with asyncio.timeout(GUARD_SECONDS):
            frame: Frame = json.loads(await self._socket.recv())
        return frame


@pytest.fixture
async def gateway(
    store: PostgresStore, postgres: EmbeddedServer, redis: EmbeddedServer
) -> AsyncIterator[RunningGateway]:
    """A gateway that knows the report."""
    await store.import_reports([REPORT])
    async with running_gateway(
        database=postgres.url, redis=redis.url, options=FLAT_OUT, **OPEN_DOOR
    ) as gateway:
        yield gateway


@pytest.fixture
async def talk(gateway: RunningGateway) -> AsyncIterator[Talk]:
    """A conversation that has just begun."""
    async with Talk.begin(gateway) as talk:
        yield talk


async def said_until(talk: Talk, turn: int) -> list[Frame]:
    """Go on until turn number `turn` and return its frames."""
    while True:
        frames = await talk.ask(question(len(talk.said) // 2 + 1))
        if len(talk.said) == 2 * turn:
            return frames


def seen_by(gateway: RunningGateway) -> tuple[Line, ...]:
    """Return the prompt that the upstream saw last."""
    return gateway.upstream.requests[-1].messages


async def test_the_prompt_holds_the_last_ten_exchanges(gateway: RunningGateway, talk: Talk) -> None:
    """The 25th prompt is the instructions, exactly the last 20 messages in order, and the question."""
    await said_until(talk, TURNS)
    assert list(seen_by(gateway)[1:]) == talk.said[:-1][-HISTORY - 1 :]


async def test_the_prompt_holds_the_report(gateway: RunningGateway, talk: Talk) -> None:
    """The 25th prompt begins with a system message that has the report's headline and summary."""
    await said_until(talk, TURNS)
    role, content = seen_by(gateway)[0]
    assert (role, REPORT.headline in content, REPORT.summary in content) == ("system", True, True)


async def test_the_receipt_of_a_long_conversation(talk: Talk) -> None:
    """What was accepted says that the prompt has 20 messages, none dropped, from the cache."""
    accepted = (await said_until(talk, TURNS))[0]
    assert without(accepted["context"], "input_tokens") == {
        "source": "cache",
        "messages": HISTORY,
        "dropped": 0,
        "report_id": REPORT.id,
    }


async def test_the_receipt_counts_what_the_upstream_bills(talk: Talk) -> None:
    """The input tokens of `accepted` are those that the upstream reports in the end."""
    frames = await said_until(talk, TURNS)
    assert frames[0]["context"]["input_tokens"] == frames[-1]["usage"]["input_tokens"]


async def test_the_first_prompt_has_no_history(gateway: RunningGateway, talk: Talk) -> None:
    """The first prompt is the instructions and the question alone."""
    await talk.ask(question())
    assert [line.role for line in seen_by(gateway)] == ["system", "user"]


async def test_redis_comes_and_goes(
    gateway: RunningGateway,
    talk: Talk,
    redis: EmbeddedServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With Redis stopped, started, wiped and hung between turns, each prompt has the last 20 messages."""
    # So that Redis is asked as soon as it is back, when what it knows is old.
    monkeypatch.setattr("gateway.backends.redis_link.BREAKER_SECONDS", 0.0)
    wrong = []

    async def go_on_to(turn: int) -> None:
        while len(talk.said) < 2 * turn:
            await said_until(talk, len(talk.said) // 2 + 1)
            if list(seen_by(gateway)[1:]) != talk.said[:-1][-HISTORY - 1 :]:
                wrong.append(len(talk.said) // 2)

    await go_on_to(11)
    with hung(redis):
        await go_on_to(13)
    await go_on_to(15)
    await wipe(redis)
    await go_on_to(17)
    await redis.stop()
    await go_on_to(20)
    await redis.start()
    await go_on_to(TURNS)
    assert wrong == []


async def test_a_wiped_redis_is_filled_again(talk: Talk, redis: EmbeddedServer) -> None:
    """After Redis forgot everything, one prompt comes from the database and the next from the cache."""
    await said_until(talk, 2)
    await wipe(redis)
    sources = [(await talk.ask(question(n)))[0]["context"]["source"] for n in (3, 4)]
    assert sources == ["database", "cache"]


async def test_history_after_reconnecting(gateway: RunningGateway) -> None:
    """Whoever comes back is given the questions and answers so far, oldest first."""
    async with ChatClient.connect(gateway.url, report_id=REPORT.id) as client:
        texts = [text_of(await client.ask(question(n))) for n in (1, 2, 3)]
    async with ChatClient.connect(gateway.url, session=client.ready["session"]) as again:
        turns = [(turn["question"], turn["text"]) for turn in again.ready["turns"]]
    assert turns == [(question(n), text) for n, text in enumerate(texts, start=1)]


async def test_the_end_after_reconnecting(gateway: RunningGateway) -> None:
    """Whoever comes back is given the end of each turn as it was told the first time."""
    async with ChatClient.connect(gateway.url, report_id=REPORT.id) as client:
        done = (await client.ask(question()))[-1]
    async with ChatClient.connect(gateway.url, session=client.ready["session"]) as again:
        assert [turn["end"] for turn in again.ready["turns"]] == [done]


async def test_the_report_after_reconnecting(gateway: RunningGateway) -> None:
    """Whoever comes back is in the same session, about the same report."""
    async with ChatClient.connect(gateway.url, report_id=REPORT.id) as client:
        pass
    async with ChatClient.connect(gateway.url, session=client.ready["session"]) as again:
        assert again.ready == client.ready
