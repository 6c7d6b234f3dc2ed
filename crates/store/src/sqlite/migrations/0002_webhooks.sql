-- `enabled_events` are texts without commas, separated by commas. What is kept of failures begins anew
-- with every success; `rests_until` spares an endpoint that fails again and again.
CREATE TABLE webhook_endpoints (
  id TEXT NOT NULL PRIMARY KEY,
  organization INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  description TEXT NOT NULL,
  name TEXT NOT NULL,
  url TEXT NOT NULL,
  enabled_events TEXT NOT NULL,
  state TEXT NOT NULL,
  disabled_reason TEXT,
  key_id TEXT NOT NULL,
  sealed_secret BLOB NOT NULL,
  failing_since INTEGER,
  failures INTEGER NOT NULL DEFAULT 0,
  lost INTEGER NOT NULL DEFAULT 0,
  rests_until INTEGER
) WITHOUT ROWID;
CREATE INDEX webhook_endpoints_by_organization ON webhook_endpoints (organization);
CREATE INDEX webhook_endpoints_by_key ON webhook_endpoints (key_id);

-- One row for each event and endpoint it goes to. `number` follows the order of commits and settles
-- which of two deliveries that are due at once goes first.
--
-- `due_at` is set while the delivery is pending: when its next attempt is due or, while one is under
-- way, when the lease on it ends. `started_at` is set while an attempt has begun and is not recorded;
-- `fence` rises with every claim; `tries` counts attempts since the last redelivery.
CREATE TABLE webhook_deliveries (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  organization INTEGER NOT NULL,
  endpoint_id TEXT NOT NULL,
  event_id TEXT NOT NULL,
  status TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  finished_at INTEGER,
  due_at INTEGER,
  lease_owner TEXT,
  fence INTEGER NOT NULL DEFAULT 0,
  started_at INTEGER,
  tries INTEGER NOT NULL DEFAULT 0,
  attempts TEXT NOT NULL DEFAULT '[]'
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint_id, due_at)
  WHERE due_at IS NOT NULL;
CREATE INDEX webhook_deliveries_leased ON webhook_deliveries (endpoint_id)
  WHERE lease_owner IS NOT NULL;
CREATE INDEX webhook_deliveries_by_endpoint ON webhook_deliveries (endpoint_id, id);
CREATE INDEX webhook_deliveries_by_status ON webhook_deliveries (status, id);
CREATE INDEX webhook_deliveries_by_event ON webhook_deliveries (event_id);
CREATE INDEX webhook_deliveries_finished ON webhook_deliveries (finished_at)
  WHERE finished_at IS NOT NULL;

CREATE INDEX events_by_creation ON events (created_at);
