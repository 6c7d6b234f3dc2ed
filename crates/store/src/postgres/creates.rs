//! Creates, together: whatever waits when a turn begins is one transaction.
//!
//! A transaction costs the database, and the network, much the same however many profiles it stores, so throughput
//! grows with the number of clients. No timer gathers them: a create that finds a turn free is sent at once,
//! alone, and others meet while the turns are taken.
//!
//! - **Answers** come after the commit. When nobody knows what became of it, and no look can be had, that is what
//!   all are told ([`super::transaction`]).
//! - **One that fails, fails alone.** A transaction fails as a whole here, so what failed for a reason that may lie
//!   in one of its creates is run again in two parts, until one is left with its reason. None of them waits long
//!   for a lock together with others: who must wait is soon alone.
//! - **Who waits has a deadline**, the one for a connection to become free; who has gone away is left out.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rollcall_domain::audit::Act;
use rollcall_domain::decision::Decided;
use rollcall_domain::id::{AuditEventId, Ids, OrganizationId};
use rollcall_domain::profile::Profile;
use rollcall_domain::tenant::OrganizationScope;
use rollcall_record::document::ProfileDocument;
use tokio::sync::oneshot;

use super::commit::Keep;
use super::inserts::Insert;
use super::profile_rows::{count, count_figures, insert, open_actions, slot};
use super::transaction::Tx;
use super::trouble::Trouble;
use super::value::values;
use super::writer::Writer;
use crate::columns::day;
use crate::{StoreError, Stored};

/// How many transactions are under way at once: one is made ready while the other is flushed.
const TURNS: usize = 2;
/// How many may wait; beyond that the server says that it is overloaded.
const MOST_WAITING: usize = 8_192;
/// How many one transaction may hold.
const MOST_TOGETHER: usize = 256;
/// How long several wait together for what another transaction has locked.
const TOGETHER_AT_A_LOCK: Duration = Duration::from_millis(500);

/// A profile to be stored, the same for each attempt.
pub(super) struct Create {
    organization: OrganizationId,
    act: Act,
    mark: AuditEventId,
    decided: Decided<Profile>,
    document: ProfileDocument,
}

impl Create {
    pub(super) fn new(
        ids: &Ids,
        scope: &OrganizationScope,
        act: &Act,
        decided: Decided<Profile>,
    ) -> Self {
        Self {
            organization: scope.organization_id().clone(),
            act: act.clone(),
            mark: ids.audit_event(act.at),
            document: ProfileDocument::encode(&decided.value),
            decided,
        }
    }

    pub(super) fn organization(&self) -> &OrganizationId {
        &self.organization
    }

    /// Stores it alone.
    pub(super) async fn store(&self, tx: &mut Tx, ids: &Ids) -> Result<ProfileDocument, Trouble> {
        store(tx, ids, &[self]).await?;
        Ok(self.document.clone())
    }

    fn keep<'a>(&'a self, ids: &'a Ids) -> Keep<'a> {
        Keep::marked(ids, &self.act, self.mark.clone())
    }
}

/// Whether the organization is there, the audit entry finds out.
static ID: Insert = Insert {
    one: "INSERT INTO profile_ids (id, organization) VALUES ($1, $2)",
    many: "INSERT INTO profile_ids (id, organization) \
        SELECT * FROM unnest($1::text[], $2::text[])",
};

/// Stores profiles, all of them or none.
async fn store(tx: &mut Tx, ids: &Ids, creates: &[&Create]) -> Result<(), Trouble> {
    // Where the first one's mark is, an earlier attempt has stored all.
    if let Some(first) = creates.first() {
        first.keep(ids).unless_applied(tx).await?;
    }
    // In the order of their keys, so that two transactions do not lock each other out.
    let mut figures: BTreeMap<&str, i64> = BTreeMap::new();
    let mut counts: BTreeMap<(&str, i64), i64> = BTreeMap::new();
    for create in creates {
        let (profile, owner) = (&create.decided.value, create.organization.as_str());
        tx.insert(&ID, values![profile.id.as_str(), owner]);
        insert(tx, owner, profile, &create.document);
        let keep = create.keep(ids);
        let events = keep.events(tx, &create.organization, &create.decided.events);
        events.await?;
        keep.audit(tx, owner, &create.decided.audit);
        *figures.entry(owner).or_default() += open_actions(profile);
        *counts.entry((owner, day(profile.created_at))).or_default() += 1;
    }
    for (organization, open_actions) in figures {
        count_figures(tx, organization, open_actions, 0);
    }
    let slot = slot();
    for ((organization, day), profiles) in counts {
        count(tx, organization, day, slot, profiles);
    }
    Ok(())
}

/// The creates that wait, and the turns that are taken.
pub(super) struct Creates {
    writer: Arc<Writer>,
    ids: Arc<Ids>,
    /// How long one may wait for a turn.
    wait: Duration,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    next: u64,
    turns: usize,
}

/// A create and who waits for it.
struct Waiting {
    number: u64,
    create: Create,
    answer: oneshot::Sender<Stored<ProfileDocument>>,
}

/// A turn that is taken, for as long as this lives.
struct Turn(Arc<Creates>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.queue.lock().turns -= 1;
        self.0.begin();
    }
}

impl Creates {
    pub(super) fn new(writer: &Arc<Writer>, ids: &Arc<Ids>, wait: Duration) -> Self {
        Self {
            writer: Arc::clone(writer),
            ids: Arc::clone(ids),
            wait,
            queue: Mutex::default(),
        }
    }

    /// How many wait for a turn.
    pub(super) fn waiting(&self) -> usize {
        self.queue.lock().waiting.len()
    }

    /// Stores a profile, together with those that wait, and answers once it is committed.
    pub(super) async fn add(self: &Arc<Self>, create: Create) -> Stored<ProfileDocument> {
        let (answer, mut answered) = oneshot::channel();
        let number = self.queue(create, answer)?;
        self.begin();
        let outcome = match tokio::time::timeout(self.wait, &mut answered).await {
            Ok(outcome) => outcome,
            Err(_) if self.take_back(number) => {
                let wait = self.wait;
                return Err(StoreError::Unavailable(format!(
                    "no turn to write came within {wait:?}"
                )));
            }
            Err(_) => answered.await,
        };
        outcome.unwrap_or_else(|_| {
            Err(StoreError::OutcomeUnknown(
                "a write ended before it was answered".into(),
            ))
        })
    }

    fn queue(
        &self,
        create: Create,
        answer: oneshot::Sender<Stored<ProfileDocument>>,
    ) -> Stored<u64> {
        let mut queue = self.queue.lock();
        if queue.waiting.len() >= MOST_WAITING {
            return Err(StoreError::Unavailable("the write queue is full".into()));
        }
        let number = queue.next;
        queue.next += 1;
        queue.waiting.push_back(Waiting {
            number,
            create,
            answer,
        });
        Ok(number)
    }

    /// Whether one that waited is nobody's any more, and will not be stored.
    fn take_back(&self, number: u64) -> bool {
        let waiting = &mut self.queue.lock().waiting;
        let found = waiting.binary_search_by_key(&number, |waiting| waiting.number);
        found.is_ok_and(|at| waiting.remove(at).is_some())
    }

    /// Begins as many turns as there are free, for whatever waits. They go on without those who asked.
    fn begin(self: &Arc<Self>) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        while let Some(batch) = self.next_batch() {
            let turn = Turn(Arc::clone(self));
            runtime.spawn(Arc::clone(self).store(batch, Some(turn)));
        }
    }

    /// What the next turn is for, which is then taken.
    fn next_batch(&self) -> Option<Vec<Waiting>> {
        let mut queue = self.queue.lock();
        if queue.turns == TURNS {
            return None;
        }
        let mut batch = Vec::new();
        while batch.len() < MOST_TOGETHER
            && let Some(next) = queue.waiting.pop_front()
        {
            // Who has gone away has nobody to be told.
            if !next.answer.is_closed() {
                batch.push(next);
            }
        }
        if batch.is_empty() {
            return None;
        }
        queue.turns += 1;
        Some(batch)
    }

    /// Stores these and answers, those that do not go together in parts.
    fn store(
        self: Arc<Self>,
        batch: Vec<Waiting>,
        turn: Option<Turn>,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let together = batch.len();
            let batch = (&*self.ids, batch);
            let stored = self
                .writer
                .run("insert_profile", &batch, |tx, (ids, batch)| {
                    if batch.len() > 1 {
                        tx.is_of_calls(batch.len(), TOGETHER_AT_A_LOCK);
                    }
                    let creates: Vec<_> = batch.iter().map(|waiting| &waiting.create).collect();
                    Box::pin(async move { store(tx, ids, &creates).await })
                });
            let stored = stored.await;
            let (_, mut batch) = batch;
            match stored {
                Ok(()) => {
                    for waiting in batch {
                        // Whoever asked may have gone away; the profile stays all the same.
                        let _ = waiting.answer.send(Ok(waiting.create.document));
                    }
                }
                Err(ended) if together > 1 && ended.is_of_one() => {
                    tracing::debug!(?ended, together, "tried in two parts");
                    // The turn of others does not wait for it.
                    drop(turn);
                    let rest = batch.split_off(together / 2);
                    let parts = [batch, rest].map(|part| Arc::clone(&self).store(part, None));
                    futures_util::future::join_all(parts).await;
                }
                Err(ended) => {
                    let error = StoreError::from(ended);
                    for waiting in batch {
                        let _ = waiting.answer.send(Err(error.clone()));
                    }
                }
            }
        })
    }
}
