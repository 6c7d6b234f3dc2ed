//! The delivery worker: claims what is due, keeps attempts in flight, records what became of them.
//!
//! One loop does all of it, so that what piles up while it waits for the disk is handled at once: it
//! records every attempt that has ended, claims whatever may be claimed, and sleeps until a commit,
//! the end of an attempt, the next due time or a move of the clock wakes it. Attempts run beside it: those
//! that were claimed together for one endpoint are a task that begins them in the order of their events.
//! The store sees to it that none but a few are for the same endpoint.
//!
//! Nothing is lost with the worker: what it had claimed is claimed again when its lease ends, by
//! whatever worker looks first. Leases are short, so that a dead worker's places at an endpoint are soon
//! free for others, and renewed for as long as the attempt is under way.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::delivery::{Attempt, Outcome};
use rollcall_domain::id::{Chance as _, DeliveryId, SystemChance};
use rollcall_store::deliveries::{AttemptReport, Claim, ClaimedAttempt, DeliveryLease, Recorded};
use rollcall_store::{StoreError, Stored};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::sender::{Sender, Sent};
use super::{headers, signature, vault};
use crate::app::App;

/// How long a claim is this worker's unless it is renewed.
const LEASE: Duration = Duration::from_secs(8);
/// How often claims are renewed whose attempts are under way or not recorded yet.
const RENEW_EVERY: Duration = Duration::from_millis(2_500);
/// How far the clocks of nodes may be apart; what ends later than any wait and this was begun before the
/// clock was set back.
const CLOCKS_APART: Duration = Duration::from_mins(1);
/// The longest sleep. Other nodes' commits do not wake this worker, and a node may die with its own.
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_secs(5);
/// How long a round is after the one before at the least, so that a steady flow of events is claimed and
/// recorded several at a time. An event that comes after a pause does not wait.
const GATHER: Duration = Duration::from_millis(20);
/// The wait before storage that failed is asked again.
const STORAGE_WAIT: Duration = Duration::from_secs(1);
/// How often recording is tried once the server is on its way out.
const LAST_TRIES: u32 = 3;

/// Delivers until `shutdown` is cancelled, then waits for what is in flight and records it.
pub(crate) async fn run(app: Arc<App>, shutdown: CancellationToken) {
    let sender = match Sender::new(&app.settings.webhooks) {
        Ok(sender) => sender,
        Err(error) => {
            tracing::error!(%error, "webhooks cannot be delivered");
            return;
        }
    };
    if let Err(error) = seal_anew(&app).await {
        app.tell_of_failure("sealing signing secrets anew", &error);
    }
    let (reporter, reports) = mpsc::unbounded_channel();
    let worker = Worker {
        owner: new_owner(),
        sender,
        room: Arc::new(Semaphore::new(app.settings.webhooks.most_in_flight)),
        app,
        under_way: JoinSet::new(),
        reporter,
        reports,
        ended: Vec::new(),
        held: HashMap::new(),
        renewed_at: Instant::now(),
        gathered_at: Instant::now(),
    };
    worker.run(&shutdown).await;
}

struct Worker {
    app: Arc<App>,
    sender: Sender,
    owner: String,
    /// Of which each attempt in flight takes a part.
    room: Arc<Semaphore>,
    under_way: JoinSet<()>,
    reporter: mpsc::UnboundedSender<AttemptReport>,
    reports: mpsc::UnboundedReceiver<AttemptReport>,
    /// To be recorded.
    ended: Vec<AttemptReport>,
    /// What is under way or to be recorded: under which number, and in which task.
    held: HashMap<DeliveryId, (i64, tokio::task::Id)>,
    /// When leases were last renewed.
    renewed_at: Instant,
    /// When the next round may begin.
    gathered_at: Instant,
}

impl Worker {
    async fn run(mut self, shutdown: &CancellationToken) {
        let app = Arc::clone(&self.app);
        loop {
            tokio::select! {
                () = sleep_until(self.gathered_at) => {}
                () = shutdown.cancelled() => {}
            }
            self.note_what_ended();
            let recorded = self.record().await;
            self.renew().await;
            if shutdown.is_cancelled() {
                return self.drain().await;
            }
            let wait = match recorded {
                Ok(()) => self.claim().await,
                Err(error) => Err(error),
            };
            let wait = wait.unwrap_or_else(|error| {
                self.app.tell_of_failure("webhook deliveries", &error);
                STORAGE_WAIT
            });
            // What was announced while this loop was busy ends the wait at once.
            tokio::select! {
                Some(ended) = self.reports.recv() => self.ended.push(ended),
                () = app.store.deliveries_added().notified() => {}
                () = app.deliveries_due.notified() => {}
                () = shutdown.cancelled() => {}
                () = sleep(wait) => {}
                () = sleep_until(self.renewed_at + RENEW_EVERY), if !self.held.is_empty() => {}
            }
        }
    }

    async fn drain(mut self) {
        while !self.under_way.is_empty() {
            tokio::select! {
                _ = self.under_way.join_next() => {}
                () = sleep_until(self.renewed_at + RENEW_EVERY) => self.renew().await,
            }
        }
        self.note_what_ended();
        for _ in 0..LAST_TRIES {
            match self.record().await {
                Ok(()) => return,
                Err(error) => self
                    .app
                    .tell_of_failure("recording webhook attempts", &error),
            }
            sleep(STORAGE_WAIT).await;
        }
    }

    fn note_what_ended(&mut self) {
        while let Ok(report) = self.reports.try_recv() {
            self.ended.push(report);
        }
        while let Some(ended) = self.under_way.try_join_next() {
            if let Err(error) = ended {
                // Its deliveries stay claimed: under another name the leases on them run out.
                tracing::error!(%error, "attempts of a webhook ended without a report");
                self.owner = new_owner();
                self.held.retain(|_, (_, task)| *task != error.id());
            }
        }
        self.show_in_flight();
    }

    /// Records every attempt that has ended.
    async fn record(&mut self) -> Stored<()> {
        if self.ended.is_empty() {
            return Ok(());
        }
        match self.app.store.record_attempts(self.ended.clone()).await {
            Ok(recorded) => {
                for (report, recorded) in self.ended.iter().zip(recorded) {
                    self.show(report, recorded);
                }
                for report in self.ended.drain(..) {
                    self.held.remove(&report.delivery_id);
                }
                Ok(())
            }
            // Something is wrong with one of them; the others need not wait for it.
            Err(StoreError::Failed(_)) => {
                for report in std::mem::take(&mut self.ended) {
                    let recorded = self.app.store.record_attempts(vec![report.clone()]).await;
                    match recorded.as_deref() {
                        Ok([recorded]) => self.show(&report, *recorded),
                        Ok(_) => {}
                        Err(error) => self
                            .app
                            .tell_of_failure("recording a webhook attempt", error),
                    }
                    self.held.remove(&report.delivery_id);
                }
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Renews the leases on what is under way, when it is time.
    async fn renew(&mut self) {
        if self.held.is_empty() || self.renewed_at.elapsed() < RENEW_EVERY {
            return;
        }
        self.renewed_at = Instant::now();
        let held = self.held.iter();
        let leases = held.map(|(delivery_id, (fence, _))| DeliveryLease {
            delivery_id: delivery_id.clone(),
            fence: *fence,
        });
        let until = self.app.clock.now().saturating_add(LEASE);
        let renewed = self.app.store.renew_leases(leases.collect(), until).await;
        if let Err(error) = renewed {
            self.app
                .tell_of_failure("renewing the leases of webhook deliveries", &error);
        }
    }

    fn show(&self, report: &AttemptReport, recorded: Recorded) {
        let delivery = &report.delivery_id;
        match recorded {
            Recorded::Stale => tracing::warn!(%delivery, "an attempt was recorded too late"),
            Recorded::Kept { status, disabled } => {
                tracing::debug!(%delivery, %status, "attempted a webhook delivery");
                if let Some(reason) = disabled {
                    self.app.metrics.record_disabled_endpoint(reason.as_str());
                    tracing::warn!(%delivery, %reason, "disabled a webhook endpoint");
                }
            }
        }
    }

    /// Claims what may be claimed and begins it; answers with how long nothing more will be due, as
    /// far as this node knows.
    async fn claim(&mut self) -> Stored<Duration> {
        let limit = self.room.available_permits();
        if limit == 0 {
            return Ok(LOOK_AT_LEAST_EVERY);
        }
        let now = self.app.clock.now();
        let schedule = &self.app.settings.webhooks.schedule;
        let claim = Claim {
            owner: self.owner.clone(),
            now,
            lease_until: now.saturating_add(LEASE),
            latest: now.saturating_add(schedule.longest_wait().max(LEASE) + CLOCKS_APART),
            limit,
        };
        let claimed = match self.app.store.claim_deliveries(claim).await {
            Ok(claimed) => claimed,
            Err(error) => {
                // Perhaps something was claimed and the answer lost.
                self.owner = new_owner();
                return Err(error);
            }
        };
        // Where an endpoint has all it may, room for more is not kept waiting.
        self.gathered_at = Instant::now() + if claimed.full { Duration::ZERO } else { GATHER };
        self.begin(claimed.attempts);
        let wait = claimed.next.map(|next| next.since(self.app.clock.now()));
        let wait = wait.unwrap_or(LOOK_AT_LEAST_EVERY);
        Ok(wait.clamp(Duration::from_millis(1), LOOK_AT_LEAST_EVERY))
    }

    /// Begins attempts, of which those for one endpoint stand together.
    fn begin(&mut self, attempts: Vec<ClaimedAttempt>) {
        let mut left = attempts.into_iter().peekable();
        while let Some(first) = left.next() {
            let endpoint_id = first.endpoint_id.clone();
            let mut attempts = vec![self.attempting(first)];
            while let Some(next) = left.next_if(|next| next.endpoint_id == endpoint_id) {
                attempts.push(self.attempting(next));
            }
            if self.held.is_empty() {
                self.renewed_at = Instant::now();
            }
            let claimed = attempts.iter().map(|attempting| &attempting.claimed);
            let held: Vec<_> = claimed
                .map(|claimed| (claimed.delivery_id.clone(), claimed.fence))
                .collect();
            let batch = Batch {
                app: Arc::clone(&self.app),
                sender: self.sender.clone(),
                owner: self.owner.clone(),
                reporter: self.reporter.clone(),
            };
            let task = self.under_way.spawn(batch.make(attempts)).id();
            let held = held.into_iter().map(|(id, fence)| (id, (fence, task)));
            self.held.extend(held);
        }
        self.show_in_flight();
    }

    fn attempting(&self, claimed: ClaimedAttempt) -> Attempting {
        Attempting {
            claimed,
            room: Arc::clone(&self.room).try_acquire_owned().ok(),
        }
    }

    fn show_in_flight(&self) {
        let most = self.app.settings.webhooks.most_in_flight;
        let in_flight = most.saturating_sub(self.room.available_permits());
        self.app.metrics.set_attempts_in_flight(in_flight);
    }
}

/// An attempt that is about to be made, and the room it takes.
struct Attempting {
    claimed: ClaimedAttempt,
    room: Option<OwnedSemaphorePermit>,
}

/// What attempts are made with that were claimed together for one endpoint.
struct Batch {
    app: Arc<App>,
    sender: Sender,
    owner: String,
    reporter: mpsc::UnboundedSender<AttemptReport>,
}

impl Batch {
    /// Makes the attempts beside each other, and reports each one when it has ended.
    async fn make(self, attempts: Vec<Attempting>) {
        let attempts = attempts.into_iter().map(async |attempting| {
            let Attempting { claimed, room } = attempting;
            let report = make(&self.app, &self.sender, &self.owner, claimed).await;
            drop(room);
            // The worker is there for as long as anything is under way.
            let _ = self.reporter.send(report);
        });
        // Each is begun as far as its first wait before the one after it.
        join_all(attempts).await;
    }
}

/// A name that no other worker has.
fn new_owner() -> String {
    let mut random = [0; 8];
    SystemChance.fill(&mut random);
    format!("{:016x}", u64::from_be_bytes(random))
}

/// Makes one attempt and says what it comes to.
async fn make(app: &App, sender: &Sender, owner: &str, claimed: ClaimedAttempt) -> AttemptReport {
    let settings = &app.settings.webhooks;
    let at = app.clock.now();
    if claimed.number == 1 {
        app.metrics
            .record_delivery_lag(at.since(claimed.created_at));
    }
    let sent = match settings.vault.open(&claimed.endpoint_id, &claimed.secret) {
        Ok(key) => {
            let event_id = claimed.event_id.as_str();
            let mut headers = headers(event_id, at);
            headers.push(signature(&key, event_id, at, &claimed.body));
            sender.send(&claimed.url, &headers, claimed.body).await
        }
        Err(error) => {
            tracing::error!(endpoint = %claimed.endpoint_id, %error, "a webhook cannot be signed");
            Sent {
                status_code: None,
                error: Some(error.to_string()),
                answer: None,
                outcome: Outcome::Failed,
                took: Duration::ZERO,
            }
        }
    };
    app.metrics.record_attempt(sent.outcome, sent.took);
    let now = app.clock.now();
    AttemptReport {
        delivery_id: claimed.delivery_id,
        owner: owner.to_owned(),
        fence: claimed.fence,
        retry_at: retry_at(app, claimed.number, now),
        attempt: Attempt {
            at,
            status_code: sent.status_code,
            latency_ms: u64::try_from(sent.took.as_millis()).unwrap_or(u64::MAX),
            error: sent.error,
            answer: sent.answer,
        },
        outcome: sent.outcome,
        now,
        disable_after: settings.disable_after,
    }
}

fn retry_at(app: &App, attempt: u32, now: Timestamp) -> Option<Timestamp> {
    let mut draw = [0; 4];
    SystemChance.fill(&mut draw);
    let schedule = &app.settings.webhooks.schedule;
    let wait = schedule.wait_after(attempt, u32::from_be_bytes(draw))?;
    Some(now.saturating_add(wait))
}

/// Seals what an earlier key sealed with the current one, so that the earlier one can be taken out of
/// the settings.
async fn seal_anew(app: &App) -> Stored<()> {
    let done = vault::seal_anew(&*app.store, &app.settings.webhooks.vault).await?;
    for (id, error) in done.unopened {
        tracing::error!(
            endpoint = %id, %error,
            "events for this endpoint cannot be signed; set the key again, or regenerate its signing secret"
        );
    }
    Ok(())
}
