-- What expiry knows of a request. Each event fills columns of its own, so order and number of deliveries do not matter.
CREATE TABLE requests (
    request_id    text        PRIMARY KEY,
    tenant        text        NOT NULL,
    decide_by     timestamptz,
    submission_id uuid,
    decided       boolean     NOT NULL DEFAULT false,
    grant_id      text,
    access_until  timestamptz,
    approval_id   uuid,
    ended         boolean     NOT NULL DEFAULT false,
    -- How many events about this request expiry has published.
    revision      integer     NOT NULL DEFAULT 0
);

-- What is to be said, and when. A fired timer stays: it is never set again.
CREATE TABLE timers (
    request_id text        NOT NULL REFERENCES requests,
    kind       text        NOT NULL,
    due_at     timestamptz NOT NULL,
    -- The event that set it.
    caused_by  uuid        NOT NULL,
    fired_at   timestamptz,
    PRIMARY KEY (request_id, kind)
);
CREATE INDEX timers_to_fire ON timers (due_at) WHERE fired_at IS NULL;
