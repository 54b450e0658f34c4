"""What a turn used, what that costs, and how it ended."""

from gateway.chat.errors import GatewayError, Interrupted
from gateway.chat.guard import Stop, Stopped
from gateway.chat.ports import Tokenizer
from gateway.chat.reading import Reading
from gateway.chat.records import CostSource, FinishReason, Outcome, Prompt, TurnState, Usage
from gateway.chat.rules import Rules


def settle(
    reading: Reading,
    *,
    prompt: Prompt | None,
    ended: GatewayError | Stopped | None,
    now: float,
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
    if usage is None and reading.reached and prompt is not None:
        # OpenAI sends no usage for a stream that was closed (openai-openapi#539), yet bills what it made.
        usage = Usage(input_tokens=prompt.input_tokens, output_tokens=answer_tokens)
        source = CostSource.ESTIMATED
    usage = usage or Usage()
    state, finish_reason, error = _ending(reading, ended)
    first = reading.first_content
    return Outcome(
        state=state,
        text=text,
        pieces=reading.turn.answer.position,
        model=rules.model,
        trace_id=reading.trace.trace_id,
        finish_reason=finish_reason,
        code=error.code if error else None,
        retry_after_ms=error.retry_after_ms if error else None,
        answer_tokens=answer_tokens,
        usage=usage,
        cost_nano=rules.price.cost(usage),
        cost_source=source,
        ttft_ms=None if first is None else int((first - reading.started) * 1000),
        total_ms=int((now - reading.started) * 1000),
    )


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
