-- Mail about the ticket leaves over encrypted and verified connections, or not at all, whatever its category says.
ALTER TABLE tickets ADD COLUMN require_tls boolean NOT NULL DEFAULT false;
