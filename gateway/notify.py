"""Tell systemd that the gateway is ready, alive and leaving (sd_notify(3)); without it, nothing."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator
from enum import StrEnum, unique

logger = logging.getLogger(__name__)


@unique
class Notice(StrEnum):
    """What systemd understands."""

    READY = "READY=1"
    STOPPING = "STOPPING=1"
    ALIVE = "WATCHDOG=1"


class Supervisor:
    """Whoever started the process and waits at `address`: a path, `@name` for an abstract socket, or ""."""

    def __init__(self, address: str) -> None:
        # In the kernel's spelling, an abstract name begins with NUL (unix(7)).
        self._address = "\0" + address[1:] if address.startswith("@") else address

    def tell(self, notice: Notice) -> None:
        """Send `notice` without waiting; one that cannot be sent is logged and lost."""
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            try:
                sender.sendto(notice.encode(), self._address)
            except OSError as error:
                logger.warning("supervisor.unreachable", extra={"error_type": type(error).__name__})

    @contextlib.asynccontextmanager
    async def watching(self, *, seconds: float) -> AsyncIterator[None]:
        """Say in the block that the event loop turns, twice in `seconds`; never where those are 0."""
        task = asyncio.create_task(self._beat(pause=seconds / 2), name="watchdog")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _beat(self, *, pause: float) -> None:
        while pause:
            self.tell(Notice.ALIVE)
            await asyncio.sleep(pause)
