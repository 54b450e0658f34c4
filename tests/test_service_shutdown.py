"""A process that leaves takes no questions, lets answers finish, and keeps what came of the rest."""

import asyncio

import pytest

from gateway.chat.codes import Code
from gateway.chat.errors import Interrupted
from gateway.chat.frames import Done, Error
from gateway.chat.live_session import LiveSession
from gateway.chat.records import Outcome, TurnState
from gateway.chat.turn import Turn
from tests.builders import FINE, an_ask
from tests.fakes import HANG, hurry, idle
from tests.stage import Stage, end_of, frames, stage


async def begin(s: Stage, session: LiveSession) -> Turn:
    """Return a turn that has got as far as it can."""
    turn = s.service.handle_message(session, an_ask()).turn
    await idle()
    return turn


def outcome_of(s: Stage, turn: Turn) -> Outcome:
    """Return what is stored of how `turn` ended."""
    outcome = s.store.rows[turn.id].outcome
    assert outcome is not None
    return outcome


async def test_closing_interrupts() -> None:
    """A process that ends tells its viewers so, and keeps what came."""
    async with stage(["Revenue", HANG]) as s:
        turn = await begin(s, await s.enter())
        viewing = asyncio.create_task(frames(turn))
        await s.service.close(seconds=1)
        error = end_of(await viewing)
        assert isinstance(error, Error)
        assert (error.code, error.partial, error.retryable) == (Code.INTERRUPTED, True, True)
        outcome = outcome_of(s, turn)
        assert (outcome.state, outcome.text) == (TurnState.INTERRUPTED, "Revenue")


async def test_closing_with_nothing_running() -> None:
    """A process without a running turn ends at once."""
    async with stage() as s:
        await s.ask(await s.enter())
        await s.service.close(seconds=60)
        assert s.service.running == 0


async def test_draining_takes_no_questions() -> None:
    """A process about to leave takes no questions, so that another one does."""
    async with stage() as s:
        session = await s.enter()
        s.service.draining = True
        with pytest.raises(Interrupted) as refused:
            s.service.handle_message(session, an_ask())
        assert refused.value.retryable


async def test_same_question_while_draining() -> None:
    """The same id while its turn runs is that turn, also in a process about to leave."""
    async with stage([HANG]) as s:
        session, ask = await s.enter(), an_ask()
        turn = s.service.handle_message(session, ask).turn
        s.service.draining = True
        assert s.service.handle_message(session, ask).turn is turn


async def test_draining_lets_answers_finish() -> None:
    """An answer that is nearly there is finished before the process leaves."""
    gate = asyncio.Event()
    async with stage([gate, *FINE]) as s:
        turn = await begin(s, await s.enter())
        draining = asyncio.create_task(s.service.drain(seconds=25))
        await idle()
        assert (s.service.running, draining.done()) == (1, False)
        gate.set()
        await draining
        assert isinstance(end_of(await frames(turn)), Done)


async def test_draining_ends() -> None:
    """An answer that takes too long is interrupted, and what came is kept."""
    async with stage(["Revenue", HANG]) as s:
        turn = await begin(s, await s.enter())
        await hurry(s.service.drain(seconds=1))
        outcome = outcome_of(s, turn)
        assert (outcome.state, outcome.text) == (TurnState.INTERRUPTED, "Revenue")
