"""CPU and delay of a chunk: the floor, the usual loop and the gateway under the same load, in turn."""

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from tests.bench.loading import put_under, warm_up
from tests.bench.progress import Progress
from tests.bench.results import Case, Run
from tests.bench.servers import Stand, Which, serving
from tests.bench.upstream import Program

CHUNKS = 200
RATE = 20.0
FLAT_OUT_STREAMS = 50
FLAT_OUT_ANSWERS = 4
# Questions are spread over half the time an answer takes: nobody's visitors ask in one instant, and all
# answers run together for the other half.
SPREAD_SECONDS = 5.0


class Load(NamedTuple):
    """How a server is loaded."""

    case: Case
    streams: int

    @property
    def rate(self) -> float:
        """Chunks a second of each stream; 0: as fast as they are taken."""
        return RATE if self.case is Case.PACED else 0

    @property
    def answers(self) -> int:
        """Questions of each stream, one after the other."""
        return 1 if self.case is Case.PACED else FLAT_OUT_ANSWERS

    @property
    def spread(self) -> float:
        """Seconds until the last stream asks."""
        return SPREAD_SECONDS if self.case is Case.PACED else 0


def flat_out() -> Load:
    """Return the load that leaves no pause."""
    return Load(Case.FLAT_OUT, FLAT_OUT_STREAMS)


def paced(streams: int) -> Load:
    """Return the load of so many answers that come as models write them."""
    return Load(Case.PACED, streams)


async def compare(
    loads: Sequence[Load], *, which: Sequence[Which], runs: int, stand: Stand, progress: Progress
) -> AsyncIterator[Run]:
    """Measure each of `which` under each of `loads`, one after the other, `runs` times."""
    for run in range(runs):
        for load in loads:
            for name in which:
                progress.step(f"run {run + 1}: {load.case}, {load.streams} streams, {name}")
                yield await _measure(load, which=name, stand=stand)


async def _measure(load: Load, *, which: Which, stand: Stand) -> Run:
    async with serving(which, stand=stand) as server:
        await stand.upstream.play(Program())
        await warm_up(server)
        await stand.upstream.play(
            Program(chunks=CHUNKS, rate=load.rate, stamped=load.case is Case.PACED)
        )
        told, cpu = await put_under(
            server, streams=load.streams, answers=load.answers, spread=load.spread
        )
    answers = load.streams * load.answers
    return Run(
        case=load.case,
        streams=load.streams,
        which=which,
        cpu=cpu / (answers * CHUNKS) * 1e6,
        busy=cpu / told.seconds,
        frames_an_answer=told.frames / answers,
        first=told.first,
        ages=told.ages,
    )
