-- A grant whose engineer is gone ends by a decision of the service itself; no event of another service asks for that.
ALTER TABLE own_decisions
    DROP CONSTRAINT own_decisions_about_check,
    ADD CHECK (about IN ('window_closed', 'withdrawn', 'engineer_gone')),
    ALTER COLUMN cause DROP NOT NULL;
CREATE INDEX requests_with_access ON requests (engineer_id) WHERE state IN ('approved', 'active');

-- By what else requests are found: who asks, for what, when and until when; and their text, in lower case.
ALTER TABLE requests
    ADD COLUMN service        text,
    ADD COLUMN engineer_email text,
    ADD COLUMN submitted_at   timestamptz,
    ADD COLUMN decide_by      timestamptz,
    ADD COLUMN search         text;
UPDATE requests
SET service        = life #>> '{submitted,service}',
    engineer_email = lower(life #>> '{submitted,engineer,email}'),
    submitted_at   = (life #>> '{submitted,submitted_at}')::timestamptz,
    decide_by      = (life #>> '{submitted,decide_by}')::timestamptz,
    search         = lower(concat_ws(E'\n', life #>> '{submitted,ticket}', life #>> '{submitted,engineer,name}',
                                     life #>> '{submitted,engineer,email}', life #>> '{submitted,reason,detail}',
                                     (SELECT string_agg(one ->> 'id', E'\n')
                                      FROM jsonb_array_elements(life #> '{submitted,resources}') AS one)))
WHERE tenant IS NOT NULL;
CREATE INDEX requests_of_an_address ON requests (engineer_email, id);
-- Managers look at a tenant's too, before the provider has approved them.
DROP INDEX requests_of_a_tenant;
CREATE INDEX requests_of_a_tenant ON requests (tenant, id);
-- What waits for a decision, soonest deadline first: a tenant's, and everybody's.
CREATE INDEX requests_of_a_tenant_by_deadline ON requests (tenant, state, decide_by, id);
CREATE INDEX requests_by_deadline ON requests (state, decide_by, id);
