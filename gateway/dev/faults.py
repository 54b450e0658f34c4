"""The faults the simulator can play, by the model name that asks for each."""

from collections import OrderedDict, deque
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Self

from gateway.dev.openai_wire import ErrorBody

ARMED_LIMIT = 10_000  # a mistyped `times` must not eat the memory
ONCE_LIMIT = 10_000  # conversations remembered as "has failed once"


@unique
class Fault(StrEnum):
    """What may go wrong upstream; the value is the model name, `meaning` says what a client sees.

    "Midway" is after half of the answer's pieces. A fault of streams only, asked for without
    `stream`, becomes its nearest kin (see `gateway.dev.delivery.send_whole`).
    """

    meaning: str

    def __new__(cls, model: str, meaning: str = "") -> Self:
        """Make a member from its model name and its one-line meaning."""
        member = str.__new__(cls, model)
        member._value_ = model
        member.meaning = meaning
        return member

    RATE_LIMIT = "sim-429", "429 `rate_limit_exceeded`, `Retry-After: 1`, on every attempt"
    RATE_LIMIT_ONCE = "sim-429-once", "that 429 on a question's first attempt, then an answer"
    QUOTA = "sim-quota", "429 `insufficient_quota`: retrying cannot help"
    SERVER_ERROR = "sim-500", "500 `server_error` on every attempt"
    SERVER_ERROR_ONCE = "sim-500-once", "that 500 on a question's first attempt, then an answer"
    BAD_GATEWAY = "sim-502-html", "502 with a proxy's HTML page instead of JSON"
    BAD_REQUEST = "sim-400", "400 `invalid_request_error`"
    BAD_KEY = "sim-401", "401 `invalid_api_key`, whatever the key"
    CONTEXT = "sim-context", "400 `context_length_exceeded`"
    REFUSE = "sim-refuse", "the connection is closed without one byte of an answer"
    HANG = "sim-hang", "the connection stays open, no headers ever come"
    COMMENTS = "sim-comments", "200, then only keep-alive comments, five a second"
    SLOW = "sim-slow", "the first token after 4 s, then 2 tokens a second"
    RESET = "sim-reset", "midway the connection is reset (TCP RST)"
    STALL = "sim-stall", "midway the stream falls silent, the connection stays open"
    EOF = "sim-eof", "midway the stream ends cleanly: no `finish_reason`, no `[DONE]`"
    ERROR_EVENT = "sim-error-event", 'midway `data: {"error": ...}`, then the end'
    JUNK = "sim-junk", "midway one `data:` line that is not JSON; the rest is good"
    CONTENT_FILTER = "sim-content-filter", "midway `finish_reason` is `content_filter`"
    NO_USAGE = "sim-no-usage", "a good answer whose usage is never sent"
    IGNORE_MAX_TOKENS = "sim-ignore-max-tokens", "about 4,000 tokens, whatever limit was asked for"


# These deliver half of the answer; what follows it tells them apart.
CUT_MIDWAY = frozenset(
    {Fault.RESET, Fault.STALL, Fault.EOF, Fault.ERROR_EVENT, Fault.CONTENT_FILTER}
)
ONCE = frozenset({Fault.RATE_LIMIT_ONCE, Fault.SERVER_ERROR_ONCE})


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """An error response in place of an answer."""

    status: int
    error: ErrorBody
    retry_after: int | None = None  # seconds


_RATE_LIMIT = Refusal(
    status=429,
    error=ErrorBody(
        message="Simulated: too many requests.", type="requests", code="rate_limit_exceeded"
    ),
    retry_after=1,
)
SERVER_ERROR = ErrorBody(message="Simulated: the server failed.", type="server_error")
_SERVER_ERROR = Refusal(status=500, error=SERVER_ERROR)
BAD_KEY = Refusal(
    status=401,
    error=ErrorBody(
        message="Simulated: this API key is not accepted.",
        type="invalid_request_error",
        code="invalid_api_key",
    ),
)

# The shapes: https://platform.openai.com/docs/guides/error-codes
REFUSALS: dict[Fault, Refusal] = {
    Fault.RATE_LIMIT: _RATE_LIMIT,
    Fault.RATE_LIMIT_ONCE: _RATE_LIMIT,
    Fault.QUOTA: Refusal(
        status=429,
        error=ErrorBody(
            message="Simulated: the quota is used up.",
            type="insufficient_quota",
            code="insufficient_quota",
        ),
    ),
    Fault.SERVER_ERROR: _SERVER_ERROR,
    Fault.SERVER_ERROR_ONCE: _SERVER_ERROR,
    Fault.BAD_REQUEST: Refusal(
        status=400,
        error=ErrorBody(message="Simulated: a bad request.", type="invalid_request_error"),
    ),
    Fault.BAD_KEY: BAD_KEY,
    Fault.CONTEXT: Refusal(
        status=400,
        error=ErrorBody(
            message="Simulated: the messages are longer than the model's context.",
            type="invalid_request_error",
            param="messages",
            code="context_length_exceeded",
        ),
    ),
}


class FaultPicker:
    """Decide the fault of each request: an armed one first, else the one its model names."""

    def __init__(self) -> None:
        self._armed: deque[Fault] = deque(maxlen=ARMED_LIMIT)
        self._failed_once: OrderedDict[int, None] = OrderedDict()

    def arm(self, fault: Fault, *, times: int) -> int:
        """Give `fault` to the next `times` requests and return how many are armed now."""
        self._armed.extend([fault] * times)
        return len(self._armed)

    def disarm(self) -> None:
        """Forget everything armed."""
        self._armed.clear()

    def pick(self, model: str, *, question: str) -> Fault | None:
        """Return the fault to play for this request, or None for a good answer."""
        fault = self._armed.popleft() if self._armed else fault_of(model)
        if fault in ONCE and self._is_second_attempt(hash((fault, model, question))):
            return None
        return fault

    def _is_second_attempt(self, key: int) -> bool:
        if key in self._failed_once:
            del self._failed_once[key]  # so that asking the same again fails once again
            return True
        self._failed_once[key] = None
        if len(self._failed_once) > ONCE_LIMIT:
            self._failed_once.popitem(last=False)
        return False


def fault_of(model: str) -> Fault | None:
    """Return the fault that `model` names, or None when it names none."""
    try:
        return Fault(model)
    except ValueError:
        return None


def faults_table() -> str:
    """Return the faults as a Markdown table, for the documentation to quote."""
    rows = [f"| `{fault}` | {fault.meaning} |" for fault in Fault]
    return "\n".join(["| model | what happens |", "|---|---|", *rows])
