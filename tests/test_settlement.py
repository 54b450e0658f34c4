"""What a turn used is what was reported, else what was counted; how it ended is told once."""

from typing import Any

import pytest

from gateway.chat.codes import Code
from gateway.chat.errors import (
    CostCapReached,
    GatewayError,
    KeyMissing,
    Stalled,
    UpstreamRateLimited,
)
from gateway.chat.guard import Stop, Stopped
from gateway.chat.planning import Plan
from gateway.chat.pricing import Price
from gateway.chat.reading import Reading
from gateway.chat.records import CostSource, FinishReason, Outcome, TurnState, Usage
from gateway.chat.settlement import settle
from tests.builders import TRACE_ID, USAGE, a_plan, a_reading, rules
from tests.fakes import CountingTokenizer, FakeClock

COST = 60 * 150 + 40 * 75 + 10 * 600


def read(*pieces: str, usage: Usage | None = USAGE) -> Reading:
    """Return the reading of an answer of `pieces`, the first after 250 ms, complete after 1500."""
    clock = FakeClock()
    reading = a_reading(clock)
    reading.reached = True
    reading.usage = usage
    reading.finish_reason = FinishReason.STOP
    clock.advance(0.25)
    for piece in pieces:
        reading.deadlines.content()
        reading.turn.answer.append(piece)
    clock.advance(1.25)
    return reading


def settled(
    reading: Reading,
    ended: GatewayError | Stopped | None = None,
    *,
    plan: Plan | None = None,
    **changes: Any,
) -> Outcome:
    """Return the outcome of `reading`, under rules with `changes`."""
    return settle(
        reading,
        plan=plan,
        ended=ended,
        tokenizer=CountingTokenizer(),
        rules=rules(**changes),
    )


def test_complete_answer() -> None:
    """A complete answer is saved with its text, position, trace, model and times."""
    assert settled(read("Revenue ", "rose."), plan=a_plan()) == Outcome(
        state=TurnState.ANSWERED,
        text="Revenue rose.",
        pieces=2,
        model="sim-test",
        trace_id=TRACE_ID,
        finish_reason=FinishReason.STOP,
        answer_tokens=2,
        usage=USAGE,
        cost_nano=COST,
        cost_source=CostSource.REPORTED,
        ttft_ms=250,
        total_ms=1500,
    )


def test_usage_not_reported_is_counted() -> None:
    """Without a report the prompt and what came count, and are marked as estimated."""
    outcome = settled(read("Revenue rose.", usage=None), plan=a_plan())
    assert outcome.usage == Usage(input_tokens=30, output_tokens=2)
    assert outcome.cost_nano == 30 * 150 + 2 * 600
    assert outcome.cost_source is CostSource.ESTIMATED


@pytest.mark.parametrize("pieces", [(), ("Revenue rose.",)])
def test_thoughts_not_reported_are_counted_at_their_limit(pieces: tuple[str, ...]) -> None:
    """Without a report a model that reasons is taken to have used all it might, shown or not."""
    price = Price(input_nano=150, cached_input_nano=75, output_nano=600, reasons=True)
    plan = a_plan()
    outcome = settled(read(*pieces, usage=None), Stopped(Stop.CANCELLED), plan=plan, price=price)
    assert outcome.usage == Usage(input_tokens=30, output_tokens=plan.max_output_tokens)
    assert outcome.cost_nano == 30 * 150 + plan.max_output_tokens * 600


def test_request_that_was_never_answered_is_free() -> None:
    """A request the upstream never answered used and cost nothing."""
    reading = read(usage=None)
    reading.reached = False
    outcome = settled(reading, Stalled(), plan=a_plan())
    assert (outcome.usage, outcome.cost_nano, outcome.ttft_ms) == (Usage(), 0, None)
    assert outcome.cost_source is CostSource.REPORTED


def test_turn_that_was_never_planned_is_free() -> None:
    """A turn that failed before any request used and cost nothing."""
    reading = read(usage=None)
    reading.reached = False
    outcome = settled(reading, KeyMissing())
    assert (outcome.cost_nano, outcome.shortened, outcome.code) == (0, False, Code.KEY_MISSING)


def test_no_more_than_the_worst_is_charged(caplog: pytest.LogCaptureFixture) -> None:
    """An upstream that reports more than it was allowed is not believed, and that is said."""
    outcome = settled(read("Revenue"), plan=a_plan(worst_nano=COST - 1))
    assert (outcome.usage, outcome.cost_nano) == (USAGE, COST - 1)
    assert caplog.messages == ["upstream.over_billed"]


def test_model_that_answered_is_what_counts() -> None:
    """The price and the name are those of the model that answered."""
    reading = read("Revenue")
    reading.model = "dear"
    dear = Price(input_nano=1, cached_input_nano=1, output_nano=1)
    outcome = settled(reading, plan=a_plan(), fallback_model="dear", fallback_price=dear)
    assert (outcome.model, outcome.cost_nano) == ("dear", 110)


def test_shortened_answer_is_marked() -> None:
    """An answer that a cap made shorter is saved as that."""
    assert settled(read("Revenue"), plan=a_plan(limit=CostCapReached)).shortened


@pytest.mark.parametrize(
    ("ended", "state", "finish_reason", "code"),
    [
        (None, TurnState.ANSWERED, FinishReason.STOP, None),
        (Stopped(Stop.CANCELLED), TurnState.CANCELLED, FinishReason.CANCELLED, None),
        (Stopped(Stop.ABANDONED), TurnState.CANCELLED, FinishReason.CANCELLED, None),
        (Stopped(Stop.SHUTDOWN), TurnState.INTERRUPTED, None, Code.INTERRUPTED),
        (Stalled(), TurnState.FAILED, None, Code.STALLED),
    ],
)
def test_ending(
    ended: GatewayError | Stopped | None,
    state: TurnState,
    finish_reason: FinishReason | None,
    code: Code | None,
) -> None:
    """A turn has a finish reason where it ended well or was stopped, else a code."""
    outcome = settled(read("Revenue"), ended, plan=a_plan())
    assert (outcome.state, outcome.finish_reason, outcome.code) == (state, finish_reason, code)


def test_text_is_kept_however_it_ended() -> None:
    """What came before a failure is saved and counted."""
    outcome = settled(read("Revenue rose", usage=None), Stalled(), plan=a_plan())
    assert (outcome.text, outcome.answer_tokens) == ("Revenue rose", 2)


def test_retry_time_is_passed_on() -> None:
    """Where the upstream said when to retry, that is saved with its error."""
    outcome = settled(read(), UpstreamRateLimited(retry_after=3), plan=a_plan())
    assert (outcome.code, outcome.retry_after_ms) == (Code.UPSTREAM_RATE_LIMITED, 3000)
