-- What turns may spend and have spent, by session and by day (UTC).
--
-- A running turn counts with what is set aside for it, an ended one with what it cost. The sums below are
-- kept by a trigger, so they are right whoever changes a turn, and whatever dies in between.

ALTER TABLE turns
    ADD COLUMN reserved_nano bigint NOT NULL DEFAULT 0 CHECK (reserved_nano >= 0),
    ADD COLUMN reserved_on date,
    ADD CHECK (cost_nano BETWEEN 0 AND reserved_nano);

ALTER TABLE sessions
    ADD COLUMN spent_nano bigint NOT NULL DEFAULT 0 CHECK (spent_nano >= 0),
    ADD COLUMN reserved_nano bigint NOT NULL DEFAULT 0 CHECK (reserved_nano >= 0);

CREATE TABLE ledger_days (
    day date PRIMARY KEY,
    spent_nano bigint NOT NULL DEFAULT 0 CHECK (spent_nano >= 0),
    reserved_nano bigint NOT NULL DEFAULT 0 CHECK (reserved_nano >= 0)
);

-- For the sweep that ends turns of dead processes.
CREATE INDEX turns_lease ON turns (lease_until) WHERE state IN ('accepted', 'streaming');

CREATE FUNCTION keep_ledger() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    was_running boolean := OLD.state IN ('accepted', 'streaming');
    is_running boolean := NEW.state IN ('accepted', 'streaming');
    reserved bigint := (CASE WHEN is_running THEN NEW.reserved_nano ELSE 0 END)
        - (CASE WHEN was_running THEN OLD.reserved_nano ELSE 0 END);
    spent bigint := (CASE WHEN is_running THEN 0 ELSE NEW.cost_nano END)
        - (CASE WHEN was_running THEN 0 ELSE OLD.cost_nano END);
BEGIN
    IF reserved <> 0 OR spent <> 0 THEN
        -- The day before the session, here and in reserve_for_turn: one order of locks, no deadlock.
        UPDATE ledger_days
        SET reserved_nano = reserved_nano + reserved, spent_nano = spent_nano + spent
        WHERE day = NEW.reserved_on;
        UPDATE sessions
        SET reserved_nano = reserved_nano + reserved, spent_nano = spent_nano + spent
        WHERE id = NEW.session_id;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER keep_ledger AFTER UPDATE OF state, reserved_nano, cost_nano ON turns
    FOR EACH ROW EXECUTE FUNCTION keep_ledger();

-- Sets `wanted` aside for a turn, or as much as its session and the day have left, or nothing where that is
-- below `at_least`. `bound` says which of the two has less left. No row: the turn does not run any more.
CREATE FUNCTION reserve_for_turn(
    turn uuid, wanted bigint, at_least bigint, session_cap bigint, day_cap bigint
) RETURNS TABLE (granted bigint, bound text, session_spent bigint, day_spent bigint)
LANGUAGE plpgsql AS $$
DECLARE
    today date := (now() AT TIME ZONE 'UTC')::date;
    owner uuid;
    session_left bigint;
    day_left bigint;
BEGIN
    SELECT session_id INTO owner FROM turns
        WHERE id = turn AND state = 'accepted' AND reserved_nano = 0 FOR NO KEY UPDATE;
    IF owner IS NULL THEN
        RETURN;
    END IF;
    INSERT INTO ledger_days (day) VALUES (today) ON CONFLICT DO NOTHING;
    SELECT day_cap - spent_nano - reserved_nano, spent_nano INTO day_left, day_spent
        FROM ledger_days WHERE day = today FOR NO KEY UPDATE;
    SELECT session_cap - spent_nano - reserved_nano, spent_nano INTO session_left, session_spent
        FROM sessions WHERE id = owner FOR NO KEY UPDATE;
    granted := least(wanted, session_left, day_left);
    bound := CASE WHEN session_left <= day_left THEN 'session' ELSE 'day' END;
    IF granted < at_least THEN
        granted := 0;
    ELSE
        UPDATE turns SET reserved_nano = granted, reserved_on = today WHERE id = turn;
    END IF;
    RETURN NEXT;
END $$;
