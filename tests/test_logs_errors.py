"""Of an error a log line tells types and places, of all that led to it too, and never a text."""

import logging

import pytest

from gateway.logs import AllowListFormatter, TextFormatter
from tests.log_recorder import Recorder

CANARY = "canary-4711"


@pytest.fixture
def recorder() -> Recorder:
    """Record JSON."""
    return Recorder(AllowListFormatter())


@pytest.fixture(params=[AllowListFormatter, TextFormatter], ids=["json", "text"])
def either(request: pytest.FixtureRequest) -> Recorder:
    """Record each format."""
    formatter: logging.Formatter = request.param()
    return Recorder(formatter)


def nested() -> Exception:
    """Return an error raised from one raised while handling another, each with the canary in its text."""
    try:
        try:
            try:
                raise KeyError(CANARY)
            except KeyError:
                raise OSError(CANARY)  # noqa: B904 - the context is the point
        except OSError as error:
            raise RuntimeError(CANARY) from error
    except RuntimeError as error:
        return error


@pytest.mark.parametrize("name", ["gateway.some.module", "asyncio"])
def test_exceptions(either: Recorder, name: str) -> None:
    """Of an error and all that led to it, types and places are told, never texts."""
    either.logger(name).error("turn.crashed", exc_info=nested())

    assert CANARY not in either.text
    for kind in ("RuntimeError", "OSError", "KeyError", "test_logs_errors.py", "nested"):
        assert kind in either.text


def test_error_type(recorder: Recorder) -> None:
    """The type of the error is a field."""
    recorder.logger().error("turn.crashed", exc_info=nested())

    assert recorder.line["error_type"] == "RuntimeError"
    assert recorder.line["traceback"][-1] == "KeyError"


def test_suppressed_context(recorder: Recorder) -> None:
    """What `from None` hides is hidden."""
    try:
        try:
            raise KeyError
        except KeyError:
            raise ValueError from None
    except ValueError:
        recorder.logger().exception("turn.crashed")

    assert "KeyError" not in recorder.text


def test_exception_group(either: Recorder) -> None:
    """The errors in a group are told too: a group by itself says nothing."""
    group = ExceptionGroup(CANARY, [nested(), ExceptionGroup(CANARY, [ZeroDivisionError(CANARY)])])
    either.logger().error("turn.crashed", exc_info=group)

    assert CANARY not in either.text
    assert "KeyError" in either.text
    assert "ZeroDivisionError" in either.text


def test_cycle(either: Recorder) -> None:
    """An error that is its own cause is told once."""
    error = ValueError(CANARY)
    error.__cause__ = RuntimeError(CANARY)
    error.__cause__.__cause__ = error
    either.logger().error("turn.crashed", exc_info=error)

    assert CANARY not in either.text
    assert "RuntimeError" in either.text


def test_deep_traceback(recorder: Recorder) -> None:
    """A traceback of a thousand calls is cut to the last ones, which say where it happened."""

    def dig(depth: int) -> None:
        if depth == 0:
            raise ValueError
        dig(depth - 1)

    try:
        dig(500)
    except ValueError:
        recorder.logger().exception("turn.crashed")

    assert len(recorder.line["traceback"]) < 100
    assert recorder.line["traceback"][-2].endswith(" dig")


def test_unprintable_exception(either: Recorder) -> None:
    """An error that cannot even be printed is told like any other."""

    class Unprintable(Exception):
        def __str__(self) -> str:
            raise ValueError(CANARY)

        __repr__ = __str__

    either.logger().error("turn.crashed", exc_info=Unprintable())

    assert CANARY not in either.text
    assert "Unprintable" in either.text
