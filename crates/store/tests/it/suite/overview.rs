//! Figures that are kept with every change.

use rollcall_domain::enforcement::ActionKind;
use rollcall_domain::enrollment::Verdict;
use rollcall_store::overview::RegistryFigures;

use crate::world::{World, act_at, at, proof, restriction};

impl World {
    async fn figures(&self) -> RegistryFigures {
        self.store.registry_figures(proof(), 10, 0).await.unwrap()
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
    assert_eq!(
        world.store.check(proof(), &|_| {}).await.unwrap().problems,
        Vec::<String>::new()
    );
}
