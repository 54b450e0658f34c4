"""What the story needs of the world, as Protocols."""

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Protocol
from uuid import UUID

from gateway.chat.records import (
    Accepted,
    Chunk,
    Duplicate,
    Grant,
    History,
    Message,
    NewTurn,
    Outcome,
    Partial,
    ReportSnapshot,
    Session,
    Spending,
    StoredTurn,
)
from gateway.chat.signals import AnySignal, Part
from gateway.chat.timeline import Timeline


class Timer(Protocol):
    """Something that will happen unless it is cancelled."""

    def cancel(self) -> None:
        """See that it does not happen."""
        ...


class Clock(Protocol):
    """The one clock, in seconds that never go back; the event loop is one."""

    def time(self) -> float:
        """Return the seconds now."""
        ...

    def call_at(self, when: float, callback: Callable[[], None], /) -> Timer:
        """Call `callback` at `when`."""
        ...


class Tokenizer(Protocol):
    """Counts tokens as the upstream does."""

    def count(self, text: str) -> int:
        """Return the number of tokens of `text`."""
        ...


class Upstream(Protocol):
    """OpenAI, or anything that speaks its API."""

    def stream_chat(
        self, messages: Sequence[Message], *, model: str, max_output_tokens: int, traceparent: str
    ) -> AsyncGenerator[Chunk, None]:
        """Yield the answer's chunks; the stream is closed when the generator is.

        Raises the Transient and Permanent errors of the upstream, `UpstreamTruncated` where the stream
        ends without a finish reason.
        """
        ...


class Store(Protocol):
    """Where sessions and turns are durable. Every method raises `StorageUnavailable` when it is not."""

    async def ping(self) -> None:
        """Return if it can be reached."""
        ...

    async def open_session(self, token_hash: bytes, *, report_id: str | None) -> Session:
        """Add a session; raises `ReportNotFound`."""
        ...

    async def find_session(self, token_hash: bytes) -> Session:
        """Return the session of a token; raises `SessionNotFound`."""
        ...

    async def accept_turn(self, turn: NewTurn) -> Accepted | Duplicate:
        """Add a turn unless its client id is known; raises `Busy` while another one runs."""
        ...

    async def find_question(self, session_id: UUID, client_id: UUID) -> StoredTurn | None:
        """Return the session's turn with that client id, None where it is not known."""
        ...

    async def history(self, session_id: UUID, *, before: int, messages: int) -> History:
        """Return the last exchanges of the turns numbered below `before`."""
        ...

    async def last_turns(
        self, session_id: UUID, *, limit: int, before: int | None = None
    ) -> tuple[StoredTurn, ...]:
        """Return the last `limit` turns, or the last numbered below `before`, oldest first."""
        ...

    async def turns_after(
        self, session_id: UUID, *, number: int, limit: int
    ) -> tuple[StoredTurn, ...]:
        """Return the first `limit` turns numbered above `number`, oldest first."""
        ...

    async def find_turn(self, session_id: UUID, turn_id: UUID) -> StoredTurn:
        """Return a turn of the session; raises `UnknownTurn`."""
        ...

    async def reserve(
        self, turn_id: UUID, *, wanted: int, least: int, session_cap: int, day_cap: int
    ) -> Grant:
        """Set nano-dollars aside for a turn: `wanted`, or what its session and the day have left.

        Atomic: what two requests are granted is never more than there was. Raises `SessionBudgetReached`
        or `DailyBudgetReached`, whichever leaves less, where that is below `least`.
        """
        ...

    async def checkpoint(self, partials: Sequence[Partial], *, lease: float) -> tuple[UUID, ...]:
        """Save what running turns have so far and extend their leases, in seconds from now.

        Returns those of them that somebody asked to cancel.
        """
        ...

    async def request_cancel(self, turn_id: UUID) -> None:
        """Leave word for the process that runs a turn that it should stop."""
        ...

    async def expire(self) -> int:
        """End the turns whose lease has run out, settled at what was set aside; return how many."""
        ...

    async def finish_turn(self, turn_id: UUID, outcome: Outcome) -> None:
        """Save how a turn ended; saving it again changes nothing."""
        ...


class Relay(Protocol):
    """Carries signals and running answers between processes. It may lose everything, and never raises."""

    async def tell(self, signal: AnySignal) -> None:
        """Let every process hear `signal`."""
        ...

    def signals(self) -> AsyncGenerator[AnySignal, None]:
        """Yield what is told from now on, by every process, without end."""
        ...

    async def publish(self, turn_id: UUID, parts: Sequence[Part]) -> None:
        """Add parts of an answer, for whoever reads them."""
        ...

    async def read(self, turn_id: UUID, *, after: str) -> list[tuple[str, Part]]:
        """Return the parts published after the one with that mark, each with its own; "0" is the start."""
        ...


class Reports(Protocol):
    """The reports people ask about. Both methods raise `StorageUnavailable`."""

    async def reports(self) -> tuple[ReportSnapshot, ...]:
        """Return every report, newest first."""
        ...

    async def report(self, report_id: str) -> ReportSnapshot:
        """Return one report; raises `ReportNotFound`."""
        ...


class Ledger(Protocol):
    """What was spent, for who watches it."""

    async def today(self) -> Spending:
        """Return what is spent today (UTC), by all processes; raises `StorageUnavailable`."""
        ...


class Observer(Protocol):
    """Whoever watches the gateway at work. Told on the loop: it is quick, keeps no text and never raises."""

    def turn_ended(self, timeline: Timeline) -> None:
        """Take note of a turn that has ended, or was refused; only `saved` may still be filled in."""
        ...


class Cache(Protocol):
    """The recent exchanges, quickly. It may forget, and it never raises."""

    async def reachable(self) -> bool | None:
        """Return whether it can be reached, None where there is none to reach."""
        ...

    async def recall(self, session_id: UUID) -> History | None:
        """Return what was remembered, or None."""
        ...

    async def remember(self, session_id: UUID, history: History) -> None:
        """Keep `history` for a while."""
        ...
