"""A question becomes a turn: taken once, answered in order, stored, and stopped when told."""

import asyncio
from uuid import uuid4

import msgspec
import pytest

from gateway.chat.codes import Code
from gateway.chat.errors import Busy, EmptyMessage, MessageTooLong, UnknownTurn
from gateway.chat.frames import Accept, Delta, Done, Error, Status, StatusState
from gateway.chat.records import CostSource, FinishReason, TurnState
from tests.builders import FINE, STOP, TRACE_ID, TRACEPARENT, USAGE, a_new_turn, an_ask
from tests.fakes import HANG, idle
from tests.stage import accept_of, end_of, frames, stage


async def test_frames_come_in_order() -> None:
    """A question is taken, waited for, answered in pieces, and done."""
    async with stage() as s:
        session, ask = await s.enter(), an_ask()
        accepted, waiting, first, second, done = await s.ask(session, ask)
        assert isinstance(accepted, Accept)
        turn_id = accepted.turn_id
        assert (accepted.id, accepted.text, accepted.duplicate) == (ask.id, ask.text, False)
        assert waiting == Status(turn_id=turn_id, state=StatusState.WAITING)
        assert first == Delta(turn_id=turn_id, from_=0, to=1, text="Revenue ")
        assert second == Delta(turn_id=turn_id, from_=1, to=2, text="rose.")
        assert isinstance(done, Done)
        assert (done.turn_id, done.to, done.finish_reason) == (turn_id, 2, FinishReason.STOP)


async def test_done_tells_what_it_cost() -> None:
    """The end tells the usage the upstream reported, its price, and the budget after it."""
    async with stage() as s:
        done = await s.end(await s.enter())
        assert isinstance(done, Done)
        assert (done.usage, done.cost_source) == (USAGE, CostSource.REPORTED)
        assert (done.cost_usd, done.budget.session_spent_usd) == ("0.000018", "0.000018")


async def test_done_tells_how_long_it_took() -> None:
    """The end tells the time to the first content and to the end, in milliseconds."""
    gates = asyncio.Event(), asyncio.Event()
    async with stage([gates[0], "Revenue", gates[1], STOP]) as s:
        asking = asyncio.create_task(s.end(await s.enter()))
        for gate in gates:
            await idle()
            s.clock.advance(1.5)
            gate.set()
        done = await asking
        assert isinstance(done, Done)
        assert (done.ttft_ms, done.total_ms) == (1500, 3000)


async def test_answer_is_stored() -> None:
    """Once a turn is done the store has its question and its answer."""
    async with stage() as s:
        session = await s.enter()
        done = await s.end(session, an_ask("Why so?"))
        (row,) = s.store.rows.values()
        assert row.turn.id == done.turn_id
        assert (row.turn.question.text, row.turn.question.tokens) == ("Why so?", 2)
        assert row.outcome is not None
        assert (row.outcome.state, row.outcome.text) == (TurnState.ANSWERED, "Revenue rose.")


async def test_trace_is_the_clients() -> None:
    """The end, the store and the upstream all carry the trace of the client's `traceparent`."""
    async with stage() as s:
        done = await s.end(await s.enter(), traceparent=TRACEPARENT)
        (row,) = s.store.rows.values()
        assert (done.trace_id, row.turn.trace_id) == (TRACE_ID, TRACE_ID)
        assert TRACE_ID in s.upstream.asked[0].traceparent


async def test_each_turn_has_a_trace_of_its_own() -> None:
    """Without a `traceparent` two turns are two traces."""
    async with stage() as s:
        session = await s.enter()
        assert (await s.end(session)).trace_id != (await s.end(session)).trace_id


@pytest.mark.parametrize("text", ["", " ", "\n\t ", "\u3000"])
async def test_blank_question_is_refused(text: str) -> None:
    """A question without a visible character costs nothing and is not stored."""
    async with stage() as s:
        session = await s.enter()
        with pytest.raises(EmptyMessage):
            s.service.handle_message(session, an_ask(text))
        assert (session.active, s.store.rows) == (None, {})


async def test_long_question_is_refused() -> None:
    """A question over the limit is refused with the limit, one of just the limit is not."""
    async with stage(message_chars=5) as s:
        session = await s.enter()
        with pytest.raises(MessageTooLong) as refused:
            s.service.handle_message(session, an_ask("매출은왜요"[:5] + "?"))
        assert refused.value.limit == 5
        assert isinstance(await s.end(session, an_ask("매출은왜요")), Done)


async def test_another_question_meanwhile_is_busy() -> None:
    """A session answers one question at a time; the running one is not disturbed."""
    gate = asyncio.Event()
    async with stage([gate, *FINE]) as s:
        session = await s.enter()
        turn = s.service.handle_message(session, an_ask()).turn
        with pytest.raises(Busy):
            s.service.handle_message(session, an_ask())
        gate.set()
        assert isinstance(end_of(await frames(turn)), Done)
        assert isinstance(await s.end(session), Done)


async def test_sessions_do_not_wait_for_each_other() -> None:
    """Each session has its own running turn."""
    async with stage([HANG], FINE) as s:
        s.service.handle_message(await s.enter(), an_ask())
        await idle()
        assert isinstance(await s.end(await s.enter()), Done)


async def test_running_elsewhere_is_busy() -> None:
    """A turn of the session that another process runs refuses the question, as a frame's error."""
    async with stage() as s:
        session = await s.enter()
        await s.store.accept_turn(a_new_turn(session.id))
        ask = an_ask()
        (error,) = await s.ask(session, ask)
        assert isinstance(error, Error)
        assert (error.code, error.id, error.turn_id) == (Code.BUSY, ask.id, None)
        assert session.active is None


async def test_same_question_while_it_runs() -> None:
    """The same id again while its turn runs is that turn, and no second call."""
    gate = asyncio.Event()
    async with stage([gate, *FINE]) as s:
        session, ask = await s.enter(), an_ask()
        first = s.service.handle_message(session, ask)
        again = s.service.handle_message(session, ask)
        assert again.turn is first.turn
        assert (first.duplicate, again.duplicate) == (False, True)
        gate.set()
        assert isinstance(end_of(await frames(first.turn)), Done)
        assert len(s.upstream.asked) == 1


async def test_same_question_after_its_end() -> None:
    """The same id after its turn has ended is told again from the store, and no second call."""
    async with stage() as s:
        session, ask = await s.enter(), an_ask()
        first = await s.ask(session, ask)
        again = await s.ask(session, ask)
        assert accept_of(again).turn_id == accept_of(first).turn_id
        assert accept_of(again).duplicate
        assert end_of(again) == end_of(first)
        assert (len(s.upstream.asked), len(s.store.rows)) == (1, 1)


async def test_cancel_keeps_what_came() -> None:
    """A cancelled turn ends with `done`, and its text so far is kept."""
    async with stage(["Revenue ", "rose", HANG]) as s:
        session = await s.enter()
        turn = s.service.handle_message(session, an_ask()).turn
        await idle()
        await s.service.cancel(session, turn.id)
        done = end_of(await frames(turn))
        assert isinstance(done, Done)
        assert (done.finish_reason, done.to) == (FinishReason.CANCELLED, 2)
        outcome = s.store.rows[turn.id].outcome
        assert outcome is not None
        assert (outcome.state, outcome.text) == (TurnState.CANCELLED, "Revenue rose")


async def test_cancel_closes_the_upstream() -> None:
    """A cancelled turn leaves no stream open, and what came is charged as estimated."""
    async with stage(["Revenue", HANG]) as s:
        session = await s.enter()
        turn = s.service.handle_message(session, an_ask()).turn
        await idle()
        await s.service.cancel(session, turn.id)
        done = end_of(await frames(turn))
        assert isinstance(done, Done)
        assert (done.cost_source, done.usage.output_tokens) == (CostSource.ESTIMATED, 1)
        assert s.upstream.closed == 1


async def test_cancel_before_the_upstream_is_asked() -> None:
    """A turn cancelled while it is being stored ends as cancelled, and costs nothing."""
    async with stage([HANG]) as s:
        session = await s.enter()
        stored = s.store.hold("accept_turn")
        turn = s.service.handle_message(session, an_ask()).turn
        await idle()
        await s.service.cancel(session, turn.id)
        stored.set()
        done = end_of(await frames(turn))
        assert isinstance(done, Done)
        assert (done.finish_reason, done.cost_usd) == (FinishReason.CANCELLED, "0.00")


async def test_cancelling_an_ended_turn_is_nothing() -> None:
    """A turn that has ended stays as it ended."""
    async with stage() as s:
        session = await s.enter()
        turn = s.service.handle_message(session, an_ask()).turn
        before = await frames(turn)
        await s.service.cancel(session, turn.id)
        assert end_of(await frames(turn)) == end_of(before)


async def test_cancelling_an_unknown_turn() -> None:
    """A turn nobody knows, or of another session, cannot be cancelled."""
    async with stage([HANG]) as s:
        session, stranger = await s.enter(), await s.enter()
        turn = s.service.handle_message(session, an_ask()).turn
        await idle()
        for turn_id in (uuid4(), turn.id):
            with pytest.raises(UnknownTurn):
                await s.service.cancel(stranger, turn_id)
        assert session.active is not None


async def test_next_question_sees_the_conversation() -> None:
    """The next prompt holds the report, what was said before, and the question."""
    async with stage() as s:
        session = await s.enter()
        await s.ask(session, an_ask("One?"))
        accepted = accept_of(await s.ask(session, an_ask("Two?")))
        texts = [message.text for message in s.upstream.asked[1].messages]
        assert "Revenue rose by a tenth." in texts[0]
        assert texts[1:] == ["One?", "Revenue rose.", "Two?"]
        assert (accepted.context.source, accepted.context.messages) == ("cache", 2)
        assert accepted.context.report_id == "r1"


async def test_question_about_no_report() -> None:
    """A session without a report says so in its receipt."""
    async with stage() as s:
        accepted = accept_of(await s.ask(await s.enter(report_id=None)))
        assert msgspec.to_builtins(accepted.context)["report_id"] is None


async def test_pending_answers_are_counted() -> None:
    """An answer that is not stored yet is counted as pending."""
    async with stage() as s:
        s.store.fail("finish_turn")
        session = await s.enter()
        await s.ask(session)
        assert s.service.pending == 1
        s.store.recover()
