-- What nobody refers to any more is thrown away, some at a time. Files and letters are noted here when the last known
-- reference may be gone; housekeeping looks at those alone, and never through all there are.
CREATE TABLE loose_blobs (
    organisation_id integer NOT NULL,
    sha256          bytea   NOT NULL,
    PRIMARY KEY (organisation_id, sha256)
);

CREATE TABLE loose_letters (
    organisation_id integer NOT NULL,
    letter_id       uuid    NOT NULL,
    PRIMARY KEY (organisation_id, letter_id)
);

CREATE FUNCTION note_loose_blobs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO loose_blobs (organisation_id, sha256)
    SELECT DISTINCT organisation_id, sha256 FROM gone ORDER BY organisation_id, sha256
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;

CREATE FUNCTION note_loose_letters() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO loose_letters (organisation_id, letter_id)
    SELECT DISTINCT organisation_id, letter_id FROM gone WHERE letter_id IS NOT NULL ORDER BY organisation_id, letter_id
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;

CREATE TRIGGER attachments_gone AFTER DELETE ON attachments
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION note_loose_blobs();
CREATE TRIGGER entries_gone AFTER DELETE ON entries
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION note_loose_letters();

-- Letters that became part of no ticket: they go when they are old.
CREATE INDEX letters_unused ON letters (organisation_id, letter_id)
 WHERE outcome IN ('bounce', 'rejected', 'unhandled', 'over_limit');
