"""What an upstream's error status means, and when it says to come back."""

import logging
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec

from gateway.chat.errors import (
    ContextTooLong,
    GatewayError,
    KeyInvalid,
    QuotaExhausted,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)

logger = logging.getLogger(__name__)

# A longer wait is nobody's; it also has to fit the wire and the store.
MAX_RETRY_AFTER = 86_400.0
# Worth another try although they are 4xx (openai-python retries the same).
TRANSIENT_STATUS = frozenset({408, 409})


class _Detail(msgspec.Struct):
    code: object = None


class _Body(msgspec.Struct):
    error: _Detail


def refusal(status: int, *, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """Return the error that a response stands for which is none of 2xx; nothing of `body` is kept.

    Source: https://platform.openai.com/docs/guides/error-codes.
    """
    logger.warning("upstream.refused", extra={"status": status})
    code = _code(body)
    if status == 429:
        if code == "insufficient_quota":
            return QuotaExhausted()
        return UpstreamRateLimited(retry_after=_retry_after(headers))
    if status >= 500 or status in TRANSIENT_STATUS:
        return UpstreamUnavailable(retry_after=_retry_after(headers), status=status)
    if status == 401:
        return KeyInvalid()
    if code == "context_length_exceeded":
        return ContextTooLong()
    return UpstreamRejected()


def _code(body: bytes) -> object:
    try:
        return msgspec.json.decode(body, type=_Body).error.code
    except (msgspec.MsgspecError, UnicodeDecodeError):
        # Some proxy's page.
        return None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of Retry-After, a number or a date (RFC 9110, 10.2.3)."""
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            at = parsedate_to_datetime(value)
        except ValueError:
            return None
        # HTTP dates are GMT, also where they do not say so.
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        seconds = (at - datetime.now(UTC)).total_seconds()
    return min(max(0.0, seconds), MAX_RETRY_AFTER) if math.isfinite(seconds) else None
