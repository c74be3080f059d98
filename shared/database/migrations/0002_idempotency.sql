-- Which calls with an Idempotency-Key were made, and what was answered. Written in the transaction of the effect.
CREATE TABLE idempotency (
    caller  text        NOT NULL,
    route   text        NOT NULL,
    key     text        NOT NULL,
    digest  bytea       NOT NULL,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Both null where the answer holds a secret: that is given once.
    status  smallint,
    body    bytea,
    PRIMARY KEY (caller, route, key),
    CHECK ((status IS NULL) = (body IS NULL))
-- A row is inserted and then gets its answer: room for that on the same page.
) WITH (fillfactor = 60);
CREATE INDEX idempotency_by_age ON idempotency (made_at);
