"""Keep sessions and turns in Postgres."""

# ruff: noqa: S608 (only our own column names and constants are put into a text)

from collections.abc import Sequence
from uuid import UUID, uuid4

from gateway.backends import reports
from gateway.backends.reports import PostgresReports, report_snapshot
from gateway.backends.turn_rows import SELECT_TURN, stored_turn
from gateway.chat.codes import Code
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
    CostSource,
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
    TurnState,
)

REPORT = ", ".join(f"report.{column}" for column in reports.COLUMNS.split(", "))

OPEN_SESSION = """
    INSERT INTO sessions (id, token_hash, report_version) VALUES (%s, %s, %s)
"""

FIND_SESSION = f"""
    SELECT
        sessions.id,
        spent_nano,
        report_version,
        {REPORT}
    FROM sessions LEFT JOIN report_snapshots AS report ON version = report_version
    WHERE token_hash = %s
"""

# How a turn ends whose process died: what it used is not known, so it cost what was set aside. Its answer was
# never counted; no byte-level encoding makes more tokens than bytes, so a prompt that quotes it is not
# undercounted.
INTERRUPT = f"""
    UPDATE turns
    SET state = '{TurnState.INTERRUPTED}', error_code = '{Code.INTERRUPTED}', ended_at = now(),
        answer_tokens = octet_length(answer),
        cost_nano = reserved_nano, cost_source = '{CostSource.ESTIMATED}'
    WHERE state IN ('accepted', 'streaming') AND lease_until < now()
"""

# Skipping what is locked, because every process sweeps.
EXPIRE = f"""
    {INTERRUPT} AND id IN (
        SELECT id FROM turns
        WHERE state IN ('accepted', 'streaming') AND lease_until < now()
        FOR NO KEY UPDATE SKIP LOCKED
    )
    RETURNING id
"""

# A turn whose process died is ended first, or the session would be busy for ever.
ACCEPT_TURN = f"""
    WITH expired AS (
        {INTERRUPT} AND session_id = %s
        RETURNING id
    )
    INSERT INTO turns (
        id, session_id, client_id, number, state, question, question_tokens, regenerate_of, model,
        trace_id, lease_until
    )
    SELECT
        %s, %s, %s,
        1 + coalesce((SELECT max(number) FROM turns WHERE session_id = %s), 0),
        '{TurnState.ACCEPTED}', %s, %s, %s, %s, %s, now() + make_interval(secs => %s)
    -- Reading what expired is what makes Postgres end it before it adds.
    FROM (SELECT count(*) FROM expired) AS ended
    -- Whichever it violates: its client id, the number or the one running turn.
    ON CONFLICT DO NOTHING
    RETURNING number
"""

RESERVE = """
    SELECT granted, bound, session_spent, day_spent FROM reserve_for_turn(%s, %s, %s, %s, %s)
"""
BUDGETS: dict[str, type[Permanent]] = {
    "session": SessionBudgetReached,
    "day": DailyBudgetReached,
}

HISTORY = """
    SELECT id, question, question_tokens, answer, answer_tokens
    FROM turns AS turn
    WHERE session_id = %s AND number < %s AND answer <> ''
        AND state NOT IN ('accepted', 'streaming')
        AND NOT EXISTS (
            SELECT FROM turns AS later
            WHERE later.regenerate_of = turn.id AND later.session_id = turn.session_id
                AND later.number > turn.number AND later.answer <> ''
        )
    ORDER BY number DESC
    LIMIT %s
"""

CHECKPOINT = """
    UPDATE turns
    SET answer = partial.text,
        pieces = partial.pieces,
        state = CASE WHEN partial.pieces > 0 THEN 'streaming' ELSE state END,
        lease_until = now() + make_interval(secs => %s)
    FROM unnest(%s::uuid[], %s::text[], %s::integer[]) AS partial (id, text, pieces)
    WHERE turns.id = partial.id AND state IN ('accepted', 'streaming')
"""

# A lease that is still there says that the turn's own process has not ended it: it runs, or it was
# given up because its process was slow, and then what really happened counts.
FINISH_TURN = """
    UPDATE turns
    SET state = %s, answer = %s, pieces = %s, model = %s, trace_id = %s, finish_reason = %s,
        error_code = %s, answer_tokens = %s, input_tokens = %s, cached_tokens = %s,
        output_tokens = %s, reasoning_tokens = %s, cost_nano = %s, cost_source = %s, ttft_ms = %s,
        total_ms = %s, shortened = %s, ended_at = now(), lease_until = NULL
    WHERE id = %s AND lease_until IS NOT NULL
"""


class PostgresStore(PostgresReports):
    """The `Store` of the chat, and the reports its sessions are about."""

    async def open_session(self, token_hash: bytes, *, report_id: str | None) -> Session:
        """Add a session about the newest version of a report; raises `ReportNotFound`."""
        version, report = None, None
        if report_id is not None:
            rows = await self._database.fetch(reports.FIND, (report_id,))
            if not rows:
                raise ReportNotFound
            version, report = rows[0][0], report_snapshot(rows[0][1:])
        session = Session(id=uuid4(), report=report)
        await self._database.fetch(OPEN_SESSION, (session.id, token_hash, version))
        return session

    async def find_session(self, token_hash: bytes) -> Session:
        """Return the session of a token; raises `SessionNotFound`."""
        rows = await self._database.fetch(FIND_SESSION, (token_hash,))
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
        added = await self._database.fetch(
            ACCEPT_TURN,
            (
                turn.session_id,
                *(turn.id, turn.session_id, turn.client_id, turn.session_id),
                *(turn.question.text, turn.question.tokens, turn.regenerate_of),
                *(turn.model, turn.trace_id, turn.lease),
            ),
        )
        if added:
            return Accepted(added[0][0])
        # A statement of its own: the one before could not see what was added while it ran.
        known = await self._database.fetch(
            f"{SELECT_TURN} WHERE session_id = %s AND client_id = %s",
            (turn.session_id, turn.client_id),
        )
        if known:
            return Duplicate(stored_turn(known[0]))
        raise Busy

    async def history(self, session_id: UUID, *, before: int, messages: int) -> History:
        """Return the last exchanges below turn `before`, but those answered anew since.

        `messages` counts questions and answers, and is rounded up to whole exchanges.
        """
        exchanges = (messages + 1) // 2
        rows = await self._database.fetch(HISTORY, (session_id, before, exchanges))
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

    async def last_turns(self, session_id: UUID, *, limit: int) -> tuple[StoredTurn, ...]:
        """Return the last `limit` turns, oldest first; those of a dead process are interrupted."""
        rows = await self._database.fetch(
            f"{SELECT_TURN} WHERE session_id = %s ORDER BY number DESC LIMIT %s",
            (session_id, limit),
        )
        return tuple(stored_turn(row) for row in reversed(rows))

    async def find_turn(self, session_id: UUID, turn_id: UUID) -> StoredTurn:
        """Return a turn of the session; raises `UnknownTurn`."""
        rows = await self._database.fetch(
            f"{SELECT_TURN} WHERE session_id = %s AND id = %s", (session_id, turn_id)
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
        rows = await self._database.fetch(RESERVE, (turn_id, wanted, least, session_cap, day_cap))
        if not rows:
            # Taken for dead while it was slow: what it would spend now is no longer set aside.
            raise StorageUnavailable
        granted, bound, session_spent, day_spent = rows[0]
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
        return len(await self._database.fetch(EXPIRE))

    async def checkpoint(self, partials: Sequence[Partial], *, lease: float) -> None:
        """Save what running turns have so far and extend their leases, in seconds from now."""
        await self._database.fetch(
            CHECKPOINT,
            (
                lease,
                [partial.turn_id for partial in partials],
                [partial.text for partial in partials],
                [partial.pieces for partial in partials],
            ),
        )

    async def finish_turn(self, turn_id: UUID, outcome: Outcome) -> None:
        """Save how a turn ended; saving it again changes nothing."""
        usage = outcome.usage
        await self._database.fetch(
            FINISH_TURN,
            (
                *(outcome.state, outcome.text, outcome.pieces, outcome.model, outcome.trace_id),
                *(outcome.finish_reason, outcome.code, outcome.answer_tokens),
                *(usage.input_tokens, usage.cached_tokens),
                *(usage.output_tokens, usage.reasoning_tokens),
                *(outcome.cost_nano, outcome.cost_source),
                *(outcome.ttft_ms, outcome.total_ms, outcome.shortened, turn_id),
            ),
        )
