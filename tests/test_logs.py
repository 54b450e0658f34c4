"""Every line is one JSON object of allowed fields; nothing people wrote is ever in one."""

import json
import logging
import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.chat.trace import CURRENT, Trace
from gateway.logs import FIELDS, AllowListFormatter, TextFormatter
from tests.log_recorder import Recorder

CANARY = "canary-4711"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ALWAYS = {"ts", "level", "event", "logger", "version"}
MAY = {"error_type", "span_id", "trace_id", "traceback"}
# What has broken a log line before: line ends of all kinds, a forged object, colours, half a pair.
NASTY = [
    'a\n{"level": "INFO", "event": "forged"}',
    "a\r\nb",
    "a\u2028b\u2029c\x85d\x0b\x0c\x1c",
    "\x1b[31mred\x1b[0m\x07\x9b",
    "\ud800",
    "\0",
    "\x7f",
    "a b=c",
    '"}',
]


@pytest.fixture
def recorder() -> Recorder:
    """Record JSON."""
    return Recorder(AllowListFormatter())


@pytest.fixture
def text_recorder() -> Recorder:
    """Record text."""
    return Recorder(TextFormatter())


@pytest.fixture(params=[AllowListFormatter, TextFormatter], ids=["json", "text"])
def either(request: pytest.FixtureRequest) -> Recorder:
    """Record each format."""
    return Recorder(request.param())


@pytest.fixture
def trace() -> Iterator[Trace]:
    """Be inside a trace."""
    trace = Trace.start(TRACEPARENT)
    token = CURRENT.set(trace)
    yield trace
    CURRENT.reset(token)


def test_line(recorder: Recorder) -> None:
    """A line says when, how bad, what and where."""
    recorder.logger().warning("turn.ended")
    line = recorder.line

    assert set(line) == ALWAYS
    assert (line["level"], line["event"]) == ("WARNING", "turn.ended")
    assert line["logger"] == "gateway.some.module"


def test_time(recorder: Recorder) -> None:
    """The time is RFC 3339, in UTC, with milliseconds."""
    record = logging.makeLogRecord({"name": "gateway", "msg": "a.b", "created": 1.5})

    assert json.loads(AllowListFormatter().format(record))["ts"] == "1970-01-01T00:00:01.500+00:00"


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_allowed_fields(recorder: Recorder, name: str) -> None:
    """Each allowed field is written as it is."""
    recorder.logger().info("a.b", extra={name: 7})

    assert recorder.line[name] == 7


def test_none_is_left_out(recorder: Recorder) -> None:
    """A field without a value is not written."""
    recorder.logger().info("a.b", extra={"model": None})

    assert set(recorder.line) == ALWAYS


def test_other_fields_are_dropped(either: Recorder) -> None:
    """A field that is not on the list is not written, nor is its name."""
    either.logger().info("a.b", extra={"question": CANARY, CANARY: 1, "text": CANARY})

    assert CANARY not in either.text


def test_arguments_are_dropped(either: Recorder) -> None:
    """The arguments of a message are not put into it."""
    either.logger().info("a.b %s", CANARY)

    assert CANARY not in either.text


@pytest.mark.parametrize("message", [f"asked {CANARY}", ValueError(CANARY), {"question": CANARY}])
def test_messages_are_events(either: Recorder, message: object) -> None:
    """A message that is no event name is replaced: somebody put what people wrote into it."""
    either.logger().info(message)

    assert CANARY not in either.text
    assert "unnamed" in either.text


def test_fields_are_plain(either: Recorder) -> None:
    """A field with an object in it tells the object's type, not its text."""
    either.logger().info("a.b", extra={"outcome": ValueError(CANARY), "status": {"q": CANARY}})

    assert CANARY not in either.text
    assert "ValueError" in either.text


def test_numbers_are_json(recorder: Recorder) -> None:
    """Numbers that JSON does not know are still a line of JSON."""
    recorder.logger().info("a.b", extra={"duration_ms": float("nan"), "cost_usd": float("inf")})

    assert recorder.line["event"] == "a.b"


def test_long_fields_are_cut(either: Recorder) -> None:
    """A field of any length does not make a line of any length."""
    either.logger().info("a.b", extra={"model": "m" * 100_000})

    assert len(either.text) < 1000


@pytest.mark.parametrize("name", ["openai", "asyncio", "aiohttp.server", "gatewayish", "root"])
def test_libraries(either: Recorder, name: str) -> None:
    """Of a library's record only its name and level are told: its message quotes requests."""
    either.logger(name).error(f"Request {CANARY} %s", CANARY, extra={"model": CANARY})

    assert CANARY not in either.text
    assert "library" in either.text
    assert name in either.text


def test_stack_info(either: Recorder) -> None:
    """A stack asked for is not written: it quotes lines of code."""
    either.logger().info("a.b", stack_info=True)

    assert "Stack" not in either.text


def test_trace(recorder: Recorder, trace: Trace) -> None:
    """Inside a trace a line carries its ids, a library's line too."""
    recorder.logger().info("a.b")
    recorder.logger("openai").info("a.b")

    assert [line["trace_id"] for line in recorder.lines] == [trace.trace_id] * 2
    assert [line["span_id"] for line in recorder.lines] == [trace.span_id] * 2


def test_no_trace(recorder: Recorder) -> None:
    """Outside a trace there are none."""
    recorder.logger().info("a.b")

    assert not {"trace_id", "span_id"} & set(recorder.line)


@pytest.mark.parametrize("value", NASTY)
def test_nasty_fields(either: Recorder, value: str) -> None:
    """No value of a field breaks its line, forges another or reaches the terminal as a command."""
    either.logger().info("a.b", extra={"model": value})

    assert len(either.text.splitlines()) == 1
    assert not re.search(r"[^ -~]", either.text.rstrip("\n"))


@given(value=st.text())
def test_any_field(value: str) -> None:
    """Any text in a field is one line of JSON that says it back, and one line of text."""
    recorder, text = Recorder(AllowListFormatter()), Recorder(TextFormatter())
    recorder.logger().info("a.b", extra={"model": value})
    text.logger().info("a.b", extra={"model": value})

    assert recorder.line["model"] == value[: len(recorder.line["model"])]
    assert len(text.text.splitlines()) == 1


def test_only_known_fields(recorder: Recorder, trace: Trace) -> None:
    """Whatever is logged, a line has no fields but those."""
    recorder.logger().error(
        "a.b",
        exc_info=ValueError(CANARY),
        stack_info=True,
        extra={"x": 1, "model": "m", "user": "u"},
    )

    assert set(recorder.line) <= ALWAYS | MAY | FIELDS


def test_text(text_recorder: Recorder) -> None:
    """A line for people says each thing once, the event first."""
    text_recorder.logger().info("server.listening", extra={"port": 8080})
    _when, *rest = text_recorder.text.split()

    assert rest[:2] == ["INFO", "server.listening"]
    assert "port=8080" in rest
    assert text_recorder.text.count("server.listening") == 1
