"""What is really said on the wire is what docs/protocol.schema.json says of it."""

import json
from pathlib import Path
from typing import get_args
from uuid import uuid4

import jsonschema
import pytest

from gateway.backends.store import PostgresStore
from gateway.chat.frames import AnyClientFrame, AnyServerFrame
from gateway.dev.embedded_server import EmbeddedServer
from tests.chat_client import ChatClient, Frame
from tests.integration.helpers import REPORT, RUNNING, begun, question
from tests.running_gateway import running_gateway

SCHEMA = Path(__file__).parents[2] / "docs" / "protocol.schema.json"
# Enough for two or three answers.
BUDGET = "0.0005"
MOST_QUESTIONS = 20


class Recorder(ChatClient):
    """A client that keeps what is said and what is heard."""

    said: list[Frame]
    heard: list[Frame]

    async def send(self, **frame: object) -> None:
        """Send a frame and keep it."""
        self.said = [*getattr(self, "said", []), json.loads(json.dumps(frame))]
        await super().send(**frame)

    async def receive(self) -> Frame:
        """Receive a frame and keep it."""
        frame = await super().receive()
        self.heard = [*getattr(self, "heard", []), frame]
        return frame


@pytest.fixture
async def conversation(store: PostgresStore, postgres: EmbeddedServer) -> Recorder:
    """A short conversation in which everything happens at least once."""
    await store.import_reports([REPORT])
    async with (
        running_gateway(database=postgres.url, options=RUNNING, cost_session_usd=BUDGET) as gateway,
        Recorder.connect(gateway.url, report_id=REPORT.id, locale="ko") as client,
    ):
        await client.send(type="ping", id="1")
        turn_id = (await client.ask(question()))[-1]["turn_id"]
        await client.send(type="resume", turn_id=turn_id, after=0)
        await client.until_end()
        await client.say(question(2), regenerate_of=turn_id)
        frames = await begun(client, [])
        await client.send(type="message", id=str(uuid4()), text=question(3))
        await client.send(type="cancel", turn_id=frames[0]["turn_id"])
        while (await client.until_end())[-1]["type"] != "done":
            pass
        for number in range(MOST_QUESTIONS):
            if any(frame.get("code") == "session_budget_reached" for frame in client.heard):
                break
            await client.ask(question(number))
    return client


async def test_what_is_said(conversation: Recorder) -> None:
    """Every frame of a conversation is what the schema says, and each kind of frame was there."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    formats = jsonschema.FormatChecker(["uuid"])
    for name, union, frames in (
        ("ClientFrame", AnyClientFrame, conversation.said),
        ("ServerFrame", AnyServerFrame, conversation.heard),
    ):
        judge = jsonschema.Draft202012Validator(
            schema | {"anyOf": [{"$ref": f"#/$defs/{name}"}]}, format_checker=formats
        )
        assert [(f["type"], e.message) for f in frames for e in judge.iter_errors(f)] == []
        kinds = {kind.__struct_config__.tag for kind in get_args(union)}
        assert {frame["type"] for frame in frames} == kinds
