//! What tests make go wrong inside a write, at the one point where it matters: its commit.
//!
//! Faults are real: a conflict is raised by the server, a lost connection is one the server closed.

/// Says which attempts fail, and how.
#[doc(hidden)]
pub trait Faults: Send + Sync + std::fmt::Debug {
    /// What happens to the `attempt`th attempt (from 1) of the write `name` at its commit.
    fn at_commit(&self, name: &'static str, attempt: u32) -> Option<Fault>;
}

/// What happens to an attempt.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The server raises a serialization failure.
    Conflict,
    /// The server raises a deadlock.
    Deadlock,
    /// The server ends the session before it commits.
    SessionEnded,
    /// It is committed, and the answer does not arrive.
    AnswerLost,
    /// It is rolled back, and the answer does not arrive.
    RequestLost,
}

impl Fault {
    /// What runs inside the transaction right before its commit.
    pub(super) fn statement(self) -> Option<&'static str> {
        match self {
            Self::Conflict => Some(
                "DO $$ BEGIN RAISE EXCEPTION 'forced conflict' USING ERRCODE = '40001'; END $$",
            ),
            Self::Deadlock => Some(
                "DO $$ BEGIN RAISE EXCEPTION 'forced deadlock' USING ERRCODE = '40P01'; END $$",
            ),
            Self::SessionEnded => Some("SELECT pg_terminate_backend(pg_backend_pid())"),
            Self::AnswerLost | Self::RequestLost => None,
        }
    }

    /// How the transaction ends.
    pub(super) fn end(self) -> &'static str {
        match self {
            Self::RequestLost => "ROLLBACK",
            Self::Conflict | Self::Deadlock | Self::SessionEnded | Self::AnswerLost => "COMMIT",
        }
    }

    /// Whether nobody hears how it ended.
    pub(super) fn hides_the_answer(self) -> bool {
        matches!(self, Self::AnswerLost | Self::RequestLost)
    }
}
