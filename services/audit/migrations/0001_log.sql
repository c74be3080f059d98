-- The log. Its rows are final: no byte, entry or index in it ever changes, and none goes.

-- One entry for each event. The entry of the tree is three lines, "lockbox-leaf/v1", the event's id and the base64 of `digest`;
-- the other columns are copies of what stands in the event's bytes, for filters.
-- `position` is the order of appending over all tenants, from 1; `leaf_index` the order within a tenant, from 0. Both are
-- without gaps, and appends take turns (see log_end), so whoever has read up to a number has missed nothing below it.
CREATE TABLE leaves (
    position       bigint      PRIMARY KEY CHECK (position > 0),
    tenant         text        NOT NULL,
    leaf_index     bigint      NOT NULL CHECK (leaf_index >= 0),
    event_id       uuid        NOT NULL,
    digest         bytea       NOT NULL CHECK (octet_length(digest) = 32),
    source         text        NOT NULL,
    type           text        NOT NULL,
    subject        text        NOT NULL,
    time           timestamptz NOT NULL,
    sequence       bigint      NOT NULL CHECK (sequence > 0),
    correlation_id text
);
-- The inbox of audit: an event is appended once, however often it is delivered.
CREATE UNIQUE INDEX leaves_once ON leaves (event_id, source);
CREATE UNIQUE INDEX leaves_by_index ON leaves (tenant, leaf_index);
CREATE INDEX leaves_by_correlation ON leaves (correlation_id, position) WHERE correlation_id IS NOT NULL;
-- Most events are about a request, and then subject and correlation are the same: those are found by the index above.
CREATE INDEX leaves_by_subject ON leaves (subject, position) WHERE subject IS DISTINCT FROM correlation_id;

-- The exact bytes of each event, apart from its entry, so that an erased payload leaves every proof intact.
CREATE TABLE payloads (
    position bigint PRIMARY KEY,
    body     bytea  NOT NULL
);

-- How many entries each tenant's log has.
CREATE TABLE heads (
    tenant text   PRIMARY KEY,
    size   bigint NOT NULL CHECK (size > 0)
);

-- The last position. Whoever appends holds an advisory lock until he has committed: position order is commit order.
CREATE TABLE log_end (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    position bigint  NOT NULL
);
INSERT INTO log_end (position) VALUES (0);

-- The name of this log, in every tenant's origin. Chosen once.
CREATE TABLE log_name (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    origin   text    NOT NULL
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the rows of % are final: % is refused', TG_TABLE_NAME, TG_OP;
END
$$;

CREATE FUNCTION refuse_shrinking() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% only grows', TG_TABLE_NAME;
END
$$;

CREATE TRIGGER final BEFORE UPDATE OR DELETE OR TRUNCATE ON leaves EXECUTE FUNCTION refuse_change();
CREATE TRIGGER final BEFORE UPDATE OR DELETE OR TRUNCATE ON payloads EXECUTE FUNCTION refuse_change();
CREATE TRIGGER final BEFORE UPDATE OR DELETE OR TRUNCATE ON log_name EXECUTE FUNCTION refuse_change();
CREATE TRIGGER final BEFORE DELETE OR TRUNCATE ON heads EXECUTE FUNCTION refuse_change();
CREATE TRIGGER final BEFORE DELETE OR TRUNCATE ON log_end EXECUTE FUNCTION refuse_change();
CREATE TRIGGER grows BEFORE UPDATE ON heads FOR EACH ROW
    WHEN (new.tenant <> old.tenant OR new.size <= old.size) EXECUTE FUNCTION refuse_shrinking();
CREATE TRIGGER grows BEFORE UPDATE ON log_end FOR EACH ROW
    WHEN (new.position <= old.position) EXECUTE FUNCTION refuse_shrinking();
-- Also in a session that says it applies a replica's changes.
ALTER TABLE leaves ENABLE ALWAYS TRIGGER final;
ALTER TABLE payloads ENABLE ALWAYS TRIGGER final;
ALTER TABLE log_name ENABLE ALWAYS TRIGGER final;
ALTER TABLE heads ENABLE ALWAYS TRIGGER final;
ALTER TABLE log_end ENABLE ALWAYS TRIGGER final;
ALTER TABLE heads ENABLE ALWAYS TRIGGER grows;
ALTER TABLE log_end ENABLE ALWAYS TRIGGER grows;

REVOKE UPDATE, DELETE, TRUNCATE ON leaves, payloads, log_name FROM {service};
REVOKE DELETE, TRUNCATE ON heads FROM {service};
REVOKE INSERT, DELETE, TRUNCATE ON log_end FROM {service};

-- Which token has read which log in which hour, and so is on record there.
CREATE TABLE reads (
    token_id text        NOT NULL,
    tenant   text        NOT NULL,
    hour     timestamptz NOT NULL,
    PRIMARY KEY (token_id, tenant, hour)
);
