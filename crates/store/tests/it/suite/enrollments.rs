//! Enrollment URLs, and what is submitted through them.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::decision::Refusal;
use rollcall_domain::enrollment::{
    Application, Enrollment, EnrollmentStatus, EnrollmentUrl, URL_LIFETIME, Verdict,
};
use rollcall_domain::id::ProfileId;
use rollcall_domain::page::{Limit, ListPosition, Order};
use rollcall_domain::profile::Profile;
use rollcall_domain::program::{Cyber, ProgramName, ProgramStanding, ProgramStatus, Tiers};
use rollcall_domain::tenant::{OrganizationScope, SecretHash};
use rollcall_store::audit::AuditFilter;
use rollcall_store::enrollments::{Decided, EnrollmentFilter, Submitted};
use rollcall_store::registry::{Put, PutMode};

use crate::world::{World, act_at, at, proof, whole};

fn url(scope: &OrganizationScope, id: &ProfileId, token: u8, now: Timestamp) -> EnrollmentUrl {
    EnrollmentUrl {
        token_hash: SecretHash([token; 32]),
        organization_id: scope.organization_id().clone(),
        profile_id: id.clone(),
        created_at: now,
        expires_at: now.saturating_add(URL_LIFETIME),
        enrollment_id: None,
    }
}

impl World {
    pub(crate) async fn link(
        &self,
        scope: &OrganizationScope,
        id: &ProfileId,
        token: u8,
        now: Timestamp,
    ) {
        let stored = self
            .store
            .insert_enrollment_url(scope, &act_at(now), &url(scope, id, token, now))
            .await;
        assert!(stored.unwrap());
    }

    /// Applies for `cyber` through the link with this token.
    pub(crate) async fn submit(&self, token: u8, now: Timestamp) -> Submitted {
        let application = Application {
            program: ProgramName::Cyber,
            submitted: vec![
                ("role".to_owned(), "Ana \"<b>\" 名前".to_owned()),
                ("full_name".to_owned(), String::new()),
            ],
        };
        let id = self.ids.enrollment(now);
        let token = SecretHash([token; 32]);
        let act = act_at(now);
        let submitted = self
            .store
            .submit_enrollment(&act, &token, &id, &application);
        submitted.await.unwrap()
    }

    pub(crate) async fn submitted(&self, token: u8, now: Timestamp) -> Enrollment {
        match self.submit(token, now).await {
            Submitted::Done(enrollment) => enrollment,
            other => panic!("{other:?}"),
        }
    }

    async fn profile(&self, scope: &OrganizationScope, id: &ProfileId) -> Profile {
        let found = self.store.find_profile(scope, id).await.unwrap();
        found.unwrap().decode().unwrap()
    }
}

pub(crate) async fn an_application_is_stored_whole_and_once(world: World) {
    let scope = world.organization("org").await;
    let id = world.create(&scope, at(1), None).await;
    world.link(&scope, &id, 5, at(2)).await;
    world.link(&scope, &id, 6, at(2)).await;
    let enrollment = world.submitted(5, at(3)).await;
    assert_eq!(enrollment.status, EnrollmentStatus::Pending);
    let found = world.store.find_enrollment(proof(), &enrollment.id).await;
    assert_eq!(found.unwrap().as_ref(), Some(&enrollment));
    let profile = world.profile(&scope, &id).await;
    let status = profile.programs.status(&ProgramName::Cyber);
    assert_eq!(status, Some(ProgramStatus::Pending));
    let used = world.store.find_enrollment_url(&SecretHash([5; 32])).await;
    assert_eq!(
        used.unwrap().unwrap().enrollment_id.as_ref(),
        Some(&enrollment.id)
    );
    let again = world.submit(5, at(4)).await;
    assert_eq!(again, Submitted::Refused(Refusal::AlreadySubmitted));

    // Another link of the same profile takes an application of its own; its program is pending already.
    let second = world.submitted(6, at(5)).await;
    let filter = AuditFilter {
        target_ids: vec![second.id.to_string()],
        ..AuditFilter::default()
    };
    let trail = world
        .store
        .list_audit_events(proof(), &filter, None, Limit::DEFAULT)
        .await
        .unwrap();
    let entry = &trail.events[0];
    assert_eq!(entry.details, [id.as_str(), "cyber"]);
    assert_eq!(
        world.store.check(proof(), &|_| {}).await.unwrap().problems,
        Vec::<String>::new()
    );
}

pub(crate) async fn nothing_is_submitted_through_a_link_that_is_over(world: World) {
    let scope = world.organization("org").await;
    let id = world.create(&scope, at(1), None).await;
    world.link(&scope, &id, 5, at(2)).await;
    let over = at(2).saturating_add(URL_LIFETIME);
    assert_eq!(world.submit(5, over).await, Submitted::Expired);
    assert_eq!(world.submit(7, at(3)).await, Submitted::Missing);
    world
        .store
        .remove_profile(&scope, &act_at(at(3)), &id)
        .await
        .unwrap();
    assert_eq!(world.submit(5, at(3)).await, Submitted::Missing);
    let none = world
        .store
        .list_enrollments(
            proof(),
            &EnrollmentFilter::default(),
            Order::Descending,
            None,
            Limit::DEFAULT,
        )
        .await
        .unwrap();
    assert_eq!(none.items, []);
}

pub(crate) async fn an_application_is_decided_once(world: World) {
    let scope = world.organization("org").await;
    let tiers = Tiers {
        a: true,
        ..Tiers::default()
    };
    let standing = ProgramStanding::Cyber(Cyber::new(ProgramStatus::Active, tiers, None).unwrap());
    for (token, verdict, status, program) in [
        (
            1,
            Verdict::Approved(standing),
            EnrollmentStatus::Approved,
            ProgramStatus::Active,
        ),
        (
            2,
            Verdict::Rejected,
            EnrollmentStatus::Rejected,
            ProgramStatus::Rejected,
        ),
    ] {
        let id = world.create(&scope, at(1), None).await;
        world.link(&scope, &id, token, at(2)).await;
        let waiting = world.submitted(token, at(3)).await;
        let act = act_at(at(4));
        let decided = world
            .store
            .decide_enrollment(proof(), &act, &waiting.id, &verdict, Some("Words"))
            .await
            .unwrap();
        let expected = Enrollment {
            status,
            decided_at: Some(at(4)),
            note: Some("Words".to_owned()),
            ..waiting.clone()
        };
        assert_eq!(decided, Decided::Done(expected.clone()));
        let found = world
            .store
            .find_enrollment(proof(), &waiting.id)
            .await
            .unwrap();
        assert_eq!(found, Some(expected));
        let profile = world.profile(&scope, &id).await;
        assert_eq!(profile.programs.status(&ProgramName::Cyber), Some(program));
        let again = world
            .store
            .decide_enrollment(proof(), &act, &waiting.id, &Verdict::Rejected, None)
            .await
            .unwrap();
        assert_eq!(again, Decided::Refused(Refusal::AlreadyDecided));
    }
    let unknown = world.ids.enrollment(at(9));
    let missing = world
        .store
        .decide_enrollment(proof(), &act_at(at(9)), &unknown, &Verdict::Rejected, None)
        .await;
    assert_eq!(missing.unwrap(), Decided::Missing);
    assert_eq!(
        world.store.check(proof(), &|_| {}).await.unwrap().problems,
        Vec::<String>::new()
    );
}

pub(crate) async fn enrollments_are_filtered_and_paged_in_both_directions(world: World) {
    let (one, two) = (
        world.organization("one").await,
        world.organization("two").await,
    );
    let mut all = Vec::new();
    for number in 0..7_u8 {
        let scope = if number % 2 == 0 { &one } else { &two };
        let id = world.create(scope, at(1), None).await;
        world.link(scope, &id, number, at(2)).await;
        // Several at the same instant, so that the id has to decide.
        all.push(world.submitted(number, at(3 + u64::from(number / 3))).await);
    }
    let rejected = all[0].id.clone();
    world
        .store
        .decide_enrollment(proof(), &act_at(at(9)), &rejected, &Verdict::Rejected, None)
        .await
        .unwrap();
    all.sort_by(|left, right| (left.submitted_at, &left.id).cmp(&(right.submitted_at, &right.id)));
    let pending = Some(EnrollmentStatus::Pending);
    for filter in [
        EnrollmentFilter::default(),
        EnrollmentFilter {
            status: pending,
            ..EnrollmentFilter::default()
        },
        EnrollmentFilter {
            organization_id: Some(one.organization_id().clone()),
            status: pending,
            ..EnrollmentFilter::default()
        },
        EnrollmentFilter {
            profile_id: Some(all[3].profile_id.clone()),
            ..EnrollmentFilter::default()
        },
    ] {
        let wanted = all.iter().filter(|enrollment| {
            let is_pending = enrollment.id != rejected;
            filter.status.is_none_or(|_| is_pending)
                && filter
                    .organization_id
                    .as_ref()
                    .is_none_or(|id| *id == enrollment.organization_id)
                && filter
                    .profile_id
                    .as_ref()
                    .is_none_or(|id| *id == enrollment.profile_id)
        });
        let mut wanted: Vec<_> = wanted.map(|enrollment| enrollment.id.clone()).collect();
        for order in [Order::Ascending, Order::Descending] {
            assert_eq!(world.walk_enrollments(&filter, order).await, wanted);
            wanted.reverse();
        }
    }
}

impl World {
    async fn walk_enrollments(
        &self,
        filter: &EnrollmentFilter,
        order: Order,
    ) -> Vec<rollcall_domain::id::EnrollmentId> {
        let mut found = Vec::new();
        let mut after: Option<ListPosition> = None;
        loop {
            let limit = Limit::new(2).unwrap();
            let listed = self
                .store
                .list_enrollments(proof(), filter, order, after.as_ref(), limit)
                .await
                .unwrap();
            found.extend(listed.items.into_iter().map(|enrollment| enrollment.id));
            match listed.next {
                None => return found,
                next => after = next,
            }
        }
    }
}

pub(crate) async fn enrollments_go_with_their_profile(world: World) {
    let scope = world.organization("org").await;
    let id = world.create(&scope, at(1), None).await;
    world.link(&scope, &id, 5, at(2)).await;
    let waiting = world.submitted(5, at(3)).await;
    world
        .store
        .remove_profile(&scope, &act_at(at(4)), &id)
        .await
        .unwrap();
    assert_eq!(
        world
            .store
            .find_enrollment(proof(), &waiting.id)
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        world.store.check(proof(), &|_| {}).await.unwrap().problems,
        Vec::<String>::new()
    );
}

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
    let over = EnrollmentUrl {
        expires_at: url.created_at,
        ..url.clone()
    };
    let found = world.store.find_enrollment_url(&url.token_hash).await;
    assert_eq!(found.unwrap(), Some(over));
    assert_eq!(
        world
            .store
            .prune_enrollment_urls(url.created_at)
            .await
            .unwrap(),
        0
    );
    let later = url.created_at.next_microsecond();
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

pub(crate) async fn a_url_stays_over_when_its_profile_comes_back(world: World) {
    let scope = world.organization("org").await;
    let gone = world.create(&scope, at(1), None).await;
    let kept = world.create(&scope, at(2), None).await;
    world.link(&scope, &gone, 1, at(10)).await;
    world.link(&scope, &gone, 2, at(10)).await;
    world.link(&scope, &kept, 3, at(10)).await;
    let used = world.submit(1, at(11)).await;
    assert!(matches!(used, Submitted::Done(_)), "{used:?}");

    let profile = world.profile(&scope, &gone).await;
    let act = act_at(at(12));
    let removed = world.store.remove_profile(&scope, &act, &gone);
    assert!(removed.await.unwrap());
    let records = vec![(scope.organization_id().clone(), profile)];
    let put = world
        .store
        .put_profiles(proof(), &act_at(at(13)), whole(records), PutMode::default())
        .await;
    assert_eq!(put.unwrap(), [Put::Created]);

    for token in [1, 2] {
        assert_eq!(world.submit(token, at(14)).await, Submitted::Expired);
    }
    world.link(&scope, &gone, 4, at(14)).await;
    for token in [3, 4] {
        let submitted = world.submit(token, at(15)).await;
        assert!(matches!(submitted, Submitted::Done(_)), "{submitted:?}");
    }
}
