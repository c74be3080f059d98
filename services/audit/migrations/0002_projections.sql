-- What is read from the log for questions. Every row here can be made again from it.

-- How far each projection has read; moved in the transaction of its rows.
CREATE TABLE projections (
    name     text   PRIMARY KEY,
    position bigint NOT NULL
);
INSERT INTO projections (name, position) VALUES ('requests', 0), ('usage', 0), ('directory', 0);

-- Requests, as the log of one tenant tells them. `state` is the fold of shared.lifecycle as JSON; the rest is for filters.
-- `settled` is the state as long as the clock is left out: past `access_until` what is approved or active has ended.
CREATE TABLE requests (
    tenant         text        NOT NULL,
    request_id     text        NOT NULL,
    state          text        NOT NULL,
    settled        text        NOT NULL,
    access_until   timestamptz,
    engineer_id    text,
    engineer_email text,
    approvers      text[]      NOT NULL,
    service        text,
    submitted_at   timestamptz,
    last_id        uuid        NOT NULL,
    last_type      text        NOT NULL,
    last_at        timestamptz NOT NULL,
    PRIMARY KEY (tenant, request_id)
);
CREATE INDEX requests_of_a_tenant ON requests (tenant, submitted_at, request_id);
CREATE INDEX requests_by_time ON requests (submitted_at, request_id);

-- What was done under a request's grant, and how often.
CREATE TABLE usage (
    tenant     text   NOT NULL,
    request_id text   NOT NULL,
    resource   text   NOT NULL,
    operation  text   NOT NULL,
    actions    bigint NOT NULL,
    PRIMARY KEY (tenant, request_id, resource, operation)
);
CREATE TABLE refusals (
    tenant     text   NOT NULL,
    request_id text   NOT NULL,
    refused    bigint NOT NULL,
    PRIMARY KEY (tenant, request_id)
);

-- Who may read. Events may come in another order than they were made in, so each fact keeps the number of the event that
-- it is from, and a lower number changes nothing.
CREATE TABLE members (
    realm     text    NOT NULL,
    member_id text    NOT NULL,
    email     text    NOT NULL,
    name      text    NOT NULL,
    present   boolean NOT NULL,
    sequence  bigint  NOT NULL,
    PRIMARY KEY (realm, member_id)
);
-- A role counts only from a number above its member's: who is added again has none of his old ones.
CREATE TABLE roles (
    realm     text    NOT NULL,
    member_id text    NOT NULL,
    role      text    NOT NULL,
    held      boolean NOT NULL,
    sequence  bigint  NOT NULL,
    PRIMARY KEY (realm, member_id, role)
);
CREATE TABLE ended_sessions (
    session_id text PRIMARY KEY
);
-- Sessions that began before count no more.
CREATE TABLE session_cutoffs (
    realm     text        NOT NULL,
    member_id text        NOT NULL,
    before    timestamptz NOT NULL,
    PRIMARY KEY (realm, member_id)
);
CREATE TABLE tenants (
    tenant            text    PRIMARY KEY,
    name              text,
    entitled          boolean NOT NULL DEFAULT false,
    entitled_sequence bigint  NOT NULL DEFAULT 0,
    enabled           boolean NOT NULL DEFAULT false,
    enabled_sequence  bigint  NOT NULL DEFAULT 0
);
