"""The frames of `chatgw.v1` as one JSON Schema (2020-12): `docs/protocol.schema.json`."""

from typing import Any

import msgspec

from gateway.chat.frames import SUBPROTOCOL, AnyClientFrame, AnyServerFrame

DIALECT = "https://json-schema.org/draft/2020-12/schema"
REFERENCE = "#/$defs/{name}"


def frames_schema() -> dict[str, Any]:
    """Return the schema of any frame; `$defs` has each by its name, `ClientFrame` and `ServerFrame` too."""
    (client, server), frames = msgspec.json.schema_components(
        (AnyClientFrame, AnyServerFrame), ref_template=REFERENCE
    )
    unions = {"ClientFrame": client, "ServerFrame": server}
    schema: dict[str, Any] = _portable(
        {
            "$schema": DIALECT,
            "title": SUBPROTOCOL,
            "description": "Every frame. A receiver ignores fields and server types it does not know.",
            "anyOf": [{"$ref": REFERENCE.format(name=name)} for name in unions],
            "$defs": unions | dict(sorted(frames.items())),
        }
    )
    return schema


def frames_schema_text() -> str:
    """Return the schema as its file has it."""
    return msgspec.json.format(msgspec.json.encode(frames_schema()).decode(), indent=2) + "\n"


def _portable(part: Any) -> Any:
    match part:
        case dict():
            # A keyword of OpenAPI; `type` says the same in each frame.
            return {k: _portable(v) for k, v in part.items() if k != "discriminator"}
        case list() | tuple():
            return [_portable(item) for item in part]
        case str():
            # Python's anchors are letters to ECMA 262, the dialect of a schema's patterns.
            return part.replace(r"\A", "^").replace(r"\Z", "$")
    return part
