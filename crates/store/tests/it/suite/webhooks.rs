//! Webhook endpoints: an organization's own, few, and with secrets that storage cannot read.

use std::sync::Arc;

use rollcall_domain::audit::AuditAction;
use rollcall_domain::event::{EventType, Subscription};
use rollcall_domain::id::{OrganizationId, WebhookEndpointId};
use rollcall_domain::page::Limit;
use rollcall_domain::tenant::OrganizationScope;
use rollcall_domain::webhook::{
    ENDPOINTS_PER_ORGANIZATION, EndpointDraft, EndpointPatch, EndpointState, WebhookEndpoint,
};
use rollcall_store::DecideEndpoint;
use rollcall_store::audit::AuditFilter;
use rollcall_store::webhooks::{EndpointFilter, EndpointNotStored, SealedSecret};

use crate::world::{World, act_at, at, proof};

pub(crate) fn endpoint(world: &World, second: u64, events: &[EventType]) -> WebhookEndpoint {
    let draft = EndpointDraft {
        enabled_events: events.iter().map(|event| (*event).into()).collect(),
        url: "https://example.com/hooks".into(),
        description: "all of them".into(),
        name: String::new(),
    };
    let id = world.ids.webhook_endpoint(at(second));
    WebhookEndpoint::create(id, draft, at(second)).value
}

fn sealed(byte: u8) -> SealedSecret {
    SealedSecret {
        key_id: "one".into(),
        bytes: vec![byte; 72],
    }
}

pub(crate) async fn insert(
    world: &World,
    scope: &OrganizationScope,
    endpoint: &WebhookEndpoint,
) -> Result<(), EndpointNotStored> {
    let draft = EndpointDraft {
        enabled_events: endpoint.enabled_events.clone(),
        url: endpoint.url.clone(),
        description: endpoint.description.clone(),
        name: endpoint.name.clone(),
    };
    let decided = WebhookEndpoint::create(endpoint.id.clone(), draft, endpoint.created_at);
    let act = act_at(endpoint.created_at);
    world
        .store
        .insert_webhook_endpoint(scope, &act, decided, sealed(1))
        .await
        .unwrap()
}

/// Changes an endpoint, which must be there.
pub(crate) async fn change(
    world: &World,
    scope: &OrganizationScope,
    id: &WebhookEndpointId,
    second: u64,
    patch: EndpointPatch,
) -> WebhookEndpoint {
    let decide: DecideEndpoint = Box::new(move |endpoint| endpoint.update(&patch, at(second)));
    world
        .store
        .change_webhook_endpoint(scope, &act_at(at(second)), id, decide, None)
        .await
        .unwrap()
        .unwrap()
}

pub(crate) fn state(state: EndpointState) -> EndpointPatch {
    EndpointPatch {
        state: Some(state),
        ..EndpointPatch::default()
    }
}

async fn actions(world: &World, id: &WebhookEndpointId) -> Vec<AuditAction> {
    let filter = AuditFilter {
        target_ids: vec![id.to_string()],
        ..AuditFilter::default()
    };
    let trail = world
        .store
        .list_audit_events(proof(), &filter, None, Limit::DEFAULT)
        .await
        .unwrap();
    let events = trail.events.into_iter().rev();
    events.map(|event| event.action).collect()
}

pub(crate) async fn endpoints_belong_to_their_organization(world: World) {
    let scope = world.organization("org").await;
    let other = world.organization("other").await;
    let mut made = endpoint(&world, 1, EventType::ALL);
    let of_tomorrow = Subscription::parse("external_vault.sealed_again");
    made.enabled_events.insert(1, of_tomorrow.unwrap());
    assert_eq!(insert(&world, &scope, &made).await, Ok(()));
    assert_eq!(
        insert(&world, &other, &made).await,
        Err(EndpointNotStored::Taken)
    );
    let nobody = proof().choose(OrganizationId::parse("nobody").unwrap());
    let another = endpoint(&world, 2, EventType::ALL);
    assert_eq!(
        insert(&world, &nobody, &another).await,
        Err(EndpointNotStored::UnknownOrganization)
    );

    let store = &world.store;
    let id = &made.id;
    let found = store.find_webhook_endpoint(&scope, id).await.unwrap();
    assert_eq!(found, Some(made.clone()));
    assert_eq!(store.find_webhook_endpoint(&other, id).await.unwrap(), None);
    assert_eq!(
        store.list_webhook_endpoints(&scope).await.unwrap(),
        std::slice::from_ref(&made)
    );
    assert_eq!(store.list_webhook_endpoints(&other).await.unwrap(), []);
    assert_eq!(store.list_webhook_endpoints(&nobody).await.unwrap(), []);
    let located = store.locate_webhook_endpoint(proof(), id).await.unwrap();
    let located = located.unwrap();
    assert_eq!(&located.organization_id, scope.organization_id());
    assert_eq!(
        (located.endpoint, located.secret),
        (made.clone(), sealed(1))
    );

    let refused: DecideEndpoint = Box::new(|endpoint| endpoint.replace_secret(at(3)));
    let act = act_at(at(3));
    let foreign = store.change_webhook_endpoint(&other, &act, id, refused, Some(sealed(9)));
    assert_eq!(foreign.await.unwrap(), None);
    let gone = store.remove_webhook_endpoint(&other, &act, id);
    assert!(!gone.await.unwrap());

    let patch = EndpointPatch {
        name: Some("billing".into()),
        enabled_events: Some(vec![EventType::ExternalKeyFailed.into()]),
        ..EndpointPatch::default()
    };
    let changed = change(&world, &scope, id, 4, patch).await;
    assert_eq!(
        (changed.name.as_str(), changed.updated_at),
        ("billing", at(4))
    );
    let found = store.find_webhook_endpoint(&scope, id).await.unwrap();
    assert_eq!(found, Some(changed));
    let act = act_at(at(5));
    assert!(
        store
            .remove_webhook_endpoint(&scope, &act, id)
            .await
            .unwrap()
    );
    assert!(
        !store
            .remove_webhook_endpoint(&scope, &act, id)
            .await
            .unwrap()
    );
    assert_eq!(
        actions(&world, id).await,
        [
            AuditAction::WebhookEndpointCreated,
            AuditAction::WebhookEndpointUpdated,
            AuditAction::WebhookEndpointDeleted
        ]
    );
}

pub(crate) async fn the_operator_finds_endpoints_of_every_organization(world: World) {
    let scope = world.organization("org").await;
    let other = world.organization("other").await;
    let mut made = Vec::new();
    for (second, scope) in [&scope, &other, &scope, &other, &scope]
        .into_iter()
        .enumerate()
    {
        let endpoint = endpoint(&world, second as u64, EventType::ALL);
        insert(&world, scope, &endpoint).await.unwrap();
        made.push(endpoint.id);
    }
    change(&world, &scope, &made[2], 9, state(EndpointState::Disabled)).await;
    let walk = async |filter: EndpointFilter| {
        let (limit, mut after, mut walked) = (Limit::new(2).unwrap(), None, Vec::new());
        loop {
            let store = &world.store;
            let page = store.search_webhook_endpoints(proof(), &filter, after.as_ref(), limit);
            let page = page.await.unwrap();
            walked.extend(page.endpoints.into_iter().map(|owned| {
                let known = ["org", "other"].contains(&owned.organization_id.as_str());
                assert!(known && owned.health.failing_since.is_none());
                owned.endpoint.id
            }));
            after = page.next;
            if after.is_none() {
                return walked;
            }
        }
    };
    let newest_first = |places: &[usize]| places.iter().map(|at| made[*at].clone()).collect();
    let of = |scope: &OrganizationScope| EndpointFilter {
        organization_id: Some(scope.organization_id().clone()),
        ..EndpointFilter::default()
    };
    let expected: Vec<_> = newest_first(&[4, 3, 2, 1, 0]);
    assert_eq!(walk(EndpointFilter::default()).await, expected);
    let expected: Vec<_> = newest_first(&[4, 2, 0]);
    assert_eq!(walk(of(&scope)).await, expected);
    let enabled = EndpointFilter {
        state: Some(EndpointState::Enabled),
        ..of(&scope)
    };
    let expected: Vec<_> = newest_first(&[4, 0]);
    assert_eq!(walk(enabled).await, expected);
    let nobody = EndpointFilter {
        organization_id: Some(OrganizationId::parse("nobody").unwrap()),
        ..EndpointFilter::default()
    };
    assert_eq!(walk(nobody).await, []);
}

pub(crate) async fn concurrent_creates_never_pass_the_limit(world: World) {
    let scope = world.organization("org").await;
    let other = world.organization("other").await;
    let world = Arc::new(world);
    let tasks = (0..ENDPOINTS_PER_ORGANIZATION + 8).map(|second| {
        let (world, scope) = (Arc::clone(&world), scope.clone());
        tokio::spawn(async move {
            let made = endpoint(&world, second as u64, EventType::ALL);
            insert(&world, &scope, &made).await
        })
    });
    let mut stored = 0;
    for task in tasks.collect::<Vec<_>>() {
        match task.await.unwrap() {
            Ok(()) => stored += 1,
            Err(refused) => assert_eq!(refused, EndpointNotStored::TooMany),
        }
    }
    let listed = world.store.list_webhook_endpoints(&scope).await.unwrap();
    assert_eq!((stored, listed.len()), (32, 32));
    let elsewhere = endpoint(&world, 99, EventType::ALL);
    assert_eq!(insert(&world, &other, &elsewhere).await, Ok(()));
    let act = act_at(at(100));
    let removed = world
        .store
        .remove_webhook_endpoint(&scope, &act, &listed[0].id);
    assert!(removed.await.unwrap());
    let again = endpoint(&world, 101, EventType::ALL);
    assert_eq!(insert(&world, &scope, &again).await, Ok(()));
}

pub(crate) async fn a_secret_is_replaced_and_sealed_anew(world: World) {
    let scope = world.organization("org").await;
    let made = endpoint(&world, 1, EventType::ALL);
    insert(&world, &scope, &made).await.unwrap();
    let store = &world.store;
    let decide: DecideEndpoint = Box::new(|endpoint| endpoint.replace_secret(at(2)));
    let act = act_at(at(2));
    let changed = store
        .change_webhook_endpoint(&scope, &act, &made.id, decide, Some(sealed(2)))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(changed.updated_at, at(2));

    let found = |key: &'static str| store.secrets_sealed_otherwise(proof(), key, 10);
    assert_eq!(found("one").await.unwrap(), []);
    let old = found("two").await.unwrap().remove(0);
    assert_eq!(old.secret, sealed(2));
    let new = SealedSecret {
        key_id: "two".into(),
        bytes: vec![7; 72],
    };
    let reseal = |before| store.reseal_secret(proof(), &made.id, before, new.clone());
    assert!(!reseal(sealed(1)).await.unwrap(), "replaced meanwhile");
    assert!(reseal(sealed(2)).await.unwrap());
    assert_eq!(found("two").await.unwrap(), []);
    let located = store.locate_webhook_endpoint(proof(), &made.id).await;
    let located = located.unwrap().unwrap();
    assert_eq!((located.endpoint, located.secret), (changed, new));
}
