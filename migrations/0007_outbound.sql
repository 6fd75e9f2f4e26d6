-- MTA-STS policies of other domains, as last fetched (RFC 8461): while one is young enough it is obeyed, whatever
-- the DNS and HTTPS say meanwhile. Not a tenant's table: a domain's policy is the same for all who write to it.
CREATE TABLE mta_sts_policies (
    domain     text        PRIMARY KEY,
    policy_id  text        NOT NULL,                -- of the DNS record
    mode       text        NOT NULL CHECK (mode IN ('none', 'testing', 'enforce')),
    mx         text[]      NOT NULL,
    max_age    integer     NOT NULL CHECK (max_age BETWEEN 0 AND 31557600), -- seconds
    fetched_at timestamptz NOT NULL
);
