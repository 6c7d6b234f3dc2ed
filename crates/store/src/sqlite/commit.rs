//! What every decision leaves behind, written inside its transaction: audit entries. What it tells is the
//! [`emitter`](super::emitter)'s.

use rollcall_domain::audit::{Act, AuditEntry};
use rollcall_domain::id::Ids;
use rusqlite::{Connection, params};

use super::failed;
use crate::{StoreError, Stored};

/// The number that stands for the whole installation where an organization's would stand.
pub(super) const INSTALLATION: i64 = 0;

/// Appends entries to the audit trail. Whatever is decided leaves one, so here is where nothing can be done any more in
/// an organization whose end has begun, by whoever found it before.
pub(super) fn keep_audit(
    connection: &Connection,
    ids: &Ids,
    organization: i64,
    act: &Act,
    entries: &[AuditEntry],
) -> Stored<()> {
    if organization != INSTALLATION && !entries.is_empty() {
        let sql = "SELECT 1 FROM organizations WHERE number = ?1 AND removal IS NULL";
        let is_there = connection.prepare_cached(sql);
        let is_there = is_there.and_then(|mut statement| statement.exists([organization]));
        if !is_there.map_err(failed)? {
            let gone = "the organization was removed";
            return Err(StoreError::Unavailable(gone.into()));
        }
    }
    for entry in entries {
        let details = serde_json::to_string(&entry.details).unwrap_or_default();
        connection
            .prepare_cached(
                "INSERT INTO audit_events (id, at, organization, actor_kind, actor_id, action, \
                 target_kind, target_id, details, actor_name) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )
            .and_then(|mut statement| {
                statement.execute(params![
                    ids.audit_event(act.at).as_str(),
                    act.at.as_micros(),
                    organization,
                    act.actor.kind.as_str(),
                    act.actor.id,
                    entry.action.as_str(),
                    entry.target_kind.as_str(),
                    entry.target_id,
                    details,
                    act.actor.name
                ])
            })
            .map_err(failed)?;
    }
    Ok(())
}
