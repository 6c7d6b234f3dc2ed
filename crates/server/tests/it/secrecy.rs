//! What must never be written down: keys, names, metadata, tokens.

use std::cell::RefCell;
use std::io;
use std::sync::Once;

use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::server::{BOUND_KEY, OPERATOR_KEY, PROFILE, TestServer};

thread_local! {
    /// What the test on this thread has caught, while it wants to.
    static CAUGHT: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Writes to the thread's own log.
struct Log;

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        CAUGHT.with_borrow_mut(|caught| {
            if let Some(caught) = caught {
                caught.extend_from_slice(bytes);
            }
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Begins to catch what is logged on this thread, which is all that a test's runtime has.
///
/// The subscriber is the whole process's: with one of this thread alone, a place in the code that another
/// test's thread is the first to come by would be switched off for all.
fn catch_logs() {
    static SUBSCRIBER: Once = Once::new();
    SUBSCRIBER.call_once(|| {
        let wanted = dynamic_filter_fn(|_, _| CAUGHT.with_borrow(Option::is_some));
        let lines = tracing_subscriber::fmt::layer()
            .json()
            .with_writer(|| Log)
            .with_filter(wanted);
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lines))
            .unwrap();
    });
    CAUGHT.set(Some(Vec::new()));
}

#[tokio::test]
async fn logs_hold_ids_routes_and_numbers_and_nothing_of_anyone() {
    catch_logs();
    let server = TestServer::start().await;
    let platform = server.platform();
    let body = r#"{"name":"Quentin","metadata":{"hobby":"falconry"},"external_user_details":{"reference_id":"ref-77"}}"#;
    let id = platform.post("/v1/user_profiles", body).await.string("id");
    let urls = format!("/v1/user_profiles/{id}/action_urls");
    let url = platform
        .post(&urls, r#"{"action":{"type":"enroll_end_user"}}"#)
        .await
        .string("url");
    let token = url.rsplit('/').next().unwrap();
    server
        .stranger()
        .get(&format!("/user-profiles/enrollment/{token}"))
        .await;
    server
        .platform_with("guessed-key")
        .get("/v1/user_profiles")
        .await;
    platform.get("/v1/user_profiles?page=Quentin").await;
    platform
        .post(
            "/v1/user_profiles",
            r#"{"name":"Quentin","nickname":"falconry"}"#,
        )
        .await;
    server
        .operator()
        .get("/operator/v1/user_profiles?name_prefix=quentin&external_id=ref-77")
        .await;
    server.operator().get("/nowhere/Quentin").await;
    let secret = {
        let keys = format!(
            "/operator/v1/organizations/{}/api_keys",
            crate::server::ORGANIZATION
        );
        server
            .operator()
            .post(&keys, r#"{"name":"K","kind":"api"}"#)
            .await
            .string("secret")
    };
    server.store.close().await;
    platform.post("/v1/user_profiles", body).await;

    let written = String::from_utf8(CAUGHT.take().unwrap()).unwrap();
    for secret in [
        "uentin",
        "falconry",
        "ref-77",
        token,
        BOUND_KEY,
        OPERATOR_KEY,
        "guessed-key",
        &secret,
    ] {
        assert!(!written.contains(secret), "{secret} is in\n{written}");
    }
    let lines: Vec<serde_json::Value> = written
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let answered: Vec<_> = lines
        .iter()
        .map(|line| &line["fields"])
        .filter(|fields| fields["message"] == "answered")
        .collect();
    let created = answered[0];
    assert_eq!(created["route"], "/v1/user_profiles");
    assert_eq!(created["method"], "POST");
    assert_eq!(created["status"], 200);
    assert_eq!(created["organization"], crate::server::ORGANIZATION);
    assert!(created["request_id"].as_str().unwrap().starts_with("req_"));
    assert!(created["latency_us"].is_u64());
    let failed = lines
        .iter()
        .find(|line| line["fields"]["message"] == "failed")
        .unwrap();
    assert_eq!(failed["fields"]["status"], 529);
    assert_ne!(PROFILE, id);
}
