"""A stand-in for the store: sessions, turns and reports in memory."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID, uuid4

import msgspec

from gateway.chat.codes import Code
from gateway.chat.errors import (
    Busy,
    DailyBudgetReached,
    ReportNotFound,
    SessionBudgetReached,
    SessionNotFound,
    StorageUnavailable,
    UnknownTurn,
)
from gateway.chat.records import (
    Accepted,
    Duplicate,
    Exchange,
    Grant,
    History,
    Message,
    NewTurn,
    Outcome,
    Partial,
    ReportSnapshot,
    Role,
    Session,
    StoredTurn,
    TurnState,
)

P = ParamSpec("P")
R = TypeVar("R")
Remote = Callable[Concatenate["FakeStore", P], Coroutine[Any, Any, R]]

FIRST_ASKED_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def _remote(method: Remote[P, R]) -> Remote[P, R]:
    """Make a method of the store behave like a call over the network."""
    name = method.__name__

    @wraps(method)
    async def call(self: "FakeStore", /, *args: P.args, **kwargs: P.kwargs) -> R:
        self.calls.append(name)
        await asyncio.sleep(0)
        self.fail_if_told(name)
        result = await method(self, *args, **kwargs)
        if name in self.held:
            await self.held[name].wait()
        return result

    return call


class Row(msgspec.Struct, kw_only=True):
    """A turn as the fake store keeps it."""

    turn: NewTurn
    number: int
    asked_at: datetime
    reserved: int = 0
    outcome: Outcome | None = None
    partial: Partial | None = None


class FakeStore:
    """Sessions, turns and reports in memory; it can be down, and it can be slow."""

    def __init__(self, *reports: ReportSnapshot) -> None:
        self.rows: dict[UUID, Row] = {}
        self.calls: list[str] = []
        self.held: dict[str, asyncio.Event] = {}
        # The turns whose process has been silent for too long.
        self.dead: set[UUID] = set()
        # The turns somebody asked to stop, wherever they run.
        self.cancels: set[UUID] = set()
        self.lease: float | None = None
        self._reports = {r.id: r for r in reports}
        self._sessions: dict[bytes, Session] = {}
        self._failing: tuple[str, ...] = ()
        self._error: Exception = StorageUnavailable()
        self._failures = 0.0

    def fail(
        self, *methods: str, calls: float = float("inf"), error: Exception | None = None
    ) -> None:
        """Fail the next `calls` of `methods`, of any where none is named, until `recover`."""
        self._failing = methods
        self._failures = calls
        self._error = error or StorageUnavailable()

    def recover(self) -> None:
        """Be available again."""
        self._failures = 0

    def fail_if_told(self, method: str) -> None:
        """Raise what `fail` was told to."""
        if self._failures > 0 and (not self._failing or method in self._failing):
            self._failures -= 1
            raise self._error

    def hold(self, method: str) -> asyncio.Event:
        """Let what `method` did or read reach its caller only once the returned event is set."""
        self.held[method] = asyncio.Event()
        return self.held[method]

    @_remote
    async def ping(self) -> None:
        """Return if it can be reached."""

    @_remote
    async def open_session(self, token_hash: bytes, *, report_id: str | None) -> Session:
        """Add a session."""
        if report_id is not None and report_id not in self._reports:
            raise ReportNotFound
        session = Session(id=uuid4(), report=self._reports.get(report_id or ""))
        self._sessions[token_hash] = session
        return session

    @_remote
    async def find_session(self, token_hash: bytes) -> Session:
        """Return the session of a token, with what its ended turns cost."""
        if token_hash not in self._sessions:
            raise SessionNotFound
        session = self._sessions[token_hash]
        spent = sum(_spent(row) for row in self._of(session.id))
        return msgspec.structs.replace(session, spent_nano=spent)

    @_remote
    async def accept_turn(self, turn: NewTurn) -> Accepted | Duplicate:
        """Add a turn, numbered from 1 in its session."""
        rows = self._of(turn.session_id)
        for row in rows:
            if row.turn.client_id == turn.client_id:
                return Duplicate(_stored(row))
        if any(row.outcome is None for row in rows):
            raise Busy
        number = len(rows) + 1
        asked_at = FIRST_ASKED_AT + timedelta(minutes=number)
        self.rows[turn.id] = Row(turn=turn, number=number, asked_at=asked_at)
        return Accepted(number)

    @_remote
    async def find_question(self, session_id: UUID, client_id: UUID) -> StoredTurn | None:
        """Return the session's turn with that client id."""
        for row in self._of(session_id):
            if row.turn.client_id == client_id:
                return _stored(row)
        return None

    @_remote
    async def history(self, session_id: UUID, *, before: int, messages: int) -> History:
        """Return the last exchanges that have an answer and were not answered anew."""
        answered = [
            (row.turn, row.outcome)
            for row in self._of(session_id)
            if row.number < before and row.outcome and row.outcome.text
        ]
        replaced = {turn.regenerate_of for turn, _ in answered}
        exchanges = [
            Exchange(
                turn_id=turn.id,
                question=turn.question,
                answer=Message(Role.ASSISTANT, outcome.text, outcome.answer_tokens),
            )
            for turn, outcome in answered
            if turn.id not in replaced
        ]
        kept = exchanges[-((messages + 1) // 2) :] if messages else []
        return History(last_turn=before - 1, exchanges=tuple(kept))

    @_remote
    async def last_turns(
        self, session_id: UUID, *, limit: int, before: int | None = None
    ) -> tuple[StoredTurn, ...]:
        """Return the last turns, oldest first."""
        rows = [row for row in self._of(session_id) if before is None or row.number < before]
        return tuple(_stored(row) for row in rows[max(0, len(rows) - limit) :])

    @_remote
    async def turns_after(
        self, session_id: UUID, *, number: int, limit: int
    ) -> tuple[StoredTurn, ...]:
        """Return the first turns numbered above `number`."""
        rows = [row for row in self._of(session_id) if row.number > number]
        return tuple(_stored(row) for row in rows[:limit])

    @_remote
    async def find_turn(self, session_id: UUID, turn_id: UUID) -> StoredTurn:
        """Return a turn of the session."""
        row = self.rows.get(turn_id)
        if row is None or row.turn.session_id != session_id:
            raise UnknownTurn
        return _stored(row)

    @_remote
    async def reserve(
        self, turn_id: UUID, *, wanted: int, least: int, session_cap: int, day_cap: int
    ) -> Grant:
        """Set money aside for a turn; every turn is of the same day."""
        session, day = self._of(self.rows[turn_id].turn.session_id), list(self.rows.values())
        session_left = session_cap - sum(_taken(row) for row in session)
        day_left = day_cap - sum(_taken(row) for row in day)
        limit = SessionBudgetReached if session_left <= day_left else DailyBudgetReached
        granted = min(wanted, session_left, day_left)
        if granted < least:
            raise limit
        self.rows[turn_id].reserved = granted
        return Grant(
            nano=granted,
            limit=limit,
            session_spent_nano=sum(_spent(row) for row in session),
            day_spent_nano=sum(_spent(row) for row in day),
        )

    @_remote
    async def expire(self) -> int:
        """End the turns whose process is `dead`, at what was set aside for them."""
        ended = [row for row in self.rows.values() if row.turn.id in self.dead and not row.outcome]
        for row in ended:
            row.outcome = Outcome(
                state=TurnState.INTERRUPTED,
                text=row.partial.text if row.partial else "",
                pieces=row.partial.pieces if row.partial else 0,
                model=row.turn.model,
                trace_id=row.turn.trace_id,
                code=Code.INTERRUPTED,
                cost_nano=row.reserved,
            )
        return len(ended)

    @_remote
    async def checkpoint(self, partials: Sequence[Partial], *, lease: float) -> tuple[UUID, ...]:
        """Keep what running turns have so far, and return those that are to stop."""
        self.lease = lease
        for partial in partials:
            row = self.rows.get(partial.turn_id)
            if row is not None and row.outcome is None:
                row.partial = partial
        return tuple(p.turn_id for p in partials if p.turn_id in self.cancels)

    @_remote
    async def request_cancel(self, turn_id: UUID) -> None:
        """Leave word that a turn should stop."""
        self.cancels.add(turn_id)

    @_remote
    async def finish_turn(self, turn_id: UUID, outcome: Outcome) -> None:
        """Keep how a turn ended, the first time."""
        row = self.rows[turn_id]
        row.outcome = row.outcome or outcome

    @_remote
    async def reports(self) -> tuple[ReportSnapshot, ...]:
        """Return every report, newest first."""
        return tuple(reversed(self._reports.values()))

    @_remote
    async def report(self, report_id: str) -> ReportSnapshot:
        """Return one report."""
        if report_id not in self._reports:
            raise ReportNotFound
        return self._reports[report_id]

    def _of(self, session_id: UUID) -> list[Row]:
        return [row for row in self.rows.values() if row.turn.session_id == session_id]


def _spent(row: Row) -> int:
    return row.outcome.cost_nano if row.outcome else 0


def _taken(row: Row) -> int:
    return row.outcome.cost_nano if row.outcome else row.reserved


def _stored(row: Row) -> StoredTurn:
    return StoredTurn(
        id=row.turn.id,
        client_id=row.turn.client_id,
        number=row.number,
        question=row.turn.question.text,
        state=row.outcome.state if row.outcome else TurnState.ACCEPTED,
        asked_at=row.asked_at,
        regenerate_of=row.turn.regenerate_of,
        partial=_partial(row),
        outcome=row.outcome,
    )


def _partial(row: Row) -> Partial:
    if row.outcome is not None:
        return Partial(turn_id=row.turn.id, text=row.outcome.text, pieces=row.outcome.pieces)
    return row.partial or Partial(turn_id=row.turn.id, text="", pieces=0)
