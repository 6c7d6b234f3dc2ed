//! What several nodes share, and what outlives one of them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use rollcall_scratch_postgres as scratch;
use serde_json::{Value, json};

use crate::cluster::{Cluster, Node, PROFILES, eventually, text};
use crate::support::client::Client;

#[test]
fn what_one_node_writes_the_other_lists_and_outlives_it() {
    let cluster = Cluster::new();
    let (one, two) = (cluster.serve("one", &[]), cluster.serve("two", &[]));
    let mut clients = [cluster.platform(&one), cluster.platform(&two)];
    let mut created = Vec::new();
    for number in 0..11 {
        let body = json!({"name": format!("N{number}")});
        let made = clients[number % 2].ok("POST", PROFILES, "ga", Some(&body));
        // The next request may come to the other node.
        let path = format!("{PROFILES}/{}", text(&made["id"]));
        assert_eq!(clients[(number + 1) % 2].ok("GET", &path, "ga", None), made);
        created.push(text(&made["id"]));
    }
    // Each page from the other node than the one before: the cursors cross over.
    let (mut listed, mut page, mut turn) = (Vec::new(), String::new(), 0);
    loop {
        let target = format!("{PROFILES}?limit=3&order=asc{page}");
        let answer = clients[turn % 2].ok("GET", &target, "ga", None);
        let ids = answer["data"].as_array().unwrap().iter();
        listed.extend(ids.map(|profile| text(&profile["id"])));
        turn += 1;
        match answer["next_page"].as_str() {
            Some(next) => page = format!("&page={next}"),
            None => break,
        }
    }
    assert_eq!(listed, created);

    drop(one);
    for path in &created {
        let path = format!("{PROFILES}/{path}");
        clients[1].ok("GET", &path, "ga", None);
    }
    clients[1].ok("POST", PROFILES, "ga", Some(&json!({"name": "After"})));
    assert_eq!(cluster.run(&["check"])["profiles"], 12);
}

#[test]
fn a_key_that_one_node_disables_stops_on_the_other_within_five_seconds() {
    let cluster = Cluster::new();
    let (one, two) = (cluster.serve("one", &[]), cluster.serve("two", &[]));
    let (mut first, mut second) = (cluster.platform(&one), cluster.platform(&two));
    for client in [&mut first, &mut second] {
        client.ok("GET", PROFILES, "ga", None);
    }
    let path = format!("/operator/v1/api_keys/{}", cluster.key_id);
    let disable = json!({"status": "disabled"});
    cluster
        .operator(&one)
        .ok("POST", &path, "ga", Some(&disable));
    let disabled = Instant::now();
    let status = |client: &mut Client| client.send("GET", PROFILES, "ga", None).unwrap().status;
    assert_eq!(status(&mut first), 401);
    eventually("the key stops on the other node", || {
        status(&mut second) == 401
    });
    assert!(
        disabled.elapsed() < Duration::from_secs(5),
        "{:?}",
        disabled.elapsed()
    );
}

#[test]
fn of_two_owners_who_disable_each_other_on_two_nodes_one_is_left() {
    const KEYS: &str = "/operator/v1/operator_keys";
    let cluster = Cluster::new();
    let create = ["keys", "create", "--kind", "operator", "--name"];
    let (one, two) = (cluster.serve("one", &[]), cluster.serve("two", &[]));
    let first = text(&cluster.operator(&one).ok("GET", KEYS, "ga", None)["data"][0]["id"]);
    for round in 0..5 {
        let second = cluster.run(&[&create[..], &["second"]].concat());
        let mut clients = [cluster.operator(&one), two.client(&text(&second["secret"]))];
        for client in &mut clients {
            client.ok("GET", KEYS, "ga", None);
        }
        let [of_first, of_second] = &mut clients;
        let path = |id: &str| format!("{KEYS}/{id}");
        let (first_path, second_path) = (path(&first), path(&text(&second["id"])));
        let disabled = json!({"status": "disabled"});
        let disable = |client: &mut Client, path: &str| {
            client
                .send("POST", path, "ga", Some(&disabled))
                .unwrap()
                .status
        };
        let statuses = std::thread::scope(|scope| {
            let other = scope.spawn(|| disable(of_second, &first_path));
            [disable(of_first, &second_path), other.join().unwrap()]
        });
        // Who comes second is the last owner's end, or is an owner no more.
        let refused = [401, 409];
        assert!(
            statuses[0] == 200 && refused.contains(&statuses[1])
                || statuses[1] == 200 && refused.contains(&statuses[0]),
            "round {round}: {statuses:?}"
        );
        let act = |path: &str, act: &str| cluster.run(&["keys", act, path]);
        if statuses[1] == 200 {
            act(&first, "enable");
            eventually("the other node knows", || {
                one.client(&cluster.operator_key)
                    .send("GET", KEYS, "ga", None)
                    .unwrap()
                    .status
                    == 200
            });
        }
        act(&text(&second["id"]), "disable");
    }
}

#[test]
fn a_gateways_policy_that_one_node_changes_holds_on_the_other_within_five_seconds() {
    let cluster = Cluster::new();
    let of = ["--name", "gw", "--organization-id", &cluster.organization];
    let create = ["keys", "create", "--kind", "gateway"];
    let key = text(&cluster.run(&[&create[..], &of].concat())["secret"]);
    let (one, two) = (cluster.serve("one", &[]), cluster.serve("two", &[]));
    let mut gateways = [&one, &two].map(|node| node.gateway(&key));
    let status = |gateway: &mut Client| {
        let check = gateway.send("GET", "/gateway/v1/check", "ga", None);
        check.unwrap().status
    };
    assert_eq!(gateways.each_mut().map(status), [200, 200]);
    let path = format!(
        "/operator/v1/organizations/{}/gateway_policy",
        cluster.organization
    );
    let deny = json!({"missing": "deny"});
    cluster.operator(&one).ok("POST", &path, "ga", Some(&deny));
    let changed = Instant::now();
    let [first, second] = &mut gateways;
    assert_eq!(status(first), 400);
    eventually("the policy holds on the other node", || {
        status(second) == 400
    });
    assert!(
        changed.elapsed() < Duration::from_secs(5),
        "{:?}",
        changed.elapsed()
    );
}

#[test]
fn a_dead_nodes_sweeping_is_taken_over_within_ten_seconds() {
    const SWEEPS: &str = "this node sweeps and prunes from now on";
    let cluster = Cluster::new();
    let one = cluster.serve("one", &[]);
    one.wait_until_it_says(SWEEPS);
    let two = cluster.serve("two", &[]);
    let mut operator = cluster.operator(&two);
    let made = cluster
        .platform(&two)
        .ok("POST", PROFILES, "ga", Some(&json!({})));
    let now: Timestamp = text(&made["created_at"]).parse().unwrap();
    let expires_at = now + SignedDuration::from_secs(2);
    let path = format!(
        "/operator/v1/user_profiles/{}/enforcement_actions",
        text(&made["id"])
    );
    let action =
        json!({"type": "restriction", "reason": "high_harm", "expires_at": expires_at.to_string()});
    operator.ok("POST", &path, "ga", Some(&action));
    drop(one);
    let died = Instant::now();
    let expired = "/operator/v1/audit_events?action=enforcement_action.expired";
    let mut events = Value::Null;
    eventually("the expiry is recorded", || {
        events = operator.ok("GET", expired, "ga", None)["data"].clone();
        events.as_array().is_some_and(|events| !events.is_empty())
    });
    let took = died.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(events.as_array().unwrap().len(), 1, "recorded once");
    assert_eq!(events[0]["actor"]["id"], "sweeper");
    two.wait_until_it_says(SWEEPS);
    let fence = "SELECT fence FROM rollcall_leases WHERE name = 'background'";
    assert_eq!(scratch::wait(scratch::ask(&cluster.url, fence)), "2");
}

#[test]
fn a_node_that_ends_in_peace_leaves_its_sweeping_at_once() {
    let cluster = Cluster::new();
    let one = cluster.serve("one", &[]);
    one.wait_until_it_says("this node sweeps");
    one.end();
    let owner = "SELECT owner FROM rollcall_leases WHERE name = 'background'";
    assert_eq!(scratch::wait(scratch::ask(&cluster.url, owner)), "");
}

/// A receiver that leaves its first caller without an answer, and answers the others; tells each
/// delivery's id.
fn receiver() -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut unanswered = None;
        for stream in listener.incoming().map_while(Result::ok) {
            let Some(id) = delivery_id(&stream) else {
                continue;
            };
            if unanswered.is_none() {
                unanswered = Some(stream);
            } else {
                let ok = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                let _ = (&stream).write_all(ok);
            }
            if tell.send(id).is_err() {
                return;
            }
        }
    });
    (url, told)
}

fn delivery_id(stream: &TcpStream) -> Option<String> {
    let mut reader = BufReader::new(stream);
    let (mut id, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("webhook-id:") {
            id = Some(value.trim().to_owned());
        } else if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    reader.read_exact(&mut vec![0; length]).ok()?;
    id
}

#[test]
fn a_dead_nodes_delivery_is_taken_over_when_its_lease_ends() {
    let cluster = Cluster::new();
    // Development servers, whose clocks can be moved past the lease.
    let keys = [
        "--organization-id",
        &cluster.organization,
        "--operator-key",
        "operator-of-both",
        "--api-key",
        "platform-of-both",
    ];
    let dev =
        |name: &str, more: &[&str]| cluster.start(name, &[&["dev"][..], &keys, more].concat());
    let (url, told) = receiver();
    let events = ["user_profile.enforcement_action_opened"];
    let hooks = json!({"type": "webhook_endpoint", "url": url, "enabled_events": events});
    let seed = cluster.write("seed.ndjson", &hooks.to_string());
    let one = dev("one", &["--seed", &seed]);
    let made = Client::new(one.program.address, "platform-of-both").ok(
        "POST",
        PROFILES,
        "ga",
        Some(&json!({})),
    );
    let path = format!(
        "/operator/v1/user_profiles/{}/enforcement_actions",
        text(&made["id"])
    );
    let ban = json!({"type": "ban", "reason": "high_harm"});
    let mut operator = Client::new(one.program.address, "operator-of-both");
    operator.ok("POST", &path, "ga", Some(&ban));
    let patience = Duration::from_secs(20);
    let first = told.recv_timeout(patience).unwrap();
    drop(one);

    let two = dev("two", &[]);
    let mut operator = Client::new(two.program.address, "operator-of-both");
    let advance = json!({"advance": "2m"});
    operator.ok("POST", "/operator/v1/dev/clock", "ga", Some(&advance));
    assert_eq!(told.recv_timeout(patience).unwrap(), first);
    eventually("it is delivered", || {
        let deliveries = operator.ok("GET", "/operator/v1/webhook_deliveries", "ga", None);
        assert_eq!(deliveries["data"].as_array().unwrap().len(), 1);
        deliveries["data"][0]["status"] == "delivered"
    });
}

/// Development servers on one database with one endpoint, and profiles to decide about.
struct Deliverers {
    cluster: Cluster,
    seed: String,
}

impl Deliverers {
    /// Whose endpoint is at `url`.
    fn telling(url: &str) -> Self {
        let cluster = Cluster::new();
        let events = ["user_profile.enforcement_action_opened"];
        let hooks = json!({"type": "webhook_endpoint", "url": url, "enabled_events": events});
        let seed = cluster.write("seed.ndjson", &hooks.to_string());
        Self { cluster, seed }
    }

    fn start(&self, name: &str, seeded: bool) -> Node {
        let mut arguments = vec![
            "dev",
            "--organization-id",
            &self.cluster.organization,
            "--operator-key",
            "operator-of-both",
            "--api-key",
            "platform-of-both",
        ];
        if seeded {
            arguments.extend(["--seed", &self.seed]);
        }
        self.cluster.start(name, &arguments)
    }

    /// Makes an event on this node.
    fn emit(node: &Node) {
        let mut platform = Client::new(node.program.address, "platform-of-both");
        let made = platform.ok("POST", PROFILES, "ga", Some(&json!({})));
        let path = format!(
            "/operator/v1/user_profiles/{}/enforcement_actions",
            text(&made["id"])
        );
        let ban = json!({"type": "ban", "reason": "high_harm"});
        let mut operator = Client::new(node.program.address, "operator-of-both");
        operator.ok("POST", &path, "ga", Some(&ban));
    }
}

/// A receiver that answers its first `late` callers after this long, and the others at once; tells each
/// delivery's id.
fn slow_receiver(late: usize, after: Duration) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut callers = 0;
        for stream in listener.incoming().map_while(Result::ok) {
            let Some(id) = delivery_id(&stream) else {
                continue;
            };
            callers += 1;
            let wait = if callers > late {
                Duration::ZERO
            } else {
                after
            };
            std::thread::spawn(move || {
                std::thread::sleep(wait);
                let ok = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                let _ = (&stream).write_all(ok);
            });
            if tell.send(id).is_err() {
                return;
            }
        }
    });
    (url, told)
}

#[test]
fn a_dead_nodes_places_at_an_endpoint_are_free_within_ten_seconds() {
    const PLACES: usize = 10;
    let (url, told) = slow_receiver(PLACES, Duration::from_mins(2));
    let nodes = Deliverers::telling(&url);
    let one = nodes.start("one", true);
    for _ in 0..PLACES {
        Deliverers::emit(&one);
    }
    let patience = Duration::from_mins(1);
    let begun: Vec<_> = (0..PLACES)
        .map(|_| told.recv_timeout(patience).unwrap())
        .collect();
    let two = nodes.start("two", false);
    drop(one);
    let died = Instant::now();
    Deliverers::emit(&two);
    while begun.contains(&told.recv_timeout(patience).unwrap()) {}
    let took = died.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn an_attempt_that_outlasts_its_lease_is_made_once() {
    let (url, told) = slow_receiver(1, Duration::from_secs(9));
    let nodes = Deliverers::telling(&url);
    let (one, two) = (nodes.start("one", true), nodes.start("two", false));
    Deliverers::emit(&one);
    told.recv_timeout(Duration::from_secs(20)).unwrap();
    let mut operator = Client::new(two.program.address, "operator-of-both");
    eventually("it is delivered", || {
        let deliveries = operator.ok("GET", "/operator/v1/webhook_deliveries", "ga", None);
        deliveries["data"][0]["status"] == "delivered"
    });
    let deliveries = operator.ok("GET", "/operator/v1/webhook_deliveries", "ga", None);
    let attempts = deliveries["data"][0]["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 1, "{attempts:?}");
    assert!(told.try_recv().is_err(), "it is attempted twice");
}
