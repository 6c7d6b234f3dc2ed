//! The audit trail: read by keyset on the event ids, which sort by time.

use async_trait::async_trait;
use rollcall_domain::audit::{
    Act, Actor, ActorKind, AuditAction, AuditEntry, AuditEvent, TargetKind,
};
use rollcall_domain::id::{AuditEventId, OrganizationId};
use rollcall_domain::page::Limit;
use rollcall_domain::tenant::OperatorProof;
use tokio_postgres::Row;

use super::PostgresStore;
use super::commit::{INSTALLATION, Keep};
use super::rows::{damaged, parsed, text, timestamp};
use super::value::{Value, values};
use crate::Stored;
use crate::audit::{AuditFilter, AuditPage, AuditTrail};

#[async_trait]
impl AuditTrail for PostgresStore {
    async fn list_audit_events(
        &self,
        _proof: OperatorProof,
        filter: &AuditFilter,
        after: Option<&AuditEventId>,
        limit: Limit,
    ) -> Stored<AuditPage> {
        let (sql, parameters) = page(filter, after, limit);
        let rows = self.read(&sql, &parameters).await?;
        let events: Vec<AuditEvent> = rows.iter().map(event).collect::<Stored<_>>()?;
        Ok(AuditPage::of(events, limit))
    }

    async fn record(
        &self,
        _proof: OperatorProof,
        act: &Act,
        organization_id: Option<&OrganizationId>,
        entry: AuditEntry,
    ) -> Stored<()> {
        let note = Note {
            keep: Keep::new(&self.ids, act),
            organization: organization_id.map_or(INSTALLATION, OrganizationId::as_str),
            entry,
        };
        self.run("record", &note, |tx, note| {
            Box::pin(async move {
                note.keep.unless_applied(tx).await?;
                note.keep
                    .audit(tx, note.organization, std::slice::from_ref(&note.entry));
                Ok(())
            })
        })
        .await
    }
}

struct Note<'a> {
    keep: Keep<'a>,
    organization: &'a str,
    entry: AuditEntry,
}

/// One page, newest first. An action alone is asked for as a range in the order of its index: the database
/// thinks that what is rare is spread evenly, and would look for what happened long ago from now on
/// backwards.
fn page(filter: &AuditFilter, after: Option<&AuditEventId>, limit: Limit) -> (String, Vec<Value>) {
    match &filter.action {
        Some(action) if filter.organization_id.is_none() && filter.target_ids.is_empty() => {
            page_of_action(action, after, limit)
        }
        _ => page_of_any(filter, after, limit),
    }
}

fn page_of_action(
    action: &str,
    after: Option<&AuditEventId>,
    limit: Limit,
) -> (String, Vec<Value>) {
    let mut parameters = values![limit.get() + 1, action].to_vec();
    let end = match after {
        None => "action <= $2",
        Some(after) => {
            parameters.push(after.as_str().into());
            "(action, id) < ($2, $3)"
        }
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM audit_events WHERE action >= $2 AND {end} \
         ORDER BY action DESC, id DESC LIMIT $1"
    );
    (sql, parameters)
}

fn page_of_any(
    filter: &AuditFilter,
    after: Option<&AuditEventId>,
    limit: Limit,
) -> (String, Vec<Value>) {
    let mut parameters = values![limit.get() + 1].to_vec();
    let mut conditions = Vec::new();
    let filters = [
        (
            "organization =",
            filter.organization_id.as_ref().map(OrganizationId::as_str),
        ),
        ("action =", filter.action.as_deref()),
        ("id <", after.map(AuditEventId::as_str)),
    ];
    for (condition, value) in filters {
        if let Some(value) = value {
            parameters.push(value.into());
            conditions.push(format!("{condition} ${}", parameters.len()));
        }
    }
    if !filter.target_ids.is_empty() {
        parameters.push(Value::Texts(filter.target_ids.clone()));
        conditions.push(format!("target_id = ANY (${})", parameters.len()));
    }
    let conditions = if conditions.is_empty() {
        String::new()
    } else {
        format!(" WHERE {}", conditions.join(" AND "))
    };
    let sql = format!("SELECT {COLUMNS} FROM audit_events{conditions} ORDER BY id DESC LIMIT $1");
    (sql, parameters)
}

const COLUMNS: &str =
    "id, at, organization, actor_kind, actor_id, action, target_kind, target_id, details";

fn event(row: &Row) -> Stored<AuditEvent> {
    let organization_id = match text(row, 2)? {
        INSTALLATION => None,
        _ => Some(parsed(row, 2, OrganizationId::parse)?),
    };
    Ok(AuditEvent {
        id: parsed(row, 0, AuditEventId::parse)?,
        act: Act {
            at: timestamp(row, 1)?,
            actor: Actor {
                kind: parsed(row, 3, ActorKind::parse)?,
                id: text(row, 4)?.to_owned(),
            },
        },
        organization_id,
        action: parsed(row, 5, AuditAction::parse)?,
        target_kind: parsed(row, 6, TargetKind::parse)?,
        target_id: text(row, 7)?.to_owned(),
        details: serde_json::from_str(text(row, 8)?).map_err(|_| damaged("audit details"))?,
    })
}
