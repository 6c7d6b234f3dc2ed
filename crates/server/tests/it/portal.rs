//! The Verification Portal: what an end user sees and sends, and what becomes of it.

use std::time::Duration;

use insta::assert_snapshot;
use serde_json::json;

use crate::client::Reply;
use crate::fixtures::every_dialect;
use crate::server::{PROFILE, TestServer};

const BASE: &str = "https://profiles.example.net";
const ACTION: &str = r#"{"action":{"type":"enroll_end_user"}}"#;
pub(crate) const ANSWERS: &str = "program=cyber&tiers=a&tiers=b&full_name=Ana+%3Cb%3E&organization=CERT&role=Analyst\
                       &intended_use=One%0D%0ATwo&agreement=yes";

impl TestServer {
    /// A new link's path on this server.
    pub(crate) async fn link(&self) -> String {
        self.link_for(PROFILE).await
    }

    pub(crate) async fn link_for(&self, profile: &str) -> String {
        let target = format!("/v1/user_profiles/{profile}/action_urls");
        let url = self.platform().post(&target, ACTION).await.string("url");
        url.strip_prefix(BASE).unwrap().to_owned()
    }

    pub(crate) async fn send_form(&self, target: &str, fields: &str) -> Reply {
        self.stranger()
            .call("POST", target)
            .form(fields)
            .send()
            .await
    }

    /// Applies through a new link and tells the enrollment's id.
    pub(crate) async fn apply(&self) -> String {
        let link = self.link().await;
        let sent = self.send_form(&link, &format!("{ANSWERS}&step=send")).await;
        assert_eq!(sent.status, 303, "{sent}");
        let list = self
            .operator()
            .get("/operator/v1/enrollments?limit=1")
            .await
            .ok();
        list["data"][0]["id"].as_str().unwrap().to_owned()
    }
}

async fn status_in(server: &TestServer, dialect: &str) -> serde_json::Value {
    let target = format!("/v1/user_profiles/{PROFILE}");
    let profile = server.platform().speaking(dialect).get(&target).await.ok();
    let grants = profile.get("programs").or(profile.get("trust_grants"));
    grants.unwrap()["cyber"]["status"].clone()
}

#[tokio::test]
async fn the_page_names_the_platform_and_keeps_the_token_to_itself() {
    let server = TestServer::start().await;
    let link = server.link().await;
    let page = server.stranger().get(&link).await;
    let mut shown = page.clone();
    shown.body = bytes::Bytes::new();
    assert_snapshot!(shown, @r#"
    200
    cache-control: no-store
    content-security-policy: default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'
    content-type: text/html; charset=utf-8
    cross-origin-opener-policy: same-origin
    cross-origin-resource-policy: same-origin
    permissions-policy: camera=(), geolocation=(), microphone=(), payment=()
    referrer-policy: no-referrer
    request-id: req_011ChEJeR5DXK6tM2xiie6yS
    x-content-type-options: nosniff
    x-frame-options: DENY
    "#);
    let html = page.text();
    assert!(html.contains("Nordlicht &#38; Söhne"), "{html}");
    assert!(!html.contains(link.rsplit('/').next().unwrap()), "{html}");
    // Everything the page loads is ours, and all of it together is small.
    let mut bytes = page.body.len();
    for address in html.split('"').filter(|it| it.starts_with("/assets/")) {
        let asset = server.stranger().get(address).await;
        assert_eq!(asset.status, 200, "{address}");
        assert_eq!(
            asset.header("cache-control"),
            Some("public, max-age=31536000, immutable")
        );
        bytes += asset.body.len();
    }
    assert!(bytes < 30_000, "{bytes}");
    assert!(
        !html.contains("<script>") && !html.contains("style="),
        "{html}"
    );
}

#[tokio::test]
async fn an_application_is_filled_in_checked_sent_and_decided() {
    let server = TestServer::start().await;
    let link = server.link().await;
    let wrong = server
        .send_form(&link, "program=cyber&full_name=%3Cscript%3E&step=send")
        .await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.text().contains("href=\"#field-role\""), "{wrong}");
    assert!(
        wrong.text().contains("value=\"&#60;script&#62;\""),
        "{wrong}"
    );
    let review = server
        .send_form(&link, &format!("{ANSWERS}&step=review"))
        .await;
    assert_eq!(review.status, 200);
    assert!(review.text().contains("Ana &#60;b&#62;"), "{review}");
    let edit = server
        .send_form(&link, &format!("{ANSWERS}&step=edit"))
        .await;
    assert!(edit.text().contains("value=\"a\" checked"), "{edit}");
    assert_eq!(status_in(&server, "ga").await, json!(null));

    let sent = server
        .send_form(&link, &format!("{ANSWERS}&step=send"))
        .await;
    assert_eq!(
        (sent.status.as_u16(), sent.header("location")),
        (303, Some(link.as_str()))
    );
    let status = server.stranger().get(&link).await;
    assert_eq!(status.status, 200);
    assert!(status.text().contains("Under review"), "{status}");
    let again = server
        .send_form(&link, &format!("{ANSWERS}&step=send"))
        .await;
    assert_eq!(again.status, 409);
    assert!(again.text().contains("arrived already"), "{again}");
    for dialect in every_dialect() {
        assert_eq!(status_in(&server, dialect).await, "pending", "{dialect}");
    }
    let list = server
        .operator()
        .get("/operator/v1/enrollments?status=pending")
        .await;
    assert_snapshot!(list.text(), @r#"{"data":[{"type":"enrollment","id":"enr_011ChEJeR5DXK3yrQTBCkc3p","organization_id":"0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11","user_profile_id":"uprof_011CZkZCu8hGbp5mYRQgUmz9","program":"cyber","status":"pending","submitted":{"tiers":"a, b","full_name":"Ana <b>","organization":"CERT","role":"Analyst","intended_use":"One\nTwo","agreement":"yes"},"submitted_at":"2026-11-20T14:03:27.650118Z","decided_at":null,"note":null}],"next_page":null}"#);
    let id = list.ok()["data"][0]["id"].as_str().unwrap().to_owned();

    let approve = format!("/operator/v1/enrollments/{id}/approve");
    let body = r#"{"tiers":{"a":"active"},"note":"Welcome"}"#;
    assert_snapshot!(server.operator().post(&approve, body).await.text(), @r#"{"type":"enrollment","id":"enr_011ChEJeR5DXK3yrQTBCkc3p","organization_id":"0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11","user_profile_id":"uprof_011CZkZCu8hGbp5mYRQgUmz9","program":"cyber","status":"approved","submitted":{"tiers":"a, b","full_name":"Ana <b>","organization":"CERT","role":"Analyst","intended_use":"One\nTwo","agreement":"yes"},"submitted_at":"2026-11-20T14:03:27.650118Z","decided_at":"2026-11-20T14:03:27.650118Z","note":"Welcome"}"#);
    let twice = server.operator().post(&approve, body).await;
    assert_snapshot!(twice.error(), @r#"409 conflict_error: The enrollment has already been decided"#);
    for dialect in every_dialect() {
        assert_eq!(status_in(&server, dialect).await, "active", "{dialect}");
    }
    let admitted = server.stranger().get(&link).await;
    assert!(admitted.text().contains("Welcome"), "{admitted}");
    let record = server
        .operator()
        .get(&format!("/operator/v1/user_profiles/{PROFILE}"))
        .await
        .ok();
    assert_eq!(record["enrollments"][0]["id"], json!(id));
    let trail = server
        .operator()
        .get("/operator/v1/audit_events")
        .await
        .ok();
    let trail = trail["data"].as_array().unwrap().iter();
    let mut trail: Vec<_> = trail
        .filter(|it| it["actor"]["kind"] != "system" && it["actor"]["kind"] != "api")
        .map(|it| format!("{} {}", it["actor"]["kind"], it["action"]))
        .collect();
    // All of it happened at one instant, so that only the ids give an order.
    trail.sort();
    assert_snapshot!(trail.join("\n"), @r#"
    "end_user" "enrollment.submitted"
    "end_user" "program.set"
    "operator" "enrollment.approved"
    "operator" "program.set"
    "#);
}

#[tokio::test]
async fn a_rejection_tells_the_operators_words() {
    let server = TestServer::start().await;
    let id = server.apply().await;
    let reject = format!("/operator/v1/enrollments/{id}/reject");
    let body = r#"{"note":"Please name the <i>owner</i>."}"#;
    assert_eq!(server.operator().post(&reject, body).await.status, 200);
    let next = server.stranger().get(&server.link().await).await;
    assert!(next.text().contains("Declined"), "{next}");
    assert!(
        next.text()
            .contains("Please name the &#60;i&#62;owner&#60;/i&#62;."),
        "{next}"
    );
    assert_eq!(next.status, 200);
}

#[tokio::test]
async fn bad_bodies_of_decisions_are_refused() {
    let server = TestServer::start().await;
    let id = server.apply().await;
    let mut shown = String::new();
    for (what, body) in [
        ("approve", r#"{"tiers":{"d":"active"}}"#),
        (
            "approve",
            r#"{"requirements":{"data_retention":true,"human_review":true}}"#,
        ),
        ("reject", r#"{"tiers":{}}"#),
        ("reject", r#"{"note":1}"#),
    ] {
        let target = format!("/operator/v1/enrollments/{id}/{what}");
        let reply = server.operator().post(&target, body).await;
        shown.push_str(&format!("{}\n", reply.error()));
    }
    let unknown = server
        .operator()
        .get("/operator/v1/enrollments/enr_nobody")
        .await;
    shown.push_str(&unknown.error());
    assert_snapshot!(shown, @r#"
    400 invalid_request_error: tiers.d: Extra inputs are not permitted
    400 invalid_request_error: requirements: need an active tier
    400 invalid_request_error: tiers: Extra inputs are not permitted
    400 invalid_request_error: note: must be a string
    404 not_found_error: The requested enrollment was not found.
    "#);
}

#[tokio::test]
async fn dead_links_tell_nothing() {
    let server = TestServer::start().await;
    let stranger = server.stranger();
    let link = server.link().await;
    let other = server.link().await;
    assert_ne!(link, other);
    let mut tampered = link.clone();
    let last = if tampered.pop() == Some('A') {
        'B'
    } else {
        'A'
    };
    tampered.push(last);
    let alike = |reply: &Reply| {
        let text = reply.text().to_owned();
        assert!(
            !text.contains("Nordlicht") && !text.contains(PROFILE),
            "{text}"
        );
        text
    };
    let unknown = stranger.get("/user-profiles/enrollment/x").await;
    assert_eq!(unknown.status, 404);
    for dead in [tampered.as_str(), "/user-profiles/enrollment/%FF"] {
        let reply = stranger.get(dead).await;
        assert_eq!(
            (reply.status.as_u16(), alike(&reply)),
            (404, alike(&unknown)),
            "{dead}"
        );
        let posted = server.send_form(dead, ANSWERS).await;
        assert_eq!(
            (posted.status.as_u16(), alike(&posted)),
            (404, alike(&unknown)),
            "{dead}"
        );
    }
    server
        .clock
        .advance(Duration::from_hours(1) - Duration::from_micros(1));
    assert_eq!(stranger.get(&link).await.status, 200);
    server.clock.advance(Duration::from_micros(1));
    let expired = stranger.get(&link).await;
    assert_eq!(expired.status, 410);
    assert_eq!(
        server
            .send_form(&link, &format!("{ANSWERS}&step=send"))
            .await
            .status,
        410
    );

    let fresh = server.link().await;
    assert_eq!(stranger.get(&fresh).await.status, 200);
    let records = server
        .operator()
        .get("/operator/v1/user_profiles/export")
        .await;
    server
        .platform()
        .delete(&format!("/v1/user_profiles/{PROFILE}"))
        .await
        .ok();
    let deleted = stranger.get(&fresh).await;
    assert_eq!(
        (deleted.status.as_u16(), alike(&deleted)),
        (410, alike(&expired))
    );
    assert_eq!(
        server
            .send_form(&fresh, &format!("{ANSWERS}&step=send"))
            .await
            .status,
        410
    );

    // The id comes back with a record, and its old links do not.
    let import = server
        .operator()
        .call("POST", "/operator/v1/user_profiles/import");
    let restored = import.body(records.text().to_owned()).send().await.ok();
    assert_eq!(restored["imported"], 1);
    let returned = stranger.get(&fresh).await;
    assert_eq!(
        (returned.status.as_u16(), alike(&returned)),
        (410, alike(&expired))
    );
}

#[tokio::test]
async fn a_used_link_shows_its_application_for_as_long_as_it_works() {
    let server = TestServer::with(|options| {
        options.settings.enrollment_url_lifetime = Duration::from_hours(24);
    })
    .await;
    let link = server.link().await;
    let mine = ANSWERS.replace("Ana", "Beatriz");
    let sent = server.send_form(&link, &format!("{mine}&step=send")).await;
    assert_eq!(sent.status, 303, "{sent}");
    // More applications than a page of them holds are newer.
    for _ in 0..21 {
        server.clock.advance(Duration::from_secs(1));
        server.apply().await;
    }
    server.clock.advance(Duration::from_hours(23));
    for _ in 0..2 {
        let shown = server.stranger().get(&link).await;
        assert_eq!(shown.status, 200, "{shown}");
        assert!(shown.text().contains("Beatriz"), "{shown}");
        assert!(!shown.text().contains("value=\"review\""), "{shown}");
    }
    let again = server.send_form(&link, &format!("{mine}&step=send")).await;
    assert_eq!(again.status, 409, "{again}");
    server.clock.advance(Duration::from_hours(1));
    assert_eq!(server.stranger().get(&link).await.status, 410);
}

#[tokio::test]
async fn forms_of_other_sites_are_refused() {
    let server = TestServer::start().await;
    let link = server.link().await;
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
    ] {
        let call = server.stranger().call("POST", &link).header(name, value);
        let reply = call.form(&format!("{ANSWERS}&step=send")).send().await;
        assert_eq!(reply.status, 403, "{name}: {value}");
    }
    assert_eq!(status_in(&server, "ga").await, json!(null));
    let json = server.stranger().post(&link, "{}").await;
    assert_eq!(json.status, 400);
    assert!(json.text().starts_with("<!doctype html>"), "{json}");
}

#[tokio::test]
async fn an_identity_check_is_started_and_resolved() {
    let server = TestServer::start().await;
    let link = server.link().await;
    let none = server.send_form(&link, "step=verify&statement=yes").await;
    assert_eq!(none.status, 303);
    let open = format!("/operator/v1/user_profiles/{PROFILE}/enforcement_actions");
    let body = r#"{"type":"restriction","reason":"fraud_or_abuse","action":"verify"}"#;
    let action = server.operator().post(&open, body).await.string("id");
    assert!(
        server
            .stranger()
            .get(&link)
            .await
            .text()
            .contains("Confirm your identity")
    );
    let unstated = server.send_form(&link, "step=verify").await;
    assert_eq!(unstated.status, 422);
    for _ in 0..2 {
        let sent = server.send_form(&link, "step=verify&statement=yes").await;
        assert_eq!(sent.status, 303, "{sent}");
    }
    let target = format!("/v1/user_profiles/{PROFILE}");
    let pending = server.platform().get(&target).await.ok();
    assert_eq!(pending["enforcement_status"], "pending");
    assert!(
        server
            .stranger()
            .get(&link)
            .await
            .text()
            .contains("check under review")
    );
    let resolve = format!("/operator/v1/enforcement_actions/{action}/identity_check");
    server
        .operator()
        .post(&resolve, r#"{"state":"passed"}"#)
        .await
        .ok();
    let free = server.platform().get(&target).await.ok();
    assert_eq!(free["enforcement_status"], "unrestricted");
}

#[tokio::test]
async fn who_waits_or_has_everything_is_not_asked_to_apply_again() {
    let server = TestServer::start().await;
    let shown = async || {
        server
            .stranger()
            .get(&server.link().await)
            .await
            .text()
            .to_owned()
    };
    let buttons = |html: &str| {
        let words = ["Apply", "Apply again", "Apply for more"];
        let found = words
            .into_iter()
            .filter(|it| html.contains(&format!(">{it}</a>")));
        found.map(str::to_owned).collect::<Vec<_>>()
    };
    let is_form = |html: &str| html.contains("value=\"review\"");
    assert!(is_form(&shown().await));

    let id = server.apply().await;
    let waiting = shown().await;
    assert!(waiting.contains("Under review"), "{waiting}");
    assert!(
        !is_form(&waiting) && buttons(&waiting).is_empty(),
        "{waiting}"
    );
    let asked = format!("{}?program=cyber", server.link().await);
    assert!(!is_form(server.stranger().get(&asked).await.text()));

    let approve = format!("/operator/v1/enrollments/{id}/approve");
    let tiers = r#"{"tiers":{"a":"active","b":"active"}}"#;
    assert_eq!(server.operator().post(&approve, tiers).await.status, 200);
    let partly = shown().await;
    assert!(partly.contains("Admitted") && is_form(&partly), "{partly}");

    let programs = format!("/operator/v1/user_profiles/{PROFILE}/programs/cyber");
    let all = r#"{"status":"active","tiers":{"a":"active","b":"active","c":"active"}}"#;
    assert_eq!(server.operator().put(&programs, all).await.status, 200);
    let wholly = shown().await;
    assert!(wholly.contains("Admitted"), "{wholly}");
    assert!(wholly.contains("You can close this page."), "{wholly}");
    assert!(!is_form(&wholly) && buttons(&wholly).is_empty(), "{wholly}");

    let rejected = r#"{"status":"rejected"}"#;
    assert_eq!(server.operator().put(&programs, rejected).await.status, 200);
    let declined = shown().await;
    assert!(declined.contains("you can apply again below"), "{declined}");
    assert!(!declined.contains("for a new link"), "{declined}");
    assert!(is_form(&declined));
}
