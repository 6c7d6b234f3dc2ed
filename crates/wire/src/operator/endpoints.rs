//! Webhook endpoints of every organization, as the operator sees them: what their administrator set, whose
//! they are, and since when they fail. Their signing secrets are nobody's to show.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::event::Subscription;
use rollcall_domain::id::{OrganizationId, WebhookEndpointId};
use rollcall_domain::webhook::{AutoDisabled, EndpointState, WebhookEndpoint};

use super::lists::{ListRequest, Sealable};
use crate::cursor::Cursors;
use crate::error::ApiError;
use crate::members::{Member, Value, begin, member};
use crate::openapi::schema::{
    Shape, among, any_text, array, choice, endpoint_id, event_types, nullable, organization_id,
    time_out, word,
};
use crate::query::Query;

/// A request for one page of endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointsRequest {
    /// Which page.
    pub list: ListRequest<WebhookEndpointId>,
    /// Only endpoints of this organization.
    pub organization_id: Option<OrganizationId>,
    /// Only endpoints in this state.
    pub state: Option<EndpointState>,
}

/// Reads the query of the list.
pub fn parse_list(query: Option<&str>, cursors: &Cursors) -> Result<EndpointsRequest, ApiError> {
    let mut query = Query::parse(query)?;
    let list = ListRequest::take(&mut query, cursors, "webhook_endpoints")?;
    let organization_id = query.take_parsed("organization_id", OrganizationId::parse)?;
    let state = query.take_parsed("state", EndpointState::parse)?;
    query.finish()?;
    Ok(EndpointsRequest {
        list,
        organization_id,
        state,
    })
}

impl Sealable for WebhookEndpointId {
    fn to_bytes(&self) -> Vec<u8> {
        self.as_str().as_bytes().to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::parse(std::str::from_utf8(bytes).ok()?).ok()
    }
}

/// An endpoint as the operator sees it.
pub(crate) struct ShownEndpoint<'a> {
    organization_id: &'a OrganizationId,
    endpoint: &'a WebhookEndpoint,
    failing_since: Option<Timestamp>,
}

/// What is shown of an endpoint.
#[rustfmt::skip]
pub(crate) fn endpoint_members<'a>() -> [Member<ShownEndpoint<'a>>; 12] {
    [
        member("type", || word("webhook_endpoint").into(), |_| "webhook_endpoint".into()),
        member("id", || endpoint_id().into(), |it| it.endpoint.id.as_str().into()),
        member("organization_id", || organization_id().into(), |it| it.organization_id.as_str().into()),
        member("created_at", || time_out().into(), |it| it.endpoint.created_at.into()),
        member("description", any_text, |it| (&it.endpoint.description).into()),
        member("disabled_reason", disabled_reasons, |it| it.endpoint.disabled_reason.map_or("", AutoDisabled::as_str).into()),
        member("enabled_events", || array(event_types()), |it| Value::texts(it.endpoint.enabled_events.iter().map(Subscription::as_str))),
        member("failing_since", || nullable(time_out()), |it| it.failing_since.into()),
        member("name", any_text, |it| (&it.endpoint.name).into()),
        member("state", || among(EndpointState::ALL, |state| state.as_str()), |it| it.endpoint.state.as_str().into()),
        member("updated_at", || time_out().into(), |it| it.endpoint.updated_at.into()),
        member("url", any_text, |it| (&it.endpoint.url).into()),
    ]
}

fn disabled_reasons() -> Shape {
    let reasons = AutoDisabled::ALL.iter().map(|reason| reason.as_str());
    choice(reasons.chain([""])).into()
}

/// Appends an endpoint.
pub fn write_endpoint(
    out: &mut String,
    organization_id: &OrganizationId,
    endpoint: &WebhookEndpoint,
    failing_since: Option<Timestamp>,
) {
    let shown = ShownEndpoint {
        organization_id,
        endpoint,
        failing_since,
    };
    begin(out, &endpoint_members(), &shown).close();
}
