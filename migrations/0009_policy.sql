-- A staff member who answers the question whether a held letter is his, and not in the way that counts, is told
-- once how: whoever is not told twice cannot be in a conversation with our machine through his.
ALTER TABLE letters ADD COLUMN asked_again boolean NOT NULL DEFAULT false;
