"""A stored question is recalled for, afforded, answered and settled, whatever is left to spend."""

import asyncio
from typing import Any

import msgspec
import pytest

from gateway.chat.codes import Code
from gateway.chat.context import BRIEF
from gateway.chat.errors import UpstreamRejected
from gateway.chat.frames import BudgetName, Done, Error, Notice, NoticeCode, Status, StatusState
from gateway.chat.records import Chunk, ContextSource, CostSource, FinishReason, Usage
from tests.builders import FINE, STOP, an_ask
from tests.fakes import HANG, FakeViewer, idle
from tests.stage import Stage, accept_of, end_of, frames, stage

LENGTH = Chunk(finish_reason=FinishReason.LENGTH)


async def bare_tokens() -> int:
    """Return the tokens of the usual question's prompt, without any history."""
    async with stage() as s:
        return accept_of(await s.ask(await s.enter())).context.input_tokens


async def worth(output_tokens: int) -> int:
    """Return what the usual question costs with so many tokens in answer."""
    return await bare_tokens() * 150 + output_tokens * 600


def sent(s: Stage) -> list[str]:
    """Return what the upstream was last asked, without the system message."""
    return [message.text for message in s.upstream.asked[-1].messages[1:]]


async def test_too_dear_is_refused_before_any_call() -> None:
    """A question whose prompt alone passes the request's cap calls nothing and costs nothing."""
    async with stage(request_nano=await worth(0)) as s:
        session = await s.enter()
        error = await s.end(session)
        assert isinstance(error, Error)
        assert (error.code, error.cost_usd) == (Code.COST_CAP_REACHED, "0.00")
        assert (s.upstream.asked, session.spent_nano) == ([], 0)


async def test_request_cap_shortens() -> None:
    """A question too dear for a full answer gets a short one, which is asked for and marked."""
    async with stage(request_nano=await worth(60)) as s:
        seen = await s.ask(await s.enter(), an_ask())
        assert sent(s)[-1] == BRIEF
        assert 10 <= s.upstream.asked[0].max_output_tokens < 60
        done = end_of(seen)
        assert isinstance(done, Done)
        assert (accept_of(seen).shortened, done.shortened) == (True, True)


async def test_request_cap_cuts_off() -> None:
    """An answer that its cap cut off ends with the cap, and keeps its text."""
    async with stage(["Revenue", LENGTH], request_nano=await worth(60)) as s:
        error = await s.end(await s.enter())
        assert isinstance(error, Error)
        assert (error.code, error.partial) == (Code.COST_CAP_REACHED, True)


@pytest.mark.parametrize(
    ("budget", "code"),
    [
        ("session_nano", Code.SESSION_BUDGET_REACHED),
        ("day_nano", Code.DAILY_BUDGET_REACHED),
    ],
)
async def test_budget_shortens_and_cuts_off(budget: str, code: Code) -> None:
    """A budget with little left shortens the answer; one it cuts off ends with that budget."""
    changes: dict[str, Any] = {budget: await worth(60)}
    async with stage(["Revenue", LENGTH], **changes) as s:
        seen = await s.ask(await s.enter())
        error = end_of(seen)
        assert accept_of(seen).shortened
        assert isinstance(error, Error)
        assert (error.code, error.partial) == (code, True)


@pytest.mark.parametrize(
    ("budget", "code"),
    [
        ("session_nano", Code.SESSION_BUDGET_REACHED),
        ("day_nano", Code.DAILY_BUDGET_REACHED),
    ],
)
async def test_budget_used_up_refuses(budget: str, code: Code) -> None:
    """A budget with nothing left refuses before any call."""
    changes: dict[str, Any] = {budget: 0}
    async with stage(**changes) as s:
        error = await s.end(await s.enter())
        assert isinstance(error, Error)
        assert (error.code, error.retryable) == (code, False)
        assert s.upstream.asked == []


async def test_budget_of_the_day_is_everybodys() -> None:
    """What one session has set aside for the day another one cannot have."""
    async with stage([HANG], day_nano=await worth(110)) as s:
        s.service.handle_message(await s.enter(), an_ask())
        await idle()
        error = await s.end(await s.enter())
        assert isinstance(error, Error)
        assert error.code is Code.DAILY_BUDGET_REACHED


async def test_worst_case_is_set_aside() -> None:
    """While an answer streams the most it can cost is set aside."""
    async with stage(["Revenue", HANG]) as s:
        turn = s.service.handle_message(await s.enter(), an_ask()).turn
        await idle()
        assert s.store.rows[turn.id].reserved == await worth(100)


async def test_only_what_was_used_is_spent() -> None:
    """After the answer only its cost is spent, and the next one may have the rest."""
    async with stage(session_nano=await worth(200)) as s:
        session = await s.enter()
        for spent in ("0.000018", "0.000036"):
            done = await s.end(session)
            assert isinstance(done, Done)
            assert done.budget.session_spent_usd == spent


async def test_what_others_spent_counts() -> None:
    """What the session spent elsewhere meanwhile is in the budget after the next answer."""
    async with stage() as s:
        session = await s.enter()
        await s.ask(session)
        (row,) = s.store.rows.values()
        assert row.outcome is not None
        row.outcome = msgspec.structs.replace(row.outcome, cost_nano=1_000_000)
        done = await s.end(session)
        assert isinstance(done, Done)
        assert done.budget.session_spent_usd == "0.001018"


async def test_low_budget_is_told() -> None:
    """Viewers are told when an answer has used most of the session's budget."""
    usage = Usage(output_tokens=100)
    last = Chunk(finish_reason=FinishReason.STOP, usage=usage)
    async with stage(["Revenue", last], session_nano=await worth(100)) as s:
        viewer = FakeViewer()
        await s.end(await s.enter(viewer, locale="en"))
        low = Notice(code=NoticeCode.BUDGET_LOW, budget=BudgetName.SESSION)
        assert viewer.notices == ([low] if await worth(100) * 4 <= 60_000 * 5 else [])


async def test_upstream_that_bills_too_much() -> None:
    """An upstream that reports more than was set aside does not get more."""
    last = Chunk(finish_reason=FinishReason.STOP, usage=Usage(output_tokens=10_000))
    async with stage(["Revenue", last]) as s:
        session = await s.enter()
        await s.ask(session)
        assert session.spent_nano == await worth(100)


async def test_upstream_that_reports_nothing() -> None:
    """An answer without usage is counted, and marked as estimated."""
    async with stage(["Revenue rose.", STOP]) as s:
        done = await s.end(await s.enter())
        assert isinstance(done, Done)
        assert done.cost_source is CostSource.ESTIMATED
        assert done.usage == Usage(input_tokens=await bare_tokens(), output_tokens=2)


async def test_slow_answer_is_admitted() -> None:
    """A reader without content after two seconds is told that the answer is slow."""
    async with stage([HANG]) as s:
        session = await s.enter()
        turn = s.service.handle_message(session, an_ask()).turn
        viewing = asyncio.create_task(frames(turn))
        await idle()
        s.clock.advance(2)
        await idle()
        await s.service.cancel(session, turn.id)
        states = [frame.state for frame in await viewing if isinstance(frame, Status)]
        assert states == [StatusState.WAITING, StatusState.SLOW]


async def test_answer_in_time_is_not_slow() -> None:
    """A reader that has content is never told that the answer is slow, and nothing stays armed."""
    async with stage(["Revenue", HANG]) as s:
        session = await s.enter()
        turn = s.service.handle_message(session, an_ask()).turn
        viewing = asyncio.create_task(frames(turn))
        await idle()
        s.clock.advance(3)
        await idle()
        await s.service.cancel(session, turn.id)
        states = [frame.state for frame in await viewing if isinstance(frame, Status)]
        assert (states, s.clock.armed) == ([StatusState.WAITING], 0)


async def test_history_from_the_store() -> None:
    """Where the cache has forgotten the store is asked, and the receipt says so."""
    async with stage() as s:
        session = await s.enter()
        await s.ask(session, an_ask("One?"))
        s.cache.kept.clear()
        context = accept_of(await s.ask(session, an_ask("Two?"))).context
        assert (context.source, context.messages) == (ContextSource.DATABASE, 2)
        assert sent(s) == ["One?", "Revenue rose.", "Two?"]


async def test_receipt_tells_what_was_dropped() -> None:
    """The receipt says how many messages did not fit."""
    async with stage(history_tokens=6) as s:
        session = await s.enter()
        await s.ask(session, an_ask("A question of quite some length?"))
        context = accept_of(await s.ask(session)).context
        assert (context.messages, context.dropped) == (1, 1)


async def test_question_without_an_answer_is_not_quoted() -> None:
    """A question that got no word in answer is left out of the next prompt."""
    async with stage([UpstreamRejected()], FINE) as s:
        session = await s.enter()
        for text in ("One?", "Two?", "Three?"):
            await s.ask(session, an_ask(text))
        assert sent(s) == ["Two?", "Revenue rose.", "Three?"]


async def test_partial_answer_is_quoted() -> None:
    """What came of a cancelled answer is part of the conversation."""
    async with stage(["Revenue", HANG], FINE) as s:
        session = await s.enter()
        turn = s.service.handle_message(session, an_ask("One?")).turn
        await idle()
        await s.service.cancel(session, turn.id)
        await frames(turn)
        await s.ask(session, an_ask("Two?"))
        assert sent(s) == ["One?", "Revenue", "Two?"]


@pytest.mark.parametrize("forgetful", [True, False])
async def test_answer_given_anew_replaces_the_old(forgetful: bool) -> None:
    """A question asked anew is answered without its old answer, which is quoted no more."""
    async with stage() as s:
        session = await s.enter()
        old = accept_of(await s.ask(session, an_ask("One?"))).turn_id
        if forgetful:
            s.cache.kept.clear()
        seen = await s.ask(session, an_ask("One?", regenerate_of=old))
        assert sent(s) == ["One?"]
        assert accept_of(seen).regenerate_of == old
        if forgetful:
            s.cache.kept.clear()
        await s.ask(session, an_ask("Two?"))
        assert sent(s) == ["One?", "Revenue rose.", "Two?"]


@pytest.mark.parametrize("forgetful", [True, False])
async def test_answer_that_was_not_replaced_stays(forgetful: bool) -> None:
    """Where asking anew fails the old answer is still part of the conversation."""
    async with stage(FINE, [UpstreamRejected()], FINE) as s:
        session = await s.enter()
        old = accept_of(await s.ask(session, an_ask("One?"))).turn_id
        await s.ask(session, an_ask("One?", regenerate_of=old))
        if forgetful:
            s.cache.kept.clear()
        await s.ask(session, an_ask("Two?"))
        assert sent(s) == ["One?", "Revenue rose.", "Two?"]
