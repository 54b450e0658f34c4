"""A bar that says how far a measurement is."""

import sys
import time
from types import TracebackType
from typing import Self

WIDTH = 30


class Progress:
    """Shows the steps that are done, on a terminal only."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._done = -1
        self._shown = sys.stderr.isatty()
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave an empty line to whoever writes next."""
        if self._shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def step(self, name: str) -> None:
        """Say what is being done now; everything before is done."""
        self._done += 1
        if not self._shown:
            return
        full = WIDTH * self._done // self._steps
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        bar = "█" * full + "░" * (WIDTH - full)
        text = f"\r\033[K{bar} {self._done}/{self._steps} {minutes}:{seconds:02} {name}"
        print(text, end="", file=sys.stderr, flush=True)
