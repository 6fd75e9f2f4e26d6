-- The life of a DKIM key: created, published (the DNS has shown it), active (it signs), retiring (it stays in the DNS for
-- letters under way), removed (its private half is erased, its record may go). An active key that the DNS has shown
-- and shows no more is lost: it does not sign until it is back.
ALTER TABLE dkim_keys
    ALTER COLUMN private_key DROP NOT NULL,
    ADD COLUMN published_at timestamptz,                        -- when the DNS first showed it
    ADD COLUMN removed_at   timestamptz,
    ADD COLUMN lost         boolean     NOT NULL DEFAULT false,
    ADD COLUMN missed       integer     NOT NULL DEFAULT 0,     -- looks in a row that found the DNS without it
    ADD COLUMN presence     text        NOT NULL DEFAULT '',    -- what the last look found
    ADD COLUMN looked_at    timestamptz,
    ADD COLUMN look_at      timestamptz NOT NULL DEFAULT now(), -- when to look next
    DROP CONSTRAINT dkim_keys_state_check,
    DROP CONSTRAINT dkim_keys_check,
    DROP CONSTRAINT dkim_keys_check1,
    ADD CONSTRAINT dkim_keys_state CHECK (state IN ('created', 'published', 'active', 'retiring', 'removed')),
    ADD CONSTRAINT dkim_keys_published CHECK (state <> 'published' OR published_at IS NOT NULL),
    ADD CONSTRAINT dkim_keys_active CHECK (
        CASE WHEN state IN ('created', 'published') THEN active_at IS NULL
             WHEN state IN ('active', 'retiring') THEN active_at IS NOT NULL ELSE true END),
    ADD CONSTRAINT dkim_keys_retiring CHECK ((state = 'retiring') = (retiring_at IS NOT NULL)),
    ADD CONSTRAINT dkim_keys_removed CHECK ((state = 'removed') = (removed_at IS NOT NULL)),
    ADD CONSTRAINT dkim_keys_erased CHECK ((state = 'removed') = (private_key IS NULL)),
    ADD CONSTRAINT dkim_keys_lost CHECK (state = 'active' OR NOT lost);

CREATE INDEX dkim_keys_look ON dkim_keys (look_at);

ALTER TABLE domains
    ADD COLUMN require_dkim       boolean NOT NULL DEFAULT false, -- letters wait rather than go out unsigned
    ADD COLUMN dkim_rotation_days integer NOT NULL DEFAULT 180 CHECK (dkim_rotation_days BETWEEN 0 AND 3650); -- 0: never
