"""The usual values of the tests."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec

from gateway.chat.answer import Answer
from gateway.chat.frames import Ask, Budget
from gateway.chat.guard import Deadlines
from gateway.chat.planning import Plan
from gateway.chat.pricing import Price
from gateway.chat.reading import Reading
from gateway.chat.records import (
    Chunk,
    CostSource,
    Exchange,
    FinishReason,
    Message,
    NewTurn,
    Outcome,
    Partial,
    Prompt,
    ReportSnapshot,
    Role,
    StoredTurn,
    TurnState,
    Usage,
)
from gateway.chat.records import ContextSource as Source
from gateway.chat.rules import Rules
from gateway.chat.trace import Trace
from gateway.chat.turn import Turn
from tests.fakes import (
    FakeClock,
    Step,
)

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"
STOP = Chunk(finish_reason=FinishReason.STOP)
USAGE = Usage(input_tokens=100, cached_tokens=40, output_tokens=10)
# The script of an upstream at which nothing goes wrong.
FINE: tuple[Step, ...] = ("Revenue ", "rose.", Chunk(finish_reason=FinishReason.STOP, usage=USAGE))


def rules(**changes: Any) -> Rules:
    """Return the rules of the tests, with `changes`."""
    usual = Rules(
        model="sim-test",
        price=Price(input_nano=150, cached_input_nano=75, output_nano=600),
        context_tokens=128_000,
        simulated=True,
        key_configured=True,
        max_output_tokens=100,
        min_output_tokens=10,
        message_chars=200,
        messages_per_minute=1000,
        slow_notice_seconds=2,
        first_chunk_seconds=20,
        stall_seconds=15,
        turn_seconds=120,
        history_messages=20,
        history_tokens=6000,
        grace_seconds=30,
        checkpoint_seconds=0.001,
        request_nano=50_000_000,
        session_nano=1_000_000_000,
        day_nano=50_000_000_000,
    )
    return msgspec.structs.replace(usual, **changes)


def a_report(**changes: Any) -> ReportSnapshot:
    """Return a report."""
    usual = ReportSnapshot(
        id="r1",
        headline="Saesol's second quarter",
        summary="Revenue rose by a tenth.",
        figures="| revenue | 10 |",
        suggestions=("Why did revenue rise?",),
    )
    return msgspec.structs.replace(usual, **changes)


def an_ask(text: str = "Why did revenue rise?", **changes: Any) -> Ask:
    """Return a question with an id of its own."""
    return msgspec.structs.replace(Ask(id=uuid4(), text=text), **changes)


def a_message(text: str, *, role: Role = Role.USER, tokens: int | None = None) -> Message:
    """Return a message, by default of a token a word."""
    return Message(role, text, len(text.split()) if tokens is None else tokens)


def an_exchange(
    question: str = "Why?", answer: str = "Therefore.", *, turn_id: UUID | None = None
) -> Exchange:
    """Return a past question and its answer."""
    return Exchange(
        turn_id=turn_id or uuid4(),
        question=a_message(question),
        answer=a_message(answer, role=Role.ASSISTANT),
    )


def a_prompt(**changes: Any) -> Prompt:
    """Return a prompt of 30 tokens."""
    usual = Prompt(
        messages=(a_message("Answer.", role=Role.SYSTEM), a_message("Why?")),
        input_tokens=30,
        source=Source.NONE,
        history_messages=0,
        dropped=0,
    )
    return msgspec.structs.replace(usual, **changes)


def a_plan(**changes: Any) -> Plan:
    """Return a request of 30 tokens that no cap made shorter."""
    usual = Plan(prompt=a_prompt(), max_output_tokens=100, worst_nano=1_000_000)
    return msgspec.structs.replace(usual, **changes)


def a_new_turn(session_id: UUID, **changes: Any) -> NewTurn:
    """Return a question about to be stored."""
    usual = NewTurn(
        id=uuid4(),
        session_id=session_id,
        client_id=uuid4(),
        question=a_message("Why?"),
        regenerate_of=None,
        model="sim-test",
        trace_id=TRACE_ID,
        lease=15,
    )
    return msgspec.structs.replace(usual, **changes)


def an_outcome(**changes: Any) -> Outcome:
    """Return the outcome of a complete answer."""
    usual = Outcome(
        state=TurnState.ANSWERED,
        text="Revenue rose.",
        pieces=2,
        model="sim-test",
        trace_id=TRACE_ID,
        finish_reason=FinishReason.STOP,
        answer_tokens=2,
        usage=USAGE,
        cost_nano=18_000,
        cost_source=CostSource.REPORTED,
        ttft_ms=250,
        total_ms=1500,
    )
    return msgspec.structs.replace(usual, **changes)


def a_stored_turn(**changes: Any) -> StoredTurn:
    """Return a turn that was answered."""
    turn_id = uuid4()
    usual = StoredTurn(
        id=turn_id,
        client_id=uuid4(),
        number=1,
        question="Why?",
        state=TurnState.ANSWERED,
        asked_at=datetime(2026, 1, 2, tzinfo=UTC),
        partial=Partial(turn_id=turn_id, text="Revenue rose.", pieces=2),
        outcome=an_outcome(),
    )
    return msgspec.structs.replace(usual, **changes)


def a_budget() -> Budget:
    """Return a budget nothing was spent of."""
    return Budget(request_usd="0.05", session_usd="1.00", session_spent_usd="0.00")


def a_turn() -> Turn:
    """Return a turn that was neither taken nor refused yet."""
    return Turn(uuid4(), client_id=uuid4(), answer=Answer())


def deadlines(
    clock: FakeClock, *, turn: float = 120, first_chunk: float = 20, stall: float = 15
) -> Deadlines:
    """Return the deadlines of a turn that begins now."""
    return Deadlines(clock, turn=turn, first_chunk=first_chunk, stall=stall)


def a_reading(clock: FakeClock) -> Reading:
    """Return the reading of a turn that begins now."""
    return Reading(
        a_turn(),
        deadlines=deadlines(clock),
        trace=Trace.start(TRACEPARENT),
        model="sim-test",
    )
