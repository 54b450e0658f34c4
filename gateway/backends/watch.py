"""Tell how long the calls of a dependency take, and what came of them."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum, unique
from typing import Protocol


@unique
class Operation(StrEnum):
    """What Postgres, then Redis, is asked for."""

    PING = "ping"
    REPORTS = "reports"
    REPORT = "report"
    OPEN_SESSION = "open_session"
    FIND_SESSION = "find_session"
    ACCEPT_TURN = "accept_turn"
    HISTORY = "history"
    TURNS = "turns"
    FIND_TURN = "find_turn"
    RESERVE = "reserve"
    CHECKPOINT = "checkpoint"
    REQUEST_CANCEL = "request_cancel"
    EXPIRE = "expire"
    FINISH_TURN = "finish_turn"
    COMMAND = "command"

    RECALL = "recall"
    REMEMBER = "remember"
    TELL = "tell"
    PUBLISH = "publish"
    READ = "read"


@unique
class Result(StrEnum):
    """What came of a call."""

    OK = "ok"
    TIMEOUT = "timeout"
    ERROR = "error"


class Watch(Protocol):
    """Whoever is told of calls: an operation, its result, and how many seconds it took."""

    def __call__(self, operation: Operation, result: Result, seconds: float, /) -> None:
        """Take note of a call."""
        ...


def unwatched(_operation: Operation, _result: Result, _seconds: float, /) -> None:
    """Take no note of a call."""


@contextmanager
def watched(watch: Watch, operation: Operation) -> Iterator[None]:
    """Tell `watch` of the call inside the block; one that we cancelled says nothing of the dependency."""
    began = time.monotonic()
    try:
        yield
    except TimeoutError:
        watch(operation, Result.TIMEOUT, time.monotonic() - began)
        raise
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and not task.cancelling():
            # Not by us: so aiopg says that Postgres cancelled a statement, most often for its time.
            watch(operation, Result.TIMEOUT, time.monotonic() - began)
        raise
    except Exception:
        watch(operation, Result.ERROR, time.monotonic() - began)
        raise
    watch(operation, Result.OK, time.monotonic() - began)
