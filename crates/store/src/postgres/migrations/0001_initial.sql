-- Every statement stands alone, is harmless to repeat and ends with a semicolon at the end of a line:
-- each runs as a transaction of its own, and a node that died between two is followed by one that
-- begins again.
--
-- Keys begin with the organization wherever a tenant's data is read, so that a distributed relative
-- of PostgreSQL can keep a tenant together. Tables that are a directory of globally unique ids
-- (profile_ids, workspaces, api_keys, enforcement_actions, enrollment_urls, webhook_endpoints) are
-- keyed by that id.

CREATE TABLE IF NOT EXISTS organizations (
  id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  rate_limit_rpm BIGINT,
  status TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS organizations_by_creation ON organizations (created_at, id);

CREATE TABLE IF NOT EXISTS workspaces (
  id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  organization TEXT COLLATE "C" NOT NULL,
  name TEXT NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE INDEX IF NOT EXISTS workspaces_by_creation ON workspaces (organization, created_at, id);

-- `organization` is empty for the operator's own keys. `lookup` is the first eight bytes of the
-- secret's hash: enough to find the row, and the whole hash is then compared in constant time.
CREATE TABLE IF NOT EXISTS api_keys (
  id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  organization TEXT COLLATE "C" NOT NULL,
  kind TEXT NOT NULL,
  workspace_id TEXT COLLATE "C",
  name TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT,
  last_used_at BIGINT,
  status TEXT NOT NULL,
  lookup BIGINT NOT NULL,
  secret_hash BYTEA NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS api_keys_by_secret ON api_keys (secret_hash);
CREATE INDEX IF NOT EXISTS api_keys_by_lookup ON api_keys (lookup);
CREATE INDEX IF NOT EXISTS api_keys_by_creation ON api_keys (organization, created_at, id);

-- Whose profile an id is: what keeps profile ids unique over all organizations.
CREATE TABLE IF NOT EXISTS profile_ids (
  id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  organization TEXT COLLATE "C" NOT NULL
);
CREATE INDEX IF NOT EXISTS profile_ids_by_organization ON profile_ids (organization);

-- One row a profile. `document` is the truth; the columns after it repeat what is searched for.
CREATE TABLE IF NOT EXISTS profiles (
  organization TEXT COLLATE "C" NOT NULL,
  id TEXT COLLATE "C" NOT NULL,
  created_at BIGINT NOT NULL,
  access_type SMALLINT NOT NULL,
  outlook SMALLINT NOT NULL,
  folded_name TEXT COLLATE "C",
  reference_id TEXT COLLATE "C",
  email_hash TEXT COLLATE "C",
  country TEXT COLLATE "C",
  document TEXT NOT NULL,
  PRIMARY KEY (organization, id)
);
CREATE INDEX IF NOT EXISTS profiles_by_creation ON profiles (organization, created_at, id);
CREATE INDEX IF NOT EXISTS profiles_by_name ON profiles (organization, folded_name, id)
  WHERE folded_name IS NOT NULL;
CREATE INDEX IF NOT EXISTS profiles_unnamed ON profiles (organization, id)
  WHERE folded_name IS NULL;
-- The unrestricted, who are nearly all, are found by walking everyone.
CREATE INDEX IF NOT EXISTS profiles_by_outlook ON profiles (organization, outlook, created_at, id)
  WHERE outlook <> 0;
CREATE INDEX IF NOT EXISTS profiles_by_outlook_and_name
  ON profiles (organization, outlook, folded_name, id)
  WHERE outlook <> 0 AND folded_name IS NOT NULL;
CREATE INDEX IF NOT EXISTS profiles_by_outlook_unnamed ON profiles (organization, outlook, id)
  WHERE outlook <> 0 AND folded_name IS NULL;

-- For the operator's search, across organizations.
CREATE INDEX IF NOT EXISTS search_creation ON profiles (created_at, id);
CREATE INDEX IF NOT EXISTS search_name ON profiles (folded_name, id) WHERE folded_name IS NOT NULL;
CREATE INDEX IF NOT EXISTS search_reference ON profiles (reference_id, created_at, id)
  WHERE reference_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS search_email_hash ON profiles (email_hash, created_at, id)
  WHERE email_hash IS NOT NULL;
CREATE INDEX IF NOT EXISTS search_country ON profiles (country, created_at, id)
  WHERE country IS NOT NULL;
CREATE INDEX IF NOT EXISTS search_passthrough ON profiles (created_at, id) WHERE access_type = 1;
CREATE INDEX IF NOT EXISTS search_outlook ON profiles (outlook, created_at, id) WHERE outlook <> 0;

CREATE TABLE IF NOT EXISTS profile_programs (
  organization TEXT COLLATE "C" NOT NULL,
  profile_id TEXT COLLATE "C" NOT NULL,
  program TEXT COLLATE "C" NOT NULL,
  status TEXT COLLATE "C" NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (organization, profile_id, program)
);
CREATE INDEX IF NOT EXISTS search_program
  ON profile_programs (program, status, created_at, profile_id);

-- Where to find an enforcement action: the action itself is in its profile's document.
-- `expires_at` is set while the action is unresolved and has an expiry.
CREATE TABLE IF NOT EXISTS enforcement_actions (
  id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  organization TEXT COLLATE "C" NOT NULL,
  profile_id TEXT COLLATE "C" NOT NULL,
  expires_at BIGINT
);
CREATE INDEX IF NOT EXISTS enforcement_actions_by_profile
  ON enforcement_actions (organization, profile_id);
CREATE INDEX IF NOT EXISTS enforcement_actions_by_expiry ON enforcement_actions (expires_at)
  WHERE expires_at IS NOT NULL;

-- How many profiles were created on each day (days since 1970-01-01) and still exist. Each day is
-- counted in several slots, so that creations do not wait for each other's commits; the sum counts.
CREATE TABLE IF NOT EXISTS profile_counts (
  organization TEXT COLLATE "C" NOT NULL,
  day BIGINT NOT NULL,
  slot SMALLINT NOT NULL,
  profiles BIGINT NOT NULL,
  PRIMARY KEY (organization, day, slot)
);

CREATE TABLE IF NOT EXISTS enrollment_urls (
  token_hash BYTEA NOT NULL PRIMARY KEY,
  organization TEXT COLLATE "C" NOT NULL,
  profile_id TEXT COLLATE "C" NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  enrollment_id TEXT COLLATE "C"
);
CREATE INDEX IF NOT EXISTS enrollment_urls_by_organization ON enrollment_urls (organization);
CREATE INDEX IF NOT EXISTS enrollment_urls_by_expiry ON enrollment_urls (expires_at);

-- What end users submitted. `submitted` is an array of pairs, in the form's order. A row goes with its
-- profile.
CREATE TABLE IF NOT EXISTS enrollments (
  organization TEXT COLLATE "C" NOT NULL,
  id TEXT COLLATE "C" NOT NULL,
  profile_id TEXT COLLATE "C" NOT NULL,
  program TEXT NOT NULL,
  status TEXT COLLATE "C" NOT NULL,
  submitted TEXT NOT NULL,
  submitted_at BIGINT NOT NULL,
  decided_at BIGINT,
  note TEXT,
  PRIMARY KEY (organization, id)
);
CREATE INDEX IF NOT EXISTS enrollments_by_id ON enrollments (id);
CREATE INDEX IF NOT EXISTS enrollments_by_time ON enrollments (submitted_at, id);
CREATE INDEX IF NOT EXISTS enrollments_by_status ON enrollments (status, submitted_at, id);
CREATE INDEX IF NOT EXISTS enrollments_by_organization
  ON enrollments (organization, submitted_at, id);
CREATE INDEX IF NOT EXISTS enrollments_by_profile ON enrollments (profile_id, submitted_at, id);

-- What an overview shows of each organization beside its profiles, kept with every change.
CREATE TABLE IF NOT EXISTS organization_figures (
  organization TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  open_actions BIGINT NOT NULL,
  waiting_enrollments BIGINT NOT NULL
);

CREATE TABLE IF NOT EXISTS console_sessions (
  token_hash BYTEA NOT NULL PRIMARY KEY,
  key_id TEXT COLLATE "C" NOT NULL,
  created_at BIGINT NOT NULL,
  seen_at BIGINT NOT NULL
);

-- What organizations are to be told, kept in the transaction of the decision that caused it.
CREATE TABLE IF NOT EXISTS events (
  organization TEXT COLLATE "C" NOT NULL,
  id TEXT COLLATE "C" NOT NULL,
  type TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  profile_id TEXT COLLATE "C" NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (organization, id)
);
CREATE INDEX IF NOT EXISTS events_by_creation ON events (created_at);

-- `enabled_events` are texts without commas, separated by commas. What is kept of failures begins anew
-- with every success; `rests_until` spares an endpoint that fails again and again.
CREATE TABLE IF NOT EXISTS webhook_endpoints (
  id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  organization TEXT COLLATE "C" NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  description TEXT NOT NULL,
  name TEXT NOT NULL,
  url TEXT NOT NULL,
  enabled_events TEXT NOT NULL,
  state TEXT NOT NULL,
  disabled_reason TEXT,
  key_id TEXT COLLATE "C" NOT NULL,
  sealed_secret BYTEA NOT NULL,
  failing_since BIGINT,
  failures BIGINT NOT NULL DEFAULT 0,
  lost BIGINT NOT NULL DEFAULT 0,
  rests_until BIGINT
);
CREATE INDEX IF NOT EXISTS webhook_endpoints_by_organization ON webhook_endpoints (organization);
CREATE INDEX IF NOT EXISTS webhook_endpoints_by_key ON webhook_endpoints (key_id);

-- One row for each event and endpoint it goes to. `stored_at` is the database's clock and settles which
-- of two deliveries that are due at once goes first.
--
-- `due_at` is set while the delivery is pending: when its next attempt is due or, while one is under
-- way, when the lease on it ends. `started_at` is set while an attempt has begun and is not recorded;
-- `fence` rises with every claim; `tries` counts attempts since the last redelivery. `mark` names the
-- call that claimed or recorded last, so that a call whose answer was lost can tell whether it was it.
CREATE TABLE IF NOT EXISTS webhook_deliveries (
  organization TEXT COLLATE "C" NOT NULL,
  id TEXT COLLATE "C" NOT NULL,
  endpoint_id TEXT COLLATE "C" NOT NULL,
  event_id TEXT COLLATE "C" NOT NULL,
  status TEXT COLLATE "C" NOT NULL,
  stored_at BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  finished_at BIGINT,
  due_at BIGINT,
  lease_owner TEXT COLLATE "C",
  mark TEXT COLLATE "C",
  fence BIGINT NOT NULL DEFAULT 0,
  started_at BIGINT,
  tries BIGINT NOT NULL DEFAULT 0,
  attempts TEXT NOT NULL DEFAULT '[]',
  PRIMARY KEY (organization, id)
);
CREATE INDEX IF NOT EXISTS webhook_deliveries_by_id ON webhook_deliveries (id);
CREATE INDEX IF NOT EXISTS webhook_deliveries_due
  ON webhook_deliveries (endpoint_id, due_at, stored_at) WHERE due_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS webhook_deliveries_leased ON webhook_deliveries (endpoint_id)
  WHERE lease_owner IS NOT NULL;
CREATE INDEX IF NOT EXISTS webhook_deliveries_by_endpoint ON webhook_deliveries (endpoint_id, id);
CREATE INDEX IF NOT EXISTS webhook_deliveries_by_status ON webhook_deliveries (status, id);
CREATE INDEX IF NOT EXISTS webhook_deliveries_by_event ON webhook_deliveries (event_id);
CREATE INDEX IF NOT EXISTS webhook_deliveries_finished ON webhook_deliveries (finished_at)
  WHERE finished_at IS NOT NULL;

-- Append-only: no statement of Rollcall's changes a row. `organization` is empty for what concerns the
-- whole installation.
CREATE TABLE IF NOT EXISTS audit_events (
  organization TEXT COLLATE "C" NOT NULL,
  id TEXT COLLATE "C" NOT NULL,
  at BIGINT NOT NULL,
  actor_kind TEXT NOT NULL,
  actor_id TEXT COLLATE "C" NOT NULL,
  action TEXT COLLATE "C" NOT NULL,
  target_kind TEXT NOT NULL,
  target_id TEXT COLLATE "C" NOT NULL,
  details TEXT NOT NULL,
  PRIMARY KEY (organization, id)
);
CREATE INDEX IF NOT EXISTS audit_events_by_id ON audit_events (id);
CREATE INDEX IF NOT EXISTS audit_events_by_target ON audit_events (target_id, id);
CREATE INDEX IF NOT EXISTS audit_events_by_action ON audit_events (action, id);
