//! The console's view of webhooks: endpoints and how they are, what they were told and what they
//! answered, and what the operator can do about it.

use http::StatusCode;
use serde_json::json;

use crate::client::Client;
use crate::console::{post, signed_in};
use crate::receiver::{Behaviour, Receiver};
use crate::server::{ORGANIZATION, OTHER_ORGANIZATION, PROFILE};
use crate::webhook_deliveries::{administrator, decide, deliveries, ended, id, start, subscribe};

const ENDPOINTS: &str = "/v1/organizations/webhooks";

/// The text of a page that is there.
async fn read(browser: &Client, target: &str) -> String {
    let page = browser.get(target).await;
    assert_eq!(page.status, 200, "{target}: {page}");
    page.text().to_owned()
}

#[tokio::test]
async fn endpoints_are_shown_with_how_they_are() {
    let server = start().await;
    let (good, bad) = (
        Receiver::start(Behaviour::Status(204)).await,
        Receiver::start(Behaviour::Status(503)).await,
    );
    let healthy = subscribe(&server, &good.url()).await;
    let failing = subscribe(&server, &bad.url()).await;
    let renamed = format!("{ENDPOINTS}/{}", id(&failing));
    let body = r#"{"name":"<b>Ledger</b>"}"#;
    administrator(&server).post(&renamed, body).await.ok();
    decide(&server).await;
    let browser = signed_in(&server).await;
    for _ in 0..1_000 {
        let list = read(&browser, "/console/webhooks?condition=failing").await;
        if list.contains(id(&failing)) {
            break;
        }
        // The worker is another task: there is nothing to wait for but its work.
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let all = read(&browser, "/console/webhooks").await;
    assert!(all.contains("&#60;b&#62;Ledger&#60;/b&#62;"), "{all}");
    assert!(
        all.contains("127.0.0.1") && all.contains("1 attempt failed"),
        "{all}"
    );
    for (query, shows, hides) in [
        ("condition=failing", &failing, &healthy),
        ("condition=healthy", &healthy, &failing),
    ] {
        let list = read(&browser, &format!("/console/webhooks?{query}")).await;
        assert!(list.contains(id(shows)), "{list}");
        assert!(!list.contains(id(hides)), "{list}");
    }
    let theirs = format!("/console/webhooks?organization_id={OTHER_ORGANIZATION}");
    assert!(read(&browser, &theirs).await.contains("No endpoint."));
    let overview = read(&browser, "/console").await;
    assert!(
        overview.contains("<b>1</b> failing") && overview.contains("<b>1</b> healthy"),
        "{overview}"
    );
    let odd = browser.get("/console/webhooks?condition=odd").await;
    assert_eq!(odd.status, 400);
}

#[tokio::test]
async fn a_delivery_shows_what_was_sent_and_answered() {
    let server = start().await;
    let receiver = Receiver::start(Behaviour::Status(200)).await;
    let endpoint = subscribe(&server, &receiver.url()).await;
    let action = decide(&server).await;
    let delivery = ended(&server).await.remove(0);
    let browser = signed_in(&server).await;

    let endpoint_page = read(&browser, &format!("/console/webhooks/{}", id(&endpoint))).await;
    assert!(endpoint_page.contains(id(&delivery)), "{endpoint_page}");
    let failed = format!("/console/webhooks/{}?status=failed", id(&endpoint));
    assert!(!read(&browser, &failed).await.contains(id(&delivery)));
    let about = read(&browser, &format!("/console/profiles/{PROFILE}")).await;
    assert!(about.contains(id(&delivery)), "{about}");
    // The trail of a profile is what was done about its actions, too.
    assert!(about.contains("enforcement_action.opened"), "{about}");

    let page = read(&browser, &format!("/console/deliveries/{}", id(&delivery))).await;
    let sent = receiver.received().remove(0);
    for shown in [
        "200 OK",
        action.as_str(),
        sent.header("webhook-id"),
        sent.header("webhook-timestamp"),
        sent.header("webhook-signature"),
        PROFILE,
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    let nobodys = browser.get("/console/deliveries/whd_nobody").await;
    assert_eq!(nobodys.status, 404);
    let nobodys = browser.get("/console/webhooks/whep_nobody").await;
    assert_eq!(nobodys.status, 404);
}

#[tokio::test]
async fn a_delivery_leads_to_its_endpoint_as_long_as_there_is_one() {
    let server = start().await;
    let receiver = Receiver::start(Behaviour::Status(204)).await;
    let endpoint = subscribe(&server, &receiver.url()).await;
    decide(&server).await;
    let delivery = ended(&server).await.remove(0);
    let browser = signed_in(&server).await;
    let page = format!("/console/deliveries/{}", id(&delivery));
    let link = format!("href=\"/console/webhooks/{}\"", id(&endpoint));
    assert!(read(&browser, &page).await.contains(&link));

    let path = format!("{ENDPOINTS}/{}", id(&endpoint));
    administrator(&server).delete(&path).await.ok();
    let page = read(&browser, &page).await;
    assert!(!page.contains(&link), "{page}");
    assert!(page.contains(id(&endpoint)), "{page}");
}

#[tokio::test]
async fn what_a_receiver_said_of_its_failure_is_shown() {
    let server = start().await;
    let answer = b"HTTP/1.1 503 Busy\r\ncontent-length: 20\r\n\r\nthe <b>disk</b> full";
    let receiver = Receiver::start(Behaviour::Bytes(answer)).await;
    subscribe(&server, &receiver.url()).await;
    decide(&server).await;
    let browser = signed_in(&server).await;
    let target = format!("/console/deliveries/{}", id(&deliveries(&server).await[0]));
    for _ in 0..1_000 {
        let page = read(&browser, &target).await;
        if page.contains("the &#60;b&#62;disk&#60;/b&#62; full") {
            assert!(page.contains("503"), "{page}");
            return;
        }
        // The worker is another task: there is nothing to wait for but its work.
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{}", read(&browser, &target).await);
}

#[tokio::test]
async fn an_endpoint_is_tested_disabled_and_enabled() {
    let server = start().await;
    let receiver = Receiver::start(Behaviour::Status(200)).await;
    let endpoint = subscribe(&server, &receiver.url()).await;
    let browser = signed_in(&server).await;
    let target = format!("/console/webhooks/{}", id(&endpoint));

    let tested = post(&browser, &target, "do=test").await;
    assert_eq!(tested.status, 303, "{tested}");
    let delivery = ended(&server).await.remove(0);
    let page = format!("/console/deliveries/{}", id(&delivery));
    assert_eq!(
        tested.header("location"),
        Some(format!("{page}?done=tested").as_str())
    );
    let again = post(&browser, &page, "do=redeliver").await;
    assert_eq!(again.status, 303, "{again}");
    for _ in 0..1_000 {
        if receiver.received().len() == 2 {
            break;
        }
        // The worker is another task: there is nothing to wait for but its work.
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let ids: Vec<_> = receiver.received();
    assert_eq!(ids[0].header("webhook-id"), ids[1].header("webhook-id"));

    let asked = post(&browser, &target, "do=disable").await;
    assert!(
        asked
            .text()
            .contains("What waits to be delivered to it is canceled."),
        "{asked}"
    );
    let state = async || {
        let own = format!("{ENDPOINTS}/{}", id(&endpoint));
        administrator(&server).get(&own).await.ok()["state"].clone()
    };
    let before = state().await;
    let done = post(&browser, &target, "do=disable&confirmed=yes").await;
    assert_eq!(done.status, 303, "{done}");
    assert_ne!(state().await, before);
    for (target, what) in [(&target, "do=test"), (&page, "do=redeliver")] {
        let refused = post(&browser, target, what).await;
        assert_eq!(refused.status, StatusCode::CONFLICT, "{refused}");
        assert!(refused.text().contains("is disabled"), "{refused}");
    }
    post(&browser, &target, "do=enable").await;
    assert_eq!(state().await, before);
    let odd = post(&browser, &target, "do=odd").await;
    assert_eq!(odd.status, 400);

    let trail = format!("/operator/v1/audit_events?target_id={}", id(&endpoint));
    let trail = server.operator().get(&trail).await.ok();
    let by_operator =
        json!({"kind": "operator", "id": "apikey_operator", "name": "apikey_operator"});
    let trail = trail["data"].as_array().unwrap().iter();
    let done: Vec<_> = trail
        .filter(|it| it["actor"] == by_operator)
        .map(|it| it["action"].as_str().unwrap())
        .collect();
    assert_eq!(
        done,
        [
            "webhook_endpoint.updated",
            "webhook_endpoint.updated",
            "webhook_endpoint.tested"
        ]
    );
}

#[tokio::test]
async fn deliveries_are_read_page_by_page() {
    let server = start().await;
    let receiver = Receiver::start(Behaviour::Status(200)).await;
    let endpoint = subscribe(&server, &receiver.url()).await;
    let test = format!("/operator/v1/webhook_endpoints/{}/test", id(&endpoint));
    for _ in 0..25 {
        server.operator().post(&test, "").await.ok();
    }
    ended(&server).await;
    let browser = signed_in(&server).await;
    let mut walked = Vec::new();
    let mut target = format!("/console/webhooks/{}?status=delivered", id(&endpoint));
    loop {
        let page = read(&browser, &target).await;
        let rows = page.split("href=\"/console/deliveries/").skip(1);
        walked.extend(rows.map(|rest| rest.split('"').next().unwrap().replace("%5F", "_")));
        let Some((before, _)) = page.split_once("\" rel=\"next\"") else {
            break;
        };
        let (_, next) = before.rsplit_once("href=\"").unwrap();
        target = next.replace("&#38;", "&");
    }
    let mut expected: Vec<_> = deliveries(&server)
        .await
        .iter()
        .map(|it| id(it).to_owned())
        .collect();
    expected.reverse();
    assert_eq!(walked, expected);
    assert_eq!(walked.len(), 25);
    // A cursor is good for its own list alone.
    let (_, cursor) = target.split_once("page=").unwrap();
    let elsewhere = format!("/console/deliveries?page={cursor}");
    assert_eq!(browser.get(&elsewhere).await.status, 400);
    let organization = format!("/console/organizations/{ORGANIZATION}");
    assert!(
        read(&browser, &organization)
            .await
            .contains("/console/webhooks?organization_id=")
    );
}
