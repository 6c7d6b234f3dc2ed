//! Deliveries, newest first: all of them, an endpoint's, or those of events about one profile.

use std::collections::BTreeMap;

use askama::Template;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::delivery::{Delivery, DeliveryStatus};
use rollcall_domain::id::{DeliveryId, ProfileId, WebhookEndpointId};
use rollcall_domain::page::Limit;
use rollcall_store::deliveries::DeliveryFilter;
use rollcall_wire::error::ApiError;
use rollcall_wire::operator::ListPosition;

use super::paging::{Pager, Paging};
use super::{Choice, ConsoleCall, Frame, segment, shown, webhooks};
use crate::acts;
use crate::http::error::{Failure, Outcome};
use crate::pages::form::Form;
use crate::pages::shown::Moment;

#[derive(Template)]
#[template(path = "console/deliveries.html")]
struct DeliveriesPage {
    frame: Frame,
    tabs: Vec<Choice>,
    status: String,
    endpoint_id: String,
    profile_id: String,
    rows: Vec<DeliveryRow>,
    pager: Pager,
}

/// A delivery in a list.
#[derive(Debug)]
pub(super) struct DeliveryRow {
    pub(super) id: String,
    pub(super) path: String,
    pub(super) event_type: String,
    pub(super) endpoint_id: String,
    pub(super) endpoint_path: String,
    /// The endpoint's name, as far as it is known here.
    pub(super) endpoint: Option<String>,
    pub(super) status: &'static str,
    pub(super) look: &'static str,
    pub(super) attempts: usize,
    /// What the last attempt came to.
    pub(super) answer: Option<String>,
    pub(super) created: Moment,
    pub(super) next: Option<Moment>,
}

impl DeliveryRow {
    pub(super) fn new(delivery: &Delivery, now: Timestamp) -> Self {
        let last = delivery.attempts.last();
        let answer = last.map(|attempt| match (attempt.status_code, &attempt.error) {
            (Some(status), _) => status.to_string(),
            (None, Some(error)) => error.clone(),
            (None, None) => "no answer".to_owned(),
        });
        Self {
            id: delivery.id.to_string(),
            path: path(&delivery.id),
            event_type: delivery.event_type.clone(),
            endpoint_id: delivery.endpoint_id.to_string(),
            endpoint_path: webhooks::path(&delivery.endpoint_id),
            endpoint: None,
            status: delivery.status.as_str(),
            look: look_of(delivery.status),
            attempts: delivery.attempts.len(),
            answer,
            created: Moment::minute(delivery.created_at),
            next: delivery.next_attempt_at.map(|at| Moment::ahead(at, now)),
        }
    }
}

/// Rows that name their endpoints.
pub(super) async fn named_rows(
    call: &ConsoleCall<'_>,
    deliveries: &[Delivery],
) -> Result<Vec<DeliveryRow>, Failure> {
    let now = call.app().clock.now();
    let mut names = BTreeMap::new();
    for delivery in deliveries {
        let id = &delivery.endpoint_id;
        if names.contains_key(id.as_str()) {
            continue;
        }
        let found = acts::endpoints::look_up(&call.desk, id).await?;
        let title = found.map(|owned| webhooks::title(&owned.endpoint.name, &owned.endpoint.url));
        names.insert(id.as_str(), title);
    }
    let row = |delivery: &Delivery| DeliveryRow {
        endpoint: names.get(delivery.endpoint_id.as_str()).cloned().flatten(),
        ..DeliveryRow::new(delivery, now)
    };
    Ok(deliveries.iter().map(row).collect())
}

/// The address of a delivery's page.
pub(super) fn path(id: &DeliveryId) -> String {
    format!("/console/deliveries/{}", segment(id.as_str()))
}

pub(super) fn look_of(status: DeliveryStatus) -> &'static str {
    match status {
        DeliveryStatus::Delivered => "good",
        DeliveryStatus::Pending => "wait",
        DeliveryStatus::Failed => "bad",
        DeliveryStatus::Canceled => "",
    }
}

/// The status that a query asks for.
pub(super) fn status_in(form: &Form) -> Result<Option<DeliveryStatus>, ApiError> {
    let status = form.filled("status").map(DeliveryStatus::parse);
    status
        .transpose()
        .map_err(|error| ApiError::at("status", error))
}

/// The statuses to choose from, and all of them.
pub(super) fn tabs(chosen: Option<DeliveryStatus>) -> Vec<Choice> {
    let statuses = DeliveryStatus::ALL.iter().map(|it| it.as_str());
    let mut tabs = Choice::plain(statuses, chosen.map(DeliveryStatus::as_str));
    tabs.insert(0, Choice::all_of_them(chosen.is_none()));
    tabs
}

/// The page that `paging` asks for.
pub(super) async fn find(
    call: &ConsoleCall<'_>,
    filter: &DeliveryFilter,
    paging: &Paging<'_>,
) -> Result<(Vec<Delivery>, Pager), Failure> {
    let after = paging.after()?;
    let after = after.and_then(|after| DeliveryId::parse(&after.id).ok());
    let (after, limit) = (after.as_ref(), Limit::DEFAULT);
    let found = acts::deliveries::list(&call.desk, filter, after, limit).await?;
    let end = found.deliveries.last().filter(|_| found.next.is_some());
    let end = end.map(|last| ListPosition {
        created_at: last.created_at,
        id: last.id.to_string(),
    });
    let pager = paging.pager(end).counting(found.deliveries.len(), None);
    Ok((found.deliveries, pager))
}

/// `GET /console/deliveries`
pub(crate) async fn list(call: ConsoleCall<'_>) -> Outcome {
    let form = Form::of_query(call.exchange().query());
    let filter = filter(&form)?;
    let paging = Paging::new(&call, "/console/deliveries", &form);
    let (found, pager) = find(&call, &filter, &paging).await?;
    let rows = named_rows(&call, &found).await?;
    let text = |name: &str| form.filled(name).unwrap_or_default().to_owned();
    shown(&DeliveriesPage {
        frame: Frame::new(&call, "webhooks"),
        tabs: tabs(filter.status),
        status: text("status"),
        endpoint_id: text("endpoint_id"),
        profile_id: text("profile_id"),
        rows,
        pager,
    })
}

fn filter(form: &Form) -> Result<DeliveryFilter, ApiError> {
    let endpoint_id = form.filled("endpoint_id").map(WebhookEndpointId::parse);
    let profile_id = form.filled("profile_id").map(ProfileId::parse);
    Ok(DeliveryFilter {
        endpoint_id: endpoint_id
            .transpose()
            .map_err(|error| ApiError::at("endpoint_id", error))?,
        status: status_in(form)?,
        profile_id: profile_id
            .transpose()
            .map_err(|error| ApiError::at("profile_id", error))?,
        event_id: None,
    })
}
