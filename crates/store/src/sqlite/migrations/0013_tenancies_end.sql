-- The audit trail says what a key was called when it acted, and is read by actor.
ALTER TABLE audit_events ADD COLUMN actor_name TEXT;
CREATE INDEX audit_events_by_actor ON audit_events (actor_id, id);
-- The end of a tenancy that has begun, as JSON: who asked for it, and how much has gone.
ALTER TABLE organizations ADD COLUMN removal TEXT;
CREATE INDEX organizations_in_removal ON organizations (id) WHERE removal IS NOT NULL;
-- A tenancy ends piece by piece, so every table finds some of an organization's rows.
CREATE INDEX profile_programs_by_organization ON profile_programs (organization);
CREATE INDEX enforcement_actions_by_organization ON enforcement_actions (organization);
CREATE INDEX profile_counts_by_organization ON profile_counts (organization);
CREATE INDEX enrollment_urls_by_organization ON enrollment_urls (organization);
CREATE INDEX webhook_deliveries_by_organization ON webhook_deliveries (organization);
CREATE INDEX events_by_organization ON events (organization);
