//! The one writer: every change goes through its thread, and whatever is queued when a commit ends is
//! committed together (group commit).
//!
//! A commit costs one flush of the disk however many decisions it holds, so throughput grows with the
//! number of clients instead of falling. A decision that fails or panics is rolled back alone, and is
//! answered only after the commit that settles the others. Few do, since to refuse is no failure; so only a
//! batch that holds one is rolled back as a whole, and run again with a savepoint for each, which costs a copy
//! of every page that it touches.
//! What decisions count is written once for all of them ([`Writing`]).

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rollcall_domain::clock::Timestamp;
use rusqlite::ffi::SQLITE_IOERR_WRITE;
use rusqlite::{Connection, ErrorCode};
use tokio::sync::{mpsc, oneshot};

use super::checkpoint::Checkpoints;
use super::migrate::touch;
use super::readers::Readers;
use super::rows::day;
use super::{failed, profile_rows};
use crate::check::{BATCH_CLASSES, WriteFigures, batch_class};
use crate::writability::Writability;
use crate::{StoreError, Stored};

/// How many decisions may wait; beyond that the server says that it is overloaded.
const QUEUE_LENGTH: usize = 8_192;
/// How many decisions one commit may hold, so that none waits behind an endless batch.
const BATCH_LENGTH: usize = 1_024;

/// The transaction that decisions are made in, with what they count. All creates of an organization count on the same
/// two rows, which would otherwise be found, copied for the savepoint and written again by each.
pub(super) struct Writing<'a> {
    connection: &'a Connection,
    counts: RefCell<Vec<Count>>,
}

/// So many profiles more, of an organization's number and the day of their creation.
type Count = ((i64, i64), i64);

impl Deref for Writing<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

impl Writing<'_> {
    /// Counts `change` profiles more; written before the commit.
    pub(super) fn count(&self, organization: i64, created_at: Timestamp, change: i64) {
        let key = (organization, day(created_at));
        self.counts.borrow_mut().push((key, change));
    }

    /// Takes back whatever was counted until now, by whomever: of all that nothing is left.
    pub(super) fn uncount(&self) {
        let mut counts = self.counts.borrow_mut();
        let taken_back: Vec<Count> = counts.iter().map(|(key, change)| (*key, -change)).collect();
        // Not emptied, since this may itself be rolled back to where it began.
        counts.extend(taken_back);
    }

    /// Runs `work`, and takes back whatever it wrote and counted if it panics, and unless `keeps` says otherwise of
    /// what came of it. After an error the transaction must not be committed.
    pub(super) fn attempt<T>(
        &self,
        work: impl FnOnce(&Self) -> T,
        keeps: impl FnOnce(&T) -> bool,
    ) -> rusqlite::Result<T> {
        let counted = self.counts.borrow().len();
        execute(self, "SAVEPOINT attempt")?;
        let outcome = catch_unwind(AssertUnwindSafe(|| work(self)));
        if !outcome.as_ref().is_ok_and(keeps) {
            self.counts.borrow_mut().truncate(counted);
            execute(self, "ROLLBACK TO attempt")?;
        }
        execute(self, "RELEASE attempt")?;
        Ok(outcome.unwrap_or_else(|panic| resume_unwind(panic)))
    }

    fn write_counts(&self) -> Stored<()> {
        let mut sums = BTreeMap::new();
        for (key, change) in self.counts.take() {
            *sums.entry(key).or_insert(0) += change;
        }
        for ((organization, day), change) in sums.into_iter().filter(|(_, change)| *change != 0) {
            profile_rows::count(self, organization, day, change)?;
        }
        Ok(())
    }
}

/// A decision on its way to the disk.
trait Job: Send {
    /// Runs inside the batch's transaction, a second time where that was rolled back; answers whether it is done.
    fn run(&mut self, writing: &Writing<'_>) -> bool;
    /// Answers whoever waits, once the batch is settled.
    fn answer(self: Box<Self>, batch: Result<(), StoreError>);
}

struct Pending<T, F> {
    work: F,
    result: Option<Stored<T>>,
    reply: oneshot::Sender<Stored<T>>,
}

impl<T, F> Job for Pending<T, F>
where
    T: Send,
    F: FnMut(&Writing<'_>) -> Stored<T> + Send,
{
    fn run(&mut self, writing: &Writing<'_>) -> bool {
        let result = catch_unwind(AssertUnwindSafe(|| (self.work)(writing)));
        let result = result.unwrap_or_else(|panic| {
            let text = format!("a write panicked: {}", text(&*panic));
            Err(StoreError::Failed(text))
        });
        self.result.insert(result).is_ok()
    }

    fn answer(self: Box<Self>, batch: Result<(), StoreError>) {
        let result = match (self.result, batch) {
            (Some(Err(error)), _) | (_, Err(error)) => Err(error),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(StoreError::Failed("a write was not run".into())),
        };
        // Whoever asked may have gone away; the decision stands all the same.
        let _ = self.reply.send(result);
    }
}

/// The way to the writer's thread.
#[derive(Debug)]
pub(super) struct Writer {
    sender: parking_lot::Mutex<Option<mpsc::Sender<Box<dyn Job>>>>,
    thread: parking_lot::Mutex<Option<std::thread::JoinHandle<()>>>,
    figures: Arc<Figures>,
}

#[derive(Debug, Default)]
struct Figures {
    queued: AtomicU64,
    committed: AtomicU64,
    batches: [AtomicU64; BATCH_CLASSES],
    writability: Writability,
}

impl Writer {
    /// Starts the thread on `connection`; `readers` and `checkpoints` hear of each commit.
    pub(super) fn start(
        connection: Connection,
        readers: Arc<Readers>,
        checkpoints: Option<Checkpoints>,
    ) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::channel(QUEUE_LENGTH);
        let figures = Arc::new(Figures::default());
        let shared = Arc::clone(&figures);
        let thread = std::thread::Builder::new()
            .name("rollcall-writer".into())
            .spawn(move || {
                write_batches(
                    &connection,
                    receiver,
                    &shared,
                    &readers,
                    checkpoints.as_ref(),
                );
            })?;
        Ok(Self {
            sender: parking_lot::Mutex::new(Some(sender)),
            thread: parking_lot::Mutex::new(Some(thread)),
            figures,
        })
    }

    /// Runs `work` in a transaction and answers once that is on disk.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnMut(&Writing<'_>) -> Stored<T> + Send + 'static,
    ) -> Stored<T> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Pending {
            work,
            result: None,
            reply,
        });
        let sender = self.sender.lock().clone();
        let Some(sender) = sender else {
            return Err(StoreError::Unavailable("storage is closed".into()));
        };
        self.figures.queued.fetch_add(1, Ordering::Relaxed);
        if let Err(refused) = sender.try_send(job) {
            self.figures.queued.fetch_sub(1, Ordering::Relaxed);
            return Err(StoreError::Unavailable(format!(
                "the write queue: {refused}"
            )));
        }
        drop(sender);
        answer.await.unwrap_or_else(|_| {
            Err(StoreError::OutcomeUnknown(
                "the writer ended before it answered".into(),
            ))
        })
    }

    /// Whether writes succeed; see [`crate::Check::writable`].
    pub(super) async fn writable(&self) -> Stored<()> {
        let probe = self.write(|connection| touch(connection).map_err(failed));
        self.figures.writability.known_or(probe).await
    }

    pub(super) fn figures(&self) -> WriteFigures {
        let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        let batches = self.figures.batches.each_ref().map(read);
        WriteFigures {
            queued: read(&self.figures.queued),
            commits: batches.iter().sum(),
            committed: read(&self.figures.committed),
            batches,
        }
    }

    /// Takes no more work and waits until what is queued is settled.
    pub(super) async fn close(&self) {
        self.sender.lock().take();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            // The thread ends by itself once the queue is empty; joining it blocks only until then.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

fn write_batches(
    connection: &Connection,
    mut receiver: mpsc::Receiver<Box<dyn Job>>,
    figures: &Figures,
    readers: &Readers,
    checkpoints: Option<&Checkpoints>,
) {
    let mut batch: Vec<Box<dyn Job>> = Vec::new();
    while let Some(first) = receiver.blocking_recv() {
        batch.push(first);
        while batch.len() < BATCH_LENGTH {
            let Ok(next) = receiver.try_recv() else { break };
            batch.push(next);
        }
        // The log may start over with this commit if nobody keeps an earlier state of it.
        readers.let_go();
        let changes = connection.total_changes();
        let outcome = commit(connection, &mut batch);
        match &outcome {
            // Decisions that change nothing reach no disk, and say nothing of it.
            Ok(()) if connection.total_changes() == changes => {}
            Ok(()) => figures.writability.succeeded(),
            Err(error) => figures.writability.failed(error),
        }
        // Whatever came of it: a commit that failed may have reached the disk.
        readers.committed();
        let length = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        figures.queued.fetch_sub(length, Ordering::Relaxed);
        figures.batches[batch_class(batch.len())].fetch_add(1, Ordering::Relaxed);
        figures.committed.fetch_add(length, Ordering::Relaxed);
        for job in batch.drain(..) {
            job.answer(outcome.clone());
        }
        if let Some(checkpoints) = checkpoints {
            checkpoints.committed(connection);
        }
    }
}

/// Runs a batch in one transaction. The jobs know their own results; this is what became of the whole.
fn commit(connection: &Connection, batch: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
    let mut written = run_all(connection, batch, Run::Together);
    if let Ok(false) = written {
        // Where the transaction is lost already (a full disk does that), this fails and the next one tells.
        let _ = execute(connection, "ROLLBACK");
        written = run_all(connection, batch, Run::Apart);
    }
    if let Err(lost) = written {
        let _ = execute(connection, "ROLLBACK");
        return Err(lost);
    }
    execute(connection, "COMMIT").map_err(|error| {
        let _ = execute(connection, "ROLLBACK");
        match error.sqlite_error() {
            // A write that the system refused, as a read-only or broken file system does, is one of those
            // that a commit is made of: it is not all there, and counts for nothing.
            Some(refused) if refused.extended_code == SQLITE_IOERR_WRITE => nothing_done(&error),
            // A failed flush may have reached the disk in part; only recovery can tell.
            Some(failed) if failed.code == ErrorCode::SystemIoFailure => {
                StoreError::OutcomeUnknown(error.to_string())
            }
            _ => nothing_done(&error),
        }
    })
}

#[derive(Clone, Copy)]
enum Run {
    /// Without savepoints, until one fails.
    Together,
    /// Each so that it can be rolled back alone.
    Apart,
}

/// Begins a transaction and runs the batch in it; `false` says that one of it failed, and may have left half of what it
/// does. After an error nothing of it happened.
fn run_all(
    connection: &Connection,
    batch: &mut [Box<dyn Job>],
    run: Run,
) -> Result<bool, StoreError> {
    execute(connection, "BEGIN IMMEDIATE").map_err(|error| nothing_done(&error))?;
    let writing = Writing {
        connection,
        counts: RefCell::default(),
    };
    for job in batch {
        match run {
            // A transaction that was lost looks like one that is yet to begin.
            Run::Together if job.run(&writing) && !writing.is_autocommit() => {}
            Run::Together => return Ok(false),
            Run::Apart => {
                let attempt = writing.attempt(|writing| job.run(writing), |done| *done);
                attempt.map_err(|error| nothing_done(&error))?;
            }
        }
    }
    let counted = writing.write_counts();
    counted.map_err(|error| StoreError::Unavailable(error.to_string()))?;
    Ok(true)
}

fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.raw_execute().map(|_| ())
}

fn nothing_done(error: &rusqlite::Error) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

fn text(panic: &(dyn Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::SqliteStore;
    use rollcall_domain::id::Ids;

    /// All figures of profiles, by organization and in all.
    fn counted(store: &SqliteStore) -> Vec<(i64, i64)> {
        let sql = "SELECT organization, profiles FROM profile_counts \
            UNION ALL SELECT -organization, profiles FROM organization_figures ORDER BY 1";
        let read = |connection: &Connection| {
            let mut statement = connection.prepare(sql).map_err(failed)?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
            rows.map_err(failed)?
                .collect::<Result<_, _>>()
                .map_err(failed)
        };
        store.read(read).unwrap()
    }

    #[tokio::test]
    async fn what_fails_leaves_nothing_behind_and_keeps_nobody_from_anything() {
        let store = SqliteStore::open_in_memory(Arc::new(Ids::default())).unwrap();
        let counts = |change: i64| {
            move |writing: &Writing<'_>| {
                writing.count(7, Timestamp::EPOCH, change);
                Ok(())
            }
        };
        // Written at once, as every row but a count is.
        let writes = |writing: &Writing<'_>| profile_rows::count(writing, 7, 1, 1_000);
        let (go, gone) = std::sync::mpsc::channel();
        let gate = store.writer.write(move |_| {
            // Until all others wait, so that they share a transaction.
            let _ = gone.recv();
            Ok(())
        });
        let failed_halfway = store.writer.write::<()>(move |writing| {
            counts(100)(writing)?;
            writes(writing)?;
            Err(StoreError::Failed("no".into()))
        });
        let panicked = store.writer.write::<()>(move |writing| {
            counts(100)(writing)?;
            writes(writing)?;
            panic!("no")
        });
        let panicked_within = store.writer.write::<()>(move |writing| {
            writes(writing)?;
            let attempt = writing.attempt(|_| panic!("no"), |()| true);
            attempt.map_err(failed)
        });
        let tried = store.writer.write(move |writing| {
            let both = |writing: &Writing<'_>| counts(100)(writing).and_then(|()| writes(writing));
            writing.attempt(both, |_| false).map_err(failed)?
        });
        let opened = async move { go.send(()).map_err(|_| StoreError::Failed("ended".into())) };
        let (gate, one, failed_halfway, panicked, panicked_within, tried, two, opened) = tokio::join!(
            gate,
            store.writer.write(counts(1)),
            failed_halfway,
            panicked,
            panicked_within,
            tried,
            store.writer.write(counts(2)),
            opened,
        );
        for failed in [failed_halfway, panicked, panicked_within] {
            assert!(matches!(failed, Err(StoreError::Failed(text)) if text.contains("no")));
        }
        for done in [gate, one, tried, two, opened] {
            done.unwrap();
        }
        assert_eq!(counted(&store), [(-7, 3), (7, 3)]);
        let taken_back = store.writer.write(move |writing| {
            counts(100)(writing)?;
            writing.uncount();
            counts(4)(writing)
        });
        taken_back.await.unwrap();
        assert_eq!(counted(&store), [(-7, 7), (7, 7)]);
    }
}
