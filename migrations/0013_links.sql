-- Everybody whom a letter to several names in To and Cc, as JSON, in that order; '': each recipient gets a letter of his own.
ALTER TABLE messages ADD COLUMN shared_with text NOT NULL DEFAULT '';

-- Until when attachments of the entry that are too large to travel can be fetched; NULL: they are only named.
ALTER TABLE messages ADD COLUMN links_until timestamptz;
