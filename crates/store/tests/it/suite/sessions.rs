//! Console sessions.

use std::time::Duration;

use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::ApiKeyId;
use rollcall_domain::role::Role;
use rollcall_domain::session::{ConsoleSession, IDLE_LIFETIME, LIFETIME};
use rollcall_domain::tenant::{ApiKey, KeyOwner, KeyStatus, SecretHash};

use crate::world::{World, act_at, at, proof};

impl World {
    async fn operator(&self) -> ApiKeyId {
        let id = ApiKeyId::parse("apikey_operator").unwrap();
        let key = ApiKey::create(
            id.clone(),
            KeyOwner::Operator { role: Role::Owner },
            "K".into(),
            None,
            at(0),
        );
        let secret = SecretHash([7; 32]);
        // A world has one operator.
        let _ = self
            .store
            .insert_key(proof(), &act_at(at(0)), &key.unwrap(), &secret)
            .await
            .unwrap();
        id
    }

    async fn session(&self, token: u8, created_at: Timestamp) -> ConsoleSession {
        let session = ConsoleSession {
            token_hash: SecretHash([token; 32]),
            key_id: self.operator().await,
            created_at,
            seen_at: created_at,
        };
        let act = act_at(created_at);
        let begun = self.store.insert_session(proof(), &act, &session).await;
        assert!(begun.unwrap());
        session
    }
}

pub(crate) async fn a_session_is_found_touched_and_ended(world: World) {
    let first = world.session(1, at(1)).await;
    let second = world.session(2, at(2)).await;
    let listed = world.store.list_sessions(proof()).await.unwrap();
    assert_eq!(listed, [second.clone(), first.clone()]);
    world
        .store
        .touch_session(&first.token_hash, at(9))
        .await
        .unwrap();
    // Two requests at once may arrive in the wrong order.
    world
        .store
        .touch_session(&first.token_hash, at(8))
        .await
        .unwrap();
    let found = world.store.find_session(&first.token_hash).await.unwrap();
    assert_eq!(found.unwrap().seen_at, at(9));
    let act = act_at(at(10));
    assert!(
        world
            .store
            .remove_session(proof(), &act, &first.token_hash)
            .await
            .unwrap()
    );
    assert!(
        !world
            .store
            .remove_session(proof(), &act, &first.token_hash)
            .await
            .unwrap()
    );
    assert_eq!(
        world.store.find_session(&first.token_hash).await.unwrap(),
        None
    );
    assert_eq!(world.store.list_sessions(proof()).await.unwrap(), [second]);
}

pub(crate) async fn sessions_of_a_disabled_key_stay_over_when_it_is_enabled_again(world: World) {
    let key = world.operator().await;
    world.owner(9).await;
    let session = world.session(1, at(1)).await;
    let act = act_at(at(2));
    let set = async |status| {
        let set = world
            .store
            .set_key_status(proof(), &act, &key, status)
            .await;
        assert_eq!(set.unwrap().unwrap().unwrap().status, status);
    };
    set(KeyStatus::Disabled).await;
    // Whoever was about to sign in as it was disabled comes too late.
    let late = ConsoleSession {
        token_hash: SecretHash([2; 32]),
        ..session.clone()
    };
    let begun = world.store.insert_session(proof(), &act, &late).await;
    assert!(!begun.unwrap());
    set(KeyStatus::Active).await;
    assert_eq!(world.store.list_sessions(proof()).await.unwrap(), []);
    let session = world.session(1, at(3)).await;
    let found = world.store.find_session(&session.token_hash).await.unwrap();
    assert_eq!(found, Some(session));
    let removed = world.store.remove_key(proof(), &act, &key).await;
    assert_eq!(removed.unwrap(), Ok(true));
    assert_eq!(world.store.list_sessions(proof()).await.unwrap(), []);
}

pub(crate) async fn sessions_that_are_over_are_pruned(world: World) {
    let idle = world.session(1, at(0)).await;
    let busy = world.session(2, at(0)).await;
    let last = at(0).saturating_add(LIFETIME.saturating_sub(Duration::from_secs(1)));
    world
        .store
        .touch_session(&busy.token_hash, last)
        .await
        .unwrap();
    assert_eq!(
        world
            .store
            .prune_sessions(at(0).saturating_add(IDLE_LIFETIME))
            .await
            .unwrap(),
        1
    );
    assert_eq!(
        world.store.find_session(&idle.token_hash).await.unwrap(),
        None
    );
    assert_eq!(world.store.prune_sessions(last).await.unwrap(), 0);
    assert_eq!(
        world
            .store
            .prune_sessions(at(0).saturating_add(LIFETIME))
            .await
            .unwrap(),
        1
    );
}
