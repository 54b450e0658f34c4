"""Hand-written stand-ins for the ports of `gateway.chat`, and ways to let time pass unwaited."""

import asyncio
import heapq
import itertools
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from enum import Enum, auto
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from gateway.chat.errors import StorageUnavailable
from gateway.chat.frames import Notice
from gateway.chat.records import Chunk, History, Message, Spending
from gateway.chat.signals import AnySignal, Part
from gateway.chat.timeline import Timeline
from gateway.chat.turn import Turn
from tests.fake_store import FakeStore

__all__ = [
    "HANG",
    "Asked",
    "CountingTokenizer",
    "FakeCache",
    "FakeClock",
    "FakeLedger",
    "FakeObserver",
    "FakeRelay",
    "FakeStore",
    "FakeViewer",
    "ScriptedUpstream",
    "Step",
    "hurry",
    "idle",
    "pass_time",
]


class Silence(Enum):
    """The step of a script at which the upstream says nothing any more."""

    HANG = auto()


R = TypeVar("R")
HANG = Silence.HANG
Step = str | Chunk | asyncio.Event | BaseException | Silence


class FakeCache:
    """A dictionary: clear `kept` and it has forgotten, put something in and it may be stale."""

    def __init__(self) -> None:
        self.kept: dict[UUID, History] = {}

    async def reachable(self) -> bool:
        """Return that it can be reached."""
        return True

    async def recall(self, session_id: UUID) -> History | None:
        """Return what was remembered."""
        return self.kept.get(session_id)

    async def remember(self, session_id: UUID, history: History) -> None:
        """Keep `history`."""
        self.kept[session_id] = history


class FakeLedger:
    """Says what it is given; without anything it is away."""

    def __init__(self, spending: Spending | None = None) -> None:
        self.spending = spending

    async def today(self) -> Spending:
        """Return what was spent."""
        if self.spending is None:
            raise StorageUnavailable
        return self.spending


class FakeRelay:
    """Carries what is told to whoever listens; `lost` it carries nothing."""

    def __init__(self) -> None:
        self.lost = False
        self.told: list[AnySignal] = []
        self._listeners: set[asyncio.Queue[AnySignal]] = set()
        self._parts: defaultdict[UUID, list[Part]] = defaultdict(list)

    async def tell(self, signal: AnySignal) -> None:
        """Let every listener hear `signal`."""
        self.told.append(signal)
        for listener in () if self.lost else self._listeners:
            listener.put_nowait(signal)

    async def signals(self) -> AsyncGenerator[AnySignal, None]:
        """Yield what is told from now on."""
        heard: asyncio.Queue[AnySignal] = asyncio.Queue()
        self._listeners.add(heard)
        try:
            while True:
                yield await heard.get()
        finally:
            self._listeners.discard(heard)

    async def publish(self, turn_id: UUID, parts: Sequence[Part]) -> None:
        """Keep parts of an answer."""
        if not self.lost:
            self._parts[turn_id].extend(parts)

    async def read(self, turn_id: UUID, *, after: str) -> list[tuple[str, Part]]:
        """Return the parts after a mark, which is how many there were."""
        kept = [] if self.lost else self._parts[turn_id][int(after) :]
        return [(str(int(after) + n), part) for n, part in enumerate(kept, start=1)]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the upstream was asked."""

    messages: tuple[Message, ...]
    model: str
    max_output_tokens: int
    traceparent: str


class ScriptedUpstream:
    """Plays one script a request, the last one again and again.

    A step is a text, a whole chunk, an event to wait for, an error to raise, or `HANG`.
    """

    def __init__(self, *scripts: Sequence[Step]) -> None:
        self.scripts = list(scripts)
        self.asked: list[Asked] = []
        self.closed = 0

    async def stream_chat(
        self, messages: Sequence[Message], *, model: str, max_output_tokens: int, traceparent: str
    ) -> AsyncGenerator[Chunk, None]:
        """Play the next script."""
        script = self.scripts[min(len(self.asked), len(self.scripts) - 1)]
        self.asked.append(
            Asked(
                messages=tuple(messages),
                model=model,
                max_output_tokens=max_output_tokens,
                traceparent=traceparent,
            )
        )
        try:
            for step in script:
                # Slower than any reader, so that each step is seen by itself.
                await idle(10)
                match step:
                    case str():
                        yield Chunk(text=step)
                    case Chunk():
                        yield step
                    case asyncio.Event():
                        await step.wait()
                    case BaseException():
                        raise step
                    case Silence():
                        await asyncio.get_running_loop().create_future()
        finally:
            self.closed += 1


class FakeTimer:
    """A callback that the clock will call unless it is cancelled."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """See that it is not called."""
        self.callback = None


class FakeClock:
    """A clock that stands still until it is advanced."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._timers: list[tuple[float, int, FakeTimer]] = []
        self._sequence = itertools.count()

    @property
    def armed(self) -> int:
        """How many timers are still to be called."""
        return sum(timer.callback is not None for _, _, timer in self._timers)

    def time(self) -> float:
        """Return the seconds now."""
        return self.now

    def call_at(self, when: float, callback: Callable[[], None], /) -> FakeTimer:
        """Call `callback` when the clock has been advanced to `when`."""
        timer = FakeTimer(callback)
        heapq.heappush(self._timers, (when, next(self._sequence), timer))
        return timer

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass, calling what is due on the way, each at its time."""
        target = self.now + seconds
        while self._timers and self._timers[0][0] <= target:
            when, _, timer = heapq.heappop(self._timers)
            self.now = max(self.now, when)
            callback, timer.callback = timer.callback, None
            if callback is not None:
                callback()
        self.now = target


class FakeObserver:
    """Keeps the timelines it was told."""

    def __init__(self) -> None:
        self.timelines: list[Timeline] = []

    def turn_ended(self, timeline: Timeline) -> None:
        """Keep `timeline`."""
        self.timelines.append(timeline)


class CountingTokenizer:
    """One token a word."""

    def count(self, text: str) -> int:
        """Return the number of words."""
        return len(text.split())


class FakeViewer:
    """A connection that notes which turns and notices it was shown."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.notices: list[Notice] = []

    def notify(self, notice: Notice) -> None:
        """Note `notice`."""
        self.notices.append(notice)

    def watch(self, turn: Turn) -> None:
        """Note `turn`, once."""
        if turn not in self.turns:
            self.turns.append(turn)


async def idle(rounds: int = 200) -> None:
    """Let everything run that is able to, without any time passing."""
    for _ in range(rounds):
        await asyncio.sleep(0)


async def pass_time(seconds: float, *, steps: int = 1) -> None:
    """Make the running loop believe that `seconds` have passed, so that its sleepers wake.

    In `steps` of that length, for sleepers that go back to sleep.
    """
    loop = asyncio.get_running_loop()
    for _ in range(steps):
        ahead = loop.time() - type(loop).time(loop) + seconds
        loop.time = partial(_ahead, loop, ahead)  # type: ignore[method-assign]
        await idle(50 if steps > 1 else 200)


async def hurry(work: Coroutine[Any, Any, R]) -> R:
    """Return the result of `work`, letting time pass for as long as it takes."""
    task = asyncio.create_task(work)
    await idle()
    while not task.done():
        await pass_time(0.1)
    return task.result()


def _ahead(loop: asyncio.AbstractEventLoop, seconds: float) -> float:
    return type(loop).time(loop) + seconds
