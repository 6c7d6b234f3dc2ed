//! Webhook endpoints of every organization, with how they are.

use askama::Template;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::{OrganizationId, WebhookEndpointId};
use rollcall_domain::page::Limit;
use rollcall_domain::webhook::{AutoDisabled, EndpointState};
use rollcall_store::webhooks::{EndpointFilter, OwnedEndpoint};
use rollcall_wire::error::ApiError;
use rollcall_wire::operator::ListPosition;

use super::paging::{Pager, Paging};
use super::{Choice, ConsoleCall, Frame, Organizations, segment, shown};
use crate::acts::endpoints;
use crate::http::error::Outcome;
use crate::pages::form::Form;
use crate::pages::shown::Moment;

rollcall_domain::text_enum! {
    /// How an endpoint is.
    Condition {
        /// Enabled, and its last attempt succeeded or there was none.
        Healthy = "healthy",
        /// Enabled, and its last attempt failed.
        Failing = "failing",
        /// Disabled, by its owner or by Rollcall.
        Disabled = "disabled",
    }
}

impl Condition {
    fn of(owned: &OwnedEndpoint) -> Self {
        match (owned.endpoint.state, owned.health.failing_since) {
            (EndpointState::Disabled, _) => Self::Disabled,
            (EndpointState::Enabled, Some(_)) => Self::Failing,
            (EndpointState::Enabled, None) => Self::Healthy,
        }
    }

    /// What finds the endpoints that are so.
    pub(super) fn filter(self) -> EndpointFilter {
        let (state, is_failing) = match self {
            Self::Healthy => (EndpointState::Enabled, Some(false)),
            Self::Failing => (EndpointState::Enabled, Some(true)),
            Self::Disabled => (EndpointState::Disabled, None),
        };
        EndpointFilter {
            state: Some(state),
            is_failing,
            organization_id: None,
        }
    }
}

#[derive(Template)]
#[template(path = "console/webhooks.html")]
struct WebhooksPage {
    frame: Frame,
    tabs: Vec<Choice>,
    condition: String,
    organizations: Vec<Choice>,
    organization_id: String,
    rows: Vec<EndpointRow>,
    pager: Pager,
}

/// An endpoint in a list.
#[derive(Debug)]
pub(super) struct EndpointRow {
    pub(super) id: String,
    pub(super) path: String,
    /// Its name, or its host where it has none.
    pub(super) title: String,
    pub(super) url: String,
    pub(super) organization: String,
    pub(super) organization_id: String,
    pub(super) condition: &'static str,
    pub(super) look: &'static str,
    /// What there is to say of its condition.
    pub(super) trouble: Option<String>,
    pub(super) failing_since: Option<Moment>,
    pub(super) events: Vec<String>,
    pub(super) created: Moment,
}

impl EndpointRow {
    pub(super) fn new(owned: &OwnedEndpoint, organization: String, now: Timestamp) -> Self {
        let (endpoint, health) = (&owned.endpoint, owned.health);
        let condition = Condition::of(owned);
        let failures = match health.failures {
            1 => "1 attempt failed".to_owned(),
            failures => format!("{failures} attempts failed in a row"),
        };
        let trouble = match condition {
            Condition::Healthy => None,
            Condition::Failing => Some(failures),
            Condition::Disabled => {
                let reason = endpoint.disabled_reason.map(AutoDisabled::as_str);
                Some(reason.unwrap_or("disabled by hand").to_owned())
            }
        };
        Self {
            id: endpoint.id.to_string(),
            path: path(&endpoint.id),
            title: title(&endpoint.name, &endpoint.url),
            url: endpoint.url.clone(),
            organization,
            organization_id: owned.organization_id.to_string(),
            condition: condition.as_str(),
            look: look_of(condition),
            trouble,
            failing_since: health
                .failing_since
                .filter(|_| condition == Condition::Failing)
                .map(|since| Moment::ago(since, now)),
            events: endpoint
                .enabled_events
                .iter()
                .map(|it| it.as_str().to_owned())
                .collect(),
            created: Moment::minute(endpoint.created_at),
        }
    }
}

/// What an endpoint is called: its name, or its host where it has none.
pub(super) fn title(name: &str, url: &str) -> String {
    if !name.is_empty() {
        return name.to_owned();
    }
    let parsed = url::Url::parse(url).ok();
    let host = parsed
        .as_ref()
        .and_then(|url| url.host_str())
        .unwrap_or(url);
    host.to_owned()
}

/// The address of an endpoint's page.
pub(super) fn path(id: &WebhookEndpointId) -> String {
    format!("/console/webhooks/{}", segment(id.as_str()))
}

fn look_of(condition: Condition) -> &'static str {
    match condition {
        Condition::Healthy => "good",
        Condition::Failing => "wait",
        Condition::Disabled => "bad",
    }
}

/// `GET /console/webhooks`
pub(crate) async fn list(call: ConsoleCall<'_>) -> Outcome {
    let form = Form::of_query(call.exchange().query());
    let filter = filter(&form)?;
    let paging = Paging::new(&call, "/console/webhooks", &form);
    let after = paging.after()?;
    let after = after.and_then(|after| WebhookEndpointId::parse(&after.id).ok());
    let found = endpoints::list(&call.desk, &filter, after.as_ref(), Limit::DEFAULT).await?;
    let end = found.endpoints.last().filter(|_| found.next.is_some());
    let end = end.map(|last| ListPosition {
        created_at: last.endpoint.created_at,
        id: last.endpoint.id.to_string(),
    });
    let organizations = Organizations::read(&call).await?;
    let now = call.app().clock.now();
    let rows = found
        .endpoints
        .iter()
        .map(|it| EndpointRow::new(it, organizations.name(&it.organization_id), now));
    let condition = form.filled("condition").unwrap_or_default();
    let conditions = Condition::ALL.iter().map(|it| it.as_str());
    let mut tabs = Choice::plain(conditions, Some(condition));
    tabs.insert(0, Choice::all_of_them(condition.is_empty()));
    shown(&WebhooksPage {
        frame: Frame::new(&call, "webhooks"),
        tabs,
        condition: condition.to_owned(),
        organizations: organizations.choices(form.filled("organization_id")),
        organization_id: form
            .filled("organization_id")
            .unwrap_or_default()
            .to_owned(),
        rows: rows.collect(),
        pager: paging.pager(end).counting(found.endpoints.len(), None),
    })
}

fn filter(form: &Form) -> Result<EndpointFilter, ApiError> {
    let organization_id = form.filled("organization_id").map(OrganizationId::parse);
    let condition = form.filled("condition").map(Condition::parse);
    let condition = condition
        .transpose()
        .map_err(|error| ApiError::at("condition", error))?;
    Ok(EndpointFilter {
        organization_id: organization_id
            .transpose()
            .map_err(|error| ApiError::at("organization_id", error))?,
        ..condition.map(Condition::filter).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_without_a_name_goes_by_its_host() {
        assert_eq!(title("Ours", "https://a.example/x"), "Ours");
        assert_eq!(title("", "https://a.example:8443/x?y"), "a.example");
        assert_eq!(title("", "odd"), "odd");
    }
}
