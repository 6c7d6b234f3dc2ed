-- A document is an array of its lines from here on, without their keys, which were a quarter of it, and
-- its updated_at is null for as long as it is what created_at is. A line break stands between lines and
-- nowhere else, so what follows one is the key of a line and never a part of a value.
DROP INDEX IF EXISTS profiles_by_name;
DROP INDEX IF EXISTS profiles_unnamed;
DROP INDEX IF EXISTS profiles_by_outlook;
DROP INDEX IF EXISTS profiles_by_outlook_and_name;
-- A load that was broken off has put them away already.
DELETE FROM suspended_indexes WHERE name IN ('profiles_by_name', 'profiles_unnamed',
  'profiles_by_outlook', 'profiles_by_outlook_and_name');
UPDATE profiles SET document =
  replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(
    document,
    char(10) || '"created_at":', char(10)),
    char(10) || '"updated_at":', char(10)),
    char(10) || '"relationship":', char(10)),
    char(10) || '"name":', char(10)),
    char(10) || '"metadata":', char(10)),
    char(10) || '"external_user_details":', char(10)),
    ',' || char(10) || '"onboarded_at":', '},' || char(10)),
    char(10) || '"reference_id":', char(10)),
    '},' || char(10) || '"cyber":', ',' || char(10)),
    char(10) || '"efs":', char(10)),
    char(10) || '"own_programs":', char(10)),
    char(10) || '"open_actions":', char(10)),
    char(10) || '"past_actions":', char(10));
UPDATE profiles SET document = '[' || substr(document, 7, length(document) - 7) || ']';
-- The second line begins after the first line break; the third is as long as the second if they are equal.
UPDATE profiles SET document = substr(profiles.document, 1, twice.third - 1)
    || 'null,' || char(10) || substr(profiles.document, 2 * twice.third - twice.second)
  FROM (
    SELECT organization, created_at, id, second,
      second + instr(substr(document, second), char(10)) AS third
    FROM (SELECT organization, created_at, id, document,
      instr(document, char(10)) + 1 AS second FROM profiles)
  ) AS twice
  WHERE profiles.organization = twice.organization AND profiles.created_at = twice.created_at
    AND profiles.id = twice.id
    AND substr(profiles.document, twice.second, twice.third - twice.second)
      = substr(profiles.document, twice.third, twice.third - twice.second);
CREATE INDEX profiles_by_name ON profiles (organization, folded_name, id, document)
  WHERE folded_name IS NOT NULL;
CREATE INDEX profiles_unnamed ON profiles (organization, id, folded_name, document)
  WHERE folded_name IS NULL;
CREATE INDEX profiles_by_outlook ON profiles (organization, outlook, created_at, id, document)
  WHERE outlook <> 0;
CREATE INDEX profiles_by_outlook_and_name
  ON profiles (organization, outlook, folded_name, id, document) WHERE outlook <> 0;
