-- A request that carries a key of its sender's choice is carried out once: who sends it again gets what the first one made.
-- The row stands and falls with the entry, in one transaction; it is forgotten some time after 24 hours.
CREATE TABLE idempotency_keys (
    organisation_id integer     NOT NULL REFERENCES organisations ON DELETE CASCADE,
    key             bytea       NOT NULL CHECK (length(key) = 32),     -- SHA-256 of the sender and the key
    request         bytea       NOT NULL CHECK (length(request) = 32), -- SHA-256 of what was asked: the key is good for nothing else
    ticket_number   bigint      NOT NULL,
    entry_id        uuid        NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organisation_id, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (organisation_id, created_at);
