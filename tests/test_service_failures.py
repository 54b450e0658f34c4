"""Whatever goes wrong, a turn ends with exactly one error, and the next question works."""

import asyncio

import pytest

from gateway.chat.codes import Code
from gateway.chat.errors import (
    ContextTooLong,
    GatewayError,
    KeyInvalid,
    QuotaExhausted,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTruncated,
    UpstreamUnavailable,
)
from gateway.chat.frames import Accept, Done, Error, Status, StatusState, TurnFrame
from gateway.chat.live_session import LiveSession
from gateway.chat.persister import PATIENCE_SECONDS, RETRY_SECONDS
from gateway.chat.records import TurnState
from gateway.chat.service import UNSAVED_SECONDS
from tests.builders import FINE, STOP, an_ask
from tests.fakes import HANG, CountingTokenizer, idle, pass_time
from tests.stage import Stage, end_of, frames, stage

FAILURES = [
    (KeyInvalid(), Code.KEY_INVALID),
    (QuotaExhausted(), Code.QUOTA_EXHAUSTED),
    (UpstreamRejected(), Code.UPSTREAM_REJECTED),
    (ContextTooLong(), Code.CONTEXT_TOO_LONG),
    (UpstreamTruncated(), Code.UPSTREAM_TRUNCATED),
    (UpstreamUnavailable(retry_after=0), Code.UPSTREAM_UNAVAILABLE),
    (UpstreamRateLimited(retry_after=0), Code.UPSTREAM_RATE_LIMITED),
    (RuntimeError("a bug"), Code.INTERNAL),
]


def the_error(seen: list[TurnFrame]) -> Error:
    """Return the error that ends a turn, the only end there is."""
    ends = [frame for frame in seen if isinstance(frame, Done | Error)]
    (end,) = ends
    assert isinstance(end, Error)
    assert end is seen[-1]
    return end


@pytest.mark.parametrize(("failure", "code"), FAILURES)
async def test_failure_before_content(failure: Exception, code: Code) -> None:
    """An upstream that fails at once ends the turn with its code, no text, and no bill where it says so."""
    async with stage([failure]) as s:
        error = the_error(await s.ask(await s.enter()))
        assert (error.code, error.partial, error.to) == (code, False, 0)
        # After a bug of ours nobody knows whether the request arrived.
        assert (error.cost_usd == "0.00") is isinstance(failure, GatewayError)


@pytest.mark.parametrize(("failure", "code"), FAILURES)
async def test_failure_after_content(failure: Exception, code: Code) -> None:
    """An upstream that fails midway ends the turn with its code, and the text is kept."""
    async with stage(["Revenue", failure]) as s:
        error = the_error(await s.ask(await s.enter()))
        assert (error.code, error.partial, error.to) == (code, True, 1)
        (row,) = s.store.rows.values()
        assert row.outcome is not None
        assert (row.outcome.state, row.outcome.text) == (TurnState.FAILED, "Revenue")
        assert len(s.upstream.asked) == 1


@pytest.mark.parametrize(("failure", "code"), FAILURES)
async def test_next_question_works(failure: Exception, code: Code) -> None:
    """After a failure of any kind the next question is answered."""
    async with stage([failure], [failure], FINE) as s:
        session = await s.enter()
        await s.ask(session)
        if len(s.upstream.asked) == 1:
            await s.ask(session)
        assert isinstance(await s.end(session), Done)


async def test_error_says_what_the_protocol_says() -> None:
    """An error names its turn and its question, and tells the reader what to do."""
    async with stage([QuotaExhausted()]) as s:
        ask = an_ask()
        seen = await s.ask(await s.enter(), ask)
        error = the_error(seen)
        assert isinstance(seen[0], Accept)
        assert (error.id, error.turn_id) == (ask.id, seen[0].turn_id)
        assert (error.scope, error.retryable) == ("turn", False)
        assert error.message.startswith("Request failed: the OpenAI quota is used up.")


async def test_crash_tells_nothing_of_itself() -> None:
    """What went wrong inside is not told to the reader."""
    async with stage([RuntimeError("SELECT secret")]) as s:
        error = the_error(await s.ask(await s.enter()))
        assert error.message == "A temporary error occurred."


async def test_missing_key_calls_nothing() -> None:
    """Without a key no upstream is asked, and the question is stored all the same."""
    async with stage(key_configured=False) as s:
        error = the_error(await s.ask(await s.enter(), an_ask("Why?")))
        assert (error.code, error.retryable, error.cost_usd) == (Code.KEY_MISSING, False, "0.00")
        assert s.upstream.asked == []
        assert [row.turn.question.text for row in s.store.rows.values()] == ["Why?"]


async def test_no_content_in_time() -> None:
    """An upstream that says nothing in time ends the turn with `first_chunk_timeout`."""
    async with stage([HANG]) as s:
        turn = s.service.handle_message(await s.enter(), an_ask()).turn
        await idle()
        s.clock.advance(20)
        assert the_error(await frames(turn)).code is Code.FIRST_CHUNK_TIMEOUT
        assert s.upstream.closed == 1


async def test_content_that_stops() -> None:
    """An upstream that stops midway ends the turn with `stalled`, and the text is kept."""
    async with stage(["Revenue", HANG]) as s:
        turn = s.service.handle_message(await s.enter(), an_ask()).turn
        await idle()
        s.clock.advance(20)
        error = the_error(await frames(turn))
        assert (error.code, error.partial) == (Code.STALLED, True)


async def test_turn_that_takes_too_long() -> None:
    """A turn longer than allowed ends with `turn_timeout`, however lively."""
    async with stage(["Revenue", HANG], turn_seconds=10) as s:
        turn = s.service.handle_message(await s.enter(), an_ask()).turn
        await idle()
        s.clock.advance(10)
        assert the_error(await frames(turn)).code is Code.TURN_TIMEOUT


async def test_retry_is_shown() -> None:
    """A viewer is told that the upstream is tried again, and then sees the answer."""
    async with stage([UpstreamRateLimited(retry_after=0.001)], FINE) as s:
        seen = await s.ask(await s.enter())
        states = [frame.state for frame in seen if isinstance(frame, Status)]
        assert states == [StatusState.WAITING, StatusState.RETRYING]
        assert isinstance(seen[-1], Done)


async def test_retry_after_is_passed_on() -> None:
    """An upstream that is busy for longer than the answer may take tells the reader how long."""
    async with stage([UpstreamRateLimited(retry_after=21)]) as s:
        error = the_error(await s.ask(await s.enter()))
        assert (error.code, error.retry_after_ms) == (Code.UPSTREAM_RATE_LIMITED, 21_000)
        assert len(s.upstream.asked) == 1


async def test_store_down_when_asked() -> None:
    """A question that cannot be stored is refused without a turn, and nothing is called."""
    async with stage() as s:
        session, ask = await s.enter(), an_ask()
        s.store.fail()
        (error,) = await s.ask(session, ask)
        assert isinstance(error, Error)
        assert (error.code, error.retryable) == (Code.STORAGE_UNAVAILABLE, True)
        assert (error.id, error.turn_id) == (ask.id, None)
        assert (s.upstream.asked, s.store.rows) == ([], {})


async def test_store_back_again() -> None:
    """A question that was refused for the store is taken under the same id once it is back."""
    async with stage() as s:
        session, ask = await s.enter(), an_ask()
        s.store.fail()
        await s.ask(session, ask)
        s.store.recover()
        assert isinstance(await s.end(session, ask), Done)


@pytest.mark.parametrize("method", ["history", "reserve"])
async def test_store_down_before_the_upstream(method: str) -> None:
    """A store that is gone before the upstream is asked ends the turn, and nothing is called."""
    async with stage() as s:
        session = await s.enter()
        await s.ask(session)
        s.cache.kept.clear()
        s.store.fail(method)
        error = the_error(await s.ask(session))
        assert error.code is Code.STORAGE_UNAVAILABLE
        assert error.turn_id is not None
        assert len(s.upstream.asked) == 1


async def test_crash_while_storing() -> None:
    """A bug in the store refuses the question with `internal`, and the next one works."""
    async with stage() as s:
        session = await s.enter()
        s.store.fail("accept_turn", calls=1, error=RuntimeError("a bug"))
        assert the_error(await s.ask(session)).code is Code.INTERNAL
        assert isinstance(await s.end(session), Done)


class BrokenTokenizer(CountingTokenizer):
    """Breaks at one text."""

    def count(self, text: str) -> int:
        """Return the number of words."""
        if "boom" in text:
            raise RuntimeError
        return super().count(text)


async def test_crash_while_settling() -> None:
    """A bug after the answer still ends the turn with one frame."""
    async with stage(["boom", STOP], tokenizer=BrokenTokenizer()) as s:
        session = await s.enter()
        assert the_error(await s.ask(session)).code is Code.INTERNAL
        assert session.active is None


async def answered_without_a_store(s: Stage, session: LiveSession) -> list[TurnFrame]:
    """Return the frames of a turn whose store goes away while it is answered."""
    gate = asyncio.Event()
    s.upstream.scripts = [[gate, *FINE]]
    asking = asyncio.create_task(s.ask(session))
    await idle()
    s.store.fail()
    gate.set()
    await idle()
    assert not asking.done()
    await pass_time(PATIENCE_SECONDS)
    return await asking


async def test_answer_is_done_without_a_store() -> None:
    """An answer that cannot be stored yet is done all the same, after the persister's patience."""
    async with stage() as s:
        session = await s.enter()
        seen = await answered_without_a_store(s, session)
        assert isinstance(end_of(seen), Done)
        assert [row.outcome for row in s.store.rows.values()] == [None]


async def test_answer_is_stored_later() -> None:
    """An answer that could not be stored is, once the store is back."""
    async with stage() as s:
        session = await s.enter()
        await answered_without_a_store(s, session)
        s.store.recover()
        await pass_time(RETRY_SECONDS)
        (row,) = s.store.rows.values()
        assert row.outcome is not None
        assert row.outcome.text == "Revenue rose."


async def test_next_question_waits_for_the_store() -> None:
    """A question asked before the last answer is stored is taken once that is."""
    async with stage() as s:
        session = await s.enter()
        await answered_without_a_store(s, session)
        s.upstream.scripts = [FINE]
        asking = asyncio.create_task(s.ask(session))
        await idle()
        assert not asking.done()
        s.store.recover()
        await pass_time(RETRY_SECONDS)
        assert isinstance(end_of(await asking), Done)


async def test_next_question_without_a_store() -> None:
    """A question is refused where the last answer stays away from the store; nothing is stored of it."""
    async with stage() as s:
        session = await s.enter()
        await answered_without_a_store(s, session)
        calls = len(s.store.calls)
        s.upstream.scripts = [FINE]
        asking = asyncio.create_task(s.ask(session))
        await idle()
        await pass_time(UNSAVED_SECONDS)
        assert the_error(await asking).code is Code.STORAGE_UNAVAILABLE
        assert set(s.store.calls[calls:]) <= {"finish_turn"}


async def test_unsaved_answer_is_not_cached() -> None:
    """A cache never knows of an answer before the store does."""
    async with stage() as s:
        session = await s.enter()
        await answered_without_a_store(s, session)
        assert session.id not in s.cache.kept
