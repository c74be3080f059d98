-- Machines' credentials, of the projection `directory`. One that was revoked never counts again, in whatever order its events come.
CREATE TABLE clients (
    realm     text    NOT NULL,
    client_id text    NOT NULL,
    -- Null while its creation has not been seen.
    name      text,
    scopes    text[]  NOT NULL DEFAULT '{}',
    revoked   boolean NOT NULL DEFAULT false,
    PRIMARY KEY (realm, client_id)
);
