//! `rollcall serve`.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::rollcall::{Place, Process, assert_ended};

#[test]
fn one_line_says_where_it_listens_and_a_signal_drains_it() {
    for signal in ["TERM", "INT"] {
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
    rollcall: ROLLCALL_CORS_ORIGINS: cors_origins: holds characters that no origin has
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
