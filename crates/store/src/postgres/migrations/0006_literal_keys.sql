-- Keys whose secret somebody chose. Earlier builds did not note it, so that every key which a development
-- server made of them counts as one.
ALTER TABLE api_keys ADD COLUMN IF NOT EXISTS literal boolean NOT NULL DEFAULT false;
UPDATE api_keys SET literal = true WHERE name LIKE 'rollcall dev (%)' OR name = 'Key on demand';
