-- The audit trail says what a key was called when it acted, and is read by actor.
ALTER TABLE audit_events ADD COLUMN IF NOT EXISTS actor_name TEXT;
CREATE INDEX IF NOT EXISTS audit_events_by_actor ON audit_events (actor_id, id);
-- The end of a tenancy that has begun, as JSON: who asked for it, and how much has gone.
ALTER TABLE organizations ADD COLUMN IF NOT EXISTS removal TEXT;
CREATE INDEX IF NOT EXISTS organizations_in_removal ON organizations (id) WHERE removal IS NOT NULL;
