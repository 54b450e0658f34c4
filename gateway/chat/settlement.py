"""What a turn used, what that costs, and how it ended."""

import logging

from gateway.chat.errors import GatewayError, Interrupted
from gateway.chat.guard import Stop, Stopped
from gateway.chat.planning import Plan
from gateway.chat.ports import Tokenizer
from gateway.chat.reading import Reading
from gateway.chat.records import CostSource, FinishReason, Outcome, TurnState, Usage
from gateway.chat.rules import Rules
from gateway.chat.timeline import AttemptResult, Ending, Timeline, attempt_result, ending_of

logger = logging.getLogger(__name__)

STOPS = {
    Stop.CANCELLED: Ending.CLIENT_CANCEL,
    Stop.ABANDONED: Ending.GRACE_EXPIRED,
    Stop.SHUTDOWN: Ending.SHUTDOWN,
}


def settle(
    reading: Reading,
    *,
    plan: Plan | None,
    ended: GatewayError | Stopped | None,
    tokenizer: Tokenizer,
    rules: Rules,
) -> Outcome:
    """Return the outcome of a turn: `ended` is what broke it off, None for an answer that is complete.

    Usage the upstream did not report is counted and marked `estimated`. A request it never answered cost
    nothing.
    """
    text = reading.turn.answer.text
    answer_tokens = tokenizer.count(text)
    usage, source = reading.usage, CostSource.REPORTED
    if usage is None and reading.reached and plan is not None:
        # OpenAI sends no usage for a stream that was closed (openai-openapi#539), yet bills what it made:
        # of a model that reasons that may be anything up to the limit, though no word has come.
        reasons = rules.price_of(reading.model).reasons
        output_tokens = plan.max_output_tokens if reasons else answer_tokens
        usage = Usage(input_tokens=plan.prompt.input_tokens, output_tokens=output_tokens)
        source = CostSource.ESTIMATED
    usage = usage or Usage()
    state, finish_reason, error = _ending(reading, ended)
    first = reading.deadlines.first_content
    return Outcome(
        state=state,
        text=text,
        pieces=reading.turn.answer.position,
        model=reading.model,
        trace_id=reading.trace.trace_id,
        finish_reason=finish_reason,
        code=error.code if error else None,
        retry_after_ms=error.retry_after_ms if error else None,
        answer_tokens=answer_tokens,
        usage=usage,
        cost_nano=_cost(reading, plan, usage=usage, rules=rules),
        cost_source=source,
        ttft_ms=None if first is None else int(first * 1000),
        total_ms=int(reading.deadlines.elapsed() * 1000),
        shortened=plan is not None and plan.shortened,
    )


def conclude(
    reading: Reading, *, ended: GatewayError | Stopped | None, outcome: Outcome
) -> Timeline:
    """Return the timeline of a turn that ends now with `outcome`."""
    timeline, deadlines = reading.timeline, reading.deadlines
    match ended:
        case None:
            timeline.ending, result = Ending.OK, AttemptResult.OK
        case Stopped():
            timeline.ending, result = STOPS[ended.reason], AttemptResult.STOPPED
        case _:
            timeline.ending, result = ending_of(ended), attempt_result(ended)
    # Whatever broke it off after the finish reason, a cap for example, the upstream did its part.
    timeline.conclude_attempt(AttemptResult.OK if reading.finish_reason else result)
    timeline.ended = deadlines.elapsed()
    timeline.first_chunk = deadlines.first_content
    timeline.last_chunk = deadlines.last_content
    timeline.worst_gap = deadlines.worst_gap
    timeline.model = outcome.model
    timeline.code = outcome.code
    timeline.pieces = outcome.pieces
    timeline.usage = outcome.usage
    timeline.cost_nano = outcome.cost_nano
    timeline.cost_source = outcome.cost_source
    return timeline


def _cost(reading: Reading, plan: Plan | None, *, usage: Usage, rules: Rules) -> int:
    cost = rules.price_of(reading.model).cost(usage)
    if plan is None or cost <= plan.worst_nano:
        return cost
    # It was told its limit and kept to it as far as we can see, yet reports more than that.
    logger.error("upstream.over_billed", extra={"output_tokens": usage.output_tokens})
    return plan.worst_nano


def _ending(
    reading: Reading, ended: GatewayError | Stopped | None
) -> tuple[TurnState, FinishReason | None, GatewayError | None]:
    match ended:
        case None:
            return TurnState.ANSWERED, reading.finish_reason, None
        case Stopped(reason=Stop.SHUTDOWN):
            return TurnState.INTERRUPTED, None, Interrupted()
        case Stopped():
            return TurnState.CANCELLED, FinishReason.CANCELLED, None
        case _:
            return TurnState.FAILED, None, ended
