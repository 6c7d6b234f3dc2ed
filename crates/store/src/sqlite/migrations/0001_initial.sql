-- Organizations are numbered so that the keys of everything they own stay short; the number never
-- leaves the storage.
CREATE TABLE organizations (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  rate_limit_rpm INTEGER,
  status TEXT NOT NULL
);
CREATE INDEX organizations_by_creation ON organizations (created_at, id);

CREATE TABLE workspaces (
  id TEXT NOT NULL PRIMARY KEY,
  organization INTEGER NOT NULL,
  name TEXT NOT NULL,
  created_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX workspaces_by_creation ON workspaces (organization, created_at, id);

-- `organization` is 0 for the operator's own keys. `lookup` is the first eight bytes of the secret's
-- hash: enough to find the row, and the whole hash is then compared in constant time.
CREATE TABLE api_keys (
  id TEXT NOT NULL PRIMARY KEY,
  organization INTEGER NOT NULL,
  kind TEXT NOT NULL,
  workspace_id TEXT,
  name TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  last_used_at INTEGER,
  status TEXT NOT NULL,
  lookup INTEGER NOT NULL,
  secret_hash BLOB NOT NULL UNIQUE
) WITHOUT ROWID;
CREATE INDEX api_keys_by_lookup ON api_keys (lookup);
CREATE INDEX api_keys_by_creation ON api_keys (organization, created_at, id);

-- One row a profile, clustered in the order that listings read. `document` is the truth; the columns
-- after it repeat what is searched for.
CREATE TABLE profiles (
  organization INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  id TEXT NOT NULL,
  document TEXT NOT NULL,
  folded_name TEXT,
  reference_id TEXT,
  email_hash TEXT,
  country TEXT,
  access_type INTEGER NOT NULL,
  outlook INTEGER NOT NULL,
  PRIMARY KEY (organization, created_at, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX profiles_by_id ON profiles (id);
CREATE INDEX profiles_by_name ON profiles (organization, folded_name, id)
  WHERE folded_name IS NOT NULL;
CREATE INDEX profiles_unnamed ON profiles (organization, id) WHERE folded_name IS NULL;
-- The unrestricted, who are nearly all, are found by walking everyone.
CREATE INDEX profiles_by_outlook ON profiles (organization, outlook, created_at, id)
  WHERE outlook <> 0;
CREATE INDEX profiles_by_outlook_and_name ON profiles (organization, outlook, folded_name, id)
  WHERE outlook <> 0;

-- For the operator's search, across organizations.
CREATE INDEX search_creation ON profiles (created_at, id);
CREATE INDEX search_name ON profiles (folded_name, id) WHERE folded_name IS NOT NULL;
CREATE INDEX search_reference ON profiles (reference_id, created_at, id)
  WHERE reference_id IS NOT NULL;
CREATE INDEX search_email_hash ON profiles (email_hash, created_at, id) WHERE email_hash IS NOT NULL;
CREATE INDEX search_country ON profiles (country, created_at, id) WHERE country IS NOT NULL;
CREATE INDEX search_passthrough ON profiles (created_at, id) WHERE access_type = 1;
CREATE INDEX search_outlook ON profiles (outlook, created_at, id) WHERE outlook <> 0;

CREATE TABLE profile_programs (
  program TEXT NOT NULL,
  status TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  profile_id TEXT NOT NULL,
  organization INTEGER NOT NULL,
  PRIMARY KEY (program, status, created_at, profile_id)
) WITHOUT ROWID;

-- Where to find an enforcement action: the action itself is in its profile's document.
-- `expires_at` is set while the action is unresolved and has an expiry.
CREATE TABLE enforcement_actions (
  id TEXT NOT NULL PRIMARY KEY,
  organization INTEGER NOT NULL,
  profile_id TEXT NOT NULL,
  expires_at INTEGER
) WITHOUT ROWID;
CREATE INDEX enforcement_actions_by_expiry ON enforcement_actions (expires_at)
  WHERE expires_at IS NOT NULL;

-- How many profiles were created on each day (days since 1970-01-01) and still exist.
CREATE TABLE profile_counts (
  organization INTEGER NOT NULL,
  day INTEGER NOT NULL,
  profiles INTEGER NOT NULL,
  PRIMARY KEY (organization, day)
) WITHOUT ROWID;

CREATE TABLE enrollment_urls (
  token_hash BLOB NOT NULL PRIMARY KEY,
  organization INTEGER NOT NULL,
  profile_id TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  enrollment_id TEXT
) WITHOUT ROWID;
CREATE INDEX enrollment_urls_by_expiry ON enrollment_urls (expires_at);

-- What organizations are to be told, kept in the transaction of the decision that caused it.
CREATE TABLE events (
  id TEXT NOT NULL PRIMARY KEY,
  organization INTEGER NOT NULL,
  type TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  profile_id TEXT NOT NULL,
  body TEXT NOT NULL
) WITHOUT ROWID;

-- Append-only: no statement of Rollcall's changes or removes a row. `organization` is 0 for what
-- concerns the whole installation.
CREATE TABLE audit_events (
  id TEXT NOT NULL PRIMARY KEY,
  at INTEGER NOT NULL,
  organization INTEGER NOT NULL,
  actor_kind TEXT NOT NULL,
  actor_id TEXT NOT NULL,
  action TEXT NOT NULL,
  target_kind TEXT NOT NULL,
  target_id TEXT NOT NULL,
  details TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX audit_events_by_organization ON audit_events (organization, id);
CREATE INDEX audit_events_by_target ON audit_events (target_id, id);
CREATE INDEX audit_events_by_action ON audit_events (action, id);

-- Indexes taken away for a bulk load, to be built again at its end or by whoever opens the file next.
CREATE TABLE suspended_indexes (
  name TEXT NOT NULL PRIMARY KEY,
  definition TEXT NOT NULL
) WITHOUT ROWID;
