-- What approval knows: tenants and their settings, people and their roles, sessions, and requests as their events tell them.

CREATE TABLE tenants (
    tenant           text    PRIMARY KEY,
    name             text    NOT NULL,
    entitled         boolean NOT NULL,
    settings         jsonb   NOT NULL,
    settings_version integer NOT NULL CHECK (settings_version > 0),
    revision         integer NOT NULL CHECK (revision > 0)
);

-- People of either realm: `provider` or a tenant. Who is removed stays, since decisions name him.
CREATE TABLE members (
    id            uuid        PRIMARY KEY,
    realm         text        NOT NULL,
    email         text        NOT NULL,
    name          text        NOT NULL,
    employer      text,
    job_title     text,
    country       text,
    -- Argon2id, PHC string; null until the member has set a password.
    password_hash text,
    removed_at    timestamptz,
    revision      integer     NOT NULL CHECK (revision > 0)
);
CREATE UNIQUE INDEX members_one_of_an_address ON members (realm, email) WHERE removed_at IS NULL;

-- Whoever changes a member's roles holds the member's row FOR UPDATE; whoever decides by them holds it FOR SHARE.
CREATE TABLE member_roles (
    member_id uuid NOT NULL REFERENCES members,
    role      text NOT NULL,
    PRIMARY KEY (member_id, role)
);

CREATE TABLE sessions (
    id         uuid        PRIMARY KEY,
    member_id  uuid        NOT NULL REFERENCES members,
    method     text        NOT NULL,
    issued_at  timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at   timestamptz
);
CREATE INDEX sessions_of_a_member ON sessions (member_id);
CREATE INDEX sessions_by_age ON sessions (expires_at);

-- A request: the fold of its events (`life`), and of it the columns by which it is found.
-- All but id and life are null while its submission has not been seen.
CREATE TABLE requests (
    id                   uuid        PRIMARY KEY,
    tenant               text,
    engineer_id          uuid,
    -- As of the last event; `approved` and `active` end by themselves at access_until.
    state                text        NOT NULL,
    provider_approved_at timestamptz,
    grant_id             uuid        UNIQUE,
    access_until         timestamptz,
    life                 jsonb       NOT NULL,
    -- How many state changes of this subject this service has published.
    revision             integer     NOT NULL
);
CREATE INDEX requests_of_a_tenant ON requests (tenant, id) WHERE provider_approved_at IS NOT NULL;
CREATE INDEX requests_of_an_engineer ON requests (engineer_id, id);
CREATE INDEX requests_in_a_state ON requests (state, id);

-- What the service itself has to decide, and from when on: a window that closed, a withdrawal of what it had approved.
-- Written with the event that asks for it; decided by a task in a transaction of its own, which locks one request alone.
CREATE TABLE own_decisions (
    request_id uuid        NOT NULL,
    about      text        NOT NULL CHECK (about IN ('window_closed', 'withdrawn')),
    due_at     timestamptz NOT NULL,
    cause      uuid        NOT NULL,
    PRIMARY KEY (request_id, about)
);
CREATE INDEX own_decisions_by_time ON own_decisions (due_at);
