"""The tree of errors and the catalogue of codes agree."""

from collections.abc import Iterator

import pytest

from gateway.chat import errors
from gateway.chat.codes import CATALOGUE, Code, Locale
from gateway.chat.errors import (
    CannotStart,
    ConfigError,
    GatewayError,
    Internal,
    InvalidFrame,
    MessageTooLong,
    Permanent,
    RateLimited,
    Stalled,
    Transient,
    UpstreamRateLimited,
)


def leaves(kind: type[GatewayError]) -> Iterator[type[GatewayError]]:
    """Yield the errors below `kind` that have none below them."""
    below = [k for k in kind.__subclasses__() if k.__module__ == errors.__name__]
    if not below:
        yield kind
    for child in below:
        yield from leaves(child)


ON_THE_WIRE = [kind for kind in leaves(GatewayError) if not issubclass(kind, CannotStart)]


def test_every_code_is_the_code_of_one_error() -> None:
    """No two errors share a code, and no code is without an error."""
    assert sorted(kind.code for kind in ON_THE_WIRE) == sorted(Code)


@pytest.mark.parametrize("kind", ON_THE_WIRE)
def test_transient_is_what_may_be_retried(kind: type[GatewayError]) -> None:
    """An error is transient exactly where the catalogue invites to retry."""
    assert issubclass(kind, Transient) is CATALOGUE[kind.code].retryable
    assert issubclass(kind, Permanent) is not CATALOGUE[kind.code].retryable


def test_error_says_whether_to_retry() -> None:
    """An error knows what the catalogue says of retrying."""
    assert (Stalled().retryable, InvalidFrame().retryable) == (True, False)


def test_message_is_in_the_asked_language() -> None:
    """The sentence shown is in the reader's language."""
    assert Internal().message(Locale.KO) == "일시 오류가 발생했습니다."
    assert Internal().message(Locale.EN) == "A temporary error occurred."


def test_too_long_tells_the_limit() -> None:
    """The reader is told how long a message may be."""
    told = MessageTooLong(limit=20).message(Locale.EN)
    assert told == "The message is too long (20 characters at most)."


@pytest.mark.parametrize(("retry_after", "seconds"), [(None, 1), (0.2, 1), (2.6, 3)])
def test_rate_limited_tells_whole_seconds(retry_after: float | None, seconds: int) -> None:
    """The reader is told to wait a whole number of seconds, one at least."""
    told = RateLimited(retry_after=retry_after).message(Locale.EN)
    assert told == f"Too many requests. Try again in {seconds} s."


def test_retry_after_is_in_milliseconds() -> None:
    """A client is told when to retry in milliseconds."""
    assert UpstreamRateLimited(retry_after=1.5).retry_after_ms == 1500


@pytest.mark.parametrize("error", [UpstreamRateLimited(), InvalidFrame()])
def test_nobody_said_when_to_retry(error: GatewayError) -> None:
    """A client is not told when to retry where nobody knows."""
    assert error.retry_after_ms is None


def test_text_is_the_code_alone() -> None:
    """An error's text is its code, so that it is safe to log."""
    assert str(UpstreamRateLimited(retry_after=3)) == "upstream_rate_limited"


def test_config_error_is_its_line() -> None:
    """A configuration error is the one line that the operator reads."""
    assert str(ConfigError("cost: what is that?")) == "cost: what is that?"
