//! A request of the reference, sent from the console of a development server.

use rollcall::http::routes::table;
use rollcall_wire::openapi;
use serde_json::Value;
use url::form_urlencoded::Serializer;

use crate::client::{Client, Reply};
use crate::console::{post, signed_in, signed_in_at};
use crate::server::{
    ADMIN_KEY, FREE_KEY, GATEWAY_KEY, OPERATOR_KEY, ORGANIZATION, PROFILE, TestServer,
};

const CREATE: &str = "/console/requests/ga/create_user_profile";

async fn send(browser: &Client, target: &str, fields: &[(&str, &str)]) -> Reply {
    let mut form = Serializer::new(String::new());
    form.extend_pairs(fields);
    post(browser, target, &form.finish()).await
}

#[tokio::test]
async fn what_the_form_says_is_sent_and_its_answer_shown() {
    let server = TestServer::start().await;
    let browser = signed_in(&server).await;
    let headers = ("headers", "anthropic-version: 2023-06-01\r\n");
    let fields = [("key", "api"), headers, ("body", "{\"name\":\r\n\"Ana\"}")];
    let page = send(&browser, CREATE, &fields).await;
    assert_eq!(page.status, 200, "{page}");
    assert!(page.text().contains("200 OK"), "{page}");
    assert!(
        page.text().contains("&#34;name&#34;: &#34;Ana&#34;"),
        "{page}"
    );

    // As another client it is refused as that client would be, and in the same words.
    for (key, status) in [("admin", "403"), ("", "401"), ("operator", "403")] {
        let page = send(&browser, CREATE, &[("key", key), headers, ("body", "{}")]).await;
        assert!(page.text().contains(status), "{key}: {page}");
    }
    let get = "/console/requests/operator/get_user_profile";
    let named = [("key", "operator"), ("path.user_profile_id", PROFILE)];
    let page = send(&browser, get, &[named[0], named[1], ("query", "as=ga")]).await;
    assert!(page.text().contains("200 OK"), "{page}");
    // An id stays one segment of the path.
    let away = ("path.user_profile_id", "../organizations?x=");
    let page = send(&browser, get, &[named[0], away]).await;
    assert!(!page.text().contains("200 OK"), "{page}");
}

#[tokio::test]
async fn the_operators_own_door_sends_requests_of_every_document() {
    let server = TestServer::with(|options| {
        options.operator_listener = true;
        options.admin_listener = true;
    })
    .await;
    let browser = signed_in_at(server.at_the_operators_door(), OPERATOR_KEY).await;
    let version = ("headers", "anthropic-version: 2023-06-01");
    let name = ("body", "{\"name\":\"Ana\"}");
    let created = send(&browser, CREATE, &[("key", "api"), version, name]).await;
    assert!(created.text().contains("200 OK"), "{created}");
    let list = "/console/requests/operator/list_organizations";
    let listed = send(&browser, list, &[("key", "operator")]).await;
    assert!(listed.text().contains("200 OK"), "{listed}");
    // What it asks for itself is not there all the same.
    let door = server.at_the_operators_door();
    assert_eq!(door.get("/v1/user_profiles").await.status, 404);
}

#[tokio::test]
async fn a_form_that_makes_no_request_says_what_is_wrong() {
    let server = TestServer::start().await;
    let browser = signed_in(&server).await;
    let headers = ("headers", "anthropic-version: 2023-06-01");
    for (field, text, message) in [
        ("headers", "anthropic-version", "headers: must be lines"),
        ("headers", "a b: c", "headers: must have names"),
        ("query", "limit= 1", "query: must be percent-encoded"),
        ("key", "nobody", "key: is not one"),
    ] {
        let mut fields = vec![("key", "api"), headers];
        fields.retain(|(name, _)| *name != field);
        fields.push((field, text));
        let page = send(&browser, "/console/requests/ga/list_user_profiles", &fields).await;
        assert_eq!(page.status, 400, "{field}: {page}");
        assert!(page.text().contains(message), "{field}: {page}");
    }
    for nowhere in [
        "/console/requests/ga/nothing",
        "/console/requests/x/get_clock",
    ] {
        assert_eq!(browser.get(nowhere).await.status, 404);
    }
}

#[tokio::test]
async fn no_page_holds_a_key_and_no_stranger_or_other_site_can_use_one() {
    let server = TestServer::start().await;
    let browser = signed_in(&server).await;
    let body = ("body", "{\"name\":\"Evil\"}");
    let headers = ("headers", "anthropic-version: 2023-06-01");
    let fields = [("key", "api"), headers, body];
    let mut form = Serializer::new(String::new());
    form.extend_pairs(fields);
    let form = form.finish();
    for site in ["cross-site", "same-site"] {
        let foreign = browser.clone().without("sec-fetch-site");
        let foreign = foreign.with("sec-fetch-site", site);
        let refused = post(&foreign, CREATE, &form).await;
        assert_eq!(refused.status, 403, "{site}: {refused}");
    }
    let stranger = server.stranger().call("POST", CREATE);
    let stranger = stranger.header("sec-fetch-site", "same-origin");
    let refused = stranger.form(&form).send().await;
    assert_eq!(refused.status, 303, "{refused}");
    let listed = server.platform().get("/v1/user_profiles").await;
    assert!(!listed.text().contains("Evil"), "{listed}");

    let pages = [
        browser.get(CREATE).await,
        send(&browser, CREATE, &fields).await,
        browser.get("/docs/ga/user-profiles").await,
        browser.get("/console/development").await,
    ];
    for page in pages {
        assert_eq!(page.status, 200, "{page}");
        for key in [FREE_KEY, ADMIN_KEY, OPERATOR_KEY, GATEWAY_KEY] {
            assert!(!page.text().contains(key), "{key}: {page}");
        }
    }
}

#[tokio::test]
async fn under_serve_there_is_no_such_form_and_no_way_to_it() {
    let server = TestServer::with(|options| options.development = false).await;
    let browser = signed_in(&server).await;
    assert_eq!(browser.get(CREATE).await.status, 404);
    assert_eq!(post(&browser, CREATE, "key=api").await.status, 404);
    let page = browser.get("/docs/ga/user-profiles").await;
    assert_eq!(page.status, 200);
    assert!(!page.text().contains("/console/requests"));
}

#[tokio::test]
async fn every_operation_of_every_document_has_its_form() {
    let server = TestServer::start().await;
    let browser = signed_in(&server).await;
    let mut routes = 0;
    for name in openapi::names() {
        let document: Value = serde_json::from_str(&openapi::text(name).unwrap()).unwrap();
        for item in document["paths"].as_object().unwrap().values() {
            for operation in item.as_object().unwrap().values() {
                let id = operation["operationId"].as_str().unwrap();
                let page = browser.get(&format!("/console/requests/{name}/{id}")).await;
                assert_eq!(page.status, 200, "{name}: {id}: {page}");
                routes += 1;
            }
        }
    }
    assert!(routes > table().count() / 2);
    let record = browser
        .get("/console/requests/operator/put_user_profile")
        .await;
    assert!(record.text().contains(ORGANIZATION), "{record}");
}
