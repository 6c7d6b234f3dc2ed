//! Webhook endpoints.

use std::sync::Arc;

use async_trait::async_trait;
use rollcall_domain::audit::Act;
use rollcall_domain::decision::Decided;
use rollcall_domain::id::{OrganizationId, WebhookEndpointId};
use rollcall_domain::page::Limit;
use rollcall_domain::tenant::{OperatorProof, OrganizationScope};
use rollcall_domain::webhook::{ENDPOINTS_PER_ORGANIZATION, EndpointState, WebhookEndpoint};
use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};

use super::commit::keep_audit;
use super::endpoint_rows::{EndpointRow, find_row, insert, select};
use super::rows::{execute, organization_number, query};
use super::{SqliteStore, outbox};
use crate::Stored;
use crate::webhooks::{
    DecideEndpoint, EndpointFilter, EndpointNotStored, EndpointPage, OwnedEndpoint, SealedSecret,
    WebhookEndpoints,
};

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
                    let secret = secret.as_ref().unwrap_or(&before.owned.secret);
                    let endpoint = &before.owned.endpoint;
                    outbox::store_endpoint(connection, endpoint, &decided.value, secret, act.at)?;
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

fn find_own(
    connection: &Connection,
    scope: &OrganizationScope,
    id: &WebhookEndpointId,
) -> Stored<Option<EndpointRow>> {
    let found = find_row(connection, id)?;
    Ok(found.filter(|row| row.owned.organization_id == *scope.organization_id()))
}
