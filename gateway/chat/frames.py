"""Every frame of `chatgw.v1` as a Struct, with `parse` and `encode`; no I/O."""

from datetime import datetime
from enum import StrEnum, unique
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from gateway.chat.codes import Code, Scope
from gateway.chat.errors import InvalidFrame
from gateway.chat.records import ContextSource, CostSource, FinishReason, TurnState, Usage

SUBPROTOCOL = "chatgw.v1"
FRAME_BYTES = 65_536
# Postgres text cannot hold NUL; refused here, at the edge, it never becomes an error of the store.
Text = Annotated[str, Meta(pattern=r"\A[^\x00]*\Z")]
Name = Annotated[str, Meta(max_length=200, pattern=r"\A[^\x00]*\Z")]


@unique
class StatusState(StrEnum):
    """What a turn without content is doing."""

    WAITING = "waiting"
    SLOW = "slow"
    RETRYING = "retrying"


@unique
class NoticeCode(StrEnum):
    """What a notice is about."""

    DRAINING = "draining"
    BUDGET_LOW = "budget_low"


@unique
class BudgetName(StrEnum):
    """Which budget is nearly used up."""

    SESSION = "session"
    DAY = "day"


class ClientFrame(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=str.lower):
    """What a client may send; unknown fields are ignored."""


class Hello(ClientFrame, frozen=True, kw_only=True):
    """Open a session, or come back to one."""

    session: Name | None = None
    report_id: Name | None = None
    locale: Name | None = None
    traceparent: Name | None = None


class Ask(ClientFrame, frozen=True, kw_only=True, tag="message"):
    """Ask a question; the same `id` again is the same question."""

    id: UUID
    text: Text
    regenerate_of: UUID | None = None


class Cancel(ClientFrame, frozen=True, kw_only=True):
    """Stop a turn."""

    turn_id: UUID


class Resume(ClientFrame, frozen=True, kw_only=True):
    """Follow a turn from position `after`."""

    turn_id: UUID
    after: Annotated[int, Meta(ge=0)]


class Ping(ClientFrame, frozen=True, kw_only=True):
    """Ask for a `pong`."""

    id: Name | None = None


AnyClientFrame = Hello | Ask | Cancel | Resume | Ping


class ServerFrame(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag_field="type",
    tag=str.lower,
    omit_defaults=True,
):
    """What the gateway sends; a field left at its default is left out."""


class ReportInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The report of a session."""

    id: str
    headline: str
    summary: str


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a client must stay within."""

    message_chars: int
    frame_bytes: int
    turn_seconds: float
    history_messages: int


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """Money as decimal strings, in dollars."""

    request_usd: str
    session_usd: str
    session_spent_usd: str


class ActiveTurn(msgspec.Struct, frozen=True):
    """The turn that is running."""

    turn_id: UUID


class ContextReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """What the prompt held, and what did not fit."""

    source: ContextSource
    messages: int
    dropped: int
    input_tokens: int
    report_id: str | None


class Accept(ServerFrame, frozen=True, kw_only=True, tag="accepted"):
    """A question was taken; `text` is the question, for viewers who did not ask it."""

    id: UUID
    turn_id: UUID
    duplicate: bool
    context: ContextReceipt
    shortened: bool
    text: str
    regenerate_of: UUID | None = None


class Status(ServerFrame, frozen=True, kw_only=True):
    """A sign of life before content."""

    turn_id: UUID
    state: StatusState
    retry_in_ms: int | None = None


class Delta(ServerFrame, frozen=True, kw_only=True, rename={"from_": "from"}):
    """Pieces `from_ + 1` to `to` of an answer."""

    turn_id: UUID
    from_: int
    to: int
    text: str


class Snapshot(ServerFrame, frozen=True, kw_only=True):
    """The whole answer up to piece `to`; replaces everything shown of it."""

    turn_id: UUID
    to: int
    text: str


class Done(ServerFrame, frozen=True, kw_only=True):
    """The good end of a turn."""

    turn_id: UUID
    to: int
    finish_reason: FinishReason
    usage: Usage
    cost_usd: str
    cost_source: CostSource
    model: str
    ttft_ms: int | None
    total_ms: int
    shortened: bool
    budget: Budget
    trace_id: str


class Error(ServerFrame, frozen=True, kw_only=True):
    """A refusal, or the bad end of a turn; never carries an exception's text."""

    scope: Scope
    code: Code
    message: str
    retryable: bool
    trace_id: str
    retry_after_ms: int | None = None
    id: UUID | None = None
    turn_id: UUID | None = None
    to: int | None = None
    usage: Usage | None = None
    cost_usd: str | None = None
    cost_source: CostSource | None = None
    partial: bool | None = None
    budget: Budget | None = None


class Notice(ServerFrame, frozen=True, kw_only=True):
    """Something the reader should know that ends nothing."""

    code: NoticeCode
    budget: BudgetName | None = None


class Pong(ServerFrame, frozen=True, kw_only=True):
    """The answer to `ping`."""

    id: str | None = None


class TurnView(msgspec.Struct, frozen=True, kw_only=True):
    """A stored turn as a client sees it; `end` is its `done` or `error`, None while it runs."""

    turn_id: UUID
    id: UUID
    n: int
    question: str
    text: str
    to: int
    state: TurnState
    asked_at: datetime
    end: Done | Error | None
    regenerate_of: UUID | None = None


class Ready(ServerFrame, frozen=True, kw_only=True):
    """The session is open; `turns` are the last stored ones that fit a frame, oldest first."""

    session: str
    session_id: UUID
    report: ReportInfo | None
    model: str
    simulated: bool
    key_configured: bool
    limits: Limits
    budget: Budget
    suggestions: tuple[str, ...]
    turns: tuple[TurnView, ...]
    active_turn: ActiveTurn | None


AnyServerFrame = Ready | Accept | Status | Delta | Snapshot | Done | Error | Notice | Pong
# The two frames that end a turn, and all that may come before.
End = Done | Error
TurnFrame = Accept | Status | Delta | Snapshot | End

_decoder: msgspec.json.Decoder[AnyClientFrame] = msgspec.json.Decoder(AnyClientFrame)
_encoder = msgspec.json.Encoder()


def parse(data: str | bytes) -> AnyClientFrame:
    """Return the client frame in `data`.

    Raises `InvalidFrame` for anything else: not JSON, nested past the recursion limit, an integer of
    5,000 digits, a lone surrogate, NUL in a text, an unknown type. The cause is dropped on purpose:
    it quotes what was sent.
    """
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise InvalidFrame from None


def encode(frame: msgspec.Struct) -> bytes:
    """Return a server frame, or a part of one, as UTF-8 JSON."""
    return _encoder.encode(frame)
