-- What request_api knows: tenants and the provider's people as approval's events tell of them, its own requests, and what was
-- done under their grants. {service} is the service's login role.

-- `sequence` columns hold the number of the event that a value comes from (source approval): the later event counts, in
-- whatever order they arrive.
CREATE TABLE tenants (
    tenant            text     PRIMARY KEY,
    registered        boolean  NOT NULL DEFAULT false,
    decision_window   interval,
    max_duration      interval,
    services          text[]   NOT NULL DEFAULT '{}',
    settings_sequence bigint   NOT NULL DEFAULT 0,
    enabled           boolean  NOT NULL DEFAULT false,
    enabled_sequence  bigint   NOT NULL DEFAULT 0
);

-- The provider's people. One is there while he was added later than he was removed.
CREATE TABLE members (
    member_id        text        PRIMARY KEY,
    email            text,
    name             text,
    employer         text,
    job_title        text,
    country          text,
    added_sequence   bigint      NOT NULL DEFAULT 0,
    removed_sequence bigint      NOT NULL DEFAULT 0,
    -- Sessions that began before this instant are over.
    sessions_from    timestamptz
);

-- A role counts while it is held and was given after its holder was last removed.
CREATE TABLE roles (
    member_id text    NOT NULL,
    role      text    NOT NULL,
    held      boolean NOT NULL,
    sequence  bigint  NOT NULL,
    PRIMARY KEY (member_id, role)
);

CREATE TABLE revoked_sessions (
    session_id text        PRIMARY KEY,
    revoked_at timestamptz NOT NULL
);
CREATE INDEX revoked_sessions_by_age ON revoked_sessions (revoked_at);

-- `state` is the fold of the request's events (JSON); the other columns are taken from it with each change.
CREATE TABLE requests (
    id           uuid        PRIMARY KEY,
    tenant       text        NOT NULL,
    engineer_id  text        NOT NULL,
    revision     integer     NOT NULL CHECK (revision > 0),
    -- The state's name, the passing of time apart: a grant whose time is over still stands here as approved or active.
    stage        text        NOT NULL,
    grant_id     uuid,
    access_from  timestamptz,
    access_until timestamptz,
    -- What ended the grant other than time, or forbade it from the start.
    closed_at    timestamptz,
    granted      text,
    state        text        NOT NULL
);
CREATE UNIQUE INDEX requests_by_grant ON requests (grant_id) WHERE grant_id IS NOT NULL;
CREATE INDEX requests_by_engineer ON requests (engineer_id, id);
CREATE INDEX requests_by_tenant ON requests (tenant, id);
CREATE INDEX requests_by_stage ON requests (stage, id);

-- Allowed actions, kept until their completion can no longer be reported.
CREATE TABLE actions (
    action_id    uuid        PRIMARY KEY,
    request_id   uuid        NOT NULL,
    grant_id     uuid        NOT NULL,
    resource     text        NOT NULL,
    operation    text        NOT NULL,
    recorded_at  timestamptz NOT NULL,
    completed_at timestamptz
);
CREATE INDEX actions_by_age ON actions (recorded_at);

-- Refusals of a token in a minute: how many stand in the log one by one, and how many are only counted.
CREATE TABLE refusals (
    token_id   text        NOT NULL,
    minute     timestamptz NOT NULL,
    code       text        NOT NULL,
    request_id uuid        NOT NULL,
    grant_id   uuid        NOT NULL,
    tenant     text        NOT NULL,
    recorded   integer     NOT NULL,
    counted    integer     NOT NULL,
    first      timestamptz,
    last       timestamptz,
    PRIMARY KEY (token_id, minute, code)
);
CREATE INDEX refusals_by_minute ON refusals (minute);
