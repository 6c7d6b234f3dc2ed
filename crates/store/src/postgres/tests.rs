//! What can be said about this backend's SQL without a server; the rest is tested with one, in
//! `tests/it/postgres/`.

use std::collections::BTreeMap;
use std::path::Path;

use super::{listing, migrate, tables};

/// What the distributed relatives of `PostgreSQL` lack, or have in name only.
const FORBIDDEN: [&str; 24] = [
    "advisory",
    "LISTEN ",
    "NOTIFY ",
    "SERIAL",
    "SEQUENCE",
    "nextval",
    "IDENTITY",
    "GENERATED",
    "TRIGGER",
    "REFERENCES",
    "FOREIGN KEY",
    "SAVEPOINT",
    "SKIP LOCKED",
    "OFFSET",
    "ILIKE",
    "citext",
    "USING gin",
    "LOCK TABLE",
    "ALTER COLUMN",
    "CREATE FUNCTION",
    "CREATE EXTENSION",
    "CREATE RULE",
    "EXCLUDE USING",
    "DEFERRABLE",
];

/// The same in any letters: in Rust's code these mean nothing else.
const FORBIDDEN_IN_ANY_LETTERS: [&str; 8] = [
    "skip locked",
    "foreign key",
    "pg_notify",
    "nextval(",
    "setval(",
    "pg_advisory",
    "pg_try_advisory",
    "using gin",
];

/// Files in which something is counted: none of it for a tenant's request.
const COUNTING: [&str; 9] = [
    "check.rs",
    "deliveries.rs",
    "enrollments.rs",
    "outbox.rs",
    "overview.rs",
    "sessions.rs",
    "tables.rs",
    "tenants.rs",
    "transfer.rs",
];

fn sources() -> Vec<(String, String)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/postgres");
    let files = ["", "migrations"].map(|part| directory.join(part));
    files
        .iter()
        .flat_map(|directory| std::fs::read_dir(directory).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && path.file_name().unwrap() != "tests.rs")
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.lines().filter(|line| {
                let line = line.trim_start();
                !line.starts_with("//") && !line.starts_with("--")
            });
            (name, code.collect::<Vec<_>>().join("\n"))
        })
        .collect()
}

#[test]
fn the_sql_stays_in_the_portable_part() {
    let sources = sources();
    assert!(
        sources.len() > 20,
        "the sources are where they are looked for"
    );
    for (name, code) in &sources {
        for word in FORBIDDEN {
            // SQL's words are written in capitals here; in Rust's code the same letters mean other things.
            assert!(!code.contains(word), "{name} uses {word}");
        }
        let counts = code.contains("count(*)");
        assert!(
            !counts || COUNTING.contains(&name.as_str()),
            "{name} counts"
        );
        // A named statement lives on one server connection, where a pooler may not come back to.
        assert!(!code.contains(".prepare("), "{name} prepares");
        let lower = code.to_lowercase();
        for word in FORBIDDEN_IN_ANY_LETTERS {
            assert!(!lower.contains(word), "{name} uses {word}");
        }
        // Texts are ordered by their bytes alone, whatever a locale says.
        let plain = code.replace('\\', "");
        for collation in plain.split("COLLATE ").skip(1) {
            assert!(
                collation.starts_with("\"C\""),
                "{name} collates by a locale"
            );
        }
    }
}

#[test]
fn every_migrating_statement_adds_and_can_be_repeated() {
    for statement in migrate::all_statements() {
        let sql: Vec<_> = statement
            .lines()
            .filter(|line| !line.starts_with("--") && !line.trim().is_empty())
            .collect();
        let sql = sql.join("\n").replace("\n  ", " ");
        let adds = ["CREATE TABLE IF NOT EXISTS", "CREATE INDEX IF NOT EXISTS"]
            .iter()
            .chain(&["CREATE UNIQUE INDEX IF NOT EXISTS"])
            .any(|start| sql.starts_with(start));
        assert!(
            adds || adds_a_column(&sql) || fills_a_column(&sql) || rewrites_documents(&sql),
            "{sql}"
        );
        assert_eq!(sql.matches(';').count(), 1, "{sql}");
    }
}

/// Whether a statement says of rows what a column that was just added is for. Earlier binaries do not know the column.
fn fills_a_column(sql: &str) -> bool {
    sql.starts_with("UPDATE api_keys SET literal = true WHERE ")
}

/// Whether a statement gives documents the form that the first release has. No released binary has to
/// run beside it; a later change of the form needs readers of both first.
fn rewrites_documents(sql: &str) -> bool {
    let words = |sql: &str| sql.split_whitespace().collect::<Vec<_>>().join(" ");
    let first_release = include_str!("migrations/0004_documents_without_keys.sql");
    sql.starts_with("UPDATE profiles SET document = ") && words(first_release).contains(&words(sql))
}

/// Whether a statement adds one column, of which the binary before need not know.
fn adds_a_column(sql: &str) -> bool {
    let added = sql.split_once(" ADD COLUMN IF NOT EXISTS ");
    let may_be_left_out =
        |column: &str| column.contains(" DEFAULT ") || !column.contains("NOT NULL");
    sql.starts_with("ALTER TABLE ")
        && added.is_some_and(|(_, column)| may_be_left_out(column) && !column.contains(','))
}

#[test]
fn every_text_that_is_compared_is_compared_by_bytes() {
    // Ids, names and references are keys; the other texts are read whole or compared for equality only.
    for statement in migrate::all_statements() {
        for line in statement.lines().map(str::trim) {
            let names = [
                "id TEXT",
                "organization TEXT",
                "folded_name TEXT",
                "program TEXT",
            ];
            let key = names.iter().any(|name| line.starts_with(name)) || line.contains("_id TEXT");
            let free = line.starts_with("program TEXT NOT NULL");
            assert!(!key || free || line.contains("COLLATE \"C\""), "{line}");
        }
    }
}

#[test]
fn a_range_never_joins_conditions_with_or() {
    for (sql, _) in listing::statements() {
        assert!(!sql.contains(" OR "), "{sql}");
        let (_, limit) = sql.rsplit_once("LIMIT ").unwrap();
        assert!(["$2", "21", "101"].contains(&limit), "{sql}");
    }
}

#[test]
fn it_is_known_of_every_table_with_what_its_rows_go() {
    let mut found = BTreeMap::new();
    for statement in migrate::all_statements() {
        let Some((_, table)) = statement.split_once("CREATE TABLE IF NOT EXISTS ") else {
            continue;
        };
        let (name, columns) = table.split_once(" (").unwrap();
        let columns = columns
            .lines()
            .filter_map(|line| line.split_whitespace().next());
        found.insert(name.to_owned(), columns.map(str::to_owned).collect());
    }
    let bookkeeping = ["rollcall_migrations", "rollcall_leases"];
    crate::tables::assert_known(&found, &tables::OWN, &bookkeeping);
}
