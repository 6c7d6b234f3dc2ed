//! The list: pages, orders, filters, cursors.

use std::collections::BTreeSet;

use insta::assert_snapshot;
use serde_json::Value;

use crate::client::Client;
use crate::fixtures::{every_dialect, legacy_dialects};
use crate::server::{ORGANIZATION, PROFILE, TestServer};

const PROFILES: &str = "/v1/user_profiles";

fn ids(page: &Value) -> Vec<String> {
    let data = page["data"].as_array().unwrap();
    let id = |profile: &Value| profile["id"].as_str().unwrap().to_owned();
    data.iter().map(id).collect()
}

/// Every page, by following the cursors.
async fn walk(client: &Client, query: &str) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut page = client.get(&format!("{PROFILES}?{query}")).await.ok();
    loop {
        pages.push(ids(&page));
        let Some(next) = page["next_page"].as_str() else {
            return pages;
        };
        page = client
            .get(&format!("{PROFILES}?{query}&page={next}"))
            .await
            .ok();
    }
}

#[tokio::test]
async fn pages_follow_each_other_without_an_empty_last_one() {
    let server = TestServer::start().await;
    let mut created = vec![PROFILE.to_owned()];
    for _ in 0..5 {
        server.clock.advance(std::time::Duration::from_micros(3));
        created.push(server.create("{}").await);
    }
    let ascending = walk(&server.platform(), "order=asc&limit=2").await;
    assert_eq!(
        ascending.iter().map(Vec::len).collect::<Vec<_>>(),
        [2, 2, 2]
    );
    assert_eq!(ascending.concat(), created);
    created.reverse();
    assert_eq!(walk(&server.platform(), "limit=4").await.concat(), created);
}

/// SDKs in five languages end their walk at an empty page; the rest would be missed in silence.
#[tokio::test]
async fn a_filtered_page_before_the_last_is_never_empty() {
    let server = TestServer::start().await;
    let banned = |number: usize| {
        format!(
            r#"{{"type":"user_profile","organization_id":"{ORGANIZATION}","id":"uprof_{number}","created_at":"2026-05-11T16:40:02Z","enforcement_actions":[{{"type":"ban","reason":"high_harm","opened_at":"2026-10-30T18:20:11Z"}}]}}"#
        )
    };
    let records: Vec<_> = (0..1_001).map(banned).collect();
    let import = server
        .operator()
        .call("POST", "/operator/v1/user_profiles/import");
    let imported = import.body(records.join("\n")).send().await.ok();
    assert_eq!(imported["imported"], 1_001);
    for filter in ["", "&order_by=name", "&order_by=name&order=asc"] {
        let query = format!("enforcement_status[]=unrestricted{filter}");
        let pages = walk(&server.platform(), &query).await;
        let (_last, before) = pages.split_last().unwrap();
        assert!(before.iter().all(|page| !page.is_empty()), "{pages:?}");
        assert_eq!(pages.concat(), [PROFILE]);
    }
}

/// As the PHP SDK asks for its second page: every parameter with brackets, and those of the page before
/// once more.
#[tokio::test]
async fn a_client_that_writes_brackets_reaches_the_last_page() {
    let server = TestServer::start().await;
    for _ in 0..5 {
        server.create("{}").await;
    }
    let client = server.platform();
    let mut page = client.get(&format!("{PROFILES}?limit=2")).await.ok();
    let mut query = "limit%5B%5D=2&limit%5B%5D=2".to_owned();
    let mut seen = ids(&page);
    while let Some(next) = page["next_page"].as_str() {
        query.push_str(&format!("&page%5B%5D={next}"));
        page = client.get(&format!("{PROFILES}?{query}")).await.ok();
        seen.extend(ids(&page));
    }
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 6);
    assert_eq!(seen.len(), 6);
}

#[tokio::test]
async fn equal_creation_times_never_drop_or_repeat_a_profile() {
    let server = TestServer::start().await;
    let mut created = BTreeSet::from([PROFILE.to_owned()]);
    for _ in 0..9 {
        created.insert(server.create("{}").await);
    }
    for query in ["limit=1", "limit=3&order=asc", "limit=3&order_by=name"] {
        let walked = walk(&server.platform(), query).await.concat();
        assert_eq!(walked.len(), created.len(), "{query}");
        assert_eq!(
            walked.into_iter().collect::<BTreeSet<_>>(),
            created,
            "{query}"
        );
    }
}

#[tokio::test]
async fn a_page_goes_on_after_a_deleted_profile_and_in_another_dialect() {
    let server = TestServer::start().await;
    let platform = server.platform();
    let older = server.create("{}").await;
    server.clock.advance(std::time::Duration::from_secs(1));
    let newer = server.create("{}").await;
    let first = platform.get(&format!("{PROFILES}?limit=1")).await.ok();
    assert_eq!(ids(&first), std::slice::from_ref(&newer));
    platform.delete(&format!("{PROFILES}/{newer}")).await;
    let next = first["next_page"].as_str().unwrap();
    for dialect in every_dialect() {
        let client = server.platform().speaking(dialect);
        let second = client
            .get(&format!("{PROFILES}?limit=5&page={next}"))
            .await
            .ok();
        assert_eq!(
            ids(&second),
            [older.clone(), PROFILE.to_owned()],
            "{dialect}"
        );
    }
}

#[tokio::test]
async fn names_are_folded_and_the_unnamed_come_last_either_way() {
    let server = TestServer::start().await;
    for name in [r#""beta""#, r#""Alpha""#, r#""ÄRA""#, r#""alpha""#, "null"] {
        server.create(&format!(r#"{{"name":{name}}}"#)).await;
        server.clock.advance(std::time::Duration::from_secs(1));
    }
    let mut shown = String::new();
    for order in ["asc", "desc"] {
        let query = format!("{PROFILES}?order_by=name&order={order}");
        let page = server.platform().get(&query).await.ok();
        let names = page["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["name"].to_string());
        shown.push_str(&format!(
            "{order}: {}\n",
            names.collect::<Vec<_>>().join(" ")
        ));
    }
    assert_snapshot!(shown, @r#"
    asc: "Alpha" "alpha" "beta" "Example User" "ÄRA" null
    desc: "ÄRA" "Example User" "beta" "alpha" "Alpha" null
    "#);
}

#[tokio::test]
async fn the_status_filter_takes_every_spelling() {
    let server = TestServer::start().await;
    let banned = server.create("{}").await;
    let ban = r#"{"type":"ban","reason":"high_harm"}"#;
    let actions = format!("/operator/v1/user_profiles/{banned}/enforcement_actions");
    server.operator().post(&actions, ban).await.ok();
    for (query, expected) in [
        ("enforcement_status[]=banned", vec![banned.clone()]),
        ("enforcement_status%5B%5D=banned", vec![banned.clone()]),
        (
            "enforcement_status=banned&enforcement_status%5b%5D=banned",
            vec![banned.clone()],
        ),
        (
            "enforcement_status[]=unrestricted",
            vec![PROFILE.to_owned()],
        ),
        (
            "enforcement_status[]=pending&enforcement_status[]=restricted",
            vec![],
        ),
        (
            "enforcement_status[]=",
            vec![banned.clone(), PROFILE.to_owned()],
        ),
    ] {
        let page = server
            .platform()
            .get(&format!("{PROFILES}?{query}"))
            .await
            .ok();
        assert_eq!(ids(&page), expected, "{query}");
    }
    for dialect in legacy_dialects() {
        let client = server.platform().speaking(dialect);
        let refused = client
            .get(&format!("{PROFILES}?enforcement_status[]=banned"))
            .await;
        assert!(
            refused.error().starts_with(
                "400 invalid_request_error: enforcement_status: not accepted with a user-profiles beta header"
            ),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn what_a_query_may_not_say_is_told() {
    let server = TestServer::start().await;
    for _ in 0..2 {
        server.create("{}").await;
    }
    let first = server
        .platform()
        .get(&format!("{PROFILES}?limit=1&order=asc"))
        .await
        .ok();
    let cursor = first["next_page"].as_str().unwrap().to_owned();
    let foreign = {
        let neighbour = server.neighbour();
        neighbour.post(PROFILES, "{}").await.ok();
        let page = neighbour
            .get(&format!("{PROFILES}?limit=1&order=asc"))
            .await
            .ok();
        page["next_page"].as_str().unwrap().to_owned()
    };
    let mut shown = String::new();
    for query in [
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=5.0",
        "limit=%2B5",
        "limit=05",
        "limit=abc",
        "limit=99999999999",
        "order=up",
        "order=ASC",
        "order_by=id",
        "enforcement_status[]=blocked",
        "enforcement_status[0]=banned",
        "offset=3",
        "limit=3&limit=3",
        "beta=false",
        "limit=%FF",
        "page=page",
        "page=page_AXkq3Zr0pJ6v1Tn4cYb9sWm2",
        "order=asc&page=FOREIGN",
        "page=CURSOR",
        "order=asc&order_by=name&page=CURSOR",
        "order=asc&enforcement_status=banned&page=CURSOR",
    ] {
        let sent = query
            .replace("CURSOR", &cursor)
            .replace("FOREIGN", &foreign);
        let reply = server.platform().get(&format!("{PROFILES}?{sent}")).await;
        shown.push_str(&format!("{query}\n    {}\n", reply.error()));
    }
    assert_snapshot!(shown, @"
    limit=0
        400 invalid_request_error: limit: must be an integer from 1 to 100
    limit=101
        400 invalid_request_error: limit: must be an integer from 1 to 100
    limit=-1
        400 invalid_request_error: limit: must be an integer from 1 to 100
    limit=5.0
        400 invalid_request_error: limit: must be an integer from 1 to 100
    limit=%2B5
        400 invalid_request_error: limit: must be an integer from 1 to 100
    limit=05
        400 invalid_request_error: limit: must be an integer from 1 to 100
    limit=abc
        400 invalid_request_error: limit: must be an integer from 1 to 100
    limit=99999999999
        400 invalid_request_error: limit: must be an integer from 1 to 100
    order=up
        400 invalid_request_error: order: must be one of: asc, desc
    order=ASC
        400 invalid_request_error: order: must be one of: asc, desc
    order_by=id
        400 invalid_request_error: order_by: must be one of: created_at, name
    enforcement_status[]=blocked
        400 invalid_request_error: enforcement_status: must be one of: unrestricted, pending, restricted, banned
    enforcement_status[0]=banned
        400 invalid_request_error: enforcement_status[0]: unknown query parameter
    offset=3
        400 invalid_request_error: offset: unknown query parameter
    limit=3&limit=3
        400 invalid_request_error: limit: must be given once
    beta=false
        400 invalid_request_error: beta: must be true
    limit=%FF
        400 invalid_request_error: The query string is not valid
    page=page
        400 invalid_request_error: page: not a valid cursor for this request
    page=page_AXkq3Zr0pJ6v1Tn4cYb9sWm2
        400 invalid_request_error: page: not a valid cursor for this request
    order=asc&page=FOREIGN
        400 invalid_request_error: page: not a valid cursor for this request
    page=CURSOR
        400 invalid_request_error: page: not a valid cursor for this request: send the same order on every page
    order=asc&order_by=name&page=CURSOR
        400 invalid_request_error: page: not a valid cursor for this request: send the same order_by on every page
    order=asc&enforcement_status=banned&page=CURSOR
        400 invalid_request_error: page: not a valid cursor for this request: send the same enforcement_status on every page
    ");
    for query in [
        "limit=&order=&page=&order_by=",
        "beta=true",
        "beta=",
        "%6Cimit=3",
    ] {
        let reply = server.platform().get(&format!("{PROFILES}?{query}")).await;
        assert_eq!(reply.status, 200, "{query}: {reply}");
    }
}
