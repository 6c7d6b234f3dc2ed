//! The bytes of a tenant: after the statements that `docs/operations/erase.md` names, none is in a file of the database.

use std::path::Path;
use std::sync::Arc;

use rollcall_domain::event::EventType;
use rollcall_domain::id::{Ids, WorkspaceId};
use rollcall_domain::profile::{Profile, ProfileDraft};
use rollcall_domain::tenant::{OrganizationScope, Workspace};
use rollcall_domain::text::Name;
use rollcall_scratch_postgres::{self as scratch, Server};
use rollcall_store::registry::PutMode;

use super::open_at;
use crate::suite::webhooks::{endpoint, insert};
use crate::world::{World, act_at, at, proof, whole};

const DOCUMENTED: &str = include_str!("../../../../../docs/operations/erase.md");

/// What is only known of the tenant.
const TRACE: &str = "nordlicht";

/// The statements of the documentation, which write every table anew.
fn documented() -> Vec<String> {
    let (_, section) = DOCUMENTED.split_once("## PostgreSQL").unwrap();
    let (_, statements) = section.split_once("```sql\n").unwrap();
    let (statements, _) = statements.split_once("```").unwrap();
    let statements = statements.lines().filter(|line| !line.starts_with("--"));
    let in_full = statements.map(|line| {
        let line = line.replace("VACUUM (ANALYZE)", "VACUUM (FULL, ANALYZE)");
        line.replace("VACUUM pg", "VACUUM FULL pg")
    });
    in_full.collect()
}

/// How often the trace is in the files below a directory.
fn traces(directory: &Path) -> usize {
    let mut found = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found += traces(&path);
        } else if let Ok(bytes) = std::fs::read(&path) {
            let windows = bytes.windows(TRACE.len());
            found += windows.filter(|it| *it == TRACE.as_bytes()).count();
        }
    }
    found
}

/// What a tenant has, several of each, so that the planner's statistics hold some of it.
async fn furnish(world: &World, scope: &OrganizationScope, name: &str) {
    let owner = scope.organization_id();
    let act = act_at(at(1));
    let profiles = (0..100).map(|number| {
        let draft = ProfileDraft {
            name: Some(Name::parse(&format!("{name} {}", number % 5)).unwrap()),
            ..ProfileDraft::default()
        };
        let profile = Profile::new(world.ids.profile(at(number)), draft, at(number));
        (owner.clone(), profile)
    });
    let put = world
        .store
        .put_profiles(proof(), &act, whole(profiles), PutMode::default());
    put.await.unwrap();
    for number in 0..4 {
        let workspace = Workspace {
            id: WorkspaceId::parse(&format!("wrkspc_{name}{number}")).unwrap(),
            organization_id: owner.clone(),
            name: format!("{name} {number}"),
            created_at: at(1),
        };
        let stored = world.store.insert_workspace(proof(), &act, &workspace);
        assert_eq!(stored.await.unwrap(), Ok(()));
        let mut endpoint = endpoint(world, number, EventType::ALL);
        endpoint.description = format!("{name} {number}");
        insert(world, scope, &endpoint).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_byte_of_a_tenant_is_left_after_the_documented_statements() {
    let server = Server::start(&[]).await;
    let url = server.url("postgres");
    let store = Arc::new(open_at(&url).await);
    let world = World::new(store.clone(), Arc::new(Ids::default()));
    let (ending, lasting) = (
        world.organization("ending").await,
        world.organization("lasting").await,
    );
    furnish(&world, &ending, TRACE).await;
    furnish(&world, &lasting, "Other").await;
    scratch::execute(&url, &["ANALYZE", "CHECKPOINT"]).await;
    let statistics = "SELECT count(*) > 0 FROM pg_stats WHERE concat(most_common_vals, \
                      histogram_bounds) LIKE '%nordlicht%'";
    assert_eq!(scratch::ask(&url, statistics).await, "t");
    let files = server.data().join("base");
    assert!(traces(&files) > 100);

    assert!(world.remove_organization(ending.organization_id()).await);
    let documented = documented();
    assert_eq!(documented.len(), 3, "{documented:?}");
    let statements: Vec<_> = documented.iter().map(String::as_str).collect();
    scratch::execute(&url, &statements).await;
    scratch::execute(&url, &["CHECKPOINT"]).await;
    assert_eq!(traces(&files), 0);
    // Whatever holds something of a tenant is among the tables that are named.
    let tables = scratch::ask(
        &url,
        "SELECT string_agg(table_name, ' ') FROM information_schema.columns \
         WHERE table_schema = 'public' AND column_name = 'organization'",
    )
    .await;
    for table in tables.split(' ') {
        let named = |line: &String| line.split([' ', ',', ';']).any(|word| word == table);
        assert!(documented.iter().any(named), "{table}");
    }
    world.assert_sound().await;
}
