//! The operator erases a person.

use crate::server::{PROFILE, TestServer};

#[tokio::test]
async fn an_erased_person_is_gone_with_urls_and_leaves_ids_in_the_audit_trail() {
    let server = TestServer::start().await;
    let (platform, operator) = (server.platform(), server.operator());
    let profile = format!("/operator/v1/user_profiles/{PROFILE}");
    let action = r#"{"action":{"type":"enroll_end_user"}}"#;
    let urls = format!("/v1/user_profiles/{PROFILE}/action_urls");
    let url = platform.post(&urls, action).await.ok();
    let url = url["url"].as_str().unwrap();
    let (_, page) = url.split_once("https://profiles.example.net").unwrap();
    assert_eq!(server.stranger().get(page).await.status, 200);

    let erased = operator.delete(&profile).await.ok();
    assert_eq!(erased["id"], PROFILE);
    assert_eq!(erased["type"], "user_profile_deleted");
    let found = platform.get(&format!("/v1/user_profiles/{PROFILE}")).await;
    assert_eq!(found.status, 404);
    assert_eq!(operator.get(&profile).await.status, 404);
    assert_eq!(operator.delete(&profile).await.status, 404);
    // Not even that there was one.
    assert_eq!(server.stranger().get(page).await.status, 404);

    let trail = "/operator/v1/audit_events?action=user_profile.erased";
    let trail = operator.get(trail).await.ok();
    assert_eq!(trail["data"][0]["target"]["id"], PROFILE);
    assert_eq!(trail["data"][0]["details"], serde_json::json!([]));
}
