-- Certificates by ACME (RFC 8555), for all nodes. None of it belongs to an organisation: a certificate proves a name of
-- the server's. Private keys stand here as those of DKIM do: who can read the database can read them.

-- Who we are to a certificate authority.
CREATE TABLE acme_accounts (
    directory   text        PRIMARY KEY,         -- URL of the authority
    private_key bytea       NOT NULL,            -- PKCS #8, DER
    created_at  timestamptz NOT NULL DEFAULT now()
);

-- One row a name. An attempt is counted, and the next one put off, when it begins: who dies in the middle, or starts again
-- and again, asks the authority no more often than one that only fails.
CREATE TABLE acme_certificates (
    name            text        PRIMARY KEY CHECK (name = lower(name)),
    attempt         bigint      NOT NULL DEFAULT 0,     -- the number of the last one; who holds it may record its end
    attempted_at    timestamptz,
    failures        integer     NOT NULL DEFAULT 0 CHECK (failures >= 0), -- since the last success, an attempt in progress included
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    last_error      text        NOT NULL DEFAULT '',
    directory       text        NOT NULL DEFAULT '',    -- the authority of the last attempt
    issued          bigint      NOT NULL DEFAULT 0,     -- certificates so far: nodes see by it that there is a new one
    chain           bytea[],                            -- DER, the certificate first
    private_key     bytea,                              -- PKCS #8, DER
    not_before      timestamptz,
    not_after       timestamptz,
    CHECK ((chain IS NULL) = (issued = 0)),
    CHECK (num_nulls(chain, private_key, not_before, not_after) IN (0, 4))
);

-- What any node answers when the authority asks. A name has one attempt at a time, so one answer.
CREATE TABLE acme_challenges (
    name       text        PRIMARY KEY,
    kind       text        NOT NULL CHECK (kind IN ('http-01', 'tls-alpn-01')),
    token      text        NOT NULL,
    answer     bytea       NOT NULL, -- http-01: the text; tls-alpn-01: certificate and key, PEM
    expires_at timestamptz NOT NULL
);
