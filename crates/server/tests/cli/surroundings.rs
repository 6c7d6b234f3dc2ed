//! What lies around a command: variables, files, proxies, authorities, terminals.

use std::process::Command;

use crate::rollcall::{Place, assert_ended, text};

/// Every variable that the reference of settings names.
fn variables() -> Vec<String> {
    let reference = rollcall::config::reference_markdown();
    let (_, entries) = reference.split_once("\n### ").unwrap();
    let found = entries.split('`').filter(|it| it.starts_with("ROLLCALL_"));
    found.map(str::to_owned).collect()
}

#[test]
fn a_variable_that_is_no_setting_is_told_and_those_of_kubernetes_are_not() {
    let place = Place::embedded()
        .with("ROLLCALL_DB_URL", "postgres://127.0.0.1:1/x")
        .with("ROLLCALL_IMAGE", "rollcall:1")
        .with("ROLLCALL_PORT", "tcp://10.0.0.1:8787")
        .with("ROLLCALL_PORT_8787_TCP_ADDR", "10.0.0.1")
        .with("ROLLCALL_SERVICE_HOST", "10.0.0.1")
        .with("ROLLCALL_ADMIN_SERVICE_PORT_HTTP", "8788");
    assert_ended!(place.run(&["check", "--data-dir", "none"]), @r#"
    $ rollcall check --data-dir none
    status: 2
    stderr:
    rollcall: ROLLCALL_DB_URL: no such setting, it changes nothing; docs/reference/settings.md lists all
    rollcall: ROLLCALL_IMAGE: no such setting, it changes nothing; docs/reference/settings.md lists all
    rollcall: there is no storage in none; name its directory with --data-dir, or make one with "rollcall orgs create" or "rollcall dev"
    "#);
    let logged = place.serve(&[]).stop();
    for name in ["ROLLCALL_DB_URL", "ROLLCALL_IMAGE"] {
        assert!(
            logged.contains(&format!("{name}: no such setting")),
            "{logged}"
        );
    }
    assert_eq!(logged.matches("no such setting").count(), 2, "{logged}");
    let misspelt = Place::embedded().with("ROLLCALL_listen", "127.0.0.1:1");
    assert_ended!(misspelt.run(&["serve"]), @r#"
    $ rollcall serve
    status: 2
    stderr:
    rollcall: environment: ROLLCALL_listen: no such setting; did you mean ROLLCALL_LISTEN?
    "#);
}

#[test]
fn every_variable_that_is_empty_counts_as_unset() {
    let variables = variables();
    assert!(variables.len() > 50, "{variables:?}");
    let place = variables
        .iter()
        .fold(Place::embedded(), |place, name| place.with(name, ""));
    let ended = place.run(&["serve", "--print-config"]);
    assert_eq!(ended.status, 0, "{}", ended.shown());
    assert!(!ended.stdout.contains("ROLLCALL_"), "{}", ended.shown());
    let dev = place.dev(&["--in-memory"]);
    let list = [&["profiles", "list"], &dev.platform()[..]].concat();
    let ended = place.run(&list);
    assert_eq!(ended.status, 0, "{}", ended.shown());
    let list = [&["orgs", "list"], &dev.operator()[..]].concat();
    let ended = place.run(&list);
    assert_eq!(ended.status, 0, "{}", ended.shown());
}

#[test]
fn every_secret_can_be_in_a_file_that_a_variable_names() {
    let place = Place::embedded();
    let key = "c2l4dGVlbiBieXRlcyBhcmUgbm90IDMyIGJ5dGVzISE=\n";
    let files = [
        (
            "ROLLCALL_DATABASE_URL_FILE",
            "postgres://127.0.0.1:1/x\n",
            "database_url",
        ),
        (
            "ROLLCALL_DATABASE_READ_URL_FILE",
            "postgres://127.0.0.1:1/y\n",
            "database_read_url",
        ),
        ("ROLLCALL_SECRET_KEY_FILE", key, "secret_key_file"),
        (
            "ROLLCALL_PREVIOUS_SECRET_KEYS_FILE",
            key,
            "previous_secret_keys",
        ),
        ("ROLLCALL_DEV_API_KEY_FILE", "ap\n", "dev.api_key"),
        ("ROLLCALL_DEV_ADMIN_KEY_FILE", "ad\n", "dev.admin_key"),
        ("ROLLCALL_DEV_OPERATOR_KEY_FILE", "op\n", "dev.operator_key"),
    ];
    let place = files.iter().fold(place, |place, (variable, content, key)| {
        let path = place.write(key, content);
        let path = text(&path).to_owned();
        place.with(variable, &path)
    });
    let shown = place.run(&["serve", "--print-config"]);
    for (variable, _, key) in files {
        let mut lines = shown.stdout.lines().map(str::trim);
        let line = lines.find(|line| line.starts_with(&format!("{key} ")));
        assert!(line.unwrap().ends_with(variable), "{}", shown.shown());
    }
    let ended = place.run(&["migrate"]);
    assert!(ended.stderr.contains("127.0.0.1:1"), "{}", ended.shown());
    assert!(!place.path("rollcall-data").exists());

    let place = Place::embedded();
    let dev = place.dev(&[]);
    let api = place.write("api", format!("{}\n", dev.get("api_key")));
    let operator = place.write("operator", dev.get("operator_key"));
    let base_url = dev.get("base_url").to_owned();
    let place = place
        .with("ROLLCALL_API_KEY_FILE", text(&api))
        .with("ROLLCALL_OPERATOR_KEY_FILE", text(&operator));
    for command in [
        ["profiles", "list", "--base-url", &base_url],
        ["orgs", "list", "--url", &base_url],
    ] {
        let ended = place.run(&command);
        assert_eq!(ended.status, 0, "{}", ended.shown());
    }

    let place = place
        .with("ROLLCALL_API_KEY", "x")
        .with("ROLLCALL_DATABASE_URL_FILE", "nowhere");
    assert_ended!(place.run(&["profiles", "list"]), @r#"
    $ rollcall profiles list
    status: 2
    stderr:
    rollcall: ROLLCALL_API_KEY_FILE: ROLLCALL_API_KEY is set too; unset one of them
    "#);
    assert_ended!(place.run(&["check"]), @r#"
    $ rollcall check
    status: 2
    stderr:
    rollcall: ROLLCALL_DATABASE_URL_FILE: database_url: cannot read nowhere: No such file or directory (os error 2)
    "#);
    let place = place.with("ROLLCALL_DATABASE_URL", "postgres://127.0.0.1:1/x");
    let both = place.with("ROLLCALL_DATABASE_URL_FILE", text(&api));
    assert_ended!(both.run(&["check"]), @r#"
    $ rollcall check
    status: 2
    stderr:
    rollcall: ROLLCALL_DATABASE_URL_FILE: database_url: ROLLCALL_DATABASE_URL is set too; unset one of them
    "#);
}

#[test]
fn a_secret_key_may_end_with_a_line_break() {
    let key = "c2l4dGVlbiBieXRlcyBhcmUgbm90IDMyIGJ5dGVzISE=\n";
    let place = Place::embedded().with("ROLLCALL_SECRET_KEY", key);
    let ended = place.run(&["serve", "--print-config"]);
    assert_eq!(ended.status, 0, "{}", ended.shown());
}

#[test]
fn a_table_on_a_terminal_without_a_width_has_one_line_a_row() {
    let place = Place::embedded();
    let dev = place.dev(&["--in-memory"]);
    let command = place.command(&[&["orgs", "list"], &dev.operator()[..]].concat());
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words
        .map(|it| format!("'{}'", it.to_str().unwrap()))
        .collect();
    let shown = Command::new("script")
        .args(["-qec", &words.join(" "), "/dev/null"])
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    let rows: Vec<&str> = shown
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    assert_eq!(rows.len(), 2, "{shown}");
    assert!(rows[1].contains(dev.get("organization_id")), "{shown}");
}
