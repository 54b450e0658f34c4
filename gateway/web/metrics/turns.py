"""The metrics of turns: how they ended, how long they took, what they used and cost."""

from collections.abc import Collection
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Histogram

from gateway.chat.pricing import NANO_PER_USD
from gateway.chat.records import ContextSource, CostSource
from gateway.chat.timeline import AttemptResult, Ending, Timeline
from gateway.web.counts import Counts

# Seconds and tokens as OpenTelemetry's conventions for generative AI have them, and one bucket more: a turn
# may last two minutes (https://github.com/open-telemetry/semantic-conventions-genai).
LATENCY = (*(0.01 * 2**power for power in range(14)), 163.84)
TOKENS = tuple(4**power for power in range(11))
# Where earlier messages were looked for, in that order, and what was found.
LOADED = {
    ContextSource.NONE: (),
    ContextSource.CACHE: (("redis", "hit"),),
    ContextSource.DATABASE: (("redis", "miss"), ("postgres", "ok")),
}
NOT_LOADED = (("redis", "miss"), ("postgres", "error"))


class TurnMetrics:
    """The `Observer` that counts.

    A counter is there before it first moves: Prometheus sees no increase from nothing to one.
    """

    def __init__(
        self, registry: CollectorRegistry, *, models: Collection[str], counts: Counts
    ) -> None:
        self._errors = counts.errors
        self._turns = Counter(
            "chatgw_turns", "Turns, by how they ended.", ["outcome"], registry=registry
        )
        self._duration = Histogram(
            "chatgw_turn_duration_seconds",
            "From the question to the end of the answer.",
            ["outcome"],
            registry=registry,
            buckets=LATENCY,
        )
        self._first_chunk = Histogram(
            "chatgw_time_to_first_chunk_seconds",
            "From the question to the first text of its answer.",
            ["model"],
            registry=registry,
            buckets=LATENCY,
        )
        self._per_chunk = Histogram(
            "chatgw_time_per_output_chunk_seconds",
            "From one chunk to the next, the mean of a turn.",
            ["model"],
            registry=registry,
            buckets=LATENCY,
        )
        self._tokens = Counter(
            "chatgw_tokens", "Tokens.", ["model", "type", "source"], registry=registry
        )
        self._request_tokens = Histogram(
            "chatgw_request_tokens",
            "Tokens of one turn.",
            ["model", "type"],
            registry=registry,
            buckets=TOKENS,
        )
        self._cost = Counter(
            "chatgw_cost_usd",
            "What turns cost, in dollars.",
            ["model", "source"],
            registry=registry,
        )
        self._attempts = Counter(
            "chatgw_upstream_attempts",
            "Requests to the upstream, by what they came to.",
            ["result"],
            registry=registry,
        )
        self._context_loads = Counter(
            "chatgw_context_loads",
            "Where a turn looked for earlier messages, and what came of it.",
            ["source", "result"],
            registry=registry,
        )
        for ending in Ending:
            self._turns.labels(ending)
        for result in AttemptResult:
            self._attempts.labels(result)
        for load in {*LOADED[ContextSource.CACHE], *LOADED[ContextSource.DATABASE], *NOT_LOADED}:
            self._context_loads.labels(*load)
        for model, source in product(models, CostSource):
            self._cost.labels(model, source)
            for kind in ("input", "output"):
                self._tokens.labels(model, kind, source)

    def turn_ended(self, timeline: Timeline) -> None:
        """Count a turn that ended, or was refused."""
        self._turns.labels(timeline.ending).inc()
        self._duration.labels(timeline.ending).observe(timeline.ended or 0.0)
        if timeline.code is not None:
            self._errors[timeline.code] += 1
        for attempt in timeline.attempts:
            self._attempts.labels(attempt.result).inc()
        for load in _loads(timeline):
            self._context_loads.labels(*load).inc()
        if timeline.first_chunk is not None:
            self._first_chunk.labels(timeline.model).observe(timeline.first_chunk)
        if timeline.per_chunk is not None:
            self._per_chunk.labels(timeline.model).observe(timeline.per_chunk)
        if timeline.usage.input_tokens:
            self._count_usage(timeline)

    def _count_usage(self, timeline: Timeline) -> None:
        model, source, usage = timeline.model, timeline.cost_source, timeline.usage
        for kind, tokens in (("input", usage.input_tokens), ("output", usage.output_tokens)):
            self._tokens.labels(model, kind, source).inc(tokens)
            self._request_tokens.labels(model, kind).observe(tokens)
        self._cost.labels(model, source).inc(timeline.cost_nano / NANO_PER_USD)


def _loads(timeline: Timeline) -> tuple[tuple[str, str], ...]:
    if timeline.context is not None:
        return LOADED[timeline.context]
    # Stored, and then its context was nowhere to be had.
    return NOT_LOADED if timeline.accepted is not None else ()
