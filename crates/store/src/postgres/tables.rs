//! Everything that goes at once, as statements: an organization, a profile, everything.

use std::sync::LazyLock;

use super::transaction::Tx;
use super::value::values;
use crate::tables::{TABLES, Table, WithProfile};

/// What this backend has beside the tables of all: the ids, which are unique over all organizations, and the
/// references that are being used for the first time.
pub(super) const OWN: [Table; 2] = [
    Table::of_organization("profile_ids", WithProfile::Repeat("id")),
    Table::of_organization("first_uses", WithProfile::Stay),
];

fn tables() -> impl Iterator<Item = &'static Table> {
    OWN.iter().chain(&TABLES)
}

/// Empties every table; the schema and the leases stay.
pub(super) fn empty(tx: &mut Tx) {
    static STATEMENTS: LazyLock<Vec<String>> = LazyLock::new(|| {
        let names = tables().map(|table| table.name).chain(["organizations"]);
        names.map(|name| format!("DELETE FROM {name}")).collect()
    });
    for statement in STATEMENTS.iter() {
        tx.write(statement, []);
    }
}

/// The tables whose rows are an organization's, with what removes up to `$2` of them and says how many.
pub(super) fn of_organization() -> impl Iterator<Item = (&'static Table, &'static str)> {
    static STATEMENTS: LazyLock<Vec<(&Table, String)>> = LazyLock::new(|| {
        let theirs = tables().filter(|table| table.of_organization);
        let statement = |table: &'static Table| {
            let name = table.name;
            // A row's place is found without going over what was removed before and is not vacuumed yet.
            let sql = format!(
                "WITH gone AS (DELETE FROM {name} WHERE ctid = ANY (ARRAY(\
                 SELECT ctid FROM {name} WHERE organization = $1 LIMIT $2)) RETURNING 1) \
                 SELECT count(*) FROM gone"
            );
            (table, sql)
        };
        theirs.map(statement).collect()
    });
    STATEMENTS.iter().map(|(table, sql)| (*table, sql.as_str()))
}

/// Removes the rows that go with a profile, its own first.
pub(super) fn remove_profile(tx: &mut Tx, organization: &str, id: &str) {
    static STATEMENTS: LazyLock<Vec<String>> =
        LazyLock::new(|| profile_statements(WithProfile::goes));
    for statement in STATEMENTS.iter() {
        tx.write(statement, values![organization, id]);
    }
}

/// Removes what a removal leaves of a profile.
pub(super) fn erase_profile(tx: &mut Tx, organization: &str, id: &str) {
    static STATEMENTS: LazyLock<Vec<String>> =
        LazyLock::new(|| profile_statements(WithProfile::goes_at_erasure));
    for statement in STATEMENTS.iter() {
        tx.write(statement, values![organization, id]);
    }
}

fn profile_statements(column: fn(WithProfile) -> Option<&'static str>) -> Vec<String> {
    let concerned = tables().filter_map(|table| Some((table.name, column(table.with_profile)?)));
    concerned
        .map(|(name, column)| {
            format!("DELETE FROM {name} WHERE organization = $1 AND {column} = $2")
        })
        .collect()
}
