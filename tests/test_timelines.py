"""The last turns are kept, found by their trace, and shown in milliseconds."""

from uuid import UUID, uuid4

from gateway.chat.records import ContextSource
from gateway.chat.timeline import Attempt, AttemptResult, Ending, Timeline
from gateway.web.timelines import KEPT, AttemptView, Timelines
from tests.builders import TRACE_ID, USAGE


def a_timeline(trace_id: str = TRACE_ID, *, turn_id: UUID | None = None) -> Timeline:
    """Return the timeline of a turn that was answered."""
    return Timeline(
        turn_id=turn_id or uuid4(),
        trace_id=trace_id,
        model="sim-test",
        accepted=0.0019,
        context=ContextSource.CACHE,
        attempts=[
            Attempt(
                span_id="00f067aa0ba902b7", model="sim-test", began=0.0041, result=AttemptResult.OK
            )
        ],
        first_chunk=0.25,
        ended=1.5,
        ending=Ending.OK,
        reserved_nano=72_000,
        cost_nano=18_000,
        usage=USAGE,
    )


def test_times_in_milliseconds() -> None:
    """Outside, times are whole milliseconds and money decimal dollars; what did not happen is None."""
    timelines = Timelines()
    timelines.turn_ended(a_timeline())
    (view,) = timelines.latest(limit=10)
    assert (view.accepted_ms, view.first_chunk_ms, view.ended_ms) == (1, 250, 1500)
    assert (view.reserved_usd, view.cost_usd) == ("0.000072", "0.000018")
    assert view.attempts == (
        AttemptView(
            span_id="00f067aa0ba902b7", model="sim-test", began_ms=4, result=AttemptResult.OK
        ),
    )
    assert (view.recalled_ms, view.saved_ms, view.outcome) == (None, None, Ending.OK)


def test_latest_first() -> None:
    """The latest turns come first, and no more than asked for."""
    timelines, turns = Timelines(), [uuid4() for _ in range(3)]
    for turn_id in turns:
        timelines.turn_ended(a_timeline(turn_id=turn_id))
    assert [view.turn_id for view in timelines.latest(limit=2)] == turns[:0:-1]


def test_found_by_trace() -> None:
    """All turns of a trace are found, the latest first, and none of another."""
    timelines, turns = Timelines(), [uuid4() for _ in range(3)]
    for turn_id, trace_id in zip(turns, ("a", "b", "a"), strict=True):
        timelines.turn_ended(a_timeline(trace_id, turn_id=turn_id))
    assert [view.turn_id for view in timelines.find("a")] == [turns[2], turns[0]]
    assert timelines.find("c") == []


def test_saved_later() -> None:
    """A turn that became durable after it was told shows it."""
    timelines, timeline = Timelines(), a_timeline()
    timelines.turn_ended(timeline)
    timeline.saved = 7.0
    assert [view.saved_ms for view in timelines.find(TRACE_ID)] == [7000]


def test_oldest_are_forgotten() -> None:
    """No more are kept than the last thousand."""
    timelines = Timelines()
    timelines.turn_ended(a_timeline("first"))
    for _ in range(KEPT):
        timelines.turn_ended(a_timeline())
    assert (timelines.find("first"), len(timelines.find(TRACE_ID))) == ([], KEPT)
