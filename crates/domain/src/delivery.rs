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
mod tests {
    use super::*;
    use crate::event::EventType;
    use crate::webhook::EndpointDraft;

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
            assert_eq!(health.resting(at(1)), None);
        }
        health = health.after_failure(at(1), false);
        let resting = health.resting(at(1)).unwrap();
        assert_eq!(resting.rests_until, Some(at(2)));
    }

    const DAY: Duration = Duration::from_hours(24);

    fn endpoint() -> WebhookEndpoint {
        let draft = EndpointDraft {
            enabled_events: vec![EventType::ProgramStatusUpdated.into()],
            url: "https://example.com/".into(),
            description: String::new(),
            name: String::new(),
        };
        WebhookEndpoint::create(WebhookEndpointId::parse("whep_1").unwrap(), draft, at(1)).value
    }

    fn attempt(seconds: u64) -> Attempt {
        Attempt {
            error: None,
            ..Attempt::unknown(at(seconds))
        }
    }

    /// A report of an attempt at 100 that ended at 101.
    fn report(outcome: Outcome, retry_at: Option<u64>) -> AttemptReport {
        AttemptReport {
            delivery_id: DeliveryId::parse("whd_1").unwrap(),
            owner: "worker".into(),
            fence: 1,
            attempt: attempt(100),
            outcome,
            retry_at: retry_at.map(at),
            now: at(101),
            disable_after: DAY,
        }
    }

    fn under_way(status: DeliveryStatus) -> UnderWay {
        UnderWay {
            status,
            tries: 1,
            attempts: Vec::new(),
        }
    }

    #[test]
    fn an_attempt_means_this_for_the_delivery() {
        use DeliveryStatus::{Canceled, Delivered, Failed, Pending};
        let redirect = Outcome::Disabling(AutoDisabled::Redirect);
        let enabled = endpoint();
        let disabled = enabled.disable(AutoDisabled::Redirect, at(2)).value;
        for (before, endpoint, outcome, retry_at, status) in [
            (
                Pending,
                Some(&enabled),
                Outcome::Succeeded,
                Some(110),
                Delivered,
            ),
            (Pending, Some(&enabled), Outcome::Failed, Some(110), Pending),
            (Pending, Some(&enabled), Outcome::Failed, None, Failed),
            (Pending, Some(&enabled), redirect, Some(110), Failed),
            (
                Pending,
                Some(&disabled),
                Outcome::Succeeded,
                None,
                Delivered,
            ),
            (
                Pending,
                Some(&disabled),
                Outcome::Failed,
                Some(110),
                Canceled,
            ),
            (Pending, Some(&disabled), redirect, Some(110), Canceled),
            (Pending, None, Outcome::Succeeded, None, Delivered),
            (Pending, None, Outcome::Failed, Some(110), Canceled),
            (
                Canceled,
                Some(&enabled),
                Outcome::Succeeded,
                None,
                Delivered,
            ),
            (
                Canceled,
                Some(&enabled),
                Outcome::Failed,
                Some(110),
                Canceled,
            ),
            (Canceled, Some(&enabled), redirect, None, Canceled),
        ] {
            let row = format!("{before} {endpoint:?} {outcome:?} {retry_at:?}");
            let health = EndpointHealth::default();
            let report = report(outcome, retry_at);
            let endpoint = endpoint.map(|endpoint| (endpoint, health));
            let conclusion = conclude(&report, under_way(before), endpoint);
            assert_eq!(conclusion.status, status, "{row}");
            let pending = status == Pending;
            let (next, end) = (conclusion.next_attempt_at, conclusion.finished_at);
            assert_eq!(next, pending.then_some(at(110)), "{row}");
            assert_eq!(end, (!pending).then_some(at(101)), "{row}");
            assert_eq!(conclusion.attempts, [attempt(100)], "{row}");
        }
    }

    #[test]
    fn an_attempt_means_this_for_the_endpoint() {
        let health = |failing_since: Option<u64>, failures, lost| EndpointHealth {
            failing_since: failing_since.map(at),
            failures,
            lost,
            rests_until: None,
        };
        let resting = |health| EndpointHealth {
            rests_until: Some(at(99)),
            ..health
        };
        let (well, ill) = (EndpointHealth::default(), health(Some(50), 4, 1));
        let redirect = Outcome::Disabling(AutoDisabled::Redirect);
        for (before, outcome, retry_at, after, reason) in [
            (well, Outcome::Succeeded, None, None, None),
            (ill, Outcome::Succeeded, None, Some(well), None),
            (resting(ill), Outcome::Succeeded, None, Some(well), None),
            (resting(well), Outcome::Succeeded, None, Some(well), None),
            (
                well,
                Outcome::Failed,
                Some(110),
                Some(health(Some(100), 1, 0)),
                None,
            ),
            (
                well,
                Outcome::Failed,
                None,
                Some(health(Some(100), 1, 1)),
                None,
            ),
            (
                ill,
                Outcome::Failed,
                Some(110),
                Some(health(Some(50), 5, 1)),
                None,
            ),
            (
                resting(ill),
                Outcome::Failed,
                None,
                Some(resting(health(Some(50), 5, 2))),
                None,
            ),
            (
                well,
                redirect,
                Some(110),
                Some(health(Some(100), 1, 1)),
                Some(AutoDisabled::Redirect),
            ),
        ] {
            let row = format!("{before:?} {outcome:?} {retry_at:?}");
            let report = report(outcome, retry_at);
            let delivery = under_way(DeliveryStatus::Pending);
            let conclusion = conclude(&report, delivery, Some((&endpoint(), before)));
            assert_eq!(conclusion.health, after, "{row}");
            assert_eq!(conclusion.disabled_reason(), reason, "{row}");
        }
    }

    #[test]
    fn an_endpoint_is_disabled_by_the_loss_that_fills_the_measure() {
        let long_failing = EndpointHealth {
            failing_since: Some(at(1)),
            failures: 8,
            lost: 2,
            rests_until: None,
        };
        let last = AttemptReport {
            disable_after: Duration::from_secs(100),
            ..report(Outcome::Failed, None)
        };
        let endpoint = endpoint();
        let concluded = |report: &AttemptReport, delivery, health| {
            let conclusion = conclude(report, delivery, Some((&endpoint, health)));
            conclusion.disabled_reason()
        };
        let pending = || under_way(DeliveryStatus::Pending);
        let sustained = Some(AutoDisabled::SustainedFailures);
        assert_eq!(concluded(&last, pending(), long_failing), sustained);
        let to_be_tried_again = AttemptReport {
            retry_at: Some(at(110)),
            ..last.clone()
        };
        assert_eq!(concluded(&to_be_tried_again, pending(), long_failing), None);
        // Lost before, started again by hand, and lost once more: it counts once.
        let again = UnderWay {
            attempts: vec![attempt(10)],
            ..pending()
        };
        assert_eq!(concluded(&last, again, long_failing), None);
        let canceled = under_way(DeliveryStatus::Canceled);
        assert_eq!(concluded(&last, canceled, long_failing), None);
    }

    #[test]
    fn a_delivery_is_started_again_once_it_has_ended_and_can_arrive() {
        let (enabled, now) = (endpoint(), at(9));
        let disabled = enabled.disable(AutoDisabled::Redirect, at(2)).value;
        let owner = OrganizationId::parse("org_1").unwrap();
        let test = |endpoint: &WebhookEndpoint| {
            let (id, event) = (DeliveryId::parse("whd_1"), EventId::parse("whe_1"));
            Delivery::test(id.unwrap(), event.unwrap(), &owner, endpoint, at(3))
        };
        assert_eq!(test(&disabled), Err(NotSent::EndpointDisabled));
        let made = test(&enabled).unwrap();
        assert_eq!(made.audit[0].action, AuditAction::WebhookTested);
        let pending = made.value;
        let again = |delivery: &Delivery, endpoint| delivery.clone().redeliver(endpoint, now);
        assert_eq!(again(&pending, &enabled), Err(NotSent::StillPending));
        assert_eq!(again(&pending, &disabled), Err(NotSent::EndpointDisabled));
        let lost = Delivery {
            status: DeliveryStatus::Failed,
            next_attempt_at: None,
            ..pending
        };
        let begun = again(&lost, &enabled).unwrap();
        assert_eq!(begun.value.status, DeliveryStatus::Pending);
        assert_eq!(begun.value.next_attempt_at, Some(now));
        assert_eq!(begun.audit[0].action, AuditAction::WebhookRedelivered);
    }
}
