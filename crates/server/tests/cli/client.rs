//! `rollcall profiles`: a client of the public API.

use rollcall::cli::client::Call;
use serde_json::json;

use crate::rollcall::{Place, assert_ended};

#[test]
fn what_the_file_says_holds_unless_a_flag_or_the_environment_does() {
    let place = Place::embedded();
    let dev = place.dev(&[]);
    let settings = format!(
        "[client]\nurl = \"{}\"\noperator_key = \"{}\"\napi_key = \"{}\"\ndialect = \"2026-03-24\"\noutput = \"ndjson\"\n",
        dev.get("base_url"),
        dev.get("operator_key"),
        dev.get("api_key"),
    );
    std::fs::write(place.path("rollcall.toml"), settings).unwrap();
    let created = place.json(&["profiles", "create", "--name", "Ana"]);
    assert!(created.get("trust_grants").is_some(), "{created}");
    let flag = [
        "profiles",
        "create",
        "--name",
        "Ben",
        "--dialect",
        "ga",
        "--output",
        "table",
    ];
    let table = place.run(&flag);
    assert!(table.stdout.contains("programs"), "{}", table.shown());
    let found = place.run(&["search", "--name-prefix", "Ana"]);
    assert_eq!(found.stdout.lines().count(), 1, "{}", found.shown());
    let help = place.run(&["search", "--help"]);
    assert!(!help.stdout.contains(dev.get("operator_key")));
    // Whoever names a directory means it.
    let elsewhere = place.run(&["orgs", "list", "--data-dir", "elsewhere"]);
    assert!(
        !elsewhere.shown().contains("Development"),
        "{}",
        elsewhere.shown()
    );
    dev.stop();
    let place = place.with("ROLLCALL_OUTPUT", "json");
    let away = place.run(&["orgs", "list"]);
    assert_eq!(away.status, 2, "{}", away.shown());
    std::fs::write(
        place.path("rollcall.toml"),
        "[client]\ndialect = \"2020-01-01\"",
    )
    .unwrap();
    let wrong = place.run(&["profiles", "list"]);
    assert!(wrong.stderr.contains("2020-01-01"), "{}", wrong.shown());
    assert_eq!(wrong.status, 2);
    std::fs::write(place.path("rollcall.toml"), "[client]\nkey = \"x\"").unwrap();
    let unknown = place.run(&["profiles", "list", "--api-key", "x"]);
    assert!(
        unknown.stderr.contains("client.key: no such setting"),
        "{}",
        unknown.shown()
    );
}

#[test]
fn profiles_are_created_read_changed_and_deleted() {
    let place = Place::new();
    let dev = place.dev(&["--in-memory"]);
    let run =
        |arguments: &[&str]| place.run(&[&["profiles"], arguments, &dev.platform()[..]].concat());
    let create = run(&[
        "create",
        "--name",
        "Ana",
        "--reference-id",
        "user_1",
        "--metadata",
        "plan=team",
        "--country",
        "PT",
        "--access-type",
        "passthrough",
    ]);
    let profile: serde_json::Value = serde_json::from_str(&create.stdout).unwrap();
    let id = profile["id"].as_str().unwrap();
    let shown = |arguments: &[&str]| {
        let ended = run(arguments);
        assert_eq!(ended.status, 0, "{}", ended.shown());
        // The address and the key of this run are not what is compared.
        format!(
            "$ rollcall profiles {}\n{}",
            arguments.join(" "),
            ended.stdout
        )
    };
    let all = [
        shown(&["get", id]),
        shown(&["get", id, "--as", "2026-03-24"]),
        shown(&["get", id, "--diff", "2026-08-18", "ga"]),
        shown(&[
            "get",
            id,
            "--diff",
            "2026-03-24",
            "2026-08-18",
            "--output",
            "table",
        ]),
        shown(&[
            "update",
            id,
            "--metadata",
            "plan=",
            "--metadata",
            "seats=4",
            "--output",
            "table",
        ]),
        shown(&[
            "update",
            id,
            "--dialect",
            "2026-08-18",
            "--reference-id",
            "user_2",
        ]),
        shown(&["list", "--output", "table"]),
        shown(&["list", "--output", "table", "--dialect", "2026-03-24"]),
        shown(&["list", "--enforcement-status", "banned"]),
        shown(&[
            "list",
            "--enforcement-status",
            "banned",
            "--output",
            "table",
        ]),
        shown(&["delete", id]),
    ];
    insta::with_settings!({ filters => crate::rollcall::FILTERS.to_vec() }, {
        insta::assert_snapshot!("profiles", all.concat());
    });
    let gone = run(&["get", id]);
    assert_eq!(gone.status, 1);
    assert!(
        gone.stderr.starts_with("rollcall: not_found_error (404): "),
        "{}",
        gone.stderr
    );
    dev.stop();
}

#[test]
fn urls_are_made_in_the_words_of_the_dialect() {
    let place = Place::new();
    let dev = place.dev(&["--in-memory"]);
    let create = [&["profiles", "create"], &dev.platform()[..]].concat();
    let id = place.json(&create)["id"].as_str().unwrap().to_owned();
    for (dialect, expected) in [
        ("ga", "user_profile_action_url"),
        ("2026-03-24", "enrollment_url"),
    ] {
        let enroll = ["profiles", "enroll", &id, "--dialect", dialect];
        let url = place.json(&[&enroll[..], &dev.platform()].concat());
        assert_eq!(url["type"], expected);
        assert!(
            url["url"]
                .as_str()
                .unwrap()
                .starts_with(dev.get("base_url"))
        );
    }
    dev.stop();
}

#[test]
fn all_pages_are_walked() {
    let place = Place::new();
    let line = |number| {
        let name = format!("N{number:03}");
        json!({"type": "user_profile", "id": format!("uprof_{number}"), "name": name}).to_string()
    };
    let seed: Vec<_> = (0..250).map(line).collect();
    place.write("seed.ndjson", seed.join("\n"));
    let dev = place.dev(&["--in-memory", "--seed", "seed.ndjson"]);
    let run = |arguments: &[&str]| {
        let ended = place.run(&[&["profiles", "list"], arguments, &dev.platform()[..]].concat());
        assert_eq!(ended.status, 0, "{}", ended.shown());
        ended
    };
    let by_name = ["--order-by", "name", "--order", "asc"];
    let all = run(&[&["--all"], &by_name[..]].concat());
    let all: serde_json::Value = serde_json::from_str(&all.stdout).unwrap();
    assert_eq!(
        (all["data"].as_array().unwrap().len(), &all["next_page"]),
        (250, &json!(null))
    );
    assert_eq!(all["data"][249]["name"], "N249");
    let lines = run(&["--all", "--limit", "7", "--output", "ndjson"]);
    assert_eq!(
        (lines.stdout.lines().count(), lines.stderr.as_str()),
        (250, "")
    );
    let table = run(&["--all", "--output", "table"]);
    assert_eq!(table.stdout.lines().count(), 251);
    let first: serde_json::Value =
        serde_json::from_str(&run(&[&["--limit", "2"], &by_name[..]].concat()).stdout).unwrap();
    let page = first["next_page"].as_str().unwrap();
    let second = run(&[&["--limit", "2", "--page", page], &by_name[..]].concat());
    assert!(second.stdout.contains("N002") && second.stdout.contains("N003"));
    dev.stop();
}

#[test]
fn what_a_platform_stored_does_not_drive_the_terminal() {
    let place = Place::new();
    let dev = place.dev(&["--in-memory"]);
    let create = [
        &[
            "profiles",
            "create",
            "--data",
            r#"{"name":"\u001b[31mred"}"#,
        ],
        &dev.platform()[..],
    ];
    place.json(&create.concat());
    let list = [
        &["profiles", "list", "--output", "table"],
        &dev.platform()[..],
    ]
    .concat();
    let listed = place.run(&list).stdout;
    assert!(
        listed.contains("\\u{1b}[31mred") && !listed.contains('\u{1b}'),
        "{listed}"
    );
    dev.stop();
}

#[test]
fn failures_that_pass_are_waited_out_and_others_are_told() {
    let place = Place::new();
    let dev = place.dev(&["--in-memory"]);
    let fault = |times: u32| {
        let fault = json!({"method": "GET", "status": 529, "times": times});
        dev.call(Call::post("/operator/v1/dev/faults", &fault));
    };
    let list = [&["profiles", "list"], &dev.platform()[..]].concat();
    fault(2);
    assert_eq!(place.json(&list)["data"], json!([]));
    fault(3);
    let failed = place.run(&list);
    assert_eq!(failed.status, 1);
    assert!(
        failed
            .stderr
            .starts_with("rollcall: overloaded_error (529): "),
        "{}",
        failed.stderr
    );
    dev.stop();
}

#[test]
fn a_client_without_key_or_server_is_told_what_to_do() {
    let place = Place::new();
    assert_ended!(place.run(&["profiles", "list"]), @r#"
    $ rollcall profiles list
    status: 2
    stderr:
    rollcall: no key; set ROLLCALL_API_KEY or pass --api-key (rollcall dev prints one)
    "#);
    assert_ended!(place.run(&["profiles", "list", "--api-key", "k", "--base-url", "127.0.0.1"]), @r#"
    $ rollcall profiles list --api-key k --base-url 127.0.0.1
    status: 2
    stderr:
    rollcall: "127.0.0.1" is not a server's address; write it like http://127.0.0.1:[port]
    "#);
    let nobody = [
        "profiles",
        "list",
        "--api-key",
        "k",
        "--base-url",
        "http://127.0.0.1:1",
    ];
    assert_ended!(place.run(&nobody), @r#"
    $ rollcall profiles list --api-key k --base-url http://127.0.0.1:[port]
    status: 2
    stderr:
    rollcall: cannot reach http://127.0.0.1:[port] (Connection refused (os error 111)); is the server running, and is that its address?
    "#);
    assert_ended!(place.run(&["profiles", "create", "--api-key", "k", "--data", "["]), @r#"
    $ rollcall profiles create --api-key k --data [
    status: 2
    stderr:
    rollcall: --data is not a JSON object: invalid type: sequence, expected a map at line 1 column 0
    "#);
    assert_ended!(place.run(&["profiles", "update", "x", "--api-key", "k", "--metadata", "k"]), @r#"
    $ rollcall profiles update x --api-key k --metadata k
    status: 2
    stderr:
    rollcall: invalid value 'k' for '--metadata <KEY=VALUE>': write it as KEY=VALUE; see rollcall profiles update --help
    "#);
}
