//! Console sessions.

use std::time::Duration;

use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::ApiKeyId;
use rollcall_domain::session::{ConsoleSession, IDLE_LIFETIME, LIFETIME};
use rollcall_domain::tenant::SecretHash;

use crate::world::{World, act_at, at, proof};

impl World {
    async fn session(&self, token: u8, created_at: Timestamp) -> ConsoleSession {
        let session = ConsoleSession {
            token_hash: SecretHash([token; 32]),
            key_id: ApiKeyId::parse("apikey_operator").unwrap(),
            created_at,
            seen_at: created_at,
        };
        let act = act_at(created_at);
        self.store
            .insert_session(proof(), &act, &session)
            .await
            .unwrap();
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
