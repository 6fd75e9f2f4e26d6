-- What is to be sent, where it waits, and what became of it. outbound/doc.go has the states.

-- The content of an outgoing letter, written once and never changed.
CREATE TABLE messages (
    organisation_id integer     NOT NULL REFERENCES organisations ON DELETE CASCADE,
    message_id      uuid        NOT NULL,
    ticket_number   bigint,
    entry_id        uuid,
    template        text        NOT NULL,           -- what caused it: "ticket.created/requester", …
    from_name       text        NOT NULL,
    from_address    text        NOT NULL,           -- the support address
    auto_submitted  text        NOT NULL CHECK (auto_submitted IN ('', 'auto-replied', 'auto-generated')),
    subject         text        NOT NULL,
    body_text       text        NOT NULL,
    body_html       text        NOT NULL DEFAULT '',
    attach_entry    boolean     NOT NULL DEFAULT false, -- the attachments of entry_id travel with it
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organisation_id, message_id)
);
CREATE INDEX messages_age ON messages USING brin (created_at);

-- Destinations: one a domain (later: one an MX site), or a smart host. Not a tenant's table: one
-- remote site is one remote site, whoever writes to it. A lane without a row is as good as new; the
-- worker that first claims from it makes the row. inflight counts batches, that is connections.
CREATE TABLE lanes (
    lane            text        PRIMARY KEY,
    next_at         timestamptz NOT NULL DEFAULT '-infinity', -- backed off until
    inflight        integer     NOT NULL DEFAULT 0 CHECK (inflight >= 0),
    max_inflight    integer     NOT NULL DEFAULT 2 CHECK (max_inflight BETWEEN 1 AND 20),
    fail_streak     integer     NOT NULL DEFAULT 0 CHECK (fail_streak >= 0),
    paused          boolean     NOT NULL DEFAULT false,
    tls_seen        text        NOT NULL DEFAULT '',
    last_error      text        NOT NULL DEFAULT '',          -- why it is backed off
    changed_at      timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- One recipient of one message, until its fate is known; then the row moves to deliveries_done.
-- A held row with a finite next_at becomes due by itself.
CREATE TABLE deliveries (
    organisation_id integer     NOT NULL,
    delivery_id     uuid        NOT NULL,
    message_id      uuid        NOT NULL,
    ticket_number   bigint,
    participant_no  integer,
    recipient       text        NOT NULL,
    recipient_name  text        NOT NULL DEFAULT '',
    lane            text        NOT NULL,
    rfc_message_id  text        NOT NULL,           -- without brackets; the same at every attempt
    refs            text        NOT NULL DEFAULT '', -- for References, oldest first, separated by spaces
    unsubscribe     boolean     NOT NULL DEFAULT false, -- carries List-Id and List-Unsubscribe
    automatic       boolean     NOT NULL DEFAULT false, -- no person's words: any suppression stops it
    state           text        NOT NULL CHECK (state IN ('queued', 'held', 'leased', 'deferred')),
    next_at         timestamptz NOT NULL DEFAULT now(),
    attempts        integer     NOT NULL DEFAULT 0 CHECK (attempts >= 0), -- counted when claimed
    broke           boolean     NOT NULL DEFAULT false, -- a connection was lost after the final dot
    lease_owner     uuid,                               -- the batch that has it
    lease_until     timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    check_at        timestamptz NOT NULL,               -- when housekeeping looks at it: late, then expired
    expires_at      timestamptz NOT NULL,
    last_code       integer,
    last_text       text,
    PRIMARY KEY (organisation_id, delivery_id),
    CHECK ((state = 'leased') = (lease_until IS NOT NULL)),
    CHECK ((lease_owner IS NULL) = (lease_until IS NULL))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 200,
        autovacuum_vacuum_cost_delay = 0);
CREATE INDEX deliveries_due ON deliveries (lane, next_at) WHERE state <> 'leased';
CREATE INDEX deliveries_leased ON deliveries (lease_until) WHERE state = 'leased';
CREATE INDEX deliveries_check ON deliveries (check_at);
CREATE INDEX deliveries_held ON deliveries (organisation_id, ticket_number) WHERE state = 'held';

CREATE TABLE deliveries_done (
    organisation_id integer     NOT NULL,
    delivery_id     uuid        NOT NULL,
    message_id      uuid        NOT NULL,
    ticket_number   bigint,
    participant_no  integer,
    recipient       text        NOT NULL,
    lane            text        NOT NULL,
    rfc_message_id  text        NOT NULL,
    outcome         text        NOT NULL CHECK (outcome IN ('delivered', 'failed', 'suppressed', 'cancelled', 'unknown')),
    reason          text        NOT NULL DEFAULT '',
    attempts        integer     NOT NULL,
    created_at      timestamptz NOT NULL,
    finished_at     timestamptz NOT NULL DEFAULT now(),
    last_code       integer,
    last_text       text,
    PRIMARY KEY (organisation_id, delivery_id)
);
CREATE INDEX deliveries_done_ticket ON deliveries_done (organisation_id, ticket_number, delivery_id) WHERE ticket_number IS NOT NULL;
CREATE INDEX deliveries_done_age ON deliveries_done USING brin (finished_at);

-- Append-only, one partition a month, made ahead of time by the program; the default partition
-- catches what comes when that failed.
CREATE TABLE attempts (
    organisation_id integer     NOT NULL,
    delivery_id     uuid        NOT NULL,
    at              timestamptz NOT NULL DEFAULT now(),
    attempt         integer     NOT NULL,
    result          text        NOT NULL,            -- delivered, deferred, failed, unknown, bounced, delayed, …
    reason          text        NOT NULL DEFAULT '',
    remote_host     text        NOT NULL DEFAULT '',
    remote_ip       text        NOT NULL DEFAULT '',
    tls             text        NOT NULL DEFAULT '',
    tls_policy      text        NOT NULL DEFAULT '',
    code            integer,
    enhanced        text        NOT NULL DEFAULT '',
    reply           text        NOT NULL DEFAULT '',
    took_ms         integer     NOT NULL DEFAULT 0
) PARTITION BY RANGE (at);
CREATE INDEX attempts_delivery ON attempts (organisation_id, delivery_id, at);
CREATE TABLE attempts_default PARTITION OF attempts DEFAULT;

-- Addresses that are not written to. failed_at holds the hard failures of the last 14 days, as
-- long as they are too few to make the row active.
CREATE TABLE suppressions (
    organisation_id integer       NOT NULL REFERENCES organisations ON DELETE CASCADE,
    address         text          NOT NULL CHECK (address = lower(address)),
    reason          text          NOT NULL,
    active          boolean       NOT NULL,           -- false: only counted so far
    automatic_only  boolean       NOT NULL DEFAULT false, -- the words of a person still go out
    failed_at       timestamptz[] NOT NULL DEFAULT '{}',
    first_at        timestamptz   NOT NULL DEFAULT now(),
    last_at         timestamptz   NOT NULL DEFAULT now(),
    until           timestamptz,
    detail          text          NOT NULL DEFAULT '',
    PRIMARY KEY (organisation_id, address)
);
