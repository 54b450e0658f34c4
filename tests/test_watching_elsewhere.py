"""Whoever watches a turn from another process keeps it running, and only they do."""

from gateway.chat.relaying import BELIEVED_SECONDS, WANTED_SECONDS
from tests.fakes import HANG
from tests.stage import pair, relay


async def test_watching_elsewhere_is_watching() -> None:
    """A turn watched only in another process is not abandoned, as long as that one says so."""
    async with pair("Revenue", HANG) as p:
        here, there = await p.enter()
        await p.begin(here)
        await relay(0.3)
        p.here.sessions.leave(here, viewer=p.near)
        await relay(WANTED_SECONDS * 2)
        assert here.grace is None
        p.there.sessions.leave(there, viewer=p.far)
        await relay(BELIEVED_SECONDS + 0.3)
        assert here.grace is not None


async def test_coming_back_elsewhere_is_watching() -> None:
    """Who left another process and came back to it watches as before."""
    async with pair("Revenue", HANG) as p:
        here, there = await p.enter()
        turn = await p.begin(here)
        p.here.sessions.leave(here, viewer=p.near)
        p.there.sessions.leave(there, viewer=p.far)
        there = await p.there.enter(session=p.token)
        await p.there.service.find_turn(there, turn.id)
        await relay(BELIEVED_SECONDS + WANTED_SECONDS)
        assert here.grace is None
