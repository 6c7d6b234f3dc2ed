//! Folding the write-ahead log back into the database, away from the writer.
//!
//! Left to itself the writer would do it inside some unlucky commit: half of the slowest creates were
//! that. The thread sleeps until a commit nudges it and then waits a moment, so that a busy server
//! checkpoints twice a second and an idle one never wakes.
//!
//! The log can only start over when every page of it is folded back, and a writer that never pauses
//! is always ahead of the thread. So beyond [`LOG_LIMIT`] the writer folds back the few pages that the
//! thread has not got to, and the log starts over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};

use super::failed;
use super::readers::Readers;
use crate::Stored;

/// How long commits may gather before the log is folded back.
const PAUSE: Duration = Duration::from_millis(500);
/// How many pages the log may have before the writer lets it start over: 128 MiB.
const LOG_LIMIT: u64 = 16_384;

/// The writer's side of the thread.
#[derive(Debug)]
pub(super) struct Checkpoints {
    nudge: SyncSender<()>,
    readers: Arc<Readers>,
    log_pages: Arc<AtomicU64>,
}

impl Checkpoints {
    /// Starts the thread on `connection`.
    pub(super) fn start(connection: Connection, readers: Arc<Readers>) -> std::io::Result<Self> {
        let (nudge, receiver) = sync_channel::<()>(1);
        let log_pages = Arc::new(AtomicU64::new(0));
        let measured = Arc::clone(&log_pages);
        let held = Arc::clone(&readers);
        std::thread::Builder::new()
            .name("rollcall-checkpoint".into())
            .spawn(move || {
                while receiver.recv().is_ok() {
                    std::thread::sleep(PAUSE);
                    // The nudges of the pause are answered by this one checkpoint.
                    let closing = receiver.try_recv() == Err(TryRecvError::Disconnected);
                    held.let_go();
                    measured.store(checkpoint(&connection), Ordering::Relaxed);
                    if closing {
                        break;
                    }
                }
            })?;
        Ok(Self {
            nudge,
            readers,
            log_pages,
        })
    }

    /// Tells the thread of a commit, and lets the log start over when it has grown long.
    pub(super) fn committed(&self, writer: &Connection) {
        // A nudge that is already waiting says the same.
        let _ = self.nudge.try_send(());
        if self.log_pages.load(Ordering::Relaxed) > LOG_LIMIT {
            self.readers.let_go();
            checkpoint(writer);
            self.log_pages.store(0, Ordering::Relaxed);
        }
    }
}

/// How often readers are asked to let the log go, and how long each time they may take.
const EMPTYING_TRIES: usize = 10;
const EMPTYING_WAIT: Duration = Duration::from_millis(50);

/// Folds everything back and cuts the log off; `false` while somebody reads it.
pub(super) fn empty(connection: &Connection, readers: &Readers) -> Stored<bool> {
    connection.busy_timeout(EMPTYING_WAIT).map_err(failed)?;
    for _ in 0..EMPTYING_TRIES {
        readers.let_go();
        let cut = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
            row.get::<_, bool>(0)
        });
        match cut {
            Ok(busy) if !busy => return Ok(true),
            Ok(_) => {}
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(false)
}

/// Folds back what no reader still needs; answers with the length of the log in pages.
fn checkpoint(connection: &Connection) -> u64 {
    let pages = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
        row.get::<_, i64>(1)
    });
    match pages {
        Ok(pages) => u64::try_from(pages).unwrap_or(0),
        Err(error) => {
            tracing::warn!(%error, "the write-ahead log could not be folded back; it is tried again");
            0
        }
    }
}
