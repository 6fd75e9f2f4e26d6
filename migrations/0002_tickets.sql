-- Tickets, what stands in them, and the letters they came from.

CREATE TABLE tickets (
    organisation_id integer     NOT NULL REFERENCES organisations ON DELETE CASCADE,
    number          bigint      NOT NULL CHECK (number > 0),
    subject         text        NOT NULL,
    status          text        NOT NULL CHECK (status IN ('new', 'in_progress', 'waiting', 'closed')),
    priority        text        NOT NULL DEFAULT 'normal' CHECK (priority IN ('low', 'normal', 'high', 'urgent')),
    via             text        NOT NULL CHECK (via IN ('email', 'form', 'api', 'staff')),
    category_id     integer     NOT NULL,
    support_address text        NOT NULL, -- the address it came to: letters about it are From there
    requester_id    uuid        NOT NULL,
    owner_id        uuid,
    team_id         integer,
    tags            text[]      NOT NULL DEFAULT '{}',
    custom_fields   jsonb       NOT NULL DEFAULT '{}',
    minutes_spent   integer     NOT NULL DEFAULT 0,
    version         integer     NOT NULL DEFAULT 1, -- grows with every change; the ETag
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    closed_at       timestamptz,
    due_at          timestamptz,
    merged_into     bigint,
    follows         bigint,                          -- the closed ticket that this one continues
    PRIMARY KEY (organisation_id, number),
    FOREIGN KEY (organisation_id, category_id) REFERENCES categories,
    FOREIGN KEY (organisation_id, requester_id) REFERENCES people,
    CHECK ((status = 'closed') = (closed_at IS NOT NULL)),
    CHECK (merged_into <> number)
) WITH (fillfactor = 90);
-- As long as a table has no statistics, PostgreSQL takes every index that begins with organisation_id for as good as
-- the key, looks rows up by it (foreign keys too) and reads all of the organisation each time: 7,000 rows a
-- look-up after 15,000 letters. So every index beside the key is partial, with a condition that only those questions
-- imply for which it is made.
CREATE INDEX tickets_open ON tickets (organisation_id, status, number) WHERE status <> 'closed';
CREATE INDEX tickets_requester ON tickets (organisation_id, requester_id, number) WHERE requester_id IS NOT NULL;
CREATE INDEX tickets_owner ON tickets (organisation_id, owner_id, number) WHERE owner_id IS NOT NULL;

-- Everybody who takes part: requester, collaborators, and staff who were ever told. The number goes
-- into the signed address that only this participant gets.
CREATE TABLE participants (
    organisation_id integer NOT NULL,
    ticket_number   bigint  NOT NULL,
    participant_no  integer NOT NULL CHECK (participant_no > 0),
    person_id       uuid    NOT NULL,
    role            text    NOT NULL CHECK (role IN ('requester', 'collaborator', 'staff')),
    address         text    NOT NULL,              -- where this participant is written to
    subscribed      boolean NOT NULL DEFAULT true,
    refs            text    NOT NULL DEFAULT '',   -- Message-IDs this participant has seen, oldest first, for References
    last_commands   text    NOT NULL DEFAULT '',   -- subject of his last letter, if it held commands: they do not run twice
    name            text    NOT NULL DEFAULT '',
    PRIMARY KEY (organisation_id, ticket_number, participant_no),
    UNIQUE (organisation_id, ticket_number, person_id),
    FOREIGN KEY (organisation_id, ticket_number) REFERENCES tickets ON DELETE CASCADE,
    FOREIGN KEY (organisation_id, person_id) REFERENCES people
);

-- One letter as received. raw is compressed by us (encoding says how), so PostgreSQL need not try.
-- dedupe finds the same letter sent again; it is taken from a letter when it is too old to count.
CREATE TABLE letters (
    organisation_id integer     NOT NULL REFERENCES organisations ON DELETE CASCADE,
    letter_id       uuid        NOT NULL,
    received_at     timestamptz NOT NULL,
    mail_from       text        NOT NULL,          -- "" is the null reverse-path
    rcpt_to         text        NOT NULL,          -- separated by spaces
    from_address    text        NOT NULL,
    subject         text        NOT NULL,
    message_id      text        NOT NULL,
    kind            text        NOT NULL,
    outcome         text        NOT NULL CHECK (outcome IN ('ticket', 'entry', 'command', 'bounce', 'held', 'rejected', 'unhandled', 'over_limit', 'unprocessed')),
    ticket_number   bigint,                        -- the first ticket it went into
    size            integer     NOT NULL,          -- octets of raw, before compression
    session         jsonb       NOT NULL,
    verdict         jsonb,
    trace           jsonb       NOT NULL,          -- every decision and its reason
    received_field  text        NOT NULL,
    parser_version  integer     NOT NULL,
    problem         text,                          -- why it is held, or could not be read or processed
    dedupe          bytea,
    encoding        text        NOT NULL CHECK (encoding IN ('identity', 'zstd')),
    raw             bytea       NOT NULL,
    PRIMARY KEY (organisation_id, letter_id)
);
ALTER TABLE letters ALTER COLUMN raw SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX letters_dedupe ON letters (organisation_id, dedupe) WHERE dedupe IS NOT NULL;
CREATE INDEX letters_ticket ON letters (organisation_id, ticket_number, letter_id) WHERE ticket_number IS NOT NULL;
CREATE INDEX letters_open ON letters (organisation_id, letter_id) WHERE outcome IN ('held', 'unhandled', 'over_limit', 'unprocessed');

CREATE TABLE entries (
    organisation_id integer     NOT NULL,
    ticket_number   bigint      NOT NULL,
    entry_id        uuid        NOT NULL,
    kind            text        NOT NULL CHECK (kind IN ('message', 'reply', 'note', 'event')),
    author_id       uuid,
    author_name     text        NOT NULL DEFAULT '',
    author_address  text        NOT NULL DEFAULT '',
    identity        text        NOT NULL CHECK (identity IN ('verified', 'token', 'unverified', 'api', 'system')),
    third_party     boolean     NOT NULL DEFAULT false, -- written by somebody who does not take part
    mail_kind       text        NOT NULL DEFAULT '',    -- kind of the letter, when it is not human
    body            text        NOT NULL,               -- the new words; of an event, its sentence
    full_text       text,                               -- the whole text, when it is more than body
    html            text,                               -- sanitised
    event           text        NOT NULL DEFAULT '',    -- what happened: "ticket.closed"; '' for words
    letter_id       uuid,
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, ticket_number, entry_id),
    FOREIGN KEY (organisation_id, ticket_number) REFERENCES tickets ON DELETE CASCADE,
    CHECK ((kind = 'event') = (event <> ''))
);

-- Decoded attachments, stored once per content and organisation.
CREATE TABLE blobs (
    organisation_id integer NOT NULL,
    sha256          bytea   NOT NULL CHECK (length(sha256) = 32),
    data            bytea   NOT NULL,
    PRIMARY KEY (organisation_id, sha256)
);
ALTER TABLE blobs ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE TABLE attachments (
    organisation_id integer NOT NULL,
    ticket_number   bigint  NOT NULL,
    entry_id        uuid    NOT NULL,
    position        integer NOT NULL,
    filename        text    NOT NULL,
    content_type    text    NOT NULL,
    declared_type   text    NOT NULL,
    content_id      text    NOT NULL,
    inline          boolean NOT NULL,
    size            integer NOT NULL,
    sha256          bytea   NOT NULL,
    PRIMARY KEY (organisation_id, ticket_number, entry_id, position),
    FOREIGN KEY (organisation_id, ticket_number, entry_id) REFERENCES entries ON DELETE CASCADE,
    FOREIGN KEY (organisation_id, sha256) REFERENCES blobs
);
CREATE INDEX attachments_blob ON attachments (organisation_id, sha256) WHERE sha256 IS NOT NULL;

-- Message-IDs of letters from outside. The key is a hash, so a hostile id costs no more than an honest one. The ids of our own letters carry their ticket and need no row.
CREATE TABLE message_ids (
    organisation_id integer NOT NULL,
    hash            bytea   NOT NULL CHECK (length(hash) = 16),
    ticket_number   bigint  NOT NULL,
    PRIMARY KEY (organisation_id, hash, ticket_number),
    FOREIGN KEY (organisation_id, ticket_number) REFERENCES tickets ON DELETE CASCADE
);
