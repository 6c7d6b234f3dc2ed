-- What an organization may do, as the operator switches it.
ALTER TABLE organizations ADD COLUMN IF NOT EXISTS enrollment_links TEXT NOT NULL DEFAULT 'enabled';
ALTER TABLE organizations ADD COLUMN IF NOT EXISTS data_controls TEXT NOT NULL DEFAULT 'open';
