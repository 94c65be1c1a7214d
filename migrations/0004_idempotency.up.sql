-- Requests that may come again because their sender did not hear the answer:
-- what they were (a SHA-256) and what became of them. Kept for a day.
CREATE TABLE tokenry.idempotency_keys (
    actor   text        COLLATE "C" NOT NULL,
    key     text        COLLATE "C" NOT NULL,
    request bytea       NOT NULL,
    results json        NOT NULL,
    created timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (actor, key)
);

CREATE INDEX idempotency_keys_created ON tokenry.idempotency_keys (created);
