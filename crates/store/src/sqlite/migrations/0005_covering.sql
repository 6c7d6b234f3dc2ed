-- Listings by name and by status read rows from all over `profiles`, each some six pages away, because
-- the inner pages of a clustered table hold whole rows. With the document in the index a page of them
-- is one range, as a page by time is. The indexes by status hold few rows; the ones by name hold every
-- document once more, which costs the disk and not the reader.
DROP INDEX profiles_by_name;
CREATE INDEX profiles_by_name ON profiles (organization, folded_name, id, document)
  WHERE folded_name IS NOT NULL;
DROP INDEX profiles_unnamed;
CREATE INDEX profiles_unnamed ON profiles (organization, id, folded_name, document)
  WHERE folded_name IS NULL;
DROP INDEX profiles_by_outlook;
CREATE INDEX profiles_by_outlook ON profiles (organization, outlook, created_at, id, document)
  WHERE outlook <> 0;
DROP INDEX profiles_by_outlook_and_name;
CREATE INDEX profiles_by_outlook_and_name
  ON profiles (organization, outlook, folded_name, id, document) WHERE outlook <> 0;
