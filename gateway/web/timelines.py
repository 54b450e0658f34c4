"""What happened to the last turns, for whoever asks about one."""

from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from gateway.chat.codes import Code
from gateway.chat.pricing import usd
from gateway.chat.records import ContextSource, CostSource, Usage
from gateway.chat.timeline import Attempt, AttemptResult, Ending, Timeline

# About a megabyte, and more than anybody looks back without a database.
KEPT = 1000


class AttemptView(msgspec.Struct, frozen=True, kw_only=True):
    """One request to the upstream, its times in milliseconds since the question."""

    span_id: str
    model: str
    began_ms: int
    result: AttemptResult | None


class TimelineView(msgspec.Struct, frozen=True, kw_only=True):
    """A turn as operators see it, its times in milliseconds since the question."""

    turn_id: UUID
    trace_id: str
    model: str
    ended_at: datetime
    accepted_ms: int | None
    recalled_ms: int | None
    context: ContextSource | None
    reserved_ms: int | None
    reserved_usd: str
    attempts: tuple[AttemptView, ...]
    retries: int
    first_chunk_ms: int | None
    last_chunk_ms: int | None
    worst_gap_ms: int | None
    ended_ms: int | None
    outcome: Ending | None
    code: Code | None
    saved_ms: int | None
    pieces: int
    usage: Usage
    cost_usd: str
    cost_source: CostSource


class Timelines:
    """The `Observer` that keeps the last thousand turns of this process."""

    def __init__(self) -> None:
        self._told: deque[tuple[datetime, Timeline]] = deque(maxlen=KEPT)

    def __iter__(self) -> Iterator[Timeline]:
        """Yield them as they are, the latest first."""
        return (timeline for _, timeline in self._told)

    def turn_ended(self, timeline: Timeline) -> None:
        """Keep `timeline`, and forget the oldest."""
        self._told.appendleft((datetime.now(UTC), timeline))

    def latest(self, *, limit: int) -> list[TimelineView]:
        """Return the last turns, the latest first."""
        return [_view(timeline, at=at) for at, timeline in list(self._told)[:limit]]

    def find(self, trace_id: str) -> list[TimelineView]:
        """Return the turns of a trace, the latest first: a client may ask several questions in one."""
        return [
            _view(timeline, at=at) for at, timeline in self._told if timeline.trace_id == trace_id
        ]


def _view(timeline: Timeline, *, at: datetime) -> TimelineView:
    return TimelineView(
        turn_id=timeline.turn_id,
        trace_id=timeline.trace_id,
        model=timeline.model,
        ended_at=at,
        accepted_ms=_ms(timeline.accepted),
        recalled_ms=_ms(timeline.recalled),
        context=timeline.context,
        reserved_ms=_ms(timeline.reserved),
        reserved_usd=usd(timeline.reserved_nano),
        attempts=tuple(_attempt_view(attempt) for attempt in timeline.attempts),
        retries=timeline.retries,
        first_chunk_ms=_ms(timeline.first_chunk),
        last_chunk_ms=_ms(timeline.last_chunk),
        worst_gap_ms=_ms(timeline.worst_gap),
        ended_ms=_ms(timeline.ended),
        outcome=timeline.ending,
        code=timeline.code,
        saved_ms=_ms(timeline.saved),
        pieces=timeline.pieces,
        usage=timeline.usage,
        cost_usd=usd(timeline.cost_nano),
        cost_source=timeline.cost_source,
    )


def _attempt_view(attempt: Attempt) -> AttemptView:
    return AttemptView(
        span_id=attempt.span_id,
        model=attempt.model,
        began_ms=int(attempt.began * 1000),
        result=attempt.result,
    )


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1000)
