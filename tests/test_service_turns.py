"""A turn is found and viewed wherever it stands, by its session alone."""

from uuid import uuid4

import pytest

from gateway.chat.errors import UnknownTurn
from gateway.chat.records import TurnState
from tests.builders import an_ask
from tests.fakes import HANG, idle
from tests.stage import end_of, frames, stage


async def test_running_turn_is_found() -> None:
    """A turn that runs is found as it runs."""
    async with stage(["Revenue", HANG]) as s:
        session = await s.enter()
        turn = s.service.handle_message(session, an_ask()).turn
        await idle()
        assert await s.service.find_turn(session, turn.id) is turn


async def test_ended_turn_is_found() -> None:
    """A turn that has ended is found in the store, with its end."""
    async with stage() as s:
        session = await s.enter()
        turn = s.service.handle_message(session, an_ask()).turn
        seen = await frames(turn)
        found = await s.service.find_turn(session, turn.id)
        assert end_of(await frames(found)) == end_of(seen)


async def test_turn_of_another_session_is_unknown() -> None:
    """Nobody finds another session's turn."""
    async with stage() as s:
        session, stranger = await s.enter(), await s.enter()
        turn = s.service.handle_message(session, an_ask()).turn
        await frames(turn)
        for turn_id in (turn.id, uuid4()):
            with pytest.raises(UnknownTurn):
                await s.service.find_turn(stranger, turn_id)


async def test_running_turn_is_viewed_as_it_is() -> None:
    """The view of a turn that runs here has its text up to now, not to the last checkpoint."""
    async with stage(["Revenue ", "rose", HANG]) as s:
        session = await s.enter()
        turn = s.service.handle_message(session, an_ask("Why?")).turn
        await idle()
        view = await s.service.view_turn(session, turn.id)
        assert (view.question, view.text, view.to, view.end) == ("Why?", "Revenue rose", 2, None)


async def test_ended_turn_is_viewed_from_the_store() -> None:
    """The view of a turn that has ended is what was stored, also while the next one runs."""
    async with stage() as s:
        session = await s.enter()
        turn = s.service.handle_message(session, an_ask()).turn
        seen = await frames(turn)
        s.upstream.scripts = [[HANG]]
        s.service.handle_message(session, an_ask())
        await idle()
        view = await s.service.view_turn(session, turn.id)
        assert (view.state, view.text) == (TurnState.ANSWERED, "Revenue rose.")
        assert view.end == end_of(seen)


async def test_view_when_nothing_runs() -> None:
    """A turn is viewed from the store alone where its session is idle."""
    async with stage() as s:
        session = await s.enter()
        turn = s.service.handle_message(session, an_ask()).turn
        await frames(turn)
        assert (await s.service.view_turn(session, turn.id)).text == "Revenue rose."
