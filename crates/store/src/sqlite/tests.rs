//! What the query planner makes of the statements that must not scan.

use std::collections::BTreeMap;
use std::sync::Arc;

use rollcall_domain::clock::Timestamp;
use rollcall_domain::enforcement::EnforcementStatus;
use rollcall_domain::id::{Ids, OrganizationId, ProfileId};
use rollcall_domain::page::StatusFilter;
use rollcall_domain::profile::AccessType;
use rollcall_domain::program::ProgramName;
use rollcall_domain::search::{ProfileSearch, SearchPosition};
use rollcall_domain::text::{Country, OpaqueHash, ReferenceId};
use rusqlite::StatementStatus;

use super::search::Plan;
use super::{SqliteStore, failed, listing, profile_rows, registry, rows};

/// The plan of a statement, one step a line.
fn plan(store: &SqliteStore, sql: &str) -> String {
    store
        .read(|connection| {
            let mut statement = connection
                .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
                .unwrap();
            for parameter in 1..=statement.parameter_count() {
                statement.raw_bind_parameter(parameter, 1).unwrap();
            }
            let mut rows = statement.raw_query();
            let mut steps = Vec::new();
            while let Some(row) = rows.next().unwrap() {
                steps.push(row.get::<_, String>(3).unwrap());
            }
            Ok(steps.join("\n"))
        })
        .unwrap()
}

fn assert_walks_an_index(store: &SqliteStore, sql: &str) {
    let plan = plan(store, sql);
    let walks = plan.contains("SEARCH") || plan.contains("SCAN p USING INDEX");
    assert!(walks && !plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
}

#[test]
fn every_listing_is_a_range_of_an_index_in_order() {
    let store = SqliteStore::open_in_memory(Arc::new(Ids::default())).unwrap();
    for sql in listing::statements() {
        assert_walks_an_index(&store, &sql);
        assert!(plan(&store, &sql).contains("SEARCH"), "{sql}");
    }
}

#[test]
fn only_searches_read_rows_away_from_their_index() {
    let store = SqliteStore::open_in_memory(Arc::new(Ids::default())).unwrap();
    for sql in listing::statements() {
        let plan = plan(&store, &sql);
        let is_range_of_rows =
            plan.contains("USING PRIMARY KEY") || plan.contains("USING COVERING INDEX");
        assert!(is_range_of_rows, "{sql}\n{plan}");
    }
}

#[test]
fn a_profile_whose_id_tells_its_place_is_found_without_an_index() {
    let store = SqliteStore::open_in_memory(Arc::new(Ids::default())).unwrap();
    assert_eq!(
        plan(&store, profile_rows::FIND_AT),
        "SEARCH profiles USING PRIMARY KEY (organization=? AND created_at=? AND id=?)"
    );
}

#[test]
fn a_reference_is_found_in_one_range_of_one_index() {
    let store = SqliteStore::open_in_memory(Arc::new(Ids::default())).unwrap();
    assert_eq!(
        plan(&store, profile_rows::FIND_BY_REFERENCE),
        "SEARCH profiles USING INDEX profiles_by_reference (organization=? AND reference_id=?)"
    );
    assert_eq!(
        plan(&store, registry::HOLDERS),
        "SEARCH profiles USING COVERING INDEX profiles_by_reference (organization=? AND reference_id=?)"
    );
}

#[test]
fn no_listing_is_prepared_again_for_other_values() {
    let store = SqliteStore::open_in_memory(Arc::new(Ids::default())).unwrap();
    for sql in listing::statements() {
        let prepared_again = store.read(|connection| {
            let mut statement = connection.prepare(&sql).unwrap();
            for value in [1, 2] {
                for parameter in 1..=statement.parameter_count() {
                    statement.raw_bind_parameter(parameter, value).unwrap();
                }
                while statement.raw_query().next().unwrap().is_some() {}
            }
            Ok(statement.get_status(StatementStatus::RePrepare))
        });
        assert_eq!(prepared_again.unwrap(), 0, "{sql}");
    }
}

#[test]
fn every_search_walks_an_index_in_order() {
    let store = SqliteStore::open_in_memory(Arc::new(Ids::default())).unwrap();
    let id = ProfileId::parse("uprof_1").unwrap();
    let searches = [
        ProfileSearch::default(),
        ProfileSearch {
            reference_id: Some(ReferenceId::parse("r").unwrap()),
            ..ProfileSearch::default()
        },
        ProfileSearch {
            email_hash: Some(OpaqueHash::parse("h").unwrap()),
            ..ProfileSearch::default()
        },
        ProfileSearch {
            name_prefix: Some("n".into()),
            ..ProfileSearch::default()
        },
        ProfileSearch {
            country: Country::parse("DE").ok(),
            ..ProfileSearch::default()
        },
        ProfileSearch {
            access_type: Some(AccessType::Passthrough),
            ..ProfileSearch::default()
        },
        ProfileSearch {
            enforcement_status: StatusFilter::any_of([EnforcementStatus::Banned]),
            ..ProfileSearch::default()
        },
        ProfileSearch {
            program: Some((ProgramName::Cyber, None)),
            ..ProfileSearch::default()
        },
    ];
    for mut search in searches {
        for (organization, range) in [
            (None, false),
            (Some(1), false),
            (None, true),
            (Some(1), true),
        ] {
            search.organization_id =
                organization.map(|_: i64| OrganizationId::parse("org").unwrap());
            search.created_after = range.then_some(Timestamp::EPOCH);
            search.created_before = range.then_some(Timestamp::MAX);
            let after = if search.name_prefix.is_some() {
                SearchPosition::Name("n".into(), id.clone())
            } else {
                SearchPosition::CreatedAt(Timestamp::EPOCH, id.clone())
            };
            for after in [None, Some(&after)] {
                for range in Plan::of(&search, organization, after).ranges {
                    assert_walks_an_index(&store, &range.sql);
                }
            }
        }
    }
}

#[test]
fn it_is_known_of_every_table_with_what_its_rows_go() {
    let store = SqliteStore::open_in_memory(Arc::new(Ids::default())).unwrap();
    let columns = store.read(|connection| {
        let sql = "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c \
                   WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'";
        let names = |row: &rusqlite::Row<'_>| -> rusqlite::Result<(String, String)> {
            Ok((row.get(0)?, row.get(1)?))
        };
        rows::query(connection, sql, [], |row| names(row).map_err(failed))
    });
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (table, column) in columns.unwrap() {
        found.entry(table).or_default().push(column);
    }
    crate::tables::assert_known(&found, &[], &["migrations", "suspended_indexes"]);
}
