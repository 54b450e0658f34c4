"""The rows of the table, of whatever was measured."""

import statistics
from collections.abc import Callable, Iterator, Sequence

from tests.bench.figure import (
    Figure,
    Rule,
    at_most,
    compared,
    judged,
    less_than_usual,
    of_floor,
)
from tests.bench.results import Case, Held, ProcessesRun, Results, RoundTrips, Run, TurnRun, Weight
from tests.bench.servers import Which

# What was promised.
CPU_RULES: dict[Case, tuple[Rule, ...]] = {
    Case.FLAT_OUT: (of_floor(1.8), less_than_usual(6)),
    Case.PACED: (of_floor(1.6), less_than_usual(2.5)),
}
DELAY_RULES: dict[tuple[int, int], tuple[Rule, ...]] = {(800, 99): (at_most(100, "ms"),)}
FIRST_RULES: dict[tuple[Case, int], tuple[Rule, ...]] = {
    (Case.ALONE, 50): (at_most(15, "ms"),),
    (Case.BURST, 99): (less_than_usual(2),),
}
WEIGHT_RULES: dict[Held, tuple[Rule, ...]] = {
    Held.IDLE: (at_most(18, "KB"),),
    Held.STREAMING: (at_most(80, "KB"),),
}
TURN_GROWTH_MB = 5
# What a process hears is waited for by no turn.
LISTEN = "xread"


def figures(results: Results) -> Iterator[Figure]:
    """Return the rows that can be made of `results`."""
    for (case, streams), runs in _loads(results.runs):
        if case in CPU_RULES:
            yield compared(
                runs,
                lambda run: run.cpu,
                name=f"CPU of a chunk, {case}, {streams} streams",
                unit="µs",
                rules=CPU_RULES[case],
            )
    yield from _turn(results.turns)
    yield from _round_trips(results.round_trips)
    for (case, streams), runs in _loads(results.runs):
        yield from _delays(case, streams, runs)
    yield from _refused(results.runs)
    yield from _memory(results.weights)
    yield from _processes(results.processes)


def _refused(runs: Sequence[Run]) -> Iterator[Figure]:
    refused = {which: sum(run.refused for run in runs if run.which is which) for which in Which}
    if any(refused.values()):
        yield judged(
            Figure(
                name="Questions refused or cut off, all runs",
                floor=refused[Which.FLOOR],
                usual=refused[Which.USUAL],
                gateway=refused[Which.GATEWAY],
                ratios=False,
            ),
            [at_most(0)],
        )


def _loads(runs: Sequence[Run]) -> Iterator[tuple[tuple[Case, int], list[Run]]]:
    for load in dict.fromkeys((run.case, run.streams) for run in runs):
        yield load, [run for run in runs if (run.case, run.streams) == load]


def _delays(case: Case, streams: int, runs: Sequence[Run]) -> Iterator[Figure]:
    for percent in (50, 99):
        if case is Case.PACED:
            yield compared(
                runs,
                _age(percent),
                name=f"Delay of a chunk, {streams} streams, p{percent}",
                unit="ms",
                rules=DELAY_RULES.get((streams, percent), ()),
            )
        elif case is not Case.FLAT_OUT:
            who = "alone" if case is Case.ALONE else f"{streams} questions at once"
            yield compared(
                runs,
                _first(percent),
                name=f"Question to first text, {who}, p{percent}",
                unit="ms",
                rules=FIRST_RULES.get((case, percent), ()),
            )


def _age(percent: int) -> Callable[[Run], float]:
    return lambda run: run.ages[percent] / 1000


def _first(percent: int) -> Callable[[Run], float]:
    return lambda run: run.first[percent] / 1000


def _turn(runs: Sequence[TurnRun]) -> Iterator[Figure]:
    if runs:
        yield compared(
            runs, lambda run: run.cpu, name="CPU of a turn with one chunk", unit="µs", rules=()
        )


def _round_trips(counted: Sequence[RoundTrips]) -> Iterator[Figure]:
    for trips in counted:
        redis = sum(count for name, count in trips.redis.items() if name != LISTEN)
        if trips.others:
            name = "Redis, round trips of a turn, of one process of two"
            yield Figure(name=name, gateway=redis)
            continue
        for name, count, most in (
            ("Postgres", sum(trips.postgres.values()), 4),
            ("Redis", redis, 2),
        ):
            row = Figure(name=f"{name}, round trips of a turn", gateway=count)
            # What is a fraction of one is a hello or a sweep.
            yield judged(row, [at_most(most, slack=0.1)])


def _memory(weights: Sequence[Weight]) -> Iterator[Figure]:
    idle = {which: _slope(weights, Held.IDLE, which) for which in Which}
    for held, name in (
        (Held.IDLE, "Memory of an idle connection"),
        (Held.STREAMING, "Memory of a running answer"),
        (Held.ANSWERED, "Memory of an answer that has ended"),
    ):
        kb: dict[Which, float] = {}
        for which in Which:
            slope, less = _slope(weights, held, which), idle[which]
            if held is not Held.ANSWERED and slope is not None:
                kb[which] = slope / 1024
            elif slope is not None and less is not None:
                # The connection itself is not the answer.
                kb[which] = (slope - less) / 1024
        if kb:
            row = Figure(
                name=name,
                unit="KB",
                floor=kb.get(Which.FLOOR),
                usual=kb.get(Which.USUAL),
                gateway=kb.get(Which.GATEWAY),
                # What is left of an answer is next to nothing, and some of it by chance.
                ratios=held is not Held.ANSWERED,
            )
            yield judged(row, WEIGHT_RULES.get(held, ()))
    turns = [weight for weight in weights if weight.held is Held.TURNS]
    if turns:
        first, last = turns[0], turns[-1]
        row = Figure(
            name=f"Memory after {last.count:,} turns, beyond that after {first.count:,}",
            unit="MB",
            gateway=(last.size - first.size) / 2**20,
        )
        yield judged(row, [at_most(TURN_GROWTH_MB, "MB")])


def _slope(weights: Sequence[Weight], held: Held, which: Which) -> float | None:
    points = [(w.count, w.size) for w in weights if (w.held, w.which) == (held, which)]
    if len(points) < 2:
        return None
    return statistics.linear_regression(*zip(*points, strict=True)).slope


def _processes(runs: Sequence[ProcessesRun]) -> Iterator[Figure]:
    for count in dict.fromkeys(len(run.shares) for run in runs):
        those = [run for run in runs if len(run.shares) == count]
        name = f"{count} process" if count == 1 else f"{count} processes on one port"
        yield Figure(
            name=f"CPU of a chunk, {name}, {those[0].streams} streams",
            unit="µs",
            gateway=statistics.median(run.cpu for run in those),
        )
        if count > 1:
            yield Figure(
                name=f"Share of the busiest of {name}",
                unit="%",
                gateway=statistics.median(max(run.shares) for run in those) * 100,
            )
