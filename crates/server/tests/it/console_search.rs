//! The console's one box: whatever somebody has of a person or a thing leads there, and where nothing does the page says what was
//! looked for.

use rollcall::config::{Config, EmailHashScheme};
use rollcall::email_hash::EmailHashing;
use serde_json::json;

use crate::client::{Client, Reply};
use crate::console::{post, signed_in};
use crate::server::{ENDPOINT, ORGANIZATION, PROFILE, TestServer};

const SEARCH: &str = "/console/search";

fn query(text: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .append_pair("q", text)
        .finish()
}

async fn look(browser: &Client, text: &str) -> Reply {
    browser.get(&format!("{SEARCH}?{}", query(text))).await
}

/// Where the text leads, which is one place.
async fn leads(browser: &Client, text: &str) -> String {
    let reply = look(browser, text).await;
    assert_eq!(reply.status, 303, "{text}: {reply}");
    reply.header("location").unwrap().to_owned()
}

async fn person(server: &TestServer, name: &str, details: serde_json::Value) -> String {
    let body = json!({"name": name, "external_user_details": details});
    server.create(&body.to_string()).await
}

#[tokio::test]
async fn an_id_of_every_kind_leads_to_what_it_is_of() {
    let server = TestServer::with(|options| options.endpoints = true).await;
    let browser = signed_in(&server).await;
    let operator = server.operator();
    let application = server.apply().await;
    let workspaces = format!("/operator/v1/organizations/{ORGANIZATION}/workspaces");
    let workspace = operator
        .post(&workspaces, r#"{"name":"Staging"}"#)
        .await
        .string("id");
    let keys = format!("/operator/v1/organizations/{ORGANIZATION}/api_keys");
    let key = operator
        .post(&keys, r#"{"name":"CI","kind":"api"}"#)
        .await
        .string("id");
    let actions = format!("/operator/v1/user_profiles/{PROFILE}/enforcement_actions");
    let action = operator
        .post(&actions, r#"{"type":"ban","reason":"high_harm"}"#)
        .await
        .string("id");
    let test = format!("/operator/v1/webhook_endpoints/{ENDPOINT}/test");
    let delivery = operator.post(&test, "").await.ok();
    let member = |value: &serde_json::Value, name: &str| value[name].as_str().unwrap().to_owned();
    let trail = operator
        .get("/operator/v1/audit_events?limit=100")
        .await
        .ok();
    let events = trail["data"].as_array().unwrap();
    let organization = format!("/console/organizations/{ORGANIZATION}");
    let deliveries = format!("/console/deliveries/{}", member(&delivery, "id"));
    for (sent, expected) in [
        (PROFILE.to_owned(), format!("/console/profiles/{PROFILE}")),
        (
            format!("  {PROFILE}\t"),
            format!("/console/profiles/{PROFILE}"),
        ),
        (action, format!("/console/profiles/{PROFILE}#actions")),
        (
            application.clone(),
            format!("/console/enrollments/{application}"),
        ),
        (ORGANIZATION.to_owned(), organization.clone()),
        (workspace, format!("{organization}#workspaces")),
        (key, format!("{organization}#keys")),
        (
            "apikey_operator".to_owned(),
            "/console/operator_keys#apikey_operator".to_owned(),
        ),
        (ENDPOINT.to_owned(), format!("/console/webhooks/{ENDPOINT}")),
        (member(&delivery, "id"), deliveries.clone()),
        (member(&delivery, "event_id"), deliveries),
    ] {
        assert_eq!(leads(&browser, &sent).await, expected, "{sent}");
    }
    let keys = browser.get("/console/operator_keys").await;
    assert!(keys.text().contains("id=\"apikey_operator\""), "{keys}");
    assert!(events.len() > 3);
    for event in events {
        let id = member(event, "id");
        let expected = format!("/console/audit/{id}");
        assert_eq!(leads(&browser, &id).await, expected);
        let page = browser.get(&expected).await;
        assert_eq!(page.status, 200, "{page}");
        assert!(page.text().contains(&id));
        assert!(
            page.text().contains(&member(&event["target"], "id")),
            "{page}"
        );
    }
    for unknown in [
        "uprof_x", "enac_x", "enr_x", "wrkspc_x", "apikey_x", "whd_x", "whe_x", "aud_x",
    ] {
        let none = look(&browser, unknown).await;
        assert_eq!(none.status, 404, "{unknown}: {none}");
        assert!(
            none.text().contains("<li>the id of anything</li>"),
            "{none}"
        );
    }
    assert_eq!(browser.get("/console/audit/aud_x").await.status, 404);
}

#[tokio::test]
async fn one_hit_leads_there_and_several_say_what_each_was_found_by() {
    let server = TestServer::start().await;
    let browser = signed_in(&server).await;
    let ana = person(&server, "Ana Ferreira", json!({"reference_id": "acct_1"})).await;
    let other = person(
        &server,
        "acct_1 and friends",
        json!({"reference_id": "acct_2"}),
    )
    .await;
    let twin = person(&server, "Zoë", json!({"reference_id": "Zoë"})).await;
    assert_eq!(
        leads(&browser, "ana FERR").await,
        format!("/console/profiles/{ana}")
    );
    assert_eq!(
        leads(&browser, "acct_2").await,
        format!("/console/profiles/{other}")
    );
    // One person found by two ways is still one.
    assert_eq!(
        leads(&browser, "Zoë").await,
        format!("/console/profiles/{twin}")
    );
    let both = look(&browser, "acct_1").await;
    assert_eq!(both.status, 200, "{both}");
    for (id, why) in [
        (&ana, "its reference ID"),
        (&other, "the beginning of its name"),
    ] {
        let (_, row) = both.text().split_once(id.as_str()).unwrap();
        let (row, _) = row.split_once("</tr>").unwrap();
        assert!(row.contains(why), "{row}");
    }
    let none = look(&browser, "Nobody <b>").await;
    assert_eq!(none.status, 404);
    for tried in [
        "a reference ID, exactly",
        "an e-mail hash, exactly",
        "the beginning of a profile",
    ] {
        assert!(none.text().contains(tried), "{tried}: {none}");
    }
    assert!(none.text().contains("Nobody &#60;b&#62;") && !none.text().contains("<b>\""));
    let empty = browser.get(SEARCH).await;
    assert!(
        empty
            .text()
            .contains("<code>email_hash_scheme</code> is not set"),
        "{empty}"
    );

    // More than a page is left to the list, which goes on.
    for number in 0..30 {
        person(&server, &format!("Crowd {number}"), json!({})).await;
    }
    let crowd = look(&browser, "crowd").await;
    assert_eq!(
        crowd.text().matches("the beginning of its name").count(),
        20,
        "{crowd}"
    );
    assert!(
        crowd.text().contains("href=\"/console/profiles?q=crowd\""),
        "{crowd}"
    );
}

#[tokio::test]
async fn an_address_is_hashed_as_platforms_do_and_stands_in_no_other_address() {
    let hash = "b4c9a289323b21a01c3e940f150eb9b8c542587f1abfd8f0e1cc1ffc5e475514";
    let address = " User@Example.com ";
    let config = Config {
        email_hash_scheme: Some(EmailHashScheme::Sha256),
        ..Config::default()
    };
    let server = TestServer::with(|options| {
        options.settings.email_hashing = EmailHashing::of(&config);
    })
    .await;
    let browser = signed_in(&server).await;
    let one = person(&server, "One", json!({"email_hash": hash})).await;
    let sent = post(&browser, SEARCH, &query(address)).await;
    assert_eq!(
        sent.header("location"),
        Some(&*format!("/console/profiles/{one}"))
    );
    assert_eq!(
        leads(&browser, hash).await,
        format!("/console/profiles/{one}")
    );
    // Of two platforms one writes the scheme before the hash.
    let two = person(
        &server,
        "Two",
        json!({"email_hash": format!("sha256:{hash}")}),
    )
    .await;
    let both = post(&browser, SEARCH, &query(address)).await;
    assert_eq!(both.status, 200, "{both}");
    assert!(
        both.text().contains(&one) && both.text().contains(&two),
        "{both}"
    );
    assert_eq!(
        both.text()
            .matches("the hash of this e-mail address")
            .count(),
        2,
        "{both}"
    );
    for line in both.text().split("href=\"").skip(1) {
        let address = line.split('"').next().unwrap().to_lowercase();
        assert!(!address.contains("example.com"), "{address}");
    }
    let none = post(&browser, SEARCH, &query("nobody@example.com")).await;
    assert_eq!(none.status, 200);
    assert!(
        none.text().contains("an e-mail address, by its hash"),
        "{none}"
    );
    // What is no address goes on to one that can be kept.
    let kept = post(&browser, SEARCH, "q=Ana+F%26&then=1").await;
    assert_eq!(kept.header("location"), Some("/console/search?q=Ana+F%26"));
}

#[tokio::test]
async fn without_a_scheme_the_box_says_that_addresses_are_not_searched() {
    let server = TestServer::start().await;
    let browser = signed_in(&server).await;
    let none = post(&browser, SEARCH, &query("user@example.com")).await;
    assert!(
        none.text().contains("E-mail addresses are not searched"),
        "{none}"
    );
    assert!(
        !none
            .text()
            .contains("<li>an e-mail address, by its hash</li>"),
        "{none}"
    );
    assert!(
        none.text()
            .contains("placeholder=\"Id, name, e-mail hash\"")
    );
    // A reference may look like one.
    let id = person(&server, "One", json!({"reference_id": "user@example.com"})).await;
    let found = post(&browser, SEARCH, &query("user@example.com")).await;
    assert_eq!(
        found.header("location"),
        Some(&*format!("/console/profiles/{id}"))
    );
}
