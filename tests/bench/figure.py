"""A row of the table: the medians of what was measured, and what was promised of them."""

import statistics
from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

import msgspec

from tests.bench.servers import Which


class Promise(msgspec.Struct, frozen=True):
    """What was promised, and whether it is kept."""

    text: str
    kept: bool


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """What is measured, in which unit, for each that was compared."""

    name: str
    unit: str = ""
    floor: float | None = None
    usual: float | None = None
    gateway: float | None = None
    # Whether these compare.
    ratios: bool = True
    promises: tuple[Promise, ...] = ()


class Measured(Protocol):
    """One measurement of one server."""

    @property
    def which(self) -> Which:
        """The server."""
        ...


M = TypeVar("M", bound=Measured)
# What is promised of a row; None where what it is about was not measured.
Rule = Callable[[Figure], Promise | None]


def compared(
    runs: Iterable[M], value: Callable[[M], float], *, name: str, unit: str, rules: Iterable[Rule]
) -> Figure:
    """Return the row of the medians of a value."""
    values: dict[Which, list[float]] = {which: [] for which in Which}
    for run in runs:
        values[run.which].append(value(run))
    medians = {which: statistics.median(found) for which, found in values.items() if found}
    return judged(
        Figure(
            name=name,
            unit=unit,
            floor=medians.get(Which.FLOOR),
            usual=medians.get(Which.USUAL),
            gateway=medians.get(Which.GATEWAY),
        ),
        rules,
    )


def judged(figure: Figure, rules: Iterable[Rule]) -> Figure:
    """Return the row with what was promised of it."""
    promises = (rule(figure) for rule in rules)
    return msgspec.structs.replace(figure, promises=tuple(p for p in promises if p is not None))


def at_most(limit: float, unit: str = "", *, slack: float = 0) -> Rule:
    """Promise that the gateway's value is at most `limit`, give or take `slack`."""

    def rule(figure: Figure) -> Promise | None:
        if figure.gateway is None:
            return None
        return Promise(f"≤ {limit:g} {unit}".rstrip(), figure.gateway <= limit + slack)

    return rule


def of_floor(times: float) -> Rule:
    """Promise that the gateway's value is at most so many times that of the floor."""

    def rule(figure: Figure) -> Promise | None:
        if figure.gateway is None or figure.floor is None:
            return None
        return Promise(f"≤ {times:g} x floor", figure.gateway <= figure.floor * times)

    return rule


def less_than_usual(times: float) -> Rule:
    """Promise that the usual loop's value is at least so many times the gateway's."""

    def rule(figure: Figure) -> Promise | None:
        if figure.gateway is None or figure.usual is None:
            return None
        return Promise(f"usual ≥ {times:g} x", figure.usual >= figure.gateway * times)

    return rule
