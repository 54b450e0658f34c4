"""What happened to one turn and when, without a word of what was said."""

from enum import StrEnum, unique
from uuid import UUID

import msgspec

from gateway.chat.codes import Code
from gateway.chat.errors import GatewayError, UpstreamUnavailable
from gateway.chat.records import ContextSource, CostSource, Usage


@unique
class Ending(StrEnum):
    """How a turn ended, as machines count it."""

    OK = "ok"
    CLIENT_CANCEL = "client_cancel"
    GRACE_EXPIRED = "grace_expired"
    SHUTDOWN = "shutdown"
    FIRST_TOKEN_TIMEOUT = "first_token_timeout"
    IDLE_TIMEOUT = "idle_timeout"
    TOTAL_TIMEOUT = "total_timeout"
    UPSTREAM_ERROR = "upstream_error"
    UPSTREAM_TRUNCATED = "upstream_truncated"
    COST_CAP = "cost_cap"
    RATE_LIMITED = "rate_limited"
    STORAGE_ERROR = "storage_error"
    REFUSED = "refused"
    INTERNAL_ERROR = "internal_error"


@unique
class AttemptResult(StrEnum):
    """What one request to the upstream came to."""

    OK = "ok"
    TOO_MANY = "429"
    REJECTED = "4xx"
    SERVER_ERROR = "5xx"
    CONNECT = "connect"
    TIMEOUT = "timeout"
    STREAM_ERROR = "stream_error"
    STOPPED = "stopped"
    INTERNAL_ERROR = "internal_error"


ENDINGS = {
    Code.FIRST_CHUNK_TIMEOUT: Ending.FIRST_TOKEN_TIMEOUT,
    Code.STALLED: Ending.IDLE_TIMEOUT,
    Code.TURN_TIMEOUT: Ending.TOTAL_TIMEOUT,
    Code.UPSTREAM_RATE_LIMITED: Ending.UPSTREAM_ERROR,
    Code.UPSTREAM_UNAVAILABLE: Ending.UPSTREAM_ERROR,
    Code.UPSTREAM_REJECTED: Ending.UPSTREAM_ERROR,
    Code.QUOTA_EXHAUSTED: Ending.UPSTREAM_ERROR,
    Code.KEY_INVALID: Ending.UPSTREAM_ERROR,
    Code.UPSTREAM_TRUNCATED: Ending.UPSTREAM_TRUNCATED,
    Code.COST_CAP_REACHED: Ending.COST_CAP,
    Code.SESSION_BUDGET_REACHED: Ending.COST_CAP,
    Code.DAILY_BUDGET_REACHED: Ending.COST_CAP,
    Code.RATE_LIMITED: Ending.RATE_LIMITED,
    Code.STORAGE_UNAVAILABLE: Ending.STORAGE_ERROR,
    Code.INTERRUPTED: Ending.SHUTDOWN,
    Code.INTERNAL: Ending.INTERNAL_ERROR,
}

ATTEMPT_RESULTS = {
    Code.UPSTREAM_RATE_LIMITED: AttemptResult.TOO_MANY,
    Code.QUOTA_EXHAUSTED: AttemptResult.TOO_MANY,
    Code.KEY_INVALID: AttemptResult.REJECTED,
    Code.UPSTREAM_REJECTED: AttemptResult.REJECTED,
    Code.CONTEXT_TOO_LONG: AttemptResult.REJECTED,
    Code.FIRST_CHUNK_TIMEOUT: AttemptResult.TIMEOUT,
    Code.STALLED: AttemptResult.TIMEOUT,
    Code.TURN_TIMEOUT: AttemptResult.TIMEOUT,
    Code.UPSTREAM_TRUNCATED: AttemptResult.STREAM_ERROR,
}


class Attempt(msgspec.Struct, kw_only=True):
    """One request to the upstream: its span, when it began, and what it came to once that is known."""

    span_id: str
    model: str
    began: float
    result: AttemptResult | None = None


class Timeline(msgspec.Struct, kw_only=True):
    """A turn in seconds since it was asked, filled while it runs; None is what has not happened.

    `accepted` is when the question was durable, `recalled` when its context was there, `reserved` when its
    money was set aside, `worst_gap` the longest silence between two chunks, `saved` when its end was durable.
    """

    turn_id: UUID
    trace_id: str
    model: str
    accepted: float | None = None
    recalled: float | None = None
    context: ContextSource | None = None
    reserved: float | None = None
    reserved_nano: int = 0
    attempts: list[Attempt] = []
    first_chunk: float | None = None
    last_chunk: float | None = None
    worst_gap: float = 0.0
    ended: float | None = None
    ending: Ending | None = None
    code: Code | None = None
    pieces: int = 0
    usage: Usage = Usage()
    cost_nano: int = 0
    cost_source: CostSource = CostSource.REPORTED
    saved: float | None = None

    @property
    def per_chunk(self) -> float | None:
        """The mean time from one chunk to the next, None where there were not two."""
        if self.first_chunk is None or self.last_chunk is None or self.pieces < 2:
            return None
        return (self.last_chunk - self.first_chunk) / (self.pieces - 1)

    @property
    def retries(self) -> int:
        """How many requests were sent after the first."""
        return max(0, len(self.attempts) - 1)

    @property
    def inflight(self) -> bool:
        """Whether a request to the upstream is under way."""
        return bool(self.attempts) and self.attempts[-1].result is None

    def conclude_attempt(self, result: AttemptResult) -> None:
        """Note what the request that is under way came to, if one is."""
        if self.inflight:
            self.attempts[-1].result = result

    def refuse(self, error: GatewayError, *, at: float) -> None:
        """Note that the question was refused before it was stored."""
        self.ended, self.ending, self.code = at, ending_of(error), error.code


def ending_of(error: GatewayError) -> Ending:
    """Return how a turn ended that ended with `error`."""
    return ENDINGS.get(error.code, Ending.REFUSED)


def attempt_result(error: GatewayError) -> AttemptResult:
    """Return what a request came to that ended with `error`."""
    if isinstance(error, UpstreamUnavailable):
        return _unavailable(error.status)
    return ATTEMPT_RESULTS.get(error.code, AttemptResult.INTERNAL_ERROR)


def _unavailable(status: int | None) -> AttemptResult:
    if status is None:
        return AttemptResult.CONNECT
    if status >= 500:
        return AttemptResult.SERVER_ERROR
    # An answer that began well was none in the end.
    return AttemptResult.REJECTED if status >= 400 else AttemptResult.STREAM_ERROR
