"""The running side of a turn: the upstream's chunks into its answer, with one retry before the first."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import aclosing, contextmanager

from gateway.chat.answer import Progress
from gateway.chat.errors import (
    GatewayError,
    Stalled,
    Transient,
    TurnTimeout,
    UpstreamRateLimited,
    UpstreamTruncated,
    UpstreamUnavailable,
)
from gateway.chat.frames import StatusState
from gateway.chat.guard import Deadlines
from gateway.chat.meter import Meter
from gateway.chat.planning import Plan
from gateway.chat.ports import Tokenizer, Upstream
from gateway.chat.records import FinishReason, Usage
from gateway.chat.rules import Rules
from gateway.chat.timeline import Attempt, Timeline, attempt_result
from gateway.chat.trace import Trace
from gateway.chat.turn import Turn

logger = logging.getLogger(__name__)

# Long enough for a balancer to drop a dead instance, short enough to go unnoticed.
RETRY_SECONDS = 0.5


class Reading:
    """What comes back for a turn, filled while it comes, so that it is there however the turn ends."""

    def __init__(self, turn: Turn, *, deadlines: Deadlines, trace: Trace, model: str) -> None:
        self.turn = turn
        self.deadlines = deadlines
        self.trace = trace
        self.model = model
        self.timeline = Timeline(turn_id=turn.id, trace_id=trace.trace_id, model=model)
        self.reached = False
        self.finish_reason: FinishReason | None = None
        self.usage: Usage | None = None

    async def read(
        self, upstream: Upstream, plan: Plan, *, rules: Rules, tokenizer: Tokenizer
    ) -> None:
        """Append the answer to the turn, inside its deadlines.

        Raises the upstream's errors, `UpstreamTruncated` for a stream without a finish reason, what the
        deadlines raise, and the plan's limit where that, not the model, ended the answer.
        """
        with self._whole_without_its_bill():
            await self._read(upstream, plan, rules=rules, tokenizer=tokenizer)
        if self.finish_reason is None:
            raise UpstreamTruncated
        if self.finish_reason is FinishReason.LENGTH and plan.limit is not None:
            raise plan.limit

    def note_saved(self, saving: asyncio.Task[bool]) -> None:
        """Note that `saving` has ended: if it succeeded, the turn's end is durable now."""
        if not saving.cancelled() and saving.result():
            self.timeline.saved = self.deadlines.elapsed()

    @contextmanager
    def _whole_without_its_bill(self) -> Iterator[None]:
        # A stream may go silent after the finish reason: nothing is missing then but the usage.
        try:
            yield
        except (Stalled, TurnTimeout):
            if self.finish_reason is None:
                raise

    async def _read(
        self, upstream: Upstream, plan: Plan, *, rules: Rules, tokenizer: Tokenizer
    ) -> None:
        async with self.deadlines:
            try:
                await self._attempt(upstream, plan, tokenizer=tokenizer)
            except (UpstreamRateLimited, UpstreamUnavailable) as error:
                if self.reached:
                    # It took the request and bills it; a second one would not be in the plan.
                    raise
                self.timeline.conclude_attempt(attempt_result(error))
                await self._wait_to_retry(error)
                self.model = rules.fallback_model or self.model
                await self._attempt(upstream, plan, tokenizer=tokenizer)

    async def _attempt(self, upstream: Upstream, plan: Plan, *, tokenizer: Tokenizer) -> None:
        meter = Meter(tokenizer, limit=plan.max_output_tokens)
        self.finish_reason = self.usage = None
        span = self.trace.child()
        self.timeline.attempts.append(
            Attempt(span_id=span.span_id, model=self.model, began=self.deadlines.elapsed())
        )
        stream = upstream.stream_chat(
            plan.prompt.messages,
            model=self.model,
            max_output_tokens=plan.max_output_tokens,
            traceparent=span.traceparent,
        )
        # Without `aclosing` the connection would stay open, and the upstream would go on billing, until
        # the garbage collector came by (openai-python#763).
        # On its way it may be billed already, unless the upstream, or that there is none, says otherwise.
        self.reached, answered = True, False
        try:
            async with aclosing(stream) as chunks:
                async for chunk in chunks:
                    answered = True
                    if chunk.text:
                        if not meter.admit(chunk.text):
                            logger.warning("upstream.over_limit")
                            self.finish_reason = FinishReason.LENGTH
                            return
                        self.deadlines.content()
                        self.turn.answer.append(chunk.text)
                    if chunk.finish_reason is not None:
                        self.finish_reason = chunk.finish_reason
                    if chunk.usage is not None:
                        self.usage = chunk.usage
        except GatewayError:
            self.reached = answered
            raise

    async def _wait_to_retry(self, error: Transient) -> None:
        seconds = RETRY_SECONDS if error.retry_after is None else error.retry_after
        if seconds > self.deadlines.to_first_content():
            raise error
        logger.warning("upstream.retry", extra={"error_type": error.code.value})
        self.turn.answer.report(Progress(StatusState.RETRYING, retry_in_ms=int(seconds * 1000)))
        await asyncio.sleep(seconds)
