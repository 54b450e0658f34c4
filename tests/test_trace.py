"""A turn joins its client's trace, or begins one."""

import re

import pytest

from gateway.chat.trace import Trace
from tests.builders import TRACE_ID, TRACEPARENT


def test_valid_traceparent_is_joined() -> None:
    """A valid `traceparent` gives the trace its id."""
    assert Trace.start(TRACEPARENT).trace_id == TRACE_ID


def test_own_span_is_new() -> None:
    """The span is ours, not the caller's."""
    assert Trace.start(TRACEPARENT).span_id not in TRACEPARENT


@pytest.mark.parametrize(
    "traceparent",
    [
        None,
        "",
        "nonsense",
        TRACEPARENT.upper(),
        TRACEPARENT + "\n",
        TRACEPARENT.replace("00-", "ff-", 1),
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
    ],
)
def test_anything_else_begins_a_trace(traceparent: str | None) -> None:
    """Without a valid `traceparent` the trace is new, and two are never the same."""
    first, second = Trace.start(traceparent), Trace.start(traceparent)
    assert re.fullmatch("[0-9a-f]{32}", first.trace_id)
    assert len({first.trace_id, second.trace_id, TRACE_ID}) == 3


def test_next_hop_is_a_child_of_our_span() -> None:
    """The header for the next hop names our trace and our span, and is valid itself."""
    trace = Trace(trace_id=TRACE_ID, span_id="b7ad6b7169203331")
    assert trace.traceparent == TRACEPARENT
    assert Trace.start(trace.traceparent).trace_id == TRACE_ID


def test_a_request_is_a_span_of_its_own() -> None:
    """Each child is another span of the same trace."""
    trace = Trace.start(TRACEPARENT)
    first, second = trace.child(), trace.child()
    assert len({trace.span_id, first.span_id, second.span_id}) == 3
    assert {first.trace_id, second.trace_id} == {TRACE_ID}
