-- What an organization may do, as the operator switches it.
ALTER TABLE organizations ADD COLUMN enrollment_links TEXT NOT NULL DEFAULT 'enabled';
ALTER TABLE organizations ADD COLUMN data_controls TEXT NOT NULL DEFAULT 'open';
