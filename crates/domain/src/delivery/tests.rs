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
    let (took, failed) = (Outcome::Succeeded, Outcome::Failed);
    let redirect = Outcome::Disabling(AutoDisabled::Redirect);
    let enabled = endpoint();
    let disabled = enabled.disable(AutoDisabled::Redirect, at(2)).value;
    let (enabled, disabled, soon) = (Some(&enabled), Some(&disabled), Some(110));
    for (before, endpoint, outcome, retry_at, status) in [
        (Pending, enabled, took, soon, Delivered),
        (Pending, enabled, failed, soon, Pending),
        (Pending, enabled, failed, None, Failed),
        (Pending, enabled, redirect, soon, Failed),
        (Pending, disabled, took, None, Delivered),
        (Pending, disabled, failed, soon, Canceled),
        (Pending, disabled, redirect, soon, Canceled),
        (Pending, None, took, None, Delivered),
        (Pending, None, failed, soon, Canceled),
        (Canceled, enabled, took, None, Delivered),
        (Canceled, enabled, failed, soon, Canceled),
        (Canceled, enabled, redirect, None, Canceled),
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
    let health = |failing_since, failures, lost| EndpointHealth {
        failing_since: Some(at(failing_since)),
        failures,
        lost,
        rests_until: None,
    };
    let resting = |health| EndpointHealth {
        rests_until: Some(at(99)),
        ..health
    };
    let (well, ill) = (EndpointHealth::default(), health(50, 4, 1));
    let (took, failed, soon) = (Outcome::Succeeded, Outcome::Failed, Some(110));
    let reason = AutoDisabled::Redirect;
    let redirect = Outcome::Disabling(reason);
    for (before, outcome, retry_at, after, reason) in [
        (well, took, None, None, None),
        (ill, took, None, Some(well), None),
        (resting(ill), took, None, Some(well), None),
        (resting(well), took, None, Some(well), None),
        (well, failed, soon, Some(health(100, 1, 0)), None),
        (well, failed, None, Some(health(100, 1, 1)), None),
        (ill, failed, soon, Some(health(50, 5, 1)), None),
        (
            resting(ill),
            failed,
            None,
            Some(resting(health(50, 5, 2))),
            None,
        ),
        (well, redirect, soon, Some(health(100, 1, 1)), Some(reason)),
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
