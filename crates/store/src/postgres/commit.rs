//! What every decision leaves behind, written inside its transaction: audit entries. What it tells is the
//! [`emitter`](super::emitter)'s.
//!
//! The first audit entry also tells one call's attempts apart from everyone else's: its id is made once
//! for the call, so two attempts cannot both be committed, and a look at the entry says whether one was.

use std::collections::HashSet;

use rollcall_domain::audit::{Act, AuditEntry};
use rollcall_domain::id::{AuditEventId, Ids};

use super::inserts::Insert;
use super::rows::column;
use super::transaction::Tx;
use super::trouble::Trouble;
use super::value::{Value, values};
use crate::Stored;

/// What stands for the whole installation where an organization's id would stand.
pub(super) const INSTALLATION: &str = "";

/// Who decides, and the mark that the decision leaves.
pub(super) struct Keep<'a> {
    ids: &'a Ids,
    act: &'a Act,
    mark: AuditEventId,
}

impl<'a> Keep<'a> {
    pub(super) fn new(ids: &'a Ids, act: &'a Act) -> Self {
        Self::marked(ids, act, ids.audit_event(act.at))
    }

    /// The same under a mark that was made before.
    pub(super) fn marked(ids: &'a Ids, act: &'a Act, mark: AuditEventId) -> Self {
        Self { ids, act, mark }
    }

    /// Ends this attempt when an earlier one turns out to have been applied. To be asked once the row
    /// that is decided about is locked, so that no earlier attempt can still be under way on it.
    pub(super) async fn unless_applied(&self, tx: &mut Tx) -> Result<(), Trouble> {
        if !tx.is_in_doubt() {
            return Ok(());
        }
        let found = tx
            .query(
                "SELECT 1 FROM audit_events WHERE id = $1",
                &values![self.mark.as_str()],
            )
            .await?;
        if found.is_empty() {
            Ok(())
        } else {
            Err(Trouble::Applied)
        }
    }

    /// Appends entries to the audit trail, the first under the mark of this decision.
    pub(super) fn audit(&self, tx: &mut Tx, organization: &str, entries: &[AuditEntry]) {
        for (number, entry) in entries.iter().enumerate() {
            let id = if number == 0 {
                self.mark.clone()
            } else {
                self.ids.audit_event(self.act.at)
            };
            self.entry(tx, organization, &id, entry);
        }
    }

    /// Who acts and when.
    pub(super) fn act(&self) -> &Act {
        self.act
    }

    pub(super) fn ids(&self) -> &Ids {
        self.ids
    }

    /// Appends one more entry, under an id of its own.
    pub(super) fn further_audit(&self, tx: &mut Tx, organization: &str, entry: &AuditEntry) {
        let id = self.ids.audit_event(self.act.at);
        self.entry(tx, organization, &id, entry);
    }

    fn entry(&self, tx: &mut Tx, organization: &str, id: &AuditEventId, entry: &AuditEntry) {
        let details = serde_json::to_string(&entry.details).unwrap_or_default();
        tx.is_of(organization);
        let insert = if organization == INSTALLATION {
            &OF_THE_INSTALLATION
        } else {
            &OF_AN_ORGANIZATION
        };
        tx.insert(
            insert,
            values![
                organization,
                id.as_str(),
                self.act.at,
                self.act.actor.kind.as_str(),
                self.act.actor.id.as_str(),
                entry.action.as_str(),
                entry.target_kind.as_str(),
                entry.target_id.as_str(),
                details,
                self.act.actor.name.as_deref(),
            ],
        );
    }
}

static OF_THE_INSTALLATION: Insert = Insert {
    one: "INSERT INTO audit_events (organization, id, at, actor_kind, actor_id, action, \
        target_kind, target_id, details, actor_name) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    many: "INSERT INTO audit_events (organization, id, at, actor_kind, actor_id, action, \
        target_kind, target_id, details, actor_name) \
        SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], \
        $6::text[], $7::text[], $8::text[], $9::text[], $10::text[])",
};

/// Whatever is decided leaves an entry, so here is where nothing can be done any more in an organization that is gone or
/// whose end has begun: the column must not be null. Who finds it there keeps its end from beginning until the commit
/// (ADR 0031).
static OF_AN_ORGANIZATION: Insert = Insert {
    one: "INSERT INTO audit_events (organization, id, at, actor_kind, actor_id, action, \
        target_kind, target_id, details, actor_name) \
        VALUES ((SELECT id FROM organizations WHERE id = $1 AND removal IS NULL FOR KEY SHARE), \
        $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    many: "INSERT INTO audit_events (organization, id, at, actor_kind, actor_id, action, \
        target_kind, target_id, details, actor_name) \
        SELECT (SELECT o.id FROM organizations o WHERE o.id = r.organization AND o.removal IS NULL \
        FOR KEY SHARE), r.id, r.at, r.actor_kind, r.actor_id, r.action, r.target_kind, r.target_id, \
        r.details, r.actor_name \
        FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], \
        $7::text[], $8::text[], $9::text[], $10::text[]) AS r (organization, id, at, actor_kind, \
        actor_id, action, target_kind, target_id, details, actor_name)",
};

/// Those of the organizations that are there and whose end has not begun; it does not begin before the transaction ends.
/// For who writes for several at once: what ends is left out, and the others' entries can be written.
pub(super) async fn kept_open(tx: &mut Tx, ids: Vec<String>) -> Result<HashSet<String>, Trouble> {
    let rows = tx
        .query(
            "SELECT id FROM organizations WHERE id = ANY ($1) AND removal IS NULL \
             ORDER BY id FOR KEY SHARE",
            &[Value::Texts(ids)],
        )
        .await?;
    let ids = rows.iter().map(|row| column(row, 0));
    Ok(ids.collect::<Stored<_>>()?)
}

/// Whether an organization is there and its end has not begun; nor does it begin before the transaction ends.
pub(super) async fn stays_open(tx: &mut Tx, organization: &str) -> Result<bool, Trouble> {
    Ok(!kept_open(tx, vec![organization.to_owned()])
        .await?
        .is_empty())
}

/// What a write is about, and the mark it leaves.
pub(super) struct With<'a, T> {
    pub(super) keep: Keep<'a>,
    pub(super) what: T,
}
