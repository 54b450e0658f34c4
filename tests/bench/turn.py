"""What a turn costs besides its chunks: CPU, and how often Postgres and Redis are waited for.

Answers have one chunk, and checkpoints are so rare, one for hundreds of turns, that they do not count.
"""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from functools import partial

from gateway.chat.company import ASKING_SECONDS
from tests.bench.cores import cpu_seconds
from tests.bench.loading import put_under, warm_up
from tests.bench.results import Results, RoundTrips, TurnRun
from tests.bench.scale import Scale
from tests.bench.servers import Server, Stand, Which, serving
from tests.bench.step import Step
from tests.bench.upstream import Program
from tests.bench.wiretap import Heard, tapped

ONE_CHUNK = Program(chunks=1)
STREAMS = 10
FEW_CHECKPOINTS = {"resume_checkpoint_seconds": "2"}


def turn(scale: Scale) -> Iterator[Step]:
    """Ask for answers of one chunk."""
    for run in range(scale.runs):
        for which in scale.which:
            yield Step(
                f"turns of one chunk, run {run + 1}: {which}",
                partial(_measure_cpu, which, scale),
            )
    if Which.GATEWAY not in scale.which:
        return
    for others in (0, 1):
        yield Step(
            f"round trips of a turn beside {others} others",
            partial(_count_round_trips, others, scale.turns // STREAMS),
        )


async def _measure_cpu(which: Which, scale: Scale, stand: Stand, results: Results) -> None:
    answers = scale.turns // STREAMS
    await stand.upstream.play(ONE_CHUNK)
    async with serving(which, stand=stand, settings=FEW_CHECKPOINTS) as server:
        await warm_up(server)
        idle = await _idle(server, seconds=scale.idle_seconds)
        told, (cpu,) = await put_under(server, streams=STREAMS, answers=answers)
    # What it uses while nobody is there is no turn's.
    used = cpu - idle * told.seconds
    results.turns.append(TurnRun(which=which, cpu=round(used / (STREAMS * answers) * 1e6, 1)))


async def _count_round_trips(others: int, turns: int, stand: Stand, results: Results) -> None:
    await stand.upstream.play(ONE_CHUNK)
    async with AsyncExitStack() as stack:
        through_us, postgres, redis = await stack.enter_async_context(tapped(stand))
        for of in [stand] * others:
            await stack.enter_async_context(serving(Which.GATEWAY, stand=of))
        server = await stack.enter_async_context(
            serving(Which.GATEWAY, stand=through_us, settings=FEW_CHECKPOINTS)
        )
        await warm_up(server)
        # Until then a process cannot know whether there are others.
        await asyncio.sleep(2 * ASKING_SECONDS)
        for heard in (postgres, redis):
            heard.round_trips.clear()
        # One visitor, one question after the other: what overlaps cannot be told apart. One hello and a
        # sweep or two are among it, and vanish in so many turns.
        await put_under(server, streams=1, answers=turns)
        results.round_trips.append(
            RoundTrips(
                others=others,
                postgres=_each(postgres, turns=turns),
                redis=_each(redis, turns=turns),
            )
        )


def _each(heard: Heard, *, turns: int) -> dict[str, float]:
    return {name: round(count / turns, 3) for name, count in heard.round_trips.items()}


async def _idle(server: Server, *, seconds: float) -> float:
    """Return the CPU seconds that a server uses in a second with nobody there."""
    (pid,) = server.pids
    before = cpu_seconds(pid)
    await asyncio.sleep(seconds)
    return (cpu_seconds(pid) - before) / seconds
