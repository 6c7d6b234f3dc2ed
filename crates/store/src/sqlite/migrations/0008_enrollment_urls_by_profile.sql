-- A profile's URLs end with it.
CREATE INDEX enrollment_urls_by_profile ON enrollment_urls (profile_id);
