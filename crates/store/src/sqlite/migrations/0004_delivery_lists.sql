-- For lists of deliveries: those about one profile, and those of an endpoint that became of a kind that
-- is rare.
CREATE INDEX events_by_profile ON events (profile_id);
CREATE INDEX webhook_deliveries_by_endpoint_and_status
  ON webhook_deliveries (endpoint_id, status, id);
