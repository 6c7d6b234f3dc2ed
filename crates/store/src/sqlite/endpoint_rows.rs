//! The rows of webhook endpoints.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::delivery::EndpointHealth;
use rollcall_domain::event::{EventType, Subscription};
use rollcall_domain::id::{OrganizationId, WebhookEndpointId};
use rollcall_domain::webhook::{AutoDisabled, EndpointState, WebhookEndpoint};
use rusqlite::{Connection, Row, params};

use super::failed;
use super::rows::{damaged, execute, optional, optional_timestamp, parsed, query, timestamp};
use crate::Stored;
use crate::columns::{events_text, parse_events};
use crate::webhooks::{OwnedEndpoint, SealedSecret};

/// The columns that [`row`] reads, of the tables `webhook_endpoints e` and `organizations o`.
const COLUMNS: &str = "e.id, e.created_at, e.updated_at, e.description, e.name, e.url, \
    e.enabled_events, e.state, e.disabled_reason, e.key_id, e.sealed_secret, e.failing_since, \
    e.failures, e.lost, e.rests_until, e.organization, o.id";

/// An endpoint with everything that its row holds.
pub(super) struct EndpointRow {
    pub(super) number: i64,
    pub(super) owned: OwnedEndpoint,
}

pub(super) fn insert(
    connection: &Connection,
    organization: i64,
    endpoint: &WebhookEndpoint,
    secret: &SealedSecret,
) -> Stored<()> {
    execute(
        connection,
        "INSERT INTO webhook_endpoints (id, organization, created_at, updated_at, description, \
         name, url, enabled_events, state, disabled_reason, key_id, sealed_secret) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        params![
            endpoint.id.as_str(),
            organization,
            endpoint.created_at.as_micros(),
            endpoint.updated_at.as_micros(),
            endpoint.description,
            endpoint.name,
            endpoint.url,
            events_text(&endpoint.enabled_events),
            endpoint.state.as_str(),
            endpoint.disabled_reason.map(AutoDisabled::as_str),
            secret.key_id,
            secret.bytes
        ],
    )
    .map(|_| ())
}

pub(super) fn store_health(
    connection: &Connection,
    id: &WebhookEndpointId,
    health: EndpointHealth,
) -> Stored<()> {
    execute(
        connection,
        "UPDATE webhook_endpoints SET failing_since = ?2, failures = ?3, lost = ?4, \
         rests_until = ?5 WHERE id = ?1",
        params![
            id.as_str(),
            health.failing_since.map(Timestamp::as_micros),
            health.failures,
            health.lost,
            health.rests_until.map(Timestamp::as_micros)
        ],
    )
    .map(|_| ())
}

/// The endpoints that an event of this type goes to at this moment.
pub(super) fn subscribed(
    connection: &Connection,
    organization: i64,
    event_type: EventType,
) -> Stored<Vec<WebhookEndpointId>> {
    let found = query(
        connection,
        "SELECT id, enabled_events FROM webhook_endpoints \
         WHERE organization = ?1 AND state = 'enabled' ORDER BY created_at, id",
        [organization],
        |row| {
            let events: Vec<Subscription> = parsed(row, 1, parse_events)?;
            let id = parsed(row, 0, WebhookEndpointId::parse)?;
            Ok(events.contains(&event_type.into()).then_some(id))
        },
    )?;
    Ok(found.into_iter().flatten().collect())
}

/// The endpoint with this id, whoever's it is.
pub(super) fn find_row(
    connection: &Connection,
    id: &WebhookEndpointId,
) -> Stored<Option<EndpointRow>> {
    Ok(select(connection, "e.id = ?1", [id.as_str()])?.pop())
}

pub(super) fn select(
    connection: &Connection,
    condition: &str,
    parameters: impl rusqlite::Params,
) -> Stored<Vec<EndpointRow>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM webhook_endpoints e \
         JOIN organizations o ON o.number = e.organization WHERE {condition}"
    );
    query(connection, &sql, parameters, row)
}

fn row(row: &Row<'_>) -> Stored<EndpointRow> {
    let endpoint = WebhookEndpoint {
        id: parsed(row, 0, WebhookEndpointId::parse)?,
        created_at: timestamp(row, 1)?,
        updated_at: timestamp(row, 2)?,
        description: row.get(3).map_err(failed)?,
        name: row.get(4).map_err(failed)?,
        url: row.get(5).map_err(failed)?,
        enabled_events: parsed(row, 6, parse_events)?,
        state: parsed(row, 7, EndpointState::parse)?,
        disabled_reason: optional(row, 8, AutoDisabled::parse)?,
    };
    if endpoint.enabled_events.is_empty() {
        return Err(damaged("an endpoint's events"));
    }
    Ok(EndpointRow {
        number: row.get(15).map_err(failed)?,
        owned: OwnedEndpoint {
            organization_id: parsed(row, 16, OrganizationId::parse)?,
            endpoint,
            secret: SealedSecret {
                key_id: row.get(9).map_err(failed)?,
                bytes: row.get(10).map_err(failed)?,
            },
            health: EndpointHealth {
                failing_since: optional_timestamp(row, 11)?,
                failures: row.get(12).map_err(failed)?,
                lost: row.get(13).map_err(failed)?,
                rests_until: optional_timestamp(row, 14)?,
            },
        },
    })
}
