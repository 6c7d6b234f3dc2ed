//! Deliveries as the operator sees them, and the worker's way to the [`outbox`](super::outbox).

use std::sync::Arc;

use async_trait::async_trait;
use rollcall_domain::audit::Act;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::delivery::{Delivery, DeliveryStatus, TEST_EVENT_TYPE};
use rollcall_domain::id::{DeliveryId, EventId, OrganizationId, WebhookEndpointId};
use rollcall_domain::page::Limit;
use rollcall_domain::tenant::OperatorProof;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};
use tokio::sync::Notify;

use super::commit::keep_audit;
use super::rows::{execute, optional_timestamp, parsed, query, timestamp};
use super::{SqliteStore, endpoint_rows, failed, outbox};
use crate::Stored;
use crate::deliveries::{
    AttemptReport, Claim, Claimed, Deliveries, DeliveryFilter, DeliveryLease, DeliveryPage,
    NotSent, Recorded,
};

/// The columns that [`delivery`] reads, of `webhook_deliveries d`, `events v` and `organizations o`.
const COLUMNS: &str = "d.id, o.id, d.endpoint_id, d.event_id, v.type, d.status, d.created_at, \
    d.due_at, d.lease_owner IS NOT NULL, d.attempts";
const TABLES: &str = "webhook_deliveries d JOIN events v ON v.id = d.event_id \
    JOIN organizations o ON o.number = d.organization";
/// The same, beginning with the events, which are few: a profile's, or one.
const TABLES_OF_EVENTS: &str = "events v CROSS JOIN webhook_deliveries d ON d.event_id = v.id \
    CROSS JOIN organizations o ON o.number = d.organization";

#[async_trait]
impl Deliveries for SqliteStore {
    fn deliveries_added(&self) -> &Notify {
        &self.deliveries_added
    }

    async fn claim_deliveries(&self, claim: Claim) -> Stored<Claimed> {
        self.writer
            .write(move |connection| outbox::claim(connection, &claim))
            .await
    }

    async fn renew_leases(&self, leases: Vec<DeliveryLease>, until: Timestamp) -> Stored<()> {
        self.writer
            .write(move |connection| {
                let renew = |lease| outbox::renew(connection, lease, until);
                leases.iter().try_for_each(renew)
            })
            .await
    }

    async fn record_attempts(&self, reports: Vec<AttemptReport>) -> Stored<Vec<Recorded>> {
        let ids = Arc::clone(&self.ids);
        self.writer
            .write(move |connection| {
                let mut known = outbox::UnchangedEndpoints::new();
                let record = |report| outbox::record(connection, &ids, &mut known, report);
                reports.iter().map(record).collect()
            })
            .await
    }

    async fn list_deliveries(
        &self,
        _proof: OperatorProof,
        filter: &DeliveryFilter,
        after: Option<&DeliveryId>,
        limit: Limit,
    ) -> Stored<DeliveryPage> {
        let mut parameters = Vec::new();
        let mut conditions = Vec::new();
        let mut and = |condition: &str, value: &str| {
            parameters.push(Value::Text(value.to_owned()));
            conditions.push(format!("{condition} ?{}", parameters.len()));
        };
        and("d.id <", after.map_or(AFTER_EVERY_ID, DeliveryId::as_str));
        if let Some(endpoint) = &filter.endpoint_id {
            and("d.endpoint_id =", endpoint.as_str());
        }
        if let Some(status) = filter.status {
            and("d.status =", status.as_str());
        }
        if let Some(profile) = &filter.profile_id {
            and("v.profile_id =", profile.as_str());
        }
        if let Some(event) = &filter.event_id {
            and("v.id =", event.as_str());
        }
        let is_of_events = filter.profile_id.is_some() || filter.event_id.is_some();
        let tables = if is_of_events {
            TABLES_OF_EVENTS
        } else {
            TABLES
        };
        let wanted = limit.get() + 1;
        let sql = format!(
            "SELECT {COLUMNS} FROM {tables} WHERE {} ORDER BY d.id DESC LIMIT {wanted}",
            conditions.join(" AND ")
        );
        self.read(|connection| {
            let parameters = params_from_iter(parameters);
            let found = query(connection, &sql, parameters, delivery)?;
            Ok(DeliveryPage::of(found, limit))
        })
    }

    async fn find_delivery(
        &self,
        _proof: OperatorProof,
        id: &DeliveryId,
    ) -> Stored<Option<(Delivery, String)>> {
        self.read(|connection| {
            let Some(delivery) = find(connection, id)? else {
                return Ok(None);
            };
            let sql = "SELECT body FROM events WHERE id = ?1";
            let mut bodies = query(connection, sql, [delivery.event_id.as_str()], |row| {
                row.get(0).map_err(failed)
            })?;
            Ok(bodies.pop().map(|body| (delivery, body)))
        })
    }

    async fn redeliver(
        &self,
        _proof: OperatorProof,
        act: &Act,
        id: &DeliveryId,
    ) -> Stored<Option<Result<Delivery, NotSent>>> {
        let (ids, added) = (Arc::clone(&self.ids), Arc::clone(&self.deliveries_added));
        let (act, id) = (act.clone(), id.clone());
        self.writer
            .write(move |connection| {
                let Some(delivery) = find(connection, &id)? else {
                    return Ok(None);
                };
                let Some(row) = endpoint_rows::find_row(connection, &delivery.endpoint_id)? else {
                    return Ok(Some(Err(NotSent::EndpointMissing)));
                };
                let decided = match delivery.redeliver(&row.owned.endpoint, act.at) {
                    Err(refusal) => return Ok(Some(Err(refusal))),
                    Ok(decided) => decided,
                };
                execute(
                    connection,
                    "UPDATE webhook_deliveries SET status = 'pending', finished_at = NULL, \
                     due_at = ?2, tries = 0, lease_owner = NULL WHERE id = ?1",
                    params![id.as_str(), act.at.as_micros()],
                )?;
                keep_audit(connection, &ids, row.number, &act, &decided.audit)?;
                added.notify_one();
                Ok(Some(Ok(decided.value)))
            })
            .await
    }

    async fn insert_test_delivery(
        &self,
        _proof: OperatorProof,
        act: &Act,
        endpoint_id: &WebhookEndpointId,
    ) -> Stored<Result<Delivery, NotSent>> {
        let (ids, added) = (Arc::clone(&self.ids), Arc::clone(&self.deliveries_added));
        let (act, endpoint_id) = (act.clone(), endpoint_id.clone());
        self.writer
            .write(move |connection| {
                let Some(row) = endpoint_rows::find_row(connection, &endpoint_id)? else {
                    return Ok(Err(NotSent::EndpointMissing));
                };
                let (number, owned) = (row.number, row.owned);
                let (event_id, id) = (ids.event(act.at), ids.delivery(act.at));
                let tenant = &owned.organization_id;
                let test = Delivery::test(id, event_id, tenant, &owned.endpoint, act.at);
                let decided = match test {
                    Err(refusal) => return Ok(Err(refusal)),
                    Ok(decided) => decided,
                };
                let Delivery { id, event_id, .. } = &decided.value;
                let body =
                    rollcall_record::event::test_body(event_id, tenant, &endpoint_id, act.at);
                let event = outbox::KeptEvent {
                    id: event_id,
                    organization: number,
                    event_type: TEST_EVENT_TYPE,
                    created_at: act.at,
                    profile_id: "",
                    body: &body,
                };
                outbox::keep_event(connection, &event)?;
                outbox::add(connection, id, &event, &endpoint_id, act.at)?;
                keep_audit(connection, &ids, number, &act, &decided.audit)?;
                added.notify_one();
                Ok(Ok(decided.value))
            })
            .await
    }

    async fn prune_deliveries(&self, before: Timestamp, limit: usize) -> Stored<u64> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.writer
            .write(move |connection| {
                let parameters = params![before.as_micros(), limit];
                let deliveries = execute(
                    connection,
                    "DELETE FROM webhook_deliveries WHERE number IN \
                     (SELECT number FROM webhook_deliveries \
                      WHERE finished_at IS NOT NULL AND finished_at < ?1 \
                      ORDER BY finished_at LIMIT ?2)",
                    parameters,
                )?;
                let events = execute(
                    connection,
                    "DELETE FROM events WHERE id IN \
                     (SELECT v.id FROM events v WHERE v.created_at < ?1 AND NOT EXISTS \
                       (SELECT 1 FROM webhook_deliveries d WHERE d.event_id = v.id) \
                      ORDER BY v.created_at LIMIT ?2)",
                    parameters,
                )?;
                Ok(u64::try_from(deliveries + events).unwrap_or(u64::MAX))
            })
            .await
    }
}

/// Sorts after every id, which are plain ASCII.
const AFTER_EVERY_ID: &str = "\u{7f}";

fn find(connection: &Connection, id: &DeliveryId) -> Stored<Option<Delivery>> {
    let sql = format!("SELECT {COLUMNS} FROM {TABLES} WHERE d.id = ?1");
    Ok(query(connection, &sql, [id.as_str()], delivery)?.pop())
}

fn delivery(row: &Row<'_>) -> Stored<Delivery> {
    let under_way: bool = row.get(8).map_err(failed)?;
    Ok(Delivery {
        id: parsed(row, 0, DeliveryId::parse)?,
        organization_id: parsed(row, 1, OrganizationId::parse)?,
        endpoint_id: parsed(row, 2, WebhookEndpointId::parse)?,
        event_id: parsed(row, 3, EventId::parse)?,
        event_type: row.get(4).map_err(failed)?,
        status: parsed(row, 5, DeliveryStatus::parse)?,
        created_at: timestamp(row, 6)?,
        next_attempt_at: optional_timestamp(row, 7)?.filter(|_| !under_way),
        attempts: parsed(row, 9, rollcall_record::attempts::read)?,
    })
}
