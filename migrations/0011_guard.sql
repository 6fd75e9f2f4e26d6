-- What the guards against loops remember (package ticketing/guard). The states are of fixed size, written by the program alone.

-- Of the automatic letters to one participant of one ticket.
ALTER TABLE participants ADD COLUMN guard bytea NOT NULL DEFAULT '';

-- Of the letters of an address that had automatic answers.
ALTER TABLE person_addresses ADD COLUMN guard bytea NOT NULL DEFAULT '';

-- Of all automatic letters to one address, if they are many: nodes share what they counted. Rows with nothing left to
-- remember are deleted by whoever writes the next one.
CREATE TABLE guard_totals (
    organisation_id integer     NOT NULL REFERENCES organisations ON DELETE CASCADE,
    address         text        NOT NULL CHECK (address = lower(address)),
    state           bytea       NOT NULL,
    forget_at       timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, address)
) WITH (fillfactor = 70);
