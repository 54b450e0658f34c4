"""Measure the gateway beside the usual loop and the floor: `python -m tests.bench [PART...]`."""

import argparse
import asyncio
import resource
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum, unique

import msgspec

from tests.bench.cores import OTHERS, pinned
from tests.bench.figures import figures
from tests.bench.keeping import keep, setting
from tests.bench.memory import memory
from tests.bench.processes import processes
from tests.bench.progress import Progress
from tests.bench.results import Results
from tests.bench.scale import FULL, QUICK, Scale
from tests.bench.servers import Which, stand
from tests.bench.step import Step
from tests.bench.streaming import alone, burst, flat_out, paced
from tests.bench.table import aligned, rows
from tests.bench.turn import turn

FILES = 20_000


@unique
class Part(StrEnum):
    """What can be measured by itself."""

    CPU = "cpu"
    DELAY = "delay"
    TURN = "turn"
    FIRST = "first"
    MEMORY = "memory"
    PROCESSES = "processes"


# CPU and delay of paced chunks are measured together.
STEPS: dict[Callable[[Scale], Iterator[Step]], set[Part]] = {
    flat_out: {Part.CPU},
    paced: {Part.CPU, Part.DELAY},
    turn: {Part.TURN},
    alone: {Part.FIRST},
    burst: {Part.FIRST},
    memory: {Part.MEMORY},
    processes: {Part.PROCESSES},
}


async def measure(steps: Sequence[Step]) -> Results:
    """Take all steps, one after the other."""
    results = Results()
    with Progress(len(steps)) as progress:
        async with stand() as ground:
            for step in steps:
                progress.step(step.name)
                await step.do(ground, results)
    return results


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", type=Part, metavar="PART", help=", ".join(Part))
    parser.add_argument("--quick", action="store_true", help="one short run")
    parser.add_argument("--runs", type=int)
    parser.add_argument("--streams", type=int, nargs="+", help="of the paced ones")
    parser.add_argument(
        "--keep", action="store_true", help="in docs/performance.json, for `-m tests.bench.report`"
    )
    parser.add_argument("--only", type=Which, nargs="+", help=", ".join(Which))
    arguments = parser.parse_args()
    chosen = {
        "runs": arguments.runs,
        "paced_streams": arguments.streams,
        "which": arguments.only,
    }
    scale = msgspec.structs.replace(
        QUICK if arguments.quick else FULL,
        **{name: value for name, value in chosen.items() if value},
    )
    parts = set(arguments.parts or Part)
    steps = [step for make, within in STEPS.items() if parts & within for step in make(scale)]
    _allow_files()
    here = setting()
    with pinned(OTHERS):
        results = asyncio.run(measure(steps))
    results.settings = dict.fromkeys(parts, here)
    print(aligned(rows(figures(results))))
    if arguments.keep:
        keep(results)


def _allow_files() -> None:
    # A stream is two descriptors here and two in the server. Children inherit it.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES, hard), hard))


if __name__ == "__main__":
    main()
