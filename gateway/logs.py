"""JSON logs: constant event names and a list of allowed fields, never what people wrote."""

import asyncio
import logging
import sys
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
CHATTY = ("httpx2", "httpcore2", "openai", "asyncio", "aiohttp.access")


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
        rest = " ".join(f"{key}={value}" for key, value in fields.items())
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


def log_unhandled(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what reached the event loop, without its message: set it as the loop's exception handler."""
    error = context.get("exception")
    logging.getLogger(__name__).error("loop.unhandled", exc_info=error)


def _log_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    logging.getLogger(__name__).critical("process.crashed", exc_info=(kind, error, trace))


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    ours = record.name == OURS or record.name.startswith(f"{OURS}.")
    fields: dict[str, Any] = {
        "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname,
        # Our messages are constants without arguments; those of others are not known to be.
        "event": record.msg if ours else "library",
        "logger": record.name,
        "version": __version__,
    }
    trace = CURRENT.get()
    if trace is not None:
        fields["trace_id"] = trace.trace_id
        fields["span_id"] = trace.span_id
    for name in sorted(FIELDS):
        value = record.__dict__.get(name)
        if value is not None:
            fields[name] = value
    if record.exc_info and record.exc_info[1] is not None:
        fields["error_type"] = type(record.exc_info[1]).__name__
        fields["traceback"] = _frames(record.exc_info[1])
    return fields


def _frames(error: BaseException) -> list[str]:
    chain = traceback.TracebackException.from_exception(error, lookup_lines=False)
    lines: list[str] = []
    link: traceback.TracebackException | None = chain
    while link is not None:
        lines += [f"{f.filename}:{f.lineno} {f.name}" for f in link.stack]
        lines.append(link.exc_type.__name__ if link.exc_type else "Exception")
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return lines
