//! What a server starts with: the tenants, keys, profiles and webhook endpoints that `rollcall dev`
//! makes, and that a reset makes again.

use rollcall_domain::audit::{Act, Actor};
use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::{OrganizationId, WebhookEndpointId};
use rollcall_domain::profile::ProfileRecord;
use rollcall_domain::tenant::{ApiKey, OperatorProof, Organization, SecretHash, Workspace};
use rollcall_domain::webhook::{EndpointDraft, WebhookEndpoint};
use rollcall_store::registry::PutMode;
use rollcall_store::tenants::NotStored;
use rollcall_store::webhooks::{EndpointNotStored, SealedSecret};
use rollcall_store::{Store, StoreError, Stored};

/// What is there from the start.
#[derive(Clone, Debug, Default)]
pub struct InitialState {
    /// The organizations.
    pub organizations: Vec<Organization>,
    /// Their workspaces.
    pub workspaces: Vec<Workspace>,
    /// The keys, with the hashes of their secrets.
    pub keys: Vec<(ApiKey, SecretHash)>,
    /// The profiles of the seed file, in its order.
    pub profiles: Vec<(OrganizationId, ProfileRecord)>,
    /// The webhook endpoints of the seed file.
    pub webhook_endpoints: Vec<SeededEndpoint>,
}

/// A webhook endpoint that is there from the start.
#[derive(Clone, Debug)]
pub struct SeededEndpoint {
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// Its id.
    pub id: WebhookEndpointId,
    /// What it is made of.
    pub draft: EndpointDraft,
    /// Its signing secret.
    pub secret: SealedSecret,
}

impl InitialState {
    /// Stores what is not there yet; what has the same id, or the same secret, is left as it is.
    /// Profiles are written over what has their id.
    pub async fn apply(&self, store: &dyn Store, now: Timestamp) -> Stored<()> {
        let proof = OperatorProof::of_storage_access();
        let act = Act {
            actor: Actor::system("initial-state"),
            at: now,
        };
        for organization in &self.organizations {
            let id = &organization.id;
            already_there(
                store.insert_organization(proof, &act, organization).await?,
                id,
            )?;
        }
        for workspace in &self.workspaces {
            let id = &workspace.id;
            already_there(store.insert_workspace(proof, &act, workspace).await?, id)?;
        }
        for (key, secret) in &self.keys {
            already_there(store.insert_key(proof, &act, key, secret).await?, &key.id)?;
        }
        if !self.profiles.is_empty() {
            store
                .put_profiles(proof, &act, self.profiles.clone(), PutMode::default())
                .await?;
        }
        for seeded in &self.webhook_endpoints {
            let SeededEndpoint { id, draft, .. } = seeded.clone();
            let scope = proof.choose(seeded.organization_id.clone());
            let decided = WebhookEndpoint::create(id, draft, now);
            let secret = seeded.secret.clone();
            let insert = store.insert_webhook_endpoint(&scope, &act, decided, secret);
            match insert.await? {
                Ok(()) | Err(EndpointNotStored::Taken) => {}
                Err(refused) => {
                    let id = &seeded.id;
                    return Err(StoreError::Failed(format!(
                        "the initial state's webhook endpoint {id} was not stored: {refused:?}"
                    )));
                }
            }
        }
        Ok(())
    }
}

fn already_there(stored: Result<(), NotStored>, id: &dyn std::fmt::Display) -> Stored<()> {
    match stored {
        Ok(()) | Err(NotStored::Taken) => Ok(()),
        Err(NotStored::UnknownOrganization | NotStored::UnknownWorkspace) => {
            Err(StoreError::Failed(format!(
                "the initial state names an owner of {id} that is not part of it"
            )))
        }
    }
}
