"""How a turn looks as a row of Postgres."""

# ruff: noqa: S608 (only our own column names and constants are put into a text)

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from gateway.backends.postgres import Row
from gateway.chat.codes import Code
from gateway.chat.records import (
    CostSource,
    FinishReason,
    Outcome,
    Partial,
    StoredTurn,
    TurnState,
    Usage,
)


class TurnRow(NamedTuple):
    """The columns of `turns` that a `StoredTurn` is made of, and `lost`."""

    id: UUID
    client_id: UUID
    number: int
    state: str
    question: str
    regenerate_of: UUID | None
    model: str
    trace_id: str
    answer: str
    answer_tokens: int
    pieces: int
    finish_reason: str | None
    error_code: str | None
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost_nano: int
    cost_source: str
    ttft_ms: int | None
    total_ms: int
    shortened: bool
    asked_at: datetime
    # Nobody has marked it, but its lease has expired: as good as interrupted.
    lost: bool


LOST = "(state IN ('accepted', 'streaming') AND lease_until < now())"
# It will be settled at what was set aside, so it is told so from the start.
COST = f"CASE WHEN {LOST} THEN reserved_nano ELSE cost_nano END"
COLUMNS = ", ".join(TurnRow._fields[:-1]).replace("cost_nano", COST)
SELECT_TURN = f"SELECT {COLUMNS}, {LOST} FROM turns"


def stored_turn(values: Row) -> StoredTurn:
    """Return the turn of a row that `SELECT_TURN` selected."""
    row = TurnRow(*values)
    state = TurnState.INTERRUPTED if row.lost else TurnState(row.state)
    running = state in (TurnState.ACCEPTED, TurnState.STREAMING)
    return StoredTurn(
        id=row.id,
        client_id=row.client_id,
        number=row.number,
        question=row.question,
        state=state,
        asked_at=row.asked_at,
        regenerate_of=row.regenerate_of,
        partial=Partial(turn_id=row.id, text=row.answer, pieces=row.pieces),
        outcome=None if running else _outcome(row, state),
    )


def _outcome(row: TurnRow, state: TurnState) -> Outcome:
    code = Code.INTERRUPTED if row.lost else row.error_code and Code(row.error_code)
    return Outcome(
        state=state,
        text=row.answer,
        pieces=row.pieces,
        model=row.model,
        trace_id=row.trace_id,
        finish_reason=FinishReason(row.finish_reason) if row.finish_reason else None,
        code=code or None,
        answer_tokens=row.answer_tokens,
        usage=Usage(
            input_tokens=row.input_tokens,
            cached_tokens=row.cached_tokens,
            output_tokens=row.output_tokens,
            reasoning_tokens=row.reasoning_tokens,
        ),
        cost_nano=row.cost_nano,
        cost_source=CostSource(row.cost_source),
        ttft_ms=row.ttft_ms,
        total_ms=row.total_ms,
        shortened=row.shortened,
    )
