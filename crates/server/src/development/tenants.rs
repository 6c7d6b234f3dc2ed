//! A tenant per test: an unknown key that begins with `test-` becomes an empty organization of its own
//! and goes when it has idled, so that parallel test suites need no clean-up. The same text with
//! [`GATEWAY`] behind it is the key of its gateway, and with [`ADMIN`] that of its administrator.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rollcall_domain::audit::{Act, Actor};
use rollcall_domain::clock::Clock;
use rollcall_domain::gateway_policy::GatewayPolicy;
use rollcall_domain::id::{Ids, OrganizationId};
use rollcall_domain::page::Limit;
use rollcall_domain::tenant::{
    ApiKey, KeyOwner, KeyStatus, OperatorProof, Organization, OrganizationPatch,
    OrganizationStatus, OrganizationSwitches,
};
use rollcall_store::{Store, Stored};

use crate::credentials::Credentials;
use crate::removal;
use crate::secrets;

/// What keys on demand begin with.
pub(crate) const PREFIX: &[u8] = b"test-";

/// What stands behind a platform's key in its gateway's.
const GATEWAY: &[u8] = b"-gateway";

/// What stands behind it in its administrator's.
const ADMIN: &[u8] = b"-admin";

/// What the organizations are called; those of an earlier run are known by it.
const NAME: &str = "Tenant on demand";

/// The tenants made so far.
#[derive(Debug)]
pub(crate) struct TenantsOnDemand {
    idle: Duration,
    /// When each was last seen. Idling is real time: moving the clock is a test's own affair and must
    /// not take the ground from under the test beside it.
    seen: Mutex<HashMap<OrganizationId, Instant>>,
    /// Held while one is made, so that a key's first two requests do not make two.
    making: tokio::sync::Mutex<()>,
}

impl TenantsOnDemand {
    pub(crate) fn new(idle: Duration) -> Self {
        Self {
            idle,
            seen: Mutex::default(),
            making: tokio::sync::Mutex::default(),
        }
    }

    /// Makes the organization of the key with this secret, of its gateway's and its administrator's, if it has none yet.
    pub(crate) async fn make(
        &self,
        store: &dyn Store,
        clock: &dyn Clock,
        ids: &Ids,
        secret: &[u8],
    ) -> Stored<()> {
        let _alone = self.making.lock().await;
        if store
            .find_credential(&secrets::hash(secret))
            .await?
            .is_some()
        {
            return Ok(());
        }
        // What is left is a key on demand itself; `test-admin` is one, and nobody's administrator.
        let without = |suffix| {
            let platforms = secret.strip_suffix(suffix);
            platforms.filter(|it| it.len() > PREFIX.len() && it.starts_with(PREFIX))
        };
        let platforms = without(GATEWAY)
            .or_else(|| without(ADMIN))
            .unwrap_or(secret);
        let gateways = [platforms, GATEWAY].concat();
        let admins = [platforms, ADMIN].concat();
        let proof = OperatorProof::of_storage_access();
        let now = clock.now();
        let act = Act {
            actor: Actor::system("auto-tenants"),
            at: now,
        };
        let organization = Organization {
            id: ids.organization(now),
            name: NAME.into(),
            created_at: now,
            rate_limit_rpm: None,
            status: OrganizationStatus::Active,
            switches: OrganizationSwitches::default(),
            gateway_policy: GatewayPolicy::default(),
        };
        let key = |kind| ApiKey {
            id: ids.api_key(now),
            owner: kind,
            name: "Key on demand".into(),
            created_at: now,
            expires_at: None,
            last_used_at: None,
            status: KeyStatus::Active,
            literal: true,
        };
        let organization_id = organization.id.clone();
        let keys = [
            (
                key(KeyOwner::Api {
                    organization_id: organization_id.clone(),
                    workspace_id: None,
                }),
                secrets::hash(platforms),
            ),
            (
                key(KeyOwner::Admin {
                    organization_id: organization_id.clone(),
                }),
                secrets::hash(&admins),
            ),
            (
                key(KeyOwner::Gateway { organization_id }),
                secrets::hash(&gateways),
            ),
        ];
        self.see(&organization.id);
        // The ids are new, so none can be refused.
        let _ = store
            .insert_organization(proof, &act, &organization)
            .await?;
        for (key, secret) in &keys {
            let _ = store.insert_key(proof, &act, key, secret).await?;
        }
        Ok(())
    }

    /// Takes over the tenants of an earlier run on the same storage, so that they are dropped too.
    pub(crate) async fn adopt(&self, store: &dyn Store) -> Stored<()> {
        let proof = OperatorProof::of_storage_access();
        let mut after = None;
        loop {
            let page = store
                .list_organizations(proof, after.as_ref(), Limit::DEFAULT)
                .await?;
            for organization in page.items {
                if organization.name == NAME {
                    self.see(&organization.id);
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Notes that the tenant is in use.
    fn see(&self, organization: &OrganizationId) {
        self.seen
            .lock()
            .insert(organization.clone(), Instant::now());
    }

    /// Notes that the tenant is in use, if it is one that was made on demand.
    pub(crate) fn see_again(&self, organization: &OrganizationId) {
        if let Some(seen) = self.seen.lock().get_mut(organization) {
            *seen = Instant::now();
        }
    }

    /// How often it is worth looking for idle ones.
    pub(crate) fn look_every(&self) -> Duration {
        (self.idle / 4).clamp(Duration::from_millis(50), Duration::from_mins(1))
    }

    /// Drops the tenants that nobody has used for long enough. One that cannot be dropped holds up no other, and is found
    /// again by the next look; the answer is the last error.
    pub(crate) async fn drop_idle(
        &self,
        store: &dyn Store,
        clock: &dyn Clock,
        credentials: &Credentials,
    ) -> Stored<()> {
        let idle: Vec<_> = {
            let mut seen = self.seen.lock();
            let idle = seen.extract_if(|_, seen| seen.elapsed() >= self.idle);
            idle.collect()
        };
        let mut all = Ok(());
        for (organization, seen) in idle {
            if let Err(error) = drop_one(store, clock, credentials, &organization).await {
                self.seen.lock().entry(organization).or_insert(seen);
                all = Err(error);
            }
            credentials.forget();
        }
        all
    }

    /// Forgets all of them; the storage was emptied.
    pub(crate) fn forget(&self) {
        self.seen.lock().clear();
    }
}

async fn drop_one(
    store: &dyn Store,
    clock: &dyn Clock,
    credentials: &Credentials,
    organization: &OrganizationId,
) -> Stored<()> {
    let proof = OperatorProof::of_storage_access();
    let act = Act {
        actor: Actor::system("auto-tenants"),
        at: clock.now(),
    };
    let held = OrganizationPatch {
        status: Some(OrganizationStatus::OnHold),
        ..OrganizationPatch::default()
    };
    store
        .change_organization(proof, &act, organization, &held)
        .await?;
    // Whoever removed or released it meanwhile had a reason.
    if let Some(Ok(())) = store.begin_removal(proof, &act, organization).await? {
        credentials.forget();
        removal::go_on(store, clock, organization).await?;
    }
    Ok(())
}
