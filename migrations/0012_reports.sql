-- What other hosts report about our domains, and what we report about theirs.

-- A letter to dmarc-reports@ or tls-reports@ makes no ticket.
ALTER TABLE letters DROP CONSTRAINT letters_outcome_check;
ALTER TABLE letters ADD CONSTRAINT letters_outcome_check CHECK (outcome IN
    ('ticket', 'entry', 'command', 'bounce', 'held', 'rejected', 'unhandled', 'over_limit', 'unprocessed', 'report'));

-- Letters with reports that nobody has read yet.
CREATE TABLE reports_waiting (
    organisation_id integer NOT NULL,
    letter_id       uuid    NOT NULL,
    domain          text    NOT NULL, -- of the address it was written to
    PRIMARY KEY (organisation_id, letter_id),
    FOREIGN KEY (organisation_id, letter_id) REFERENCES letters ON DELETE CASCADE
);

-- Reports as read. The key of a good one is a hash of who reports what, so that the same report counts once; that of one
-- that is not used (state) is its letter's.
CREATE TABLE reports (
    organisation_id integer     NOT NULL REFERENCES organisations ON DELETE CASCADE,
    report_key      bytea       NOT NULL CHECK (length(report_key) = 16),
    report_id       uuid        NOT NULL,           -- our name of it
    letter_id       uuid        NOT NULL,           -- may be forgotten before the report is
    received_at     timestamptz NOT NULL,
    kind            text        NOT NULL CHECK (kind IN ('tls', 'dmarc', '')),
    domain          text        NOT NULL,           -- ours, that it is about
    submitter       text        NOT NULL,           -- domain of the From field
    authentic       boolean     NOT NULL,           -- DMARC vouches for it
    reporter        text        NOT NULL DEFAULT '', -- as the report says, which may lie
    external_id     text        NOT NULL DEFAULT '',
    begins_at       timestamptz,
    ends_at         timestamptz,
    passed          bigint      NOT NULL DEFAULT 0,
    failed          bigint      NOT NULL DEFAULT 0,
    state           text        NOT NULL CHECK (state IN ('counted', 'malformed', 'foreign')),
    problem         text        NOT NULL DEFAULT '',
    PRIMARY KEY (organisation_id, report_key),
    CHECK ((state = 'counted') = (problem = '')),
    CHECK (state <> 'counted' OR kind <> '' AND begins_at <= ends_at)
);
CREATE UNIQUE INDEX reports_id ON reports (organisation_id, report_id) WHERE report_id IS NOT NULL; -- see tickets_open
CREATE INDEX reports_age ON reports (received_at);

-- What a report says, by result. A report of a large receiver has a line for each address; those beyond a bound are
-- added up in lines without one.
CREATE TABLE report_lines (
    organisation_id integer NOT NULL,
    report_key      bytea   NOT NULL,
    position        integer NOT NULL,
    result          text    NOT NULL,            -- pass, fail, or a result type of RFC 8460
    disposition     text    NOT NULL DEFAULT '', -- of DMARC
    peer            text    NOT NULL DEFAULT '', -- source of the letters, or our host
    detail          text    NOT NULL DEFAULT '',
    quantity        bigint  NOT NULL CHECK (quantity >= 0),
    PRIMARY KEY (organisation_id, report_key, position),
    FOREIGN KEY (organisation_id, report_key) REFERENCES reports ON DELETE CASCADE
);

-- What we saw of others in a day (UTC), and may report to them. Not a tenant's tables: a remote domain is one remote domain,
-- whoever writes to it. The key is a hash of the other columns.
CREATE TABLE tls_results (
    day          date   NOT NULL,
    domain       text   NOT NULL,
    result_key   bytea  NOT NULL CHECK (length(result_key) = 16),
    policy       text   NOT NULL CHECK (policy IN ('tlsa', 'sts', 'no-policy-found')),
    policy_text  text   NOT NULL,              -- lines
    policy_mx    text   NOT NULL,              -- lines
    result       text   NOT NULL,              -- a result type of RFC 8460; '': success
    sending_ip   text   NOT NULL,
    receiving_mx text   NOT NULL,
    receiving_ip text   NOT NULL,
    reason       text   NOT NULL,
    sessions     bigint NOT NULL CHECK (sessions > 0),
    PRIMARY KEY (day, domain, result_key)
) WITH (fillfactor = 80);

CREATE TABLE dmarc_results (
    day        date   NOT NULL,
    domain     text   NOT NULL,                -- that published the policy
    result_key bytea  NOT NULL CHECK (length(result_key) = 16),
    record     jsonb  NOT NULL,                -- everything but the number
    letters    bigint NOT NULL CHECK (letters > 0),
    PRIMARY KEY (day, domain, result_key)
) WITH (fillfactor = 80);

-- A report that we owe a domain for a day; each goes once to each destination.
CREATE TABLE reports_owed (
    kind         text        NOT NULL CHECK (kind IN ('tls', 'dmarc')),
    day          date        NOT NULL,
    domain       text        NOT NULL,
    state        text        NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sent', 'unwanted', 'failed')),
    next_at      timestamptz NOT NULL,
    attempts     integer     NOT NULL DEFAULT 0,
    destinations jsonb,                        -- those that have not got it; NULL: not yet looked up
    detail       text        NOT NULL DEFAULT '',
    PRIMARY KEY (kind, day, domain)
);
CREATE INDEX reports_owed_due ON reports_owed (next_at) WHERE state = 'pending';

-- The rest of the header and the body of a letter that is not composed of words and files; its message has no text.
CREATE TABLE message_bodies (
    organisation_id integer NOT NULL,
    message_id      uuid    NOT NULL,
    body            bytea   NOT NULL,
    any_tls         boolean NOT NULL DEFAULT false, -- TLS policies do not hold it up: it tells of them
    PRIMARY KEY (organisation_id, message_id),
    FOREIGN KEY (organisation_id, message_id) REFERENCES messages ON DELETE CASCADE
);
ALTER TABLE message_bodies ALTER COLUMN body SET STORAGE EXTERNAL;
