//! The end of a tenancy, through the operator's doors.

use std::sync::Arc;
use std::time::Duration;

use rollcall_domain::audit::{Act, Actor};
use rollcall_domain::clock::Clock as _;
use rollcall_domain::id::OrganizationId;
use rollcall_domain::tenant::OperatorProof;
use serde_json::json;

use crate::console::{post, signed_in};
use crate::server::{
    NOW, ORGANIZATION, OTHER_ORGANIZATION, OTHER_PROFILE, PROFILE, TestServer, at,
};
use crate::storage::Place;

const ORGANIZATIONS: &str = "/operator/v1/organizations";

#[tokio::test]
async fn a_tenancy_ends_with_everything_and_leaves_one_entry() {
    let server = TestServer::with(|options| {
        options.endpoints = true;
        options.gateway = true;
    })
    .await;
    let operator = server.operator();
    let (platform, neighbour) = (server.platform(), server.neighbour());
    let links = format!("/v1/user_profiles/{PROFILE}/action_urls");
    let action = r#"{"action":{"type":"enroll_end_user"}}"#;
    let link = platform.post(&links, action).await.string("url");
    let (_, page) = link.split_once("https://profiles.example.net").unwrap();
    let one = format!("{ORGANIZATIONS}/{ORGANIZATION}");

    let early = operator.delete(&one).await;
    assert_eq!(
        early.error(),
        "409 conflict_error: Only an organization that is on_hold can be removed; put it on hold first"
    );
    operator.post(&one, r#"{"status":"on_hold"}"#).await.ok();
    assert_eq!(platform.get("/v1/user_profiles").await.status, 400);
    let removed = operator.delete(&one).await.ok();
    assert_eq!(
        removed,
        json!({"id": ORGANIZATION, "type": "organization_deleted"})
    );

    assert_eq!(operator.delete(&one).await.status, 404);
    assert_eq!(operator.get(&one).await.status, 404);
    assert_eq!(platform.get("/v1/user_profiles").await.status, 401);
    assert_eq!(
        server.administrator().get("/v1/user_profiles").await.status,
        401
    );
    assert_eq!(server.stranger().get(page).await.status, 404);
    let record = format!("/operator/v1/user_profiles/{PROFILE}");
    assert_eq!(operator.get(&record).await.status, 404);
    let deliveries = operator.get("/operator/v1/webhook_endpoints").await.ok();
    let of_it = |it: &serde_json::Value| it["organization_id"] == ORGANIZATION;
    assert!(!deliveries["data"].as_array().unwrap().iter().any(of_it));
    // The neighbour has lost nothing.
    let theirs = format!("/v1/user_profiles/{OTHER_PROFILE}");
    assert_eq!(neighbour.get(&theirs).await.status, 200);
    operator
        .get(&format!("{ORGANIZATIONS}/{OTHER_ORGANIZATION}"))
        .await
        .ok();

    let trail = operator
        .get("/operator/v1/audit_events?limit=100")
        .await
        .ok();
    let trail = trail["data"].as_array().unwrap();
    assert!(!trail.iter().any(of_it));
    let entry = &trail[0];
    assert_eq!(entry["action"], "organization.removed");
    assert_eq!(entry["organization_id"], json!(null));
    assert_eq!(
        entry["target"],
        json!({"type": "organization", "id": ORGANIZATION})
    );
    assert_eq!(entry["actor"]["kind"], "operator");
    let details = entry["details"].as_array().unwrap();
    assert!(details.contains(&json!("1 user_profiles")), "{details:?}");
    assert!(details.contains(&json!("1 enrollment_urls")), "{details:?}");
    let report = server
        .store
        .check(OperatorProof::of_storage_access(), &|_| {})
        .await
        .unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
}

#[tokio::test]
async fn an_end_that_broke_off_is_gone_on_with_by_itself() {
    let server = TestServer::start().await;
    let operator = server.operator();
    let one = format!("{ORGANIZATIONS}/{ORGANIZATION}");
    operator.post(&one, r#"{"status":"on_hold"}"#).await.ok();
    let proof = OperatorProof::of_storage_access();
    let id = OrganizationId::parse(ORGANIZATION).unwrap();
    let act = Act {
        actor: Actor::command_line(),
        at: server.clock.now(),
    };
    server
        .store
        .begin_removal(proof, &act, &id)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    // Nothing is answered from here on, whether or not something is left.
    assert_eq!(operator.get(&one).await.status, 404);
    assert_eq!(
        operator.post(&one, r#"{"status":"active"}"#).await.status,
        404
    );
    assert_eq!(operator.get(&format!("{one}/api_keys")).await.status, 404);
    let put = format!("/operator/v1/user_profiles/{PROFILE}");
    let body = json!({"organization_id": ORGANIZATION}).to_string();
    assert_eq!(operator.put(&put, &body).await.status, 400);
    let refused = server.platform().get("/v1/user_profiles").await;
    assert!([400, 401].contains(&refused.status.as_u16()), "{refused}");
    let trail = removed(&server).await;
    assert_eq!(trail[0]["actor"]["id"], "command-line");
}

#[tokio::test]
async fn an_end_that_cannot_be_gone_on_with_holds_up_no_other() {
    let place = Place::new().await;
    let start = |seed| {
        let place = place.clone();
        TestServer::with(move |options| {
            options.place = Some(place);
            options.seed = seed;
        })
    };
    let server = start(1).await;
    let operator = server.operator();
    let mut ids = Vec::new();
    for name in ["One", "Other"] {
        let body = json!({"name": name, "status": "on_hold"}).to_string();
        ids.push(operator.post(ORGANIZATIONS, &body).await.string("id"));
    }
    server.stop().await;
    // Ends are gone on with in the order of their ids.
    ids.sort();
    let store = place.open(Arc::default()).await;
    for id in &ids {
        let act = Act {
            actor: Actor::command_line(),
            at: at(NOW),
        };
        let id = OrganizationId::parse(id).unwrap();
        let proof = OperatorProof::of_storage_access();
        let begun = store.begin_removal(proof, &act, &id).await.unwrap();
        assert_eq!(begun, Some(Ok(())));
    }
    store.close().await;
    drop(store);
    let damage = format!(
        "UPDATE organizations SET removal = 'odd' WHERE id = '{}'",
        ids[0]
    );
    place.execute(&damage).await;

    let server = start(2).await;
    let trail = removed(&server).await;
    assert_eq!(trail[0]["target"]["id"], ids[1].as_str());
    assert!(failures(&server).await > 0);
}

/// How often storage failed a task that nobody waits for.
pub(crate) async fn failures(server: &TestServer) -> u64 {
    let metrics = server.stranger().get("/metrics").await;
    let count = metrics.text().lines().find_map(|line| {
        let count = line.strip_prefix("rollcall_background_failures_total ")?;
        count.parse().ok()
    });
    count.unwrap()
}

#[tokio::test]
async fn whoever_ends_a_tenancy_is_told_in_time_that_it_has_begun() {
    // Nobody else locks a row of the embedded storage.
    let place = Place::new().await;
    let Place::Database(url) = place.clone() else {
        return;
    };
    let server = TestServer::with(|options| {
        options.place = Some(place);
        options.settings.request_timeout = Duration::from_secs(4);
    })
    .await;
    let operator = server.operator();
    let one = format!("{ORGANIZATIONS}/{ORGANIZATION}");
    operator.post(&one, r#"{"status":"on_hold"}"#).await.ok();
    let client = rollcall_scratch_postgres::client(&url).await.unwrap();
    let locking = "BEGIN; SELECT 1 FROM profiles FOR UPDATE";
    client.batch_execute(locking).await.unwrap();
    let begun = operator.delete(&one).await;
    assert_eq!(begun.status, 202, "{begun}");
    client.batch_execute("ROLLBACK").await.unwrap();
    removed(&server).await;
}

/// The entries that ends of tenancies left, once there are any.
async fn removed(server: &TestServer) -> serde_json::Value {
    let trail = "/operator/v1/audit_events?action=organization.removed";
    for _ in 0..1_500 {
        let trail = server.operator().get(trail).await.ok();
        if trail["data"].get(0).is_some() {
            return trail["data"].clone();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("nobody went on with it");
}

#[tokio::test]
async fn the_console_asks_for_the_name_before_a_tenancy_ends() {
    let server = TestServer::start().await;
    let browser = signed_in(&server).await;
    let page = format!("/console/organizations/{ORGANIZATION}");
    let removal = format!("{page}/removal");
    assert!(!browser.get(&page).await.text().contains("Remove for good"));
    let name = server
        .operator()
        .get(&format!("{ORGANIZATIONS}/{ORGANIZATION}"))
        .await
        .string("name");
    let typed = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("confirmed", "yes")
        .append_pair("typed", &name)
        .finish();
    let early = post(&browser, &removal, &typed).await;
    assert_eq!(early.status, 409, "{early}");
    post(&browser, &page, "do=hold&confirmed=yes").await;
    assert!(browser.get(&page).await.text().contains("Remove for good"));
    let asked = post(&browser, &removal, "").await;
    assert!(asked.text().contains("to confirm"), "{asked}");
    let wrong = post(&browser, &removal, "confirmed=yes&typed=x").await;
    assert!(wrong.text().contains("Nothing was done"), "{wrong}");
    assert_eq!(browser.get(&page).await.status, 200);
    assert_eq!(post(&browser, &removal, &typed).await.status, 303);
    assert_eq!(browser.get(&page).await.status, 404);
}
