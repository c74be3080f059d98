-- What every service's database holds besides its own tables. {service} is the service's login role.

-- The outbox. Rows are written in the transaction of the state they speak of; their bytes are final.
-- Number order is commit order: see sequences.
CREATE TABLE events (
    tenant    text        NOT NULL,
    sequence  bigint      NOT NULL CHECK (sequence > 0),
    id        uuid        NOT NULL,
    type      text        NOT NULL,
    subject   text        NOT NULL,
    revision  integer     CHECK (revision > 0),
    time      timestamptz NOT NULL,
    body      bytea       NOT NULL,
    PRIMARY KEY (tenant, sequence)
);
-- Optimistic concurrency: of two decisions on the same state of a subject, one fails.
CREATE UNIQUE INDEX events_one_change_a_revision ON events (subject, revision) WHERE revision IS NOT NULL;

-- The next number of each tenant. Taken as the last lock of a transaction and held to its end, so that a lower number is
-- always committed first, a rollback leaves no gap, and a removed row leaves one.
CREATE TABLE sequences (
    tenant text   PRIMARY KEY,
    last   bigint NOT NULL
);

-- How far each tenant's events are confirmed by the broker, without a gap before it.
CREATE TABLE relay (
    tenant    text   PRIMARY KEY,
    confirmed bigint NOT NULL
);

-- The ids of events that took effect (or are parked, or dead): a second delivery of one is passed over.
CREATE TABLE inbox (
    event_id    uuid        PRIMARY KEY,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Events that fail when applied alone. While one is here (replayed_at is null) its subject waits.
CREATE TABLE dead_letters (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id    uuid        NOT NULL UNIQUE,
    tenant      text        NOT NULL,
    subject     text        NOT NULL,
    type        text        NOT NULL,
    source      text        NOT NULL,
    body        bytea       NOT NULL,
    error       text        NOT NULL,
    attempts    integer     NOT NULL DEFAULT 1,
    died_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    replayed_at timestamptz,
    replayed_by text
);
CREATE INDEX dead_letters_that_block ON dead_letters (subject) WHERE replayed_at IS NULL;

-- Events that wait in order: behind a dead letter of their subject, or for the state that they need.
CREATE TABLE parked (
    position  bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id  uuid        NOT NULL UNIQUE,
    subject   text        NOT NULL,
    waits_for text        NOT NULL CHECK (waits_for IN ('dead_letter', 'state')),
    body      bytea       NOT NULL,
    parked_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX parked_by_subject ON parked (subject, position);

-- Messages that cannot be attributed to the owner of their type.
CREATE TABLE quarantine (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reason      text        NOT NULL,
    user_id     text,
    routing_key text        NOT NULL,
    headers     text        NOT NULL,
    digest      text        NOT NULL,
    body        bytea       NOT NULL,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- "Everything that this service committed before `complete_until` has been applied here."
CREATE TABLE freshness (
    service        text        PRIMARY KEY,
    complete_until timestamptz NOT NULL
);

-- Written once and never changed; removed only when it has long been sent.
REVOKE UPDATE, TRUNCATE ON events FROM {service};
REVOKE UPDATE, DELETE, TRUNCATE ON inbox FROM {service};
REVOKE UPDATE, DELETE, TRUNCATE ON quarantine FROM {service};
