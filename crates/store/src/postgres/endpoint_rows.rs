//! The rows of webhook endpoints.

use rollcall_domain::delivery::EndpointHealth;
use rollcall_domain::id::{OrganizationId, WebhookEndpointId};
use rollcall_domain::webhook::{AutoDisabled, EndpointState, WebhookEndpoint};
use tokio_postgres::Row;

use super::rows::{column, damaged, number, optional, optional_timestamp, parsed, timestamp};
use super::transaction::Tx;
use super::trouble::Trouble;
use super::value::{Value, values};
use crate::Stored;
use crate::columns::parse_events;
use crate::webhooks::{OwnedEndpoint, SealedSecret};

/// The columns that [`row`] reads.
pub(super) const COLUMNS: &str = "id, created_at, updated_at, description, name, url, enabled_events, state, \
    disabled_reason, key_id, sealed_secret, failing_since, failures, lost, rests_until, organization";

pub(super) fn store_health(tx: &mut Tx, id: &WebhookEndpointId, health: EndpointHealth) {
    tx.write(
        "UPDATE webhook_endpoints SET failing_since = $2, failures = $3, lost = $4, \
         rests_until = $5 WHERE id = $1",
        values![
            id.as_str(),
            health.failing_since,
            i64::from(health.failures),
            i64::from(health.lost),
            health.rests_until,
        ],
    );
}

/// The organization's endpoints that receive events at this moment, oldest first.
pub(super) async fn enabled(
    tx: &mut Tx,
    organization: &OrganizationId,
) -> Result<Vec<WebhookEndpoint>, Trouble> {
    let sql = format!(
        "SELECT {COLUMNS} FROM webhook_endpoints \
         WHERE organization = $1 AND state = 'enabled' ORDER BY created_at, id"
    );
    let rows = tx.query(&sql, &values![organization.as_str()]).await?;
    let endpoint = |found: &Row| row(found).map(|owned| owned.endpoint);
    Ok(rows.iter().map(endpoint).collect::<Stored<_>>()?)
}

/// The endpoint with this id, whoever's it is; its row is ours until the transaction ends.
pub(super) async fn lock(
    tx: &mut Tx,
    id: &WebhookEndpointId,
) -> Result<Option<OwnedEndpoint>, Trouble> {
    let found = lock_all(tx, vec![id.as_str().to_owned()]).await?;
    Ok(found.into_iter().next())
}

/// The endpoints with these ids, locked in the order of their ids.
pub(super) async fn lock_all(tx: &mut Tx, ids: Vec<String>) -> Result<Vec<OwnedEndpoint>, Trouble> {
    let sql = format!(
        "SELECT {COLUMNS} FROM webhook_endpoints WHERE id = ANY ($1) ORDER BY id FOR UPDATE"
    );
    let rows = tx.query(&sql, &[Value::Texts(ids)]).await?;
    Ok(rows.iter().map(row).collect::<Stored<_>>()?)
}

pub(super) fn row(row: &Row) -> Stored<OwnedEndpoint> {
    let endpoint = WebhookEndpoint {
        id: parsed(row, 0, WebhookEndpointId::parse)?,
        created_at: timestamp(row, 1)?,
        updated_at: timestamp(row, 2)?,
        description: column(row, 3)?,
        name: column(row, 4)?,
        url: column(row, 5)?,
        enabled_events: parsed(row, 6, parse_events)?,
        state: parsed(row, 7, EndpointState::parse)?,
        disabled_reason: optional(row, 8, AutoDisabled::parse)?,
    };
    if endpoint.enabled_events.is_empty() {
        return Err(damaged("an endpoint's events"));
    }
    let count = |at| -> Stored<u32> {
        u32::try_from(number(row, at)?).map_err(|_| damaged("a count of failures"))
    };
    Ok(OwnedEndpoint {
        organization_id: parsed(row, 15, OrganizationId::parse)?,
        endpoint,
        secret: SealedSecret {
            key_id: column(row, 9)?,
            bytes: column(row, 10)?,
        },
        health: EndpointHealth {
            failing_since: optional_timestamp(row, 11)?,
            failures: count(12)?,
            lost: count(13)?,
            rests_until: optional_timestamp(row, 14)?,
        },
    })
}
