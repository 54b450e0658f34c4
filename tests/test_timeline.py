"""What happened to a turn is told as a closed set of words and some figures."""

from uuid import UUID

import msgspec
import pytest

from gateway.chat.codes import Code
from gateway.chat.errors import (
    Busy,
    ContextTooLong,
    CostCapReached,
    FirstChunkTimeout,
    GatewayError,
    Internal,
    KeyInvalid,
    KeyMissing,
    QuotaExhausted,
    SessionBudgetReached,
    Stalled,
    StorageUnavailable,
    TurnTimeout,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTruncated,
    UpstreamUnavailable,
)
from gateway.chat.timeline import (
    Attempt,
    AttemptResult,
    Ending,
    Timeline,
    attempt_result,
    ending_of,
)
from tests.builders import TRACE_ID


def a_timeline(*attempts: Attempt) -> Timeline:
    """Return the timeline of a turn that has sent `attempts`."""
    return Timeline(
        turn_id=UUID(int=1), trace_id=TRACE_ID, model="sim-test", attempts=list(attempts)
    )


def an_attempt(result: AttemptResult | None = None) -> Attempt:
    """Return a request that came to `result`."""
    return Attempt(span_id="00f067aa0ba902b7", model="sim-test", began=0.1, result=result)


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (FirstChunkTimeout(), Ending.FIRST_TOKEN_TIMEOUT),
        (Stalled(), Ending.IDLE_TIMEOUT),
        (TurnTimeout(), Ending.TOTAL_TIMEOUT),
        (UpstreamUnavailable(), Ending.UPSTREAM_ERROR),
        (UpstreamTruncated(), Ending.UPSTREAM_TRUNCATED),
        (CostCapReached(), Ending.COST_CAP),
        (SessionBudgetReached(), Ending.COST_CAP),
        (StorageUnavailable(), Ending.STORAGE_ERROR),
        (Internal(), Ending.INTERNAL_ERROR),
        (Busy(), Ending.REFUSED),
        (KeyMissing(), Ending.REFUSED),
    ],
)
def test_ending_of_an_error(error: GatewayError, ending: Ending) -> None:
    """Each error is one of the endings that machines count."""
    assert ending_of(error) is ending


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (UpstreamRateLimited(), "429"),
        (QuotaExhausted(), "429"),
        (KeyInvalid(), "4xx"),
        (UpstreamRejected(), "4xx"),
        (ContextTooLong(), "4xx"),
        (UpstreamUnavailable(status=408), "4xx"),
        (UpstreamUnavailable(status=503), "5xx"),
        (UpstreamUnavailable(), "connect"),
        (UpstreamUnavailable(status=200), "stream_error"),
        (UpstreamTruncated(), "stream_error"),
        (FirstChunkTimeout(), "timeout"),
        (Stalled(), "timeout"),
        (TurnTimeout(), "timeout"),
        (Internal(), "internal_error"),
    ],
)
def test_result_of_an_attempt(error: GatewayError, result: str) -> None:
    """What a request came to is told by status class, or by how far it got."""
    assert attempt_result(error) == result


def test_request_under_way() -> None:
    """A request is in flight until it is known what it came to, which is noted once."""
    timeline = a_timeline(an_attempt())
    assert timeline.inflight
    timeline.conclude_attempt(AttemptResult.CONNECT)
    timeline.conclude_attempt(AttemptResult.OK)
    assert (timeline.inflight, timeline.attempts[0].result) == (False, AttemptResult.CONNECT)


def test_turn_without_a_request() -> None:
    """A turn that never asked the upstream has nothing in flight and nothing to conclude."""
    timeline = a_timeline()
    timeline.conclude_attempt(AttemptResult.OK)
    assert (timeline.inflight, timeline.retries, timeline.attempts) == (False, 0, [])


def test_retries_are_what_came_after_the_first() -> None:
    """Of two requests one is a retry."""
    assert a_timeline(an_attempt(AttemptResult.CONNECT), an_attempt()).retries == 1


def test_refusal() -> None:
    """A question refused before it was stored has an end and its code, and no more."""
    timeline = a_timeline()
    timeline.refuse(StorageUnavailable(), at=0.2)
    assert (timeline.ended, timeline.ending) == (0.2, Ending.STORAGE_ERROR)
    assert (timeline.code, timeline.accepted) == (Code.STORAGE_UNAVAILABLE, None)


def test_time_per_chunk_is_a_mean() -> None:
    """The time from chunk to chunk is that between the first and the last, shared among them."""
    timeline = msgspec.structs.replace(a_timeline(), first_chunk=1.0, last_chunk=2.0, pieces=5)
    assert timeline.per_chunk == 0.25


@pytest.mark.parametrize(("first", "last", "pieces"), [(None, None, 0), (1.0, 1.0, 1)])
def test_one_chunk_has_no_time_per_chunk(
    first: float | None, last: float | None, pieces: int
) -> None:
    """Without two chunks there is no time between them."""
    timeline = msgspec.structs.replace(
        a_timeline(), first_chunk=first, last_chunk=last, pieces=pieces
    )
    assert timeline.per_chunk is None
