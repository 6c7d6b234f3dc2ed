//! The console's queue: what a reviewer reads of an application, how one leads to the next, and several decided at once.

use serde_json::Value;

use crate::console::{post, signed_in};
use crate::portal::ANSWERS;
use crate::server::{PROFILE, TestServer};

const LIST: &str = "/console/enrollments";

/// Applications of so many people, in the order in which they were sent.
async fn applications(server: &TestServer, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..count {
        let profile = server
            .create(&format!(r#"{{"name":"Applicant {number}"}}"#))
            .await;
        let link = server.link_for(&profile).await;
        let sent = server
            .send_form(&link, &format!("{ANSWERS}&step=send"))
            .await;
        assert_eq!(sent.status, 303, "{sent}");
        server.clock.advance(std::time::Duration::from_secs(1));
    }
    let list = "/operator/v1/enrollments?status=pending&limit=100";
    let list = server.operator().get(list).await.ok();
    for it in list["data"].as_array().unwrap() {
        let sent = it["submitted_at"].as_str().unwrap().to_owned();
        ids.push((sent, it["id"].as_str().unwrap().to_owned()));
    }
    ids.sort();
    ids.into_iter().map(|(_, id)| id).collect()
}

async fn enrollment(server: &TestServer, id: &str) -> Value {
    let path = format!("/operator/v1/enrollments/{id}");
    server.operator().get(&path).await.ok()
}

fn next_of(page: &str) -> Option<&str> {
    let (before, _) = page.split_once("\">Next waiting application</a>")?;
    before.rsplit_once("href=\"").map(|(_, next)| next)
}

#[tokio::test]
async fn a_reviewer_reads_the_questions_that_the_applicant_read() {
    let server = TestServer::start().await;
    let browser = signed_in(&server).await;
    let id = server.apply().await;
    let page = browser.get(&format!("{LIST}/{id}")).await;
    for expected in [
        "Application for Cybersecurity",
        "<dt>What do you need?</dt><dd class=\"typed\">Defense",
        "<dt>Intended use</dt>",
        "<dt>I will use this access only for work I am authorized to do, and what I have written is true.</dt>",
        "<dd class=\"typed\">Agreed</dd>",
        "value=\"a\" checked> Defense",
    ] {
        assert!(page.text().contains(expected), "{expected}: {page}");
    }
    let profile = browser.get(&format!("/console/profiles/{PROFILE}")).await;
    assert!(profile.text().contains("<b>Cybersecurity</b>"), "{profile}");
}

#[tokio::test]
async fn every_decision_leads_to_whoever_waits_next_and_says_who_decided() {
    let server = TestServer::start().await;
    let browser = signed_in(&server).await;
    let mut waiting = applications(&server, 3).await;
    // From the middle: who waits behind comes first, then who was passed over.
    let mut here = format!("{LIST}/{}", waiting.remove(1));
    for expected in [1, 0] {
        let done = post(&browser, &here, "do=approve").await;
        let decided = browser.get(done.header("location").unwrap()).await;
        assert!(
            decided.text().contains("by</span> apikey_operator"),
            "{decided}"
        );
        let next = next_of(decided.text()).unwrap().to_owned();
        assert_eq!(next, format!("{LIST}/{}", waiting.remove(expected)));
        here = next;
    }
    let done = post(&browser, &here, "do=reject&confirmed=yes").await;
    let last = browser.get(done.header("location").unwrap()).await;
    assert_eq!(next_of(last.text()), None);
    assert!(last.text().contains("Nobody else is waiting."), "{last}");
    assert!(last.text().contains("To the queue"), "{last}");
    // Whoever comes too late is told, and led on.
    let late = applications(&server, 1).await;
    let again = post(&browser, &here, "do=approve").await;
    assert_eq!(again.status, 409);
    assert_eq!(
        next_of(again.text()).unwrap(),
        format!("{LIST}/{}", late[0])
    );
}

#[tokio::test]
async fn several_are_decided_at_once_and_what_fails_fails_alone() {
    let server = TestServer::start().await;
    let browser = signed_in(&server).await;
    let ids = applications(&server, 4).await;
    let list = browser.get(LIST).await;
    for id in &ids {
        assert!(
            list.text().contains(&format!("name=\"id\" value=\"{id}\"")),
            "{list}"
        );
    }
    let none = post(&browser, LIST, "do=approve&note=Welcome").await;
    assert_eq!(
        none.header("location"),
        Some("/console/enrollments?done=none-chosen")
    );
    assert_eq!(
        post(&browser, LIST, &format!("do=other&id={}", ids[0]))
            .await
            .status,
        400
    );

    // One of them is decided by somebody else between the question and the answer; one was never there.
    let fields = format!(
        "do=approve&note=Welcome&id={}&id={}&id={}&id=enr_gone",
        ids[2], ids[0], ids[1]
    );
    let asked = post(&browser, LIST, &fields).await;
    assert!(asked.text().contains("Approve 4 applications?"), "{asked}");
    assert!(asked.text().contains("“Welcome”"), "{asked}");
    assert_eq!(enrollment(&server, &ids[0]).await["status"], "pending");
    let reject = format!("/operator/v1/enrollments/{}/reject", ids[1]);
    server.operator().post(&reject, "").await.ok();
    let done = post(&browser, LIST, &format!("{fields}&confirmed=yes")).await;
    assert_eq!(done.status, 200, "{done}");
    assert!(done.text().contains("<h1>2 approved, 2 not</h1>"), "{done}");
    assert_eq!(done.text().matches("not decided").count(), 2, "{done}");
    assert_eq!(next_of(done.text()).unwrap(), format!("{LIST}/{}", ids[3]));
    for (id, status) in [
        (&ids[0], "approved"),
        (&ids[1], "rejected"),
        (&ids[2], "approved"),
        (&ids[3], "pending"),
    ] {
        assert_eq!(enrollment(&server, id).await["status"], status, "{id}");
    }
    let approved = enrollment(&server, &ids[0]).await;
    assert_eq!(approved["note"], "Welcome");
    let profile = approved["user_profile_id"].as_str().unwrap();
    let profile = format!("/operator/v1/user_profiles/{profile}");
    let profile = server.operator().get(&profile).await.ok();
    assert_eq!(
        profile["programs"]["cyber"]["tiers"]["a"]["status"],
        "active"
    );
    assert_eq!(
        profile["programs"]["cyber"]["tiers"]["c"]["status"],
        "inactive"
    );

    // Sent again, nothing is decided twice.
    let again = post(&browser, LIST, &format!("{fields}&confirmed=yes")).await;
    assert!(
        again.text().contains("<h1>0 approved, 4 not</h1>"),
        "{again}"
    );
    let rest = format!("do=reject&id={}&confirmed=yes", ids[3]);
    let rest = post(&browser, LIST, &rest).await;
    assert!(rest.text().contains("<h1>1 rejected</h1>"), "{rest}");
    assert_eq!(next_of(rest.text()), None);
}

#[tokio::test]
async fn enforcement_leads_the_page_of_whoever_is_under_it() {
    let server = TestServer::start().await;
    let browser = signed_in(&server).await;
    let page = format!("/console/profiles/{PROFILE}");
    let place =
        |text: &str, what: &str| text.find(what).unwrap_or_else(|| panic!("{what}: {text}"));
    let unrestricted = browser.get(&page).await;
    let text = unrestricted.text();
    assert!(place(text, "id=\"facts\"") < place(text, "id=\"actions\""));
    let ban = format!("{page}/actions");
    post(&browser, &ban, "type=ban&reason=high_harm&confirmed=yes").await;
    let banned = browser.get(&page).await;
    let text = banned.text();
    assert!(place(text, "High harm") < place(text, "id=\"facts\""));
    assert_eq!(text.matches("id=\"actions\"").count(), 1);
    // The raw record is there, folded away until it is asked for.
    assert!(text.contains("<details><summary><h2 id=\"seen-as\">"));
    let open = browser.get(&format!("{page}?as=ga")).await;
    assert!(
        open.text()
            .contains("<details open><summary><h2 id=\"seen-as\">")
    );
}
