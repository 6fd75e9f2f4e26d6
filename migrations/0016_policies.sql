-- A policy that is to be fetched again is claimed by the node that does it: no lock and no connection is held meanwhile.
ALTER TABLE mta_sts_policies ADD COLUMN claimed_at timestamptz NOT NULL DEFAULT '-infinity';
