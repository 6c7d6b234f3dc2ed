//! What goes wrong at a commit: conflicts, ended sessions, lost answers. Every call succeeds all the
//! same, and none is applied twice.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rollcall_domain::decision::Decided;
use rollcall_domain::delivery::{Attempt, Outcome};
use rollcall_domain::enforcement::ActionKind;
use rollcall_domain::enrollment::{Application, EnrollmentUrl, URL_LIFETIME, Verdict};
use rollcall_domain::event::EventType;
use rollcall_domain::gateway::first_use;
use rollcall_domain::id::{ApiKeyId, Ids, WebhookEndpointId, WorkspaceId};
use rollcall_domain::page::Limit;
use rollcall_domain::profile::export_audit;
use rollcall_domain::program::{Cyber, ProgramName, ProgramStanding, ProgramStatus};
use rollcall_domain::role::Role;
use rollcall_domain::session::ConsoleSession;
use rollcall_domain::tenant::{
    ApiKey, KeyOwner, KeyStatus, OrganizationPatch, SecretHash, Workspace,
};
use rollcall_domain::text::ReferenceId;
use rollcall_domain::webhook::{EndpointDraft, EndpointPatch, EndpointState, WebhookEndpoint};
use rollcall_store::audit::AuditFilter;
use rollcall_store::deliveries::{AttemptReport, Claim, DeliveryLease, Recorded};
use rollcall_store::enrollments::{Decided as DecidedEnrollment, Submitted};
use rollcall_store::postgres::{Fault, Faults, PostgresStore};
use rollcall_store::registry::{Put, PutMode};
use rollcall_store::transfer::{Arriving, Cell};
use rollcall_store::webhooks::SealedSecret;
use rollcall_store::{Changed, Store};

use super::{migrated_database, open_at};
use crate::world::{World, act_at, at, proof, whole};

/// The same fault for the first attempt, or the first few, of every write.
#[derive(Debug)]
struct FirstAttempts {
    fault: Fault,
    attempts: u32,
    seen: Arc<Mutex<BTreeSet<&'static str>>>,
}

impl Faults for FirstAttempts {
    fn at_commit(&self, name: &'static str, attempt: u32) -> Option<Fault> {
        self.seen.lock().insert(name);
        (attempt <= self.attempts).then_some(self.fault)
    }
}

async fn world_with(fault: Fault, attempts: u32) -> (World, Arc<Mutex<BTreeSet<&'static str>>>) {
    let url = migrated_database().await;
    let seen = Arc::default();
    let faults = FirstAttempts {
        fault,
        attempts,
        seen: Arc::clone(&seen),
    };
    let store: PostgresStore = open_at(&url).await.with_faults(Arc::new(faults));
    (World::new(Arc::new(store), Arc::new(Ids::default())), seen)
}

/// Every write there is, once, each with what it must come to.
async fn write_everything(world: &World) {
    let store = &world.store;
    let act = act_at(at(1));
    let scope = world.organization("org").await;
    let org = scope.organization_id().clone();
    let patch = OrganizationPatch {
        rate_limit_rpm: Some(Some(60)),
        ..OrganizationPatch::default()
    };
    let changed = store.change_organization(proof(), &act, &org, &patch).await;
    assert_eq!(changed.unwrap().unwrap().rate_limit_rpm, Some(60));
    let workspace = Workspace {
        id: WorkspaceId::parse("wrkspc_1").unwrap(),
        organization_id: org.clone(),
        name: "W".into(),
        created_at: at(1),
    };
    let stored = store.insert_workspace(proof(), &act, &workspace).await;
    assert_eq!(stored.unwrap(), Ok(()));
    write_keys_and_sessions(world).await;
    write_profiles(world).await;
    write_enrollments(world).await;
    write_webhooks(world).await;
    let entry = export_audit(Some(&org), None);
    store
        .record(proof(), &act, Some(&org), entry)
        .await
        .unwrap();
    let lease = store.claim_lease("sweep", "node", Duration::from_secs(9), at(1));
    assert_eq!(lease.await.unwrap(), Some(1));
    store.release_lease("sweep", "node").await.unwrap();
    let report = store.check(proof(), &|_| {}).await.unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
    take_in_a_transfer(world).await;
    world.organization("gone").await;
    let gone = rollcall_domain::id::OrganizationId::parse("gone").unwrap();
    assert!(world.remove_organization(&gone).await);
}

async fn take_in_a_transfer(world: &World) {
    let (store, table) = (&world.store, "workspaces");
    let columns = store.columns(proof(), table).await.unwrap();
    let rows = store
        .rows(proof(), table, &columns, None, 10)
        .await
        .unwrap();
    let (mut row, before) = (rows.rows[0].clone(), rows.rows.len());
    let id = columns.iter().position(|column| column == "id").unwrap();
    row[id] = Cell::Text("wrkspc_2".into());
    let arriving = Arriving {
        table,
        columns: columns.clone(),
        rows: vec![row],
        state: "after".into(),
    };
    store.begin_arrival(proof(), "before".into()).await.unwrap();
    store.arrive(proof(), arriving.clone()).await.unwrap();
    // What came already is there, whoever says it again.
    store.arrive(proof(), arriving).await.unwrap();
    let state = store.arrival(proof()).await.unwrap();
    assert_eq!(state.as_deref(), Some("after"));
    let rows = store
        .rows(proof(), table, &columns, None, 10)
        .await
        .unwrap();
    assert_eq!(rows.rows.len(), before + 1);
    store.end_arrival(proof()).await.unwrap();
    assert_eq!(store.arrival(proof()).await.unwrap(), None);
}

async fn write_keys_and_sessions(world: &World) {
    let (store, act) = (&world.store, act_at(at(1)));
    let key = ApiKey {
        id: ApiKeyId::parse("apikey_1").unwrap(),
        owner: KeyOwner::Operator {
            role: Role::Reviewer,
        },
        name: "K".into(),
        created_at: at(1),
        expires_at: None,
        last_used_at: None,
        status: KeyStatus::Active,
        literal: false,
    };
    let secret = SecretHash([7; 32]);
    let stored = store.insert_key(proof(), &act, &key, &secret).await;
    assert_eq!(stored.unwrap(), Ok(()));
    store
        .touch_keys(vec![(key.id.clone(), at(5))])
        .await
        .unwrap();
    let session = ConsoleSession {
        token_hash: secret,
        key_id: key.id.clone(),
        created_at: at(1),
        seen_at: at(1),
    };
    assert!(store.insert_session(proof(), &act, &session).await.unwrap());
    store.touch_session(&secret, at(2)).await.unwrap();
    assert!(store.remove_session(proof(), &act, &secret).await.unwrap());
    store.prune_sessions(at(1)).await.unwrap();
    let disabled = store
        .set_key_status(proof(), &act, &key.id, KeyStatus::Disabled)
        .await;
    assert_eq!(
        disabled.unwrap().unwrap().unwrap().status,
        KeyStatus::Disabled
    );
    let removed = store.remove_key(proof(), &act, &key.id).await;
    assert_eq!(removed.unwrap(), Ok(true));
}

async fn write_profiles(world: &World) {
    let scope = proof().choose(rollcall_domain::id::OrganizationId::parse("org").unwrap());
    let store = &world.store;
    let id = world.create(&scope, at(1), Some("A")).await;
    let standing = ProgramStanding::Cyber(Cyber::without_tiers(ProgramStatus::Active));
    let decide: rollcall_store::Decide =
        Box::new(move |profile| profile.set_program(standing.clone(), at(2)));
    assert!(matches!(
        world.change(&scope, &id, at(2), decide).await,
        Changed::Done(_)
    ));
    world.open_action(&scope, &id, ActionKind::Ban, at(3)).await;
    let (first, second) = (world.draft(at(3), None), world.draft(at(4), None));
    let org = scope.organization_id();
    let records = vec![(org.clone(), first.clone()), (org.clone(), second)];
    let act = act_at(at(5));
    let put = store.put_profiles(proof(), &act, whole(records), PutMode::default());
    assert_eq!(put.await.unwrap(), [Put::Created, Put::Created]);
    let reference = ReferenceId::parse("customer-1").unwrap();
    let first_used = first_use(world.ids.profile(at(5)), reference.clone(), at(5));
    let made = first_used.value.id.clone();
    let used = store.find_or_insert_by_reference(&scope, &act, &reference, first_used);
    assert_eq!(used.await.unwrap().decode().unwrap().id, made);
    let removed = store.remove_profile(&scope, &act, &first.id);
    assert!(removed.await.unwrap());
    let erased = store.erase_profile(&scope, &act, &id);
    assert!(erased.await.unwrap());
}

async fn write_enrollments(world: &World) {
    let scope = proof().choose(rollcall_domain::id::OrganizationId::parse("org").unwrap());
    let store = &world.store;
    let id = world.create(&scope, at(7), Some("E")).await;
    let url = EnrollmentUrl {
        token_hash: SecretHash([5; 32]),
        organization_id: scope.organization_id().clone(),
        profile_id: id,
        created_at: at(7),
        expires_at: at(7).saturating_add(URL_LIFETIME),
        enrollment_id: None,
    };
    let act = act_at(at(8));
    let stored = store.insert_enrollment_url(&scope, &act, &url).await;
    assert!(stored.unwrap());
    let application = Application {
        program: ProgramName::Cyber,
        submitted: vec![("full_name".into(), "Ana".into())],
    };
    let enrollment_id = world.ids.enrollment(at(8));
    let submitted = store
        .submit_enrollment(&act, &url.token_hash, &enrollment_id, &application)
        .await;
    assert!(matches!(submitted.unwrap(), Submitted::Done(_)));
    let decided = store
        .decide_enrollment(proof(), &act, &enrollment_id, &Verdict::Rejected, None)
        .await;
    assert!(matches!(decided.unwrap(), DecidedEnrollment::Done(_)));
    store.prune_enrollment_urls(at(90_000)).await.unwrap();
}

async fn write_webhooks(world: &World) {
    let scope = proof().choose(rollcall_domain::id::OrganizationId::parse("org").unwrap());
    let (store, act) = (&world.store, act_at(at(20)));
    let draft = EndpointDraft {
        enabled_events: vec![EventType::EnforcementActionOpened.into()],
        url: "https://example.com".into(),
        description: String::new(),
        name: String::new(),
    };
    let id = WebhookEndpointId::parse("whep_1").unwrap();
    let secret = |byte| SealedSecret {
        key_id: "k".into(),
        bytes: vec![byte; 40],
    };
    let decided: Decided<WebhookEndpoint> = WebhookEndpoint::create(id.clone(), draft, at(20));
    let stored = store.insert_webhook_endpoint(&scope, &act, decided, secret(1));
    assert_eq!(stored.await.unwrap(), Ok(()));
    let profile = world.create(&scope, at(20), None).await;
    world
        .open_action(&scope, &profile, ActionKind::Ban, at(21))
        .await;
    let test = store.insert_test_delivery(proof(), &act, &id).await;
    assert!(test.unwrap().is_ok());
    let claim = Claim {
        owner: "worker".into(),
        now: at(30),
        lease_until: at(90),
        latest: at(300),
        limit: 10,
    };
    let claimed = store.claim_deliveries(claim).await.unwrap();
    assert_eq!(claimed.attempts.len(), 2, "each exactly once");
    let leases = claimed.attempts.iter().map(|claimed| DeliveryLease {
        delivery_id: claimed.delivery_id.clone(),
        fence: claimed.fence,
    });
    let renewed = store.renew_leases(leases.collect(), at(95)).await;
    assert_eq!(renewed, Ok(()));
    let report = |claimed: &rollcall_store::deliveries::ClaimedAttempt| AttemptReport {
        delivery_id: claimed.delivery_id.clone(),
        owner: "worker".into(),
        fence: claimed.fence,
        attempt: Attempt {
            at: at(30),
            status_code: Some(200),
            latency_ms: 3,
            error: None,
            answer: None,
        },
        outcome: Outcome::Succeeded,
        retry_at: None,
        now: at(31),
        disable_after: Duration::from_hours(24),
    };
    let reports = claimed.attempts.iter().map(report).collect();
    let recorded = store.record_attempts(reports).await.unwrap();
    assert!(
        recorded
            .iter()
            .all(|recorded| matches!(recorded, Recorded::Kept { .. }))
    );
    let again = &claimed.attempts[0].delivery_id;
    let redelivered = store.redeliver(proof(), &act_at(at(32)), again).await;
    assert!(redelivered.unwrap().unwrap().is_ok());
    assert!(
        store
            .reseal_secret(proof(), &id, secret(1), secret(2))
            .await
            .unwrap()
    );
    let disable = EndpointPatch {
        state: Some(EndpointState::Disabled),
        ..EndpointPatch::default()
    };
    let changed = store
        .change_webhook_endpoint(
            &scope,
            &act,
            &id,
            Box::new(move |endpoint| endpoint.update(&disable, at(33))),
            None,
        )
        .await;
    assert_eq!(changed.unwrap().unwrap().state, EndpointState::Disabled);
    let removed = store.remove_webhook_endpoint(&scope, &act, &id).await;
    assert!(removed.unwrap());
    store.prune_deliveries(at(90_000), 100).await.unwrap();
    while store.fold_counts(at(90_000), 2).await.unwrap() > 0 {}
}

/// How often each thing was done, as the trail tells it.
async fn trail(store: &dyn Store) -> Vec<String> {
    let mut trail = Vec::new();
    let mut after = None;
    loop {
        let filter = AuditFilter::default();
        let limit = Limit::new(100).unwrap();
        let page = store.list_audit_events(proof(), &filter, after.as_ref(), limit);
        let page = page.await.unwrap();
        let actions = page.events.iter().map(|event| event.action.to_string());
        trail.extend(actions);
        after = page.next;
        if after.is_none() {
            trail.sort();
            return trail;
        }
    }
}

async fn every_write_survives(fault: Fault, attempts: u32) {
    let (calm, _) = world_with(fault, 0).await;
    write_everything(&calm).await;
    let (world, seen) = world_with(fault, attempts).await;
    write_everything(&world).await;
    assert_eq!(trail(&*world.store).await, trail(&*calm.store).await);
    let counts = world.store.count_profiles(proof()).await.unwrap();
    assert_eq!(counts, calm.store.count_profiles(proof()).await.unwrap());
    world.store.reset(proof()).await.unwrap();
    // Every place in the sources that runs a write is among those that were seen.
    let written = names_in_sources();
    let missing: Vec<_> = written
        .iter()
        .filter(|name| !seen.lock().contains(name.as_str()))
        .collect();
    assert!(missing.is_empty(), "never run: {missing:?}");
}

/// The methods of storage that write nothing; every other one must be tried with faults.
const READING: [&str; 42] = [
    "arrival",
    // Nothing to do on this backend, or nothing that is a transaction.
    "begin_bulk_load",
    "check",
    "close",
    "columns",
    "count",
    "count_literal_keys",
    "count_profiles",
    "due_expiries",
    "empty_log",
    "examine_profiles",
    "export_profiles",
    "find_by_reference",
    "find_credential",
    "find_delivery",
    "find_enrollment",
    "find_enrollment_url",
    "find_key",
    "find_organization",
    "find_profile",
    "find_session",
    "find_webhook_endpoint",
    "finish_bulk_load",
    "has_workspace",
    "list_audit_events",
    "list_deliveries",
    "list_enrollments",
    "list_keys",
    "list_organizations",
    "list_removals",
    "list_profiles",
    "list_sessions",
    "list_webhook_endpoints",
    "list_workspaces",
    "locate_action",
    "locate_profile",
    "locate_webhook_endpoint",
    "next_expiry",
    "ping",
    "rows",
    "size",
    "writable",
];

/// Those whose names say so.
fn only_reads(method: &str) -> bool {
    let more = ["registry_figures", "search_profiles", "lease_owner"];
    let endpoints = [
        "search_webhook_endpoints",
        "secrets_sealed_otherwise",
        "find_workspace",
    ];
    READING.contains(&method) || more.contains(&method) || endpoints.contains(&method)
}

/// The methods of all the traits that storage is the sum of, read from their sources.
fn methods_of_storage() -> BTreeSet<String> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    let mut methods = BTreeSet::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let code = std::fs::read_to_string(&path).unwrap();
            let found = code.split("    async fn ").skip(1);
            methods.extend(found.filter_map(|rest| Some(rest.split_once('(')?.0.to_owned())));
        }
    }
    assert!(methods.len() > 60, "{methods:?}");
    methods
}

#[test]
fn every_method_of_storage_reads_only_or_is_tried_with_faults() {
    let written = names_in_sources();
    let neither: Vec<_> = methods_of_storage()
        .into_iter()
        .filter(|method| !only_reads(method) && !written.contains(method))
        .collect();
    assert!(neither.is_empty(), "neither: {neither:?}");
    let both: Vec<_> = written.iter().filter(|name| only_reads(name)).collect();
    assert!(both.is_empty(), "said to read only, and written: {both:?}");
}

/// The names of all writes, read from the sources, so that a new one cannot be forgotten here.
fn names_in_sources() -> BTreeSet<String> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/src/postgres");
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let code = std::fs::read_to_string(&path).unwrap();
        for call in code.split(".run(").skip(1) {
            match call.trim_start().strip_prefix('"') {
                Some(name) => {
                    names.extend(name.split_once('"').map(|(name, _)| name.to_owned()));
                }
                // The function itself, run in its transaction.
                None => assert!(
                    call.starts_with("tx)"),
                    "a write without a name in {}",
                    path.display()
                ),
            }
        }
    }
    assert!(names.len() > 25, "{names:?}");
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conflict_on_every_write_is_tried_again() {
    every_write_survives(Fault::Conflict, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadlock_on_every_write_is_tried_again() {
    every_write_survives(Fault::Deadlock, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_ends_before_the_commit_is_tried_again() {
    every_write_survives(Fault::SessionEnded, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_applied_write_whose_answer_is_lost_is_not_applied_again() {
    every_write_survives(Fault::AnswerLost, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_whose_request_is_lost_is_applied_once() {
    every_write_survives(Fault::RequestLost, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conflicts_without_end_are_an_overload_and_store_nothing() {
    let (world, _) = world_with(Fault::Conflict, u32::MAX).await;
    let entry = export_audit(None, None);
    let refused = world
        .store
        .record(proof(), &act_at(at(1)), None, entry)
        .await;
    let overloaded = matches!(refused, Err(rollcall_store::StoreError::Unavailable(_)));
    assert!(overloaded, "{refused:?}");
    assert!(trail(&*world.store).await.is_empty());
}
