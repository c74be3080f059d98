-- What a realm's own people change: each change of a subject takes its next revision when it is recorded, the first included.
ALTER TABLE tenants DROP CONSTRAINT tenants_revision_check, ADD CHECK (revision >= 0);
ALTER TABLE members DROP CONSTRAINT members_revision_check, ADD CHECK (revision >= 0);

-- Changes that weaken a tenant's protection and wait for votes. Whoever reads or changes one holds the tenant's row FOR UPDATE.
CREATE TABLE changes (
    id                 uuid        PRIMARY KEY,
    tenant             text        NOT NULL REFERENCES tenants,
    kind               text        NOT NULL,
    -- The action as it will be carried out, and what people are shown of it.
    action             jsonb       NOT NULL,
    described          jsonb       NOT NULL,
    proposed_by        uuid        NOT NULL REFERENCES members,
    proposed_at        timestamptz NOT NULL,
    expires_at         timestamptz NOT NULL,
    approvals_required integer     NOT NULL CHECK (approvals_required > 1),
    state              text        NOT NULL CHECK (state IN ('open', 'carried', 'rejected', 'void')),
    settled_at         timestamptz
);
CREATE INDEX changes_of_a_tenant ON changes (tenant, id);

CREATE TABLE change_votes (
    change_id uuid        NOT NULL REFERENCES changes,
    member_id uuid        NOT NULL REFERENCES members,
    vote      text        NOT NULL CHECK (vote IN ('approve', 'deny')),
    voted_at  timestamptz NOT NULL,
    PRIMARY KEY (change_id, member_id)
);
