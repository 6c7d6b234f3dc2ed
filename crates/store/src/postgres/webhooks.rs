//! Webhook endpoints.
//!
//! Whoever changes an endpoint, or claims or records its deliveries, locks the endpoint's row first and
//! deliveries after it, so that none waits for another in a circle.

use std::panic::{AssertUnwindSafe, catch_unwind};

use async_trait::async_trait;
use rollcall_domain::audit::Act;
use rollcall_domain::decision::Decided;
use rollcall_domain::id::{OrganizationId, WebhookEndpointId};
use rollcall_domain::page::Limit;
use rollcall_domain::tenant::{OperatorProof, OrganizationScope};
use rollcall_domain::webhook::{
    AutoDisabled, ENDPOINTS_PER_ORGANIZATION, EndpointState, WebhookEndpoint,
};
use tokio_postgres::Row;

use super::commit::Keep;
use super::endpoint_rows::{COLUMNS, lock, row};
use super::rows::column;
use super::transaction::Tx;
use super::trouble::Trouble;
use super::value::values;
use super::{PostgresStore, outbox};
use crate::columns::events_text;
use crate::webhooks::{
    DecideEndpoint, EndpointFilter, EndpointNotStored, EndpointPage, OwnedEndpoint, SealedSecret,
    WebhookEndpoints,
};
use crate::{StoreError, Stored};

#[async_trait]
impl WebhookEndpoints for PostgresStore {
    async fn insert_webhook_endpoint(
        &self,
        scope: &OrganizationScope,
        act: &Act,
        decided: Decided<WebhookEndpoint>,
        secret: SealedSecret,
    ) -> Stored<Result<(), EndpointNotStored>> {
        let insertion = Insertion {
            keep: Keep::new(&self.ids, act),
            organization: scope.organization_id(),
            decided: &decided,
            secret: &secret,
        };
        self.run("insert_webhook_endpoint", &insertion, |tx, insertion| {
            Box::pin(insertion.run(tx))
        })
        .await
    }

    async fn list_webhook_endpoints(
        &self,
        scope: &OrganizationScope,
    ) -> Stored<Vec<WebhookEndpoint>> {
        let sql = format!("SELECT {COLUMNS} FROM webhook_endpoints WHERE organization = $1");
        let parameters = values![scope.organization_id().as_str()];
        let rows = self.read(&sql, &parameters).await?;
        let endpoint = |found: &Row| row(found).map(|owned| owned.endpoint);
        rows.iter().map(endpoint).collect()
    }

    async fn find_webhook_endpoint(
        &self,
        scope: &OrganizationScope,
        id: &WebhookEndpointId,
    ) -> Stored<Option<WebhookEndpoint>> {
        let sql =
            format!("SELECT {COLUMNS} FROM webhook_endpoints WHERE id = $1 AND organization = $2");
        let parameters = values![id.as_str(), scope.organization_id().as_str()];
        let rows = self.read(&sql, &parameters).await?;
        let found = rows.first().map(row).transpose()?;
        Ok(found.map(|owned| owned.endpoint))
    }

    async fn change_webhook_endpoint(
        &self,
        scope: &OrganizationScope,
        act: &Act,
        id: &WebhookEndpointId,
        decide: DecideEndpoint,
        secret: Option<SealedSecret>,
    ) -> Stored<Option<WebhookEndpoint>> {
        let change = Change {
            keep: Keep::new(&self.ids, act),
            organization: scope.organization_id(),
            id,
            decide: &decide,
            secret: secret.as_ref(),
        };
        self.run("change_webhook_endpoint", &change, |tx, change| {
            Box::pin(change.run(tx))
        })
        .await
    }

    async fn remove_webhook_endpoint(
        &self,
        scope: &OrganizationScope,
        act: &Act,
        id: &WebhookEndpointId,
    ) -> Stored<bool> {
        let removal = Removal {
            keep: Keep::new(&self.ids, act),
            organization: scope.organization_id(),
            id,
        };
        self.run("remove_webhook_endpoint", &removal, |tx, removal| {
            Box::pin(removal.run(tx))
        })
        .await
    }

    async fn locate_webhook_endpoint(
        &self,
        _proof: OperatorProof,
        id: &WebhookEndpointId,
    ) -> Stored<Option<OwnedEndpoint>> {
        let sql = format!("SELECT {COLUMNS} FROM webhook_endpoints WHERE id = $1");
        let rows = self.read(&sql, &values![id.as_str()]).await?;
        rows.first().map(row).transpose()
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
            ("id <", after.map(WebhookEndpointId::as_str)),
            ("organization =", organization.map(OrganizationId::as_str)),
            ("state =", filter.state.map(EndpointState::as_str)),
        ];
        let mut parameters = values![limit.get() + 1].to_vec();
        let mut conditions = String::new();
        for (condition, value) in filters {
            if let Some(value) = value {
                parameters.push(value.into());
                conditions.push_str(&format!("{condition} ${} AND ", parameters.len()));
            }
        }
        let failing = match filter.is_failing {
            None => "TRUE",
            Some(true) => "failing_since IS NOT NULL",
            Some(false) => "failing_since IS NULL",
        };
        let sql = format!(
            "SELECT {COLUMNS} FROM webhook_endpoints WHERE {conditions}{failing} \
             ORDER BY id DESC LIMIT $1"
        );
        let rows = self.read(&sql, &parameters).await?;
        let found = rows.iter().map(row).collect::<Stored<_>>()?;
        Ok(EndpointPage::of(found, limit))
    }

    async fn secrets_sealed_otherwise(
        &self,
        _proof: OperatorProof,
        key_id: &str,
        limit: usize,
    ) -> Stored<Vec<OwnedEndpoint>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM webhook_endpoints WHERE key_id < $1 OR key_id > $1 LIMIT $2"
        );
        let rows = self.read(&sql, &values![key_id, limit]).await?;
        rows.iter().map(row).collect()
    }

    async fn reseal_secret(
        &self,
        _proof: OperatorProof,
        id: &WebhookEndpointId,
        before: SealedSecret,
        after: SealedSecret,
    ) -> Stored<bool> {
        let parameters = values![
            id.as_str(),
            after.key_id,
            &after.bytes[..],
            before.key_id,
            &before.bytes[..],
        ];
        self.run("reseal_secret", &parameters, |tx, parameters| {
            Box::pin(async move {
                let resealed = tx
                    .write_now(
                        "UPDATE webhook_endpoints SET key_id = $2, sealed_secret = $3 \
                         WHERE id = $1 AND (key_id = $4 AND sealed_secret = $5) RETURNING 1",
                        parameters,
                    )
                    .await?;
                // An earlier attempt that was applied leaves nothing to do; the next look for secrets
                // that are sealed otherwise does not find this one any more.
                Ok(!resealed.is_empty() || tx.is_in_doubt())
            })
        })
        .await
    }
}

struct Insertion<'a> {
    keep: Keep<'a>,
    organization: &'a OrganizationId,
    decided: &'a Decided<WebhookEndpoint>,
    secret: &'a SealedSecret,
}

impl Insertion<'_> {
    async fn run(&self, tx: &mut Tx) -> Result<Result<(), EndpointNotStored>, Trouble> {
        let organization = self.organization.as_str();
        // Locked, so that two that count at once do not both find room for the last one.
        let found = tx
            .query(
                "SELECT 1 FROM organizations WHERE id = $1 AND removal IS NULL FOR NO KEY UPDATE",
                &values![organization],
            )
            .await?;
        self.keep.unless_applied(tx).await?;
        if found.is_empty() {
            return Ok(Err(EndpointNotStored::UnknownOrganization));
        }
        let endpoint = &self.decided.value;
        let id = endpoint.id.as_str();
        let held = tx
            .query(
                "SELECT id = $1 FROM webhook_endpoints WHERE id = $1 OR organization = $2",
                &values![id, organization],
            )
            .await?;
        for row in &held {
            if column::<bool>(row, 0)? {
                return Ok(Err(EndpointNotStored::Taken));
            }
        }
        if held.len() >= ENDPOINTS_PER_ORGANIZATION {
            return Ok(Err(EndpointNotStored::TooMany));
        }
        // An id that a seed uses again must not bring deliveries of its former owner back.
        outbox::cancel_all(tx, &endpoint.id, self.keep.act().at);
        tx.write(
            "INSERT INTO webhook_endpoints (id, organization, created_at, updated_at, description, \
             name, url, enabled_events, state, disabled_reason, key_id, sealed_secret) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
            values![
                id,
                organization,
                endpoint.created_at,
                endpoint.updated_at,
                endpoint.description.as_str(),
                endpoint.name.as_str(),
                endpoint.url.as_str(),
                events_text(&endpoint.enabled_events),
                endpoint.state.as_str(),
                endpoint.disabled_reason.map(AutoDisabled::as_str),
                self.secret.key_id.as_str(),
                &self.secret.bytes[..],
            ],
        );
        self.keep.audit(tx, organization, &self.decided.audit);
        Ok(Ok(()))
    }
}

struct Change<'a> {
    keep: Keep<'a>,
    organization: &'a OrganizationId,
    id: &'a WebhookEndpointId,
    decide: &'a DecideEndpoint,
    secret: Option<&'a SealedSecret>,
}

impl Change<'_> {
    async fn run(&self, tx: &mut Tx) -> Result<Option<WebhookEndpoint>, Trouble> {
        let found = lock(tx, self.id).await?;
        self.keep.unless_applied(tx).await?;
        let own = found.filter(|owned| owned.organization_id == *self.organization);
        let Some(before) = own else {
            return Ok(None);
        };
        let decided = catch_unwind(AssertUnwindSafe(|| (self.decide)(&before.endpoint)))
            .map_err(|_| StoreError::Failed("a decision panicked".into()))?;
        if decided.changed {
            let secret = self.secret.unwrap_or(&before.secret);
            let now = self.keep.act().at;
            outbox::store_endpoint(tx, &before.endpoint, &decided.value, secret, now);
            self.keep
                .audit(tx, self.organization.as_str(), &decided.audit);
        }
        Ok(Some(decided.value))
    }
}

struct Removal<'a> {
    keep: Keep<'a>,
    organization: &'a OrganizationId,
    id: &'a WebhookEndpointId,
}

impl Removal<'_> {
    async fn run(&self, tx: &mut Tx) -> Result<bool, Trouble> {
        let found = lock(tx, self.id).await?;
        self.keep.unless_applied(tx).await?;
        let own = found.filter(|owned| owned.organization_id == *self.organization);
        let Some(owned) = own else {
            return Ok(false);
        };
        tx.write(
            "DELETE FROM webhook_endpoints WHERE id = $1",
            values![self.id.as_str()],
        );
        outbox::cancel_some(tx, self.id, self.keep.act().at);
        let entry = owned.endpoint.removal();
        self.keep.audit(tx, self.organization.as_str(), &[entry]);
        Ok(true)
    }
}
