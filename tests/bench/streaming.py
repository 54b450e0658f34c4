"""The floor, the usual loop and the gateway under the same loads, in turn: CPU of a chunk, and delays."""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from tests.bench.cores import cpu_seconds
from tests.bench.loading import put_under, warm_up
from tests.bench.results import Case, Results, Run
from tests.bench.scale import Scale
from tests.bench.servers import Stand, Which, serving
from tests.bench.step import Step
from tests.bench.upstream import Program

CHUNKS = 200
RATE = 20.0
FLAT_OUT_STREAMS = 50
# Long enough that all of a burst run together, short enough for many bursts.
BURST_CHUNKS = 40


class Load(NamedTuple):
    """How a server is loaded."""

    case: Case
    streams: int
    # Questions of each stream, one after the other, and in how many seconds the first ones are asked.
    answers: int
    spread: float
    program: Program


def flat_out(scale: Scale) -> Iterator[Step]:
    """Leave no pause between chunks: what is left of the costs when much is done at once."""
    program = Program(chunks=CHUNKS)
    load = Load(Case.FLAT_OUT, FLAT_OUT_STREAMS, scale.flat_out_answers, 0, program)
    yield from _compare(load, scale=scale)


def paced(scale: Scale) -> Iterator[Step]:
    """Let chunks come as models write them."""
    program = Program(chunks=scale.paced_chunks, rate=RATE, stamped=True)
    for streams in scale.paced_streams:
        yield from _compare(
            Load(Case.PACED, streams, 1, scale.spread_seconds, program), scale=scale
        )


def alone(scale: Scale) -> Iterator[Step]:
    """Ask one question after the other, with nobody else there."""
    load = Load(Case.ALONE, 1, scale.questions_alone, 0, Program(chunks=1))
    yield from _compare(load, scale=scale)


def burst(scale: Scale) -> Iterator[Step]:
    """Ask many questions in one instant."""
    program = Program(chunks=BURST_CHUNKS, rate=RATE, stamped=True)
    yield from _compare(Load(Case.BURST, scale.burst_streams, 1, 0, program), scale=scale)


def _compare(load: Load, *, scale: Scale) -> Iterator[Step]:
    for run in range(scale.runs):
        for which in scale.which:
            yield Step(
                f"{load.case}, {load.streams} streams, run {run + 1}: {which}",
                partial(_measure, load, which),
            )


async def _measure(load: Load, which: Which, stand: Stand, results: Results) -> None:
    async with serving(which, stand=stand) as server:
        await stand.upstream.play(Program())
        await warm_up(server)
        await stand.upstream.play(load.program)
        playing = cpu_seconds(stand.upstream.pid)
        told, (cpu,) = await put_under(
            server, streams=load.streams, answers=load.answers, spread=load.spread
        )
        playing = cpu_seconds(stand.upstream.pid) - playing
    answers = load.streams * load.answers - told.refused
    results.runs.append(
        Run(
            case=load.case,
            streams=load.streams,
            which=which,
            cpu=round(cpu / (answers * load.program.chunks) * 1e6, 2),
            busy=round(cpu / told.seconds, 3),
            load_busy=round((told.cpu + playing) / told.seconds, 3),
            frames_an_answer=round(told.frames / answers, 1),
            refused=told.refused,
            first=told.first,
            ages=told.ages,
        )
    )
