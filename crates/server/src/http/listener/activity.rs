//! What a connection is doing, as its socket and its service see it, for the timers to judge.
//!
//! hyper does not say in which state a connection is. Its socket sees bytes come, its service sees requests
//! start and responses end, and [`sending`](super::sending) sees the peer take what it was answered; together
//! they tell the states a timer must tell apart.
//!
//! One thing is not seen: a second head that arrived half in the same read as the first. Such a
//! connection counts as idle, so its head times out by the longer of the two limits.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// How long a peer may leave an answer untaken before its connection may be cut because others need the room.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// How long a peer may take for its first request, likewise: longer than the way there and back, on a busy machine too.
pub(super) const SHORT_PATIENCE: Duration = Duration::from_secs(1);

/// Answers of one connection that are made at a time before the size of any is known. What they have more than
/// expected is held beyond the bound.
const ANSWERS_AT_FIRST: usize = 4;

/// Likewise, however small the last ones were.
const ANSWERS_AT_MOST: usize = 32;

/// Counters of one connection. HTTP/2 runs its requests on other tasks, hence atomics.
#[derive(Debug)]
pub(super) struct Activity {
    opened: Instant,
    /// When the phase changed last, or bytes moved in it, in milliseconds from `opened`.
    changed: AtomicU64,
    requests: AtomicU64,
    in_flight: AtomicUsize,
    bytes_moved: AtomicU64,
    head_begun: AtomicBool,
    /// The socket took only a part of what HTTP/1.1 had to write.
    unflushed: AtomicBool,
    /// How many `answers` there are.
    untaken: AtomicUsize,
    answers: Mutex<Answers>,
    /// Bytes of answers that are held until the peer takes them, here and in all.
    unsent: AtomicUsize,
    unsent_in_all: Gauge,
    most_unsent: usize,
    /// Bytes that the answers now being made are expected to have.
    expected: AtomicUsize,
    /// What an answer is expected to have, by the last ones.
    usual: AtomicUsize,
    /// Bytes of the heads of requests that wait for room.
    waiting: AtomicUsize,
    freed: Notify,
    task: OnceLock<AbortHandle>,
}

/// Answers of which the peer has not taken all: one, or as many as HTTP/2 has streams.
#[derive(Debug, Default)]
struct Answers {
    next: u64,
    untaken: Vec<Untaken>,
}

/// One of them.
#[derive(Clone, Copy, Debug)]
struct Untaken {
    number: u64,
    /// The body, and the pieces of it that are on their way.
    parts: usize,
    /// When the peer last took a piece worth mentioning. `None` while there is nothing to take.
    since: Option<Instant>,
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The peer's next request.
    Idle,
    /// The rest of a request head.
    Head,
    /// A request's body, its answer, or the peer's taking of it.
    Busy,
}

impl Activity {
    /// Of a connection that may hold `most_unsent` bytes of answers before it waits with further ones.
    pub(super) fn new(unsent_in_all: Gauge, most_unsent: usize) -> Self {
        Self {
            opened: Instant::now(),
            changed: AtomicU64::default(),
            requests: AtomicU64::default(),
            in_flight: AtomicUsize::default(),
            bytes_moved: AtomicU64::default(),
            head_begun: AtomicBool::default(),
            unflushed: AtomicBool::default(),
            untaken: AtomicUsize::default(),
            answers: Mutex::default(),
            unsent: AtomicUsize::default(),
            unsent_in_all,
            most_unsent,
            expected: AtomicUsize::default(),
            usual: AtomicUsize::new(most_unsent / ANSWERS_AT_FIRST),
            waiting: AtomicUsize::default(),
            freed: Notify::new(),
            task: OnceLock::new(),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        if self.is_in_exchange() || self.untaken.load(Ordering::Relaxed) > 0 {
            Phase::Busy
        } else if self.head_begun.load(Ordering::Relaxed) {
            Phase::Head
        } else {
            Phase::Idle
        }
    }

    /// Whether a request has arrived whose answer hyper does not have whole yet.
    pub(super) fn is_in_exchange(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) > 0
    }

    /// Requests that have reached the service so far.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Bytes read and written so far.
    pub(super) fn bytes_moved(&self) -> u64 {
        self.bytes_moved.load(Ordering::Relaxed)
    }

    pub(super) fn moved(&self, bytes: usize) {
        self.bytes_moved.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// A part of a request head arrived.
    pub(super) fn begin_head(&self) {
        self.head_begun.store(true, Ordering::Relaxed);
    }

    /// The socket took all of what it was offered, or not.
    pub(super) fn set_unflushed(&self, unflushed: bool) {
        let before = self.unflushed.swap(unflushed, Ordering::Relaxed);
        if before && !unflushed {
            self.freed.notify_waiters();
        }
    }

    /// The phase changed at this time, or bytes moved in it.
    pub(super) fn changed_at(&self, at: Instant) {
        let millis = at.duration_since(self.opened).as_millis();
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        self.changed.store(millis, Ordering::Relaxed);
    }

    /// A request head was complete. The exchange lasts until the guard is dropped.
    pub(super) fn begin_exchange(self: &Arc<Self>) -> Exchange {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.head_begun.store(false, Ordering::Relaxed);
        Exchange {
            activity: Arc::clone(self),
            expected: 0,
        }
    }

    /// Since when an answer has waited for the peer to take more of it: the longest of all.
    pub(super) fn untaken_since(&self) -> Option<Instant> {
        if self.untaken.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let answers = self.answers.lock();
        let answers = answers.untaken.iter();
        answers.filter_map(|answer| answer.since).min()
    }

    /// Since when the peer has left an answer alone, if for so long.
    pub(super) fn stalled_since(&self, patience: Duration) -> Option<Instant> {
        let unflushed = self.unflushed.load(Ordering::Relaxed);
        let since = self
            .untaken_since()
            .or_else(|| unflushed.then(|| self.changed()))?;
        (since.elapsed() >= patience).then_some(since)
    }

    /// Since when it is for the peer to do something, if it has had time to: so long to take more of an answer.
    pub(super) fn waits_since(&self, patience: Duration) -> Option<Instant> {
        let idle = match self.phase() {
            Phase::Idle | Phase::Head => self.changed(),
            Phase::Busy => return self.stalled_since(patience),
        };
        let was_answered = self.requests() > 0;
        (was_answered || idle.elapsed() >= SHORT_PATIENCE).then_some(idle)
    }

    fn changed(&self) -> Instant {
        self.opened + Duration::from_millis(self.changed.load(Ordering::Relaxed))
    }

    /// Bytes of answers that are held until the peer takes them.
    pub(super) fn unsent(&self) -> usize {
        self.unsent.load(Ordering::Relaxed)
    }

    /// Whether the peer has taken enough of what it was answered before.
    fn has_room(&self) -> bool {
        self.unsent() < self.most_unsent && !self.unflushed.load(Ordering::Relaxed)
    }

    /// Enters an answer that is to be made, if there is room for it beside those that are being made: streams of
    /// HTTP/2 begin together, and each would find the room that all of them fill. Returns what was entered.
    fn expect_answer(&self) -> Option<usize> {
        if !self.has_room() {
            return None;
        }
        let usual = self.usual.load(Ordering::Relaxed);
        let others = self.expected.fetch_add(usual, Ordering::SeqCst);
        if others == 0 || self.unsent() + others + usual <= self.most_unsent {
            return Some(usual);
        }
        self.expected.fetch_sub(usual, Ordering::SeqCst);
        None
    }

    fn forget_expected(&self, bytes: usize) {
        self.expected.fetch_sub(bytes, Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.freed.notify_waiters();
        }
    }

    /// Waits until `room` finds some. Heads that wait are held too: a peer that leaves its answers alone and goes
    /// on sending such as would fill memory is cut.
    async fn wait_for<T>(&self, head_bytes: usize, room: impl Fn(&Self) -> Option<T>) -> T {
        let waiting = self.waiting.fetch_add(head_bytes, Ordering::SeqCst) + head_bytes;
        let _waits = Waits(self, head_bytes);
        if waiting > self.most_unsent / 4 && !self.has_room() {
            self.cut();
        }
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            // Before the look, so that nothing is missed between the two.
            freed.as_mut().enable();
            if let Some(found) = room(self) {
                return found;
            }
            freed.await;
        }
    }

    pub(super) fn hold(&self, bytes: usize) {
        self.unsent.fetch_add(bytes, Ordering::Relaxed);
        self.unsent_in_all.inc_by(gauged(bytes));
    }

    pub(super) fn release(&self, bytes: usize) {
        let before = self.unsent.fetch_sub(bytes, Ordering::Relaxed);
        self.unsent_in_all.dec_by(gauged(bytes));
        if before >= self.most_unsent {
            self.freed.notify_waiters();
        }
    }

    /// Names the task that serves the connection.
    pub(super) fn is_served_by(&self, task: AbortHandle) {
        // Once by construction.
        let _ = self.task.set(task);
    }

    /// Ends the connection where it stands.
    pub(super) fn cut(&self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }

    fn with_answer(&self, number: u64, change: impl FnOnce(&mut Untaken)) {
        let mut answers = self.answers.lock();
        let mut untaken = answers.untaken.iter_mut();
        if let Some(answer) = untaken.find(|answer| answer.number == number) {
            change(answer);
        }
    }
}

fn gauged(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// The head of a request that waits for room.
struct Waits<'a>(&'a Activity, usize);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(self.1, Ordering::Relaxed);
    }
}

/// A request between its head and the end of its response body.
#[derive(Debug)]
pub(super) struct Exchange {
    activity: Arc<Activity>,
    /// Bytes that its answer is expected to have, until it is made.
    expected: usize,
}

impl Exchange {
    pub(super) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Waits until the request may be answered. `is_large`: its answer is as large as what it asks for, so that
    /// it counts while it is made.
    pub(super) async fn wait_for_room(&mut self, is_large: bool, head_bytes: impl Fn() -> usize) {
        let activity = &*self.activity;
        if !is_large {
            let room = |it: &Activity| it.has_room().then_some(());
            if room(activity).is_none() {
                activity.wait_for(head_bytes(), room).await;
            }
            return;
        }
        self.expected = match activity.expect_answer() {
            Some(expected) => expected,
            None => {
                activity
                    .wait_for(head_bytes(), Activity::expect_answer)
                    .await
            }
        };
    }

    /// The answer is made, has so many bytes, and holds them.
    pub(super) fn is_answered(&mut self, bytes: usize) {
        let expected = std::mem::take(&mut self.expected);
        if expected > 0 {
            let activity = &self.activity;
            let before = activity.usual.load(Ordering::Relaxed);
            let least = activity.most_unsent / ANSWERS_AT_MOST;
            let usual = bytes.max(before / 2).max(least);
            activity.usual.store(usual, Ordering::Relaxed);
            activity.forget_expected(expected);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if self.expected > 0 {
            self.activity.forget_expected(self.expected);
        }
        self.activity.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A part of an answer that the peer has not taken: its body, or a piece on its way. The answer is
/// taken when its last part is dropped.
#[derive(Debug)]
pub(super) struct AnswerPart {
    activity: Arc<Activity>,
    number: u64,
}

impl AnswerPart {
    /// The first part of an answer. `ready`: there is something to take from the start.
    pub(super) fn first(activity: &Arc<Activity>, ready: bool) -> Self {
        let since = ready.then(Instant::now);
        let mut answers = activity.answers.lock();
        let number = answers.next;
        answers.next += 1;
        answers.untaken.push(Untaken {
            number,
            parts: 1,
            since,
        });
        let count = answers.untaken.len();
        activity.untaken.store(count, Ordering::Relaxed);
        drop(answers);
        Self {
            activity: Arc::clone(activity),
            number,
        }
    }

    /// Another part: now there is something to take.
    pub(super) fn another(&self) -> Self {
        self.activity.with_answer(self.number, |answer| {
            answer.parts += 1;
            answer.since.get_or_insert_with(Instant::now);
        });
        Self {
            activity: Arc::clone(&self.activity),
            number: self.number,
        }
    }

    pub(super) fn activity(&self) -> &Activity {
        &self.activity
    }

    /// The peer took something.
    pub(super) fn renew(&self) {
        let now = Instant::now();
        self.activity
            .with_answer(self.number, |answer| answer.since = Some(now));
    }

    /// The body has nothing to give at present.
    pub(super) fn is_not_ready(&self) {
        self.activity.with_answer(self.number, |answer| {
            if answer.parts == 1 {
                answer.since = None;
            }
        });
    }
}

impl Drop for AnswerPart {
    fn drop(&mut self) {
        let mut answers = self.activity.answers.lock();
        let untaken = &mut answers.untaken;
        let Some(place) = untaken.iter().position(|it| it.number == self.number) else {
            return;
        };
        let answer = &mut untaken[place];
        answer.parts -= 1;
        if answer.parts > 0 {
            answer.since = answer.since.map(|_| Instant::now());
            return;
        }
        untaken.swap_remove(place);
        let count = untaken.len();
        self.activity.untaken.store(count, Ordering::Relaxed);
    }
}

/// Old clients send an empty line after a body. hyper skips it, and it begins no head.
pub(super) fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}
