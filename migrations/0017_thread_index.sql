-- What names the conversation in the Thread-Index of the letter that opened the ticket: our letters about it carry the same, so
-- that Outlook puts them beside it. NULL: it had none, and they carry one of our own.
ALTER TABLE tickets ADD COLUMN thread_index bytea CHECK (octet_length(thread_index) = 22);
