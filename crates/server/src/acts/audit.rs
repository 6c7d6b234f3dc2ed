//! The audit trail: who did what to what, newest first.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use rollcall_domain::audit::AuditEvent;
use rollcall_domain::id::{AuditEventId, OrganizationId};
use rollcall_domain::page::Limit;
use rollcall_domain::tenant::OperatorProof;
use rollcall_record::{csv, time};
use rollcall_store::Stored;
use rollcall_store::audit::{AuditFilter, AuditPage};
use rollcall_wire::error::ApiError;
use rollcall_wire::operator::audit::AuditRequest;

use super::Desk;
use crate::app::App;
use crate::app::Operation::ListAuditEvents;
use crate::http::answer::{Answer, Body, answer};
use crate::http::error::Failure;

/// What was asked for.
pub(crate) fn filter(request: &AuditRequest) -> AuditFilter {
    AuditFilter {
        organization_id: request.organization_id.clone(),
        target_ids: request.target_id.iter().cloned().collect(),
        action: request.action.map(|action| action.as_str().to_owned()),
        actor_id: request.actor_id.clone(),
        after: request.after,
        before: request.before,
    }
}

/// The page that was asked for.
pub(crate) async fn page(desk: &Desk<'_>, request: &AuditRequest) -> Result<AuditPage, Failure> {
    let filter = filter(request);
    let (after, limit) = (request.list.after.as_ref(), request.list.limit);
    list(desk, &filter, after, limit).await
}

pub(crate) async fn list(
    desk: &Desk<'_>,
    filter: &AuditFilter,
    after: Option<&AuditEventId>,
    limit: Limit,
) -> Result<AuditPage, Failure> {
    let list = desk
        .store()
        .list_audit_events(desk.proof, filter, after, limit);
    desk.read(ListAuditEvents, list).await
}

/// The event that is called so, whether or not there is one.
pub(crate) fn named(text: &str) -> Result<AuditEventId, Failure> {
    AuditEventId::parse(text).map_err(|_| not_found())
}

pub(crate) async fn find(desk: &Desk<'_>, id: &AuditEventId) -> Result<AuditEvent, Failure> {
    // No id stands between one and the same with a hyphen behind it, the smallest character that ids consist of: so it is
    // the newest of those up to there, or is not.
    let behind = AuditEventId::parse(&format!("{id}-")).map_err(|_| not_found())?;
    let one = Limit::new(1).unwrap_or(Limit::DEFAULT);
    let listed = list(desk, &AuditFilter::default(), Some(&behind), one).await?;
    let found = listed.events.into_iter().find(|event| event.id == *id);
    found.ok_or_else(not_found)
}

fn not_found() -> Failure {
    ApiError::not_found("audit event").into()
}

/// The trail as CSV, the newest first, as it is read.
pub(crate) fn as_csv(desk: &Desk<'_>, filter: AuditFilter) -> Answer {
    let rest = Rest {
        app: Arc::clone(desk.app()),
        proof: desk.proof,
        filter,
        after: None,
        is_first: true,
        more: true,
    };
    let chunks = futures_util::stream::unfold(rest, async |mut rest| {
        let chunk = rest.next().await?;
        Some((chunk.map_err(Into::into), rest))
    });
    answer(
        StatusCode::OK,
        "text/csv; charset=utf-8",
        Body::streamed(chunks),
    )
}

const COLUMNS: [&str; 10] = [
    "id",
    "at",
    "organization_id",
    "actor_kind",
    "actor_id",
    "actor_name",
    "action",
    "target_type",
    "target_id",
    "details",
];

/// What is not read yet.
struct Rest {
    app: Arc<App>,
    proof: OperatorProof,
    filter: AuditFilter,
    after: Option<AuditEventId>,
    is_first: bool,
    more: bool,
}

impl Rest {
    async fn next(&mut self) -> Option<Stored<Bytes>> {
        if !self.more {
            return None;
        }
        let (store, after) = (&self.app.store, self.after.as_ref());
        let page = store.list_audit_events(self.proof, &self.filter, after, Limit::LARGEST);
        let page = match page.await {
            Ok(page) => page,
            // Whoever reads slowly must not find the end where the storage failed.
            Err(error) => {
                tracing::error!(%error, "a download of the audit trail broke off");
                self.more = false;
                return Some(Err(error));
            }
        };
        let mut rows = String::with_capacity(page.events.len() * 256);
        if std::mem::take(&mut self.is_first) {
            csv::write_row(&mut rows, COLUMNS);
        }
        for event in &page.events {
            write_csv(&mut rows, event);
        }
        self.more = page.next.is_some();
        self.after = page.next;
        // Storage read inline leaves no other point at which others get their turn.
        tokio::task::yield_now().await;
        Some(Ok(rows.into()))
    }
}

fn write_csv(out: &mut String, event: &AuditEvent) {
    let actor = &event.act.actor;
    let (at, details) = (time::to_text(event.act.at), event.details.join(" "));
    let organization_id = event.organization_id.as_ref();
    let cells = [
        event.id.as_str(),
        &at,
        organization_id.map_or("", OrganizationId::as_str),
        actor.kind.as_str(),
        &actor.id,
        actor.name.as_deref().unwrap_or_default(),
        event.action.as_str(),
        event.target_kind.as_str(),
        &event.target_id,
        &details,
    ];
    csv::write_row(out, cells);
}
