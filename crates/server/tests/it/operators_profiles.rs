//! What the operator does to one profile beside decisions: changes fields, makes a link.

use serde_json::json;

use crate::console::{post, signed_in};
use crate::server::{ORGANIZATION, PROFILE, TestServer};

#[tokio::test]
async fn the_operator_changes_what_is_stated_and_nothing_else() {
    let server = TestServer::start().await;
    let (platform, operator) = (server.platform(), server.operator());
    let created = r#"{"name":"Ana","metadata":{"plan":"free","seat":"1"},
        "external_user_details":{"country":"PT","reference_id":"kunde-1"}}"#;
    let id = server.create(created).await;
    let path = format!("/operator/v1/user_profiles/{id}");
    let change = r#"{"name":"Anna","metadata":{"plan":"pro","seat":""},
        "external_user_details":{"country":"DE"}}"#;
    let record = operator.post(&path, change).await.ok();
    assert_eq!(record["name"], "Anna");
    assert_eq!(record["organization_id"], ORGANIZATION);
    assert_eq!(record["metadata"], json!({"plan": "pro"}));
    assert_eq!(record["external_user_details"]["country"], "DE");
    assert_eq!(record["external_user_details"]["reference_id"], "kunde-1");
    let seen = platform.get(&format!("/v1/user_profiles/{id}")).await.ok();
    assert_eq!(seen["name"], "Anna");

    let trail = format!("/operator/v1/audit_events?target_id={id}");
    let trail = operator.get(&trail).await.ok();
    let entry = &trail["data"][0];
    assert_eq!(entry["action"], "user_profile.updated");
    assert_eq!(entry["actor"]["kind"], "operator");
    // The same once more changes nothing, and says nothing.
    operator.post(&path, change).await.ok();
    let again = format!("/operator/v1/audit_events?target_id={id}");
    let again = operator.get(&again).await.ok();
    assert_eq!(again["data"].as_array().unwrap().len(), 2, "{again}");
}

#[tokio::test]
async fn the_operator_s_change_is_refused_as_the_platform_s_is() {
    let server = TestServer::start().await;
    let (platform, operator) = (server.platform(), server.operator());
    for body in [
        r#"{"relationship":"internal"}"#,
        r#"{"external_id":"x"}"#,
        r#"{"name":""}"#,
        r#"{"external_user_details":{"country":null}}"#,
        r#"{"metadata":null}"#,
        r#"{"odd":1}"#,
        "[]",
        "",
    ] {
        let said =
            |reply: crate::client::Reply| (reply.status, reply.json()["error"]["message"].clone());
        let theirs = platform
            .post(&format!("/v1/user_profiles/{PROFILE}"), body)
            .await;
        let ours = operator
            .post(&format!("/operator/v1/user_profiles/{PROFILE}"), body)
            .await;
        assert_eq!(said(ours), said(theirs), "{body}");
    }
    let nobody = "/operator/v1/user_profiles/uprof_nobody";
    assert_eq!(operator.post(nobody, "{}").await.status, 404);
}

#[tokio::test]
async fn a_link_of_the_operator_opens_the_same_form() {
    let server = TestServer::start().await;
    let operator = server.operator();
    let links = format!("/operator/v1/user_profiles/{PROFILE}/action_urls");
    let action = r#"{"action":{"type":"enroll_end_user"}}"#;
    let link = operator.post(&links, action).await.ok();
    assert_eq!(link["type"], "user_profile_action_url");
    let (_, page) = link["url"]
        .as_str()
        .unwrap()
        .split_once("https://profiles.example.net")
        .unwrap();
    assert_eq!(server.stranger().get(page).await.status, 200);
    let trail = "/operator/v1/audit_events?action=enrollment_url.created";
    let trail = operator.get(trail).await.ok();
    assert_eq!(trail["data"][0]["actor"]["kind"], "operator");
    for (body, status) in [("{}", 400), (r#"{"action":{"type":"odd"}}"#, 400)] {
        assert_eq!(operator.post(&links, body).await.status, status, "{body}");
    }
    // What the platform is told as not found, the operator is told as it is.
    let organization = format!("/operator/v1/organizations/{ORGANIZATION}");
    operator
        .post(&organization, r#"{"enrollment_links":"disabled"}"#)
        .await
        .ok();
    assert_eq!(operator.post(&links, action).await.status, 409);
}

#[tokio::test]
async fn a_profile_is_edited_linked_and_erased_in_the_console() {
    let server = TestServer::start().await;
    let browser = signed_in(&server).await;
    let id = server
        .create(r#"{"name":"Ana","metadata":{"plan":"free"}}"#)
        .await;
    let page = format!("/console/profiles/{id}");
    let shown = browser.get(&page).await;
    assert!(shown.text().contains("Change fields"));
    let fields = "field=name&was=Ana&value=Anna&field=country&was=&value=DE\
        &key=plan&key-was=free&key-value=&key=seat&key-was=&key-value=2";
    let saved = post(&browser, &format!("{page}/fields"), fields).await;
    assert_eq!(saved.status, 303, "{saved}");
    let seen = server
        .platform()
        .get(&format!("/v1/user_profiles/{id}"))
        .await
        .ok();
    assert_eq!(seen["name"], "Anna");
    assert_eq!(seen["metadata"], json!({"seat": "2"}));
    assert_eq!(seen["external_user_details"]["country"], "DE");
    // Nothing is stated of a field that shows what it showed, whatever it is now.
    let stale = "field=name&was=Ana&value=Ana&field=country&was=DE&value=FR";
    post(&browser, &format!("{page}/fields"), stale).await;
    let seen = server
        .platform()
        .get(&format!("/v1/user_profiles/{id}"))
        .await
        .ok();
    assert_eq!(
        (&seen["name"], &seen["external_user_details"]["country"]),
        (&json!("Anna"), &json!("FR"))
    );
    let wrong = "field=country&was=FR&value=";
    let wrong = post(&browser, &format!("{page}/fields"), wrong).await;
    assert_eq!(wrong.status, 400);
    assert!(
        wrong.text().contains("external_user_details.country"),
        "{wrong}"
    );

    let link = post(&browser, &format!("{page}/links"), "").await;
    let text = link.text();
    let (_, link) = text.split_once("https://profiles.example.net").unwrap();
    let (link, _) = link.split_once('<').unwrap();
    assert_eq!(server.stranger().get(link).await.status, 200);

    let erasure = format!("{page}/erasure");
    let asked = post(&browser, &erasure, "").await;
    assert!(asked.text().contains("to confirm"), "{asked}");
    let wrong = post(&browser, &erasure, "confirmed=yes&typed=odd").await;
    assert!(wrong.text().contains("Nothing was done"), "{wrong}");
    assert_eq!(browser.get(&page).await.status, 200);
    let typed = format!("confirmed=yes&typed={id}");
    assert_eq!(post(&browser, &erasure, &typed).await.status, 303);
    assert_eq!(browser.get(&page).await.status, 404);
}
