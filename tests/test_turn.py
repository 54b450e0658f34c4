"""A turn as its viewers see it: what was taken, what comes, and exactly one end."""

import asyncio
from uuid import uuid4

import msgspec

from gateway.chat.answer import Progress
from gateway.chat.codes import Code, Locale, Scope
from gateway.chat.errors import Busy, MessageTooLong
from gateway.chat.frames import (
    Accept,
    ContextReceipt,
    Delta,
    Done,
    Error,
    Snapshot,
    Status,
    StatusState,
)
from gateway.chat.records import (
    ContextSource,
    CostSource,
    FinishReason,
    Outcome,
    Partial,
    TurnState,
)
from gateway.chat.turn import Turn, end_frame, refusal, stored_turn, turn_view
from tests.builders import TRACE_ID, USAGE, a_budget, a_stored_turn, a_turn, an_outcome
from tests.fakes import idle
from tests.stage import end_of, follow

FAILED = an_outcome(state=TurnState.FAILED, finish_reason=None, code=Code.STALLED)


def taken(turn: Turn) -> Accept:
    """Return the frame that says that `turn` was taken."""
    return Accept(
        id=turn.client_id,
        turn_id=turn.id,
        duplicate=False,
        context=ContextReceipt(
            source=ContextSource.NONE, messages=0, dropped=0, input_tokens=1, report_id=None
        ),
        shortened=False,
        text="Why?",
    )


def end(turn: Turn, outcome: Outcome | None = None) -> Done | Error:
    """Return the frame that ends `turn`."""
    return end_frame(
        turn.id,
        outcome or an_outcome(),
        client_id=turn.client_id,
        locale=Locale.EN,
        budget=a_budget(),
    )


async def test_viewer_waits_until_the_question_is_taken() -> None:
    """Whoever asks whether a turn was taken waits until that is known."""
    turn = a_turn()
    asking = asyncio.create_task(turn.accepted())
    await idle()
    assert not asking.done()
    turn.open(taken(turn))
    assert await asking == taken(turn)


async def test_duplicate_is_marked() -> None:
    """Who asked the same again is told so; the others are not."""
    turn = a_turn()
    turn.open(taken(turn))
    accept = taken(turn)
    assert await turn.accepted(duplicate=True) == msgspec.structs.replace(accept, duplicate=True)
    assert await turn.accepted() == accept


async def test_refused_turn_was_not_taken() -> None:
    """A turn that is refused has only an end."""
    turn = a_turn()
    error = refusal(Busy(), locale=Locale.EN, trace_id=TRACE_ID)
    turn.close(error)
    assert (await turn.accepted(duplicate=True), await follow(turn)) == (None, [error])


async def test_frames_come_in_order() -> None:
    """A viewer sees progress, then text, then the end."""
    turn = a_turn()
    viewing = asyncio.create_task(follow(turn))
    turn.open(taken(turn))
    turn.answer.report(Progress(StatusState.RETRYING, retry_in_ms=500))
    await idle()
    turn.answer.append("Revenue")
    await idle()
    turn.close(end(turn))
    assert await viewing == [
        Status(turn_id=turn.id, state=StatusState.RETRYING, retry_in_ms=500),
        Delta(turn_id=turn.id, from_=0, to=1, text="Revenue"),
        end(turn),
    ]


async def test_viewer_from_nowhere_gets_a_snapshot() -> None:
    """A viewer whose position the answer does not know gets all of it, then the end."""
    turn = a_turn()
    turn.open(taken(turn))
    turn.answer.append("Revenue")
    turn.close(end(turn))
    assert await follow(turn, after=7) == [
        Snapshot(turn_id=turn.id, to=1, text="Revenue"),
        end(turn),
    ]


async def test_stored_turn_is_followed_like_one_that_runs() -> None:
    """A turn of the store gives its text as a snapshot, and its end."""
    stored = a_stored_turn()
    turn = stored_turn(stored, locale=Locale.EN, budget=a_budget())
    assert await follow(turn) == [
        Snapshot(turn_id=stored.id, to=2, text="Revenue rose."),
        end(turn),
    ]


async def test_stored_turn_seen_to_its_end_has_only_that() -> None:
    """A viewer that has all the text of a stored turn gets just the end."""
    turn = stored_turn(a_stored_turn(), locale=Locale.EN, budget=a_budget())
    assert await follow(turn, after=2) == [end(turn)]


async def test_stored_turn_was_taken_before() -> None:
    """A turn of the store says that it is a duplicate, with its question."""
    stored = a_stored_turn(question="Why so?")
    accept = await stored_turn(stored, locale=Locale.EN, budget=a_budget()).accepted()
    assert accept is not None
    assert (accept.id, accept.turn_id) == (stored.client_id, stored.id)
    assert (accept.duplicate, accept.text) == (True, "Why so?")


async def test_stored_turn_that_runs_has_no_end_yet() -> None:
    """A turn that runs elsewhere is followed from what is stored of it, without an end."""
    partial = Partial(turn_id=uuid4(), text="Revenue", pieces=1)
    running = a_stored_turn(state=TurnState.STREAMING, partial=partial, outcome=None)
    turn = stored_turn(running, locale=Locale.EN, budget=a_budget())
    viewing = asyncio.create_task(follow(turn))
    await idle()
    assert (viewing.done(), turn.end) == (False, None)
    turn.close(end(turn))
    assert await viewing == [Snapshot(turn_id=turn.id, to=1, text="Revenue"), end(turn)]


async def test_turn_may_stand_for_another() -> None:
    """A turn the store turned out to hold is that one for whoever waits, as a duplicate."""
    turn = a_turn()
    viewing = asyncio.create_task(follow(turn))
    await idle()
    other = stored_turn(a_stored_turn(), locale=Locale.EN, budget=a_budget())
    turn.become(other)
    assert turn.end == other.end
    assert await viewing == await follow(other)
    assert await turn.accepted() == await other.accepted(duplicate=True)


def test_done_tells_the_outcome() -> None:
    """The good end tells how, what was used, what it cost and how long it took."""
    turn = a_turn()
    assert end(turn) == Done(
        turn_id=turn.id,
        to=2,
        finish_reason=FinishReason.STOP,
        usage=USAGE,
        cost_usd="0.000018",
        cost_source=CostSource.REPORTED,
        model="sim-test",
        ttft_ms=250,
        total_ms=1500,
        shortened=False,
        budget=a_budget(),
        trace_id=TRACE_ID,
    )


def test_error_tells_the_outcome() -> None:
    """The bad end tells why, what it cost all the same, what is left, and that there is text."""
    turn = a_turn()
    assert end(turn, FAILED) == Error(
        scope=Scope.TURN,
        code=Code.STALLED,
        message="The answer stopped midway. Please try again.",
        retryable=True,
        trace_id=TRACE_ID,
        id=turn.client_id,
        turn_id=turn.id,
        to=2,
        usage=USAGE,
        cost_usd="0.000018",
        cost_source=CostSource.REPORTED,
        partial=True,
        budget=a_budget(),
    )


def test_error_without_text_is_not_partial() -> None:
    """An error before any text says that there is none."""
    frame = end(a_turn(), msgspec.structs.replace(FAILED, text="", pieces=0))
    assert isinstance(frame, Error)
    assert frame.partial is False


def test_error_passes_on_when_to_retry() -> None:
    """A retry time that somebody gave is told."""
    frame = end(a_turn(), msgspec.structs.replace(FAILED, retry_after_ms=3000))
    assert isinstance(frame, Error)
    assert frame.retry_after_ms == 3000


def test_refusal_speaks_the_readers_language() -> None:
    """A refusal is told in the session's language, with its numbers."""
    error = refusal(MessageTooLong(limit=20), locale=Locale.KO, trace_id=TRACE_ID)
    assert error.message == "메시지가 너무 깁니다 (최대 20자)."
    assert (error.scope, error.code, error.turn_id) == (Scope.FRAME, Code.MESSAGE_TOO_LONG, None)
    assert error.budget is None


def test_view_of_an_ended_turn() -> None:
    """A stored turn is shown with its text and its end."""
    stored = a_stored_turn()
    view = turn_view(stored, locale=Locale.EN, budget=a_budget())
    turn = stored_turn(stored, locale=Locale.EN, budget=a_budget())
    assert (view.turn_id, view.id, view.n) == (stored.id, stored.client_id, 1)
    assert (view.question, view.text, view.to) == ("Why?", "Revenue rose.", 2)
    assert (view.state, view.end) == (TurnState.ANSWERED, end_of([end(turn)]))


def test_view_of_a_running_turn() -> None:
    """A turn that runs is shown with what is stored of it, and without an end."""
    partial = Partial(turn_id=uuid4(), text="Revenue", pieces=1)
    stored = a_stored_turn(state=TurnState.STREAMING, partial=partial, outcome=None)
    view = turn_view(stored, locale=Locale.EN, budget=a_budget())
    assert (view.text, view.to, view.end) == ("Revenue", 1, None)


def test_turn_holds_what_its_answer_holds() -> None:
    """Whether a viewer can be given only what comes after its position is up to the answer."""
    turn = a_turn()
    turn.answer.append("Revenue")
    assert (turn.holds(1), turn.holds(2)) == (True, False)
