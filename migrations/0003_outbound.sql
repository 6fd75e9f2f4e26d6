-- What is to be sent, where it waits, and what became of it.

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

-- Destinations: one a domain (later: one an MX site), or a smart host. Not a tenant's table: one
-- remote site is one remote site, whoever writes to it.
CREATE TABLE lanes (
    lane            text        PRIMARY KEY,
    next_at         timestamptz NOT NULL DEFAULT '-infinity', -- backed off until
    inflight        integer     NOT NULL DEFAULT 0 CHECK (inflight >= 0),
    max_inflight    integer     NOT NULL DEFAULT 2 CHECK (max_inflight BETWEEN 1 AND 20),
    fail_streak     integer     NOT NULL DEFAULT 0,
    paused          boolean     NOT NULL DEFAULT false,
    tls_seen        text        NOT NULL DEFAULT '',
    changed_at      timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- One recipient of one message, until its fate is known; then the row moves to deliveries_done.
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
    state           text        NOT NULL CHECK (state IN ('queued', 'held', 'leased', 'deferred')),
    next_at         timestamptz NOT NULL DEFAULT now(),
    attempts        integer     NOT NULL DEFAULT 0,
    lease_owner     uuid,
    lease_until     timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    expires_at      timestamptz NOT NULL,
    last_code       integer,
    last_text       text,
    PRIMARY KEY (organisation_id, delivery_id),
    CHECK ((state = 'leased') = (lease_until IS NOT NULL)),
    CHECK ((lease_owner IS NULL) = (lease_until IS NULL))
) WITH (fillfactor = 70);
CREATE INDEX deliveries_due ON deliveries (lane, next_at) WHERE state IN ('queued', 'deferred');
CREATE INDEX deliveries_leased ON deliveries (lease_until) WHERE state = 'leased';

CREATE TABLE deliveries_done (
    organisation_id integer     NOT NULL,
    delivery_id     uuid        NOT NULL,
    message_id      uuid        NOT NULL,
    ticket_number   bigint,
    participant_no  integer,
    recipient       text        NOT NULL,
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

-- Append-only, one partition a month, made ahead of time by the program; the default partition
-- catches what comes when that failed.
CREATE TABLE attempts (
    organisation_id integer     NOT NULL,
    delivery_id     uuid        NOT NULL,
    at              timestamptz NOT NULL DEFAULT now(),
    attempt         integer     NOT NULL,
    result          text        NOT NULL,
    remote_host     text        NOT NULL DEFAULT '',
    remote_ip       text        NOT NULL DEFAULT '',
    tls             text        NOT NULL DEFAULT '',
    tls_policy      text        NOT NULL DEFAULT '',
    code            integer,
    enhanced        text        NOT NULL DEFAULT '',
    reply           text        NOT NULL DEFAULT ''
) PARTITION BY RANGE (at);
CREATE INDEX attempts_delivery ON attempts (organisation_id, delivery_id, at);
CREATE TABLE attempts_default PARTITION OF attempts DEFAULT;

CREATE TABLE suppressions (
    organisation_id integer     NOT NULL REFERENCES organisations ON DELETE CASCADE,
    address         text        NOT NULL CHECK (address = lower(address)),
    reason          text        NOT NULL,
    active          boolean     NOT NULL,           -- false: only counted so far
    failures        integer     NOT NULL DEFAULT 0,
    first_at        timestamptz NOT NULL DEFAULT now(),
    last_at         timestamptz NOT NULL DEFAULT now(),
    until           timestamptz,
    detail          text        NOT NULL DEFAULT '',
    PRIMARY KEY (organisation_id, address)
);
