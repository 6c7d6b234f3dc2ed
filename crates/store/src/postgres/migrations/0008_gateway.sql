-- What an organization's gateway is told, as JSON; the defaults where there is none.
ALTER TABLE organizations ADD COLUMN IF NOT EXISTS gateway_policy TEXT;
-- For the gateway's check, which names a profile by the platform's own reference.
CREATE INDEX IF NOT EXISTS profiles_by_reference
  ON profiles (organization, reference_id, created_at, id) WHERE reference_id IS NOT NULL;
-- Whoever uses a reference for the first time inserts its row and deletes it in the same transaction, so
-- that everyone else waits. Nobody ever sees a row; `reference` is the beginning of a hash.
CREATE TABLE IF NOT EXISTS first_uses (
  organization TEXT COLLATE "C" NOT NULL,
  reference BIGINT NOT NULL,
  PRIMARY KEY (organization, reference)
);
