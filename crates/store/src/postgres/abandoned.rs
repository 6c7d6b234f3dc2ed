//! Connections whose answer nobody waits for any more, and the sessions behind them.
//!
//! A session does not end because its client is gone: a commit that waits for a synchronous standby waits on,
//! and a search is finished first. If each such connection were dropped and replaced, the limit on
//! connections would be none, and in the end the server had no session left for anyone. So
//!
//! - what only reads, or has not begun to commit, is canceled: there is nothing to lose.
//! - a commit is never canceled. PostgreSQL would make it visible although the standby does not have it: a
//!   later read, and a write that finds nothing left to change, would promise what a failover takes back.
//!   Its connection keeps its place in the pool until it is answered, ends, or the server says that it has
//!   no such session. That last way out is for a server that will never answer: one that is frozen, and
//!   replaced by another.

use std::time::{Duration, Instant};

use deadpool_postgres::Object;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long such a question may take.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// The age from which a commit that was given up is looked for among those the server names.
const OLD_ENOUGH: Duration = Duration::from_secs(2);

/// The commits that were given up and are not answered.
#[derive(Default)]
pub(super) struct Abandoned(Mutex<Commits>);

#[derive(Default)]
struct Commits {
    /// The oldest first.
    all: Vec<Commit>,
    /// Whether somebody asks the server about them.
    watched: bool,
}

struct Commit {
    since: Instant,
    /// Dropping it gives the connection up.
    keep: oneshot::Sender<()>,
}

impl Abandoned {
    /// Adds a commit; answers with what ends when it need not be waited for any more, and whether somebody
    /// has to begin to watch.
    pub(super) fn add(&self) -> (oneshot::Receiver<()>, bool) {
        let (keep, kept) = oneshot::channel();
        let mut commits = self.0.lock();
        commits.all.push(Commit {
            since: Instant::now(),
            keep,
        });
        (kept, !std::mem::replace(&mut commits.watched, true))
    }

    /// Forgets what was answered; whether there is anything left to watch.
    pub(super) fn is_any_left(&self) -> bool {
        let mut commits = self.0.lock();
        commits.all.retain(|commit| !commit.keep.is_closed());
        commits.watched = !commits.all.is_empty();
        commits.watched
    }

    /// Gives up the oldest of those that were there at `asked`, down to as many as the server has.
    pub(super) fn give_up_all_but(&self, hanging: usize, asked: Instant) {
        let mut commits = self.0.lock();
        commits.all.retain(|commit| !commit.keep.is_closed());
        let is_old = |commit: &&Commit| asked.saturating_duration_since(commit.since) >= OLD_ENOUGH;
        let old = commits.all.iter().take_while(is_old).count();
        commits.all.drain(..old.saturating_sub(hanging));
    }

    pub(super) fn give_up_all(&self) {
        self.0.lock().all.clear();
    }
}

/// Cancels what a connection has under way, and closes it.
pub(super) fn cancel(tls: MakeRustlsConnect, object: Object, place: Option<OwnedSemaphorePermit>) {
    if object.is_closed() {
        return close(object);
    }
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return close(object);
    };
    let token = object.cancel_token();
    runtime.spawn(async move {
        // A server that does not take the request does not go on with the work either.
        let _ = tokio::time::timeout(ANSWER_WITHIN, token.cancel_query(tls)).await;
        close(object);
        drop(place);
    });
}

pub(super) fn close(object: Object) {
    drop(Object::take(object));
}
