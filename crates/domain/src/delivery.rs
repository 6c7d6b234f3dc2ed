//! Deliveries: telling one event to one endpoint, attempt by attempt (contract `webhooks.md`,
//! *Delivery*).
//!
//! What an attempt comes to is decided here: whether it is the last, when the next one is, and whether
//! the endpoint has failed for so long that it is disabled. Sending is the server's part.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::id::{DeliveryId, EventId, OrganizationId, WebhookEndpointId};
use crate::webhook::AutoDisabled;

/// The most attempts that are under way to one endpoint at a time.
pub const IN_FLIGHT_PER_ENDPOINT: usize = 10;

/// The most characters that are kept of what a receiver said.
pub const ANSWER_LIMIT: usize = 1_000;

/// The type of an event that was made to test an endpoint; no endpoint can subscribe to it.
pub const TEST_EVENT_TYPE: &str = "webhook_endpoint.test";

/// The error of an attempt that was begun and of which nothing more is known.
pub const OUTCOME_UNKNOWN: &str = "the outcome is unknown: the server ended during the attempt";

crate::text_enum! {
    /// What became of telling one event to one endpoint.
    DeliveryStatus {
        /// An attempt is still to come.
        Pending = "pending",
        /// An attempt succeeded.
        Delivered = "delivered",
        /// The last attempt failed.
        Failed = "failed",
        /// The endpoint was disabled or deleted before an attempt succeeded.
        Canceled = "canceled",
    }
}

/// One attempt that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When it began.
    pub at: Timestamp,
    /// The receiver's status, if it answered.
    pub status_code: Option<u16>,
    /// How long it took, in milliseconds.
    pub latency_ms: u64,
    /// Why it failed, where the status does not say so.
    pub error: Option<String>,
    /// The beginning of what the receiver said beside a status that is no success: at most
    /// [`ANSWER_LIMIT`] characters, none of them NUL, for the operator to read.
    pub answer: Option<String>,
}

impl Attempt {
    /// An attempt that began at `at` and was never recorded.
    pub fn unknown(at: Timestamp) -> Self {
        Self {
            at,
            status_code: None,
            latency_ms: 0,
            error: Some(OUTCOME_UNKNOWN.into()),
            answer: None,
        }
    }
}

/// What an attempt means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver took the event.
    Succeeded,
    /// It did not; another attempt may.
    Failed,
    /// It did not and none will: the endpoint is disabled at once.
    Disabling(AutoDisabled),
}

impl Outcome {
    /// What a response with this status means: any 2xx is success, any 3xx ends it.
    pub fn of_status(status: u16) -> Self {
        match status {
            200..=299 => Self::Succeeded,
            300..=399 => Self::Disabling(AutoDisabled::Redirect),
            _ => Self::Failed,
        }
    }
}

/// One event's delivery to one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// The organization.
    pub organization_id: OrganizationId,
    /// The endpoint, which may have been deleted since.
    pub endpoint_id: WebhookEndpointId,
    /// The event.
    pub event_id: EventId,
    /// The event's type, or [`TEST_EVENT_TYPE`].
    pub event_type: String,
    /// What became of it.
    pub status: DeliveryStatus,
    /// When the event was stored for the endpoint.
    pub created_at: Timestamp,
    /// When the next attempt is due, unless one is under way or none will follow.
    pub next_attempt_at: Option<Timestamp>,
    /// The attempts so far, oldest first, those before a redelivery included.
    pub attempts: Vec<Attempt>,
}

/// A wait that is chosen evenly between two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitRange {
    /// The shortest.
    pub least: Duration,
    /// The longest.
    pub most: Duration,
}

impl WaitRange {
    /// The wait that `draw`, a random number, chooses.
    fn choose(self, draw: u32) -> Duration {
        let span = self.most.saturating_sub(self.least).as_micros();
        let micros = span * u128::from(draw) / u128::from(u32::MAX);
        self.least + Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}

/// How often and when an event is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetrySchedule {
    /// Attempts per event and endpoint.
    pub attempts: NonZeroU32,
    /// The wait before the second attempt.
    pub first_wait: WaitRange,
    /// The wait before the third and any further one.
    pub later_wait: WaitRange,
}

impl RetrySchedule {
    /// The contract's: three attempts, 5–15 and 30–120 seconds apart.
    pub const CONTRACT: Self = Self {
        attempts: NonZeroU32::new(3).unwrap(),
        first_wait: WaitRange {
            least: Duration::from_secs(5),
            most: Duration::from_secs(15),
        },
        later_wait: WaitRange {
            least: Duration::from_secs(30),
            most: Duration::from_mins(2),
        },
    };

    /// The longest wait between two attempts.
    pub fn longest_wait(&self) -> Duration {
        self.first_wait.most.max(self.later_wait.most)
    }

    /// How long to wait after attempt number `attempt` (counted from 1) failed; none when it was the
    /// last. `draw` is a random number.
    pub fn wait_after(&self, attempt: u32, draw: u32) -> Option<Duration> {
        if attempt >= self.attempts.get() {
            None
        } else if attempt <= 1 {
            Some(self.first_wait.choose(draw))
        } else {
            Some(self.later_wait.choose(draw))
        }
    }
}

/// How an endpoint has been doing since it last answered with success.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndpointHealth {
    /// When the first attempt failed since; none while the last one succeeded.
    pub failing_since: Option<Timestamp>,
    /// How many attempts failed since.
    pub failures: u32,
    /// How many different deliveries were lost since.
    pub lost: u32,
}

impl EndpointHealth {
    /// Deliveries that must be lost before an endpoint is disabled for failing.
    const LOST_AT_LEAST: u32 = 3;
    /// Failures in a row after which an endpoint is not tried at full speed any more.
    const FALTERING_AFTER: u32 = 10;
    /// How long such an endpoint rests between two rounds of attempts, so that a large backlog for a
    /// dead endpoint costs next to nothing.
    const REST: Duration = Duration::from_secs(1);

    /// Whether a delivery counts among the lost ones already: one that was lost, started again by hand and
    /// is lost once more. `attempts` are all of its attempts, of which the last `tries` are new.
    pub fn has_counted(self, attempts: &[Attempt], tries: u32) -> bool {
        let tries = usize::try_from(tries).unwrap_or(usize::MAX);
        let before = attempts.len().saturating_sub(tries);
        let last = attempts[..before].last();
        self.failing_since
            .zip(last)
            .is_some_and(|(since, last)| last.at >= since)
    }

    /// The health after an attempt at `at` failed; `lost` when it was the delivery's last and the delivery
    /// does not count as lost already.
    #[must_use]
    pub fn after_failure(self, at: Timestamp, lost: bool) -> Self {
        Self {
            // A clock that was set back does not make the endpoint fail from a later time on.
            failing_since: Some(self.failing_since.map_or(at, |since| since.min(at))),
            failures: self.failures.saturating_add(1),
            lost: self.lost.saturating_add(u32::from(lost)),
        }
    }

    /// Whether the endpoint has failed without a break for `limit`, and for enough deliveries.
    pub fn has_failed_for(self, limit: Duration, now: Timestamp) -> bool {
        self.lost >= Self::LOST_AT_LEAST
            && self
                .failing_since
                .is_some_and(|since| now.since(since) >= limit)
    }

    /// When the endpoint is to be tried again after a round of attempts begun at `now`.
    pub fn rests_until(self, now: Timestamp) -> Option<Timestamp> {
        (self.failures >= Self::FALTERING_AFTER).then(|| now.saturating_add(Self::REST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::EPOCH.saturating_add(Duration::from_secs(seconds))
    }

    #[test]
    fn a_status_means_what_the_contract_says() {
        for (status, outcome) in [
            (199, Outcome::Failed),
            (200, Outcome::Succeeded),
            (204, Outcome::Succeeded),
            (299, Outcome::Succeeded),
            (300, Outcome::Disabling(AutoDisabled::Redirect)),
            (304, Outcome::Disabling(AutoDisabled::Redirect)),
            (399, Outcome::Disabling(AutoDisabled::Redirect)),
            (400, Outcome::Failed),
            (410, Outcome::Failed),
            (500, Outcome::Failed),
        ] {
            assert_eq!(Outcome::of_status(status), outcome, "{status}");
        }
    }

    #[test]
    fn waits_lie_within_their_range_and_end_with_the_last_attempt() {
        let schedule = RetrySchedule::CONTRACT;
        for draw in [0, 1, u32::MAX / 3, u32::MAX] {
            let first = schedule.wait_after(1, draw).unwrap().as_secs_f64();
            let second = schedule.wait_after(2, draw).unwrap().as_secs_f64();
            assert!((5.0..=15.0).contains(&first), "{first}");
            assert!((30.0..=120.0).contains(&second), "{second}");
        }
        assert_eq!(schedule.wait_after(1, 0), Some(Duration::from_secs(5)));
        assert_eq!(schedule.longest_wait(), Duration::from_mins(2));
        assert_eq!(
            schedule.wait_after(2, u32::MAX),
            Some(Duration::from_mins(2))
        );
        assert_eq!(schedule.wait_after(3, 0), None);
        // An attempt of unknown outcome is made again even where it was the last, and is then past it.
        assert_eq!(schedule.wait_after(4, 0), None);
    }

    #[test]
    fn sustained_failure_needs_the_time_and_the_losses() {
        let day = Duration::from_hours(24);
        let mut health = EndpointHealth::default();
        assert!(!health.has_failed_for(day, at(100_000)));
        health = health.after_failure(at(10), true);
        health = health.after_failure(at(90_000), true);
        assert!(!health.has_failed_for(day, at(90_000)), "two lost");
        health = health.after_failure(at(90_001), true);
        assert!(health.has_failed_for(day, at(90_001)));
        let set_back = health.after_failure(at(3), false);
        assert_eq!(
            set_back.failing_since,
            Some(at(3)),
            "the clock was set back"
        );
        assert!(!health.has_failed_for(day, at(86_409)), "a second early");
        assert!(health.has_failed_for(day, at(86_410)));
    }

    #[test]
    fn an_endpoint_rests_only_after_failing_again_and_again() {
        let mut health = EndpointHealth::default();
        for _ in 0..9 {
            health = health.after_failure(at(1), false);
            assert_eq!(health.rests_until(at(1)), None);
        }
        health = health.after_failure(at(1), false);
        assert_eq!(health.rests_until(at(1)), Some(at(2)));
    }
}
