//! Deliveries: from a decision to the last attempt.

use std::time::Duration;

use rollcall_domain::audit::AuditAction;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::delivery::{Attempt, Delivery, DeliveryStatus, OUTCOME_UNKNOWN, Outcome};
use rollcall_domain::event::EventType;
use rollcall_domain::id::{ProfileId, WebhookEndpointId};
use rollcall_domain::page::Limit;
use rollcall_domain::program::{Cyber, ProgramStanding, ProgramStatus};
use rollcall_domain::tenant::OrganizationScope;
use rollcall_domain::webhook::{AutoDisabled, EndpointPatch, EndpointState};
use rollcall_store::audit::AuditFilter;
use rollcall_store::deliveries::{
    AttemptReport, Claim, Claimed, ClaimedAttempt, DeliveryFilter, DeliveryLease, NotSent, Recorded,
};
use rollcall_store::overview::WebhookFigures;
use rollcall_store::webhooks::EndpointFilter;

use super::webhooks::{change, endpoint, insert, state};
use crate::world::{World, act_at, at, proof, restriction};

const LEASE: Duration = Duration::from_mins(1);
/// Beyond any wait of these tests.
const LATEST: Duration = Duration::from_mins(5);
const DAY: Duration = Duration::from_hours(24);

/// An organization with a profile and an endpoint that is told everything.
async fn subscribed(world: &World) -> (OrganizationScope, ProfileId, WebhookEndpointId) {
    let scope = world.organization("org").await;
    let profile = world.create(&scope, at(0), None).await;
    let made = endpoint(world, 0, EventType::ALL);
    insert(world, &scope, &made).await.unwrap();
    (scope, profile, made.id)
}

/// Makes one event.
async fn emit(world: &World, scope: &OrganizationScope, profile: &ProfileId, now: Timestamp) {
    let decide: rollcall_store::Decide = Box::new(move |profile| {
        let mut statuses = profile.programs.statuses();
        let active = statuses.any(|(_, status)| status == ProgramStatus::Active);
        let status = if active {
            ProgramStatus::Pending
        } else {
            ProgramStatus::Active
        };
        profile.set_program(ProgramStanding::Cyber(Cyber::without_tiers(status)), now)
    });
    world.change(scope, profile, now, decide).await;
}

/// How many deliveries wait for an attempt.
async fn pending(world: &World) -> u64 {
    let figures = world.store.registry_figures(proof(), 1, 0).await;
    figures.unwrap().webhooks.waiting
}

async fn claim(world: &World, owner: &str, now: Timestamp) -> Claimed {
    let claim = Claim {
        owner: owner.into(),
        now,
        lease_until: now.saturating_add(LEASE),
        latest: now.saturating_add(LATEST),
        limit: 1_000,
    };
    world.store.claim_deliveries(claim).await.unwrap()
}

fn report(
    claimed: &ClaimedAttempt,
    owner: &str,
    outcome: Outcome,
    now: Timestamp,
) -> AttemptReport {
    AttemptReport {
        delivery_id: claimed.delivery_id.clone(),
        owner: owner.into(),
        fence: claimed.fence,
        attempt: Attempt {
            at: now,
            status_code: Some(500),
            latency_ms: 5,
            error: None,
            answer: None,
        },
        outcome,
        retry_at: (claimed.number < 3).then(|| now.saturating_add(Duration::from_secs(10))),
        now,
        disable_after: DAY,
    }
}

async fn record(
    world: &World,
    claimed: &ClaimedAttempt,
    outcome: Outcome,
    now: Timestamp,
) -> Recorded {
    let reports = vec![report(claimed, "a", outcome, now)];
    world
        .store
        .record_attempts(reports)
        .await
        .unwrap()
        .remove(0)
}

fn kept(status: DeliveryStatus) -> Recorded {
    Recorded::Kept {
        status,
        disabled: None,
    }
}

async fn all(world: &World) -> Vec<Delivery> {
    let limit = Limit::new(100).unwrap();
    let page = world
        .store
        .list_deliveries(proof(), &DeliveryFilter::default(), None, limit)
        .await
        .unwrap();
    page.deliveries.into_iter().rev().collect()
}

async fn statuses(world: &World) -> Vec<DeliveryStatus> {
    all(world)
        .await
        .into_iter()
        .map(|found| found.status)
        .collect()
}

async fn check(world: &World) {
    let report = world.store.check(proof(), &|_| {}).await.unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
}

pub(crate) async fn a_decision_reaches_who_is_enabled_and_subscribed_then(world: World) {
    let scope = world.organization("org").await;
    let other = world.organization("other").await;
    let profile = world.create(&scope, at(0), None).await;
    let opened = [EventType::EnforcementActionOpened];
    let all_events = endpoint(&world, 1, EventType::ALL);
    let opened_only = endpoint(&world, 2, &opened);
    let disabled = endpoint(&world, 3, EventType::ALL);
    let foreign = endpoint(&world, 4, EventType::ALL);
    for (scope, made) in [
        (&scope, &all_events),
        (&scope, &opened_only),
        (&scope, &disabled),
        (&other, &foreign),
    ] {
        insert(&world, scope, made).await.unwrap();
    }
    change(
        &world,
        &scope,
        &disabled.id,
        5,
        state(EndpointState::Disabled),
    )
    .await;

    let action = world
        .open_action(&scope, &profile, restriction(None), at(6))
        .await;
    emit(&world, &scope, &profile, at(7)).await;
    // Nothing that is refused, or unchanged, is told.
    let refused: rollcall_store::Decide =
        Box::new(|_| Err(rollcall_domain::decision::Refusal::ActionNotOpen));
    world.change(&scope, &profile, at(8), refused).await;
    // Whoever comes later is told nothing of before.
    let late = endpoint(&world, 9, EventType::ALL);
    insert(&world, &scope, &late).await.unwrap();
    change(
        &world,
        &scope,
        &disabled.id,
        10,
        state(EndpointState::Enabled),
    )
    .await;

    let claimed = claim(&world, "a", at(20)).await;
    assert_eq!(claimed.next, None);
    let told = |id: &WebhookEndpointId| -> Vec<(String, String)> {
        let attempts = claimed.attempts.iter();
        let attempts = attempts.filter(|attempt| attempt.endpoint_id == *id);
        attempts
            .map(|attempt| (attempt.event_id.to_string(), attempt.body.clone()))
            .collect()
    };
    let (first, second) = (told(&all_events.id), told(&opened_only.id));
    assert_eq!((first.len(), second.len()), (2, 1));
    assert_eq!(
        first[0], second[0],
        "one id and one body for every endpoint"
    );
    assert_eq!(claimed.attempts.len(), 3);
    let (id, body) = &first[0];
    assert_eq!(
        *body,
        format!(
            r#"{{"type":"event","id":"{id}","created_at":"{}","data":{{"type":"user_profile.enforcement_action_opened","id":"{profile}","enforcement_action_id":"{action}","organization_id":"org"}}}}"#,
            rollcall_record::time::to_text(at(6))
        )
    );
    assert!(
        first[1].1.contains("program_status_updated"),
        "{}",
        first[1].1
    );
    check(&world).await;
}

pub(crate) async fn claims_go_in_order_and_never_pass_ten_an_endpoint(world: World) {
    let (scope, profile, id) = subscribed(&world).await;
    for second in 1..=25 {
        emit(&world, &scope, &profile, at(second)).await;
    }
    assert_eq!(pending(&world).await, 25);
    let early = claim(&world, "a", at(3)).await;
    assert_eq!((early.attempts.len(), early.next), (3, Some(at(4))));
    let first = claim(&world, "a", at(30)).await;
    assert_eq!((first.attempts.len(), first.next), (7, None));
    let other = claim(&world, "b", at(30)).await;
    assert_eq!(
        other.attempts,
        [],
        "the limit holds for all workers together"
    );
    assert_eq!(other.next, Some(at(3).saturating_add(LEASE)));

    let claimed: Vec<_> = early.attempts.iter().chain(&first.attempts).collect();
    let order: Vec<_> = claimed.iter().map(|attempt| attempt.created_at).collect();
    let expected: Vec<_> = (1..=10).map(at).collect();
    assert_eq!(order, expected);
    assert!(claimed.iter().all(|attempt| attempt.endpoint_id == id));

    for attempt in &claimed[..4] {
        let recorded = record(&world, attempt, Outcome::Succeeded, at(31)).await;
        assert_eq!(recorded, kept(DeliveryStatus::Delivered));
    }
    let second = claim(&world, "b", at(31)).await;
    let order = second.attempts.iter().map(|claimed| claimed.created_at);
    assert_eq!(order.collect::<Vec<_>>(), [at(11), at(12), at(13), at(14)]);
    check(&world).await;
}

pub(crate) async fn a_full_endpoint_keeps_no_other_from_its_turn(world: World) {
    let (scope, profile, _) = subscribed(&world).await;
    for second in 1..=12 {
        emit(&world, &scope, &profile, at(second)).await;
    }
    assert_eq!(claim(&world, "a", at(20)).await.attempts.len(), 10);
    let other = endpoint(&world, 21, EventType::ALL);
    insert(&world, &scope, &other).await.unwrap();
    emit(&world, &scope, &profile, at(22)).await;
    let claimed = claim(&world, "a", at(22)).await;
    assert_eq!(claimed.attempts.len(), 1);
    assert_eq!(claimed.attempts[0].endpoint_id, other.id);
}

pub(crate) async fn a_lease_that_ends_is_taken_over_and_the_late_report_is_not_kept(world: World) {
    let (scope, profile, _) = subscribed(&world).await;
    emit(&world, &scope, &profile, at(1)).await;
    let lost = claim(&world, "a", at(1)).await.attempts.remove(0);
    let ends = at(1).saturating_add(LEASE);
    let waiting = claim(&world, "b", at(2)).await;
    assert_eq!((waiting.attempts.len(), waiting.next), (0, Some(ends)));
    // Its own lease does not end for the worker that has the attempt under way.
    assert_eq!(claim(&world, "a", ends).await.attempts, []);

    let taken = claim(&world, "b", ends).await.attempts.remove(0);
    assert_eq!(
        (taken.number, taken.event_id.clone()),
        (2, lost.event_id.clone())
    );
    let recorded = record(&world, &lost, Outcome::Succeeded, ends).await;
    assert_eq!(recorded, Recorded::Stale);
    let reports = vec![report(&taken, "b", Outcome::Succeeded, ends)];
    let recorded = world.store.record_attempts(reports).await.unwrap();
    assert_eq!(recorded, [kept(DeliveryStatus::Delivered)]);
    let delivery = all(&world).await.remove(0);
    assert_eq!(delivery.attempts.len(), 2);
    assert_eq!(delivery.attempts[0].at, at(1));
    assert_eq!(delivery.attempts[0].error.as_deref(), Some(OUTCOME_UNKNOWN));
    check(&world).await;
}

pub(crate) async fn a_lease_that_is_renewed_is_kept_and_one_that_was_lost_is_not(world: World) {
    let (scope, profile, _) = subscribed(&world).await;
    emit(&world, &scope, &profile, at(1)).await;
    let mine = claim(&world, "a", at(1)).await.attempts.remove(0);
    let lease = |claimed: &ClaimedAttempt| DeliveryLease {
        delivery_id: claimed.delivery_id.clone(),
        fence: claimed.fence,
    };
    let first_end = at(1).saturating_add(LEASE);
    let next_end = first_end.saturating_add(LEASE);
    let renew = async |claimed: &ClaimedAttempt, until| {
        let renewed = world.store.renew_leases(vec![lease(claimed)], until).await;
        renewed.unwrap();
    };
    renew(&mine, next_end).await;
    let waiting = claim(&world, "b", first_end).await;
    assert_eq!((waiting.attempts.len(), waiting.next), (0, Some(next_end)));
    let taken = claim(&world, "b", next_end).await.attempts.remove(0);
    renew(&mine, at(9_000)).await;
    let again = next_end.saturating_add(LEASE);
    assert_eq!(claim(&world, "c", next_end).await.next, Some(again));
    let reports = vec![report(&taken, "b", Outcome::Succeeded, next_end)];
    world.store.record_attempts(reports).await.unwrap();
    renew(&taken, at(9_000)).await;
    assert_eq!(statuses(&world).await, [DeliveryStatus::Delivered]);
    check(&world).await;
}

pub(crate) async fn failures_are_tried_again_and_end(world: World) {
    let (scope, profile, _) = subscribed(&world).await;
    emit(&world, &scope, &profile, at(1)).await;
    for (number, now) in [(1, at(1)), (2, at(11)), (3, at(21))] {
        let claimed = claim(&world, "a", now).await.attempts.remove(0);
        assert_eq!(claimed.number, number);
        let under_way = all(&world).await.remove(0);
        assert_eq!(under_way.next_attempt_at, None);
        let recorded = record(&world, &claimed, Outcome::Failed, now).await;
        if number < 3 {
            assert_eq!(recorded, kept(DeliveryStatus::Pending));
            let next = now.saturating_add(Duration::from_secs(10));
            assert_eq!(all(&world).await[0].next_attempt_at, Some(next));
            let early = claim(&world, "a", now).await;
            assert_eq!((early.attempts.len(), early.next), (0, Some(next)));
        } else {
            assert_eq!(recorded, kept(DeliveryStatus::Failed));
        }
    }
    let ended = all(&world).await.remove(0);
    assert_eq!((ended.attempts.len(), ended.next_attempt_at), (3, None));
    assert_eq!(claim(&world, "a", at(1_000)).await, Claimed::default());
    check(&world).await;
}

pub(crate) async fn a_redirect_disables_at_once_and_cancels_the_rest(world: World) {
    let (scope, profile, id) = subscribed(&world).await;
    for second in 1..=3 {
        emit(&world, &scope, &profile, at(second)).await;
    }
    let claimed = claim(&world, "a", at(2)).await.attempts;
    let outcome = Outcome::Disabling(AutoDisabled::Redirect);
    let recorded = record(&world, &claimed[0], outcome, at(4)).await;
    let expected = Recorded::Kept {
        status: DeliveryStatus::Failed,
        disabled: Some(AutoDisabled::Redirect),
    };
    assert_eq!(recorded, expected);
    let found = world.store.find_webhook_endpoint(&scope, &id).await;
    let found = found.unwrap().unwrap();
    assert_eq!(found.state, EndpointState::Disabled);
    assert_eq!(found.disabled_reason, Some(AutoDisabled::Redirect));
    assert_eq!(found.updated_at, at(4));
    // What was under way is kept for what it was.
    let recorded = record(&world, &claimed[1], Outcome::Failed, at(5)).await;
    assert_eq!(recorded, kept(DeliveryStatus::Canceled));
    assert_eq!(
        statuses(&world).await,
        [
            DeliveryStatus::Failed,
            DeliveryStatus::Canceled,
            DeliveryStatus::Canceled
        ]
    );
    assert_eq!(claim(&world, "a", at(99)).await, Claimed::default());
    let filter = AuditFilter {
        target_ids: vec![id.to_string()],
        ..AuditFilter::default()
    };
    let trail = world
        .store
        .list_audit_events(proof(), &filter, None, Limit::DEFAULT)
        .await
        .unwrap();
    let entry = &trail.events[0];
    assert_eq!(entry.action, AuditAction::WebhookEndpointAutoDisabled);
    check(&world).await;
}

pub(crate) async fn a_day_of_failures_disables_and_a_success_starts_over(world: World) {
    let (scope, profile, id) = subscribed(&world).await;
    let mut now = at(1);
    let mut last = kept(DeliveryStatus::Failed);
    // A delivery is lost every eight hours; one success after the second starts over.
    for round in 0..7 {
        emit(&world, &scope, &profile, now).await;
        for _ in 0..3 {
            let claimed = claim(&world, "a", now).await.attempts.remove(0);
            let succeeds = round == 2;
            let outcome = if succeeds {
                Outcome::Succeeded
            } else {
                Outcome::Failed
            };
            last = record(&world, &claimed, outcome, now).await;
            let disabled = matches!(
                last,
                Recorded::Kept {
                    disabled: Some(_),
                    ..
                }
            );
            if succeeds || disabled {
                break;
            }
            now = now.saturating_add(Duration::from_secs(10));
        }
        let disabled = matches!(
            last,
            Recorded::Kept {
                disabled: Some(_),
                ..
            }
        );
        assert_eq!(disabled, round == 6, "round {round}: {last:?}");
        now = now.saturating_add(Duration::from_hours(8));
    }
    let found = world.store.find_webhook_endpoint(&scope, &id).await;
    let reason = found.unwrap().unwrap().disabled_reason;
    assert_eq!(reason, Some(AutoDisabled::SustainedFailures));
    // Enabled again it begins anew: the next failure does not disable it at once.
    change(&world, &scope, &id, 900_000, state(EndpointState::Enabled)).await;
    emit(&world, &scope, &profile, at(900_001)).await;
    let claimed = claim(&world, "a", at(900_001)).await.attempts.remove(0);
    let recorded = record(&world, &claimed, Outcome::Failed, at(900_001)).await;
    assert_eq!(recorded, kept(DeliveryStatus::Pending));
}

/// Makes every attempt that is left of what is due, in vain; answers with what became of the last one.
async fn lose(world: &World, mut now: Timestamp) -> Option<Recorded> {
    let mut last = None;
    for _ in 0..3 {
        for claimed in claim(world, "a", now).await.attempts {
            last = Some(record(world, &claimed, Outcome::Failed, now).await);
        }
        now = now.saturating_add(Duration::from_secs(10));
    }
    last
}

pub(crate) async fn a_delivery_that_is_lost_again_by_hand_counts_once(world: World) {
    let (scope, profile, _) = subscribed(&world).await;
    emit(&world, &scope, &profile, at(1)).await;
    assert_eq!(
        lose(&world, at(1)).await,
        Some(kept(DeliveryStatus::Failed))
    );
    let only = all(&world).await.remove(0).id;
    let day = DAY.as_secs();
    for round in 1..=4 {
        let act = act_at(at(round * day));
        let again = world.store.redeliver(proof(), &act, &only).await.unwrap();
        assert!(matches!(again, Some(Ok(_))), "{again:?}");
        let last = lose(&world, act.at).await;
        assert_eq!(last, Some(kept(DeliveryStatus::Failed)), "round {round}");
    }
    for (second, disabled) in [
        (5 * day, None),
        (6 * day, Some(AutoDisabled::SustainedFailures)),
    ] {
        emit(&world, &scope, &profile, at(second)).await;
        let status = DeliveryStatus::Failed;
        let expected = Recorded::Kept { status, disabled };
        assert_eq!(lose(&world, at(second)).await, Some(expected));
    }
}

pub(crate) async fn an_endpoint_that_fails_again_and_again_rests_between_rounds(world: World) {
    let (scope, profile, _) = subscribed(&world).await;
    for second in 1..=50 {
        emit(&world, &scope, &profile, at(second)).await;
    }
    let mut claimed = Vec::new();
    // Nothing is known to be wrong after the first round; from the second on there is a rest.
    for now in [at(100), at(100), at(101)] {
        let found = claim(&world, "a", now).await;
        assert_eq!(found.attempts.len(), 10);
        for attempt in &found.attempts {
            record(&world, attempt, Outcome::Failed, now).await;
        }
        claimed.push(found.next);
    }
    assert_eq!(claimed, [None, Some(at(101)), Some(at(102))]);
    let resting = claim(&world, "a", at(101)).await;
    assert_eq!((resting.attempts.len(), resting.next), (0, Some(at(102))));
    let one = claim(&world, "a", at(102)).await.attempts.remove(0);
    record(&world, &one, Outcome::Succeeded, at(102)).await;
    assert!(!claim(&world, "a", at(102)).await.attempts.is_empty());
}

pub(crate) async fn a_clock_that_is_set_back_stops_nothing(world: World) {
    let (scope, profile, id) = subscribed(&world).await;
    // One waits for its second attempt, one is another worker's, and the endpoint rests.
    for second in 1..=12 {
        emit(&world, &scope, &profile, at(100_000 + second)).await;
    }
    let late = at(100_100);
    let claimed = claim(&world, "a", late).await.attempts;
    for attempt in &claimed {
        record(&world, attempt, Outcome::Failed, late).await;
    }
    assert_eq!(claim(&world, "b", late).await.attempts.len(), 2);
    let waiting = claim(&world, "a", late).await;
    assert_eq!(
        waiting.attempts,
        [],
        "nothing is due, and the endpoint rests"
    );

    let early = at(50);
    emit(&world, &scope, &profile, early).await;
    let mut taken = Vec::new();
    for second in 0..3 {
        let now = early.saturating_add(Duration::from_secs(second));
        for attempt in claim(&world, "a", now).await.attempts {
            record(&world, &attempt, Outcome::Succeeded, now).await;
            taken.push((attempt.number, attempt.created_at));
        }
    }
    assert_eq!(taken.remove(0), (1, early), "the new one first");
    assert_eq!(taken.len(), 12);
    assert!(taken.iter().all(|(number, _)| *number == 2), "{taken:?}");
    assert_eq!(pending(&world).await, 0);
    let located = world.store.locate_webhook_endpoint(proof(), &id).await;
    assert_eq!(located.unwrap().unwrap().health.failing_since, None);
    check(&world).await;
}

pub(crate) async fn what_a_disabled_endpoint_missed_is_never_delivered(world: World) {
    let (scope, profile, id) = subscribed(&world).await;
    emit(&world, &scope, &profile, at(1)).await;
    change(&world, &scope, &id, 2, state(EndpointState::Disabled)).await;
    emit(&world, &scope, &profile, at(3)).await;
    change(&world, &scope, &id, 4, state(EndpointState::Enabled)).await;
    assert_eq!(claim(&world, "a", at(9)).await, Claimed::default());
    assert_eq!(statuses(&world).await, [DeliveryStatus::Canceled]);
    // An unsubscribed endpoint still gets what was emitted before.
    emit(&world, &scope, &profile, at(10)).await;
    let patch = EndpointPatch {
        enabled_events: Some(vec![EventType::ExternalKeyFailed.into()]),
        url: Some("https://example.com/new".into()),
        ..EndpointPatch::default()
    };
    change(&world, &scope, &id, 11, patch).await;
    emit(&world, &scope, &profile, at(12)).await;
    let claimed = claim(&world, "a", at(13)).await.attempts;
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].url, "https://example.com/new");
    world
        .store
        .remove_webhook_endpoint(&scope, &act_at(at(14)), &id)
        .await
        .unwrap();
    let recorded = record(&world, &claimed[0], Outcome::Succeeded, at(15)).await;
    assert_eq!(recorded, kept(DeliveryStatus::Delivered), "it did arrive");
    check(&world).await;
}

pub(crate) async fn a_tenancy_that_ends_fails_no_report_of_another(world: World) {
    let (scope, profile, ending) = subscribed(&world).await;
    let other = world.organization("other").await;
    let others = world.create(&other, at(0), None).await;
    let lasting = endpoint(&world, 1, EventType::ALL);
    insert(&world, &other, &lasting).await.unwrap();
    emit(&world, &scope, &profile, at(1)).await;
    emit(&world, &other, &others, at(1)).await;
    let claimed = claim(&world, "a", at(2)).await.attempts;
    assert_eq!(claimed.len(), 2);
    let org = scope.organization_id();
    world.hold(org).await;
    let act = act_at(at(3));
    let begun = world.store.begin_removal(proof(), &act, org).await;
    assert_eq!(begun.unwrap(), Some(Ok(())));
    // Each disables its endpoint, which leaves an entry in the trail of its organization.
    let outcome = Outcome::Disabling(AutoDisabled::Redirect);
    let reports = claimed.iter().map(|it| report(it, "a", outcome, at(4)));
    let recorded = world.store.record_attempts(reports.collect()).await;
    for (claimed, recorded) in claimed.iter().zip(recorded.unwrap()) {
        if claimed.endpoint_id == ending {
            assert_eq!(recorded, Recorded::Stale);
        } else {
            let expected = Recorded::Kept {
                status: DeliveryStatus::Failed,
                disabled: Some(AutoDisabled::Redirect),
            };
            assert_eq!(recorded, expected);
        }
    }
    world.remove_organization(org).await;
    check(&world).await;
}

pub(crate) async fn a_large_backlog_is_canceled_piece_by_piece(world: World) {
    let (scope, _, id) = subscribed(&world).await;
    for _ in 0..1_050 {
        let act = act_at(at(1));
        let made = world.store.insert_test_delivery(proof(), &act, &id).await;
        made.unwrap().unwrap();
    }
    let claimed = claim(&world, "a", at(2)).await.attempts.remove(0);
    let outcome = Outcome::Disabling(AutoDisabled::InvalidAddress);
    record(&world, &claimed, outcome, at(2)).await;
    // The rest goes with the next claims and is never handed out.
    assert!(pending(&world).await < 100);
    while claim(&world, "a", at(3)).await.next.is_some() {}
    assert_eq!(pending(&world).await, 0);
    assert_eq!(
        world.store.list_webhook_endpoints(&scope).await.unwrap()[0].state,
        EndpointState::Disabled
    );
    check(&world).await;
}

pub(crate) async fn deliveries_of_a_profile_are_found_and_health_is_told(world: World) {
    let (scope, profile, id) = subscribed(&world).await;
    let neighbour = world.create(&scope, at(0), None).await;
    for (second, about) in [(1, &profile), (2, &neighbour), (3, &profile)] {
        emit(&world, &scope, about, at(second)).await;
    }
    let act = act_at(at(4));
    let test = world.store.insert_test_delivery(proof(), &act, &id);
    test.await.unwrap().unwrap();
    let limit = Limit::new(1).unwrap();
    let every = DeliveryFilter::default();
    let all = world
        .store
        .list_deliveries(proof(), &every, None, Limit::DEFAULT);
    for delivery in all.await.unwrap().deliveries {
        let filter = DeliveryFilter {
            event_id: Some(delivery.event_id.clone()),
            ..DeliveryFilter::default()
        };
        let list = world.store.list_deliveries(proof(), &filter, None, limit);
        assert_eq!(list.await.unwrap().deliveries, [delivery]);
    }
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let filter = DeliveryFilter {
            profile_id: Some(profile.clone()),
            ..DeliveryFilter::default()
        };
        let list = world
            .store
            .list_deliveries(proof(), &filter, after.as_ref(), limit);
        let page = list.await.unwrap();
        found.extend(page.deliveries.into_iter().map(|it| it.created_at));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, [at(3), at(1)]);

    let attempts = claim(&world, "a", at(5)).await.attempts;
    record(&world, &attempts[0], Outcome::Succeeded, at(5)).await;
    record(&world, &attempts[1], Outcome::Failed, at(6)).await;
    let located = world.store.locate_webhook_endpoint(proof(), &id).await;
    let located = located.unwrap().unwrap();
    for (is_failing, count) in [(true, 1), (false, 0)] {
        let filter = EndpointFilter {
            is_failing: Some(is_failing),
            ..EndpointFilter::default()
        };
        let search = world
            .store
            .search_webhook_endpoints(proof(), &filter, None, limit);
        assert_eq!(search.await.unwrap().endpoints.len(), count);
    }
    assert_eq!(
        (located.health.failing_since, located.health.failures),
        (Some(at(6)), 1)
    );
    let figures = world.store.registry_figures(proof(), 1, 0).await.unwrap();
    let mut webhooks = figures.webhooks;
    webhooks.newest.sort();
    let expected = WebhookFigures {
        failing: 1,
        waiting: 3,
        newest: vec![(DeliveryStatus::Pending, 3), (DeliveryStatus::Delivered, 1)],
        ..WebhookFigures::default()
    };
    assert_eq!(webhooks, expected);
}

pub(crate) async fn deliveries_are_listed_and_started_again_by_hand(world: World) {
    let (scope, profile, id) = subscribed(&world).await;
    for second in 1..=5 {
        emit(&world, &scope, &profile, at(second)).await;
    }
    let other = endpoint(&world, 6, EventType::ALL);
    insert(&world, &scope, &other).await.unwrap();
    let store = &world.store;
    let act = act_at(at(7));
    let test = store.insert_test_delivery(proof(), &act, &other.id).await;
    let test = test.unwrap().unwrap();
    assert_eq!(test.event_type, "webhook_endpoint.test");
    assert_eq!(
        (test.attempts.len(), test.next_attempt_at),
        (0, Some(at(7)))
    );

    let mut walked = Vec::new();
    let mut after = None;
    loop {
        let filter = DeliveryFilter {
            endpoint_id: Some(id.clone()),
            status: Some(DeliveryStatus::Pending),
            ..DeliveryFilter::default()
        };
        let limit = Limit::new(2).unwrap();
        let page = store
            .list_deliveries(proof(), &filter, after.as_ref(), limit)
            .await
            .unwrap();
        walked.extend(page.deliveries.into_iter().map(|found| found.created_at));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let expected: Vec<_> = (1..=5).rev().map(at).collect();
    assert_eq!(walked, expected);
    assert_eq!(all(&world).await.len(), 6);

    let attempt = claim(&world, "a", at(1)).await.attempts.remove(0);
    let redeliver = || store.redeliver(proof(), &act, &attempt.delivery_id);
    let refused = redeliver().await.unwrap();
    assert_eq!(refused, Some(Err(NotSent::StillPending)));
    record(&world, &attempt, Outcome::Succeeded, at(1)).await;
    let again = redeliver().await.unwrap().unwrap().unwrap();
    assert_eq!(again.status, DeliveryStatus::Pending);
    assert_eq!(
        (again.attempts.len(), again.next_attempt_at),
        (1, Some(at(7)))
    );
    let claimed = claim(&world, "a", at(7)).await.attempts;
    let claimed = claimed
        .iter()
        .find(|found| found.delivery_id == attempt.delivery_id);
    assert_eq!(claimed.unwrap().number, 1, "all its attempts again");
    let (_, body) = store
        .find_delivery(proof(), &attempt.delivery_id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(body, attempt.body);
    record(&world, claimed.unwrap(), Outcome::Failed, at(8)).await;

    change(&world, &scope, &id, 9, state(EndpointState::Disabled)).await;
    assert_eq!(
        redeliver().await.unwrap(),
        Some(Err(NotSent::EndpointDisabled))
    );
    let test = store
        .insert_test_delivery(proof(), &act, &id)
        .await
        .unwrap();
    assert_eq!(test, Err(NotSent::EndpointDisabled));
    store
        .remove_webhook_endpoint(&scope, &act, &id)
        .await
        .unwrap();
    assert_eq!(
        redeliver().await.unwrap(),
        Some(Err(NotSent::EndpointMissing))
    );
    let unknown = world.ids.delivery(at(9));
    assert_eq!(
        store.redeliver(proof(), &act, &unknown).await.unwrap(),
        None
    );
    assert_eq!(store.find_delivery(proof(), &unknown).await.unwrap(), None);
    check(&world).await;
}

pub(crate) async fn what_ended_is_forgotten_in_time(world: World) {
    let (scope, profile, _) = subscribed(&world).await;
    for second in 1..=4 {
        emit(&world, &scope, &profile, at(second)).await;
    }
    let claimed = claim(&world, "a", at(5)).await.attempts;
    for (attempt, now) in claimed.iter().zip([at(10), at(20), at(30)]) {
        record(&world, attempt, Outcome::Succeeded, now).await;
    }
    let store = &world.store;
    assert_eq!(store.prune_deliveries(at(10), 100).await.unwrap(), 0);
    let pruned = store.prune_deliveries(at(30), 100).await.unwrap();
    assert_eq!(pruned, 4, "two deliveries and their events");
    assert_eq!(
        statuses(&world).await,
        [DeliveryStatus::Delivered, DeliveryStatus::Pending]
    );
    check(&world).await;
}
