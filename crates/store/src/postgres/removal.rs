//! The end of a tenancy, piece by piece: each is a transaction of its own, which locks what it removes and nobody else.
//!
//! Where it begins, the organization's row is locked against everyone who is writing in the organization (they share the
//! key of the row, see [`super::commit`]); from then on nobody can.

use rollcall_domain::audit::Act;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::decision::Refusal;
use rollcall_domain::id::{Ids, OrganizationId};
use rollcall_domain::removal::Removal;
use rollcall_record::removal::{decode, encode};

use super::commit::{INSTALLATION, Keep};
use super::organization_rows::{ORGANIZATION, organization};
use super::rows::optional;
use super::tables;
use super::transaction::{Tx, removed};
use super::trouble::Trouble;
use super::value::values;
use crate::tenants::Left;

/// The organizations whose end has begun.
pub(super) const LIST: &str = "SELECT id FROM organizations WHERE removal IS NOT NULL ORDER BY id";

const KEEP: &str = "UPDATE organizations SET removal = $2 WHERE id = $1";

pub(super) async fn begin(
    tx: &mut Tx,
    id: &OrganizationId,
    act: &Act,
) -> Result<Option<Result<(), Refusal>>, Trouble> {
    let sql =
        format!("SELECT {ORGANIZATION}, o.removal FROM organizations o WHERE o.id = $1 FOR UPDATE");
    let rows = tx.query(&sql, &values![id.as_str()]).await?;
    let Some(row) = rows.first() else {
        // Nothing else removes an organization, so one that was there when an earlier attempt began its end went with it.
        return Ok(tx.is_in_doubt().then_some(Ok(())));
    };
    if optional(row, 8, decode)?.is_some() {
        return Ok(Some(Ok(())));
    }
    Ok(Some(
        match Removal::of(&organization(row, 0)?, act.actor.clone()) {
            Ok(removal) => {
                tx.write(KEEP, values![id.as_str(), encode(&removal)]);
                Ok(())
            }
            Err(refusal) => Err(refusal),
        },
    ))
}

/// A piece of what is left.
pub(super) struct Piece<'a> {
    pub(super) ids: &'a Ids,
    pub(super) id: &'a OrganizationId,
    pub(super) now: Timestamp,
    pub(super) limit: usize,
}

impl Piece<'_> {
    pub(super) async fn remove(&self, tx: &mut Tx) -> Result<Left, Trouble> {
        let id = self.id.as_str();
        // One node after the other; who tries to write in the organization does not wait for it.
        let rows = tx
            .query(
                "SELECT removal FROM organizations WHERE id = $1 AND removal IS NOT NULL \
                 FOR NO KEY UPDATE",
                &values![id],
            )
            .await?;
        let begun = rows
            .first()
            .map(|row| optional(row, 0, decode))
            .transpose()?;
        let Some(mut removal) = begun.flatten() else {
            return Ok(Left::Nothing);
        };
        let mut room = self.limit;
        for (table, sql) in tables::of_organization() {
            let gone = removed(tx, sql, &values![id, room]).await?;
            if let Some(what) = table.told_as {
                removal.count(what, gone);
            }
            room = room.saturating_sub(usize::try_from(gone).unwrap_or(usize::MAX));
            if room == 0 {
                tx.write(KEEP, values![id, encode(&removal)]);
                return Ok(Left::More);
            }
        }
        // A row that somebody was changing meanwhile was passed over, such as a key's last use: the organization
        // goes in a piece that finds nothing else.
        if room < self.limit {
            tx.write(KEEP, values![id, encode(&removal)]);
            return Ok(Left::More);
        }
        tx.write("DELETE FROM organizations WHERE id = $1", values![id]);
        let act = removal.act(self.now);
        Keep::new(self.ids, &act).audit(tx, INSTALLATION, &[removal.entry(self.id)]);
        Ok(Left::Nothing)
    }
}
