//! What the planner makes of the statements that must not scan.

use rollcall_domain::enforcement::{ActionKind, EnforcementAction, Reason};
use rollcall_domain::id::Ids;
use rollcall_domain::page::Limit;
use rollcall_domain::profile::{Profile, ProfileDraft};
use rollcall_domain::text::Name;
use rollcall_scratch_postgres as server;
use rollcall_store::audit::{AuditFilter, AuditPage};
use rollcall_store::postgres::listing_statements;
use rollcall_store::registry::PutMode;
use rollcall_store::{AuditTrail, Check, Registry};

use super::{migrated_database, open_at};
use crate::world::{World, act_at, at, proof, restriction, whole};

/// One of many: some without a name, some under an enforcement action.
fn profile(world: &World, part: u64, number: u64) -> Profile {
    let created_at = at(part * 5_000 + number);
    let name = (!number.is_multiple_of(3)).then(|| Name::parse(&format!("n{number}")).unwrap());
    let draft = ProfileDraft {
        name,
        ..ProfileDraft::default()
    };
    let profile = Profile::new(world.ids.profile(created_at), draft, created_at);
    let kind = match number % 20 {
        1 | 2 => ActionKind::Ban,
        3 | 4 => restriction(None),
        5 | 6 => restriction(Some(at(900_000))),
        _ => return profile,
    };
    let id = world.ids.enforcement_action(created_at);
    let action = EnforcementAction::new(id, created_at, Reason::HighHarm, kind).unwrap();
    profile.open_action(action, created_at).unwrap().value
}

#[tokio::test]
async fn every_listing_is_a_range_of_an_index_in_order() {
    let url = migrated_database().await;
    let store = std::sync::Arc::new(open_at(&url).await);
    let world = World::new(store.clone(), std::sync::Arc::new(Ids::default()));
    let scope = world.organization("org").await;
    let other = world.organization("other").await;
    // Enough rows that reading them all would not be the cheapest for being few.
    for part in 0..5 {
        let records = (0..5_000).map(|number| {
            let owner = if number % 2 == 0 { &other } else { &scope };
            (
                owner.organization_id().clone(),
                profile(&world, part, number),
            )
        });
        store
            .put_profiles(proof(), &act_at(at(0)), whole(records), PutMode::default())
            .await
            .unwrap();
    }
    server::execute(&url, &["ANALYZE"]).await;
    let client = server::client(&url).await.unwrap();
    for (sql, parameters) in listing_statements() {
        let third = if sql.contains("(created_at, id)") {
            "1780000010000000"
        } else {
            "'n2'"
        };
        let values = ["'org'", "21", third, "'uprof_1'"];
        let mut sql = format!("EXPLAIN {sql}");
        for (number, value) in values.iter().enumerate().take(parameters) {
            sql = sql.replace(&format!("${}", number + 1), value);
        }
        let rows = client.query(&sql, &[]).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let plan = plan.join("\n");
        assert!(plan.contains("Index Scan"), "{sql}\n{plan}");
        assert!(!plan.contains("Seq Scan"), "{sql}\n{plan}");
        // A union of ranges may be sorted, being no longer than a piece; a range alone must not be.
        let sorted = plan.contains("Sort") && !sql.contains("UNION ALL");
        assert!(!sorted, "{sql}\n{plan}");
    }
}

#[tokio::test]
async fn what_was_done_long_ago_is_found_without_looking_through_all_that_followed() {
    let url = migrated_database().await;
    let fill = |action: &str, from: u32, to: u32| {
        format!(
            "INSERT INTO audit_events (organization, id, at, actor_kind, actor_id, action, \
             target_kind, target_id, details) SELECT 'org', 'aud_' || lpad(n::text, 9, '0'), n, \
             'operator', 'x', '{action}', 'organization', 'org', '[]' \
             FROM generate_series({from}, {to}) AS n"
        )
    };
    let old = fill("organization.created", 1, 10_000);
    let new = fill("organization.updated", 10_001, 60_000);
    server::execute(&url, &[&old, &new, "VACUUM (ANALYZE) audit_events"]).await;
    let store = open_at(&url).await;
    let read = "SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = 'audit_events'";
    let before: i64 = server::ask(&url, read).await.parse().unwrap();
    let filter = AuditFilter {
        action: Some("organization.created".into()),
        ..AuditFilter::default()
    };
    let limit = Limit::new(20).unwrap();
    let first = store.list_audit_events(proof(), &filter, None, limit);
    let first = first.await.unwrap();
    let second = store.list_audit_events(proof(), &filter, first.next.as_ref(), limit);
    let second = second.await.unwrap();
    let ids = |page: &AuditPage| -> Vec<String> {
        let ids = page.events.iter().map(|event| event.id.to_string());
        ids.collect()
    };
    let expected = |from: u32| -> Vec<String> {
        let numbers = (from - 19..=from).rev();
        numbers.map(|number| format!("aud_{number:09}")).collect()
    };
    assert_eq!(ids(&first), expected(10_000));
    assert_eq!(ids(&second), expected(9_980));
    // What a session has read is told once it has ended.
    store.close().await;
    server::wait_for(
        &url,
        &format!("SELECT ({read}) - {before} BETWEEN 1 AND 1000"),
        "t",
    )
    .await;
}
