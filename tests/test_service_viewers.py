"""A turn belongs to nobody who watches it: viewers come and go, and it ends when it ends."""

import asyncio

from gateway.chat.frames import Delta, Done, Hello, Snapshot
from gateway.chat.live_session import LiveSession
from gateway.chat.records import FinishReason
from gateway.chat.turn import Turn
from tests.builders import FINE, STOP, an_ask
from tests.fakes import HANG, FakeViewer, idle
from tests.stage import Stage, end_of, follow, frames, stage


async def watched(s: Stage, *viewers: FakeViewer) -> tuple[LiveSession, str]:
    """Return a session with `viewers`, and its token."""
    first, *others = viewers
    session, ready = await s.sessions.enter(Hello(locale="en"), viewer=first)
    for viewer in others:
        await s.enter(viewer, session=ready.session)
    return session, ready.session


async def begin(s: Stage, session: LiveSession) -> Turn:
    """Return a turn that has got as far as it can."""
    turn = s.service.handle_message(session, an_ask()).turn
    await idle()
    return turn


async def test_everybody_sees_every_turn() -> None:
    """A question one viewer asked is shown to all who watch the session, and to nobody else."""
    async with stage() as s:
        viewers, stranger = (FakeViewer(), FakeViewer()), FakeViewer()
        session, _ = await watched(s, *viewers)
        await s.enter(stranger)
        turn = await begin(s, session)
        assert [viewer.turns for viewer in (*viewers, stranger)] == [[turn], [turn], []]


async def test_everybody_sees_the_same() -> None:
    """Two viewers of a turn see the same frames."""
    async with stage() as s:
        session = await s.enter()
        turn = s.service.handle_message(session, an_ask()).turn
        first, second = await asyncio.gather(frames(turn), frames(turn))
        assert first == second
        assert isinstance(end_of(first), Done)


async def test_late_viewer_catches_up() -> None:
    """A viewer that joins midway gets what it missed at once, then what comes, and the same end."""
    gate = asyncio.Event()
    async with stage(["Revenue ", "rose", gate, ".", STOP]) as s:
        session = await s.enter()
        turn = s.service.handle_message(session, an_ask()).turn
        early = asyncio.create_task(follow(turn))
        await idle()
        late = asyncio.create_task(follow(turn))
        await idle()
        gate.set()
        seen = await late
        assert seen[:2] == [
            Delta(turn_id=turn.id, from_=0, to=2, text="Revenue rose"),
            Delta(turn_id=turn.id, from_=2, to=3, text="."),
        ]
        assert end_of(seen) == end_of(await early)


async def test_resumed_viewer_gets_only_what_it_lacks() -> None:
    """A viewer that comes back at a position gets what came after it."""
    async with stage() as s:
        session = await s.enter()
        turn = await begin(s, session)
        assert (await follow(turn, after=1))[:-1] == [
            Delta(turn_id=turn.id, from_=1, to=2, text="rose.")
        ]


async def test_ended_turn_is_seen_again() -> None:
    """A turn that has ended is shown from the store as a snapshot with the same end."""
    async with stage() as s:
        session = await s.enter()
        turn = await begin(s, session)
        found = await s.service.find_turn(session, turn.id)
        assert await follow(found) == [
            Snapshot(turn_id=turn.id, to=2, text="Revenue rose."),
            end_of(await frames(turn)),
        ]


async def test_leaving_is_not_stopping() -> None:
    """A turn goes on when its viewers leave."""
    gate = asyncio.Event()
    async with stage([gate, *FINE]) as s:
        viewer = FakeViewer()
        session, _ = await watched(s, viewer)
        turn = await begin(s, session)
        s.sessions.leave(session, viewer=viewer)
        s.clock.advance(10)
        gate.set()
        assert isinstance(end_of(await frames(turn)), Done)


async def test_abandoned_turn_is_cancelled() -> None:
    """A turn nobody watches for the grace time is cancelled, and its text kept."""
    async with stage(["Revenue", HANG], stall_seconds=100) as s:
        viewer = FakeViewer()
        session, _ = await watched(s, viewer)
        turn = await begin(s, session)
        s.sessions.leave(session, viewer=viewer)
        s.clock.advance(29)
        await idle()
        assert session.active is not None
        s.clock.advance(1)
        done = end_of(await frames(turn))
        assert isinstance(done, Done)
        assert done.finish_reason is FinishReason.CANCELLED
        outcome = s.store.rows[turn.id].outcome
        assert outcome is not None
        assert outcome.text == "Revenue"


async def test_one_viewer_is_enough() -> None:
    """A turn somebody still watches is not abandoned."""
    async with stage(["Revenue", HANG], stall_seconds=100) as s:
        leaving, staying = FakeViewer(), FakeViewer()
        session, _ = await watched(s, leaving, staying)
        await begin(s, session)
        s.sessions.leave(session, viewer=leaving)
        s.clock.advance(60)
        await idle()
        assert session.active is not None


async def test_viewer_that_comes_back_saves_it() -> None:
    """A viewer that comes back within the grace time keeps the turn going."""
    async with stage(["Revenue", HANG], stall_seconds=100) as s:
        viewer = FakeViewer()
        session, token = await watched(s, viewer)
        await begin(s, session)
        s.sessions.leave(session, viewer=viewer)
        s.clock.advance(29)
        back = await s.enter(session=token)
        s.clock.advance(60)
        await idle()
        assert back is session
        assert session.active is not None


async def test_grace_begins_anew() -> None:
    """A viewer that leaves a second time leaves the whole grace time again."""
    async with stage(["Revenue", HANG], stall_seconds=100) as s:
        viewer = FakeViewer()
        session, token = await watched(s, viewer)
        turn = await begin(s, session)
        for _ in range(2):
            s.sessions.leave(session, viewer=viewer)
            s.clock.advance(29)
            await s.enter(viewer, session=token)
        s.sessions.leave(session, viewer=viewer)
        s.clock.advance(30)
        assert isinstance(end_of(await frames(turn)), Done)
