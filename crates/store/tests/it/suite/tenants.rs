//! Organizations, workspaces and keys.

use std::sync::Arc;

use rollcall_domain::audit::AuditAction;
use rollcall_domain::decision::Refusal;
use rollcall_domain::gateway_policy::{
    CacheSeconds, ForUnknown, GatewayPolicy, GatewayPolicyPatch,
};
use rollcall_domain::id::{ApiKeyId, OrganizationId, WorkspaceId};
use rollcall_domain::page::Limit;
use rollcall_domain::profile::{Profile, ProfileDraft};
use rollcall_domain::role::Role;
use rollcall_domain::search::{ProfileSearch, SearchPage};
use rollcall_domain::tenant::{
    ApiKey, KeyKind, KeyOwner, KeyStatus, OrganizationPatch, OrganizationScope, OrganizationStatus,
    SecretHash, Workspace,
};
use rollcall_store::StoreError;
use rollcall_store::audit::AuditFilter;
use rollcall_store::registry::{Put, PutMode};
use rollcall_store::tenants::{Left, NotStored};

use crate::world::{World, act_at, at, proof, whole};

pub(crate) async fn organizations_are_stored_listed_and_changed(world: World) {
    for name in ["c", "a", "b"] {
        world.organization(name).await;
    }
    let id = OrganizationId::parse("a").unwrap();
    let again = world
        .store
        .find_organization(proof(), &id)
        .await
        .unwrap()
        .unwrap();
    let taken = world
        .store
        .insert_organization(proof(), &act_at(at(1)), &again)
        .await
        .unwrap();
    assert_eq!(taken, Err(NotStored::Taken));

    let two = Limit::new(2).unwrap();
    let first = world
        .store
        .list_organizations(proof(), None, two)
        .await
        .unwrap();
    let second = world
        .store
        .list_organizations(proof(), first.next.as_ref(), two)
        .await
        .unwrap();
    let names: Vec<_> = first
        .items
        .iter()
        .chain(&second.items)
        .map(|o| o.name.as_str())
        .collect();
    assert_eq!((names, second.next), (vec!["a", "b", "c"], None));

    let patch = OrganizationPatch {
        rate_limit_rpm: Some(Some(600)),
        status: Some(OrganizationStatus::OnHold),
        ..OrganizationPatch::default()
    };
    let changed = world
        .store
        .change_organization(proof(), &act_at(at(1)), &id, &patch)
        .await;
    let changed = changed.unwrap().unwrap();
    assert_eq!(
        (changed.rate_limit_rpm, changed.name.as_str()),
        (Some(600), "a")
    );
    assert_eq!(
        world.store.find_organization(proof(), &id).await.unwrap(),
        Some(changed)
    );
    let unlimited = OrganizationPatch {
        rate_limit_rpm: Some(None),
        ..OrganizationPatch::default()
    };
    let changed = world
        .store
        .change_organization(proof(), &act_at(at(1)), &id, &unlimited)
        .await;
    assert_eq!(changed.unwrap().unwrap().rate_limit_rpm, None);
    let nobody = OrganizationId::parse("nobody").unwrap();
    let missing = world
        .store
        .change_organization(proof(), &act_at(at(1)), &nobody, &patch)
        .await;
    assert_eq!(missing.unwrap(), None);
}

fn workspace(scope: &OrganizationScope, id: &str) -> Workspace {
    Workspace {
        id: WorkspaceId::parse(id).unwrap(),
        organization_id: scope.organization_id().clone(),
        name: "W".into(),
        created_at: at(1),
    }
}

pub(crate) async fn workspaces_belong_to_their_organization(world: World) {
    let scope = world.organization("org").await;
    let other = world.organization("other").await;
    let act = act_at(at(1));
    let first = workspace(&scope, "wrkspc_1");
    let stored = world
        .store
        .insert_workspace(proof(), &act, &first)
        .await
        .unwrap();
    assert_eq!(stored, Ok(()));
    let stored = world
        .store
        .insert_workspace(proof(), &act, &first)
        .await
        .unwrap();
    assert_eq!(stored, Err(NotStored::Taken));
    let nowhere = proof().choose(OrganizationId::parse("nobody").unwrap());
    let lost = workspace(&nowhere, "wrkspc_2");
    let stored = world
        .store
        .insert_workspace(proof(), &act, &lost)
        .await
        .unwrap();
    assert_eq!(stored, Err(NotStored::UnknownOrganization));
    assert!(world.store.has_workspace(&scope, &first.id).await.unwrap());
    assert!(!world.store.has_workspace(&other, &first.id).await.unwrap());
    let found = world.store.find_workspace(proof(), &first.id);
    assert_eq!(found.await.unwrap().as_ref(), Some(&first));
    let unknown = WorkspaceId::parse("wrkspc_unknown").unwrap();
    let found = world.store.find_workspace(proof(), &unknown);
    assert_eq!(found.await.unwrap(), None);
    let listed = world
        .store
        .list_workspaces(&scope, None, Limit::DEFAULT)
        .await
        .unwrap();
    assert_eq!((listed.items, listed.next), (vec![first], None));
    let listed = world
        .store
        .list_workspaces(&other, None, Limit::DEFAULT)
        .await
        .unwrap();
    assert!(listed.items.is_empty());
}

fn key(id: &str, owner: KeyOwner) -> ApiKey {
    ApiKey {
        id: ApiKeyId::parse(id).unwrap(),
        owner,
        name: "K".into(),
        created_at: at(1),
        expires_at: Some(at(900)),
        last_used_at: None,
        status: KeyStatus::Active,
        literal: false,
    }
}

fn admin(scope: &OrganizationScope) -> KeyOwner {
    KeyOwner::Admin {
        organization_id: scope.organization_id().clone(),
    }
}

pub(crate) async fn keys_are_found_by_their_secret_until_removed(world: World) {
    let scope = world.organization("org").await;
    let act = act_at(at(1));
    let (secret, mut near) = (SecretHash([9; 32]), SecretHash([9; 32]));
    near.0[31] = 8;
    let first = key("apikey_1", admin(&scope));
    let operator = key("apikey_2", KeyOwner::Operator { role: Role::Owner });
    assert_eq!(
        world
            .store
            .insert_key(proof(), &act, &first, &secret)
            .await
            .unwrap(),
        Ok(())
    );
    assert_eq!(
        world
            .store
            .insert_key(proof(), &act, &operator, &near)
            .await
            .unwrap(),
        Ok(())
    );
    let again = key("apikey_3", admin(&scope));
    let stored = world
        .store
        .insert_key(proof(), &act, &again, &secret)
        .await
        .unwrap();
    assert_eq!(stored, Err(NotStored::Taken));

    let found = world.store.find_credential(&secret).await.unwrap().unwrap();
    assert_eq!(
        (&found.key, found.organization.unwrap().name.as_str()),
        (&first, "org")
    );
    let found = world.store.find_credential(&near).await.unwrap().unwrap();
    assert_eq!((found.key, found.organization), (operator.clone(), None));
    assert_eq!(
        world
            .store
            .find_credential(&SecretHash([1; 32]))
            .await
            .unwrap(),
        None
    );

    let used = vec![(first.id.clone(), at(70)), (first.id.clone(), at(60))];
    world.store.touch_keys(used).await.unwrap();
    let disabled = world
        .store
        .set_key_status(proof(), &act, &first.id, KeyStatus::Disabled)
        .await;
    let disabled = disabled.unwrap().unwrap().unwrap();
    assert_eq!(
        (disabled.status, disabled.last_used_at),
        (KeyStatus::Disabled, Some(at(70)))
    );
    let found = world.store.find_key(proof(), &first.id).await.unwrap();
    assert_eq!(found, Some(disabled.clone()));
    let org = Some(scope.organization_id());
    let listed = world
        .store
        .list_keys(proof(), org, None, Limit::DEFAULT)
        .await
        .unwrap();
    assert_eq!(listed.items, [disabled]);
    let listed = world
        .store
        .list_keys(proof(), None, None, Limit::DEFAULT)
        .await
        .unwrap();
    assert_eq!(listed.items, [operator]);

    let remove = async || world.store.remove_key(proof(), &act, &first.id).await;
    assert_eq!(remove().await.unwrap(), Ok(true));
    assert_eq!(remove().await.unwrap(), Ok(false));
    assert_eq!(world.store.find_credential(&secret).await.unwrap(), None);
}

pub(crate) async fn an_operators_key_keeps_its_role(world: World) {
    let act = act_at(at(1));
    let mut kept = Vec::new();
    for (number, role) in (1..).zip(Role::ALL.iter().copied()) {
        let key = key(&format!("apikey_{number}"), KeyOwner::Operator { role });
        let secret = SecretHash([number; 32]);
        let stored = world.store.insert_key(proof(), &act, &key, &secret).await;
        assert_eq!(stored.unwrap(), Ok(()));
        let found = world.store.find_credential(&secret).await.unwrap();
        assert_eq!(found.unwrap().key, key);
        let found = world.store.find_key(proof(), &key.id).await.unwrap();
        assert_eq!(found.as_ref(), Some(&key));
        kept.push(key);
    }
    let listed = world.store.list_keys(proof(), None, None, Limit::DEFAULT);
    assert_eq!(listed.await.unwrap().items, kept);
}

pub(crate) async fn of_two_owners_who_end_each_other_at_once_one_is_left(world: World) {
    for round in 0..20_u8 {
        let [one, other] = [
            world.owner(2 * round).await,
            world.owner(2 * round + 1).await,
        ];
        let act = act_at(at(u64::from(round)));
        let disabling = async |id| {
            let disabled = world
                .store
                .set_key_status(proof(), &act, id, KeyStatus::Disabled)
                .await;
            disabled.unwrap().err()
        };
        let removing = async |id| {
            let removed = world.store.remove_key(proof(), &act, id).await;
            removed.unwrap().err()
        };
        let refused = if round % 2 == 0 {
            tokio::join!(disabling(&one), disabling(&other))
        } else {
            tokio::join!(removing(&other), disabling(&one))
        };
        let refusals = [&refused.0, &refused.1];
        let refusals: Vec<_> = refusals.into_iter().flatten().collect();
        assert_eq!(refusals, [&Refusal::LastOwner], "round {round}");
        let listed = world.store.list_keys(proof(), None, None, Limit::LARGEST);
        let mut listed = listed.await.unwrap().items.into_iter();
        let left = listed.find(|key| key.works_at(act.at)).unwrap();
        assert!(listed.all(|key| !key.works_at(act.at)), "round {round}");
        // The next round has its own two.
        let reset = world.store.remove_key(proof(), &act, &left.id).await;
        assert_eq!(reset.unwrap(), Err(Refusal::LastOwner));
        world.store.reset(proof()).await.unwrap();
    }
}

pub(crate) async fn literal_keys_are_known_and_counted_in_every_organization(world: World) {
    let scope = world.organization("org").await;
    let owners = [
        KeyOwner::Operator { role: Role::Owner },
        admin(&scope),
        KeyOwner::Operator { role: Role::Owner },
    ];
    let act = act_at(at(1));
    for (number, owner) in owners.into_iter().enumerate() {
        let key = ApiKey {
            literal: number < 2,
            ..key(&format!("apikey_{number}"), owner)
        };
        let secret = SecretHash([u8::try_from(number).unwrap(); 32]);
        let stored = world.store.insert_key(proof(), &act, &key, &secret);
        assert_eq!(stored.await.unwrap(), Ok(()));
        let found = world.store.find_credential(&secret).await.unwrap().unwrap();
        assert_eq!(found.key, key);
        let found = world.store.find_key(proof(), &key.id).await.unwrap();
        assert_eq!(found, Some(key));
    }
    let counted = world.store.count_literal_keys(proof()).await.unwrap();
    assert_eq!(counted, 2);
}

pub(crate) async fn keys_need_their_organization_and_workspace(world: World) {
    let scope = world.organization("org").await;
    let other = world.organization("other").await;
    let act = act_at(at(1));
    let foreign = workspace(&other, "wrkspc_other");
    world
        .store
        .insert_workspace(proof(), &act, &foreign)
        .await
        .unwrap()
        .unwrap();
    let bound = KeyOwner::Api {
        organization_id: scope.organization_id().clone(),
        workspace_id: Some(foreign.id.clone()),
    };
    let secret = SecretHash([3; 32]);
    let stored = world
        .store
        .insert_key(proof(), &act, &key("apikey_1", bound), &secret)
        .await;
    assert_eq!(stored.unwrap(), Err(NotStored::UnknownWorkspace));
    let nobody = KeyOwner::Admin {
        organization_id: OrganizationId::parse("nobody").unwrap(),
    };
    let stored = world
        .store
        .insert_key(proof(), &act, &key("apikey_1", nobody), &secret)
        .await;
    assert_eq!(stored.unwrap(), Err(NotStored::UnknownOrganization));
}

pub(crate) async fn a_removed_organization_takes_everything_with_it(world: World) {
    let scope = world.organization("org").await;
    let id = world.create(&scope, at(1), Some("A")).await;
    let secret = SecretHash([4; 32]);
    let own = key("apikey_1", admin(&scope));
    world
        .store
        .insert_key(proof(), &act_at(at(1)), &own, &secret)
        .await
        .unwrap()
        .unwrap();
    let org = scope.organization_id();
    assert!(world.remove_organization(org).await);
    assert!(!world.remove_organization(org).await);
    assert_eq!(world.store.find_credential(&secret).await.unwrap(), None);
    assert_eq!(
        world.store.locate_profile(proof(), &id).await.unwrap(),
        None
    );
    let again = world.organization("org").await;
    assert_eq!(world.store.find_profile(&again, &id).await.unwrap(), None);
    assert_eq!(
        world.store.check(proof(), &|_| {}).await.unwrap().problems,
        Vec::<String>::new()
    );
}

pub(crate) async fn a_tenancy_ends_piece_by_piece_and_leaves_one_entry(world: World) {
    let (scope, other) = (
        world.organization("org").await,
        world.organization("other").await,
    );
    let store = &world.store;
    for second in 1..=12 {
        world.create(&scope, at(second), Some("Ana")).await;
        world.create(&other, at(second), Some("Bea")).await;
    }
    let org = scope.organization_id();
    let mut act = act_at(at(20));
    act.actor.name = Some("Olga".into());
    let early = store.begin_removal(proof(), &act, org).await.unwrap();
    assert_eq!(early, Some(Err(Refusal::NotOnHold)));
    world.hold(org).await;
    assert_eq!(
        store.go_on_removing(proof(), org, at(20), 5).await.unwrap(),
        Left::Nothing,
        "its end has not begun"
    );
    let begun = store.begin_removal(proof(), &act, org).await.unwrap();
    assert_eq!(begun, Some(Ok(())));
    // Whoever asks second does not become the one who did it.
    let again = store
        .begin_removal(proof(), &act_at(at(21)), org)
        .await
        .unwrap();
    assert_eq!(again, Some(Ok(())));
    assert_eq!(
        store.list_removals(proof()).await.unwrap(),
        std::slice::from_ref(org)
    );

    assert_eq!(store.find_organization(proof(), org).await.unwrap(), None);
    let listed = store
        .list_organizations(proof(), None, Limit::DEFAULT)
        .await
        .unwrap();
    assert_eq!(listed.items.len(), 1);
    let new = Profile::create(world.ids.profile(at(22)), ProfileDraft::default(), at(22));
    let refused = store.insert_profile(&scope, &act, new.clone()).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    let record = whole([(org.clone(), new.value)]);
    let put = store.put_profiles(proof(), &act, record, PutMode::default());
    assert_eq!(put.await.unwrap(), [Put::UnknownOrganization]);
    let report = store.check(proof(), &|_| {}).await.unwrap();
    assert_eq!(report.problems.len(), 1, "{:?}", report.problems);

    let mut pieces = 0;
    while store.go_on_removing(proof(), org, at(30), 5).await.unwrap() == Left::More {
        pieces += 1;
    }
    assert!(pieces >= 5, "{pieces}");
    assert_eq!(store.begin_removal(proof(), &act, org).await.unwrap(), None);
    assert!(store.list_removals(proof()).await.unwrap().is_empty());
    let all = AuditFilter::default();
    let trail = store.list_audit_events(proof(), &all, None, Limit::LARGEST);
    let trail = trail.await.unwrap().events;
    let entry = &trail[0];
    assert_eq!(entry.action, AuditAction::OrganizationRemoved);
    assert_eq!(entry.organization_id, None);
    assert_eq!(entry.target_id, org.as_str());
    assert_eq!((&entry.act.actor, entry.act.at), (&act.actor, at(30)));
    assert_eq!(entry.details, ["14 audit_events", "12 user_profiles"]);
    let others = trail[1..].iter();
    assert!(
        others
            .clone()
            .all(|it| it.organization_id.as_ref() == Some(other.organization_id()))
    );
    assert_eq!(others.len(), 13);
    world.assert_sound().await;
}

/// Nobody who found the organization there may leave anything in it that its end does not see.
pub(crate) async fn what_is_created_while_a_tenancy_ends_does_not_stay_behind(world: World) {
    let scope = world.organization("org").await;
    let org = scope.organization_id();
    world.hold(org).await;
    let creators = (0..8).map(|creator| {
        let (scope, store, ids) = (
            scope.clone(),
            Arc::clone(&world.store),
            Arc::clone(&world.ids),
        );
        tokio::spawn(async move {
            let mut created = Vec::new();
            loop {
                let now = at(1 + creator);
                let new = Profile::create(ids.profile(now), ProfileDraft::default(), now);
                let id = new.value.id.clone();
                match store.insert_profile(&scope, &act_at(now), new).await {
                    Ok(_) => created.push(id),
                    // The end has begun.
                    Err(StoreError::Unavailable(_)) => return created,
                    Err(error) => panic!("{error}"),
                }
            }
        })
    });
    let creators: Vec<_> = creators.collect();
    let some = ProfileSearch::default();
    let some = SearchPage {
        search: some,
        limit: Limit::LARGEST,
        after: None,
    };
    while world
        .store
        .search_profiles(proof(), &some, at(1))
        .await
        .unwrap()
        .profiles
        .len()
        < 20
    {
        tokio::task::yield_now().await;
    }
    assert!(world.remove_organization(org).await);
    let mut created = Vec::new();
    for creator in creators {
        created.extend(creator.await.unwrap());
    }
    assert!(created.len() >= 20);
    for id in created {
        assert_eq!(
            world.store.locate_profile(proof(), &id).await.unwrap(),
            None
        );
    }
    world.assert_sound().await;
}

pub(crate) async fn a_gateway_policy_is_kept_with_its_organization(world: World) {
    let scope = world.organization("org").await;
    let id = scope.organization_id().clone();
    let gateway = KeyOwner::Gateway {
        organization_id: id.clone(),
    };
    let secret = SecretHash([7; 32]);
    let stored = world
        .store
        .insert_key(proof(), &act_at(at(0)), &key("apikey_gw", gateway), &secret)
        .await
        .unwrap();
    assert_eq!(stored, Ok(()));
    let gateway_policy = GatewayPolicyPatch {
        unknown: Some(ForUnknown::Create),
        cache_seconds: CacheSeconds::new(60).ok(),
        ..GatewayPolicyPatch::default()
    };
    let patch = OrganizationPatch {
        gateway_policy,
        ..OrganizationPatch::default()
    };
    for _again in 0..2 {
        let act = act_at(at(1));
        let changed = world.store.change_organization(proof(), &act, &id, &patch);
        let policy = changed.await.unwrap().unwrap().gateway_policy;
        assert_eq!(policy, GatewayPolicy::default().patched(&gateway_policy));
        let found = world.store.find_credential(&secret).await.unwrap().unwrap();
        assert_eq!(found.organization.unwrap().gateway_policy, policy);
        assert_eq!(found.key.owner.kind(), KeyKind::Gateway);
    }
    let events = world
        .store
        .list_audit_events(proof(), &AuditFilter::default(), None, Limit::DEFAULT)
        .await
        .unwrap();
    let policy_events: Vec<_> = events
        .events
        .iter()
        .filter(|event| event.action == AuditAction::GatewayPolicyUpdated)
        .map(|event| event.details.join(" "))
        .collect();
    assert_eq!(policy_events, ["unknown cache_seconds"]);
}
