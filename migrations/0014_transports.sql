-- How the mail of an organisation leaves, when it has decided so itself. The secret is written and used, never shown.
CREATE TABLE relays (
    organisation_id integer PRIMARY KEY REFERENCES organisations ON DELETE CASCADE,
    kind            text    NOT NULL CHECK (kind IN ('smarthost', 'maildir', 'discard')),
    host            text    NOT NULL DEFAULT '',
    port            integer NOT NULL DEFAULT 0 CHECK (port BETWEEN 0 AND 65535),
    implicit        boolean NOT NULL DEFAULT false,                                       -- TLS from the first byte, else STARTTLS
    username        text    NOT NULL DEFAULT '',
    auth            text    NOT NULL DEFAULT '' CHECK (auth IN ('', 'password', 'xoauth2')),
    secret          text    NOT NULL DEFAULT '',                                          -- password or access token
    CHECK ((kind = 'smarthost') = (host <> '')),
    CHECK ((kind = 'smarthost') = (port > 0)),
    CHECK ((auth = '') = (username = '')),
    CHECK ((auth = '') = (secret = ''))
);

ALTER TABLE deliveries
    ADD COLUMN require_tls    boolean NOT NULL DEFAULT false, -- over encrypted and verified connections alone
    ADD COLUMN cancel_if_seen boolean NOT NULL DEFAULT false; -- while held: not sent if its recipient saw the message elsewhere

-- Deliveries that carry the very same letter, and may do so in one transaction under the return path of one of them: a
-- report names the recipient it is about.
CREATE TABLE shared_deliveries (
    organisation_id integer NOT NULL,
    message_id      uuid    NOT NULL,
    delivery_id     uuid    NOT NULL,
    recipient       text    NOT NULL,
    PRIMARY KEY (organisation_id, message_id, delivery_id),
    FOREIGN KEY (organisation_id, message_id) REFERENCES messages ON DELETE CASCADE
);
