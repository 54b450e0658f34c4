"""Questions that come too fast are refused before they cost anything; the same question again is none."""

from gateway.chat.codes import Code, Scope
from gateway.chat.frames import Ask, Done, Error
from gateway.chat.live_session import LiveSession
from gateway.chat.pace import SESSIONS_OF_ADDRESS
from tests.builders import an_ask
from tests.fakes import HANG, idle
from tests.stage import Stage, accept_of, end_of, stage

PER_MINUTE = 3


async def use_up(s: Stage, session: LiveSession) -> list[Ask]:
    """Ask as often as a session may, and return the questions."""
    asks = [an_ask() for _ in range(PER_MINUTE)]
    for ask in asks:
        assert isinstance(await s.end(session, ask), Done)
    return asks


async def test_one_question_too_many() -> None:
    """The question over the limit is refused, by its id and with when to ask again."""
    async with stage(messages_per_minute=PER_MINUTE) as s:
        session, ask = await s.enter(), an_ask()
        await use_up(s, session)
        (error,) = await s.ask(session, ask)
        assert isinstance(error, Error)
        assert (error.scope, error.code, error.id) == (Scope.FRAME, Code.RATE_LIMITED, ask.id)
        assert (error.retryable, error.retry_after_ms) == (True, 20_000)
        assert error.message == "Too many requests. Try again in 20 s."


async def test_it_costs_nothing() -> None:
    """A question over the limit is neither stored nor sent upstream."""
    async with stage(messages_per_minute=PER_MINUTE) as s:
        session = await s.enter()
        await use_up(s, session)
        await s.ask(session)
        assert (len(s.store.rows), len(s.upstream.asked)) == (PER_MINUTE, PER_MINUTE)


async def test_later() -> None:
    """Whoever waits as told is answered."""
    async with stage(messages_per_minute=PER_MINUTE) as s:
        session, ask = await s.enter(), an_ask()
        await use_up(s, session)
        error = await s.end(session, ask)
        assert isinstance(error, Error)
        assert error.retry_after_ms is not None
        s.clock.advance(error.retry_after_ms / 1000)
        assert isinstance(await s.end(session, ask), Done)


async def test_the_same_question_after_its_end() -> None:
    """Over the limit, a question that was answered is answered again as it was."""
    async with stage(messages_per_minute=PER_MINUTE) as s:
        session = await s.enter()
        for ask in await use_up(s, session) * 2:
            again = await s.ask(session, ask)
            assert accept_of(again).duplicate
            assert isinstance(end_of(again), Done)
        assert len(s.upstream.asked) == PER_MINUTE


async def test_the_same_question_while_it_runs() -> None:
    """Over the limit, the question that is being answered is the same turn."""
    async with stage([HANG], messages_per_minute=1) as s:
        session, ask = await s.enter(), an_ask()
        first = s.service.handle_message(session, ask)
        await idle()
        again = s.service.handle_message(session, ask)
        assert (again.turn, again.duplicate) == (first.turn, True)


async def test_an_address() -> None:
    """New sessions are no way around it: all of an address have a limit together."""
    async with stage(messages_per_minute=PER_MINUTE) as s:
        for _ in range(SESSIONS_OF_ADDRESS):
            await use_up(s, await s.enter())
        assert isinstance(await s.end(await s.enter()), Error)
        assert isinstance(await s.end(await s.enter(), address=2), Done)
