//! Care of the storage itself: is it there, is it sound, can it be emptied.

use async_trait::async_trait;
use rollcall_domain::id::OrganizationId;
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
    /// Notes the tenancies whose end is not over: until then, what is left of them refers to what has gone. `true` when
    /// there is one.
    pub(crate) fn unfinished(&mut self, removals: &[OrganizationId]) -> bool {
        for id in removals {
            self.problem(format!(
                "organization {id}: its removal broke off; start the server, or repeat rollcall orgs remove {id}, and \
                 check again"
            ));
        }
        !removals.is_empty()
    }

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
    /// The commits by how many decisions they held: one, two, at most 4, 8, 16 … 1,024.
    pub batches: [u64; BATCH_CLASSES],
}

/// How many classes of [`WriteFigures::batches`] there are.
pub const BATCH_CLASSES: usize = 11;

/// The class of a commit of so many decisions.
pub(crate) fn batch_class(decisions: usize) -> usize {
    let doublings = decisions.saturating_sub(1).checked_ilog2();
    let class = doublings.map_or(0, |doublings| doublings as usize + 1);
    class.min(BATCH_CLASSES - 1)
}

/// Care of the storage.
#[async_trait]
pub trait Check: Send + Sync {
    /// Answers when storage does.
    async fn ping(&self) -> Stored<()>;

    /// Whether writes succeed. Known from the last ones; where there were none lately, or the last one
    /// failed, a small one is made to find out.
    async fn writable(&self) -> Stored<()>;

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

    /// Empties the log in which the engine keeps what was written lately, old states of rows included, and so
    /// what was removed. `false` while somebody still reads it, as a backup does. Nothing to do where
    /// the database does that by itself.
    async fn empty_log(&self) -> Stored<bool> {
        Ok(true)
    }

    /// Finishes what is queued and closes; later calls answer `Unavailable`.
    async fn close(&self);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_holds_what_its_power_of_two_does() {
        for (decisions, class) in [
            (0, 0),
            (1, 0),
            (2, 1),
            (3, 2),
            (4, 2),
            (5, 3),
            (8, 3),
            (9, 4),
            (1_024, 10),
            (9_999, 10),
        ] {
            assert_eq!(batch_class(decisions), class, "{decisions}");
        }
    }
}
