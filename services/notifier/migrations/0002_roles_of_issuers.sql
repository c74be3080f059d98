-- A role that people gave and an issuer's group gives too is held until both have taken it: '' stands for people.
ALTER TABLE roles ADD COLUMN through text NOT NULL DEFAULT '';
ALTER TABLE roles DROP CONSTRAINT roles_pkey, ADD PRIMARY KEY (member_id, role, through);
