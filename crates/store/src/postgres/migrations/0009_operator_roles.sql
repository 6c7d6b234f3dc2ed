-- What the holder of an operator's key is; a key that was made before there were roles, or by a node that knows none,
-- names none.
ALTER TABLE api_keys ADD COLUMN IF NOT EXISTS role TEXT;
