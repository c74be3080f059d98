-- How people come in: one-time links and the mails that carry them, codes for whoever is locked out; and machines' credentials.
-- No secret stands here: of a link its SHA-256, of a code and of a client's secret a keyed hash.

-- A link's token is made from its id with a key of the service, so its mail can be written (again) without storing it.
CREATE TABLE links (
    id         uuid        PRIMARY KEY,
    member_id  uuid        NOT NULL REFERENCES members,
    digest     bytea       NOT NULL UNIQUE,
    made_at    timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    -- Used, or overtaken by a newer one.
    ended_at   timestamptz
);
-- Whoever makes or uses one holds its member's row FOR UPDATE.
CREATE UNIQUE INDEX links_one_of_a_member ON links (member_id) WHERE ended_at IS NULL;

CREATE TABLE mails (
    id         uuid        PRIMARY KEY,
    link_id    uuid        NOT NULL REFERENCES links,
    about      text        NOT NULL CHECK (about IN ('welcome', 'reset', 'privileged_role')),
    language   text        NOT NULL,
    made_at    timestamptz NOT NULL,
    state      text        NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'failed', 'void')),
    attempts   integer     NOT NULL DEFAULT 0,
    due_at     timestamptz NOT NULL,
    error      text,
    settled_at timestamptz
);
CREATE INDEX mails_by_time ON mails (due_at) WHERE state = 'waiting';

-- A code that was used, or overtaken by new ones, is gone.
CREATE TABLE recovery_codes (
    digest    bytea PRIMARY KEY,
    member_id uuid  NOT NULL REFERENCES members
);
CREATE INDEX recovery_codes_of_a_member ON recovery_codes (member_id);

-- Machines' credentials. One that is revoked stays, since events name it.
CREATE TABLE clients (
    id         uuid        PRIMARY KEY,
    realm      text        NOT NULL,
    name       text        NOT NULL,
    scopes     text[]      NOT NULL,
    digest     bytea       NOT NULL,
    made_at    timestamptz NOT NULL,
    revoked_at timestamptz,
    revision   integer     NOT NULL CHECK (revision >= 0)
);
CREATE INDEX clients_of_a_realm ON clients (realm, id) WHERE revoked_at IS NULL;
