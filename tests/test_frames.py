"""Frames are parsed without trust and encoded without surprises."""

import json
from uuid import UUID

import msgspec
import pytest

from gateway.chat.codes import Code, Scope
from gateway.chat.errors import InvalidFrame
from gateway.chat.frames import (
    FRAME_BYTES,
    AnyClientFrame,
    AnyServerFrame,
    Ask,
    Cancel,
    Delta,
    Error,
    Hello,
    Limits,
    Notice,
    NoticeCode,
    Ping,
    Pong,
    Ready,
    Resume,
    ServerFrame,
    Snapshot,
    Status,
    StatusState,
    encode,
    parse,
)
from tests.builders import a_budget

ID = UUID("0190a1b2-c3d4-4e5f-8a9b-0c1d2e3f4a5b")
TURN = f'"turn_id":"{ID}"'
HOSTILE = {
    "nothing": "",
    "not JSON": "hello",
    "JSON and more": '{"type":"ping"} {}',
    "not an object": '["type", "ping"]',
    "null": "null",
    "twenty thousand brackets": "[" * 20_000,
    "twenty thousand nested lists": '{"type":"ping","x":' + "[" * 20_000 + "]" * 20_000 + "}",
    "an integer of 5,000 digits": f'{{"type":"resume",{TURN},"after":{"9" * 5000}}}',
    "NUL in a text": f'{{"type":"message","id":"{ID}","text":"a\\u0000b"}}',
    "NUL in a name": '{"type":"hello","report_id":"\\u0000"}',
    "a lone surrogate, escaped": f'{{"type":"message","id":"{ID}","text":"\\ud800"}}',
    "a lone surrogate, bare": f'{{"type":"message","id":"{ID}","text":"\ud800"}}',
    "no type": '{"id":"1"}',
    "an unknown type": '{"type":"shout"}',
    "a server's type": '{"type":"pong"}',
    "a type that is no text": '{"type":1}',
    "a missing field": '{"type":"message","text":"Why?"}',
    "a field of the wrong type": f'{{"type":"message","id":"{ID}","text":1}}',
    "a bad UUID": '{"type":"cancel","turn_id":"42"}',
    "a negative position": f'{{"type":"resume",{TURN},"after":-1}}',
    "a fractional position": f'{{"type":"resume",{TURN},"after":1.5}}',
    "a name of 201 characters": f'{{"type":"hello","session":"{"x" * 201}"}}',
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_anything_else_is_an_invalid_frame(data: str) -> None:
    """What is not a frame of the protocol is `InvalidFrame`, whatever it is instead."""
    with pytest.raises(InvalidFrame):
        parse(data)


@pytest.mark.parametrize("data", [b"\xff\xfe", b'{"type":"ping","id":"\xff"}'])
def test_bytes_that_are_not_utf8_are_an_invalid_frame(data: bytes) -> None:
    """What is not UTF-8 is `InvalidFrame`."""
    with pytest.raises(InvalidFrame):
        parse(data)


def test_cause_is_dropped() -> None:
    """The error says nothing of what was sent."""
    with pytest.raises(InvalidFrame) as raised:
        parse('{"type":"secret"}')
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__
    assert str(raised.value) == "invalid_frame"


@pytest.mark.parametrize(
    ("data", "frame"),
    [
        ('{"type":"hello"}', Hello()),
        (
            '{"type":"hello","session":"t","report_id":"r","locale":"en","traceparent":"p"}',
            Hello(session="t", report_id="r", locale="en", traceparent="p"),
        ),
        (f'{{"type":"message","id":"{ID}","text":"왜?"}}', Ask(id=ID, text="왜?")),
        (
            f'{{"type":"message","id":"{ID}","text":"Why?","regenerate_of":"{ID}"}}',
            Ask(id=ID, text="Why?", regenerate_of=ID),
        ),
        (f'{{"type":"cancel",{TURN}}}', Cancel(turn_id=ID)),
        (f'{{"type":"resume",{TURN},"after":0}}', Resume(turn_id=ID, after=0)),
        ('{"type":"ping"}', Ping()),
        ('{"type":"ping","id":"1"}', Ping(id="1")),
    ],
)
def test_frame_is_parsed(data: str, frame: AnyClientFrame) -> None:
    """A frame of the protocol is read as it says, from text or from bytes."""
    assert (parse(data), parse(data.encode())) == (frame, frame)


def test_unknown_fields_are_ignored() -> None:
    """A field of a later protocol is no error."""
    assert parse('{"type":"ping","id":"1","mood":{"deep":[1]}}') == Ping(id="1")


def test_lines_and_emoji_are_text() -> None:
    """A question may have several lines and any character but NUL."""
    text = "왜?\n\t🙂 \u202e"
    data = json.dumps({"type": "message", "id": str(ID), "text": text})
    assert parse(data) == Ask(id=ID, text=text)


def encoded(frame: msgspec.Struct) -> dict[str, object]:
    """Return what a client reads of `frame`."""
    read: dict[str, object] = json.loads(encode(frame))
    return read


@pytest.mark.parametrize(
    ("frame", "read"),
    [
        (
            Delta(turn_id=ID, from_=1, to=2, text="매"),
            {"type": "delta", "turn_id": str(ID), "from": 1, "to": 2, "text": "매"},
        ),
        (
            Snapshot(turn_id=ID, to=2, text="매출"),
            {"type": "snapshot", "turn_id": str(ID), "to": 2, "text": "매출"},
        ),
        (
            Status(turn_id=ID, state=StatusState.SLOW),
            {"type": "status", "turn_id": str(ID), "state": "slow"},
        ),
        (
            Status(turn_id=ID, state=StatusState.RETRYING, retry_in_ms=500),
            {"type": "status", "turn_id": str(ID), "state": "retrying", "retry_in_ms": 500},
        ),
        (Notice(code=NoticeCode.DRAINING), {"type": "notice", "code": "draining"}),
        (Pong(), {"type": "pong"}),
        (Pong(id="1"), {"type": "pong", "id": "1"}),
    ],
)
def test_frame_is_encoded(frame: ServerFrame, read: dict[str, object]) -> None:
    """A frame is written with the names of the protocol, without the fields nobody set."""
    assert encoded(frame) == read


def test_error_leaves_out_what_it_does_not_know() -> None:
    """An error without a retry time or a turn has no such fields."""
    error = Error(
        scope=Scope.FRAME,
        code=Code.INVALID_FRAME,
        message="The request is not well formed.",
        retryable=False,
        trace_id="t",
    )
    assert encoded(error) == {
        "type": "error",
        "scope": "frame",
        "code": "invalid_frame",
        "message": "The request is not well formed.",
        "retryable": False,
        "trace_id": "t",
    }


def test_ready_says_what_there_is_not() -> None:
    """A session without a report or a running turn says so with null."""
    limits = Limits(message_chars=1, frame_bytes=FRAME_BYTES, turn_seconds=120, history_messages=20)
    ready = encoded(
        Ready(
            session="token",
            session_id=ID,
            report=None,
            model="m",
            simulated=False,
            key_configured=True,
            limits=limits,
            budget=a_budget(),
            suggestions=(),
            turns=(),
            active_turn=None,
        )
    )
    assert (ready["report"], ready["active_turn"], ready["turns"]) == (None, None, [])
    assert ready["simulated"] is False


def test_encoded_frame_is_utf8() -> None:
    """Hangul is sent as it is, not escaped."""
    assert "매출".encode() in encode(Snapshot(turn_id=ID, to=1, text="매출"))


def test_every_server_frame_has_a_type_of_its_own() -> None:
    """Frames are told apart by `type` alone, with the names of the protocol."""
    decoder = msgspec.json.schema(AnyServerFrame)
    types = set(decoder["discriminator"]["mapping"])
    assert types == {
        "ready",
        "accepted",
        "status",
        "delta",
        "snapshot",
        "done",
        "error",
        "notice",
        "pong",
    }
