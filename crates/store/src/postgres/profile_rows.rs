//! The rows of profiles: locking one, and every way of writing one.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::ProfileId;
use rollcall_domain::profile::Profile;
use rollcall_record::document::ProfileDocument;

use super::inserts::Insert;
use super::overview;
use super::rows::{document, small};
use super::transaction::Tx;
use super::trouble::Trouble;
use super::value::values;
use crate::columns::Narrow;

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

macro_rules! insert_profile {
    ($values:literal) => {
        concat!(
            "INSERT INTO profiles (organization, id, created_at, access_type, outlook, folded_name, \
             reference_id, email_hash, country, document) ",
            $values
        )
    };
}

/// A profile that is new.
static NEW: Insert = Insert {
    one: insert_profile!("VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"),
    many: insert_profile!(
        "SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::smallint[], \
         $5::smallint[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[])"
    ),
};

/// A profile that may be there. It keeps its row: whoever waits for it must find it again.
static OVER: Insert = Insert {
    one: insert_profile!(
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
         ON CONFLICT (organization, id) DO UPDATE SET created_at = excluded.created_at, \
         access_type = excluded.access_type, outlook = excluded.outlook, \
         folded_name = excluded.folded_name, reference_id = excluded.reference_id, \
         email_hash = excluded.email_hash, country = excluded.country, document = excluded.document"
    ),
    many: insert_profile!(
        "SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::smallint[], \
         $5::smallint[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[]) \
         ON CONFLICT (organization, id) DO UPDATE SET created_at = excluded.created_at, \
         access_type = excluded.access_type, outlook = excluded.outlook, \
         folded_name = excluded.folded_name, reference_id = excluded.reference_id, \
         email_hash = excluded.email_hash, country = excluded.country, document = excluded.document"
    ),
};

/// Inserts a new profile with everything that points at it but its id.
pub(super) fn insert(
    tx: &mut Tx,
    organization: &str,
    profile: &Profile,
    document: &ProfileDocument,
) {
    insert_row(tx, &NEW, organization, profile, document);
}

/// Writes a whole profile over the one with its id, whose programs and actions are removed.
pub(super) fn replace(
    tx: &mut Tx,
    organization: &str,
    profile: &Profile,
    document: &ProfileDocument,
) {
    insert_row(tx, &OVER, organization, profile, document);
}

fn insert_row(
    tx: &mut Tx,
    row: &'static Insert,
    organization: &str,
    profile: &Profile,
    document: &ProfileDocument,
) {
    let narrow = Narrow::of(profile);
    tx.insert(
        row,
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
const SLOTS: i16 = 64;

/// The slot that a transaction counts in: any, so that few have the same at the same time, and one, so that many
/// profiles of an organization are one row.
pub(super) fn slot() -> i16 {
    rand::random_range(0..SLOTS)
}

static COUNT: Insert = Insert {
    one: "INSERT INTO profile_counts (organization, day, slot, profiles) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (organization, day, slot) \
        DO UPDATE SET profiles = profile_counts.profiles + excluded.profiles",
    many: "INSERT INTO profile_counts (organization, day, slot, profiles) \
        SELECT * FROM unnest($1::text[], $2::bigint[], $3::smallint[], $4::bigint[]) \
        ON CONFLICT (organization, day, slot) \
        DO UPDATE SET profiles = profile_counts.profiles + excluded.profiles",
};

/// Counts `change` profiles more in one slot of a day. It stands last in a transaction, because others may wait
/// for the row, and who counts in several does so in the order of their keys, each once.
pub(super) fn count(tx: &mut Tx, organization: &str, day: i64, slot: i16, change: i64) {
    tx.insert(&COUNT, values![organization, day, slot, change]);
}

static PROGRAM: Insert = Insert {
    one: "INSERT INTO profile_programs (organization, profile_id, program, status, created_at) \
        VALUES ($1, $2, $3, $4, $5)",
    many: "INSERT INTO profile_programs (organization, profile_id, program, status, created_at) \
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[])",
};

fn insert_programs(tx: &mut Tx, organization: &str, profile: &Profile) {
    for (program, status) in profile.programs.statuses() {
        tx.insert(
            &PROGRAM,
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

static ACTION: Insert = Insert {
    one: "INSERT INTO enforcement_actions (id, organization, profile_id, expires_at) \
        VALUES ($1, $2, $3, $4)",
    many: "INSERT INTO enforcement_actions (id, organization, profile_id, expires_at) \
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])",
};

fn insert_action(
    tx: &mut Tx,
    organization: &str,
    profile: &Profile,
    action_id: &str,
    expires_at: Option<Timestamp>,
) {
    tx.insert(
        &ACTION,
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
