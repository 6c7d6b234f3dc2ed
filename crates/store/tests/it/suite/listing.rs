//! Pages: exact at every size, in every order, whatever happens between them.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt as _, SeedableRng as _};
use rollcall_domain::clock::Timestamp;
use rollcall_domain::enforcement::{ActionKind, EnforcementStatus};
use rollcall_domain::page::{Order, OrderBy, ProfileListing, Start, StatusFilter};
use rollcall_domain::profile::Profile;

use crate::world::{World, act_at, at, filtered, listing, restriction};

pub(crate) async fn every_page_size_walks_each_profile_once_in_both_directions(world: World) {
    let scope = world.organization("org").await;
    let other = world.organization("other").await;
    let mut created = Vec::new();
    for second in 0..23 {
        created.push(world.create(&scope, at(second), None).await.to_string());
        world.create(&other, at(second), None).await;
    }
    for limit in [1, 2, 5, 22, 23, 24, 100] {
        let ascending = listing(OrderBy::CreatedAt, Order::Ascending, limit);
        assert_eq!(
            world.walk_ids(&scope, ascending, at(99)).await,
            created,
            "limit {limit}"
        );
        let descending = listing(OrderBy::CreatedAt, Order::Descending, limit);
        let mut walked = world.walk_ids(&scope, descending, at(99)).await;
        walked.reverse();
        assert_eq!(walked, created, "limit {limit}");
    }
}

pub(crate) async fn equal_creation_times_neither_drop_nor_repeat(world: World) {
    let scope = world.organization("org").await;
    let mut created = Vec::new();
    for _ in 0..17 {
        created.push(world.create(&scope, at(5), None).await.to_string());
    }
    created.sort();
    for limit in [1, 3, 4, 16, 17] {
        let ascending = listing(OrderBy::CreatedAt, Order::Ascending, limit);
        assert_eq!(world.walk_ids(&scope, ascending, at(9)).await, created);
        let descending = listing(OrderBy::CreatedAt, Order::Descending, limit);
        let mut walked = world.walk_ids(&scope, descending, at(9)).await;
        walked.reverse();
        assert_eq!(walked, created);
    }
}

pub(crate) async fn the_last_full_page_says_that_nothing_follows(world: World) {
    let scope = world.organization("org").await;
    for order_by in [OrderBy::CreatedAt, OrderBy::Name] {
        let empty = world
            .page(&scope, &listing(order_by, Order::Descending, 2), at(9))
            .await;
        assert_eq!(empty, (vec![], None));
    }
    for second in 0..4 {
        let name = (second % 2 == 0).then_some("named");
        world.create(&scope, at(second), name).await;
    }
    for order_by in [OrderBy::CreatedAt, OrderBy::Name] {
        for order in [Order::Ascending, Order::Descending] {
            let pages = world.walk(&scope, listing(order_by, order, 2), at(9)).await;
            assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
        }
    }
}

pub(crate) async fn a_position_survives_the_removal_of_its_profile(world: World) {
    let scope = world.organization("org").await;
    let mut created = Vec::new();
    for second in 0..6 {
        created.push(
            world
                .create(&scope, at(second), Some(&format!("n{second}")))
                .await,
        );
    }
    for order_by in [OrderBy::CreatedAt, OrderBy::Name] {
        let mut listing = listing(order_by, Order::Ascending, 2);
        let (_, next) = world.page(&scope, &listing, at(9)).await;
        let removed = created.remove(1);
        assert!(
            world
                .store
                .remove_profile(&scope, &act_at(at(9)), &removed)
                .await
                .unwrap()
        );
        listing.start = Start::after(next.unwrap());
        let (page, _) = world.page(&scope, &listing, at(9)).await;
        assert_eq!(page, [created[1].to_string(), created[2].to_string()]);
        created = created.split_off(0);
        created.insert(1, world.create(&scope, at(1), Some("n1")).await);
    }
}

pub(crate) async fn names_are_folded_and_the_unnamed_come_last(world: World) {
    let scope = world.organization("org").await;
    let mut ids = std::collections::HashMap::new();
    let names = ["b", "A", "a", "B", "Ä", "ä", "aa", "_", "Z", "~", "𝔸"];
    for (second, name) in (0..).zip(names) {
        ids.insert(
            world
                .create(&scope, at(second), Some(name))
                .await
                .to_string(),
            name,
        );
    }
    let mut unnamed = Vec::new();
    for second in 20..24 {
        unnamed.push(world.create(&scope, at(second), None).await.to_string());
    }
    unnamed.sort();
    for limit in [1, 3, 10, 11, 12, 15] {
        for order in [Order::Ascending, Order::Descending] {
            let walked = world
                .walk_ids(&scope, listing(OrderBy::Name, order, limit), at(99))
                .await;
            let (with_name, rest) = walked.split_at(names.len());
            let folded: Vec<_> = with_name
                .iter()
                .map(|id| ids[id].to_ascii_lowercase())
                .collect();
            let mut expected = ["_", "a", "a", "aa", "b", "b", "z", "~", "Ä", "ä", "𝔸"].to_vec();
            let mut expected_rest = unnamed.clone();
            if order == Order::Descending {
                expected.reverse();
                expected_rest.reverse();
            }
            assert_eq!(
                (folded, rest),
                (
                    expected.iter().map(|name| (*name).to_owned()).collect(),
                    &expected_rest[..]
                ),
                "limit {limit}"
            );
        }
    }
}

pub(crate) async fn walks_stay_exact_while_profiles_come_and_go(world: World) {
    let scope = world.organization("org").await;
    let mut random = StdRng::seed_from_u64(3);
    for order_by in [OrderBy::CreatedAt, OrderBy::Name] {
        for order in [Order::Ascending, Order::Descending] {
            let mut staying = Vec::new();
            let mut passing = Vec::new();
            for second in 0..60 {
                let name = format!("name {}", random.random_range(0..20));
                let id = world.create(&scope, at(second), Some(&name)).await;
                if second % 3 == 0 {
                    passing.push(id);
                } else {
                    staying.push(id.to_string());
                }
            }
            let mut seen = Vec::new();
            let mut listing = listing(order_by, order, 7);
            loop {
                let (page, next) = world.page(&scope, &listing, at(500)).await;
                seen.extend(page);
                let Some(position) = next else { break };
                listing.start = Start::after(position);
                if let Some(id) = passing.pop() {
                    world
                        .store
                        .remove_profile(&scope, &act_at(at(100)), &id)
                        .await
                        .unwrap();
                }
                let second = random.random_range(0..200);
                world.create(&scope, at(second), Some("name 5")).await;
            }
            for id in &staying {
                let times = seen.iter().filter(|other| *other == id).count();
                assert_eq!(times, 1, "{order_by} {order}: {id}");
            }
            let distinct: std::collections::HashSet<_> = seen.iter().collect();
            assert_eq!(distinct.len(), seen.len());
        }
    }
}

fn any_of(statuses: &[EnforcementStatus]) -> StatusFilter {
    StatusFilter::any_of(statuses.iter().copied()).unwrap()
}

pub(crate) async fn filters_judge_by_the_status_at_the_time_of_reading(world: World) {
    use EnforcementStatus::{Banned, Pending, Restricted, Unrestricted};
    let scope = world.organization("org").await;
    let free = world.create(&scope, at(1), Some("a")).await;
    let expiring = world.create(&scope, at(2), None).await;
    let banned = world.create(&scope, at(3), Some("c")).await;
    world
        .open_action(&scope, &expiring, restriction(Some(at(60))), at(10))
        .await;
    world
        .open_action(&scope, &banned, ActionKind::Ban, at(10))
        .await;
    for order_by in [OrderBy::CreatedAt, OrderBy::Name] {
        for order in [Order::Ascending, Order::Descending] {
            let ids = async |statuses: &[EnforcementStatus], now: Timestamp| {
                let listing = filtered(listing(order_by, order, 10), any_of(statuses));
                let mut ids = world.walk_ids(&scope, listing, now).await;
                ids.sort();
                ids
            };
            let text = |ids: &[&rollcall_domain::id::ProfileId]| {
                let mut ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
                ids.sort();
                ids
            };
            assert_eq!(ids(&[Restricted], at(59)).await, text(&[&expiring]));
            assert_eq!(ids(&[Restricted], at(60)).await, text(&[]));
            assert_eq!(ids(&[Unrestricted], at(59)).await, text(&[&free]));
            assert_eq!(
                ids(&[Unrestricted], at(60)).await,
                text(&[&free, &expiring])
            );
            assert_eq!(ids(&[Banned, Pending], at(60)).await, text(&[&banned]));
            let all = EnforcementStatus::ALL;
            assert_eq!(ids(all, at(60)).await, text(&[&free, &expiring, &banned]));
        }
    }
}

pub(crate) async fn a_filtered_page_before_the_last_is_never_empty(world: World) {
    let scope = world.organization("org").await;
    // Profiles whose restriction has run out and is not yet recorded: they have to be looked at.
    for second in 0..1_100 {
        let mut profile = world.draft(at(second), None);
        let action = rollcall_domain::enforcement::EnforcementAction::new(
            world.ids.enforcement_action(at(1)),
            at(1),
            rollcall_domain::enforcement::Reason::HighHarm,
            restriction(Some(at(2_000))),
        );
        profile.enforcement =
            rollcall_domain::enforcement::Enforcement::new(vec![action.unwrap()], vec![]);
        world.insert(&scope, &profile).await;
    }
    let wanted = filtered(
        listing(OrderBy::CreatedAt, Order::Ascending, 20),
        any_of(&[EnforcementStatus::Restricted]),
    );
    let pages = world.walk(&scope, wanted.clone(), at(5_000)).await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [0]);
    let last = world.create(&scope, at(3_000), Some("last")).await;
    world
        .open_action(&scope, &last, restriction(None), at(3_000))
        .await;
    for order_by in [OrderBy::CreatedAt, OrderBy::Name] {
        for order in [Order::Ascending, Order::Descending] {
            let wanted = filtered(
                listing(order_by, order, 20),
                any_of(&[EnforcementStatus::Restricted]),
            );
            let pages = world.walk(&scope, wanted, at(5_000)).await;
            let (end, before) = pages.split_last().unwrap();
            assert!(before.iter().all(|page| !page.is_empty()), "{pages:?}");
            assert_eq!(pages.concat(), [last.to_string()], "{end:?}");
        }
    }
    world
        .store
        .remove_profile(&scope, &act_at(at(3_001)), &last)
        .await
        .unwrap();
    let pages = world.walk(&scope, wanted, at(1_999)).await;
    assert_eq!(pages.iter().map(Vec::len).sum::<usize>(), 1_100);
    assert!(pages.iter().all(|page| page.len() == 20));
}

/// The listing as the contract defines it, over all profiles at once.
fn model(profiles: &[Profile], listing: &ProfileListing, now: Timestamp) -> Vec<String> {
    let mut wanted: Vec<&Profile> = profiles
        .iter()
        .filter(|profile| {
            let status = profile.enforcement.status_at(now);
            listing
                .status_filter
                .is_none_or(|filter| filter.matches(status))
        })
        .collect();
    let descending = listing.order == Order::Descending;
    match listing.start.order_by() {
        OrderBy::CreatedAt => {
            wanted.sort_by_key(|profile| (profile.created_at, profile.id.clone()));
            if descending {
                wanted.reverse();
            }
        }
        OrderBy::Name => {
            wanted.sort_by_key(|profile| {
                (
                    profile
                        .name
                        .as_ref()
                        .map(rollcall_domain::text::Name::folded),
                    profile.id.clone(),
                )
            });
            if descending {
                wanted.reverse();
            }
            wanted.sort_by_key(|profile| profile.name.is_none());
        }
    }
    wanted
        .iter()
        .map(|profile| profile.id.to_string())
        .collect()
}

pub(crate) async fn random_worlds_are_listed_as_the_model_lists_them(world: World) {
    let mut random = StdRng::seed_from_u64(11);
    for number in 0..6 {
        let scope = world.organization(&format!("org{number}")).await;
        let mut profiles = Vec::new();
        for _ in 0..random.random_range(0..80) {
            let name = ["x", "X", "y", "é", "zz"].choose(&mut random).unwrap();
            let name = random.random_bool(0.7).then_some(*name);
            let mut profile = world.draft(at(random.random_range(0..9)), name);
            if random.random_bool(0.4) {
                let kind = match random.random_range(0..3) {
                    0 => ActionKind::Ban,
                    1 => restriction(Some(at(random.random_range(20..60)))),
                    _ => restriction(None),
                };
                let opened = profile.open_action(
                    rollcall_domain::enforcement::EnforcementAction::new(
                        world.ids.enforcement_action(at(10)),
                        at(10),
                        rollcall_domain::enforcement::Reason::Unspecified,
                        kind,
                    )
                    .unwrap(),
                    at(10),
                );
                profile = opened.unwrap().value;
            }
            world.insert(&scope, &profile).await;
            profiles.push(profile);
        }
        for _ in 0..60 {
            let statuses: Vec<_> = EnforcementStatus::ALL
                .iter()
                .copied()
                .filter(|_| random.random_bool(0.4))
                .collect();
            let order_by = *OrderBy::ALL.choose(&mut random).unwrap();
            let order = *Order::ALL.choose(&mut random).unwrap();
            let listing = ProfileListing {
                status_filter: StatusFilter::any_of(statuses),
                ..listing(order_by, order, random.random_range(1..20))
            };
            let now = at(random.random_range(10..70));
            let expected = model(&profiles, &listing, now);
            assert_eq!(
                world.walk_ids(&scope, listing.clone(), now).await,
                expected,
                "{listing:?}"
            );
        }
    }
}
