"""How much is measured: all of it, or just enough to see that it works."""

import msgspec

from tests.bench.servers import Which


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of each part."""

    which: tuple[Which, ...] = tuple(Which)
    # How often each comparison is made; the table has the medians.
    runs: int = 5
    flat_out_answers: int = 4
    # Answers at once, of those that come as models write them.
    paced_streams: tuple[int, ...] = (400, 800)
    paced_chunks: int = 200
    # Questions are spread over half the time an answer takes: nobody's visitors ask in one instant, and all
    # answers run together for the other half.
    spread_seconds: float = 5.0
    questions_alone: int = 200
    burst_streams: int = 400
    turns: int = 1000
    idle_seconds: float = 3.0
    # At which the memory is weighed.
    idle_connections: tuple[int, ...] = (500, 1000, 1500, 2000)
    running_answers: tuple[int, ...] = (100, 200, 300, 400)
    pages_with_answer: tuple[int, ...] = (250, 500, 750, 1000)
    turns_so_far: tuple[int, ...] = (1000, 2500, 4000, 5500, 7000, 8500, 10000)
    # Streams of each process, and how often that is measured.
    shared_streams: int = 200
    shared_runs: int = 3


FULL = Scale()
QUICK = Scale(
    runs=1,
    flat_out_answers=1,
    paced_streams=(50,),
    paced_chunks=20,
    spread_seconds=0.5,
    questions_alone=20,
    burst_streams=50,
    turns=100,
    idle_seconds=0.5,
    idle_connections=(50, 100),
    running_answers=(20, 40),
    pages_with_answer=(20, 40),
    turns_so_far=(100, 200),
    shared_streams=20,
    shared_runs=1,
)
