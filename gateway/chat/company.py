"""Know whether other processes are there, so that a process by itself talks to nobody."""

import asyncio
from uuid import UUID

from gateway.chat.ports import Relay
from gateway.chat.signals import Here

# How often a process says that it is there.
HERE_SECONDS = 3.0
# Long enough for a Redis that was away to come back, and us to hear of each other again.
BELIEVED_SECONDS = 60.0
# Who is there answers a newcomer at once; until then we cannot know that we are alone.
ASKING_SECONDS = 1.0


class Company:
    """The other processes on the same Redis, as far as they were heard of; we are `origin`."""

    def __init__(self, *, origin: UUID, relay: Relay) -> None:
        self._origin = origin
        self._relay = relay
        self._heard: dict[UUID, float] = {}
        self._known_at: float | None = None

    @property
    def alone(self) -> bool:
        """Whether nobody else is there, for all we know."""
        now = asyncio.get_running_loop().time()
        return self._known_at is not None and now >= self._known_at and not self._heard

    def hear(self, origin: UUID) -> bool:
        """Note that another process said something; return whether it is a newcomer."""
        newcomer = origin not in self._heard
        self._heard[origin] = asyncio.get_running_loop().time()
        return newcomer

    async def say_here(self) -> None:
        """Tell the others that we are there."""
        await self._relay.tell(Here(origin=self._origin))

    async def keep(self) -> None:
        """Go on telling it, and forget who fell silent, until cancelled."""
        while True:
            await self.say_here()
            now = asyncio.get_running_loop().time()
            if self._known_at is None:
                self._known_at = now + ASKING_SECONDS
            self._heard = {o: at for o, at in self._heard.items() if now - at < BELIEVED_SECONDS}
            await asyncio.sleep(HERE_SECONDS)
