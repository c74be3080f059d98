-- How people show who they are: what limits guessing, and second factors.

-- Failed attempts in a row, of an account (`account:REALM:ADDRESS`, one that does not exist too) or from an address
-- (`address:IP`). An attempt is counted before it is judged, and taken back when it was good.
CREATE TABLE attempts (
    key           text        PRIMARY KEY,
    failures      integer     NOT NULL CHECK (failures >= 0),
    blocked_until timestamptz,
    touched_at    timestamptz NOT NULL
);
CREATE INDEX attempts_by_age ON attempts (touched_at);

-- Attempts that failed, until the account's people have been told by an event; those under way stand here too.
CREATE TABLE failed_attempts (
    id      uuid        PRIMARY KEY,
    realm   text        NOT NULL,
    email   text        NOT NULL,
    address text        NOT NULL,
    code    text        NOT NULL,
    at      timestamptz NOT NULL
);
CREATE INDEX failed_attempts_of_an_account ON failed_attempts (realm, email, at);

-- When it was last told that signing in to an account failed: at most once a minute.
CREATE TABLE failures_told (
    member_id uuid        PRIMARY KEY REFERENCES members,
    told_at   timestamptz NOT NULL
);

-- Second factors. Whoever adds or removes one holds the member's row FOR UPDATE; whoever uses one holds the factor's.
CREATE TABLE factors (
    id            uuid        PRIMARY KEY,
    member_id     uuid        NOT NULL REFERENCES members,
    kind          text        NOT NULL CHECK (kind IN ('totp', 'passkey')),
    name          text,
    added_at      timestamptz NOT NULL,
    -- Null until a first code has shown that the other side has the secret: such a factor does not count.
    confirmed_at  timestamptz,
    last_used_at  timestamptz,
    -- Of a one-time password: its secret, encrypted, and the last time step whose code was used.
    secret        bytea,
    last_step     bigint,
    -- Of a passkey: what it is called and verified by, the site that it is bound to, and its own counter of uses.
    credential_id bytea       UNIQUE,
    public_key    bytea,
    rp_id         text,
    origin        text,
    sign_count    bigint,
    CHECK (CASE kind WHEN 'totp' THEN secret IS NOT NULL
                     ELSE credential_id IS NOT NULL AND public_key IS NOT NULL AND rp_id IS NOT NULL
                          AND origin IS NOT NULL AND sign_count IS NOT NULL END)
);
CREATE INDEX factors_of_a_member ON factors (member_id);

-- The challenge of a passkey's registration: the newest one of each member, for one use.
CREATE TABLE registrations (
    member_id  uuid        PRIMARY KEY REFERENCES members,
    challenge  bytea       NOT NULL,
    expires_at timestamptz NOT NULL
);
