//! The audit trail: read by keyset on the event ids, which sort by time.

use std::sync::Arc;

use async_trait::async_trait;
use rollcall_domain::audit::{
    Act, Actor, ActorKind, AuditAction, AuditEntry, AuditEvent, TargetKind,
};
use rollcall_domain::id::{AuditEventId, OrganizationId};
use rollcall_domain::page::Limit;
use rollcall_domain::tenant::OperatorProof;
use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};

use super::commit::{INSTALLATION, keep_audit};
use super::rows::{damaged, optional, organization_number, parsed, timestamp};
use super::{SqliteStore, failed};
use crate::Stored;
use crate::audit::{AuditFilter, AuditPage, AuditTrail};

#[async_trait]
impl AuditTrail for SqliteStore {
    async fn list_audit_events(
        &self,
        _proof: OperatorProof,
        filter: &AuditFilter,
        after: Option<&AuditEventId>,
        limit: Limit,
    ) -> Stored<AuditPage> {
        self.read(|connection| {
            let (from, before) = filter.ids(after);
            let before = before.unwrap_or_else(|| AFTER_EVERY_ID.to_owned());
            let mut parameters = vec![Value::Text(before), Value::Text(from.unwrap_or_default())];
            let mut conditions = String::from("a.id < ?1 AND a.id >= ?2");
            let mut and = |column: &str, value: Value| {
                parameters.push(value);
                conditions += &format!(" AND a.{column} = ?{}", parameters.len());
            };
            if let Some(id) = &filter.organization_id {
                let number = self.organization(connection, id)?;
                and(
                    "organization",
                    number.map_or(Value::Integer(-1), Value::Integer),
                );
            }
            if let Some(action) = &filter.action {
                and("action", Value::Text(action.clone()));
            }
            if let Some(actor_id) = &filter.actor_id {
                and("actor_id", Value::Text(actor_id.clone()));
            }
            if !filter.target_ids.is_empty() {
                let first = parameters.len() + 1;
                parameters.extend(filter.target_ids.iter().cloned().map(Value::Text));
                let places: Vec<_> = (first..=parameters.len())
                    .map(|place| format!("?{place}"))
                    .collect();
                conditions += &format!(" AND a.target_id IN ({})", places.join(", "));
            }
            let wanted = limit.get() + 1;
            let sql = format!(
                "SELECT a.id, a.at, o.id, a.actor_kind, a.actor_id, a.action, a.target_kind, \
                 a.target_id, a.details, a.actor_name FROM audit_events a \
                 LEFT JOIN organizations o ON o.number = a.organization \
                 WHERE {conditions} ORDER BY a.id DESC LIMIT {wanted}"
            );
            let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
            let mut rows = statement
                .query(params_from_iter(parameters))
                .map_err(failed)?;
            let mut events = Vec::new();
            while let Some(row) = rows.next().map_err(failed)? {
                events.push(event(row)?);
            }
            Ok(AuditPage::of(events, limit))
        })
    }

    async fn record(
        &self,
        _proof: OperatorProof,
        act: &Act,
        organization_id: Option<&OrganizationId>,
        entry: AuditEntry,
    ) -> Stored<()> {
        let (ids, known) = (Arc::clone(&self.ids), Arc::clone(&self.organizations));
        let (act, organization_id) = (act.clone(), organization_id.cloned());
        self.writer
            .write(move |connection| {
                let number = match &organization_id {
                    None => None,
                    Some(id) => organization_number(connection, &known, id)?,
                };
                keep_audit(
                    connection,
                    &ids,
                    number.unwrap_or(INSTALLATION),
                    &act,
                    std::slice::from_ref(&entry),
                )
            })
            .await
    }
}

/// Sorts after every id, which are plain ASCII.
const AFTER_EVERY_ID: &str = "\u{7f}";

fn event(row: &Row<'_>) -> Stored<AuditEvent> {
    let details: String = row.get(8).map_err(failed)?;
    Ok(AuditEvent {
        id: parsed(row, 0, AuditEventId::parse)?,
        act: Act {
            at: timestamp(row, 1)?,
            actor: Actor {
                kind: parsed(row, 3, ActorKind::parse)?,
                id: row.get(4).map_err(failed)?,
                name: row.get(9).map_err(failed)?,
            },
        },
        organization_id: optional(row, 2, OrganizationId::parse)?,
        action: parsed(row, 5, AuditAction::parse)?,
        target_kind: parsed(row, 6, TargetKind::parse)?,
        target_id: row.get(7).map_err(failed)?,
        details: serde_json::from_str(&details).map_err(|_| damaged("audit details"))?,
    })
}
