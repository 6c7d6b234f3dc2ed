//! Deliveries: telling one event to one endpoint, attempt by attempt (contract `webhooks.md`,
//! *Delivery*).
//!
//! What an attempt comes to is decided here: whether it is the last, when the next one is, and whether
//! the endpoint has failed for so long that it is disabled. Sending is the server's part.

use std::num::NonZeroU32;
use std::time::Duration;

use thiserror::Error;

use crate::audit::{Act, Actor, AuditAction, AuditEntry, TargetKind};
use crate::clock::Timestamp;
use crate::decision::Decided;
use crate::id::{DeliveryId, EventId, OrganizationId, WebhookEndpointId};
use crate::webhook::{AutoDisabled, WebhookEndpoint};

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

/// Why nothing is sent, in words for the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotSent {
    /// The endpoint was deleted.
    #[error("The webhook endpoint was deleted")]
    EndpointMissing,
    /// The endpoint is disabled.
    #[error("The webhook endpoint is disabled")]
    EndpointDisabled,
    /// The delivery is still waiting for an attempt of its own.
    #[error("The delivery is still pending")]
    StillPending,
}

impl Delivery {
    /// A test event's delivery to this endpoint alone, subscribed or not, due at once.
    pub fn test(
        id: DeliveryId,
        event_id: EventId,
        owner: &OrganizationId,
        endpoint: &WebhookEndpoint,
        now: Timestamp,
    ) -> Result<Decided<Self>, NotSent> {
        can_be_sent_to(endpoint)?;
        let target = TargetKind::WebhookEndpoint;
        let audit = AuditEntry::new(AuditAction::WebhookTested, target, endpoint.id.as_str());
        let delivery = Self {
            id,
            organization_id: owner.clone(),
            endpoint_id: endpoint.id.clone(),
            event_id,
            event_type: TEST_EVENT_TYPE.to_owned(),
            status: DeliveryStatus::Pending,
            created_at: now,
            next_attempt_at: Some(now),
            attempts: Vec::new(),
        };
        Ok(Decided::changed(delivery, audit))
    }

    /// Starts a delivery that has ended again, with all its attempts, due at once.
    pub fn redeliver(
        self,
        endpoint: &WebhookEndpoint,
        now: Timestamp,
    ) -> Result<Decided<Self>, NotSent> {
        can_be_sent_to(endpoint)?;
        if self.status == DeliveryStatus::Pending {
            return Err(NotSent::StillPending);
        }
        let target = TargetKind::WebhookDelivery;
        let audit = AuditEntry::new(AuditAction::WebhookRedelivered, target, self.id.as_str());
        let delivery = Self {
            status: DeliveryStatus::Pending,
            next_attempt_at: Some(now),
            ..self
        };
        Ok(Decided::changed(delivery, audit))
    }
}

fn can_be_sent_to(endpoint: &WebhookEndpoint) -> Result<(), NotSent> {
    if endpoint.is_enabled() {
        Ok(())
    } else {
        Err(NotSent::EndpointDisabled)
    }
}

/// What became of a delivery's attempt, as the worker that held it reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptReport {
    /// The delivery.
    pub delivery_id: DeliveryId,
    /// Whose lease it was.
    pub owner: String,
    /// The claim's number.
    pub fence: i64,
    /// The attempt.
    pub attempt: Attempt,
    /// What it means.
    pub outcome: Outcome,
    /// When to try again if it failed; none when it was the last attempt.
    pub retry_at: Option<Timestamp>,
    /// The present.
    pub now: Timestamp,
    /// How long an endpoint may fail without a break.
    pub disable_after: Duration,
}

impl AttemptReport {
    /// Who acts, and when.
    pub fn act(&self) -> Act {
        Act {
            actor: Actor::system("webhook-worker"),
            at: self.now,
        }
    }
}

/// A delivery with an attempt under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnderWay {
    /// What it is until the attempt is recorded.
    pub status: DeliveryStatus,
    /// How many attempts were begun, counted from 1, or from the last redelivery.
    pub tries: u32,
    /// The attempts so far, without the one under way.
    pub attempts: Vec<Attempt>,
}

/// What an attempt means: for the delivery, and for its endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conclusion {
    /// What the delivery is now.
    pub status: DeliveryStatus,
    /// When its next attempt is due, if there is to be one.
    pub next_attempt_at: Option<Timestamp>,
    /// When it ended, if it has.
    pub finished_at: Option<Timestamp>,
    /// All of its attempts.
    pub attempts: Vec<Attempt>,
    /// How the endpoint is doing now, if that has changed.
    pub health: Option<EndpointHealth>,
    /// The endpoint, if the attempt disabled it.
    pub disabled: Option<Decided<WebhookEndpoint>>,
}

impl Conclusion {
    /// Why the endpoint was disabled, if it was.
    pub fn disabled_reason(&self) -> Option<AutoDisabled> {
        self.disabled.as_ref()?.value.disabled_reason
    }
}

/// What the attempt of a delivery means. `endpoint` is where it went, with how that has been doing; it may
/// have been disabled or deleted meanwhile, and then the delivery is canceled already, or about to be.
pub fn conclude(
    report: &AttemptReport,
    delivery: UnderWay,
    endpoint: Option<(&WebhookEndpoint, EndpointHealth)>,
) -> Conclusion {
    let endpoint = endpoint.filter(|(endpoint, _)| endpoint.is_enabled());
    let canceled = delivery.status == DeliveryStatus::Canceled || endpoint.is_none();
    let status = match (report.outcome, report.retry_at) {
        (Outcome::Succeeded, _) => DeliveryStatus::Delivered,
        (_, _) if canceled => DeliveryStatus::Canceled,
        (Outcome::Failed, Some(_)) => DeliveryStatus::Pending,
        (Outcome::Failed, None) | (Outcome::Disabling(_), _) => DeliveryStatus::Failed,
    };
    let pending = status == DeliveryStatus::Pending;
    let mut attempts = delivery.attempts;
    attempts.push(report.attempt.clone());
    let (mut health, mut disabled) = (None, None);
    if let Some((endpoint, before)) = endpoint {
        let lost =
            status == DeliveryStatus::Failed && !before.has_counted(&attempts, delivery.tries);
        let after = match report.outcome {
            Outcome::Succeeded => EndpointHealth::default(),
            Outcome::Failed | Outcome::Disabling(_) => {
                before.after_failure(report.attempt.at, lost)
            }
        };
        let reason = match report.outcome {
            Outcome::Succeeded => None,
            Outcome::Disabling(reason) => Some(reason),
            Outcome::Failed => after
                .has_failed_for(report.disable_after, report.now)
                .then_some(AutoDisabled::SustainedFailures),
        };
        health = Some(after).filter(|after| *after != before);
        disabled = reason.map(|reason| endpoint.disable(reason, report.now));
    }
    Conclusion {
        status,
        next_attempt_at: report.retry_at.filter(|_| pending),
        finished_at: (!pending).then_some(report.now),
        attempts,
        health,
        disabled,
    }
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
    /// Until when nothing more is tried.
    pub rests_until: Option<Timestamp>,
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
            ..self
        }
    }

    /// Whether the endpoint has failed without a break for `limit`, and for enough deliveries.
    pub fn has_failed_for(self, limit: Duration, now: Timestamp) -> bool {
        self.lost >= Self::LOST_AT_LEAST
            && self
                .failing_since
                .is_some_and(|since| now.since(since) >= limit)
    }

    /// The health after a round of attempts begun at `now`, where the endpoint rests before the next.
    pub fn resting(self, now: Timestamp) -> Option<Self> {
        (self.failures >= Self::FALTERING_AFTER).then(|| Self {
            rests_until: Some(now.saturating_add(Self::REST)),
            ..self
        })
    }
}

#[cfg(test)]
#[path = "delivery/tests.rs"]
mod tests;
