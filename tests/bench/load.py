"""The clients, in a process of their own: `python -m tests.bench.load URL`.

Says `ready` once all are connected, begins at a line on its standard input, and prints at the end what it
heard, as JSON.
"""

import argparse
import asyncio
import gc
import random
import sys
import time
from array import array

import msgspec

from tests.bench.visitor import Heard, Visitor

# Connections are opened so many at a time: opening them is not what is measured.
AT_ONCE = 50
PERCENTILES = (1, 10, 25, 50, 75, 90, 95, 99, 100)


class Told(msgspec.Struct, frozen=True):
    """Seconds it took, of them on a processor, frames, and delays in microseconds by percentile."""

    seconds: float
    cpu: float
    frames: int
    # Questions that got an error for an answer.
    refused: int
    first: dict[int, int]
    ages: dict[int, int]


def percentiles(values: "array[int]") -> dict[int, int]:
    """Return the values below which so many percent are; none of nothing."""
    ordered = sorted(values)
    return {
        p: ordered[min(len(ordered) - 1, len(ordered) * p // 100)] for p in PERCENTILES if ordered
    }


async def connect(url: str, *, count: int, greeted: bool, heard: Heard) -> list[Visitor]:
    """Open so many connections."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one() -> Visitor:
        async with gate:
            return await Visitor.connect(url, greeted=greeted, heard=heard)

    return await asyncio.gather(*(one() for _ in range(count)))


async def talk(visitor: Visitor, *, answers: int, delay: float) -> None:
    """Ask so many questions one after the other, the first after `delay` seconds."""
    await asyncio.sleep(delay)
    for _ in range(answers):
        await visitor.ask()


async def main() -> None:
    """Connect, wait for the start, ask, and tell."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--streams", type=int, required=True)
    parser.add_argument("--answers", type=int, default=1)
    parser.add_argument("--spread", type=float, default=0, help="seconds until the last one asks")
    parser.add_argument("--greeted", action="store_true", help="the server answers to hello")
    arguments = parser.parse_args()
    heard = Heard()
    visitors = await connect(
        arguments.url, count=arguments.streams, greeted=arguments.greeted, heard=heard
    )
    # A collection in the middle would look like a delay of the server.
    gc.collect()
    gc.disable()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    heard.frames = 0
    # Not evenly: the chunks of many streams would come at the same few moments.
    chance = random.Random(0)
    began, cpu = time.monotonic(), time.process_time()
    await asyncio.gather(
        *(
            talk(visitor, answers=arguments.answers, delay=chance.uniform(0, arguments.spread))
            for visitor in visitors
        )
    )
    told = Told(
        seconds=time.monotonic() - began,
        cpu=time.process_time() - cpu,
        frames=heard.frames,
        refused=heard.refused,
        first=percentiles(heard.first),
        ages=percentiles(heard.ages),
    )
    print(msgspec.json.encode(told).decode(), flush=True)
    # They are closed before the server is: it would say so in its log for each of them.
    for visitor in visitors:
        visitor.leave()


if __name__ == "__main__":
    asyncio.run(main())
