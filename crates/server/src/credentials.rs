//! Who a secret belongs to: a small memory of what storage said, and of when keys were used.
//!
//! Reading the credential from storage for each request would double the work of a list. So what was
//! read is kept for up to `FRESH_FOR`: a key that another instance disables, and an organization that
//! is put on hold there, stop within the contract's five seconds. Changes made through this process
//! are felt at once ([`Credentials::forget`]). Expiry is judged on each request and needs no reading.
//!
//! Secrets that belong to nobody are not remembered: a guess would displace what is worth
//! remembering, and a key must work as soon as it is made. Guessing is what
//! [`AuthenticationFailures`](crate::http::fences::AuthenticationFailures) is for.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use http::HeaderValue;
use parking_lot::{Mutex, RwLock};
use rollcall_domain::audit::{Act, Actor, ActorKind};
use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::ApiKeyId;
use rollcall_domain::tenant::{ApiKey, KeyKind, Organization, OrganizationScope, SecretHash};
use rollcall_store::tenants::Credential;
use rollcall_store::{Store, Stored};
use tokio::time::Instant;

use crate::secrets;

/// How long what storage said about a key is believed.
const FRESH_FOR: Duration = Duration::from_secs(4);

/// Most keys that are remembered at a time.
const MOST_KEYS: usize = 16_384;

const SHARDS: usize = 16;

/// A key, its organization, and what every answer to it repeats.
#[derive(Debug)]
pub struct Identity {
    /// The key.
    pub key: ApiKey,
    /// Its organization; the operator's key has none.
    pub organization: Option<Organization>,
    /// The right to touch its organization's data; the operator's key has none of its own.
    pub scope: Option<OrganizationScope>,
    /// The value of `anthropic-organization-id`.
    pub organization_header: Option<HeaderValue>,
    hash: SecretHash,
    read_at: Instant,
    /// Microseconds of the last use that has not been stored yet; [`NEVER`] when there is none.
    used_at: Arc<AtomicI64>,
}

const NEVER: i64 = i64::MIN;

impl Identity {
    fn new(credential: Credential, used_at: Arc<AtomicI64>) -> Self {
        let Credential {
            key,
            organization,
            secret_hash,
        } = credential;
        let organization_header = organization
            .as_ref()
            .and_then(|organization| HeaderValue::from_str(organization.id.as_str()).ok());
        Self {
            scope: OrganizationScope::of_key(&key),
            organization_header,
            key,
            organization,
            hash: secret_hash,
            read_at: Instant::now(),
            used_at,
        }
    }

    /// Notes that the key was used, to be stored by and by.
    pub fn touch(&self, now: Timestamp) {
        self.used_at.store(now.as_micros(), Ordering::Relaxed);
    }

    /// Who acts when this key acts at `now`.
    pub fn act(&self, now: Timestamp) -> Act {
        let kind = match self.key.owner.kind() {
            KeyKind::Api => ActorKind::Api,
            KeyKind::Admin => ActorKind::Admin,
            KeyKind::Operator => ActorKind::Operator,
            KeyKind::Gateway => ActorKind::Gateway,
        };
        Act {
            actor: Actor {
                kind,
                id: self.key.id.to_string(),
                name: Some(self.key.name.clone()),
            },
            at: now,
        }
    }

    fn unstored_use(&self) -> Option<(ApiKeyId, Timestamp)> {
        let micros = self.used_at.swap(NEVER, Ordering::Relaxed);
        let used_at = (micros != NEVER).then(|| Timestamp::from_micros(micros))??;
        Some((self.key.id.clone(), used_at))
    }
}

/// The keys in use.
#[derive(Debug, Default)]
pub struct Credentials {
    shards: [RwLock<HashMap<SecretHash, Arc<Identity>>>; SHARDS],
    /// Uses of keys that are no longer remembered.
    left_uses: Mutex<HashMap<ApiKeyId, Timestamp>>,
    /// How often something was changed through this process.
    changes: AtomicU64,
}

impl Credentials {
    /// The key whose secret has this hash, if storage was asked for it at most `FRESH_FOR` before `now`.
    pub fn known(&self, hash: &SecretHash, now: Instant) -> Option<Arc<Identity>> {
        let shard = self.shard(hash).read();
        let known = shard.get(hash)?;
        let is_fresh = now.duration_since(known.read_at) < FRESH_FOR;
        let usable = is_fresh && secrets::same(&known.hash, hash);
        usable.then(|| Arc::clone(known))
    }

    /// The key whose secret has this hash, as storage knows it now.
    pub async fn find(
        &self,
        store: &dyn Store,
        hash: &SecretHash,
    ) -> Stored<Option<Arc<Identity>>> {
        let known = self.shard(hash).read().get(hash).cloned();
        let changes = self.changes.load(Ordering::Acquire);
        let found = store.find_credential(hash).await?;
        let Some(credential) = found.filter(|found| secrets::same(&found.secret_hash, hash)) else {
            if let Some(gone) = self.shard(hash).write().remove(hash) {
                self.keep_use(&gone);
            }
            return Ok(None);
        };
        let used_at = known.map_or_else(
            || Arc::new(AtomicI64::new(NEVER)),
            |known| Arc::clone(&known.used_at),
        );
        let identity = Arc::new(Identity::new(credential, used_at));
        self.remember(Arc::clone(&identity), changes);
        Ok(Some(identity))
    }

    /// Remembers what was read, unless something changed since `changes` was: it may be old then.
    fn remember(&self, identity: Arc<Identity>, changes: u64) {
        let mut shard = self.shard(&identity.hash).write();
        if self.changes.load(Ordering::Acquire) != changes {
            return;
        }
        if shard.len() >= MOST_KEYS / SHARDS && !shard.contains_key(&identity.hash) {
            shard.retain(|_, known| {
                let fresh = known.read_at.elapsed() < FRESH_FOR;
                if !fresh {
                    self.keep_use(known);
                }
                fresh
            });
            if shard.len() >= MOST_KEYS / SHARDS
                && let Some(victim) = shard.keys().next().copied()
                && let Some(victim) = shard.remove(&victim)
            {
                self.keep_use(&victim);
            }
        }
        shard.insert(identity.hash, identity);
    }

    fn keep_use(&self, identity: &Identity) {
        if let Some((id, used_at)) = identity.unstored_use() {
            self.left_uses.lock().insert(id, used_at);
        }
    }

    /// Forgets every key, so that a change just made is seen by the next request.
    pub fn forget(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        for shard in &self.shards {
            for (_, identity) in shard.write().drain() {
                self.keep_use(&identity);
            }
        }
    }

    /// Takes the uses that have not been stored yet.
    pub fn take_uses(&self) -> Vec<(ApiKeyId, Timestamp)> {
        let mut uses = std::mem::take(&mut *self.left_uses.lock());
        for shard in &self.shards {
            uses.extend(
                shard
                    .read()
                    .values()
                    .filter_map(|known| known.unstored_use()),
            );
        }
        uses.into_iter().collect()
    }

    fn shard(&self, hash: &SecretHash) -> &RwLock<HashMap<SecretHash, Arc<Identity>>> {
        &self.shards[usize::from(hash.0[0]) % SHARDS]
    }
}
