-- Keys whose secret somebody chose. Earlier builds did not note it, so that every key which a development
-- server made of them counts as one.
ALTER TABLE api_keys ADD COLUMN literal INTEGER NOT NULL DEFAULT 0;
UPDATE api_keys SET literal = 1 WHERE name LIKE 'rollcall dev (%)' OR name = 'Key on demand';
