-- What must be there before a migration can be run: which ones were, and who may run the next.
CREATE TABLE IF NOT EXISTS rollcall_migrations (
  number BIGINT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  checksum TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS rollcall_leases (
  name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  owner TEXT NOT NULL,
  expires_at BIGINT NOT NULL,
  fence BIGINT NOT NULL
);
