"""Keep sessions and turns in Postgres."""

from collections.abc import Sequence
from uuid import UUID, uuid4

from gateway.backends import reports, statements
from gateway.backends.postgres import Database
from gateway.backends.reports import PostgresReports, report_snapshot
from gateway.backends.turn_rows import SELECT_TURN, stored_turn
from gateway.backends.turn_writes import Ended, Reservation, TurnWrites
from gateway.backends.watch import Operation
from gateway.chat.errors import (
    Busy,
    DailyBudgetReached,
    Permanent,
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
    Role,
    Session,
    StoredTurn,
)

BUDGETS: dict[str, type[Permanent]] = {
    "session": SessionBudgetReached,
    "day": DailyBudgetReached,
}


class PostgresStore(PostgresReports):
    """The `Store` of the chat, and the reports its sessions are about."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._writes = TurnWrites(database)

    async def close(self) -> None:
        """Give up what is on its way."""
        await self._writes.close()

    async def ping(self) -> None:
        """Return if Postgres has our tables and takes writes; raises `StorageUnavailable`, `Internal`."""
        rows = await self._database.fetch(statements.PING, operation=Operation.PING)
        if rows != [(True,)]:
            raise StorageUnavailable

    async def open_session(self, token_hash: bytes, *, report_id: str | None) -> Session:
        """Add a session about the newest version of a report; raises `ReportNotFound`."""
        version, report = None, None
        if report_id is not None:
            rows = await self._database.fetch(
                reports.FIND, (report_id,), operation=Operation.REPORT
            )
            if not rows:
                raise ReportNotFound
            version, report = rows[0][0], report_snapshot(rows[0][1:])
        session = Session(id=uuid4(), report=report)
        await self._database.fetch(
            statements.OPEN_SESSION,
            (session.id, token_hash, version),
            operation=Operation.OPEN_SESSION,
        )
        return session

    async def find_session(self, token_hash: bytes) -> Session:
        """Return the session of a token; raises `SessionNotFound`."""
        rows = await self._database.fetch(
            statements.FIND_SESSION, (token_hash,), operation=Operation.FIND_SESSION
        )
        if not rows:
            raise SessionNotFound
        session_id, spent_nano, version, *report = rows[0]
        return Session(
            id=session_id,
            report=None if version is None else report_snapshot(tuple(report)),
            spent_nano=spent_nano,
        )

    async def accept_turn(self, turn: NewTurn) -> Accepted | Duplicate:
        """Add a turn unless its client id is known; raises `Busy` while another one runs."""
        number = await self._writes.accept(turn)
        if number is not None:
            return Accepted(number)
        # A statement of its own: the one before could not see what was added while it ran.
        known = await self.find_question(turn.session_id, turn.client_id)
        if known is not None:
            return Duplicate(known)
        raise Busy

    async def find_question(self, session_id: UUID, client_id: UUID) -> StoredTurn | None:
        """Return the session's turn with that client id, None where it is not known."""
        rows = await self._database.fetch(
            f"{SELECT_TURN} WHERE session_id = %s AND client_id = %s",
            (session_id, client_id),
            operation=Operation.FIND_TURN,
        )
        return stored_turn(rows[0]) if rows else None

    async def history(self, session_id: UUID, *, before: int, messages: int) -> History:
        """Return the last exchanges below turn `before`, but those answered anew since.

        `messages` counts questions and answers, and is rounded up to whole exchanges.
        """
        exchanges = (messages + 1) // 2
        rows = await self._database.fetch(
            statements.HISTORY,
            (session_id, before, exchanges),
            operation=Operation.HISTORY,
        )
        return History(
            last_turn=before - 1,
            exchanges=tuple(
                Exchange(
                    turn_id=turn_id,
                    question=Message(Role.USER, question, question_tokens),
                    answer=Message(Role.ASSISTANT, answer, answer_tokens),
                )
                for turn_id, question, question_tokens, answer, answer_tokens in reversed(rows)
            ),
        )

    async def turns_after(
        self, session_id: UUID, *, number: int, limit: int
    ) -> tuple[StoredTurn, ...]:
        """Return the first `limit` turns numbered above `number`, oldest first."""
        rows = await self._database.fetch(
            f"{SELECT_TURN} WHERE session_id = %s AND number > %s ORDER BY number LIMIT %s",
            (session_id, number, limit),
            operation=Operation.TURNS,
        )
        return tuple(stored_turn(row) for row in rows)

    async def last_turns(
        self, session_id: UUID, *, limit: int, before: int | None = None
    ) -> tuple[StoredTurn, ...]:
        """Return the last `limit` turns, or the last numbered below `before`, oldest first.

        Those of a dead process are interrupted.
        """
        rows = await self._database.fetch(
            f"{SELECT_TURN} WHERE session_id = %s AND (%s IS NULL OR number < %s)"
            " ORDER BY number DESC LIMIT %s",
            (session_id, before, before, limit),
            operation=Operation.TURNS,
        )
        return tuple(stored_turn(row) for row in reversed(rows))

    async def find_turn(self, session_id: UUID, turn_id: UUID) -> StoredTurn:
        """Return a turn of the session; raises `UnknownTurn`."""
        rows = await self._database.fetch(
            f"{SELECT_TURN} WHERE session_id = %s AND id = %s",
            (session_id, turn_id),
            operation=Operation.FIND_TURN,
        )
        if not rows:
            raise UnknownTurn
        return stored_turn(rows[0])

    async def reserve(
        self, turn_id: UUID, *, wanted: int, least: int, session_cap: int, day_cap: int
    ) -> Grant:
        """Set nano-dollars aside for a turn, as much of `wanted` as its session and the day have left.

        Raises `SessionBudgetReached` or `DailyBudgetReached` where that is below `least`.
        """
        row = await self._writes.reserve(
            Reservation(turn_id, wanted, least, session_cap=session_cap, day_cap=day_cap)
        )
        if row is None:
            # Taken for dead while it was slow: what it would spend now is no longer set aside.
            raise StorageUnavailable
        granted, bound, session_spent, day_spent = row
        if granted < least:
            raise BUDGETS[bound]
        return Grant(
            nano=granted,
            limit=BUDGETS[bound],
            session_spent_nano=session_spent,
            day_spent_nano=day_spent,
        )

    async def expire(self) -> int:
        """End the turns whose lease has run out, settled at what was set aside; return how many."""
        return len(await self._database.fetch(statements.EXPIRE, operation=Operation.EXPIRE))

    async def request_cancel(self, turn_id: UUID) -> None:
        """Leave word for the process that runs a turn that it should stop."""
        await self._database.fetch(
            statements.REQUEST_CANCEL, (turn_id,), operation=Operation.REQUEST_CANCEL
        )

    async def checkpoint(self, partials: Sequence[Partial], *, lease: float) -> tuple[UUID, ...]:
        """Save what running turns have so far and extend their leases; return those to cancel."""
        rows = await self._database.fetch(
            statements.CHECKPOINT,
            (
                [partial.turn_id for partial in partials],
                lease,
                [partial.turn_id for partial in partials],
                [partial.text for partial in partials],
                [partial.pieces for partial in partials],
            ),
            operation=Operation.CHECKPOINT,
        )
        return tuple(turn_id for turn_id, cancel_requested in rows if cancel_requested)

    async def finish_turn(self, turn_id: UUID, outcome: Outcome) -> None:
        """Save how a turn ended; saving it again changes nothing."""
        await self._writes.finish(Ended(turn_id, outcome))
