//! A storage with a few tenants in it, and short ways to speak to it.

use std::sync::Arc;
use std::time::Duration;

use rollcall_domain::audit::{Act, Actor, ActorKind};
use rollcall_domain::clock::Timestamp;
use rollcall_domain::decision::Decided;
use rollcall_domain::enforcement::{ActionKind, EnforcementAction, IdentityCheck, Reason};
use rollcall_domain::gateway_policy::GatewayPolicy;
use rollcall_domain::id::{
    ApiKeyId, EnforcementActionId, Ids, OrganizationId, ProfileId, SeededChance,
};
use rollcall_domain::page::{Limit, Order, OrderBy, Position, ProfileListing, Start, StatusFilter};
use rollcall_domain::profile::{Profile, ProfileDraft, ProfileRecord};
use rollcall_domain::role::Role;
use rollcall_domain::tenant::{
    ApiKey, KeyOwner, OperatorProof, Organization, OrganizationPatch, OrganizationScope,
    OrganizationStatus, OrganizationSwitches, SecretHash,
};
use rollcall_domain::text::Name;
use rollcall_record::document::{DamagedDocument, PageSink, ProfileView};
use rollcall_store::tenants::Left;
use rollcall_store::{Changed, Decide, Store};

/// A storage and what must live as long as it does.
pub(crate) trait Opened {
    fn store(&self) -> Arc<dyn Store>;
}

pub(crate) fn ids() -> Arc<Ids> {
    Arc::new(Ids::new(Box::new(SeededChance::new(7))))
}

pub(crate) fn proof() -> OperatorProof {
    OperatorProof::of_storage_access()
}

/// `seconds` after the start of the tests' time.
pub(crate) fn at(seconds: u64) -> Timestamp {
    let start = Timestamp::from_micros(1_780_000_000_000_000).unwrap();
    start.saturating_add(Duration::from_secs(seconds))
}

pub(crate) fn act_at(at: Timestamp) -> Act {
    Act {
        actor: Actor {
            kind: ActorKind::Operator,
            id: "apikey_test".into(),
            name: Some("Test".into()),
        },
        at,
    }
}

/// Records that leave nothing out.
pub(crate) fn whole(
    profiles: impl IntoIterator<Item = (OrganizationId, Profile)>,
) -> Vec<(OrganizationId, ProfileRecord)> {
    let records = profiles.into_iter();
    records
        .map(|(owner, profile)| (owner, profile.into()))
        .collect()
}

pub(crate) struct World {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) ids: Arc<Ids>,
}

/// Collects the ids of a page.
#[derive(Default)]
pub(crate) struct Collected(pub(crate) Vec<String>);

impl PageSink for Collected {
    fn profile(&mut self, view: &ProfileView<'_>) -> Result<(), DamagedDocument> {
        self.0.push(view.id.trim_matches('"').to_owned());
        Ok(())
    }

    fn damaged(&mut self, id: ProfileId, damage: DamagedDocument) {
        panic!("{id}: {damage}");
    }
}

pub(crate) fn listing(order_by: OrderBy, order: Order, limit: u8) -> ProfileListing {
    ProfileListing::beginning(Limit::new(limit).unwrap(), order, order_by)
}

impl World {
    pub(crate) fn new(store: Arc<dyn Store>, ids: Arc<Ids>) -> Self {
        Self { store, ids }
    }

    pub(crate) async fn organization(&self, name: &str) -> OrganizationScope {
        let id = OrganizationId::parse(name).unwrap();
        let organization = Organization {
            id: id.clone(),
            name: name.to_owned(),
            created_at: at(0),
            rate_limit_rpm: None,
            status: OrganizationStatus::Active,
            switches: OrganizationSwitches::default(),
            gateway_policy: GatewayPolicy::default(),
        };
        let stored = self
            .store
            .insert_organization(proof(), &act_at(at(0)), &organization)
            .await
            .unwrap();
        assert_eq!(stored, Ok(()));
        proof().choose(id)
    }

    /// A key of an owner, which lasts.
    pub(crate) async fn owner(&self, number: u8) -> ApiKeyId {
        let id = ApiKeyId::parse(&format!("apikey_owner{number}")).unwrap();
        let owner = KeyOwner::Operator { role: Role::Owner };
        let key = ApiKey::create(id.clone(), owner, "K".into(), None, at(0)).unwrap();
        let secret = SecretHash([100 + number; 32]);
        let act = act_at(at(0));
        let stored = self.store.insert_key(proof(), &act, &key, &secret).await;
        assert_eq!(stored.unwrap(), Ok(()));
        id
    }

    /// Holds an organization, so that its end can begin.
    pub(crate) async fn hold(&self, id: &OrganizationId) {
        let held = OrganizationPatch {
            status: Some(OrganizationStatus::OnHold),
            ..OrganizationPatch::default()
        };
        let (act, store) = (act_at(at(0)), &self.store);
        let change = store.change_organization(proof(), &act, id, &held);
        change.await.unwrap();
    }

    /// Holds an organization and removes it; `false` when there is none.
    pub(crate) async fn remove_organization(&self, id: &OrganizationId) -> bool {
        self.hold(id).await;
        let (act, store) = (act_at(at(0)), &self.store);
        let begun = store.begin_removal(proof(), &act, id).await.unwrap();
        while store.go_on_removing(proof(), id, at(0), 5).await.unwrap() == Left::More {}
        begun.is_some()
    }

    /// A profile created at that time, with that name.
    pub(crate) fn draft(&self, created_at: Timestamp, name: Option<&str>) -> Profile {
        let draft = ProfileDraft {
            name: name.map(|name| Name::parse(name).unwrap()),
            ..ProfileDraft::default()
        };
        Profile::new(self.ids.profile(created_at), draft, created_at)
    }

    pub(crate) async fn insert(&self, scope: &OrganizationScope, profile: &Profile) {
        let audit = Profile::create(
            profile.id.clone(),
            ProfileDraft::default(),
            profile.created_at,
        )
        .audit
        .remove(0);
        let decided = Decided::changed(profile.clone(), audit);
        let act = act_at(profile.created_at);
        self.store
            .insert_profile(scope, &act, decided)
            .await
            .unwrap();
    }

    pub(crate) async fn create(
        &self,
        scope: &OrganizationScope,
        created_at: Timestamp,
        name: Option<&str>,
    ) -> ProfileId {
        let profile = self.draft(created_at, name);
        self.insert(scope, &profile).await;
        profile.id
    }

    pub(crate) async fn change(
        &self,
        scope: &OrganizationScope,
        id: &ProfileId,
        now: Timestamp,
        decide: Decide,
    ) -> Changed {
        self.store
            .change_profile(scope, &act_at(now), id, decide)
            .await
            .unwrap()
    }

    /// Opens an action, which must succeed.
    pub(crate) async fn open_action(
        &self,
        scope: &OrganizationScope,
        id: &ProfileId,
        kind: ActionKind,
        now: Timestamp,
    ) -> EnforcementActionId {
        let action_id = self.ids.enforcement_action(now);
        let action =
            EnforcementAction::new(action_id.clone(), now, Reason::FraudOrAbuse, kind).unwrap();
        let changed = self
            .change(
                scope,
                id,
                now,
                Box::new(move |profile| profile.open_action(action.clone(), now)),
            )
            .await;
        assert!(matches!(changed, Changed::Done(_)));
        action_id
    }

    pub(crate) async fn page(
        &self,
        scope: &OrganizationScope,
        listing: &ProfileListing,
        now: Timestamp,
    ) -> (Vec<String>, Option<Position>) {
        let mut collected = Collected::default();
        let next = self
            .store
            .list_profiles(scope, listing, now, &mut collected)
            .await
            .unwrap();
        (collected.0, next)
    }

    /// All pages of a listing, one after the other.
    pub(crate) async fn walk(
        &self,
        scope: &OrganizationScope,
        mut listing: ProfileListing,
        now: Timestamp,
    ) -> Vec<Vec<String>> {
        let mut pages = Vec::new();
        loop {
            let (page, next) = self.page(scope, &listing, now).await;
            pages.push(page);
            assert!(pages.len() < 10_000, "a walk that does not end");
            match next {
                None => return pages,
                Some(position) => listing.start = Start::after(position),
            }
        }
    }

    pub(crate) async fn walk_ids(
        &self,
        scope: &OrganizationScope,
        listing: ProfileListing,
        now: Timestamp,
    ) -> Vec<String> {
        self.walk(scope, listing, now).await.concat()
    }
}

pub(crate) fn restriction(expires_at: Option<Timestamp>) -> ActionKind {
    ActionKind::Restriction {
        expires_at,
        check: IdentityCheck::NotOffered,
    }
}

pub(crate) fn filtered(listing: ProfileListing, filter: StatusFilter) -> ProfileListing {
    ProfileListing {
        status_filter: Some(filter),
        ..listing
    }
}
