"""JSON logs: constant event names and a list of allowed fields, never what people wrote."""

import asyncio
import logging
import math
import re
import sys
import threading
import traceback
from datetime import UTC, datetime
from enum import StrEnum, unique
from types import TracebackType
from typing import Any

from pythonjsonlogger.json import JsonFormatter

from gateway import __version__
from gateway.chat.trace import CURRENT

# Whatever else a call site, or a library, attaches to a record is dropped.
FIELDS = frozenset(
    {
        "attempt",
        "cached_tokens",
        "close_code",
        "context_source",
        "cost_usd",
        "duration_ms",
        "error_type",
        "fault",
        "frame",
        "host",
        "input_tokens",
        "migration",
        "model",
        "operation",
        "outcome",
        "output_tokens",
        "pgcode",
        "port",
        "reports",
        "status",
        "text_len",
        "transport",
        "ttft_ms",
        "turns",
        "usage_source",
    }
)
OURS = "gateway"
EVENT = re.compile(r"[a-z_]+(\.[a-z_]+)+")
# A name is shorter; what is longer is something that does not belong here.
MAX_FIELD = 200
# The last ones say where it happened.
MAX_FRAMES = 50
CHATTY = ("openai", "asyncio", "aiohttp.access")


@unique
class LogLevel(StrEnum):
    """How much is logged."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


@unique
class LogFormat(StrEnum):
    """Machines read `json`, people at a terminal `text`."""

    JSON = "json"
    TEXT = "text"


class AllowListFormatter(JsonFormatter):
    """Write one JSON object a line, of nothing but what is known to be harmless.

    Messages of other libraries, arguments and the texts of exceptions are left out: they quote prompts,
    rows and addresses. A traceback keeps its types, files, lines and functions.
    """

    def __init__(self) -> None:
        super().__init__(json_ensure_ascii=True)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of `record`."""
        return self.jsonify_log_record(_fields(record))


class TextFormatter(logging.Formatter):
    """Write the same fields for a person."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of `record`."""
        fields = _fields(record)
        head = [fields.pop(name) for name in ("ts", "level", "event")]
        trace = fields.pop("traceback", None)
        rest = " ".join(f"{key}={_escaped(value)}" for key, value in fields.items())
        return "\n  ".join([" ".join([*head, rest]), *(trace or [])])


def configure(*, level: LogLevel, format: LogFormat) -> None:
    """Send every record of the process, warnings and uncaught exceptions too, to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(AllowListFormatter() if format is LogFormat.JSON else TextFormatter())
    logging.basicConfig(level=level.value, handlers=[handler], force=True)
    if level is not LogLevel.DEBUG:
        # Libraries tell of every request; all that is left of it here is that there was one.
        for name in CHATTY:
            logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    # Handlers print the record's arguments when formatting fails.
    logging.raiseExceptions = False
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_thread
    sys.unraisablehook = _log_unraisable


def log_unhandled(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what reached the event loop, without its message: set it as the loop's exception handler."""
    error = context.get("exception")
    logging.getLogger(__name__).error("loop.unhandled", exc_info=error)


def _log_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    logging.getLogger(__name__).critical("process.crashed", exc_info=(kind, error, trace))


def _log_thread(crash: threading.ExceptHookArgs) -> None:
    if crash.exc_type is not SystemExit:
        logging.getLogger(__name__).critical("thread.crashed", exc_info=crash.exc_value)


def _log_unraisable(crash: "sys.UnraisableHookArgs") -> None:
    logging.getLogger(__name__).error("finalizer.crashed", exc_info=crash.exc_value)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    ours = record.name == OURS or record.name.startswith(f"{OURS}.")
    fields: dict[str, Any] = {
        "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname,
        "event": _event(record.msg) if ours else "library",
        "logger": record.name,
        "version": __version__,
    }
    trace = CURRENT.get()
    if trace is not None:
        fields["trace_id"] = trace.trace_id
        fields["span_id"] = trace.span_id
    for name in sorted(FIELDS) if ours else ():
        value = record.__dict__.get(name)
        if value is not None:
            fields[name] = _plain(value)
    if record.exc_info and record.exc_info[1] is not None:
        fields["error_type"] = type(record.exc_info[1]).__name__
        fields["traceback"] = _frames(record.exc_info[1])
    return fields


def _event(message: object) -> str:
    # Our messages are constants without arguments; those of others are not known to be.
    return message if isinstance(message, str) and EVENT.fullmatch(message) else "unnamed"


def _plain(value: object) -> str | int | float:
    # Of an object only the type: its text may quote somebody.
    match value:
        case str():
            return value[:MAX_FIELD]
        case int():
            return value
        case float() if math.isfinite(value):
            return value
    return type(value).__name__


def _escaped(value: object) -> str:
    text = str(value)
    return text if re.fullmatch(r"[!-<>-~]+", text) else ascii(text)


def _frames(error: BaseException) -> list[str]:
    lines: list[str] = []
    seen: set[int] = set()
    links = [error]
    while links:
        link = links.pop()
        if id(link) in seen:
            continue
        seen.add(id(link))
        calls = [
            f"{frame.f_code.co_filename}:{line} {frame.f_code.co_name}"
            for frame, line in traceback.walk_tb(link.__traceback__)
        ]
        lines += [*calls[-MAX_FRAMES:], type(link).__name__]
        if isinstance(link, BaseExceptionGroup):
            links += link.exceptions
        if link.__cause__ is not None:
            links.append(link.__cause__)
        elif link.__context__ is not None and not link.__suppress_context__:
            links.append(link.__context__)
    return lines
