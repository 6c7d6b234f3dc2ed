//! Enrollment URLs.

use rollcall_domain::enrollment::{EnrollmentUrl, URL_LIFETIME};
use rollcall_domain::tenant::SecretHash;

use crate::world::{World, act_at, at};

pub(crate) async fn a_url_is_found_by_its_token_alone(world: World) {
    let scope = world.organization("org").await;
    let other = world.organization("other").await;
    let id = world.create(&scope, at(1), None).await;
    let url = EnrollmentUrl {
        token_hash: SecretHash([5; 32]),
        organization_id: scope.organization_id().clone(),
        profile_id: id.clone(),
        created_at: at(2),
        expires_at: at(2).saturating_add(URL_LIFETIME),
        enrollment_id: None,
    };
    let act = act_at(at(2));
    assert!(
        !world
            .store
            .insert_enrollment_url(&other, &act, &url)
            .await
            .unwrap()
    );
    assert!(
        world
            .store
            .insert_enrollment_url(&scope, &act, &url)
            .await
            .unwrap()
    );
    let found = world
        .store
        .find_enrollment_url(&url.token_hash)
        .await
        .unwrap();
    assert_eq!(found, Some(url.clone()));
    assert_eq!(
        world
            .store
            .find_enrollment_url(&SecretHash([6; 32]))
            .await
            .unwrap(),
        None
    );

    world.store.remove_profile(&scope, &act, &id).await.unwrap();
    assert!(
        world
            .store
            .find_enrollment_url(&url.token_hash)
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(
        world
            .store
            .prune_enrollment_urls(url.expires_at)
            .await
            .unwrap(),
        0
    );
    let later = url.expires_at.next_microsecond();
    assert_eq!(world.store.prune_enrollment_urls(later).await.unwrap(), 1);
    assert_eq!(
        world
            .store
            .find_enrollment_url(&url.token_hash)
            .await
            .unwrap(),
        None
    );
}
