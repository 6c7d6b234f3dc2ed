//! `rollcall serve`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use rollcall::cli::Failure;
use rollcall::cli::client::Call;
use rollcall::secrets::Secret;
use rollcall_domain::id::Ids;
use rollcall_domain::tenant::KeyKind;

use crate::rollcall::{Place, Process, assert_ended};

#[test]
fn one_line_says_where_it_listens_and_a_signal_drains_it() {
    for signal in ["TERM", "INT", "HUP"] {
        let place = Place::new();
        place.json(&["orgs", "create", "--name", "Acme"]);
        let mut command = place.command(&["serve", "--listen", "127.0.0.1:0"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let mut logged = String::new();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        stderr.read_line(&mut logged).unwrap();
        assert!(
            line.starts_with("rollcall listens on http://127.0.0.1:"),
            "{line}"
        );
        let advice = if place.is_embedded() {
            "yet; stop it and make a key with: rollcall keys create --data-dir 'rollcall-data' --kind operator"
        } else {
            "yet; make a key with: rollcall keys create --database-url URL --kind operator"
        };
        assert!(logged.contains(advice), "{logged}");
        assert_eq!(Process::new(child).end_by(signal), 0, "{signal}");
    }
}

#[test]
fn the_end_of_a_terminal_does_not_end_a_server_under_nohup() {
    let place = Place::new();
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    let mut nohup = place.command_after("trap '' HUP", &serve);
    nohup.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = nohup.spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut String::new()).unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let kill = format!("kill -HUP {}", child.id());
    assert!(
        Command::new("sh")
            .args(["-c", &kill])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(Process::new(child).end_by("TERM"), 0);
    let mut logged = String::new();
    stderr.read_to_string(&mut logged).unwrap();
    assert!(
        logged.contains("SIGTERM") && !logged.contains("SIGHUP"),
        "{logged}"
    );
}

#[test]
fn what_is_for_development_is_refused() {
    let place = Place::embedded();
    assert_ended!(place.run(&["serve", "--api-key", "literal"]), @r#"
    $ rollcall serve --api-key literal
    status: 2
    stderr:
    rollcall: literal keys are for rollcall dev; make one with: rollcall keys create
    "#);
    assert_ended!(place.run(&["serve", "--in-memory"]), @r#"
    $ rollcall serve --in-memory
    status: 2
    stderr:
    rollcall: in_memory: is for rollcall dev; leave it out under rollcall serve
    "#);
    assert_ended!(place.run(&["serve", "--auto-tenants"]), @r#"
    $ rollcall serve --auto-tenants
    status: 2
    stderr:
    rollcall: auto_tenants: is for rollcall dev; leave it out under rollcall serve
    "#);
}

fn list() -> Call {
    Call::get("/v1/user_profiles").header("anthropic-version", "2023-06-01")
}

fn webhooks() -> Call {
    Call::get("/v1/organizations/webhooks")
        .header("anthropic-version", "2023-06-01")
        .header("anthropic-beta", "webhooks-2026-10-07")
}

fn organizations() -> Call {
    Call::get("/operator/v1/organizations")
}

/// What is answered to a request with these headers and this body, as one text.
fn browsed(base_url: &str, what: &str, headers: &str, body: &str) -> String {
    let address = base_url.strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(address).unwrap();
    let length = body.len();
    let request = format!(
        "{what} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{headers}\r\n\
         content-length: {length}\r\n\r\n{body}"
    );
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

/// The cookie of a console session that was begun with this key.
fn signed_in(base_url: &str, key: &str) -> String {
    let headers = "sec-fetch-site: same-origin\r\ncontent-type: application/x-www-form-urlencoded";
    let answer = browsed(
        base_url,
        "POST /console/sign-in",
        headers,
        &format!("key={key}"),
    );
    let cookie = answer
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "));
    cookie.unwrap().split(';').next().unwrap().to_owned()
}

fn is_signed_in(base_url: &str, cookie: &str) -> bool {
    let answer = browsed(base_url, "GET /console", &format!("cookie: {cookie}"), "");
    answer.starts_with("HTTP/1.1 200 ")
}

#[test]
fn literal_keys_of_a_development_server_open_nothing_in_production() {
    let place = Place::new();
    // One of them has the form of a key that Rollcall made.
    let well_formed = Secret::key(KeyKind::Admin, &Ids::default());
    let well_formed = well_formed.expose();
    let literal = ["--api-key", "ap", "--operator-key", "op", "--auto-tenants"];
    let dev = place.dev(&literal);
    let generated = dev.get("admin_key").to_owned();
    let base_url = dev.get("base_url").to_owned();
    let cookie = signed_in(&base_url, "op");
    assert!(is_signed_in(&base_url, &cookie));
    dev.stop();
    // What is kept of an earlier start is as literal as it was.
    let dev = place.dev(&["--admin-key", well_formed, "--auto-tenants"]);
    let tenant = place.run(&[
        "profiles",
        "list",
        "--base-url",
        dev.get("base_url"),
        "--api-key",
        "test-1",
    ]);
    assert_eq!(tenant.status, 0, "{}", tenant.shown());
    let operator = dev.get("operator_key").to_owned();
    assert_eq!(operator, "op");
    dev.stop();

    let serving = place.serve(&[]);
    for (key, call) in [
        ("ap", list as fn() -> Call),
        ("test-1", list),
        (well_formed, webhooks),
        ("op", organizations),
    ] {
        let said = serving.call(key, call());
        let unknown = serving.call("never-seen", call());
        let (Err(Failure::UnknownKey(said)), Err(Failure::UnknownKey(unknown))) = (said, unknown)
        else {
            panic!("{key} is known");
        };
        let without_id = |text: &str| text.split(" (request").next().unwrap().to_owned();
        assert_eq!(without_id(&said), without_id(&unknown), "{key}");
    }
    assert!(!is_signed_in(&serving.base_url, &cookie));
    let logged = serving.stop();
    assert!(
        logged.contains("6 literal keys of rollcall dev"),
        "{logged}"
    );
    assert!(
        logged.contains("nobody can operate this server yet"),
        "{logged}"
    );

    // They are as good as ever where they are meant to be, and keys of Rollcall's own making stay.
    let dev = place.dev(&["--admin-key", &generated]);
    assert_eq!(dev.get("operator_key"), "op");
    dev.call(organizations());
    dev.stop();
}

#[test]
fn keys_that_a_development_server_made_work_in_production() {
    let place = Place::new();
    let dev = place.dev(&[]);
    let keys = ["api_key", "admin_key", "operator_key"].map(|name| dev.get(name).to_owned());
    dev.stop();
    let serving = place.serve(&[]);
    for (key, call) in keys.iter().zip([list(), webhooks(), organizations()]) {
        serving.call(key, call).unwrap();
    }
    let logged = serving.stop();
    assert!(!logged.contains("literal"), "{logged}");
}

#[test]
fn a_key_is_not_made_of_an_expiry_that_has_passed() {
    let place = Place::new();
    let organization = place.json(&["orgs", "create", "--name", "Acme"]);
    let organization = organization["id"].as_str().unwrap();
    let api = ["--kind", "api", "--organization-id", organization];
    for of in [&["--kind", "operator"][..], &api[..]] {
        let create = [
            &[
                "keys",
                "create",
                "--name",
                "K",
                "--expires-at",
                "2001-01-01T00:00:00Z",
            ],
            of,
        ];
        let ended = place.run(&create.concat());
        assert_eq!(ended.status, 1, "{}", ended.shown());
        let expected = "rollcall: invalid_request_error (400): expires_at: must be in the future\n";
        assert_eq!(ended.stderr, expected);
    }
}

#[test]
fn a_server_warns_of_enrollment_urls_that_nobody_else_can_open() {
    let place = Place::new();
    let warning = "set public_base_url to where end users reach this server";
    let logged = place.serve(&[]).stop();
    assert!(logged.contains(warning), "{logged}");
    let logged = place
        .serve(&["--public-base-url", "https://a.example"])
        .stop();
    assert!(!logged.contains(warning), "{logged}");
}

#[test]
fn a_connection_may_idle_as_long_as_the_setting_says() {
    let place = Place::new();
    let serving = place.serve(&["--idle-timeout", "200ms"]);
    let address = serving.base_url.strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(address).unwrap();
    connection
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    connection
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn wrong_settings_are_told_before_a_storage_is_looked_for() {
    let place = Place::embedded();
    // Nothing answers on that port.
    let database = "postgres://127.0.0.1:1/rollcall";
    for command in ["serve", "dev"] {
        let ended = place.run(&[
            command,
            "--listen",
            "127.0.0.1:0",
            "--database-url",
            database,
        ]);
        let expected = "rollcall: secret_key: must be set beside database_url, the same on every instance; \
                        make one with: openssl rand -base64 32\n";
        assert_eq!(ended.stderr, expected);
        assert_eq!(ended.status, 2);
    }
    let place = place.with("ROLLCALL_CORS_ORIGINS", "https://a\u{1}");
    let ended = place.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_ended!(ended, @r#"
    $ rollcall serve --listen 127.0.0.1:[port]
    status: 2
    stderr:
    rollcall: ROLLCALL_CORS_ORIGINS: cors_origins: number 1 is nothing that a browser sends as Origin; expected scheme, host in lower case and a port that is not the scheme's own, with nothing behind, such as "https://app.example.com"
    "#);
    assert!(!place.path("rollcall-data").exists());
}

#[test]
fn settings_are_shown_with_where_they_are_from() {
    let place = Place::embedded().with("ROLLCALL_LOG", "debug");
    place.write(
        "rollcall.toml",
        "request_timeout = \"5s\"\nsecret_key = \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"\n",
    );
    let ended = place.run(&["serve", "--print-config", "--listen", "127.0.0.1:9"]);
    assert_eq!(ended.status, 0, "{}", ended.shown());
    let line = |key: &str| {
        let lines = ended.stdout.lines();
        let mut found = lines.filter(|line| line.trim_start().starts_with(key));
        found
            .next()
            .unwrap()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(line("listen"), "listen 127.0.0.1:9 --listen");
    assert_eq!(line("log "), "log debug ROLLCALL_LOG");
    assert_eq!(line("request_timeout"), "request_timeout 5s rollcall.toml");
    assert_eq!(line("secret_key "), "secret_key (hidden) rollcall.toml");
    assert!(!ended.stdout.contains("AAAA"));
}

#[test]
fn a_server_whose_storage_takes_long_to_open_lives_and_is_not_ready() {
    // A database that accepts and never says a word.
    let database = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "postgres://rollcall@{}/rollcall",
        database.local_addr().unwrap()
    );
    let address = {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().to_string()
    };
    let place = Place::embedded().with(
        "ROLLCALL_SECRET_KEY",
        "c2l4dGVlbiBieXRlcyBhcmUgbm90IDMyIGJ5dGVzISE=",
    );
    let mut command = place.command(&["serve", "--listen", &address, "--database-url", &url]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let serve = Process::new(command.spawn().unwrap());
    let _asked = database.accept().unwrap();
    let health = ask(&address, "/healthz");
    assert!(health.starts_with("HTTP/1.1 200 "), "{health}");
    assert!(
        health.ends_with(r#"{"status":"starting","doing":"opening the storage","work":0}"#),
        "{health}"
    );
    assert!(health.contains("connection: close\r\n"), "{health}");
    for path in ["/readyz", "/v1/user_profiles"] {
        let ready = ask(&address, path);
        assert!(ready.starts_with("HTTP/1.1 503 "), "{ready}");
        assert!(ready.contains("x-should-retry: true\r\n"), "{ready}");
        assert!(ready.contains("request-id: req_"), "{ready}");
    }
    assert_eq!(serve.end_by("TERM"), 0);
}

/// The whole answer to a request.
fn ask(address: &str, path: &str) -> String {
    let mut connection = TcpStream::connect(address).unwrap();
    connection
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    write!(connection, "GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn whoever_looks_after_a_server_learns_whether_it_is_ready() {
    let place = Place::embedded();
    assert_ended!(place.run(&["health", "--url", "http://127.0.0.1:1"]), @r"
    $ rollcall health --url http://127.0.0.1:[port]
    status: 1
    stderr:
    rollcall: http://127.0.0.1:[port]/readyz does not answer: Connection refused (os error 111)
    ");
    let dev = place.dev(&[]);
    assert_ended!(place.run(&["health", "--url", dev.get("base_url")]), @r"
    $ rollcall health --url http://127.0.0.1:[port]
    status: 0
    stdout:
    ready
    ");
    dev.stop();
}
