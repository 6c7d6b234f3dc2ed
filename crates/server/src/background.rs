//! What happens without being asked: expiries are recorded, webhooks delivered, old URLs and deliveries
//! forgotten, counts folded, last uses stored, idle development tenants dropped.
//!
//! Nothing depends on these tasks being punctual for an answer to be right: an expired action is closed
//! on every read, an expired URL opens nothing. They make the facts permanent, and the events follow.
//!
//! Where several nodes share storage, one of them sweeps and prunes for all (`duty`).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rollcall_domain::audit::{Act, Actor};
use rollcall_domain::id::{OrganizationId, ProfileId};
use rollcall_domain::tenant::OperatorProof;
use rollcall_store::{StoreError, Stored};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::duty::CLAIM_EVERY;
use crate::removal;
use crate::webhooks::worker;

/// How often keys' last uses are stored.
const STORE_USES_EVERY: Duration = Duration::from_secs(30);

/// How often expired URLs and old deliveries are forgotten.
const PRUNE_EVERY: Duration = Duration::from_mins(10);

/// How often the log of what was written lately is emptied.
const EMPTY_LOG_EVERY: Duration = Duration::from_mins(10);

/// How often ends of tenancies are looked for that broke off.
const FINISH_REMOVALS_EVERY: Duration = Duration::from_secs(10);

/// How many deliveries are forgotten at a time, and the pause before the next ones.
const PRUNE_BATCH: usize = 500;
const PRUNE_PAUSE: Duration = Duration::from_millis(100);

/// How often the counts of days that are over are folded, and how many rows at a time.
const FOLD_EVERY: Duration = Duration::from_mins(1);
const FOLD_BATCH: usize = 2_000;

/// How long an expired URL is kept, so that whoever opens it late is told that it expired (410) and
/// not that it never was (404).
const KEEP_EXPIRED_URLS: Duration = Duration::from_hours(24);

/// The longest sleep of the sweeper. Other instances open actions too, and do not wake this one.
const SWEEP_AT_LEAST_EVERY: Duration = Duration::from_secs(1);

/// How many expiries are swept at a time.
const SWEEP_BATCH: usize = 500;

/// How long a profile whose expiries cannot be recorded is left alone.
const SET_ASIDE_FOR: Duration = Duration::from_mins(10);

/// The profiles that are left alone, and since when.
type SetAside = HashMap<ProfileId, Instant>;

/// The running tasks.
#[derive(Debug)]
pub struct Background {
    tasks: JoinSet<()>,
}

/// Starts the tasks; they end with `shutdown`.
pub fn start(app: &Arc<App>, shutdown: &CancellationToken) -> Background {
    let mut tasks = JoinSet::new();
    tasks.spawn(until(
        shutdown.clone(),
        hold_duty(Arc::clone(app), shutdown.clone()),
    ));
    tasks.spawn(until(shutdown.clone(), sweep_expiries(Arc::clone(app))));
    tasks.spawn(until(shutdown.clone(), prune_urls(Arc::clone(app))));
    tasks.spawn(until(shutdown.clone(), prune_deliveries(Arc::clone(app))));
    tasks.spawn(until(shutdown.clone(), fold_counts(Arc::clone(app))));
    tasks.spawn(until(shutdown.clone(), empty_log(Arc::clone(app))));
    tasks.spawn(until(shutdown.clone(), finish_removals(Arc::clone(app))));
    // It ends by itself: what is in flight is waited for.
    tasks.spawn(worker::run(Arc::clone(app), shutdown.clone()));
    tasks.spawn(until(
        shutdown.clone(),
        store_uses_regularly(Arc::clone(app)),
    ));
    if app.development.is_some() {
        tasks.spawn(until(shutdown.clone(), drop_idle_tenants(Arc::clone(app))));
    }
    Background { tasks }
}

impl Background {
    /// Waits for the tasks to end and stores what they would have stored next.
    pub async fn finish(mut self, app: &App) {
        while self.tasks.join_next().await.is_some() {}
        if let Err(error) = app.duty.give_up(&*app.store).await {
            app.tell_of_failure("giving the lease up", &error);
        }
        store_uses(app).await;
    }
}

/// The task, given up when the shutdown begins.
async fn until(shutdown: CancellationToken, task: impl Future<Output = ()> + Send) {
    // Cancelled or ended, it is over.
    let _ = shutdown.run_until_cancelled(task).await;
}

/// Holds the duty whenever no other node does. The server ends when a transfer has it: what it went on writing
/// would be missing on the other side.
async fn hold_duty(app: Arc<App>, shutdown: CancellationToken) {
    let Some(owner) = app.duty.owner() else {
        return;
    };
    loop {
        match app.duty.claim(&*app.store, owner).await {
            Ok(false) => {}
            Ok(true) => {
                tracing::error!(
                    "a transfer is reading or filling this database; this server ends, start it again after that"
                );
                shutdown.cancel();
                return;
            }
            Err(error) => app.tell_of_failure("claiming the lease", &error),
        }
        sleep(CLAIM_EVERY).await;
    }
}

/// Records the end of each enforcement action within a second of its expiry.
async fn sweep_expiries(app: Arc<App>) {
    let mut set_aside = SetAside::new();
    loop {
        app.duty.ours().await;
        let wait = match sweep_once(&app, &mut set_aside).await {
            Ok(wait) => wait,
            Err(error) => {
                app.tell_of_failure("sweeper", &error);
                SWEEP_AT_LEAST_EVERY
            }
        };
        // A notice that came while sweeping is kept and ends the sleep at once.
        tokio::select! {
            () = app.sweep_due.notified() => {}
            () = sleep(wait) => {}
        }
    }
}

/// Sweeps what is due and says how long nothing will be, as far as this instance knows.
async fn sweep_once(app: &App, set_aside: &mut SetAside) -> Stored<Duration> {
    let proof = OperatorProof::of_storage_access();
    let now = app.clock.now();
    set_aside.retain(|_, since| since.elapsed() < SET_ASIDE_FOR);
    let mut after = None;
    loop {
        let due = app
            .store
            .due_expiries(proof, after.as_ref(), now, SWEEP_BATCH);
        let due = due.await?;
        for expiry in &due {
            let (organization_id, id) = (&expiry.organization_id, &expiry.profile_id);
            if set_aside.contains_key(id) {
                continue;
            }
            match record_expiries(app, proof, organization_id, id).await {
                // It is this profile's trouble, and nobody else has to wait for it.
                Err(error @ StoreError::Failed(_)) => {
                    app.tell_of_damage(organization_id, id, &error);
                    set_aside.insert(id.clone(), Instant::now());
                }
                recorded => recorded?,
            }
        }
        if due.len() < SWEEP_BATCH || !app.duty.is_ours() {
            break;
        }
        after = due.last().cloned();
    }
    let next = app.store.next_expiry(proof, now).await?;
    let wait = next.map_or(SWEEP_AT_LEAST_EVERY, |next| next.since(app.clock.now()));
    Ok(wait.clamp(Duration::from_millis(10), SWEEP_AT_LEAST_EVERY))
}

async fn record_expiries(
    app: &App,
    proof: OperatorProof,
    organization_id: &OrganizationId,
    profile_id: &ProfileId,
) -> Stored<()> {
    let scope = proof.choose(organization_id.clone());
    let now = app.clock.now();
    let act = Act {
        actor: Actor::system("sweeper"),
        at: now,
    };
    let decide = Box::new(move |profile: &_| {
        let profile: &rollcall_domain::profile::Profile = profile;
        Ok(profile.expire_actions(now))
    });
    // Whether it was still there and still due is no concern of anyone's.
    app.store
        .change_profile(&scope, &act, profile_id, decide)
        .await
        .map(drop)
}

async fn prune_urls(app: Arc<App>) {
    loop {
        app.duty.ours().await;
        let before = app.clock.now().saturating_sub(KEEP_EXPIRED_URLS);
        match app.store.prune_enrollment_urls(before).await {
            Ok(0) => {}
            Ok(pruned) => tracing::debug!(pruned, "forgot expired enrollment URLs"),
            Err(error) => app.tell_of_failure("pruning", &error),
        }
        sleep(PRUNE_EVERY).await;
    }
}

async fn prune_deliveries(app: Arc<App>) {
    loop {
        app.duty.ours().await;
        let before = app
            .clock
            .now()
            .saturating_sub(app.settings.webhooks.retention);
        match app.store.prune_deliveries(before, PRUNE_BATCH).await {
            // More of the same may be left; the pause lets other writes through.
            Ok(pruned) if pruned >= PRUNE_BATCH as u64 => sleep(PRUNE_PAUSE).await,
            Ok(pruned) => {
                if pruned > 0 {
                    tracing::debug!(pruned, "forgot old webhook deliveries and events");
                }
                sleep(PRUNE_EVERY).await;
            }
            Err(error) => {
                app.tell_of_failure("pruning deliveries", &error);
                sleep(PRUNE_EVERY).await;
            }
        }
    }
}

/// Keeps an overview quick: what is counted of days that are over is drawn together.
async fn fold_counts(app: Arc<App>) {
    loop {
        app.duty.ours().await;
        match app.store.fold_counts(app.clock.now(), FOLD_BATCH).await {
            Ok(0) => sleep(FOLD_EVERY).await,
            // More is left, at least to look for; the pause lets other writes through.
            Ok(_) => sleep(PRUNE_PAUSE).await,
            Err(error) => {
                app.tell_of_failure("folding counts", &error);
                sleep(FOLD_EVERY).await;
            }
        }
    }
}

/// Goes on with ends of tenancies that broke off.
async fn finish_removals(app: Arc<App>) {
    let proof = OperatorProof::of_storage_access();
    loop {
        app.duty.ours().await;
        match app.store.list_removals(proof).await {
            Ok(begun) => {
                for id in begun {
                    // One that cannot be gone on with holds up no other.
                    if let Err(error) = removal::go_on(&*app.store, &*app.clock, &id).await {
                        app.tell_of_failure("the end of a tenancy", &error);
                    }
                }
            }
            Err(error) => app.tell_of_failure("ends of tenancies", &error),
        }
        sleep(FINISH_REMOVALS_EVERY).await;
    }
}

/// Sees to it that what was removed does not stay in the log.
async fn empty_log(app: Arc<App>) {
    loop {
        sleep(EMPTY_LOG_EVERY).await;
        match app.store.empty_log().await {
            Ok(true) => {}
            Ok(false) => tracing::debug!("the log is being read and could not be emptied"),
            Err(error) => app.tell_of_failure("emptying the log", &error),
        }
    }
}

async fn store_uses_regularly(app: Arc<App>) {
    loop {
        sleep(STORE_USES_EVERY).await;
        store_uses(&app).await;
    }
}

/// A use that cannot be stored is lost; the next one is as good.
async fn store_uses(app: &App) {
    let uses = app.credentials.take_uses();
    if !uses.is_empty()
        && let Err(error) = app.store.touch_keys(uses).await
    {
        app.tell_of_failure("last uses", &error);
    }
}

async fn drop_idle_tenants(app: Arc<App>) {
    let Some(tenants) = app.development.as_ref().and_then(|it| it.tenants.as_ref()) else {
        return;
    };
    loop {
        sleep(tenants.look_every()).await;
        if let Err(error) = tenants
            .drop_idle(&*app.store, &*app.clock, &app.credentials)
            .await
        {
            app.tell_of_failure("idle tenants", &error);
        }
    }
}
