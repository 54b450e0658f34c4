"""Trace context as W3C describes it (https://www.w3.org/TR/trace-context/), one trace for a turn."""

import re
import secrets
from contextvars import ContextVar
from typing import Self

import msgspec

TRACEPARENT = re.compile(r"\A00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}\Z")


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """Where we are in a trace: 32 and 16 hexadecimal digits."""

    trace_id: str
    span_id: str

    @classmethod
    def start(cls, traceparent: str | None = None) -> Self:
        """Return a new span: of the caller's trace where `traceparent` is valid, else of a new one."""
        match = TRACEPARENT.match(traceparent or "")
        if match and int(match[1], 16) and int(match[2], 16):
            trace_id = match[1]
        else:
            trace_id = secrets.token_hex(16)
        return cls(trace_id=trace_id, span_id=secrets.token_hex(8))

    def child(self) -> Self:
        """Return a span below this one, as each request to the upstream is."""
        return type(self)(trace_id=self.trace_id, span_id=secrets.token_hex(8))

    @property
    def traceparent(self) -> str:
        """The header that makes the next hop a child of this span."""
        return f"00-{self.trace_id}-{self.span_id}-01"


# Tasks copy their context, so a turn and all it starts log the same trace.
CURRENT: ContextVar[Trace | None] = ContextVar("trace", default=None)
