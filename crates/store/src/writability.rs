//! Whether writes succeed, remembered from those that are made anyway.
//!
//! Reads go on when a disk is full or was made read-only, so that storage answers says nothing of it. A write
//! that succeeded lately says everything; only where none did, or the last one failed, is one made to find out.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::{StoreError, Stored};

/// How long the success of a write tells of the next one's.
const SUCCESS_HOLDS: Duration = Duration::from_secs(15);
/// How long its failure does: long enough that asking cannot keep a disk busy.
const FAILURE_HOLDS: Duration = Duration::from_secs(1);

/// What the last write came to, and when.
#[derive(Debug, Default)]
pub(crate) struct Writability {
    last: Mutex<Option<(Instant, Stored<()>)>>,
    turn: tokio::sync::Mutex<()>,
}

impl Writability {
    /// Notes a write that reached the disk.
    pub(crate) fn succeeded(&self) {
        *self.last.lock() = Some((Instant::now(), Ok(())));
    }

    /// Notes a write that did not, or perhaps not.
    pub(crate) fn failed(&self, error: &StoreError) {
        *self.last.lock() = Some((Instant::now(), Err(error.clone())));
    }

    /// What is known of the next write; asks `probe`, one at a time, where nothing is.
    pub(crate) async fn known_or(&self, probe: impl Future<Output = Stored<()>>) -> Stored<()> {
        // Before a disk that hangs everybody waits here, and nobody is told that it answers.
        let _turn = self.turn.lock().await;
        if let Some(known) = self.known() {
            return known;
        }
        let outcome = probe.await;
        match &outcome {
            Ok(()) => self.succeeded(),
            Err(error) => self.failed(error),
        }
        outcome
    }

    fn known(&self) -> Option<Stored<()>> {
        let last = self.last.lock();
        let (at, outcome) = last.as_ref()?;
        let holds = match outcome {
            Ok(()) => SUCCESS_HOLDS,
            Err(_) => FAILURE_HOLDS,
        };
        (at.elapsed() < holds).then(|| outcome.clone())
    }
}
