"""The one tree of things that can go wrong, each with its wire code.

    GatewayError
    ├── Transient                  the same question may succeed later
    │   ├── Busy                   one running turn a session
    │   ├── RateLimited            too many messages; `retry_after` seconds
    │   ├── TooManyConnections     of one address
    │   ├── Overloaded             too many connections of all
    │   ├── FirstChunkTimeout      no content from the upstream in time
    │   ├── Stalled                content stopped midway
    │   ├── TurnTimeout            the whole turn took too long
    │   ├── UpstreamRateLimited    429 twice; `retry_after` seconds where the upstream said so
    │   ├── UpstreamUnavailable    5xx twice, or no connection; `status` where there was an answer
    │   ├── UpstreamTruncated      the stream ended without a finish reason
    │   ├── StorageUnavailable     Postgres cannot be reached
    │   ├── Interrupted            the process that answered is gone
    │   └── Internal               a bug of ours
    ├── Permanent                  asking again the same way cannot help
    │   ├── InvalidFrame           not JSON, not a known type, a bad field
    │   ├── EmptyMessage
    │   ├── MessageTooLong         `limit` characters
    │   ├── UnknownTurn
    │   ├── SessionNotFound
    │   ├── ReportNotFound
    │   ├── KeyMissing
    │   ├── KeyInvalid
    │   ├── CostCapReached         the request's cap
    │   ├── SessionBudgetReached   the conversation's budget
    │   ├── DailyBudgetReached     the day's budget
    │   ├── UpstreamRejected       4xx, content refused
    │   ├── QuotaExhausted         429 `insufficient_quota`
    │   └── ContextTooLong         the prompt does not fit the model
    └── CannotStart                stopped with one line; never on the wire
        ├── ConfigError            until somebody changes the configuration
        └── AddressUnavailable     for now: taken, or not there yet

Errors carry fields, never the text of a foreign exception: that may hold what people wrote.
"""

from math import ceil
from typing import ClassVar

from gateway.chat.codes import CATALOGUE, Code, Locale, describe


class GatewayError(Exception):
    """Anything the gateway itself says went wrong."""

    code: ClassVar[Code] = Code.INTERNAL

    def __str__(self) -> str:
        return self.code.value

    @property
    def retryable(self) -> bool:
        """Whether the same question may succeed later."""
        return CATALOGUE[self.code].retryable

    @property
    def retry_after_ms(self) -> int | None:
        """When a retry is worth trying, where somebody said so."""
        return None

    def message(self, locale: Locale) -> str:
        """Return the sentence shown to the reader."""
        return describe(self.code, locale)


class Transient(GatewayError):
    """The same question may succeed later."""

    def __init__(self, *, retry_after: float | None = None) -> None:
        super().__init__(retry_after)
        self.retry_after = retry_after

    @property
    def retry_after_ms(self) -> int | None:
        """When a retry is worth trying, in milliseconds, where somebody said so."""
        return None if self.retry_after is None else ceil(self.retry_after * 1000)


class Busy(Transient):
    """The session's previous answer is still running."""

    code = Code.BUSY


class RateLimited(Transient):
    """Too many messages from one session, or from one address."""

    code = Code.RATE_LIMITED

    def message(self, locale: Locale) -> str:
        """Return the sentence shown to the reader, with the seconds to wait."""
        return describe(self.code, locale, seconds=max(1, ceil(self.retry_after or 1)))


class TooManyConnections(Transient):
    """Too many connections from one address."""

    code = Code.TOO_MANY_CONNECTIONS


class Overloaded(Transient):
    """More connections than this process takes."""

    code = Code.OVERLOADED


class FirstChunkTimeout(Transient):
    """No content came from the upstream in time."""

    code = Code.FIRST_CHUNK_TIMEOUT


class Stalled(Transient):
    """Content stopped midway."""

    code = Code.STALLED


class TurnTimeout(Transient):
    """The whole turn took too long."""

    code = Code.TURN_TIMEOUT


class UpstreamRateLimited(Transient):
    """The upstream answered 429 and a retry did not help."""

    code = Code.UPSTREAM_RATE_LIMITED


class UpstreamUnavailable(Transient):
    """The upstream could not be reached, answered 5xx, or broke off before its first content."""

    code = Code.UPSTREAM_UNAVAILABLE

    def __init__(self, *, retry_after: float | None = None, status: int | None = None) -> None:
        super().__init__(retry_after=retry_after)
        self.status = status


class UpstreamTruncated(Transient):
    """The stream ended, or turned to junk, without a finish reason."""

    code = Code.UPSTREAM_TRUNCATED


class StorageUnavailable(Transient):
    """Postgres cannot be reached, or did not answer in time."""

    code = Code.STORAGE_UNAVAILABLE


class Interrupted(Transient):
    """The process that answered is gone."""

    code = Code.INTERRUPTED


class Internal(Transient):
    """A bug of ours, told to the reader without details."""

    code = Code.INTERNAL


class Permanent(GatewayError):
    """Asking again the same way cannot help."""


class InvalidFrame(Permanent):
    """A frame that is not JSON, not of a known type, or has a bad field."""

    code = Code.INVALID_FRAME


class EmptyMessage(Permanent):
    """A question without a visible character."""

    code = Code.EMPTY_MESSAGE


class MessageTooLong(Permanent):
    """A question over the limit, in characters."""

    code = Code.MESSAGE_TOO_LONG

    def __init__(self, *, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit

    def message(self, locale: Locale) -> str:
        """Return the sentence shown to the reader, with the limit."""
        return describe(self.code, locale, max=self.limit)


class UnknownTurn(Permanent):
    """No such turn in this session."""

    code = Code.UNKNOWN_TURN


class SessionNotFound(Permanent):
    """No session has that token."""

    code = Code.SESSION_NOT_FOUND


class ReportNotFound(Permanent):
    """No report has that id."""

    code = Code.REPORT_NOT_FOUND


class KeyMissing(Permanent):
    """No API key is configured."""

    code = Code.KEY_MISSING


class KeyInvalid(Permanent):
    """The upstream refused the API key."""

    code = Code.KEY_INVALID


class CostCapReached(Permanent):
    """The request's cost cap is reached."""

    code = Code.COST_CAP_REACHED


class SessionBudgetReached(Permanent):
    """The conversation's budget is used up."""

    code = Code.SESSION_BUDGET_REACHED


class DailyBudgetReached(Permanent):
    """The day's budget is used up."""

    code = Code.DAILY_BUDGET_REACHED


class UpstreamRejected(Permanent):
    """The upstream refused the request itself."""

    code = Code.UPSTREAM_REJECTED


class QuotaExhausted(Permanent):
    """The upstream account has no quota left."""

    code = Code.QUOTA_EXHAUSTED


class ContextTooLong(Permanent):
    """The prompt does not fit the model's context."""

    code = Code.CONTEXT_TOO_LONG


class CannotStart(GatewayError):
    """What keeps the gateway from starting; its text is one line for the operator."""

    def __init__(self, line: str) -> None:
        super().__init__(line)
        self.line = line

    def __str__(self) -> str:
        return self.line


class ConfigError(CannotStart):
    """A configuration the gateway cannot start with."""


class AddressUnavailable(CannotStart):
    """An address that cannot be listened on now."""
