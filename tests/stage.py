"""A gateway without its doors, of one process or two, and what a viewer of it sees."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

import msgspec

from gateway.chat.frames import Accept, Ask, End, Hello, TurnFrame
from gateway.chat.live_session import LiveSession
from gateway.chat.ports import Tokenizer
from gateway.chat.records import Partial
from gateway.chat.relaying import BATCH_SECONDS, Relaying
from gateway.chat.rules import Rules
from gateway.chat.service import ChatService
from gateway.chat.sessions import Sessions
from gateway.chat.turn import Turn
from tests.builders import FINE, a_report, an_ask, rules
from tests.fakes import (
    CountingTokenizer,
    FakeCache,
    FakeClock,
    FakeObserver,
    FakeRelay,
    FakeStore,
    FakeViewer,
    ScriptedUpstream,
    Step,
    hurry,
    idle,
    pass_time,
)


class Stage:
    """One process of a gateway, without its doors."""

    def __init__(
        self,
        *scripts: Sequence[Step],
        rules: Rules,
        tokenizer: Tokenizer | None = None,
        beside: "Stage | None" = None,
    ) -> None:
        self.rules = rules
        self.store: FakeStore = beside.store if beside else FakeStore(a_report())
        self.relay: FakeRelay = beside.relay if beside else FakeRelay()
        self.cache = FakeCache()
        self.upstream = ScriptedUpstream(*(scripts or [FINE]))
        self.clock = FakeClock()
        self.observer = FakeObserver()
        tokenizer = tokenizer or CountingTokenizer()
        self.sessions = Sessions(self.store, tokenizer=tokenizer, clock=self.clock, rules=rules)
        self.relaying = Relaying(self.sessions, store=self.store, relay=self.relay, rules=rules)
        self.service = ChatService(
            self.sessions,
            store=self.store,
            cache=self.cache,
            relaying=self.relaying,
            upstream=self.upstream,
            tokenizer=tokenizer,
            clock=self.clock,
            observers=[self.observer],
            rules=rules,
        )

    async def enter(self, viewer: FakeViewer | None = None, **hello: Any) -> LiveSession:
        """Return a new session about the report, with a viewer, in English."""
        said = msgspec.structs.replace(Hello(report_id="r1", locale="en"), **hello)
        session, _ = await self.sessions.enter(said, viewer=viewer or FakeViewer())
        return session

    async def ask(
        self, session: LiveSession, ask: Ask | None = None, **more: Any
    ) -> list[TurnFrame]:
        """Ask, and return the frames a viewer sees until the end."""
        taken = self.service.handle_message(session, ask or an_ask(), **more)
        return await frames(taken.turn)

    async def end(self, session: LiveSession, ask: Ask | None = None, **more: Any) -> End:
        """Ask, and return the frame that ends the turn."""
        return end_of(await self.ask(session, ask, **more))


@asynccontextmanager
async def stage(
    *scripts: Sequence[Step],
    tokenizer: Tokenizer | None = None,
    beside: Stage | None = None,
    **changes: Any,
) -> AsyncGenerator[Stage, None]:
    """Set a stage with an upstream that plays `scripts`, under rules with `changes`.

    `beside` is another process of the same gateway: it shares the store and the relay.
    """
    stage = Stage(*scripts, rules=rules(**changes), tokenizer=tokenizer, beside=beside)
    listening = asyncio.create_task(stage.relaying.listen())
    try:
        yield stage
    finally:
        await hurry(stage.service.close(seconds=1))
        await hurry(stage.relaying.close())
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


class Pair:
    """Two processes of one gateway: a turn runs `here`; `there` somebody watches its session."""

    def __init__(self, here: Stage, there: Stage) -> None:
        self.here = here
        self.there = there
        self.near, self.far = FakeViewer(), FakeViewer()
        self.token = ""

    async def enter(self) -> tuple[LiveSession, LiveSession]:
        """Return the session as each process knows it."""
        here, ready = await self.here.sessions.enter(Hello(locale="en"), viewer=self.near)
        self.token = ready.session
        there = await self.there.enter(self.far, session=ready.session)
        return here, there

    async def begin(self, session: LiveSession) -> Turn:
        """Return a turn that has got as far as it can."""
        turn = self.here.service.handle_message(session, an_ask()).turn
        await idle()
        return turn

    async def checkpoint(self, turn: Turn, *, text: str) -> None:
        """Store that `turn` has one piece, `text`."""
        partial = Partial(turn_id=turn.id, text=text, pieces=1)
        await self.here.store.checkpoint([partial], lease=15)


@asynccontextmanager
async def pair(*script: Step) -> AsyncGenerator[Pair, None]:
    """Set up two processes, of which the upstream of one plays `script`."""
    async with (
        stage(script, stall_seconds=1000, turn_seconds=1000) as here,
        stage(FINE, beside=here) as there,
    ):
        yield Pair(here, there)


async def relay(seconds: float) -> None:
    """Let `seconds` pass in the steps that a relay takes."""
    await pass_time(BATCH_SECONDS, steps=round(seconds / BATCH_SECONDS) + 1)


async def frames(turn: Turn, after: int = 0) -> list[TurnFrame]:
    """Return what a viewer of `turn` sees, from `accepted` to the end."""
    seen = await follow(turn, after)
    accept = await turn.accepted()
    return seen if accept is None else [accept, *seen]


async def follow(turn: Turn, after: int = 0) -> list[TurnFrame]:
    """Return what comes after `accepted`, from position `after` to the end."""
    async with aclosing(turn.follow(after)) as following:
        return [frame async for frame in following]


def end_of(frames: list[TurnFrame]) -> End:
    """Return the last frame, which ends the turn."""
    end = frames[-1]
    assert isinstance(end, End), "the last frame ends the turn"
    return end


def accept_of(frames: list[TurnFrame]) -> Accept:
    """Return the first frame, which says what was taken."""
    accept = frames[0]
    assert isinstance(accept, Accept), "the first frame says what was taken"
    return accept
