"""How late the event loop is, is told again and again."""

import asyncio

from gateway.web.loop_lag import PERIOD_SECONDS, watch_loop
from tests.fakes import idle, pass_time


async def told(late: float) -> float:
    """Return what is told of a sleep that ends `late` seconds after its time."""
    seconds: list[float] = []
    task = asyncio.create_task(watch_loop(seconds.append))
    await idle()
    await pass_time(PERIOD_SECONDS + late)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return seconds[0]


async def test_in_time() -> None:
    """A loop with nothing else to do is hardly late."""
    assert 0 <= await told(0) < 1


async def test_late() -> None:
    """A loop that was busy for five seconds was so late."""
    assert 5 <= await told(5) < 6
