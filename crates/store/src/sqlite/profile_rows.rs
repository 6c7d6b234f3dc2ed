//! The rows of profiles: finding one, and every way of writing one.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::ProfileId;
use rollcall_domain::profile::Profile;
use rollcall_domain::text::ReferenceId;
use rollcall_record::document::ProfileDocument;
use rusqlite::{Connection, OptionalExtension, ToSql, params};

use super::rows::{Narrow, execute};
use super::{failed, overview, rows};
use crate::tables::{TABLES, WithProfile};
use crate::{StoreError, Stored};

/// The document of a profile of the organization.
pub(super) fn find(
    connection: &Connection,
    organization: i64,
    id: &ProfileId,
) -> Stored<Option<ProfileDocument>> {
    if let Some(created_at) = id.carried_time() {
        let found = find_at(connection, organization, created_at, id)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    find_anywhere(connection, organization, id)
}

// Left to itself the planner prefers the index of all ids, and the row is another search away from that.
pub(super) const FIND_AT: &str = "SELECT document FROM profiles NOT INDEXED \
    WHERE organization = ?1 AND created_at = ?2 AND id = ?3";

/// Looks where a profile that was created here stands: half the work of asking an index first.
fn find_at(
    connection: &Connection,
    organization: i64,
    created_at: Timestamp,
    id: &ProfileId,
) -> Stored<Option<ProfileDocument>> {
    find_one(
        connection,
        FIND_AT,
        params![organization, created_at.as_micros(), id.as_str()],
    )
}

fn find_anywhere(
    connection: &Connection,
    organization: i64,
    id: &ProfileId,
) -> Stored<Option<ProfileDocument>> {
    find_one(
        connection,
        "SELECT document FROM profiles WHERE id = ?1 AND organization = ?2",
        params![id.as_str(), organization],
    )
}

/// The document of the oldest of the organization's profiles that have this reference.
pub(super) fn find_by_reference(
    connection: &Connection,
    organization: i64,
    reference: &ReferenceId,
) -> Stored<Option<ProfileDocument>> {
    find_one(
        connection,
        FIND_BY_REFERENCE,
        params![organization, reference.as_str()],
    )
}

pub(super) const FIND_BY_REFERENCE: &str = "SELECT document FROM profiles \
    INDEXED BY profiles_by_reference WHERE organization = ?1 AND reference_id = ?2 \
    ORDER BY created_at, id LIMIT 1";

fn find_one(
    connection: &Connection,
    sql: &str,
    parameters: &[&dyn ToSql],
) -> Stored<Option<ProfileDocument>> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| {
            statement
                .query_row(parameters, |row| {
                    let text = rows::document(row.get_ref(0)?)?;
                    Ok(ProfileDocument::from_stored(text))
                })
                .optional()
        })
        .map_err(failed)
}

/// Inserts a profile with everything that points at it.
pub(super) fn insert(
    connection: &Connection,
    organization: i64,
    profile: &Profile,
    document: &ProfileDocument,
) -> Stored<()> {
    if insert_unless_there(connection, organization, profile, document)? {
        Ok(())
    } else {
        Err(StoreError::Failed("a profile's id is taken".into()))
    }
}

/// Inserts a profile with everything that points at it; `false`, and nothing, if its id is taken.
pub(super) fn insert_unless_there(
    connection: &Connection,
    organization: i64,
    profile: &Profile,
    document: &ProfileDocument,
) -> Stored<bool> {
    let narrow = Narrow::of(profile);
    let inserted = connection
        .prepare_cached(
            "INSERT INTO profiles (organization, created_at, id, document, folded_name, \
             reference_id, email_hash, country, access_type, outlook) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                organization,
                profile.created_at.as_micros(),
                profile.id.as_str(),
                document.as_str(),
                narrow.folded_name,
                narrow.reference_id,
                narrow.email_hash,
                narrow.country,
                narrow.access_type,
                narrow.outlook
            ])
        })
        .map_err(failed)?;
    if inserted == 0 {
        return Ok(false);
    }
    insert_programs(connection, organization, profile)?;
    for action in profile.enforcement.unresolved() {
        let expires_at = action.expires_at().map(Timestamp::as_micros);
        insert_action(
            connection,
            organization,
            profile,
            action.id().as_str(),
            expires_at,
        )?;
    }
    for past in profile.enforcement.past() {
        insert_action(
            connection,
            organization,
            profile,
            past.action.id().as_str(),
            None,
        )?;
    }
    count_open_actions(connection, organization, 0, profile)?;
    Ok(true)
}

/// Counts the profile's open actions, of which `before` were counted already.
fn count_open_actions(
    connection: &Connection,
    organization: i64,
    before: usize,
    after: &Profile,
) -> Stored<()> {
    let signed = |count| i64::try_from(count).unwrap_or(i64::MAX);
    let change = signed(after.enforcement.unresolved().len()) - signed(before);
    overview::count_open_actions(connection, organization, change)
}

/// Writes a profile over itself; creation time and id are the same.
pub(super) fn update(
    connection: &Connection,
    organization: i64,
    before: &Profile,
    after: &Profile,
    document: &ProfileDocument,
) -> Stored<()> {
    let (old, new) = (Narrow::of(before), Narrow::of(after));
    let key = (
        organization,
        after.created_at.as_micros(),
        after.id.as_str(),
    );
    // Naming an indexed column rewrites its index, so the usual update names none.
    let updated = if old == new {
        connection
            .prepare_cached(
                "UPDATE profiles SET document = ?4 \
                 WHERE organization = ?1 AND created_at = ?2 AND id = ?3",
            )
            .and_then(|mut statement| {
                statement.execute(params![key.0, key.1, key.2, document.as_str()])
            })
    } else {
        connection
            .prepare_cached(
                "UPDATE profiles SET document = ?4, folded_name = ?5, reference_id = ?6, \
                 email_hash = ?7, country = ?8, access_type = ?9, outlook = ?10 \
                 WHERE organization = ?1 AND created_at = ?2 AND id = ?3",
            )
            .and_then(|mut statement| {
                statement.execute(params![
                    key.0,
                    key.1,
                    key.2,
                    document.as_str(),
                    new.folded_name,
                    new.reference_id,
                    new.email_hash,
                    new.country,
                    new.access_type,
                    new.outlook
                ])
            })
    };
    if updated.map_err(failed)? != 1 {
        return Err(StoreError::Failed("an update did not meet its row".into()));
    }
    if before.programs != after.programs {
        delete_programs(connection, before)?;
        insert_programs(connection, organization, after)?;
    }
    if before.enforcement != after.enforcement {
        update_actions(connection, organization, before, after)?;
        let open = before.enforcement.unresolved().len();
        count_open_actions(connection, organization, open, after)?;
    }
    Ok(())
}

/// Removes a profile with everything that points at it.
pub(super) fn remove(connection: &Connection, organization: i64, profile: &Profile) -> Stored<()> {
    connection
        .prepare_cached(
            "DELETE FROM profiles WHERE organization = ?1 AND created_at = ?2 AND id = ?3",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                organization,
                profile.created_at.as_micros(),
                profile.id.as_str()
            ])
        })
        .map_err(failed)?;
    delete_programs(connection, profile)?;
    let unresolved = profile.enforcement.unresolved().iter();
    let past = profile.enforcement.past().iter().map(|past| &past.action);
    for action in unresolved.chain(past) {
        connection
            .prepare_cached("DELETE FROM enforcement_actions WHERE id = ?1")
            .and_then(|mut statement| statement.execute([action.id().as_str()]))
            .map_err(failed)?;
    }
    let open = i64::try_from(profile.enforcement.unresolved().len()).unwrap_or(i64::MAX);
    overview::count_open_actions(connection, organization, -open)
}

/// Deletes a profile's rows in every table of which `column` names the one that holds its id.
pub(super) fn delete_rows(
    connection: &Connection,
    id: &ProfileId,
    column: impl Fn(WithProfile) -> Option<&'static str>,
) -> Stored<()> {
    for table in &TABLES {
        if let Some(column) = column(table.with_profile) {
            let sql = format!("DELETE FROM {} WHERE {column} = ?1", table.name);
            execute(connection, &sql, [id.as_str()])?;
        }
    }
    Ok(())
}

/// Counts `change` profiles more for their organization and the day of their creation.
pub(super) fn count(
    connection: &Connection,
    organization: i64,
    day: i64,
    change: i64,
) -> Stored<()> {
    let sql = "INSERT INTO profile_counts (day, organization, profiles) VALUES (?1, ?2, ?3) \
        ON CONFLICT DO UPDATE SET profiles = profiles + excluded.profiles";
    execute(connection, sql, params![day, organization, change])?;
    overview::count_profiles(connection, organization, change)
}

fn insert_programs(connection: &Connection, organization: i64, profile: &Profile) -> Stored<()> {
    for (program, status) in profile.programs.statuses() {
        connection
            .prepare_cached(
                "INSERT INTO profile_programs (program, status, created_at, profile_id, \
                 organization) VALUES (?1, ?2, ?3, ?4, ?5)",
            )
            .and_then(|mut statement| {
                statement.execute(params![
                    program,
                    status.as_str(),
                    profile.created_at.as_micros(),
                    profile.id.as_str(),
                    organization
                ])
            })
            .map_err(failed)?;
    }
    Ok(())
}

fn delete_programs(connection: &Connection, profile: &Profile) -> Stored<()> {
    for (program, status) in profile.programs.statuses() {
        connection
            .prepare_cached(
                "DELETE FROM profile_programs WHERE program = ?1 AND status = ?2 \
                 AND created_at = ?3 AND profile_id = ?4",
            )
            .and_then(|mut statement| {
                statement.execute(params![
                    program,
                    status.as_str(),
                    profile.created_at.as_micros(),
                    profile.id.as_str()
                ])
            })
            .map_err(failed)?;
    }
    Ok(())
}

fn insert_action(
    connection: &Connection,
    organization: i64,
    profile: &Profile,
    action_id: &str,
    expires_at: Option<i64>,
) -> Stored<()> {
    connection
        .prepare_cached(
            "INSERT INTO enforcement_actions (id, organization, profile_id, expires_at) \
             VALUES (?1, ?2, ?3, ?4)",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                action_id,
                organization,
                profile.id.as_str(),
                expires_at
            ])
        })
        .map(|_| ())
        .map_err(failed)
}

/// Brings the rows that lead to a profile's actions up to date. Actions are never taken out of a
/// profile: one is new, or has ended, or is as it was.
fn update_actions(
    connection: &Connection,
    organization: i64,
    before: &Profile,
    after: &Profile,
) -> Stored<()> {
    let (old, new) = (
        before.enforcement.unresolved(),
        after.enforcement.unresolved(),
    );
    for action in new {
        if !old.iter().any(|known| known.id() == action.id()) {
            let expires_at = action.expires_at().map(Timestamp::as_micros);
            insert_action(
                connection,
                organization,
                after,
                action.id().as_str(),
                expires_at,
            )?;
        }
    }
    for action in old {
        if !new.iter().any(|known| known.id() == action.id()) {
            connection
                .prepare_cached("UPDATE enforcement_actions SET expires_at = NULL WHERE id = ?1")
                .and_then(|mut statement| statement.execute([action.id().as_str()]))
                .map_err(failed)?;
        }
    }
    Ok(())
}
