//! Figures that are kept with every change.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::enforcement::ActionKind;
use rollcall_domain::enrollment::Verdict;
use rollcall_store::overview::RegistryFigures;
use rollcall_store::registry::PutMode;

use crate::world::{World, act_at, at, proof, restriction, whole};

impl World {
    async fn figures(&self) -> RegistryFigures {
        self.store.registry_figures(proof(), 10, 0).await.unwrap()
    }

    /// Folds whatever there is of the days before `now`'s, in pieces.
    async fn fold(&self, now: Timestamp) {
        while self.store.fold_counts(now, 3).await.unwrap() > 0 {}
    }

    pub(crate) async fn assert_sound(&self) {
        let report = self.store.check(proof(), &|_| {}).await.unwrap();
        assert_eq!(report.problems, Vec::<String>::new());
    }
}

pub(crate) async fn figures_follow_every_change(world: World) {
    assert_eq!(world.figures().await, RegistryFigures::default());
    let (one, two) = (
        world.organization("one").await,
        world.organization("two").await,
    );
    let first = world.create(&one, at(1), None).await;
    let second = world.create(&two, at(1), None).await;
    let third = world.create(&two, at(200_000), None).await;
    world
        .open_action(&one, &first, ActionKind::Ban, at(2))
        .await;
    let ending = world
        .open_action(&two, &second, restriction(None), at(2))
        .await;
    world
        .open_action(&two, &second, restriction(None), at(2))
        .await;
    world.link(&two, &second, 5, at(2)).await;
    let waiting = world.submitted(5, at(3)).await;

    let figures = world.figures().await;
    let largest = figures.organizations.iter();
    let largest: Vec<_> = largest
        .map(|it| {
            (
                it.organization_id.as_str(),
                it.profiles,
                it.open_actions,
                it.waiting_enrollments,
            )
        })
        .collect();
    assert_eq!(largest, [("two", 2, 2, 1), ("one", 1, 1, 0)]);
    assert_eq!(
        (
            figures.profiles,
            figures.open_actions,
            figures.waiting_enrollments
        ),
        (3, 3, 1)
    );
    let created: Vec<_> = figures.created.iter().map(|(_, count)| *count).collect();
    assert_eq!((created, figures.organization_count), (vec![2, 1], 2));
    let last_day = figures.created[1].0;
    let later = world
        .store
        .registry_figures(proof(), 1, last_day)
        .await
        .unwrap();
    assert_eq!((later.created.len(), later.organizations.len()), (1, 1));
    assert!(world.store.size(proof()).await.unwrap() > 8_192);

    let decide: rollcall_store::Decide =
        Box::new(move |profile| profile.resolve_action(&ending, at(4)));
    world.change(&two, &second, at(4), decide).await;
    let act = act_at(at(4));
    let decided =
        world
            .store
            .decide_enrollment(proof(), &act, &waiting.id, &Verdict::Rejected, None);
    decided.await.unwrap();
    world
        .store
        .remove_profile(&one, &act, &first)
        .await
        .unwrap();
    world
        .store
        .remove_profile(&two, &act, &third)
        .await
        .unwrap();
    let figures = world.figures().await;
    assert_eq!(
        (
            figures.profiles,
            figures.open_actions,
            figures.waiting_enrollments
        ),
        (1, 1, 0)
    );
    assert_eq!(figures.created.len(), 1);
    world.assert_sound().await;
}

pub(crate) async fn folding_changes_no_figure_and_what_is_folded_goes_on_counting(world: World) {
    let scopes = [
        world.organization("one").await,
        world.organization("two").await,
    ];
    let mut profiles = Vec::new();
    for second in (0..400_000).step_by(20_000) {
        for scope in &scopes {
            let id = world.create(scope, at(second), None).await;
            profiles.push((scope, id));
        }
    }
    let before = world.figures().await;
    assert_eq!(before.profiles, 40);
    world.fold(at(300_000)).await;
    assert_eq!(world.figures().await, before);
    world.assert_sound().await;

    // Changes of days that are folded count like any other.
    let act = act_at(at(400_000));
    for (scope, id) in profiles.iter().step_by(3) {
        world.store.remove_profile(scope, &act, id).await.unwrap();
    }
    world.create(&scopes[0], at(5), None).await;
    let changed = world.figures().await;
    assert_eq!(changed.profiles, 40 - 14 + 1);
    world.fold(at(9_000_000)).await;
    assert_eq!(world.figures().await, changed);
    let counts = world.store.count_profiles(proof()).await.unwrap();
    let counted: u64 = counts.iter().map(|(_, count)| count).sum();
    assert_eq!(counted, changed.profiles);
    world.assert_sound().await;

    let removed = scopes[1].organization_id();
    assert!(world.remove_organization(removed).await);
    world.fold(at(9_000_000)).await;
    let left = world.figures().await;
    assert_eq!(left.profiles, left.organizations[0].profiles);
    world.assert_sound().await;
}

pub(crate) async fn counts_stay_exact_while_they_are_folded(world: World) {
    let scope = world.organization("one").await;
    let mut created = Vec::new();
    for second in 0..20 {
        created.push(world.create(&scope, at(second * 10_000), None).await);
    }
    let act = act_at(at(300_000));
    let removals = async {
        for id in &created {
            world.store.remove_profile(&scope, &act, id).await.unwrap();
        }
    };
    let creations = async {
        for second in 0..30 {
            world.create(&scope, at(second * 10_000), None).await;
        }
    };
    let records = async {
        for part in 0..5 {
            let records = (0..30).map(|second| {
                let profile = world.draft(at(second * 10_000 + part), None);
                (scope.organization_id().clone(), profile)
            });
            let put = world
                .store
                .put_profiles(proof(), &act, whole(records), PutMode::default());
            put.await.unwrap();
        }
    };
    let folds = async {
        for _ in 0..10 {
            world.fold(at(9_000_000)).await;
        }
    };
    // Two nodes fold, as they may while the duty changes hands.
    tokio::join!(
        removals,
        creations,
        records,
        folds,
        world.fold(at(9_000_000))
    );
    assert_eq!(world.figures().await.profiles, 30 + 150);
    world.assert_sound().await;
    world.fold(at(9_000_000)).await;
    assert_eq!(world.figures().await.profiles, 30 + 150);
    world.assert_sound().await;
}
