"""See how late the event loop is: whatever keeps it busy holds up every answer."""

import asyncio
from collections.abc import Callable

# Often enough that nothing of a tenth of a second stays unseen for long, and nothing to the processor.
PERIOD_SECONDS = 0.25


async def watch_loop(was_late: Callable[[float], None]) -> None:
    """Tell `was_late`, until cancelled, how many seconds after its time a sleep ended."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + PERIOD_SECONDS
        await asyncio.sleep(PERIOD_SECONDS)
        was_late(max(0.0, loop.time() - due))
