-- Which entries a letter became: asked when letters are read again. An entry keeps its letter when it moves to another
-- ticket, so neither the ticket of the letter nor its Message-ID tells.
CREATE INDEX entries_letter ON entries (organisation_id, letter_id) WHERE letter_id IS NOT NULL AND kind <> 'event';
