"""Measure the gateway beside the usual loop and the floor: `python -m tests.bench [PART...]`."""

import argparse
import asyncio
import resource
from enum import StrEnum, unique

from tests.bench.cores import OTHERS, pinned
from tests.bench.figures import figures
from tests.bench.progress import Progress
from tests.bench.results import Results
from tests.bench.servers import Which, stand
from tests.bench.streaming import Load, compare, flat_out, paced
from tests.bench.table import aligned, rows

STREAMS = (400, 800)
RUNS = 5
FILES = 20_000


@unique
class Part(StrEnum):
    """What can be measured by itself."""

    CPU = "cpu"
    DELAY = "delay"


async def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", type=Part, metavar="PART", help=", ".join(Part))
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--streams", type=int, nargs="+", default=STREAMS, help="paced ones")
    parser.add_argument("--only", type=Which, nargs="+", default=list(Which), help=", ".join(Which))
    parser.add_argument("--quick", action="store_true", help="one run of fewer streams")
    arguments = parser.parse_args()
    parts = set(arguments.parts or Part)
    runs, streams = (1, (100,)) if arguments.quick else (arguments.runs, arguments.streams)
    loads: list[Load] = [flat_out()] if Part.CPU in parts else []
    loads += [paced(count) for count in streams]
    results = Results()
    async with stand() as ground:
        with Progress(runs * len(loads) * len(arguments.only)) as progress:
            async for run in compare(
                loads, which=arguments.only, runs=runs, stand=ground, progress=progress
            ):
                results.runs.append(run)
    print(aligned(rows(figures(results))))


def _allow_files() -> None:
    # A stream is two descriptors here and two in the server. Children inherit it.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES, hard), hard))


if __name__ == "__main__":
    _allow_files()
    with pinned(OTHERS):
        asyncio.run(main())
