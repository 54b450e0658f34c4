"""A model that writes slowly until it is told to hurry: time to interrupt it, and none lost on the rest."""

import asyncio
from dataclasses import dataclass, field

from gateway.dev.simulator import SimulatorOptions


@dataclass(frozen=True)
class Pace(SimulatorOptions):
    """So slowly that even a busy machine finds a long answer unfinished after ten seconds, or flat out."""

    tokens_per_second: float = 150.0
    first_token_seconds: float = 0.1
    hurried: asyncio.Event = field(default_factory=asyncio.Event)

    def hurry(self) -> None:
        """Write the rest, and all that is asked later, at once."""
        self.hurried.set()

    def seconds_until(self, tokens: int) -> float:
        """Return when the first `tokens` tokens are out, in seconds from the start."""
        return 0.0 if self.hurried.is_set() else super().seconds_until(tokens)
