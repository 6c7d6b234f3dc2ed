-- What end users submitted. `submitted` is an array of pairs, in the form's order. A row goes with its
-- profile.
CREATE TABLE enrollments (
  id TEXT NOT NULL PRIMARY KEY,
  organization INTEGER NOT NULL,
  profile_id TEXT NOT NULL,
  program TEXT NOT NULL,
  status TEXT NOT NULL,
  submitted TEXT NOT NULL,
  submitted_at INTEGER NOT NULL,
  decided_at INTEGER,
  note TEXT
) WITHOUT ROWID;
CREATE INDEX enrollments_by_time ON enrollments (submitted_at, id);
CREATE INDEX enrollments_by_status ON enrollments (status, submitted_at, id);
CREATE INDEX enrollments_by_organization ON enrollments (organization, submitted_at, id);
CREATE INDEX enrollments_by_profile ON enrollments (profile_id, submitted_at, id);

-- What an overview shows of each organization beside its profiles, kept with every change.
CREATE TABLE organization_figures (
  organization INTEGER NOT NULL PRIMARY KEY,
  open_actions INTEGER NOT NULL,
  waiting_enrollments INTEGER NOT NULL
) WITHOUT ROWID;
-- Only profiles with an action that has not ended have an outlook other than 0.
INSERT INTO organization_figures (organization, open_actions, waiting_enrollments)
  SELECT organization, sum(json_array_length(document, '$.open_actions')), 0
  FROM profiles WHERE outlook <> 0 GROUP BY organization;

CREATE TABLE console_sessions (
  token_hash BLOB NOT NULL PRIMARY KEY,
  key_id TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  seen_at INTEGER NOT NULL
) WITHOUT ROWID;
