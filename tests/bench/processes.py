"""Several gateway processes on one port: what a chunk costs then, and how connections are spread.

With two cores the second process shares its core with the clients, the upstream and the databases, so what is
compared is CPU for each chunk, each process having as many streams as before: where that does not grow with
the processes, cores add up.
"""

from collections.abc import Iterator
from contextlib import AsyncExitStack
from functools import partial
from itertools import cycle, islice

from tests.bench.cores import CORES
from tests.bench.loading import put_under, warm_up
from tests.bench.results import ProcessesRun, Results
from tests.bench.scale import Scale
from tests.bench.servers import Stand, Which, serving
from tests.bench.step import Step
from tests.bench.streaming import RATE
from tests.bench.upstream import Program
from tests.integration.gateway_process import free_port

COUNTS = (1, 2)
SHARED_PORT = {"server_reuse_port": "yes"}


def processes(scale: Scale) -> Iterator[Step]:
    """Measure one process, then two with twice the streams."""
    if Which.GATEWAY not in scale.which:
        return
    for run in range(scale.shared_runs):
        for count in COUNTS:
            yield Step(
                f"{count} processes, run {run + 1}",
                partial(_measure, count, count * scale.shared_streams, scale),
            )


async def _measure(count: int, streams: int, scale: Scale, stand: Stand, results: Results) -> None:
    port = str(free_port())
    async with AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(
                serving(Which.GATEWAY, stand=stand, core=core, port=port, settings=SHARED_PORT)
            )
            for core in islice(cycle(reversed(CORES)), count)
        ]
        await stand.upstream.play(Program())
        for _ in servers:
            await warm_up(servers[0])
        await stand.upstream.play(Program(chunks=scale.paced_chunks, rate=RATE))
        together = servers[0]._replace(pids=tuple(pid for s in servers for pid in s.pids))
        told, cpu = await put_under(together, streams=streams, spread=scale.spread_seconds)
    results.processes.append(
        ProcessesRun(
            streams=streams,
            cpu=round(sum(cpu) / (streams * scale.paced_chunks) * 1e6, 2),
            shares=[round(used / sum(cpu), 3) for used in cpu],
            seconds=round(told.seconds, 2),
        )
    )
