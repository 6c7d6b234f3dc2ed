//! The end of a tenancy, through the operator's doors.

use serde_json::json;

use crate::console::{post, signed_in};
use crate::server::{ORGANIZATION, OTHER_ORGANIZATION, OTHER_PROFILE, PROFILE, TestServer};

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
        .check(
            rollcall_domain::tenant::OperatorProof::of_storage_access(),
            &|_| {},
        )
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
    let proof = rollcall_domain::tenant::OperatorProof::of_storage_access();
    let id = rollcall_domain::id::OrganizationId::parse(ORGANIZATION).unwrap();
    let act = rollcall_domain::audit::Act {
        actor: rollcall_domain::audit::Actor::command_line(),
        at: rollcall_domain::clock::Clock::now(&*server.clock),
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
    for _ in 0..1_500 {
        let trail = "/operator/v1/audit_events?action=organization.removed";
        let trail = operator.get(trail).await.ok();
        if let Some(entry) = trail["data"].get(0) {
            assert_eq!(entry["actor"]["id"], "command-line");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
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
