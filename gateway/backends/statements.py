"""The SQL of sessions and turns."""

# ruff: noqa: S608 (only our own column names and constants are put into a text)

from gateway.backends import reports
from gateway.chat.codes import Code
from gateway.chat.records import CostSource, TurnState

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
    RETURNING turns.id, cancel_requested
"""

REQUEST_CANCEL = """
    UPDATE turns SET cancel_requested = true WHERE id = %s AND state IN ('accepted', 'streaming')
"""

# A lease that is still there says that the turn's own process has not ended it: it runs, or it was
# given up because its process was slow, and then what really happened counts.
FINISH_TURN = """
    UPDATE turns
    SET state = %s, answer = %s, pieces = %s, model = %s, trace_id = %s, finish_reason = %s,
        error_code = %s, answer_tokens = %s, input_tokens = %s, cached_tokens = %s,
        output_tokens = %s, reasoning_tokens = %s, cost_nano = least(%s, reserved_nano),
        cost_source = %s, ttft_ms = %s,
        total_ms = %s, shortened = %s, ended_at = now(), lease_until = NULL
    WHERE id = %s AND lease_until IS NOT NULL
"""
