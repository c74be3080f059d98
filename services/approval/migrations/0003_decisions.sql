-- A grant whose engineer is gone ends by a decision of the service itself; no event of another service asks for that.
ALTER TABLE own_decisions
    DROP CONSTRAINT own_decisions_about_check,
    ADD CHECK (about IN ('window_closed', 'withdrawn', 'engineer_gone')),
    ALTER COLUMN cause DROP NOT NULL;
CREATE INDEX requests_with_access ON requests (engineer_id) WHERE state IN ('approved', 'active');
