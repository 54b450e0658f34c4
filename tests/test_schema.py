"""The JSON Schema of the wire says what the code does."""

import argparse
import json
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest

from gateway import commands
from gateway.chat.errors import InvalidFrame
from gateway.chat.frames import AnyClientFrame, AnyServerFrame, parse
from gateway.chat.schema import frames_schema, frames_schema_text
from gateway.settings import Settings

FILE = Path(__file__).parents[1] / "docs" / "protocol.schema.json"
ID = "0190a1b2-c3d4-4e5f-8a9b-0c1d2e3f4a5b"
GOOD: list[dict[str, Any]] = [
    {"type": "hello"},
    {"type": "hello", "session": None, "report_id": "새솔", "a field of tomorrow": 1},
    {"type": "message", "id": ID, "text": "왜?\n\\A and \\Z\n", "regenerate_of": ID},
    {"type": "cancel", "turn_id": ID},
    {"type": "resume", "turn_id": ID, "after": 0},
    {"type": "ping", "id": "x" * 200},
]
BAD: list[Any] = [
    {},
    [],
    {"type": "pong"},
    {"type": "shout"},
    {"type": "hello", "session": "x" * 201},
    {"type": "hello", "locale": 7},
    {"type": "hello", "report_id": "\0"},
    {"type": "message", "id": ID},
    {"type": "message", "id": ID, "text": "a\0b"},
    {"type": "message", "id": ID, "text": "a\0\n"},
    {"type": "message", "id": "42", "text": "Why?"},
    {"type": "resume", "turn_id": ID, "after": -1},
    {"type": "resume", "turn_id": ID, "after": 1.5},
]


@pytest.fixture
def client_frames() -> jsonschema.Draft202012Validator:
    """What judges the frames of a client."""
    return jsonschema.Draft202012Validator(
        frames_schema() | {"anyOf": [{"$ref": "#/$defs/ClientFrame"}]},
        format_checker=jsonschema.FormatChecker(["uuid"]),
    )


def test_file_is_the_code() -> None:
    """The schema in docs/ is the one of the code; `gateway schema > docs/protocol.schema.json` mends it."""
    assert FILE.read_text(encoding="utf-8") == frames_schema_text()


async def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`gateway schema` prints the schema."""
    status = await commands.schema(Settings(), argparse.Namespace())

    assert (status, json.loads(capsys.readouterr().out)) == (0, frames_schema())


def test_schema_is_a_schema() -> None:
    """It is a JSON Schema of 2020-12."""
    jsonschema.Draft202012Validator.check_schema(frames_schema())


def test_every_frame_is_there() -> None:
    """Each frame is a definition of its own, and in the union of its side."""
    definitions = frames_schema()["$defs"]
    for side, union in (("ClientFrame", AnyClientFrame), ("ServerFrame", AnyServerFrame)):
        frames = [kind.__name__ for kind in get_args(union)]
        assert definitions[side]["anyOf"] == [{"$ref": f"#/$defs/{name}"} for name in frames]
        assert set(frames) <= set(definitions)


def test_patterns_of_any_language() -> None:
    r"""No pattern has an anchor of Python's: \A and \Z are letters elsewhere."""
    text = frames_schema_text()

    assert "^[^" in text
    assert not {r"\\A", r"\\Z"} & {text[i : i + 3] for i in range(len(text))}


@pytest.mark.parametrize("frame", GOOD, ids=str)
def test_good_frames(client_frames: jsonschema.Draft202012Validator, frame: Any) -> None:
    """What the gateway takes, the schema takes."""
    parse(json.dumps(frame))

    assert client_frames.is_valid(frame)


@pytest.mark.parametrize("frame", BAD, ids=str)
def test_bad_frames(client_frames: jsonschema.Draft202012Validator, frame: Any) -> None:
    """What the gateway refuses, the schema refuses."""
    with pytest.raises(InvalidFrame):
        parse(json.dumps(frame))

    assert not client_frames.is_valid(frame)
