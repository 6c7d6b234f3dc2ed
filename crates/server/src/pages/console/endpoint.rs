//! One webhook endpoint: where it is, how it has been doing, what it was told; and what can be done
//! about it.

use askama::Template;
use http::StatusCode;
use rollcall_domain::id::WebhookEndpointId;
use rollcall_domain::webhook::{EndpointPatch, EndpointState, WebhookEndpoint};
use rollcall_store::deliveries::{DeliveryFilter, NotSent};
use rollcall_store::webhooks::OwnedEndpoint;
use rollcall_wire::error::ApiError;

use super::confirm::{self, Question};
use super::deliveries::{self, DeliveryRow};
use super::paging::{Pager, Paging};
use super::webhooks::{EndpointRow, path};
use super::{Choice, ConsoleCall, Frame, Organizations, Told, go};
use crate::app::Operation;
use crate::http::error::{Failure, Outcome};
use crate::pages::form::Form;
use crate::pages::shown::Moment;
use crate::pages::{Room, page};

#[derive(Template)]
#[template(path = "console/endpoint.html")]
struct EndpointPage {
    frame: Frame,
    row: EndpointRow,
    description: String,
    updated: Moment,
    is_enabled: bool,
    tabs: Vec<Choice>,
    deliveries: Vec<DeliveryRow>,
    pager: Pager,
}

/// `GET /console/webhooks/{id}`
pub(crate) async fn show(call: ConsoleCall<'_>) -> Outcome {
    let owned = named(&call).await?;
    detail(&call, &owned, None, StatusCode::OK).await
}

async fn named(call: &ConsoleCall<'_>) -> Result<OwnedEndpoint, Failure> {
    let not_found = ApiError::webhook_endpoint_not_found;
    let id = WebhookEndpointId::parse(call.param(0)).map_err(|_| not_found())?;
    let locate = call.app().store.locate_webhook_endpoint(call.proof, &id);
    let found = call
        .exchange()
        .read(Operation::ReadWebhookEndpoints, locate)
        .await?;
    Ok(found.ok_or_else(not_found)?)
}

async fn detail(
    call: &ConsoleCall<'_>,
    owned: &OwnedEndpoint,
    told: Option<Told>,
    status: StatusCode,
) -> Outcome {
    let now = call.app().clock.now();
    let endpoint = &owned.endpoint;
    let form = Form::of_query(call.exchange().query());
    let filter = DeliveryFilter {
        endpoint_id: Some(endpoint.id.clone()),
        status: deliveries::status_in(&form)?,
        profile_id: None,
    };
    let paging = Paging::new(call, path(&endpoint.id), &form);
    let (found, pager) = deliveries::find(call, &filter, &paging).await?;
    let organizations = Organizations::read(call).await?;
    let name = organizations.name(&owned.organization_id);
    let detail = EndpointPage {
        frame: Frame::new(call, "webhooks").telling(told),
        row: EndpointRow::new(owned, name, now),
        description: endpoint.description.clone(),
        updated: Moment::minute(endpoint.updated_at),
        is_enabled: endpoint.state == EndpointState::Enabled,
        tabs: deliveries::tabs(filter.status),
        deliveries: found.iter().map(|it| DeliveryRow::new(it, now)).collect(),
        pager,
    };
    page(Room::Console, status, &detail)
}

/// `POST /console/webhooks/{id}`: sends a test event, disables or enables.
pub(crate) async fn change(call: ConsoleCall<'_>) -> Outcome {
    let form = Form::of(call.exchange()).await?;
    let owned = named(&call).await?;
    match form.get("do").unwrap_or_default() {
        "test" => test(&call, &owned).await,
        "disable" if !confirm::is_confirmed(&form) => {
            let question = Question {
                title: "Disable this endpoint?".to_owned(),
                effects: vec![
                    format!(
                        "{} is told nothing any more, until somebody enables it again.",
                        owned.endpoint.url
                    ),
                    "What waits to be delivered to it is canceled.".to_owned(),
                    "Events that happen meanwhile are not delivered to it later.".to_owned(),
                ],
                yes: "Disable it",
                back: path(&owned.endpoint.id),
            };
            confirm::ask(&call, "webhooks", question, &form)
        }
        "disable" => set_state(&call, &owned, EndpointState::Disabled).await,
        "enable" => set_state(&call, &owned, EndpointState::Enabled).await,
        _ => Err(ApiError::at("do", "must be test, disable or enable").into()),
    }
}

async fn test(call: &ConsoleCall<'_>, owned: &OwnedEndpoint) -> Outcome {
    let app = call.app();
    let act = call.act(app.clock.now());
    let id = &owned.endpoint.id;
    let insert = app.store.insert_test_delivery(call.proof, &act, id);
    let begun = call
        .exchange()
        .write(Operation::WriteDeliveries, insert)
        .await?;
    match begun {
        Ok(delivery) => Ok(go(&format!(
            "{}?done=tested",
            deliveries::path(&delivery.id)
        ))),
        Err(NotSent::EndpointMissing) => Err(ApiError::webhook_endpoint_not_found().into()),
        Err(NotSent::EndpointDisabled | NotSent::StillPending) => {
            let told = Told::bad("The endpoint is disabled. Enable it to send something to it.");
            detail(call, owned, Some(told), StatusCode::CONFLICT).await
        }
    }
}

async fn set_state(call: &ConsoleCall<'_>, owned: &OwnedEndpoint, state: EndpointState) -> Outcome {
    let app = call.app();
    let now = app.clock.now();
    let (act, id) = (call.act(now), &owned.endpoint.id);
    let scope = call.proof.choose(owned.organization_id.clone());
    let patch = EndpointPatch {
        state: Some(state),
        ..EndpointPatch::default()
    };
    let decide = Box::new(move |endpoint: &WebhookEndpoint| endpoint.update(&patch, now));
    let change = app
        .store
        .change_webhook_endpoint(&scope, &act, id, decide, None);
    let changed = call
        .exchange()
        .write(Operation::WriteWebhookEndpoints, change)
        .await?;
    changed.ok_or_else(ApiError::webhook_endpoint_not_found)?;
    let done = match state {
        EndpointState::Enabled => "endpoint-enabled",
        EndpointState::Disabled => "endpoint-disabled",
    };
    Ok(go(&format!("{}?done={done}", path(id))))
}
