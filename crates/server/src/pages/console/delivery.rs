//! One delivery: what was sent, every attempt and what came of it, and sending it again.

use askama::Template;
use http::StatusCode;
use rollcall_domain::delivery::{
    Attempt, Delivery, DeliveryStatus, Outcome as Meaning, TEST_EVENT_TYPE,
};
use rollcall_domain::id::ProfileId;
use rollcall_wire::error::ApiError;
use serde_json::Value;

use super::deliveries::{DeliveryRow, path};
use super::{ConsoleCall, Frame, Organizations, Told, go, segment};
use crate::acts;
use crate::http::error::{Failure, Outcome};
use crate::pages::form::Form;
use crate::pages::shown::{Moment, number};
use crate::pages::{Room, page};

#[derive(Template)]
#[template(path = "console/delivery.html")]
struct DeliveryPage {
    frame: Frame,
    row: DeliveryRow,
    organization: String,
    organization_id: String,
    event_id: String,
    /// The endpoint's address, if it still exists.
    url: Option<String>,
    /// The page of the profile that the event is about, and its id.
    profile: Option<(String, String)>,
    attempts: Vec<AttemptRow>,
    headers: Vec<(String, String)>,
    payload: String,
    is_pending: bool,
}

#[derive(Debug)]
struct AttemptRow {
    number: usize,
    at: Moment,
    answer: String,
    look: &'static str,
    latency: String,
    error: Option<String>,
    /// The beginning of what the receiver said.
    said: Option<String>,
}

impl AttemptRow {
    fn new(place: usize, attempt: &Attempt) -> Self {
        let meaning = attempt.status_code.map(Meaning::of_status);
        Self {
            number: place + 1,
            at: Moment::second(attempt.at),
            answer: match attempt.status_code {
                Some(status) => status_text(status),
                None => "no answer".to_owned(),
            },
            look: match meaning {
                Some(Meaning::Succeeded) => "good",
                Some(Meaning::Failed | Meaning::Disabling(_)) | None => "bad",
            },
            latency: number(attempt.latency_ms),
            error: attempt.error.clone(),
            said: attempt.answer.clone(),
        }
    }
}

fn status_text(status: u16) -> String {
    let known = StatusCode::from_u16(status).ok();
    let reason = known.and_then(|known| known.canonical_reason());
    match reason {
        Some(reason) => format!("{status} {reason}"),
        None => status.to_string(),
    }
}

/// `GET /console/deliveries/{id}`
pub(crate) async fn show(call: ConsoleCall<'_>) -> Outcome {
    let (delivery, body) = named(&call).await?;
    detail(&call, &delivery, body, None).await
}

async fn named(call: &ConsoleCall<'_>) -> Result<(Delivery, String), Failure> {
    acts::deliveries::find(
        &call.desk,
        &acts::deliveries::named(call.param("webhook_delivery_id"))?,
    )
    .await
}

async fn detail(
    call: &ConsoleCall<'_>,
    delivery: &Delivery,
    body: String,
    told: Option<Told>,
) -> Outcome {
    let app = call.app();
    let endpoint = acts::endpoints::look_up(&call.desk, &delivery.endpoint_id).await?;
    let sent = acts::deliveries::sent(&call.desk, delivery, endpoint.as_ref(), body);
    let payload: Option<Value> = serde_json::from_str(&sent.body).ok();
    let about = payload.as_ref().and_then(|it| it["data"]["id"].as_str());
    let about = about.filter(|_| delivery.event_type != TEST_EVENT_TYPE);
    let profile = about.and_then(|id| ProfileId::parse(id).ok());
    let organizations = Organizations::read(call).await?;
    let attempts = delivery.attempts.iter().enumerate();
    let detail = DeliveryPage {
        frame: Frame::new(call, "webhooks").telling(told),
        row: DeliveryRow::new(delivery, app.clock.now()),
        organization: organizations.name(&delivery.organization_id),
        organization_id: delivery.organization_id.to_string(),
        event_id: delivery.event_id.to_string(),
        url: endpoint.map(|owned| owned.endpoint.url),
        profile: profile.map(|id| {
            let path = format!("/console/profiles/{}", segment(id.as_str()));
            (path, id.to_string())
        }),
        attempts: attempts
            .map(|(place, attempt)| AttemptRow::new(place, attempt))
            .collect(),
        headers: sent.headers,
        payload: payload.map_or(sent.body, |value| format!("{value:#}")),
        is_pending: delivery.status == DeliveryStatus::Pending,
    };
    page(Room::Console, detail.frame.status(), &detail)
}

/// `POST /console/deliveries/{id}`: sends it again.
pub(crate) async fn redeliver(call: ConsoleCall<'_>) -> Outcome {
    let form = Form::of(call.exchange()).await?;
    if form.get("do") != Some("redeliver") {
        return Err(ApiError::at("do", "must be redeliver").into());
    }
    let (delivery, body) = named(&call).await?;
    match acts::deliveries::redeliver(&call.desk, &delivery.id).await {
        Ok(delivery) => Ok(go(&format!("{}?done=redelivered", path(&delivery.id)))),
        Err(failure) => detail(&call, &delivery, body, Some(Told::of(failure)?)).await,
    }
}
