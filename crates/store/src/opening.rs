//! What the opening of a storage is doing, for whoever waits for it.
//!
//! Opening takes milliseconds, except when it has to bring a large storage up to date. It must then be
//! told from a process that hangs, or somebody kills it and it begins again.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// How far the opening of a storage is: written by the backend, read by others at any time.
#[derive(Debug, Default)]
pub struct Opening {
    step: Mutex<Option<OpeningStep>>,
    work: AtomicU64,
}

/// One step of an opening that may take long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpeningStep {
    /// What is being done, such as `building the index profiles_by_name`.
    pub doing: String,
    /// Steps of the same kind that are done.
    pub done: usize,
    /// Steps of the same kind in all, this one included.
    pub of: usize,
}

impl Opening {
    /// The step that was begun last; `None` before the first.
    pub fn step(&self) -> Option<OpeningStep> {
        self.step.lock().clone()
    }

    /// Instructions of the database that were carried out so far. No measure of what is left, but it
    /// grows for as long as the work goes on.
    pub fn work(&self) -> u64 {
        self.work.load(Ordering::Relaxed)
    }

    pub(crate) fn begin(&self, doing: String, done: usize, of: usize) {
        *self.step.lock() = Some(OpeningStep { doing, done, of });
    }

    pub(crate) fn worked(&self, instructions: u64) {
        self.work.fetch_add(instructions, Ordering::Relaxed);
    }
}
