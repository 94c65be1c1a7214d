-- The trail. Every index here is paid by every token, so there are few.
-- detail is json, not jsonb: cheaper to write, and kept byte for byte.
CREATE TABLE tokenry.audit_events (
    seq     bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id      text        COLLATE "C" NOT NULL UNIQUE,
    at      timestamptz NOT NULL,
    kind    text        NOT NULL,
    reason  text        NOT NULL DEFAULT '',
    actor   text        NOT NULL DEFAULT '',
    subject text        NOT NULL DEFAULT '',
    target  text        NOT NULL DEFAULT '',
    jti     text        NOT NULL DEFAULT '',
    parent  text        NOT NULL DEFAULT '',
    txn     text        NOT NULL DEFAULT '',
    change  bigint      NOT NULL DEFAULT 0,
    count   integer     NOT NULL DEFAULT 0,
    detail  json
);

CREATE INDEX audit_events_refused ON tokenry.audit_events (seq) WHERE kind = 'token.refused';
CREATE INDEX audit_events_admin ON tokenry.audit_events (seq) WHERE kind IN ('admin.changed', 'key.changed');
CREATE INDEX audit_events_at ON tokenry.audit_events USING brin (at) WITH (autosummarize = on);

CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON tokenry.audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION tokenry.refuse_change();
CREATE TRIGGER purge_only BEFORE DELETE ON tokenry.audit_events
    FOR EACH STATEMENT WHEN (current_setting('tokenry.purging', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION tokenry.refuse_change();

-- The one way to remove events: those past their retention.
CREATE FUNCTION tokenry.purge_audit_events(before timestamptz, most integer) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    gone bigint;
BEGIN
    PERFORM set_config('tokenry.purging', 'on', true);
    DELETE FROM tokenry.audit_events WHERE seq IN (
        SELECT seq FROM tokenry.audit_events WHERE at < before LIMIT most);
    GET DIAGNOSTICS gone = ROW_COUNT;
    PERFORM set_config('tokenry.purging', 'off', true);
    RETURN gone;
END $$;

-- Single-use values that were spent: only their SHA-256.
CREATE TABLE tokenry.replay_keys (
    space   text        COLLATE "C" NOT NULL,
    hash    bytea       NOT NULL,
    expires timestamptz NOT NULL,
    PRIMARY KEY (space, hash)
);

CREATE INDEX replay_keys_expires ON tokenry.replay_keys (expires);
