//! The audit trail.

use rollcall_domain::audit::AuditAction;
use rollcall_domain::enforcement::ActionKind;
use rollcall_domain::page::Limit;
use rollcall_domain::profile::export_audit;
use rollcall_store::audit::AuditFilter;

use crate::world::{World, act_at, at, proof};

pub(crate) async fn every_change_leaves_its_entry_with_who_and_when(world: World) {
    let scope = world.organization("org").await;
    let id = world.create(&scope, at(1), None).await;
    let action = world.open_action(&scope, &id, ActionKind::Ban, at(2)).await;
    world
        .store
        .remove_profile(&scope, &act_at(at(3)), &id)
        .await
        .unwrap();
    let page = world
        .store
        .list_audit_events(proof(), &AuditFilter::default(), None, Limit::DEFAULT)
        .await
        .unwrap();
    let trail: Vec<_> = page
        .events
        .iter()
        .map(|event| (event.action, event.act.at, event.target_id.as_str()))
        .collect();
    assert_eq!(
        trail,
        [
            (AuditAction::ProfileDeleted, at(3), id.as_str()),
            (AuditAction::EnforcementActionOpened, at(2), action.as_str()),
            (AuditAction::ProfileCreated, at(1), id.as_str()),
            (AuditAction::OrganizationCreated, at(0), "org"),
        ]
    );
    assert!(
        page.events
            .iter()
            .all(|event| event.act.actor == act_at(at(0)).actor)
    );
    assert!(
        page.events
            .iter()
            .all(|event| event.organization_id.as_ref() == Some(scope.organization_id()))
    );
    assert_eq!(page.next, None);
}

pub(crate) async fn the_trail_is_filtered_and_paged_newest_first(world: World) {
    let scope = world.organization("org").await;
    let other = world.organization("other").await;
    let mut created = Vec::new();
    for second in 1..8 {
        created.push(world.create(&scope, at(second), None).await.to_string());
        world.create(&other, at(second), None).await;
    }
    created.reverse();
    let entry = export_audit(Some(scope.organization_id()), None);
    world
        .store
        .record(proof(), &act_at(at(50)), None, entry)
        .await
        .unwrap();
    let filter = AuditFilter {
        organization_id: Some(scope.organization_id().clone()),
        action: Some("user_profile.created".into()),
        ..AuditFilter::default()
    };
    let mut walked = Vec::new();
    let mut after = None;
    loop {
        let limit = Limit::new(3).unwrap();
        let page = world
            .store
            .list_audit_events(proof(), &filter, after.as_ref(), limit)
            .await
            .unwrap();
        walked.extend(page.events.into_iter().map(|event| event.target_id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(walked, created);
    for targets in [&created[..1], &created[..2]] {
        let filter = AuditFilter {
            target_ids: targets.to_vec(),
            ..AuditFilter::default()
        };
        let page = world
            .store
            .list_audit_events(proof(), &filter, None, Limit::DEFAULT)
            .await
            .unwrap();
        let found = page.events.into_iter().map(|event| event.target_id);
        assert_eq!(found.collect::<Vec<_>>(), targets);
    }
    let newest = world
        .store
        .list_audit_events(proof(), &AuditFilter::default(), None, Limit::DEFAULT)
        .await
        .unwrap();
    assert_eq!(newest.events[0].organization_id, None);
}

pub(crate) async fn filters_of_the_trail_hold_together_and_each_alone(world: World) {
    let scope = world.organization("org").await;
    let other = world.organization("other").await;
    let mut acts = Vec::new();
    for second in 1..=6 {
        let mut act = act_at(at(second));
        act.actor.id = format!("apikey_{}", second % 2);
        act.actor.name = Some(format!("Key {}", second % 2));
        acts.push(act);
    }
    for (number, act) in acts.iter().enumerate() {
        let of = if number < 3 { &scope } else { &other };
        let entry = export_audit(Some(of.organization_id()), None);
        let id = Some(of.organization_id());
        world.store.record(proof(), act, id, entry).await.unwrap();
    }
    let found = async |filter: AuditFilter| {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let limit = Limit::new(2).unwrap();
            let page = world
                .store
                .list_audit_events(proof(), &filter, after.as_ref(), limit);
            let page = page.await.unwrap();
            found.extend(page.events);
            after = page.next;
            if after.is_none() {
                return found;
            }
        }
    };
    let seconds = async |filter: AuditFilter| {
        let found = found(filter).await.into_iter();
        found
            .map(|event| (1..=6).find(|second| at(*second) == event.act.at))
            .collect::<Vec<_>>()
    };
    let by = |actor: &str| AuditFilter {
        actor_id: Some(actor.to_owned()),
        ..AuditFilter::default()
    };
    assert_eq!(seconds(by("apikey_1")).await, [Some(5), Some(3), Some(1)]);
    assert!(seconds(by("nobody")).await.is_empty());
    let named = found(by("apikey_0")).await;
    assert!(
        named
            .iter()
            .all(|it| it.act.actor.name.as_deref() == Some("Key 0"))
    );
    let between = |after, before| AuditFilter {
        after: Some(at(after)),
        before: Some(at(before)),
        ..AuditFilter::default()
    };
    assert_eq!(seconds(between(1, 5)).await, [Some(4), Some(3), Some(2)]);
    assert!(seconds(between(6, 9)).await.is_empty());
    let all = AuditFilter {
        organization_id: Some(scope.organization_id().clone()),
        target_ids: vec!["org".into()],
        action: Some("user_profiles.exported".into()),
        actor_id: Some("apikey_1".into()),
        ..between(0, 3)
    };
    assert_eq!(seconds(all.clone()).await, [Some(1)]);
    for without in [
        AuditFilter {
            target_ids: Vec::new(),
            ..all.clone()
        },
        AuditFilter {
            target_ids: vec!["org".into(), "x".into()],
            ..all.clone()
        },
        AuditFilter {
            action: None,
            ..all.clone()
        },
        AuditFilter {
            organization_id: None,
            ..all.clone()
        },
        AuditFilter {
            target_ids: Vec::new(),
            actor_id: None,
            after: None,
            ..all.clone()
        },
    ] {
        let found = seconds(without.clone()).await;
        let mut expected = vec![Some(1)];
        if without.actor_id.is_none() {
            expected.insert(0, Some(2));
        }
        assert_eq!(found, expected, "{without:?}");
    }
}
