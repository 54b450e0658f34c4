"""Which processor core is whose: the server that is measured has one for itself."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CORES = sorted(os.sched_getaffinity(0))
# The last one: the first is where interrupts go.
MEASURED = CORES[-1]
# The upstream, the clients, Postgres and Redis. With one core only, all share it.
OTHERS = set(CORES[:-1]) or {MEASURED}
TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def pinned(cores: set[int]) -> Iterator[None]:
    """Let what is started inside run on `cores` only, for as long as it lives."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_seconds(pid: int) -> float:
    """Return what a process has used so far, in and out of the kernel (proc(5), stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
