//! The console's lists: forward and back, how many there are, what an address that leads nowhere says, and pages that load
//! themselves anew.

use crate::client::Client;
use crate::console::signed_in;
use crate::server::{ORGANIZATION, TestServer};

/// Where the link of this kind leads.
fn link(page: &str, name: &str) -> Option<String> {
    let (before, _) = page.split_once(&format!("\">{name}</a>"))?;
    let (_, address) = before.rsplit_once("href=\"")?;
    let address = address.split('"').next()?;
    Some(address.replace("&#38;", "&").replace("&amp;", "&"))
}

/// The ids of profiles on a page, in its order.
fn ids(page: &str) -> Vec<String> {
    let parts = page.split("<a href=\"/console/profiles/uprof_").skip(1);
    let ids = parts.map(|it| it.split('"').next().unwrap().to_owned());
    ids.collect()
}

async fn read(browser: &Client, target: &str) -> String {
    let page = browser.get(target).await;
    assert_eq!(page.status, 200, "{target}: {page}");
    page.text().to_owned()
}

#[tokio::test]
async fn a_list_is_walked_forward_and_back_by_links_alone() {
    let server = TestServer::start().await;
    let browser = signed_in(&server).await;
    for number in 0..70 {
        server
            .create(&format!(r#"{{"name":"Person {number:02}"}}"#))
            .await;
    }
    for list in [
        "/console/profiles",
        "/console/profiles?q=person",
        &format!("/console/profiles?organization_id={ORGANIZATION}&sort=name"),
        &format!(
            "/console/profiles?organization_id={ORGANIZATION}&enforcement_status=unrestricted"
        ),
    ] {
        let mut pages = vec![(list.to_owned(), read(&browser, list).await)];
        while let Some(next) = link(&pages.last().unwrap().1, "Next page") {
            let page = read(&browser, &next).await;
            pages.push((next, page));
            assert!(pages.len() < 6, "{list}");
        }
        assert!(pages.len() >= 4, "{list}");
        let all: std::collections::BTreeSet<_> =
            pages.iter().flat_map(|(_, page)| ids(page)).collect();
        assert!(all.len() >= 70, "{list}: {}", all.len());
        assert_eq!(link(&pages[0].1, "Previous page"), None);
        assert_eq!(
            link(&pages[1].1, "First page"),
            None,
            "the page before is the first"
        );
        assert_eq!(link(&pages[3].1, "First page").as_deref(), Some(list));
        let mut here = pages.pop().unwrap().1;
        while let Some((_, before)) = pages.pop() {
            let previous = link(&here, "Previous page").unwrap();
            here = read(&browser, &previous).await;
            assert_eq!(ids(&here), ids(&before), "{list}: {previous}");
            // And on again from there.
            assert!(link(&here, "Next page").is_some());
        }
        assert_eq!(link(&here, "Previous page"), None);
    }
}

#[tokio::test]
async fn a_list_says_how_many_there_are_where_that_is_known() {
    let server = TestServer::start().await;
    let browser = signed_in(&server).await;
    let count = ids(&read(&browser, "/console/profiles").await).len();
    for _ in 0..40 {
        server.create(r#"{"name":"One of many"}"#).await;
    }
    let all = format!("{} in all", count + 40);
    let first = read(&browser, "/console/profiles").await;
    assert!(first.contains(&all), "{first}");
    let own = read(
        &browser,
        &format!("/console/profiles?organization_id={ORGANIZATION}"),
    )
    .await;
    assert!(own.contains(" in all"), "{own}");
    // What would have to be counted is not; what stands on one page is.
    let named = read(&browser, "/console/profiles?q=one+of").await;
    assert!(!named.contains(" in all"), "{named}");
    server.create(r#"{"name":"Alone"}"#).await;
    let one = read(&browser, "/console/profiles?q=alone").await;
    assert!(one.contains("1 in all"), "{one}");
    assert!(
        read(&browser, "/console/organizations")
            .await
            .contains("in all")
    );
}

#[tokio::test]
async fn an_address_that_leads_nowhere_says_so_and_leads_on() {
    let server = TestServer::with(|options| options.endpoints = true).await;
    let browser = signed_in(&server).await;
    for list in [
        "profiles",
        "enrollments",
        "webhooks",
        "deliveries",
        "organizations",
        "audit",
    ] {
        let clean = format!("/console/{list}?organization_id={ORGANIZATION}");
        for cursor in ["page_AXkq3Zr0pJ6v1Tn4cYb9sWm2", "nonsense"] {
            let page = browser
                .get(&format!("{clean}&page={cursor}&back=page_x"))
                .await;
            assert_eq!(page.status, 400, "{list}: {page}");
            assert!(
                page.text().contains("No such page of the list"),
                "{list}: {page}"
            );
            let on = link(page.text(), "To its first page").unwrap();
            assert_eq!(on, clean);
            if list != "deliveries" {
                assert_eq!(browser.get(&on).await.status, 200, "{list}");
            }
        }
        let gone = browser.get(&format!("/console/{list}/gone")).await;
        let on = if list == "audit" {
            None
        } else {
            Some(format!("/console/{list}"))
        };
        let label = match list {
            "profiles" => "To the profiles",
            "enrollments" => "To the applications",
            "webhooks" => "To the webhook endpoints",
            "deliveries" => "To the deliveries",
            _ => "To the organizations",
        };
        if on.is_some() {
            assert_eq!(gone.status, 404, "{list}");
            assert_eq!(link(gone.text(), label), on, "{list}");
        }
    }
    let nobody = read(&browser, "/console/profiles?q=nobody").await;
    assert!(nobody.contains("Show all profiles"), "{nobody}");
}

#[tokio::test]
async fn a_page_loads_itself_anew_for_whoever_asks_for_it() {
    let server = TestServer::start().await;
    let browser = signed_in(&server).await;
    let meta = "<meta http-equiv=\"refresh\" content=\"30\">";
    for list in [
        "",
        "/profiles",
        "/enrollments",
        "/webhooks",
        "/deliveries",
        "/organizations",
        "/audit",
    ] {
        let target = format!("/console{list}");
        let still = read(&browser, &target).await;
        assert!(!still.contains(meta), "{target}");
        let on = link(&still, "Refresh every 30 s").unwrap();
        let moving = read(&browser, &on).await;
        assert!(moving.contains(meta), "{target}");
        let off = link(&moving, "Stop refreshing").unwrap();
        assert!(!read(&browser, &off).await.contains(meta), "{target}");
    }
}
