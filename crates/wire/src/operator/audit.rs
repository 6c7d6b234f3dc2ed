//! The audit trail.

use rollcall_domain::audit::{ActorKind, AuditAction, AuditEvent, TargetKind};
use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::{AuditEventId, OrganizationId};
use rollcall_record::time;

use super::lists::ListRequest;
use crate::cursor::Cursors;
use crate::error::ApiError;
use crate::members::{Member, Value, begin, member, shape, written};
use crate::openapi::schema::{
    self, among, any_text, array, described, id, nullable, organization_id, time_out, word,
};
use crate::query::Query;

/// A request for one page of the trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRequest {
    /// Which page.
    pub list: ListRequest<AuditEventId>,
    /// Only what happened in this organization.
    pub organization_id: Option<OrganizationId>,
    /// Only what was done to the thing with this id.
    pub target_id: Option<String>,
    /// Only this action.
    pub action: Option<AuditAction>,
    /// Only what was done by whoever has this id.
    pub actor_id: Option<String>,
    /// Only what was done later.
    pub after: Option<Timestamp>,
    /// Only what was done earlier.
    pub before: Option<Timestamp>,
}

/// Reads the query of the list: `organization_id`, `target_id`, `action`, `actor_id`, `after`, `before`; the last two
/// exclude the instants they name.
pub fn parse_list(query: Option<&str>, cursors: &Cursors) -> Result<AuditRequest, ApiError> {
    let mut query = Query::parse(query)?;
    let list = ListRequest::take(&mut query, cursors, "audit_events")?;
    let organization_id = query.take_parsed("organization_id", OrganizationId::parse)?;
    let target_id = query.take("target_id")?;
    let action = query.take_parsed("action", |text| {
        AuditAction::parse(text).map_err(|_| "is not an action of the audit trail")
    })?;
    let actor_id = query.take("actor_id")?;
    let after = query.take_parsed("after", time::parse)?;
    let before = query.take_parsed("before", time::parse)?;
    query.finish()?;
    Ok(AuditRequest {
        list,
        organization_id,
        target_id,
        action,
        actor_id,
        after,
        before,
    })
}

/// What is shown of an audit event.
#[rustfmt::skip]
pub(crate) static AUDIT_EVENT: &[Member<AuditEvent>] = &[
    member("type", || word("audit_event").into(), |_| "audit_event".into()),
    member("id", || id("aud_").into(), |it| it.id.as_str().into()),
    member("at", || time_out().into(), |it| it.act.at.into()),
    member("organization_id", || nullable(organization_id()), |it| it.organization_id.as_ref().map(OrganizationId::as_str).into()),
    member("actor", || shape(ACTOR), |it| written(ACTOR, it)),
    member("action", || among(AuditAction::ALL, |action| action.as_str()), |it| it.action.as_str().into()),
    member("target", || shape(TARGET), |it| written(TARGET, it)),
    member("details", || described(array(any_text()), "Names of changed fields, never their values."), |it| Value::texts(it.details.iter().map(String::as_str))),
];

#[rustfmt::skip]
static ACTOR: &[Member<AuditEvent>] = &[
    member("kind", || among(ActorKind::ALL, |kind| kind.as_str()), |it| it.act.actor.kind.as_str().into()),
    member("id", any_text, |it| (&it.act.actor.id).into()),
    member("name", || described(nullable(schema::string().build()), "What the key was called then; null for what has no key, and for what was done before names were kept."), |it| it.act.actor.name.as_deref().into()),
];

#[rustfmt::skip]
static TARGET: &[Member<AuditEvent>] = &[
    member("type", || among(TargetKind::ALL, |kind| kind.as_str()), |it| it.target_kind.as_str().into()),
    member("id", any_text, |it| (&it.target_id).into()),
];

/// Appends an audit event.
pub fn write_audit_event(out: &mut String, event: &AuditEvent) {
    begin(out, AUDIT_EVENT, event).close();
}
