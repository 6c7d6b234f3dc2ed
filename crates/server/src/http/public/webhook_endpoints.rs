//! `/v1/organizations/webhooks`: where an organization wants to be told.
//!
//! A signing secret leaves the server in two answers alone: to the creation, and to its replacement.

use rollcall_domain::id::WebhookEndpointId;
use rollcall_domain::webhook::{SigningKey, WebhookEndpoint};
use rollcall_store::DecideEndpoint;
use rollcall_store::webhooks::{EndpointNotStored, SealedSecret};
use rollcall_wire::error::ApiError;
use rollcall_wire::query::parse_query_beta_only;
use rollcall_wire::webhooks::{
    EndpointListing, deleted_endpoint, parse_create, parse_regenerate_body, parse_update,
    regenerated_secret, too_many_endpoints, write_endpoint, write_page,
};

use crate::app::{App, Operation};
use crate::http::answer::{Answer, json};
use crate::http::call::AdminCall;
use crate::http::error::{Failure, Outcome, Written};

/// `GET /v1/organizations/webhooks`
pub(crate) async fn list(call: AdminCall<'_>) -> Outcome {
    let listing = EndpointListing::parse(call.query())?;
    let list = call.app().store.list_webhook_endpoints(call.scope());
    let endpoints = call
        .exchange()
        .read(Operation::ReadWebhookEndpoints, list)
        .await?;
    Ok(json(write_page(&listing.page(endpoints)?)))
}

/// `POST /v1/organizations/webhooks`
pub(crate) async fn create(call: AdminCall<'_>) -> Outcome {
    let app = call.app();
    parse_query_beta_only(call.query())?;
    let draft = parse_create(&call.body().await?, app.settings.webhooks.endpoints)?;
    let now = app.clock.now();
    let decided = WebhookEndpoint::create(app.ids.webhook_endpoint(now), draft, now);
    let endpoint = decided.value.clone();
    let (key, sealed) = new_secret(app, &endpoint.id)?;
    let act = call.act(now);
    let insert = app
        .store
        .insert_webhook_endpoint(call.scope(), &act, decided, sealed);
    match call
        .exchange()
        .write(Operation::WriteWebhookEndpoints, insert)
        .await?
    {
        Ok(()) => Ok(shown(&endpoint, Some(&key))),
        Err(EndpointNotStored::TooMany) => Err(too_many_endpoints().into()),
        Err(refused @ (EndpointNotStored::UnknownOrganization | EndpointNotStored::Taken)) => {
            let cause = format!("a new webhook endpoint was not stored: {refused:?}");
            Err(Failure::internal(cause, Written::Nothing))
        }
    }
}

/// `GET /v1/organizations/webhooks/{id}`
pub(crate) async fn get(call: AdminCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    let id = named(&call)?;
    let find = call.app().store.find_webhook_endpoint(call.scope(), &id);
    let found = call
        .exchange()
        .read(Operation::ReadWebhookEndpoints, find)
        .await?;
    let endpoint = found.ok_or_else(ApiError::webhook_endpoint_not_found)?;
    Ok(shown(&endpoint, None))
}

/// `POST /v1/organizations/webhooks/{id}`
pub(crate) async fn update(call: AdminCall<'_>) -> Outcome {
    let app = call.app();
    parse_query_beta_only(call.query())?;
    let patch = parse_update(&call.body().await?, app.settings.webhooks.endpoints)?;
    let now = app.clock.now();
    let decide = Box::new(move |endpoint: &WebhookEndpoint| endpoint.update(&patch, now));
    let endpoint = change(&call, decide, None).await?;
    Ok(shown(&endpoint, None))
}

/// `DELETE /v1/organizations/webhooks/{id}`
pub(crate) async fn delete(call: AdminCall<'_>) -> Outcome {
    let app = call.app();
    parse_query_beta_only(call.query())?;
    let id = named(&call)?;
    let act = call.act(app.clock.now());
    let remove = app.store.remove_webhook_endpoint(call.scope(), &act, &id);
    if !call
        .exchange()
        .write(Operation::WriteWebhookEndpoints, remove)
        .await?
    {
        return Err(ApiError::webhook_endpoint_not_found().into());
    }
    Ok(json(deleted_endpoint(&id)))
}

/// `POST /v1/organizations/webhooks/{id}/regenerate_signing_secret`
pub(crate) async fn regenerate_signing_secret(call: AdminCall<'_>) -> Outcome {
    let app = call.app();
    parse_query_beta_only(call.query())?;
    parse_regenerate_body(&call.body().await?)?;
    let (key, sealed) = new_secret(app, &named(&call)?)?;
    let now = app.clock.now();
    let decide = Box::new(move |endpoint: &WebhookEndpoint| endpoint.replace_secret(now));
    change(&call, decide, Some(sealed)).await?;
    Ok(json(regenerated_secret(&key)))
}

async fn change(
    call: &AdminCall<'_>,
    decide: DecideEndpoint,
    secret: Option<SealedSecret>,
) -> Result<WebhookEndpoint, Failure> {
    let app = call.app();
    let id = named(call)?;
    let act = call.act(app.clock.now());
    let change = app
        .store
        .change_webhook_endpoint(call.scope(), &act, &id, decide, secret);
    let changed = call
        .exchange()
        .write(Operation::WriteWebhookEndpoints, change)
        .await?;
    changed.ok_or_else(|| ApiError::webhook_endpoint_not_found().into())
}

/// The endpoint that the path names.
fn named(call: &AdminCall<'_>) -> Result<WebhookEndpointId, Failure> {
    let id = call.endpoint_id();
    id.ok_or_else(|| ApiError::webhook_endpoint_not_found().into())
}

fn new_secret(app: &App, id: &WebhookEndpointId) -> Result<(SigningKey, SealedSecret), Failure> {
    let key = SigningKey(app.ids.secret_bytes());
    let sealed = app.settings.webhooks.vault.seal(id, &key);
    let sealed = sealed.map_err(|error| Failure::internal(error.to_string(), Written::Nothing))?;
    Ok((key, sealed))
}

fn shown(endpoint: &WebhookEndpoint, key: Option<&SigningKey>) -> Answer {
    let mut out = String::with_capacity(512);
    write_endpoint(&mut out, endpoint, key);
    json(out)
}
