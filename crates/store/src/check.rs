//! Care of the storage itself: is it there, is it sound, can it be emptied.

use async_trait::async_trait;
use rollcall_domain::tenant::OperatorProof;

use crate::Stored;

/// What a check of every record and index found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// How many profiles were looked at.
    pub profiles: u64,
    /// What is wrong, one sentence each; the first hundred.
    pub problems: Vec<String>,
    /// How much is wrong in all.
    pub problem_count: u64,
}

impl CheckReport {
    /// Notes a problem.
    pub fn problem(&mut self, problem: String) {
        self.problem_count += 1;
        if self.problems.len() < 100 {
            self.problems.push(problem);
        }
    }
}

/// Figures about writing, for `/metrics`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteFigures {
    /// Decisions waiting to be committed.
    pub queued: u64,
    /// Commits made.
    pub commits: u64,
    /// Decisions committed by them.
    pub committed: u64,
}

/// Care of the storage.
#[async_trait]
pub trait Check: Send + Sync {
    /// Answers when storage does.
    async fn ping(&self) -> Stored<()>;

    /// Verifies every record, index and invariant; `progress` is told how many profiles are done.
    async fn check(
        &self,
        proof: OperatorProof,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Stored<CheckReport>;

    /// Removes everything; development servers and tests alone ask for it.
    async fn reset(&self, proof: OperatorProof) -> Stored<()>;

    /// Figures about writing.
    fn write_figures(&self) -> WriteFigures;

    /// Finishes what is queued and closes; later calls answer `Unavailable`.
    async fn close(&self);
}
