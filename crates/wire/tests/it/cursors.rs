//! Cursors: they come back as they were made, and nothing else opens.

use proptest::prelude::*;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::enforcement::EnforcementStatus;
use rollcall_domain::id::{OrganizationId, ProfileId};
use rollcall_domain::page::{Limit, Order, Position, ProfileListing, Start, StatusFilter};
use rollcall_wire::cursor::{CursorKeys, Cursors, MAX_LENGTH};

use crate::example::{at, cursors, dialect, organization};

const REFUSED: &str = "page: not a valid cursor for this request";

fn timestamp() -> impl Strategy<Value = Timestamp> {
    (Timestamp::MIN.as_micros()..=Timestamp::MAX.as_micros())
        .prop_map(|micros| Timestamp::from_micros(micros).unwrap())
}

fn position() -> impl Strategy<Value = Position> {
    let id = || "uprof_[A-Za-z0-9_-]{1,122}".prop_map(|id| ProfileId::parse(&id).unwrap());
    let name = prop::collection::vec(any::<char>(), 1..=255)
        .prop_map(|name| name.into_iter().collect::<String>());
    prop_oneof![
        (timestamp(), id()).prop_map(|(created_at, id)| Position::CreatedAt { created_at, id }),
        (prop::option::of(name), id()).prop_map(|(folded, id)| Position::Name { folded, id }),
    ]
}

fn filter() -> impl Strategy<Value = Option<StatusFilter>> {
    prop::sample::subsequence(EnforcementStatus::ALL, 0..=4).prop_map(StatusFilter::any_of)
}

prop_compose! {
    fn listing()(
        order in prop::sample::select(Order::ALL),
        status_filter in filter(),
        position in position(),
    ) -> (ProfileListing, Position) {
        let all = ProfileListing::beginning(Limit::DEFAULT, order, position.order_by());
        (ProfileListing { status_filter, ..all }, position)
    }
}

fn query(listing: &ProfileListing, cursor: &str) -> String {
    let order_by = listing.start.order_by();
    let mut query = format!("order={}&order_by={order_by}&page={cursor}", listing.order);
    for status in listing
        .status_filter
        .iter()
        .flat_map(|filter| filter.statuses())
    {
        query.push_str("&enforcement_status%5B%5D=");
        query.push_str(status.as_str());
    }
    query
}

fn opened(cursor: &str) -> Result<(), String> {
    let opened = cursors().open(&organization(), cursor);
    opened.map(|_| ()).map_err(|error| error.message)
}

proptest! {
    #[test]
    fn a_cursor_brings_its_listing_back_to_its_position((listing, position) in listing()) {
        let cursor = cursors().seal(&organization(), &listing, &position);
        prop_assert!(cursor.starts_with("page_") && cursor.len() <= MAX_LENGTH);
        let read = dialect("ga")
            .parse_list(Some(&query(&listing, &cursor)), &cursors(), &organization())
            .unwrap();
        let expected = ProfileListing { start: Start::after(position), ..listing };
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn no_altered_cursor_opens((listing, position) in listing(), at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_=+/.-]") {
        let cursor = cursors().seal(&organization(), &listing, &position);
        let at = at.index(cursor.len());
        let altered = format!("{}{to}{}", &cursor[..at], &cursor[at + 1..]);
        if altered != cursor {
            prop_assert_eq!(opened(&altered), Err(REFUSED.to_owned()));
        }
        prop_assert_eq!(opened(&cursor[..at]), Err(REFUSED.to_owned()));
        prop_assert_eq!(opened(&format!("{cursor}{to}")), Err(REFUSED.to_owned()));
    }

    #[test]
    fn no_foreign_cursor_opens((listing, position) in listing(), key in any::<[u8; 32]>()) {
        prop_assume!(key != [7; 32]);
        let elsewhere = Cursors::new(CursorKeys::new(key));
        let cursor = elsewhere.seal(&organization(), &listing, &position);
        prop_assert_eq!(opened(&cursor), Err(REFUSED.to_owned()));
        let other = OrganizationId::parse("another").unwrap();
        let cursor = cursors().seal(&other, &listing, &position);
        prop_assert_eq!(opened(&cursor), Err(REFUSED.to_owned()));
    }

    #[test]
    fn no_text_makes_opening_panic(text in "(page_)?\\PC*") {
        prop_assert_eq!(opened(&text), Err(REFUSED.to_owned()));
    }
}

fn by_time() -> (ProfileListing, Position) {
    let position = Position::CreatedAt {
        created_at: at("2026-05-11T16:40:02Z"),
        id: ProfileId::parse("uprof_011Caw7UBvkeMCpZkHRpjtPh").unwrap(),
    };
    let listing = ProfileListing::beginning(Limit::DEFAULT, Order::Descending, position.order_by());
    (listing, position)
}

#[test]
fn the_longest_name_and_id_fit() {
    let position = Position::Name {
        folded: Some("\u{10ffff}".repeat(255)),
        id: ProfileId::parse(&format!("uprof_{}", "z".repeat(122))).unwrap(),
    };
    let listing = ProfileListing {
        start: Start::beginning(position.order_by()),
        ..by_time().0
    };
    let cursor = cursors().seal(&organization(), &listing, &position);
    assert!(cursor.len() <= MAX_LENGTH, "{}", cursor.len());
    assert_eq!(opened(&cursor), Ok(()));
}

#[test]
fn the_same_position_is_the_same_text_and_shows_nothing_of_it() {
    let (listing, position) = by_time();
    let cursor = cursors().seal(&organization(), &listing, &position);
    assert_eq!(cursor, cursors().seal(&organization(), &listing, &position));
    assert!(!cursor.contains("uprof"));
    // Made by an earlier version.
    assert_eq!(
        cursor,
        "page_AYzNBcwuN4zZR7MF1YC40E8O0FRZ4zjFZleKImRq5dG7o7mV5l_fPespEzXgqT_GLsJzKnx71bh8Kg"
    );
}

#[test]
fn a_cursor_belongs_to_one_order_and_filter_and_to_any_limit_and_dialect() {
    let (listing, position) = by_time();
    let cursor = cursors().seal(&organization(), &listing, &position);
    let read = |name: &str, query: &str| {
        dialect(name)
            .parse_list(
                Some(&format!("{query}&page={cursor}")),
                &cursors(),
                &organization(),
            )
            .map(|listing| listing.start)
            .map_err(|error| error.message)
    };
    for (name, query) in [
        ("ga", ""),
        ("2026-03-24", "limit=1"),
        ("2026-08-18", "order=desc&order_by=created_at"),
    ] {
        assert_eq!(read(name, query), Ok(Start::after(position.clone())));
    }
    for (query, parameter) in [
        ("order=asc", "order"),
        ("order_by=name", "order_by"),
        ("enforcement_status=banned", "enforcement_status"),
    ] {
        assert_eq!(
            read("ga", query).unwrap_err(),
            format!("{REFUSED}: send the same {parameter} on every page")
        );
    }
}

#[test]
fn a_cursor_made_before_filters_had_bytes_of_their_own_opens_in_its_listing_alone() {
    for (query, other, cursor, start) in [
        (
            "order=desc&order_by=created_at",
            "order=desc&enforcement_status=pending",
            "page_AYzNBcwuN4zZR7MF1YC40E8O0FRZ4zjFZleKImRq5dG7o7mV5l_fPespEzXgqT_GLsJzKnx71bh8Kg",
            by_time().1,
        ),
        (
            "enforcement_status[]=banned&enforcement_status[]=pending",
            "enforcement_status=banned",
            "page_AfAP3j85edQGY6UVep-rg95vNkMqd0L0C94PTHw0CyAUDa5EiKQd1EbqbrRtK93EzZjvCzcNNb0m2Q",
            by_time().1,
        ),
        (
            "order=asc&order_by=name&enforcement_status=unrestricted",
            "order=asc&order_by=name",
            "page_AbyUkWg7uHhtGVhelsY5Be30o3MjfJ96NagDaAE6haNkSVTtygNUWpyQUHrjpl_LyC91J3UBgiix4szg5aYqmw",
            named(Some("ana ferreira")),
        ),
        (
            "order_by=name&enforcement_status=restricted",
            "order_by=name",
            "page_ARquZg9GJ7hooubfr09jlAg_D6Gei8W55B7027QSEEUEZJ6nyrEXzOz6vbQyA1aCdV8",
            named(None),
        ),
    ] {
        let read = |query: &str| {
            let query = format!("{query}&page={cursor}");
            let listing = dialect("ga").parse_list(Some(&query), &cursors(), &organization());
            listing
                .map(|listing| listing.start)
                .map_err(|error| error.message)
        };
        assert_eq!(read(query), Ok(Start::after(start)), "{query}");
        assert_eq!(
            read(other),
            Err(format!(
                "{REFUSED}: send the same enforcement_status on every page"
            ))
        );
    }
}

fn named(folded: Option<&str>) -> Position {
    Position::Name {
        folded: folded.map(str::to_owned),
        id: ProfileId::parse("uprof_011Caw7UBvkeMCpZkHRpjtPh").unwrap(),
    }
}

#[test]
fn cursors_made_under_the_previous_key_open_and_new_ones_are_made_under_the_current() {
    let (listing, position) = by_time();
    let old = cursors().seal(&organization(), &listing, &position);
    let rotated = Cursors::new(CursorKeys {
        current: [8; 32],
        previous: vec![[7; 32]],
    });
    assert!(rotated.open(&organization(), &old).is_ok());
    let new = rotated.seal(&organization(), &listing, &position);
    assert_ne!(new, old);
    assert_eq!(opened(&new), Err(REFUSED.to_owned()));
}

#[test]
fn cursors_of_other_lists_open_for_their_purpose_alone() {
    let cursor = cursors().seal_bytes("enrollments", b"position");
    assert_eq!(
        cursors().open_bytes("enrollments", &cursor).unwrap(),
        b"position"
    );
    assert!(cursors().open_bytes("audit_events", &cursor).is_err());
    assert_eq!(opened(&cursor), Err(REFUSED.to_owned()));
}

#[test]
fn secrets_are_not_shown_by_debug_output() {
    let keys = CursorKeys::new([7; 32]);
    assert_eq!(
        format!("{keys:?} {:?}", Cursors::new(keys.clone())),
        "CursorKeys(…) Cursors(…)"
    );
}
