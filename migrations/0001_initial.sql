-- Reports, the conversations about them, and their turns.

-- A report is never updated: importing a changed text adds a new version under the same id. A session keeps
-- the version it began with, so its report cannot change under it; a new session gets the newest one.
CREATE TABLE report_snapshots (
    version bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL,
    locale text NOT NULL DEFAULT 'ko',
    headline text NOT NULL,
    summary text NOT NULL,
    figures text NOT NULL DEFAULT '',
    suggestions text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX report_snapshots_newest ON report_snapshots (id, version DESC);

-- Only the hash of a token is stored: a stolen database opens no session.
CREATE TABLE sessions (
    id uuid PRIMARY KEY,
    token_hash bytea NOT NULL UNIQUE,
    report_version bigint REFERENCES report_snapshots,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE turns (
    id uuid PRIMARY KEY,
    session_id uuid NOT NULL REFERENCES sessions ON DELETE CASCADE,
    client_id uuid NOT NULL,
    number integer NOT NULL,
    state text NOT NULL CHECK (
        state IN ('accepted', 'streaming', 'answered', 'cancelled', 'failed', 'interrupted')
    ),
    question text NOT NULL,
    question_tokens integer NOT NULL,
    -- No foreign key: the turn it replaces may be of any age, and may have been purged.
    regenerate_of uuid,
    model text NOT NULL,
    trace_id text NOT NULL,
    answer text NOT NULL DEFAULT '',
    answer_tokens integer NOT NULL DEFAULT 0,
    pieces integer NOT NULL DEFAULT 0,
    finish_reason text,
    error_code text,
    input_tokens integer NOT NULL DEFAULT 0,
    cached_tokens integer NOT NULL DEFAULT 0,
    output_tokens integer NOT NULL DEFAULT 0,
    reasoning_tokens integer NOT NULL DEFAULT 0,
    cost_nano bigint NOT NULL DEFAULT 0,
    cost_source text NOT NULL DEFAULT 'estimated',
    ttft_ms integer,
    total_ms integer NOT NULL DEFAULT 0,
    shortened boolean NOT NULL DEFAULT false,
    asked_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    -- Until when the process answering may stay silent; null once that process has said how the turn ended.
    lease_until timestamptz,
    UNIQUE (session_id, client_id),
    -- Also serves the history and the last turns of a session.
    UNIQUE (session_id, number)
);

-- One running turn a session, whatever any process believes.
CREATE UNIQUE INDEX turns_running ON turns (session_id) WHERE state IN ('accepted', 'streaming');
CREATE INDEX turns_regenerate_of ON turns (regenerate_of) WHERE regenerate_of IS NOT NULL;
