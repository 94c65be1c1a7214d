-- Our signing keys; the private halves only sealed. Rows are never deleted, so
-- that no key id is ever used twice.
CREATE TABLE tokenry.signing_keys (
    kid         text        PRIMARY KEY,
    alg         text        NOT NULL,
    sealed      bytea       NOT NULL,
    created     timestamptz NOT NULL UNIQUE,
    active_from timestamptz NOT NULL,
    retired     timestamptz,
    revoked     timestamptz
);
