-- What an organization's gateway is told, as JSON; the defaults where there is none.
ALTER TABLE organizations ADD COLUMN gateway_policy TEXT;
-- For the gateway's check, which names a profile by the platform's own reference.
CREATE INDEX profiles_by_reference ON profiles (organization, reference_id, created_at, id)
  WHERE reference_id IS NOT NULL;
