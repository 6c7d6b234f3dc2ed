//! Webhook endpoints of every organization, as the operator sees them: what their administrator set, whose
//! they are, and since when they fail. Their signing secrets are nobody's to show.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::event::Subscription;
use rollcall_domain::id::{OrganizationId, WebhookEndpointId};
use rollcall_domain::webhook::{AutoDisabled, EndpointState, WebhookEndpoint};

use super::lists::{ListRequest, Sealable};
use crate::cursor::Cursors;
use crate::error::ApiError;
use crate::object::ObjectWriter;
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

/// Appends an endpoint.
pub fn write_endpoint(
    out: &mut String,
    organization_id: &OrganizationId,
    endpoint: &WebhookEndpoint,
    failing_since: Option<Timestamp>,
) {
    let reason = endpoint.disabled_reason.map_or("", AutoDisabled::as_str);
    let events = endpoint.enabled_events.iter();
    ObjectWriter::new(out)
        .text("type", "webhook_endpoint")
        .text("id", endpoint.id.as_str())
        .text("organization_id", organization_id.as_str())
        .time("created_at", endpoint.created_at)
        .text("description", &endpoint.description)
        .text("disabled_reason", reason)
        .texts("enabled_events", events.map(Subscription::as_str))
        .optional_time("failing_since", failing_since)
        .text("name", &endpoint.name)
        .text("state", endpoint.state.as_str())
        .time("updated_at", endpoint.updated_at)
        .text("url", &endpoint.url)
        .close();
}
