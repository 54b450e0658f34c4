"""The rows of the table: medians of what was measured, ratios, and what was promised of them."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import msgspec

from tests.bench.results import Case, Results, RoundTrips, Run, TurnRun
from tests.bench.servers import Which

# A process tells the others of all turns of 20 ms together; no turn waits for that, nor for what it hears.
TELL, LISTEN = "xadd", "xread"
R = TypeVar("R", Run, TurnRun)


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One row: a value for each that was compared, None where there is none."""

    name: str
    unit: str
    floor: float | None = None
    usual: float | None = None
    gateway: float | None = None
    promises: tuple["Promise", ...] = ()


class Promise(msgspec.Struct, frozen=True):
    """What was promised, and whether it is kept; None where what it is about was not measured."""

    text: str
    kept: bool | None


def figures(results: Results) -> Iterator[Figure]:
    """Return the rows that can be made of `results`."""
    yield from _streaming(results.runs)
    yield from _turn(results)


def _streaming(runs: Sequence[Run]) -> Iterator[Figure]:
    for case, streams in sorted({(run.case, run.streams) for run in runs}):
        those = [run for run in runs if (run.case, run.streams) == (case, streams)]
        flat = case is Case.FLAT_OUT
        floor, usual, gateway = _medians(those, lambda run: run.cpu)
        most, least = (1.8, 6.0) if flat else (1.6, 2.5)
        yield Figure(
            name=f"CPU a chunk, {case}, {streams} streams",
            unit="µs",
            floor=floor,
            usual=usual,
            gateway=gateway,
            promises=(at_most_times(gateway, floor, most), at_least_less(gateway, usual, least)),
        )
        if flat:
            continue
        for percent in (50, 99):
            floor, usual, gateway = _medians(those, _age(percent))
            bound = () if (streams, percent) != (800, 99) else (below(gateway, 100, unit="ms"),)
            yield Figure(
                name=f"Delay of a chunk, {streams} streams, p{percent}",
                unit="ms",
                floor=floor,
                usual=usual,
                gateway=gateway,
                promises=bound,
            )


def _turn(results: Results) -> Iterator[Figure]:
    if results.turns:
        floor, usual, gateway = _medians(results.turns, lambda run: run.cpu)
        yield Figure(
            name="CPU a turn, one chunk", unit="µs", floor=floor, usual=usual, gateway=gateway
        )
    if results.round_trips is not None:
        yield from _round_trips(results.round_trips)


def _round_trips(trips: RoundTrips) -> Iterator[Figure]:
    postgres = sum(trips.postgres.values())
    shared = trips.redis.get(TELL, 0)
    redis = sum(trips.redis.values()) - shared - trips.redis.get(LISTEN, 0)
    for name, count, most in (("Postgres", postgres, 4), ("Redis", redis, 2)):
        # Whole ones: the rest is a hello and a sweep.
        promise = Promise(f"≤ {most}", round(count) <= most)
        yield Figure(
            name=f"{name}, round trips a turn", unit="", gateway=count, promises=(promise,)
        )
    yield Figure(name="Redis, signals to other processes a turn", unit="", gateway=shared)


def below(value: float | None, limit: float, *, unit: str) -> Promise:
    """Return the promise that a figure is below `limit`."""
    return Promise(f"< {limit:g} {unit}", None if value is None else value < limit)


def at_most_times(value: float | None, floor: float | None, times: float) -> Promise:
    """Return the promise to cost at most so many times what the floor does."""
    kept = None if value is None or floor is None else value <= floor * times
    return Promise(f"≤ {times:g} x floor", kept)


def at_least_less(value: float | None, usual: float | None, times: float) -> Promise:
    """Return the promise that the usual loop costs at least so many times more."""
    kept = None if value is None or usual is None else usual >= value * times
    return Promise(f"usual ≥ {times:g} x", kept)


def _medians(
    runs: Sequence[R], value: Callable[[R], float]
) -> tuple[float | None, float | None, float | None]:
    def median(which: Which) -> float | None:
        values = [value(run) for run in runs if run.which is which]
        return statistics.median(values) if values else None

    return median(Which.FLOOR), median(Which.USUAL), median(Which.GATEWAY)


def _age(percent: int) -> Callable[[Run], float]:
    return lambda run: run.ages[percent] / 1000
