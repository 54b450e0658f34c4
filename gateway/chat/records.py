"""The values that cross the ports: what is stored, cached, sent upstream and told at a turn's end."""

from datetime import datetime
from enum import StrEnum, unique
from typing import Annotated, Self
from uuid import UUID

import msgspec

from gateway.chat.codes import Code
from gateway.chat.errors import Permanent


@unique
class Role(StrEnum):
    """Who speaks in a prompt (OpenAI chat completions)."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


@unique
class TurnState(StrEnum):
    """The life of a turn: accepted, streaming, then one of the four ends."""

    ACCEPTED = "accepted"
    STREAMING = "streaming"
    ANSWERED = "answered"
    CANCELLED = "cancelled"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@unique
class FinishReason(StrEnum):
    """Why an answer ended well, as `done` says it."""

    STOP = "stop"
    LENGTH = "length"
    CONTENT_FILTER = "content_filter"
    CANCELLED = "cancelled"


@unique
class CostSource(StrEnum):
    """Whether usage was reported by the upstream or counted by us."""

    REPORTED = "reported"
    ESTIMATED = "estimated"


@unique
class ContextSource(StrEnum):
    """Where the history of a prompt came from."""

    CACHE = "cache"
    DATABASE = "database"
    NONE = "none"


class ReportSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A report as it was when the conversation began; `figures` is Markdown, possibly empty."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    headline: str
    summary: str
    figures: str = ""
    locale: str = "ko"
    suggestions: tuple[str, ...] = ()
    created_at: datetime | None = None


class Message(msgspec.Struct, frozen=True):
    """One message of a prompt and its size in tokens, chat format not included."""

    role: Role
    text: str
    tokens: int


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """A past question and what was answered, as the next prompt will quote them."""

    turn_id: UUID
    question: Message
    answer: Message


class History(msgspec.Struct, frozen=True, kw_only=True):
    """The recent exchanges of a session, oldest first, up to and including turn `last_turn`."""

    last_turn: int
    exchanges: tuple[Exchange, ...] = ()

    def without(self, turn_id: UUID | None) -> Self:
        """Return the history as if that turn had not been: it is being asked again."""
        kept = tuple(e for e in self.exchanges if e.turn_id != turn_id)
        return msgspec.structs.replace(self, exchanges=kept)


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one request; cached are part of input, reasoning part of output."""

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation about at most one report, and what it has spent in nano-dollars."""

    id: UUID
    report: ReportSnapshot | None
    spent_nano: int = 0


class NewTurn(msgspec.Struct, frozen=True, kw_only=True):
    """A question about to be stored; `lease` is how many seconds its process may stay silent."""

    id: UUID
    session_id: UUID
    client_id: UUID
    question: Message
    regenerate_of: UUID | None
    model: str
    trace_id: str
    lease: float


class Partial(msgspec.Struct, frozen=True, kw_only=True):
    """What a running turn has so far."""

    turn_id: UUID
    text: str
    pieces: int


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a turn ended: what is saved, and what `done` or `error` tells.

    `finish_reason` is set for an answer that ended well or was cancelled, `code` for one that failed.
    `pieces` is the answer's last position on the wire, `cost_nano` nano-dollars.
    """

    state: TurnState
    text: str
    pieces: int
    model: str
    trace_id: str
    finish_reason: FinishReason | None = None
    code: Code | None = None
    retry_after_ms: int | None = None
    answer_tokens: int = 0
    usage: Usage = Usage()
    cost_nano: int = 0
    cost_source: CostSource = CostSource.REPORTED
    ttft_ms: int | None = None
    total_ms: int = 0
    shortened: bool = False


class StoredTurn(msgspec.Struct, frozen=True, kw_only=True):
    """A turn as the store holds it; `outcome` is None while it runs, and `partial` what it has so far."""

    id: UUID
    client_id: UUID
    number: int
    question: str
    state: TurnState
    asked_at: datetime
    regenerate_of: UUID | None = None
    partial: Partial
    outcome: Outcome | None = None


class Accepted(msgspec.Struct, frozen=True):
    """The store took a new turn as number `number` of its session."""

    number: int


class Duplicate(msgspec.Struct, frozen=True):
    """The store already held a turn with that client id; nothing was added."""

    turn: StoredTurn


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """Nano-dollars set aside for a turn, and what had been spent before it.

    `limit` is the budget that had the least left.
    """

    nano: int
    limit: type[Permanent]
    session_spent_nano: int
    day_spent_nano: int


class Spending(msgspec.Struct, frozen=True):
    """Nano-dollars of one day (UTC) or one session: spent, and set aside for turns that run."""

    name: str
    spent_nano: int
    reserved_nano: int


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent upstream, its exact size in tokens, and a receipt of what it holds."""

    messages: tuple[Message, ...]
    input_tokens: int
    source: ContextSource
    history_messages: int
    dropped: int


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """One event of the upstream's stream: text, the end, the usage, or several of them."""

    text: str = ""
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
