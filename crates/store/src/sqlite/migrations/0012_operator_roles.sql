-- What the holder of an operator's key is; a key that was made before there were roles names none.
ALTER TABLE api_keys ADD COLUMN role TEXT;
