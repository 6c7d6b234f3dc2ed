//! Console sessions, in storage so that they end everywhere at once and survive a restart.

use async_trait::async_trait;
use rollcall_domain::audit::Act;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::session::ConsoleSession;
use rollcall_domain::tenant::{OperatorProof, SecretHash};

use crate::Stored;

/// Console sessions.
#[async_trait]
pub trait ConsoleSessions: Send + Sync {
    /// Stores a new session, with its audit entry; `false` when its key does not work (any more).
    async fn insert_session(
        &self,
        proof: OperatorProof,
        act: &Act,
        session: &ConsoleSession,
    ) -> Stored<bool>;

    /// The session whose token has this hash, over or not. The caller compares the full hashes.
    async fn find_session(&self, token: &SecretHash) -> Stored<Option<ConsoleSession>>;

    /// Every session, newest first, over or not; at most a hundred.
    async fn list_sessions(&self, proof: OperatorProof) -> Stored<Vec<ConsoleSession>>;

    /// Records when a session was last used.
    async fn touch_session(&self, token: &SecretHash, seen_at: Timestamp) -> Stored<()>;

    /// Ends a session, with its audit entry; `false` when there was none.
    async fn remove_session(
        &self,
        proof: OperatorProof,
        act: &Act,
        token: &SecretHash,
    ) -> Stored<bool>;

    /// Forgets the sessions that have ended by idling or by age; answers with how many.
    async fn prune_sessions(&self, now: Timestamp) -> Stored<u64>;
}
