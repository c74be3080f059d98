-- What the notifier keeps of tenants and people. Each event carries a number that rises in its log: the highest counts, so
-- order and number of deliveries do not matter.
CREATE TABLE tenants (
    tenant            text    PRIMARY KEY,
    name              text,
    enabled           boolean NOT NULL DEFAULT false,
    enabled_sequence  bigint  NOT NULL DEFAULT 0,
    notify            text[]  NOT NULL DEFAULT '{}',
    links_in_mail     boolean NOT NULL DEFAULT false,
    settings_sequence bigint  NOT NULL DEFAULT 0
);

-- Somebody is there while he was added after he was removed.
CREATE TABLE members (
    member_id text   PRIMARY KEY,
    realm     text   NOT NULL,
    email     text   NOT NULL,
    name      text   NOT NULL,
    sequence  bigint NOT NULL,
    added     bigint NOT NULL DEFAULT 0,
    removed   bigint NOT NULL DEFAULT 0
);
CREATE INDEX members_by_realm ON members (realm);

-- A role is held while it was assigned after it, and its holder, was removed.
CREATE TABLE roles (
    member_id text   NOT NULL,
    role      text   NOT NULL,
    assigned  bigint NOT NULL DEFAULT 0,
    removed   bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (member_id, role)
);

-- The fold of a request's events (shared.lifecycle), as JSON. It is text and not jsonb, which refuses an escaped NUL.
CREATE TABLE requests (
    request_id text PRIMARY KEY,
    tenant     text NOT NULL,
    state      text NOT NULL DEFAULT '{}'
);

-- A mail as it was written when its event came: one for each event and audience.
CREATE TABLE mails (
    event_id   uuid        NOT NULL,
    audience   text        NOT NULL,
    about      text        NOT NULL,
    tenant     text        NOT NULL,
    request_id text        NOT NULL,
    subject    text        NOT NULL,
    text       text        NOT NULL,
    html       text        NOT NULL,
    made_at    timestamptz NOT NULL,
    PRIMARY KEY (event_id, audience)
);

-- The outbox of deliveries. The id is the left part of the Message-ID, so a mail that was sent twice is recognizable.
CREATE TABLE deliveries (
    id         uuid        PRIMARY KEY,
    event_id   uuid        NOT NULL,
    audience   text        NOT NULL,
    channel    text        NOT NULL CHECK (channel IN ('email')),
    recipient  text        NOT NULL,
    state      text        NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'failed')),
    -- Counted before each try, so that a try that ends the process counts too.
    attempts   integer     NOT NULL DEFAULT 0,
    due_at     timestamptz NOT NULL,
    error      text,
    settled_at timestamptz,
    UNIQUE (event_id, recipient, channel),
    FOREIGN KEY (event_id, audience) REFERENCES mails
);
CREATE INDEX deliveries_to_send ON deliveries (due_at) WHERE state = 'waiting';
