//! One webhook endpoint: where it is, how it has been doing, what it was told; and what can be done
//! about it.

use askama::Template;
use rollcall_domain::webhook::EndpointState;
use rollcall_store::deliveries::DeliveryFilter;
use rollcall_store::webhooks::OwnedEndpoint;
use rollcall_wire::error::ApiError;

use super::confirm::{self, Question};
use super::deliveries::{self, DeliveryRow};
use super::paging::{Pager, Paging};
use super::webhooks::{EndpointRow, path};
use super::{Choice, ConsoleCall, Frame, Organizations, Told, go};
use crate::acts::endpoints;
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
    detail(&call, &owned, None).await
}

async fn named(call: &ConsoleCall<'_>) -> Result<OwnedEndpoint, Failure> {
    endpoints::find(
        &call.desk,
        &endpoints::named(call.param("webhook_endpoint_id"))?,
    )
    .await
}

async fn detail(call: &ConsoleCall<'_>, owned: &OwnedEndpoint, told: Option<Told>) -> Outcome {
    let now = call.app().clock.now();
    let endpoint = &owned.endpoint;
    let form = Form::of_query(call.exchange().query());
    let filter = DeliveryFilter {
        endpoint_id: Some(endpoint.id.clone()),
        status: deliveries::status_in(&form)?,
        ..DeliveryFilter::default()
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
    page(Room::Console, detail.frame.status(), &detail)
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
    match endpoints::test(&call.desk, &owned.endpoint.id).await {
        Ok(delivery) => Ok(go(&format!(
            "{}?done=tested",
            deliveries::path(&delivery.id)
        ))),
        Err(failure) => detail(call, owned, Some(Told::of(failure)?)).await,
    }
}

async fn set_state(call: &ConsoleCall<'_>, owned: &OwnedEndpoint, state: EndpointState) -> Outcome {
    endpoints::set_state(&call.desk, owned, state).await?;
    let done = match state {
        EndpointState::Enabled => "endpoint-enabled",
        EndpointState::Disabled => "endpoint-disabled",
    };
    Ok(go(&format!("{}?done={done}", path(&owned.endpoint.id))))
}
