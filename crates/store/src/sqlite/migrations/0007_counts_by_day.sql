-- Profiles are created on the same day in all organizations: the counts that creates change lie side by
-- side from here on, and each organization's sum is kept.
ALTER TABLE profile_counts RENAME TO counts_by_organization;
CREATE TABLE profile_counts (
  day INTEGER NOT NULL,
  organization INTEGER NOT NULL,
  profiles INTEGER NOT NULL,
  PRIMARY KEY (day, organization)
) WITHOUT ROWID;
INSERT INTO profile_counts (day, organization, profiles)
  SELECT day, organization, profiles FROM counts_by_organization ORDER BY day, organization;
ALTER TABLE organization_figures ADD COLUMN profiles INTEGER NOT NULL DEFAULT 0;
INSERT INTO organization_figures (organization, open_actions, waiting_enrollments, profiles)
  SELECT organization, 0, 0, sum(profiles) FROM counts_by_organization WHERE true GROUP BY organization
  ON CONFLICT (organization) DO UPDATE SET profiles = excluded.profiles;
DROP TABLE counts_by_organization;
