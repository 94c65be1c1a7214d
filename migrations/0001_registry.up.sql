-- The nouns. A write takes one advisory transaction lock and then draws its
-- number here, so that numbers commit in their order.
CREATE SEQUENCE tokenry.registry_change AS bigint;

CREATE TABLE tokenry.registry_objects (
    id          text        PRIMARY KEY,
    kind        text        NOT NULL,
    name        text        COLLATE "C" NOT NULL,
    labels      jsonb       NOT NULL DEFAULT '{}',
    state       text        NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'disabled', 'quarantined')),
    version     integer     NOT NULL DEFAULT 1,
    change      bigint      NOT NULL,
    spec        jsonb       NOT NULL,
    secret_hash bytea,
    created     timestamptz NOT NULL DEFAULT now(),
    updated     timestamptz NOT NULL DEFAULT now(),
    deleted_at  timestamptz
);

CREATE UNIQUE INDEX registry_objects_live ON tokenry.registry_objects (kind, name) WHERE deleted_at IS NULL;
CREATE INDEX registry_objects_change ON tokenry.registry_objects (change);

-- Every object after every write, for ever: the rules as they were when a
-- decision was made. No secrets.
CREATE TABLE tokenry.registry_history (
    id      text        NOT NULL,
    change  bigint      NOT NULL,
    kind    text        NOT NULL,
    name    text        COLLATE "C" NOT NULL,
    labels  jsonb       NOT NULL,
    state   text        NOT NULL,
    version integer     NOT NULL,
    spec    jsonb       NOT NULL,
    deleted boolean     NOT NULL,
    created timestamptz NOT NULL,
    at      timestamptz NOT NULL,
    PRIMARY KEY (id, change)
);

-- Exact subjects of live agents: whom a credential belongs to is decided here.
CREATE TABLE tokenry.bindings (
    issuer     text COLLATE "C" NOT NULL,
    subject    text COLLATE "C" NOT NULL,
    agent_id   text NOT NULL REFERENCES tokenry.registry_objects (id),
    credential text NOT NULL,
    PRIMARY KEY (issuer, subject)
);

CREATE INDEX bindings_agent ON tokenry.bindings (agent_id);

-- An issuer's name is part of its users' `sub`, so it belongs for ever to the
-- `iss` or trust domain that had it first. Rows outlive the issuers.
CREATE TABLE tokenry.issuer_identities (
    name     text        COLLATE "C" PRIMARY KEY,
    identity text        NOT NULL,
    created  timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION tokenry.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON tokenry.registry_history
    FOR EACH STATEMENT EXECUTE FUNCTION tokenry.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON tokenry.issuer_identities
    FOR EACH STATEMENT EXECUTE FUNCTION tokenry.refuse_change();
