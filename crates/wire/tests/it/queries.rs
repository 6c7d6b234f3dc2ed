//! Queries of the profile list: the contract's table and edge cases, row by row.

use rollcall_domain::enforcement::EnforcementStatus;
use rollcall_domain::page::{Limit, Order, OrderBy, ProfileListing, StatusFilter};
use rollcall_wire::dialects::require_enrollment_url;

use crate::example::{cursors, dialect, every_dialect, legacy_dialects, organization};

fn list(name: &str, query: &str) -> Result<ProfileListing, String> {
    dialect(name)
        .parse_list(Some(query), &cursors(), &organization())
        .map_err(|error| {
            assert_eq!(error.status(), 400);
            error.message
        })
}

#[test]
fn what_is_left_out_or_empty_has_its_default() {
    for name in every_dialect() {
        for query in [
            "",
            "limit=&order=&order_by=&page=&beta=",
            "enforcement_status%5B%5D=&enforcement_status=",
            "limit",
            "beta=true",
        ] {
            let listing = list(name, query).unwrap();
            assert_eq!(listing.limit, Limit::DEFAULT);
            assert_eq!(listing.order, Order::Descending);
            assert_eq!(listing.start.order_by(), OrderBy::CreatedAt);
            assert_eq!(listing.status_filter, None);
        }
    }
}

#[test]
fn limits_are_plain_numbers_from_one_to_a_hundred() {
    for (query, limit) in [("limit=1", 1), ("limit=100", 100), ("%6Cimit=%31%30", 10)] {
        assert_eq!(list("ga", query).unwrap().limit.get(), limit);
    }
    for value in [
        "0",
        "101",
        "-1",
        "5.0",
        "+5",
        "%2B5",
        "05",
        "abc",
        "99999999999",
        "256",
        "1e1",
        "٣",
    ] {
        assert_eq!(
            list("ga", &format!("limit={value}")).unwrap_err(),
            "limit: must be an integer from 1 to 100",
            "{value}"
        );
    }
}

#[test]
fn values_that_are_none_are_named() {
    for (query, message) in [
        ("order=up", "order: must be one of: asc, desc"),
        ("order=ASC", "order: must be one of: asc, desc"),
        ("order_by=id", "order_by: must be one of: created_at, name"),
        (
            "enforcement_status[]=blocked",
            "enforcement_status: must be one of: unrestricted, pending, restricted, banned",
        ),
        ("page=page_x", "page: not a valid cursor for this request"),
        ("beta=1", "beta: must be true"),
        ("offset=1", "offset: unknown query parameter"),
        (
            "enforcement_status[0]=banned",
            "enforcement_status[0]: unknown query parameter",
        ),
        ("limit=5&limit=5", "limit: must be given once"),
        ("order=asc&order=asc", "order: must be given once"),
        ("limit=%", "The query string is not valid"),
        ("limit=%ff", "The query string is not valid"),
        (
            "offset=1&enforcement_status[]=x&page=p&order_by=x&order=x&limit=x",
            "limit: must be an integer from 1 to 100",
        ),
    ] {
        assert_eq!(list("ga", query).unwrap_err(), message, "{query}");
    }
}

#[test]
fn of_bracketed_parameters_the_last_counts_and_none_beside_a_plain_one() {
    for (query, limit, order) in [
        ("limit[]=5", 5, Order::Descending),
        (
            "limit%5B%5D=100&limit%5b%5d=7&order[]=desc&order[]=asc",
            7,
            Order::Ascending,
        ),
        (
            "limit[]=5&limit=3&order[]=nonsense&order=asc",
            3,
            Order::Ascending,
        ),
        ("limit=3&limit[]=nonsense", 3, Order::Descending),
        ("limit[]=5&limit[]=&order[]=", 5, Order::Descending),
        ("limit=&limit[]=5&beta[]=true", 5, Order::Descending),
    ] {
        let listing = list("ga", query).unwrap();
        assert_eq!(
            (listing.limit.get(), listing.order),
            (limit, order),
            "{query}"
        );
    }
    let by_name = list("2026-03-24", "order_by[]=created_at&order_by[]=name").unwrap();
    assert_eq!(by_name.start.order_by(), OrderBy::Name);
    for (query, message) in [
        (
            "limit[]=5&limit[]=0",
            "limit: must be an integer from 1 to 100",
        ),
        (
            "page[]=page&page[]=page_x",
            "page: not a valid cursor for this request",
        ),
        ("limit=5&limit=5&limit[]=5", "limit: must be given once"),
        ("offset[]=1", "offset[]: unknown query parameter"),
    ] {
        assert_eq!(list("ga", query).unwrap_err(), message, "{query}");
    }
}

#[test]
fn the_filter_is_a_set_however_it_is_written() {
    use EnforcementStatus::{Banned, Pending};
    let expected = StatusFilter::any_of([Banned, Pending]);
    for query in [
        "enforcement_status[]=banned&enforcement_status[]=pending",
        "enforcement_status%5B%5D=pending&enforcement_status=banned&enforcement_status=banned",
        "enforcement%5Fstatus=banned&enforcement_status[]=&enforcement_status%5b%5d=pending",
    ] {
        assert_eq!(
            list("ga", query).unwrap().status_filter,
            expected,
            "{query}"
        );
    }
    for name in legacy_dialects() {
        for query in ["enforcement_status[]=banned", "enforcement_status=whatever"] {
            assert_eq!(
                list(name, query).unwrap_err(),
                "enforcement_status: not accepted with a user-profiles beta header; remove the header value to use it"
            );
        }
    }
}

#[test]
fn the_enrollment_url_exists_in_the_legacy_dialects_alone() {
    for name in legacy_dialects() {
        assert_eq!(require_enrollment_url(dialect(name)), Ok(()));
    }
    let error = require_enrollment_url(dialect("ga")).unwrap_err();
    assert_eq!(error.status(), 400);
    assert!(
        error
            .message
            .starts_with("enrollment_url: requires the anthropic-beta header (")
    );
    assert!(error.message.ends_with("; without it use action_urls"));
}
