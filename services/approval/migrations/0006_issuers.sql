-- A tenant's own OIDC issuers, whom they vouch for, and which roles they say that somebody has.

-- Whoever changes one holds the tenant's row FOR UPDATE. Who is removed stays, since events and sessions name him.
CREATE TABLE issuers (
    id            uuid        PRIMARY KEY,
    tenant        text        NOT NULL REFERENCES tenants,
    issuer        text        NOT NULL,
    name          text        NOT NULL,
    client_id     text        NOT NULL,
    -- AES-256-GCM: nonce, ciphertext, tag; the id of the issuer is authenticated with it. Null for a public client.
    client_secret bytea,
    algorithm     text        NOT NULL,
    group_claim   text        NOT NULL,
    -- {group: role}
    mapping       jsonb       NOT NULL,
    added_at      timestamptz NOT NULL,
    removed_at    timestamptz
);
CREATE UNIQUE INDEX issuers_once_in_a_tenant ON issuers (tenant, issuer) WHERE removed_at IS NULL;

-- Whom an issuer's subject is: the first sign-in says it, and it never changes.
CREATE TABLE identities (
    issuer_id uuid        NOT NULL REFERENCES issuers,
    subject   text        NOT NULL,
    member_id uuid        NOT NULL REFERENCES members,
    linked_at timestamptz NOT NULL,
    PRIMARY KEY (issuer_id, subject)
);
CREATE INDEX identities_of_a_member ON identities (member_id);

-- Roles that an issuer gives by its groups, beside those in member_roles, which people gave. They count for five minutes
-- after it last said so; older ones stay until it says otherwise, and count for nothing.
-- Whoever changes them holds the member's row FOR UPDATE, as with member_roles.
CREATE TABLE group_roles (
    member_id uuid        NOT NULL REFERENCES members,
    role      text        NOT NULL,
    issuer_id uuid        NOT NULL REFERENCES issuers,
    said_at   timestamptz NOT NULL,
    PRIMARY KEY (member_id, role, issuer_id)
);
CREATE INDEX group_roles_of_an_issuer ON group_roles (issuer_id);

-- Sessions that began at an issuer; null for all others.
ALTER TABLE sessions ADD COLUMN issuer_id uuid REFERENCES issuers;
CREATE INDEX sessions_of_an_issuer ON sessions (issuer_id) WHERE issuer_id IS NOT NULL;

-- A browser that was sent to an issuer and has not come back. Whoever comes back takes the row away: each counts once.
-- Only hashes of what browser and address carry stand here.
CREATE TABLE oidc_flows (
    state      bytea       PRIMARY KEY,
    browser    bytea       NOT NULL,
    issuer_id  uuid        NOT NULL REFERENCES issuers,
    next       text        NOT NULL,
    silent     boolean     NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX oidc_flows_by_age ON oidc_flows (expires_at);
