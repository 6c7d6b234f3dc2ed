//! Deliveries as the operator sees them, and the worker's way to the [`outbox`](super::outbox).

use async_trait::async_trait;
use rollcall_domain::audit::Act;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::delivery::{Delivery, DeliveryStatus, TEST_EVENT_TYPE};
use rollcall_domain::id::{DeliveryId, EventId, OrganizationId, ProfileId, WebhookEndpointId};
use rollcall_domain::page::Limit;
use rollcall_domain::tenant::OperatorProof;
use tokio::sync::Notify;
use tokio_postgres::Row;

use super::commit::Keep;
use super::outbox::{self, EndpointClaim, KeptEvent, Reports};
use super::rows::{column, optional_timestamp, parsed, timestamp};
use super::transaction::{Tx, removed};
use super::trouble::Trouble;
use super::value::{Value, values};
use super::{PostgresStore, endpoint_rows};
use crate::Stored;
use crate::deliveries::{
    AttemptReport, Claim, Claimed, Deliveries, DeliveryFilter, DeliveryLease, DeliveryPage,
    NotSent, Recorded,
};

/// The columns that [`delivery`] reads, of `webhook_deliveries d` and `events v`.
const COLUMNS: &str = "d.id, d.organization, d.endpoint_id, d.event_id, v.type, d.status, \
    d.created_at, d.due_at, d.lease_owner IS NOT NULL, d.attempts";
const TABLES: &str = "webhook_deliveries d \
    JOIN events v ON v.organization = d.organization AND v.id = d.event_id";

#[async_trait]
impl Deliveries for PostgresStore {
    fn deliveries_added(&self) -> &Notify {
        &self.writer.deliveries_added
    }

    /// Each endpoint's deliveries are claimed in a transaction of their own, so that no worker waits
    /// for more than one endpoint at a time. A failure after the first of them ends the claim early:
    /// what was claimed already has to be handed out.
    async fn claim_deliveries(&self, claim: Claim) -> Stored<Claimed> {
        let waiting = self.read(outbox::WAITING_ENDPOINTS, &[]).await?;
        let mut claimed = Claimed::default();
        for row in &waiting {
            let endpoint_id = parsed(row, 0, WebhookEndpointId::parse)?;
            let first_due = timestamp(row, 1)?;
            if !claim.is_over(first_due) {
                claimed.add(Claimed::nothing_until(Some(first_due)));
                continue;
            }
            let left = claim.limit.saturating_sub(claimed.attempts.len());
            if left == 0 {
                // What is left over is claimed as soon as there is room for it.
                break;
            }
            let endpoint_claim = EndpointClaim {
                claim: &claim,
                endpoint_id: &endpoint_id,
                left,
                mark: self.mark(),
            };
            let result = self
                .run("claim_deliveries", &endpoint_claim, |tx, claim| {
                    Box::pin(claim.run(tx))
                })
                .await;
            match result {
                Ok(more) => claimed.add(more),
                Err(error) if claimed.attempts.is_empty() => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "a claim of deliveries ended early");
                    claimed.next = Some(claim.now);
                    break;
                }
            }
        }
        Ok(claimed)
    }

    async fn renew_leases(&self, leases: Vec<DeliveryLease>, until: Timestamp) -> Stored<()> {
        let (mut ids, mut fences) = (Vec::new(), Vec::new());
        for lease in leases {
            ids.push(lease.delivery_id.as_str().to_owned());
            fences.push(lease.fence);
        }
        let parameters = [Value::Texts(ids), Value::Integers(fences), until.into()];
        self.run("renew_leases", &parameters, |tx, parameters| {
            Box::pin(async move {
                tx.write(outbox::RENEW, parameters.to_vec());
                Ok(())
            })
        })
        .await
    }

    async fn record_attempts(&self, reports: Vec<AttemptReport>) -> Stored<Vec<Recorded>> {
        let reports = Reports {
            ids: &self.ids,
            all: &reports,
            mark: self.mark(),
        };
        self.run("record_attempts", &reports, |tx, reports| {
            Box::pin(reports.run(tx))
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
        let (sql, parameters) = page(filter, after, limit);
        let rows = self.read(&sql, &parameters).await?;
        let found = rows.iter().map(delivery).collect::<Stored<_>>()?;
        Ok(DeliveryPage::of(found, limit))
    }

    async fn find_delivery(
        &self,
        _proof: OperatorProof,
        id: &DeliveryId,
    ) -> Stored<Option<(Delivery, String)>> {
        let sql = format!("SELECT {COLUMNS}, v.body FROM {TABLES} WHERE d.id = $1");
        let rows = self.read(&sql, &values![id.as_str()]).await?;
        let found = |row: &Row| -> Stored<_> { Ok((delivery(row)?, column(row, 10)?)) };
        rows.first().map(found).transpose()
    }

    async fn redeliver(
        &self,
        _proof: OperatorProof,
        act: &Act,
        id: &DeliveryId,
    ) -> Stored<Option<Result<Delivery, NotSent>>> {
        let context = (Keep::new(&self.ids, act), id);
        self.run("redeliver", &context, |tx, (keep, id)| {
            Box::pin(redeliver(tx, keep, id))
        })
        .await
    }

    async fn insert_test_delivery(
        &self,
        _proof: OperatorProof,
        act: &Act,
        endpoint_id: &WebhookEndpointId,
    ) -> Stored<Result<Delivery, NotSent>> {
        let context = (Keep::new(&self.ids, act), endpoint_id);
        self.run("insert_test_delivery", &context, |tx, (keep, id)| {
            Box::pin(insert_test(tx, keep, id))
        })
        .await
    }

    async fn prune_deliveries(&self, before: Timestamp, limit: usize) -> Stored<u64> {
        let parameters = values![before, limit];
        self.run("prune_deliveries", &parameters, |tx, parameters| {
            Box::pin(prune(tx, parameters))
        })
        .await
    }
}

impl PostgresStore {
    /// A name that no other call has.
    fn mark(&self) -> String {
        super::migrate::hexadecimal(&self.ids.secret_bytes()[..16])
    }
}

fn page(filter: &DeliveryFilter, after: Option<&DeliveryId>, limit: Limit) -> (String, Vec<Value>) {
    let mut parameters = values![limit.get() + 1].to_vec();
    let mut conditions = Vec::new();
    let endpoint = filter.endpoint_id.as_ref();
    let profile = filter.profile_id.as_ref();
    let event = filter.event_id.as_ref();
    let filters = [
        ("d.id <", after.map(DeliveryId::as_str)),
        ("d.endpoint_id =", endpoint.map(WebhookEndpointId::as_str)),
        ("d.status =", filter.status.map(DeliveryStatus::as_str)),
        ("v.profile_id =", profile.map(ProfileId::as_str)),
        ("d.event_id =", event.map(EventId::as_str)),
    ];
    for (condition, value) in filters {
        if let Some(value) = value {
            parameters.push(value.into());
            conditions.push(format!("{condition} ${}", parameters.len()));
        }
    }
    let conditions = if conditions.is_empty() {
        String::new()
    } else {
        format!(" WHERE {}", conditions.join(" AND "))
    };
    let sql = format!("SELECT {COLUMNS} FROM {TABLES}{conditions} ORDER BY d.id DESC LIMIT $1");
    (sql, parameters)
}

async fn find(tx: &mut Tx, id: &DeliveryId) -> Result<Option<Delivery>, Trouble> {
    let sql = format!("SELECT {COLUMNS} FROM {TABLES} WHERE d.id = $1");
    let rows = tx.query(&sql, &values![id.as_str()]).await?;
    Ok(rows.first().map(delivery).transpose()?)
}

async fn redeliver(
    tx: &mut Tx,
    keep: &Keep<'_>,
    id: &DeliveryId,
) -> Result<Option<Result<Delivery, NotSent>>, Trouble> {
    let Some(found) = find(tx, id).await? else {
        return Ok(None);
    };
    let owned = endpoint_rows::lock(tx, &found.endpoint_id).await?;
    keep.unless_applied(tx).await?;
    let Some(owned) = owned else {
        return Ok(Some(Err(NotSent::EndpointMissing)));
    };
    // Under the endpoint's lock nobody claims or records, so this is how it stays.
    let Some(delivery) = find(tx, id).await? else {
        return Ok(None);
    };
    let now = keep.act().at;
    let organization = delivery.organization_id.clone();
    let decided = match delivery.redeliver(&owned.endpoint, now) {
        Err(refusal) => return Ok(Some(Err(refusal))),
        Ok(decided) => decided,
    };
    tx.write(
        "UPDATE webhook_deliveries SET status = 'pending', finished_at = NULL, due_at = $2, \
         tries = 0, lease_owner = NULL WHERE id = $1",
        values![id.as_str(), now],
    );
    tx.adds_deliveries();
    keep.audit(tx, organization.as_str(), &decided.audit);
    Ok(Some(Ok(decided.value)))
}

async fn insert_test(
    tx: &mut Tx,
    keep: &Keep<'_>,
    endpoint_id: &WebhookEndpointId,
) -> Result<Result<Delivery, NotSent>, Trouble> {
    let owned = endpoint_rows::lock(tx, endpoint_id).await?;
    keep.unless_applied(tx).await?;
    let Some(owned) = owned else {
        return Ok(Err(NotSent::EndpointMissing));
    };
    let (ids, now) = (keep.ids(), keep.act().at);
    let (event_id, id) = (ids.event(now), ids.delivery(now));
    let tenant = &owned.organization_id;
    let decided = match Delivery::test(id, event_id, tenant, &owned.endpoint, now) {
        Err(refusal) => return Ok(Err(refusal)),
        Ok(decided) => decided,
    };
    let Delivery { id, event_id, .. } = &decided.value;
    let event = KeptEvent {
        id: event_id,
        organization: tenant.as_str(),
        event_type: TEST_EVENT_TYPE,
        created_at: now,
        profile_id: "",
        body: &rollcall_record::event::test_body(event_id, tenant, endpoint_id, now),
    };
    outbox::keep_event(tx, &event);
    outbox::add(tx, id, &event, endpoint_id, now);
    keep.audit(tx, tenant.as_str(), &decided.audit);
    Ok(Ok(decided.value))
}

async fn prune(tx: &mut Tx, parameters: &[Value]) -> Result<u64, Trouble> {
    let deliveries = removed(
        tx,
        "WITH gone AS (DELETE FROM webhook_deliveries WHERE (organization, id) IN \
           (SELECT organization, id FROM webhook_deliveries \
            WHERE finished_at IS NOT NULL AND finished_at < $1 ORDER BY finished_at LIMIT $2) \
         RETURNING 1) SELECT count(*) FROM gone",
        parameters,
    )
    .await?;
    let events = removed(
        tx,
        "WITH gone AS (DELETE FROM events WHERE (organization, id) IN \
           (SELECT v.organization, v.id FROM events v WHERE v.created_at < $1 AND NOT EXISTS \
             (SELECT 1 FROM webhook_deliveries d WHERE d.event_id = v.id) \
            ORDER BY v.created_at LIMIT $2) \
         RETURNING 1) SELECT count(*) FROM gone",
        parameters,
    )
    .await?;
    Ok(deliveries + events)
}

fn delivery(row: &Row) -> Stored<Delivery> {
    let under_way: bool = column(row, 8)?;
    Ok(Delivery {
        id: parsed(row, 0, DeliveryId::parse)?,
        organization_id: parsed(row, 1, OrganizationId::parse)?,
        endpoint_id: parsed(row, 2, WebhookEndpointId::parse)?,
        event_id: parsed(row, 3, EventId::parse)?,
        event_type: column(row, 4)?,
        status: parsed(row, 5, DeliveryStatus::parse)?,
        created_at: timestamp(row, 6)?,
        next_attempt_at: optional_timestamp(row, 7)?.filter(|_| !under_way),
        attempts: parsed(row, 9, rollcall_record::attempts::read)?,
    })
}
