"""docs/asyncapi.yaml is a document of AsyncAPI 3.0, about the frames that the code has."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
import yaml

from gateway.chat.frames import AnyClientFrame, AnyServerFrame
from gateway.chat.schema import frames_schema

DOCS = Path(__file__).parents[1] / "docs"
# The official schemas, as the AsyncAPI initiative publishes them.
PACKAGE = "@asyncapi/specs@6.11.1"
SCHEMA = "node_modules/@asyncapi/specs/schemas/3.0.0.json"
FRAMES = "./protocol.schema.json#/$defs/"
IN_CI = os.environ.get("CI") == "true"


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> jsonschema.Draft7Validator:
    """What judges a document of AsyncAPI 3.0; fetched through npm, into a folder that goes away."""
    npm = shutil.which("npm")
    if npm is None and not IN_CI:
        pytest.skip("there is no npm, which brings the schema of AsyncAPI")
    folder = tmp_path_factory.mktemp("asyncapi")
    fetched = subprocess.run(
        [npm or "npm", "install", "--no-save", "--ignore-scripts", "--no-audit", PACKAGE],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if fetched.returncode and not IN_CI:
        pytest.skip("npm does not bring the schema of AsyncAPI")
    assert fetched.returncode == 0, fetched.stderr
    return jsonschema.Draft7Validator(json.loads((folder / SCHEMA).read_text(encoding="utf-8")))


@pytest.fixture
def document() -> dict[str, Any]:
    """The document."""
    loaded: dict[str, Any] = yaml.safe_load((DOCS / "asyncapi.yaml").read_text(encoding="utf-8"))
    return loaded


def test_document_as_written(
    official: jsonschema.Draft7Validator, document: dict[str, Any]
) -> None:
    """The official schema finds nothing wrong with the document."""
    assert [error.message for error in official.iter_errors(document)] == []


def test_document_with_its_frames(
    official: jsonschema.Draft7Validator, document: dict[str, Any]
) -> None:
    """Nor with the document whose references to frames are replaced by the frames."""
    assert [error.message for error in official.iter_errors(_with_frames(document))] == []


def test_official_schema_finds_errors(
    official: jsonschema.Draft7Validator, document: dict[str, Any]
) -> None:
    """The official schema would find an error: it is the right one."""
    document["operations"]["ask"]["action"] = "shout"

    assert not official.is_valid(document)


def test_messages_are_the_frames(document: dict[str, Any]) -> None:
    """Each frame is a message by the name it has on the wire, and nothing else is."""
    frames = {
        kind.__struct_config__.tag: kind.__name__
        for union in (AnyClientFrame, AnyServerFrame)
        for kind in get_args(union)
    }
    messages = document["components"]["messages"]

    assert {
        name: message["payload"]["$ref"].removeprefix(FRAMES) for name, message in messages.items()
    } == frames


def test_sides(document: dict[str, Any]) -> None:
    """The gateway receives every frame of a client and sends every frame of the gateway."""
    tags = [
        {kind.__struct_config__.tag for kind in get_args(union)}
        for union in (AnyClientFrame, AnyServerFrame)
    ]
    received: set[str] = set()
    sent: set[str] = set()
    for operation in document["operations"].values():
        (received if operation["action"] == "receive" else sent).update(_names(operation))
        sent.update(_names(operation.get("reply", {})))

    assert [received, sent] == tags


def test_references_within_the_document(document: dict[str, Any]) -> None:
    """Every reference within the document leads somewhere."""
    references = [r for r in _references(document) if r.startswith("#/")]

    assert references
    for reference in references:
        part: Any = document
        for step in reference.removeprefix("#/").split("/"):
            part = part[step]


def test_examples(document: dict[str, Any]) -> None:
    """Every example is a frame."""
    schema = frames_schema()
    for message in document["components"]["messages"].values():
        name = message["payload"]["$ref"].removeprefix(FRAMES)
        judge = jsonschema.Draft202012Validator(schema | {"anyOf": [{"$ref": f"#/$defs/{name}"}]})
        for example in message.get("examples", ()):
            judge.validate(example["payload"])


def _names(operation: dict[str, Any]) -> set[str]:
    return {m["$ref"].rpartition("/")[2] for m in operation.get("messages", ())}


def _references(part: Any) -> Iterator[str]:
    match part:
        case {"$ref": str(reference)}:
            yield reference
        case dict():
            for value in part.values():
                yield from _references(value)
        case list():
            for value in part:
                yield from _references(value)


def _with_frames(part: Any) -> Any:
    match part:
        case {"$ref": str(reference)} if "#/$defs/" in reference:
            return _with_frames(frames_schema()["$defs"][reference.rpartition("/")[2]])
        case dict():
            return {key: _with_frames(value) for key, value in part.items()}
        case list():
            return [_with_frames(value) for value in part]
    return part
