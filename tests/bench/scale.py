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
    turns: int = 1000


FULL = Scale()
QUICK = Scale(runs=1, flat_out_answers=1, paced_streams=(50,), turns=100)
