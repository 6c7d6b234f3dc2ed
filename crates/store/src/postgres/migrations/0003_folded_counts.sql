-- A day that is over is counted in one row, in slot -1, and its organization's figures hold the sum of
-- these rows. Whatever is counted in another slot is not in that sum yet.
ALTER TABLE organization_figures
  ADD COLUMN IF NOT EXISTS folded_profiles BIGINT NOT NULL DEFAULT 0;
CREATE INDEX IF NOT EXISTS profile_counts_unfolded ON profile_counts (day, organization)
  WHERE slot >= 0;
CREATE INDEX IF NOT EXISTS profile_counts_folded ON profile_counts (day) WHERE slot < 0;
