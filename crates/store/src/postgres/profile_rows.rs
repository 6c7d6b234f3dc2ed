//! The rows of profiles: locking one, and every way of writing one.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::ProfileId;
use rollcall_domain::profile::Profile;
use rollcall_record::document::ProfileDocument;

use super::overview;
use super::rows::{document, small};
use super::transaction::Tx;
use super::trouble::Trouble;
use super::value::values;
use crate::columns::{Narrow, day};

/// The document of a profile of the organization, whose row is ours until the transaction ends.
pub(super) async fn lock(
    tx: &mut Tx,
    organization: &str,
    id: &ProfileId,
) -> Result<Option<ProfileDocument>, Trouble> {
    let rows = tx
        .query(
            "SELECT document FROM profiles WHERE organization = $1 AND id = $2 FOR UPDATE",
            &values![organization, id.as_str()],
        )
        .await?;
    Ok(rows.first().map(|row| document(row, 0)).transpose()?)
}

/// Inserts a profile with everything that points at it but its id.
pub(super) fn insert(
    tx: &mut Tx,
    organization: &str,
    profile: &Profile,
    document: &ProfileDocument,
) {
    let narrow = Narrow::of(profile);
    tx.write(
        "INSERT INTO profiles (organization, id, created_at, access_type, outlook, folded_name, \
         reference_id, email_hash, country, document) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        values![
            organization,
            profile.id.as_str(),
            profile.created_at,
            small(narrow.access_type),
            small(narrow.outlook),
            narrow.folded_name,
            narrow.reference_id,
            narrow.email_hash,
            narrow.country,
            document.as_str(),
        ],
    );
    insert_programs(tx, organization, profile);
    for (action, expires_at) in actions(profile) {
        insert_action(tx, organization, profile, action, expires_at);
    }
}

/// Every enforcement action of a profile, with its expiry while that is still to be recorded.
pub(super) fn actions(profile: &Profile) -> impl Iterator<Item = (&str, Option<Timestamp>)> {
    let unresolved = profile.enforcement.unresolved().iter();
    let past = profile.enforcement.past().iter();
    unresolved
        .map(|action| (action.id().as_str(), action.expires_at()))
        .chain(past.map(|past| (past.action.id().as_str(), None)))
}

/// How many enforcement actions of a profile are not recorded as ended.
pub(super) fn open_actions(profile: &Profile) -> i64 {
    i64::try_from(profile.enforcement.unresolved().len()).unwrap_or(i64::MAX)
}

/// Writes a profile over itself; creation time and id are the same.
pub(super) fn update(
    tx: &mut Tx,
    organization: &str,
    before: &Profile,
    after: &Profile,
    document: &ProfileDocument,
) {
    let (old, new) = (Narrow::of(before), Narrow::of(after));
    let id = after.id.as_str();
    // The usual update touches no indexed column, so it needs no index to be written.
    if old == new {
        tx.write(
            "UPDATE profiles SET document = $3 WHERE organization = $1 AND id = $2",
            values![organization, id, document.as_str()],
        );
    } else {
        tx.write(
            "UPDATE profiles SET document = $3, access_type = $4, outlook = $5, folded_name = $6, \
             reference_id = $7, email_hash = $8, country = $9 WHERE organization = $1 AND id = $2",
            values![
                organization,
                id,
                document.as_str(),
                small(new.access_type),
                small(new.outlook),
                new.folded_name,
                new.reference_id,
                new.email_hash,
                new.country,
            ],
        );
    }
    if before.programs != after.programs {
        delete_programs(tx, organization, id);
        insert_programs(tx, organization, after);
    }
    if before.enforcement != after.enforcement {
        update_actions(tx, organization, before, after);
    }
}

pub(super) fn count_figures(tx: &mut Tx, organization: &str, open_actions: i64, waiting: i64) {
    let change = overview::Change {
        open_actions,
        waiting,
        ..overview::Change::default()
    };
    overview::count(tx, organization, change);
}

/// In how many slots each day's profiles are counted.
const SLOTS: u8 = 64;

/// The slot a profile is counted in. Its id ends in random characters, which spread evenly enough.
pub(super) fn slot(profile: &ProfileId) -> i16 {
    let last = profile.as_str().bytes().last().unwrap_or_default();
    i16::from(last % SLOTS)
}

/// Counts `change` profiles more. It stands last in a transaction, because others may wait for the row.
pub(super) fn count(tx: &mut Tx, organization: &str, profile: &Profile, change: i64) {
    count_slot(
        tx,
        organization,
        day(profile.created_at),
        slot(&profile.id),
        change,
    );
}

/// Counts `change` profiles more in one slot of a day.
pub(super) fn count_slot(tx: &mut Tx, organization: &str, day: i64, slot: i16, change: i64) {
    tx.write(
        "INSERT INTO profile_counts (organization, day, slot, profiles) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (organization, day, slot) \
         DO UPDATE SET profiles = profile_counts.profiles + excluded.profiles",
        values![organization, day, slot, change],
    );
}

fn insert_programs(tx: &mut Tx, organization: &str, profile: &Profile) {
    for (program, status) in profile.programs.statuses() {
        tx.write(
            "INSERT INTO profile_programs (organization, profile_id, program, status, created_at) \
             VALUES ($1, $2, $3, $4, $5)",
            values![
                organization,
                profile.id.as_str(),
                program,
                status.as_str(),
                profile.created_at,
            ],
        );
    }
}

fn delete_programs(tx: &mut Tx, organization: &str, id: &str) {
    tx.write(
        "DELETE FROM profile_programs WHERE organization = $1 AND profile_id = $2",
        values![organization, id],
    );
}

fn insert_action(
    tx: &mut Tx,
    organization: &str,
    profile: &Profile,
    action_id: &str,
    expires_at: Option<Timestamp>,
) {
    tx.write(
        "INSERT INTO enforcement_actions (id, organization, profile_id, expires_at) \
         VALUES ($1, $2, $3, $4)",
        values![action_id, organization, profile.id.as_str(), expires_at],
    );
}

/// Brings the rows that lead to a profile's actions up to date. Actions are never taken out of a
/// profile: one is new, or has ended, or is as it was.
fn update_actions(tx: &mut Tx, organization: &str, before: &Profile, after: &Profile) {
    let (old, new) = (
        before.enforcement.unresolved(),
        after.enforcement.unresolved(),
    );
    for action in new {
        if !old.iter().any(|known| known.id() == action.id()) {
            let id = action.id().as_str();
            insert_action(tx, organization, after, id, action.expires_at());
        }
    }
    for action in old {
        if !new.iter().any(|known| known.id() == action.id()) {
            tx.write(
                "UPDATE enforcement_actions SET expires_at = NULL WHERE id = $1",
                values![action.id().as_str()],
            );
        }
    }
}
