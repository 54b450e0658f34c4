"""What people write, reports, answers, keys and tokens are in no log, whatever happens, at DEBUG."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import NoReturn

import pytest

from gateway.backends.store import PostgresStore
from gateway.dev.embedded_server import EmbeddedServer
from gateway.logs import AllowListFormatter, TextFormatter
from tests import canary
from tests.chat_client import ChatClient, Frame, text_of
from tests.integration.helpers import REPORT, WALKING, begun, down, question
from tests.integration.test_bad_input import BAD_FRAMES
from tests.raw_upstream import DONE, Do, Script, answer, content, event, finish, playing, refusal
from tests.running_gateway import RunningGateway, running_gateway

PROMPT = f"Incorrect key {canary.KEY}; you said: {canary.UPSTREAM} {canary.QUESTION}"
SAYS = content(f"{canary.UPSTREAM} says ")
ERROR_EVENT = event({"error": {"message": PROMPT, "type": "server_error"}})


class Logs:
    """Everything that is logged, in both formats."""

    def __init__(self) -> None:
        self.json, self.text = io.StringIO(), io.StringIO()
        self.handlers = (logging.StreamHandler(self.json), logging.StreamHandler(self.text))
        self.handlers[0].setFormatter(AllowListFormatter())
        self.handlers[1].setFormatter(TextFormatter())

    def hits(self, *more: str) -> list[str]:
        """Return the lines with a canary, or one of `more`, in them."""
        return canary.hits(self.json.getvalue(), *more) + canary.hits(self.text.getvalue(), *more)

    def events(self) -> list[str]:
        """Return what was logged; fails where a line is no JSON object."""
        return [json.loads(line)["event"] for line in self.json.getvalue().splitlines()]


@pytest.fixture
def logs() -> Iterator[Logs]:
    """The logs of the whole process, at DEBUG; not one line of them has a canary in it."""
    root, logs = logging.getLogger(), Logs()
    for handler in logs.handlers:
        root.addHandler(handler)
    assert root.level == logging.DEBUG, "set in tests/conftest.py"
    yield logs
    for handler in logs.handlers:
        root.removeHandler(handler)


@pytest.fixture
def gateway(
    postgres: EmbeddedServer, redis: EmbeddedServer
) -> AbstractAsyncContextManager[RunningGateway]:
    """A gateway on the simulator, to be entered."""
    return running_gateway(database=postgres.url, redis=redis.url, options=WALKING, key=canary.KEY)


@pytest.fixture(autouse=True)
async def report(store: PostgresStore) -> None:
    """A report with canaries in it."""
    await store.import_reports([REPORT])


async def ends_with(postgres: EmbeddedServer, *scripts: Script) -> Frame:
    """Ask an upstream that plays `scripts`, and return the turn's end."""
    async with (
        playing(*scripts) as upstream,
        running_gateway(
            database=postgres.url, key=canary.KEY, openai_base_url=upstream.base_url
        ) as gateway,
        ChatClient.connect(gateway.url, report_id=REPORT.id) as client,
    ):
        return (await client.ask(question()))[-1]


async def test_an_answered_question(
    logs: Logs, gateway: AbstractAsyncContextManager[RunningGateway]
) -> None:
    """Of a question and an answer that quotes the report, nothing is logged."""
    async with gateway as running, ChatClient.connect(running.url, report_id=REPORT.id) as client:
        text = text_of(await client.ask(question(1)))
    assert canary.hits(text), "the answer quotes the report"
    assert logs.hits() == []


async def test_the_session_token(
    logs: Logs, gateway: AbstractAsyncContextManager[RunningGateway]
) -> None:
    """A session's token is not logged, neither when it is made nor when it is used."""
    async with gateway as running:
        async with ChatClient.connect(running.url) as client:
            token = client.ready["session"]
        async with ChatClient.connect(running.url, session=token):
            pass
    assert logs.hits(token) == []


async def test_bad_frames(logs: Logs, gateway: AbstractAsyncContextManager[RunningGateway]) -> None:
    """Of frames that are none, nothing is logged."""
    async with gateway as running, ChatClient.connect(running.url) as client:
        for raw in BAD_FRAMES.values():
            await client.socket.send_str(raw)
            assert (await client.receive())["code"] == "invalid_frame"
            await client.send(type="ping")
            assert (await client.receive())["type"] == "pong"
    assert logs.hits() == []


async def test_frames_that_close_the_connection(
    logs: Logs, gateway: AbstractAsyncContextManager[RunningGateway]
) -> None:
    """Of frames that are too long, or bytes, nothing is logged."""
    async with gateway as running:
        for close_code in (1003, 1009):
            async with ChatClient.connect(running.url) as client:
                if close_code == 1003:
                    await client.socket.send_bytes(canary.QUESTION.encode())
                else:
                    await client.socket.send_str(canary.QUESTION * 10_000)
                assert await client.closed() == close_code
    assert logs.hits() == []


async def test_questions_refused(
    logs: Logs, gateway: AbstractAsyncContextManager[RunningGateway]
) -> None:
    """Of a question too long, and of a token and a report that are unknown, nothing is logged."""
    async with gateway as running:
        async with ChatClient.connect(running.url) as client:
            assert (await client.ask(canary.QUESTION * 1000))[-1]["code"] == "message_too_long"
        async with ChatClient.connect(running.url, session=canary.TOKEN) as client:
            assert client.ready["code"] == "session_not_found"
        async with ChatClient.connect(running.url, report_id=canary.HEADLINE) as client:
            assert client.ready["code"] == "report_not_found"
    assert logs.hits() == []


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ((refusal(400, {"message": PROMPT, "type": PROMPT, "code": PROMPT}),), "upstream_rejected"),
        ((refusal(401, {"message": PROMPT, "type": "x", "code": "y"}),), "key_invalid"),
        ((refusal(500, {"message": PROMPT, "type": "x", "code": "y"}),), "upstream_unavailable"),
        ((answer(SAYS, ERROR_EVENT),), "upstream_truncated"),
        ((answer(SAYS, b"data: {" + PROMPT.encode() + b"\n\n"),), "upstream_truncated"),
        ((answer(SAYS, DONE),), "upstream_truncated"),
        ((answer(SAYS)[:-5], Do.RESET), "upstream_truncated"),
        (
            (b"HTTP/1.1 200 " + PROMPT.encode() + b"\r\nbad\r\n\r\n", Do.CLOSE),
            "upstream_unavailable",
        ),
    ],
    ids=[
        *("400", "401", "500", "error in the stream", "junk in the stream"),
        *("no end", "reset in the stream", "a response that is none"),
    ],
)
async def test_what_the_upstream_echoes(
    logs: Logs, postgres: EmbeddedServer, script: Script, code: str
) -> None:
    """An upstream that fails and quotes the prompt or the key is not quoted, by log or by frame."""
    end = await ends_with(postgres, script)
    assert end["code"] == code
    assert logs.hits() == []
    assert canary.hits(json.dumps(end)) == []


async def test_a_crash_in_a_turn(
    logs: Logs, postgres: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a bug of ours whose exception quotes the answer, only types and places are logged."""

    def crash(_: object, text: str) -> NoReturn:
        raise RuntimeError(f"cannot count {text}") from ValueError(text)

    monkeypatch.setattr("gateway.chat.meter.Meter.admit", crash)
    end = await ends_with(postgres, (answer(SAYS, finish(), DONE),))
    assert (end["code"], logs.events().count("turn.crashed")) == ("internal", 1)
    assert logs.hits() == []


async def test_a_crash_at_a_frame(
    logs: Logs,
    gateway: AbstractAsyncContextManager[RunningGateway],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a bug of ours whose exception quotes the question, only types and places are logged."""

    def crash(*said: object, **more: object) -> NoReturn:
        raise RuntimeError(f"cannot take {said} {more}")

    monkeypatch.setattr("gateway.chat.service.ChatService.handle_message", crash)
    async with gateway as running, ChatClient.connect(running.url) as client:
        end = (await client.ask(question()))[-1]
    assert (end["code"], logs.events().count("frame.crashed")) == ("internal", 1)
    assert logs.hits() == []


async def test_storage_down(
    logs: Logs,
    gateway: AbstractAsyncContextManager[RunningGateway],
    postgres: EmbeddedServer,
    redis: EmbeddedServer,
) -> None:
    """When Postgres and Redis die during an answer, and at a question, nothing of either is logged."""
    async with gateway as running, ChatClient.connect(running.url, report_id=REPORT.id) as client:
        await client.say(question())
        await begun(client, [])
        async with down(postgres), down(redis):
            await client.until_end()
            assert (await client.ask(question(2)))[-1]["code"] == "storage_unavailable"
    assert "storage.failed" in logs.events()
    assert logs.hits() == []


async def test_the_servers_logs(
    logs: Logs,
    gateway: AbstractAsyncContextManager[RunningGateway],
    postgres: EmbeddedServer,
    servers_folder: Path,
) -> None:
    """The logs of the embedded servers, of the whole run so far, hold nothing that people wrote."""
    async with gateway as running, ChatClient.connect(running.url, report_id=REPORT.id) as client:
        await client.ask(question())
    files = list(servers_folder.glob("*/*.log"))
    assert {"postgres.log", "redis.log"} <= {file.name for file in files}
    assert canary.hits_in(*files) == []


async def test_the_run_is_logged(
    run_log: Path, gateway: AbstractAsyncContextManager[RunningGateway]
) -> None:
    """The log that the whole run is searched in has our events, so that the search means something."""
    async with gateway as running, ChatClient.connect(running.url) as client:
        await client.ask(question())
    lines = [json.loads(line) for line in run_log.read_text().splitlines()]
    assert "turn.ended" in [line["event"] for line in lines]
