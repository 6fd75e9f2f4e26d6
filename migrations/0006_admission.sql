-- What all nodes together remember of strangers, so that it can be weighed whether to listen to them. None of it belongs
-- to an organisation, all of it may be lost, and names stand in it as hashes only (SHA-256, the first 16 bytes).

-- Client network, envelope sender and recipient that have tried.
CREATE TABLE greylist (
    triple   bytea       PRIMARY KEY CHECK (length(triple) = 16),
    first_at timestamptz NOT NULL DEFAULT now(),
    last_at  timestamptz NOT NULL DEFAULT now() CHECK (last_at >= first_at)
) WITH (fillfactor = 80);

-- Envelope senders of which a letter passed DMARC.
CREATE TABLE greylist_known (
    sender  bytea       PRIMARY KEY CHECK (length(sender) = 16),
    last_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 80);

-- Token buckets of a minute. Two minutes after at, a bucket is full again, whatever was taken.
CREATE UNLOGGED TABLE rate_buckets (
    bucket     bytea            PRIMARY KEY CHECK (length(bucket) = 16),
    per_minute integer          NOT NULL CHECK (per_minute > 0),
    tokens     double precision NOT NULL CHECK (tokens BETWEEN -per_minute AND per_minute),
    at         timestamptz      NOT NULL DEFAULT now()
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
