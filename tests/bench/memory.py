"""What a server holds in memory for connections, running answers and turns: weighed at several counts.

What is weighed is the process's own (Private_* of proc_pid_smaps(5)), not what it shares with other Pythons;
the kernel's socket buffers are not in it.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from tests.bench.load import connect
from tests.bench.loading import warm_up
from tests.bench.results import Held, Results, Weight
from tests.bench.scale import Scale
from tests.bench.servers import Server, Stand, Which, serving
from tests.bench.step import Step
from tests.bench.upstream import Program
from tests.bench.visitor import Heard, Visitor

CHUNKS = 200
WHOLE = Program(chunks=CHUNKS)
# All chunks come within two seconds, then nothing for longer than the weighing takes.
HELD_BACK = Program(chunks=CHUNKS, rate=100, stamped=True, hold=300)
PATIENT = {"limits_stall_seconds": "600", "server_drain_seconds": "0.1"}
SHORT = Program(chunks=1)
# Who asks at once: of more, what is weighed would be the crowd.
AT_ONCE = 20
LOOK_SECONDS = 0.05


def memory(scale: Scale) -> Iterator[Step]:
    """Weigh each server with more and more of everything."""
    for which in scale.which:
        for held, counts, weigh in (
            (Held.IDLE, scale.idle_connections, _idle),
            (Held.STREAMING, scale.running_answers, _streaming),
            (Held.ANSWERED, scale.pages_with_answer, _answered),
        ):
            yield Step(f"memory, {held}: {which}", partial(weigh, which, counts))
    if Which.GATEWAY in scale.which:
        yield Step(f"memory, {Held.TURNS}", partial(_turns, scale.turns_so_far))


class Scales:
    """A server, its visitors, and where their weight is written."""

    def __init__(self, server: Server, *, held: Held, which: Which, results: Results) -> None:
        self.visitors: list[Visitor] = []
        self.heard = Heard()
        self._server = server
        self._held = held
        self._which = which
        self._results = results

    async def grow(self, count: int) -> list[Visitor]:
        """Let visitors come until there are `count`, and return the new ones."""
        new = await connect(
            self._server.url,
            count=count - len(self.visitors),
            greeted=self._server.greets,
            heard=self.heard,
        )
        self.visitors += new
        return new

    def weigh(self, count: int) -> None:
        """Write down what the server weighs now."""
        (pid,) = self._server.pids
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        size = sum(int(kb) for kb in re.findall(r"^Private_\w+: +(\d+) kB", rollup, re.MULTILINE))
        self._results.weights.append(
            Weight(held=self._held, which=self._which, count=count, size=size * 1024)
        )


@asynccontextmanager
async def _scales(
    held: Held, which: Which, *, stand: Stand, results: Results
) -> AsyncIterator[Scales]:
    async with serving(which, stand=stand, settings=PATIENT) as server:
        await stand.upstream.play(SHORT)
        await warm_up(server)
        scales = Scales(server, held=held, which=which, results=results)
        try:
            yield scales
        finally:
            for visitor in scales.visitors:
                visitor.leave()


async def _idle(which: Which, counts: Sequence[int], stand: Stand, results: Results) -> None:
    async with _scales(Held.IDLE, which, stand=stand, results=results) as scales:
        for count in counts:
            await scales.grow(count)
            scales.weigh(count)


async def _answered(which: Which, counts: Sequence[int], stand: Stand, results: Results) -> None:
    async with _scales(Held.ANSWERED, which, stand=stand, results=results) as scales:
        await stand.upstream.play(WHOLE)
        for count in counts:
            await _ask(await scales.grow(count), answers=1)
            scales.weigh(count)


async def _streaming(which: Which, counts: Sequence[int], stand: Stand, results: Results) -> None:
    async with (
        _scales(Held.STREAMING, which, stand=stand, results=results) as scales,
        asyncio.TaskGroup() as asking,
    ):
        await stand.upstream.play(HELD_BACK)
        tasks = []
        for count in counts:
            tasks += [asking.create_task(visitor.ask()) for visitor in await scales.grow(count)]
            # Polled: what is waited for comes by many connections.
            while len(scales.heard.ages) < count * CHUNKS:  # noqa: ASYNC110
                await asyncio.sleep(LOOK_SECONDS)
            scales.weigh(count)
        for task in tasks:
            task.cancel()


async def _turns(counts: Sequence[int], stand: Stand, results: Results) -> None:
    async with _scales(Held.TURNS, Which.GATEWAY, stand=stand, results=results) as scales:
        visitors = await scales.grow(AT_ONCE)
        done = 0
        for count in counts:
            await _ask(visitors, answers=(count - done) // AT_ONCE)
            done = count
            scales.weigh(count)


async def _ask(visitors: Sequence[Visitor], *, answers: int) -> None:
    gate = asyncio.Semaphore(AT_ONCE)

    async def talk(visitor: Visitor) -> None:
        async with gate:
            for _ in range(answers):
                await visitor.ask()

    await asyncio.gather(*(talk(visitor) for visitor in visitors))
