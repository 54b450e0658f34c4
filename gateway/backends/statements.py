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

# Whether what follows can work: Postgres takes writes, and has the newest migration that is needed.
NEWEST_MIGRATION = 3
PING = f"""
    SELECT current_setting('transaction_read_only') = 'off' AND max(number) >= {NEWEST_MIGRATION}
    FROM schema_migrations
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
ACCEPT_TURNS = f"""
    WITH asked AS (
        SELECT * FROM unnest(
            %s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::integer[], %s::uuid[], %s::text[], %s::text[],
            %s::double precision[]
        ) AS asked (
            id, session_id, client_id, question, question_tokens, regenerate_of, model, trace_id, lease
        )
    ), expired AS (
        {INTERRUPT} AND session_id IN (SELECT session_id FROM asked)
        RETURNING id
    )
    INSERT INTO turns (
        id, session_id, client_id, number, state, question, question_tokens, regenerate_of, model,
        trace_id, lease_until
    )
    SELECT
        asked.id, session_id, client_id,
        1 + coalesce((SELECT max(number) FROM turns WHERE session_id = asked.session_id), 0),
        '{TurnState.ACCEPTED}', question, question_tokens, regenerate_of, model, trace_id,
        now() + make_interval(secs => lease)
    -- Reading what expired is what makes Postgres end it before it adds.
    FROM asked, (SELECT count(*) FROM expired) AS ended
    -- Whichever it violates: its client id, the number or the one running turn.
    ON CONFLICT DO NOTHING
    RETURNING id, number
"""

# All turns are locked before the first of them locks the day, and in one order with whoever else locks many:
# who holds the day waits for nobody.
RESERVE = """
    WITH asked AS (
        SELECT * FROM unnest(%s::uuid[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])
            AS asked (id, wanted, at_least, session_cap, day_cap)
    ), locked AS MATERIALIZED (
        SELECT id FROM turns WHERE id IN (SELECT id FROM asked) ORDER BY id FOR NO KEY UPDATE
    )
    SELECT id, granted, bound, session_spent, day_spent
    FROM (SELECT array_agg(id) AS ids FROM locked) AS held
    CROSS JOIN unnest(held.ids) AS one (id)
    JOIN asked USING (id)
    CROSS JOIN LATERAL reserve_for_turn(one.id, wanted, at_least, session_cap, day_cap)
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

# A turn that was given up while nobody could hear its process, which is alive, runs again: but not beside
# another of its session. Its money is set aside again, as what interrupting it cost.
CHECKPOINT = """
    WITH locked AS MATERIALIZED (
        SELECT id FROM turns WHERE id = ANY(%s::uuid[]) ORDER BY id FOR NO KEY UPDATE
    )
    UPDATE turns
    SET answer = partial.text,
        pieces = partial.pieces,
        state = CASE WHEN partial.pieces > 0 THEN 'streaming' ELSE 'accepted' END,
        lease_until = now() + make_interval(secs => %s),
        error_code = NULL, ended_at = NULL, answer_tokens = 0, cost_nano = 0
    FROM unnest(%s::uuid[], %s::text[], %s::integer[]) AS partial (id, text, pieces)
    JOIN locked ON locked.id = partial.id
    WHERE turns.id = locked.id AND lease_until IS NOT NULL AND (
        state IN ('accepted', 'streaming') OR NOT EXISTS (
            SELECT FROM turns AS other
            WHERE other.session_id = turns.session_id AND other.state IN ('accepted', 'streaming')
        )
    )
    RETURNING turns.id, cancel_requested
"""

REQUEST_CANCEL = """
    UPDATE turns SET cancel_requested = true WHERE id = %s AND state IN ('accepted', 'streaming')
"""

# A lease that is still there says that the turn's own process has not ended it: it runs, or it was
# given up because its process was slow, and then what really happened counts.
FINISH_TURNS = """
    WITH ended AS (
        SELECT * FROM unnest(
            %s::uuid[], %s::text[], %s::text[], %s::integer[], %s::text[], %s::text[], %s::text[],
            %s::text[], %s::integer[], %s::integer[], %s::integer[], %s::integer[], %s::integer[],
            %s::bigint[], %s::text[], %s::integer[], %s::integer[], %s::boolean[]
        ) AS ended (
            id, state, answer, pieces, model, trace_id, finish_reason,
            error_code, answer_tokens, input_tokens, cached_tokens, output_tokens, reasoning_tokens,
            cost_nano, cost_source, ttft_ms, total_ms, shortened
        )
    ), locked AS MATERIALIZED (
        SELECT id FROM turns WHERE id IN (SELECT id FROM ended) ORDER BY id FOR NO KEY UPDATE
    )
    UPDATE turns
    SET state = ended.state, answer = ended.answer, pieces = ended.pieces, model = ended.model,
        trace_id = ended.trace_id, finish_reason = ended.finish_reason, error_code = ended.error_code,
        answer_tokens = ended.answer_tokens, input_tokens = ended.input_tokens,
        cached_tokens = ended.cached_tokens, output_tokens = ended.output_tokens,
        reasoning_tokens = ended.reasoning_tokens, cost_nano = least(ended.cost_nano, reserved_nano),
        cost_source = ended.cost_source, ttft_ms = ended.ttft_ms, total_ms = ended.total_ms,
        shortened = ended.shortened, ended_at = now(), lease_until = NULL
    FROM ended JOIN locked ON locked.id = ended.id
    WHERE turns.id = locked.id AND lease_until IS NOT NULL
"""
