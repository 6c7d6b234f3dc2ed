//! Webhook endpoints.

use std::sync::Arc;

use async_trait::async_trait;
use rollcall_domain::audit::Act;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::decision::Decided;
use rollcall_domain::delivery::EndpointHealth;
use rollcall_domain::event::{EventType, Subscription};
use rollcall_domain::id::{OrganizationId, WebhookEndpointId};
use rollcall_domain::page::Limit;
use rollcall_domain::tenant::{OperatorProof, OrganizationScope};
use rollcall_domain::webhook::{
    AutoDisabled, ENDPOINTS_PER_ORGANIZATION, EndpointState, WebhookEndpoint,
};
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};

use super::commit::keep_audit;
use super::rows::{
    damaged, execute, optional, optional_timestamp, organization_number, parsed, query, timestamp,
};
use super::{SqliteStore, failed, outbox};
use crate::Stored;
use crate::columns::{events_text, parse_events};
use crate::webhooks::{
    DecideEndpoint, EndpointFilter, EndpointNotStored, EndpointPage, OwnedEndpoint, SealedSecret,
    WebhookEndpoints,
};

/// The columns that [`row`] reads, of the tables `webhook_endpoints e` and `organizations o`.
const COLUMNS: &str = "e.id, e.created_at, e.updated_at, e.description, e.name, e.url, \
    e.enabled_events, e.state, e.disabled_reason, e.key_id, e.sealed_secret, e.failing_since, \
    e.failures, e.lost, e.rests_until, e.organization, o.id";

/// An endpoint with everything that its row holds.
pub(super) struct EndpointRow {
    pub(super) number: i64,
    pub(super) owned: OwnedEndpoint,
}

#[async_trait]
impl WebhookEndpoints for SqliteStore {
    async fn insert_webhook_endpoint(
        &self,
        scope: &OrganizationScope,
        act: &Act,
        decided: Decided<WebhookEndpoint>,
        secret: SealedSecret,
    ) -> Stored<Result<(), EndpointNotStored>> {
        let (ids, known) = (Arc::clone(&self.ids), Arc::clone(&self.organizations));
        let (scope, act) = (scope.clone(), act.clone());
        self.writer
            .write(move |connection| {
                let number = organization_number(connection, &known, scope.organization_id())?;
                let Some(number) = number else {
                    return Ok(Err(EndpointNotStored::UnknownOrganization));
                };
                if find_row(connection, &decided.value.id)?.is_some() {
                    return Ok(Err(EndpointNotStored::Taken));
                }
                let sql = "SELECT 1 FROM webhook_endpoints WHERE organization = ?1";
                if query(connection, sql, [number], |_| Ok(()))?.len() >= ENDPOINTS_PER_ORGANIZATION
                {
                    return Ok(Err(EndpointNotStored::TooMany));
                }
                // An id that a seed uses again must not bring deliveries of its former owner back.
                outbox::cancel_all(connection, &decided.value.id, act.at)?;
                insert(connection, number, &decided.value, &secret)?;
                keep_audit(connection, &ids, number, &act, &decided.audit)?;
                Ok(Ok(()))
            })
            .await
    }

    async fn list_webhook_endpoints(
        &self,
        scope: &OrganizationScope,
    ) -> Stored<Vec<WebhookEndpoint>> {
        self.read(|connection| {
            let number = self.organization(connection, scope.organization_id())?;
            let condition = "e.organization = ?1";
            let found = select(connection, condition, [number.unwrap_or(-1)])?;
            Ok(found.into_iter().map(|row| row.owned.endpoint).collect())
        })
    }

    async fn find_webhook_endpoint(
        &self,
        scope: &OrganizationScope,
        id: &WebhookEndpointId,
    ) -> Stored<Option<WebhookEndpoint>> {
        self.read(|connection| {
            let found = find_own(connection, scope, id)?;
            Ok(found.map(|row| row.owned.endpoint))
        })
    }

    async fn change_webhook_endpoint(
        &self,
        scope: &OrganizationScope,
        act: &Act,
        id: &WebhookEndpointId,
        decide: DecideEndpoint,
        secret: Option<SealedSecret>,
    ) -> Stored<Option<WebhookEndpoint>> {
        let ids = Arc::clone(&self.ids);
        let (scope, act, id) = (scope.clone(), act.clone(), id.clone());
        self.writer
            .write(move |connection| {
                let Some(before) = find_own(connection, &scope, &id)? else {
                    return Ok(None);
                };
                let decided = decide(&before.owned.endpoint);
                if decided.changed {
                    let secret = secret.unwrap_or_else(|| before.owned.secret.clone());
                    let endpoint = &before.owned.endpoint;
                    store(connection, endpoint, &decided.value, &secret, act.at)?;
                    keep_audit(connection, &ids, before.number, &act, &decided.audit)?;
                }
                Ok(Some(decided.value))
            })
            .await
    }

    async fn remove_webhook_endpoint(
        &self,
        scope: &OrganizationScope,
        act: &Act,
        id: &WebhookEndpointId,
    ) -> Stored<bool> {
        let ids = Arc::clone(&self.ids);
        let (scope, act, id) = (scope.clone(), act.clone(), id.clone());
        self.writer
            .write(move |connection| {
                let Some(row) = find_own(connection, &scope, &id)? else {
                    return Ok(false);
                };
                execute(
                    connection,
                    "DELETE FROM webhook_endpoints WHERE id = ?1",
                    [id.as_str()],
                )?;
                outbox::cancel_some(connection, &id, act.at)?;
                let entry = row.owned.endpoint.removal();
                keep_audit(connection, &ids, row.number, &act, &[entry])?;
                Ok(true)
            })
            .await
    }

    async fn locate_webhook_endpoint(
        &self,
        _proof: OperatorProof,
        id: &WebhookEndpointId,
    ) -> Stored<Option<OwnedEndpoint>> {
        self.read(|connection| Ok(find_row(connection, id)?.map(|row| row.owned)))
    }

    async fn search_webhook_endpoints(
        &self,
        _proof: OperatorProof,
        filter: &EndpointFilter,
        after: Option<&WebhookEndpointId>,
        limit: Limit,
    ) -> Stored<EndpointPage> {
        let organization = filter.organization_id.as_ref();
        let filters = [
            ("e.id <", after.map(WebhookEndpointId::as_str)),
            ("o.id =", organization.map(OrganizationId::as_str)),
            ("e.state =", filter.state.map(EndpointState::as_str)),
        ];
        let given = filters
            .into_iter()
            .filter_map(|(condition, value)| Some((condition, value?.to_owned())));
        let (conditions, values): (Vec<_>, Vec<_>) = given
            .enumerate()
            .map(|(at, (condition, value))| {
                let condition = format!("{condition} ?{} AND ", at + 1);
                (condition, Value::Text(value))
            })
            .unzip();
        let condition = format!(
            "{}{} ORDER BY e.id DESC LIMIT {}",
            conditions.concat(),
            match filter.is_failing {
                None => "TRUE",
                Some(true) => "e.failing_since IS NOT NULL",
                Some(false) => "e.failing_since IS NULL",
            },
            limit.get() + 1
        );
        self.read(|connection| {
            let found = select(connection, &condition, params_from_iter(values))?;
            let found = found.into_iter().map(|row| row.owned);
            Ok(EndpointPage::of(found.collect(), limit))
        })
    }

    async fn secrets_sealed_otherwise(
        &self,
        _proof: OperatorProof,
        key_id: &str,
        limit: usize,
    ) -> Stored<Vec<OwnedEndpoint>> {
        self.read(|connection| {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let condition = "e.key_id < ?1 OR e.key_id > ?1 LIMIT ?2";
            let found = select(connection, condition, params![key_id, limit])?;
            Ok(found.into_iter().map(|row| row.owned).collect())
        })
    }

    async fn reseal_secret(
        &self,
        _proof: OperatorProof,
        id: &WebhookEndpointId,
        before: SealedSecret,
        after: SealedSecret,
    ) -> Stored<bool> {
        let id = id.clone();
        self.writer
            .write(move |connection| {
                let resealed = execute(
                    connection,
                    "UPDATE webhook_endpoints SET key_id = ?2, sealed_secret = ?3 \
                     WHERE id = ?1 AND key_id = ?4 AND sealed_secret = ?5",
                    params![
                        id.as_str(),
                        after.key_id,
                        after.bytes,
                        before.key_id,
                        before.bytes
                    ],
                )?;
                Ok(resealed > 0)
            })
            .await
    }
}

fn insert(
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

/// Keeps a changed endpoint, and does what a change of its state asks for: one that is disabled loses
/// what waits for it, one that is enabled again begins with nothing waiting and in good health.
pub(super) fn store(
    connection: &Connection,
    before: &WebhookEndpoint,
    after: &WebhookEndpoint,
    secret: &SealedSecret,
    now: Timestamp,
) -> Stored<()> {
    let id = &after.id;
    execute(
        connection,
        "UPDATE webhook_endpoints SET updated_at = ?2, description = ?3, name = ?4, url = ?5, \
         enabled_events = ?6, state = ?7, disabled_reason = ?8, key_id = ?9, sealed_secret = ?10 \
         WHERE id = ?1",
        params![
            id.as_str(),
            after.updated_at.as_micros(),
            after.description,
            after.name,
            after.url,
            events_text(&after.enabled_events),
            after.state.as_str(),
            after.disabled_reason.map(AutoDisabled::as_str),
            secret.key_id,
            secret.bytes
        ],
    )?;
    match (before.state, after.state) {
        (EndpointState::Enabled, EndpointState::Disabled) => {
            outbox::cancel_some(connection, id, now).map(|_| ())
        }
        (EndpointState::Disabled, EndpointState::Enabled) => {
            outbox::cancel_all(connection, id, now)?;
            store_health(connection, id, EndpointHealth::default())
        }
        (EndpointState::Enabled, EndpointState::Enabled)
        | (EndpointState::Disabled, EndpointState::Disabled) => Ok(()),
    }
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

fn find_own(
    connection: &Connection,
    scope: &OrganizationScope,
    id: &WebhookEndpointId,
) -> Stored<Option<EndpointRow>> {
    let found = find_row(connection, id)?;
    Ok(found.filter(|row| row.owned.organization_id == *scope.organization_id()))
}

fn select(
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
