"""A measurement takes many steps; each adds what it finds to the results."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from tests.bench.results import Results
from tests.bench.servers import Stand


class Step(NamedTuple):
    """What is done, and how."""

    name: str
    do: Callable[[Stand, Results], Awaitable[None]]
