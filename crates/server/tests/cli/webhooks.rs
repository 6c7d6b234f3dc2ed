//! `rollcall webhooks`: looking at deliveries, repeating them, and receiving them.

use std::io::{BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{ChildStderr, ChildStdout, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rollcall::cli::client::{Call, Client};
use serde_json::{Value, json};

use crate::rollcall::{Dev, Place, Process, assert_ended};

/// `rollcall webhooks listen`, once it receives.
struct Listener {
    process: Process,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
    /// Where it receives.
    address: String,
    /// The id of its endpoint.
    endpoint: String,
    /// The command that it says sends a test event.
    hint: String,
}

impl Listener {
    fn start(place: &Place, arguments: &[&str]) -> Self {
        let arguments = [&["webhooks", "listen"], arguments].concat();
        let mut command = place.command(&arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let (said, hint) = (line(&mut stderr), line(&mut stderr));
        let words: Vec<_> = said.split([' ', ',']).collect();
        let after = |word: &str| {
            let at = words.iter().position(|found| *found == word);
            let at = at.unwrap_or_else(|| panic!("{said}"));
            words[at + 1].trim_end_matches('.').to_owned()
        };
        let url = after("on");
        Self {
            process: Process::new(child),
            stdout,
            stderr,
            address: url
                .trim_start_matches("http://")
                .trim_end_matches('/')
                .to_owned(),
            endpoint: after("as"),
            hint,
        }
    }

    fn event(&mut self) -> Value {
        let line = line(&mut self.stdout);
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line:?}"))
    }
}

fn line(stream: &mut impl std::io::BufRead) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

fn run(place: &Place, dev: &Dev, arguments: &[&str]) -> Value {
    place.json(&[&["webhooks"], arguments, &dev.operator()[..]].concat())
}

fn open_action(dev: &Dev, profile: &str) -> Value {
    let path = format!("/operator/v1/user_profiles/{profile}/enforcement_actions");
    dev.call(Call::post(
        path,
        &json!({"type": "restriction", "reason": "high_harm"}),
    ))
}

#[test]
fn a_key_of_an_earlier_start_is_told_apart() {
    let place = Place::embedded();
    drop(place.dev(&[]));
    let dev = place.dev(&["--in-memory"]);
    let url = dev.get("base_url");
    let ended = place.run(&["webhooks", "listen", "--url", url]);
    assert_eq!(ended.status, 1);
    let (said, advice) = ended.stderr.split_once(" (request req_").unwrap();
    assert_eq!(
        said,
        "rollcall: authentication_error (401): invalid x-api-key"
    );
    let (_id, advice) = advice.split_once(");").unwrap();
    insta::assert_snapshot!(advice.trim(), @"the key is the one that an earlier rollcall dev kept in rollcall-data/dev.json, and this server does not know it: pass the admin key that this server printed at its start, with --admin-key KEY (under --in-memory none is kept)");

    // A key that was given is what the server says of it.
    let given = place.run(&["webhooks", "listen", "--url", url, "--admin-key", "mine"]);
    assert!(given.stderr.trim().ends_with(')'), "{}", given.stderr);
    let key = dev.get("admin_key");
    Listener::start(&place, &["--url", url, "--admin-key", key]);
}

/// The status that is answered to a request that somebody made up.
fn forged(address: &str, head: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let request =
        format!("{head}\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{{}}");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
        .split(' ')
        .nth(1)
        .unwrap_or_else(|| panic!("{answer:?}"))
        .to_owned()
}

#[test]
fn a_first_webhook_takes_one_command() {
    let place = Place::new();
    place.write(
        "seed.ndjson",
        r#"{"type":"user_profile","id":"uprof_ana","name":"Ana"}"#,
    );
    let dev = place.dev(&["--seed", "seed.ndjson"]);
    // The administrator's key is read where the server keeps its data.
    let mut listener = Listener::start(&place, &["--url", dev.get("base_url")]);
    let listed = run(&place, &dev, &["list"]);
    assert_eq!(listed["data"][0]["id"], listener.endpoint);
    assert_eq!(listed["data"][0]["name"], "rollcall webhooks listen");
    assert_eq!(
        listed["data"][0]["url"],
        format!("http://{}/", listener.address)
    );

    // The line it prints can be pasted.
    let hint = listener
        .hint
        .split_once(": rollcall ")
        .unwrap()
        .1
        .to_owned();
    let words: Vec<_> = hint
        .split(' ')
        .map(|word| word.trim_matches('\''))
        .collect();
    place.json(&words);
    let test = listener.event();
    assert_eq!(test["data"]["type"], "webhook_endpoint.test");

    let action = open_action(&dev, "uprof_ana");
    let event = listener.event();
    assert_eq!(event["data"]["id"], "uprof_ana");
    assert_eq!(event["data"]["enforcement_action_id"], action["id"]);

    // What is not signed is refused, and told beside the events.
    let signed = "webhook-id: whe_1\r\nwebhook-timestamp: 1\r\nwebhook-signature: v1,AAAA";
    for (head, status, told) in [
        ("POST / HTTP/1.1".to_owned(), "401", "refused no webhook-id"),
        (
            format!("POST / HTTP/1.1\r\n{signed}"),
            "401",
            "refused a signature that is not this endpoint's",
        ),
        ("PUT / HTTP/1.1".to_owned(), "405", "refused not a POST"),
    ] {
        assert_eq!(forged(&listener.address, &head), status, "{head}");
        assert_eq!(line(&mut listener.stderr), told);
    }

    // A clock that was set is told.
    dev.call(Call::post(
        "/operator/v1/dev/clock",
        &json!({"advance": "1h"}),
    ));
    run(&place, &dev, &["test", &listener.endpoint]);
    assert_eq!(listener.event()["data"]["type"], "webhook_endpoint.test");
    let told = line(&mut listener.stderr);
    assert!(
        told.starts_with("the next event's timestamp is +3"),
        "{told}"
    );

    assert_eq!(listener.process.end_by("INT"), 0);
    assert_eq!(run(&place, &dev, &["list"])["data"], json!([]));
    // The endpoint may be gone before the server notes its last answer, which counts all the same.
    let delivered = until(&dev, |found| are_delivered(found, 3));
    for delivery in delivered {
        assert_eq!(delivery["attempts"][0]["status_code"], 204);
    }
    let listed = run(&place, &dev, &["deliveries"]);
    assert!(are_delivered(listed["data"].as_array().unwrap(), 3));
    dev.stop();
}

#[test]
fn a_listener_ends_after_as_many_events_as_were_asked_for() {
    let place = Place::new().with("ROLLCALL_DEV_ADMIN_KEY", "my-admin-key");
    let dev = place.dev(&["--in-memory"]);
    let arguments = ["--url", dev.get("base_url"), "--admin-key", "my-admin-key"];
    let table = ["--count", "1", "--output", "table"];
    let mut listener = Listener::start(&place, &[&arguments[..], &table].concat());
    run(&place, &dev, &["test", &listener.endpoint]);
    let shown = line(&mut listener.stdout);
    let expected = format!(
        "webhook_endpoint.test{}{}",
        " ".repeat(21),
        listener.endpoint
    );
    assert!(shown.contains(&expected), "{shown}");
    assert!(shown.ends_with("  verified"), "{shown}");
    assert_eq!(listener.process.wait(), 0);
    assert_eq!(run(&place, &dev, &["list"])["data"], json!([]));
    until(&dev, |found| are_delivered(found, 1));
    // The end of its terminal ends it as Ctrl-C does.
    let listener = Listener::start(&place, &arguments);
    assert_eq!(listener.process.end_by("HUP"), 0);
    assert_eq!(run(&place, &dev, &["list"])["data"], json!([]));
    // After a reset of the server there is nothing left to remove, which is well.
    let listener = Listener::start(&place, &arguments);
    dev.call(Call::post("/operator/v1/dev/reset", &json!({})));
    assert_eq!(listener.process.end_by("TERM"), 0);
    dev.stop();
}

#[test]
fn a_listener_that_cannot_begin_says_why() {
    let place = Place::new();
    assert_ended!(place.run(&["webhooks", "listen"]), @r#"
    $ rollcall webhooks listen
    status: 2
    stderr:
    rollcall: no admin key: rollcall dev prints one, for ROLLCALL_ADMIN_KEY or --admin-key; and none is kept in rollcall-data, where rollcall dev would have its data (--data-dir)
    "#);
    let nobody = [
        "webhooks",
        "listen",
        "--url",
        "http://127.0.0.1:1",
        "--admin-key",
        "k",
    ];
    assert_ended!(place.run(&nobody), @r#"
    $ rollcall webhooks listen --url http://127.0.0.1:[port] --admin-key k
    status: 2
    stderr:
    rollcall: cannot reach http://127.0.0.1:[port] (Connection refused (os error 111)); is the server running, and is that its address?
    "#);
    let unknown = ["webhooks", "listen", "--events", "user_profile.created"];
    assert_ended!(place.run(&unknown), @r#"
    $ rollcall webhooks listen --events user_profile.created
    status: 2
    stderr:
    rollcall: invalid value 'user_profile.created' for '--events <LIST>': must be one of: user_profile.enforcement_action_opened, user_profile.enforcement_action_resolved, user_profile.program_status_updated, external_key.failed, external_key.recovered, external_storage.failed, external_storage.recovered; see rollcall webhooks listen --help
    "#);
    let dev = place.dev(&["--in-memory"]);
    let other = [
        "webhooks",
        "listen",
        "--url",
        dev.get("base_url"),
        "--admin-key",
        dev.get("api_key"),
    ];
    let ended = place.run(&other);
    assert_eq!(ended.status, 1);
    assert!(
        ended.stderr.contains("permission_error (403)"),
        "{}",
        ended.stderr
    );
    dev.stop();
}

/// A receiver that answers everything with one status, and keeps what came.
pub(crate) struct Inbox {
    pub(crate) url: String,
    requests: std::sync::mpsc::Receiver<String>,
}

impl Inbox {
    pub(crate) fn answering(status: u16) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (sender, requests) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = Vec::new();
                // An event ends with two braces, and nothing before its end does.
                while !request.ends_with(b"}}") {
                    let mut part = [0; 2_048];
                    let read = stream.read(&mut part).unwrap_or(0);
                    if read == 0 {
                        break;
                    }
                    request.extend_from_slice(&part[..read]);
                }
                let _ = sender.send(String::from_utf8(request).unwrap());
                let answer = format!(
                    "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
                );
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self { url, requests }
    }

    /// Whether the next request is signed with this secret.
    pub(crate) fn next_is_signed(&self, secret: &str) -> bool {
        let request = self.requests.recv_timeout(Duration::from_secs(30)).unwrap();
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let header = |name: &str| {
            let line = head.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap().trim_start_matches(": ")
        };
        let timestamp = header("webhook-timestamp").parse().unwrap();
        let webhook = standardwebhooks::Webhook::new(secret).unwrap();
        let signature = webhook.sign(header("webhook-id"), timestamp, body.as_bytes());
        signature.unwrap() == header("webhook-signature")
    }
}

fn are_delivered(deliveries: &[Value], count: usize) -> bool {
    let mut statuses = deliveries.iter().map(|delivery| &delivery["status"]);
    deliveries.len() == count && statuses.all(|status| status == "delivered")
}

/// Waits until deliveries are as `wanted` says.
pub(crate) fn until(dev: &Dev, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    for _ in 0..1_000 {
        let page = dev.call(Call::get("/operator/v1/webhook_deliveries"));
        let found = page["data"].as_array().unwrap();
        if wanted(found) {
            return found.clone();
        }
        // Another process works: there is nothing to wait for but its work.
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!(
        "{:#}",
        dev.call(Call::get("/operator/v1/webhook_deliveries"))
    );
}

#[test]
fn keys_rotate_under_secrets_and_old_deliveries_are_forgotten() {
    let place = Place::new();
    let keys = [1_u8, 2, 3].map(|byte| STANDARD.encode([byte; 32]));
    let start = |current: &str, previous: &[&str]| {
        let settings = format!("secret_key = {current:?}\nprevious_secret_keys = {previous:?}\n");
        place.write("rollcall.toml", settings);
        place.dev(&[])
    };
    let inbox = Inbox::answering(200);
    let dev = start(&keys[0], &[]);
    let body = json!({"url": inbox.url, "enabled_events": ["external_key.failed"]});
    let admin = Client::new(dev.get("base_url"), dev.get("admin_key").to_owned().into()).unwrap();
    let create = Call::post("/v1/organizations/webhooks", &body)
        .header("anthropic-version", "2023-06-01")
        .header("anthropic-beta", "webhooks-2026-10-07");
    let made = rollcall::cli::wait(admin.call(create)).unwrap();
    let (endpoint, secret) = (
        made["id"].as_str().unwrap(),
        made["signing_secret"].as_str().unwrap(),
    );
    // It ends long before what is kept, as the server that starts next sees it.
    dev.call(Call::post(
        "/operator/v1/dev/clock",
        &json!({"now": "2020-01-01T00:00:00Z"}),
    ));
    run(&place, &dev, &["test", endpoint]);
    assert!(inbox.next_is_signed(secret));
    until(&dev, |found| found[0]["status"] == "delivered");
    dev.stop();

    // The earlier key opens what it sealed, and what is sealed anew meanwhile needs it no more.
    for (current, previous) in [(&keys[1], vec![keys[0].as_str()]), (&keys[1], Vec::new())] {
        let dev = start(current, &previous);
        let sent = run(&place, &dev, &["test", endpoint]);
        assert!(inbox.next_is_signed(secret));
        until(&dev, |found| {
            found
                .iter()
                .any(|it| it["id"] == sent["id"] && it["status"] == "delivered")
                && found
                    .iter()
                    .all(|it| !it["created_at"].as_str().unwrap().starts_with("2020"))
        });
        dev.stop();
    }
    let dev = start(&keys[2], &[]);
    run(&place, &dev, &["test", endpoint]);
    let found = until(&dev, |found| found[0]["attempts"] != json!([]));
    let error = found[0]["attempts"][0]["error"].as_str().unwrap();
    assert!(
        error.contains("neither secret_key nor previous_secret_keys gives"),
        "{error}"
    );
    dev.stop();
}

#[test]
fn deliveries_are_looked_at_and_repeated_on_a_server_and_on_the_storage() {
    let place = Place::new();
    let endpoint = json!({
        "type": "webhook_endpoint", "id": "whep_billing", "url": Inbox::answering(503).url, "name": "billing",
        "enabled_events": ["user_profile.program_status_updated"],
    });
    place.write("seed.ndjson", endpoint.to_string());
    let dev = place.dev(&["--seed", "seed.ndjson"]);
    let made = run(&place, &dev, &["test", "whep_billing"]);
    assert_eq!(made["status"], "pending");
    let delivery = made["id"].as_str().unwrap();
    // It is tried until its last attempt has failed.
    let mut waited = Vec::new();
    while waited.len() < 1_000 {
        let failed = run(&place, &dev, &["deliveries", "--status", "failed"]);
        if failed["data"] != json!([]) {
            break;
        }
        dev.call(Call::post(
            "/operator/v1/dev/clock",
            &json!({"advance": "2m"}),
        ));
        waited.push(failed);
    }
    let table = |arguments: &[&str], place: &[&str]| {
        let all = [&["webhooks"], arguments, &["--output", "table"], place].concat();
        all.iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    let shown = |arguments: &[String]| {
        let ended = place.run(arguments);
        assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
        let lines = ended.stdout.lines();
        let lines = lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" | "));
        lines.collect::<Vec<_>>().join("\n") + "\n"
    };
    let lists = |at: &[&str]| {
        let endpoints = shown(&table(&["list", "--state", "enabled"], at));
        let deliveries = shown(&table(&["deliveries", "--endpoint-id", "whep_billing"], at));
        endpoints + &deliveries
    };
    let on_server = lists(&dev.operator());
    insta::with_settings!({ filters => crate::rollcall::FILTERS.to_vec() }, {
        insta::assert_snapshot!(on_server, @r#"
        ID | ORGANIZATION | STATE | FAILING | SINCE | URL | NAME | DISABLED | BECAUSE
        whep_billing | [organization] | enabled | [time] | http://127.0.0.1:[port]/ | billing
        ID | EVENT | STATUS | ATTEMPTS | LAST | ANSWER | ENDPOINT | CREATED | NEXT | ATTEMPT
        whd_[id] | webhook_endpoint.test | failed | 3 | 503 | whep_billing | [time] | -
        "#);
    });
    let again = run(&place, &dev, &["redeliver", delivery]);
    assert_eq!(again["status"], "pending");
    let refused = place.run(&[&["webhooks", "redeliver", delivery], &dev.operator()[..]].concat());
    assert_eq!(refused.status, 1);
    assert!(
        refused
            .stderr
            .contains("conflict_error (409): The delivery is still pending"),
        "{}",
        refused.stderr
    );
    dev.stop();

    let storage = ["--data-dir", "rollcall-data"];
    assert_eq!(lists(&storage).lines().count(), on_server.lines().count());
    assert_ended!(place.run(&["webhooks", "redeliver", delivery]), @r#"
    $ rollcall webhooks redeliver whd_[id]
    status: 1
    stderr:
    rollcall: conflict_error (409): The delivery is still pending
    "#);
    assert_ended!(place.run(&["webhooks", "redeliver", "whd_nobody"]), @r#"
    $ rollcall webhooks redeliver whd_nobody
    status: 1
    stderr:
    rollcall: not_found_error (404): The requested webhook delivery was not found.
    "#);
    assert_ended!(place.run(&["webhooks", "test", "whep_nobody"]), @r#"
    $ rollcall webhooks test whep_nobody
    status: 1
    stderr:
    rollcall: not_found_error (404): The requested webhook endpoint was not found.
    "#);
    assert_ended!(place.run(&["webhooks", "deliveries", "--status", "lost"]), @r#"
    $ rollcall webhooks deliveries --status lost
    status: 1
    stderr:
    rollcall: invalid_request_error (400): status: must be one of: pending, delivered, failed, canceled
    "#);
    assert_ended!(place.run(&["webhooks", "test", "whep_billing"]), @r#"
    $ rollcall webhooks test whep_billing
    status: 0
    stdout:
    {"type":"webhook_delivery","id":"whd_[id]","organization_id":"[organization]","endpoint_id":"whep_billing","event_id":"whe_[id]","event_type":"webhook_endpoint.test","status":"pending","created_at":"[time]","next_attempt_at":"[time]","attempts":[]}
    stderr:
    it is sent as soon as a server runs on this storage
    "#);
    let pending = place.json(&["webhooks", "deliveries", "--status", "pending"]);
    assert_eq!(pending["data"].as_array().unwrap().len(), 2);
}

#[test]
fn events_are_handed_on_as_they_came_and_answered_as_they_were() {
    let place = Place::new();
    let dev = place.dev(&[]);
    let taken = Inbox::answering(202);
    let url = ["--url", dev.get("base_url"), "--forward-to", &taken.url];
    let mut listener = Listener::start(&place, &url);
    let secret = line(&mut listener.stderr);
    let secret = secret.strip_prefix("Its signing secret: ").unwrap();
    for (event, field) in [
        ("user_profile.program_status_updated", "user_profile_id"),
        (
            "user_profile.enforcement_action_opened",
            "enforcement_action_id",
        ),
        (
            "user_profile.enforcement_action_resolved",
            "enforcement_action_id",
        ),
    ] {
        let made = run(&place, &dev, &["trigger", event]);
        loop {
            let came = listener.event();
            assert!(taken.next_is_signed(secret), "{event}");
            assert_eq!(line(&mut listener.stderr), "handed on, answered 202");
            // What is resolved was opened before.
            if came["data"]["type"] == event {
                let told = if field == "user_profile_id" {
                    "id"
                } else {
                    field
                };
                assert_eq!(came["data"][told], made[field]);
                break;
            }
        }
    }
    let delivered = until(&dev, |found| are_delivered(found, 4));
    assert_eq!(delivered[0]["attempts"][0]["status_code"], 202);
    assert_eq!(listener.process.end_by("INT"), 0);

    let refusing = Inbox::answering(500);
    let url = ["--url", dev.get("base_url"), "--forward-to", &refusing.url];
    let mut listener = Listener::start(&place, &url);
    line(&mut listener.stderr);
    run(
        &place,
        &dev,
        &["trigger", "user_profile.program_status_updated"],
    );
    listener.event();
    assert_eq!(line(&mut listener.stderr), "handed on, answered 500");
    until(&dev, |found| found[0]["attempts"][0]["status_code"] == 500);
    assert_eq!(listener.process.end_by("INT"), 0);
    dev.stop();

    let never = place.run(&["webhooks", "trigger", "external_key.failed"]);
    assert_eq!(never.status, 2);
    assert!(
        never
            .stderr
            .contains("is an event that Rollcall never sends"),
        "{}",
        never.shown()
    );
    let on_storage = place.run(&["webhooks", "trigger", "user_profile.program_status_updated"]);
    assert_eq!(on_storage.status, 2, "{}", on_storage.shown());
    assert!(
        on_storage.stderr.contains("this is no development server"),
        "{}",
        on_storage.shown()
    );
}
