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
use super::rows::{column, damaged, parsed, text, timestamp};
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

/// One page, newest first. What has an index of its own is asked for in the order of that, the narrowest first: the
/// database thinks that what is rare is spread evenly, and would look for what happened long ago from now on backwards.
fn page(filter: &AuditFilter, after: Option<&AuditEventId>, limit: Limit) -> (String, Vec<Value>) {
    let mut parameters = values![limit.get() + 1].to_vec();
    let mut conditions = Vec::new();
    let mut place = |value: Value| {
        parameters.push(value);
        format!("${}", parameters.len())
    };
    let (from, before) = filter.ids(after);
    let organization = filter.organization_id.as_ref().map(OrganizationId::as_str);
    let one_target = match &filter.target_ids[..] {
        [one] => Some(one.as_str()),
        _ => None,
    };
    let equal = [
        ("target_id", one_target),
        ("actor_id", filter.actor_id.as_deref()),
        ("action", filter.action.as_deref()),
        ("organization", organization),
    ];
    let mut equal = equal
        .into_iter()
        .filter_map(|(column, value)| Some((column, value?)));
    let lead = match &filter.target_ids[..] {
        [] | [_] => equal.next(),
        several => {
            let several = place(Value::Texts(several.to_vec()));
            conditions.push(format!("target_id = ANY ({several})"));
            None
        }
    };
    let order = match lead {
        None => {
            for (sign, id) in [(">=", from), ("<", before)] {
                conditions.extend(id.map(|id| format!("id {sign} {}", place(id.into()))));
            }
            "id DESC".to_owned()
        }
        Some((lead, value)) => {
            let value = place(value.into());
            conditions.push(match from {
                None => format!("{lead} >= {value}"),
                Some(id) => format!("({lead}, id) >= ({value}, {})", place(id.into())),
            });
            conditions.push(match before {
                None => format!("{lead} <= {value}"),
                Some(id) => format!("({lead}, id) < ({value}, {})", place(id.into())),
            });
            format!("{lead} DESC, id DESC")
        }
    };
    for (column, value) in equal {
        let value = place(value.into());
        conditions.push(format!("{column} = {value}"));
    }
    let conditions = match &conditions[..] {
        [] => String::new(),
        conditions => format!(" WHERE {}", conditions.join(" AND ")),
    };
    let sql = format!("SELECT {COLUMNS} FROM audit_events{conditions} ORDER BY {order} LIMIT $1");
    (sql, parameters)
}

const COLUMNS: &str = "id, at, organization, actor_kind, actor_id, action, target_kind, target_id, details, \
    actor_name";

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
                name: column(row, 9)?,
            },
        },
        organization_id,
        action: parsed(row, 5, AuditAction::parse)?,
        target_kind: parsed(row, 6, TargetKind::parse)?,
        target_id: text(row, 7)?.to_owned(),
        details: serde_json::from_str(text(row, 8)?).map_err(|_| damaged("audit details"))?,
    })
}
