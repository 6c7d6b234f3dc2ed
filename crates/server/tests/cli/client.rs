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

#[test]
fn keys_and_buckets_are_given_reported_on_and_shown() {
    let place = Place::new();
    let dev = place.dev(&["--in-memory", "--clock", "2026-03-15T10:00:00Z"]);
    let create = [&["profiles", "create"], &dev.platform()[..]].concat();
    let created = place.json(&create);
    let id = created["id"].as_str().unwrap();
    let run = |words: &[&str], keys: &[&str]| {
        let words = [&["data-controls"], words].concat();
        let ended = place.run(&[&words, keys].concat());
        let words = words.join(" ").replace(id, "ID");
        let told = format!("{}{}", ended.stdout, ended.stderr).replace(id, "ID");
        let label = told.find("bucket_label_value").map(|at| at + 21);
        let told = label.map_or(told.clone(), |at| {
            format!("{}[label]{}", &told[..at], &told[at + 32..])
        });
        let told = told.split(" (request ").next().unwrap_or_default();
        format!("$ rollcall {words}\n{}", told.trim_end())
    };
    let (platform, operator) = (dev.platform(), dev.operator());
    let all = [
        run(
            &[
                "update",
                id,
                "--key",
                "us=ekey_1",
                "--bucket",
                "eu=their-bucket@42",
            ],
            &platform,
        ),
        run(&["set", id, "cmek", "us", "--status", "active"], &operator),
        run(
            &[
                "set",
                id,
                "storage",
                "eu",
                "--status",
                "failed",
                "--failed-check",
                "grant_mismatch/ingest=Grant-it",
            ],
            &operator,
        ),
        run(
            &[
                "update",
                id,
                "--key",
                "us=none",
                "--key",
                "sg=ekey_2",
                "--no-buckets",
            ],
            &platform,
        ),
        run(&["get", id], &platform),
        run(&["update", id], &platform),
        run(&["update", id, "--bucket", "eu=their-bucket"], &platform),
        run(&["update", id, "--key", "mars=ekey_1"], &platform),
        run(
            &["set", id, "storage", "eu", "--status", "active"],
            &operator,
        ),
    ];
    insta::assert_snapshot!(all.join("\n"), @r#"
    $ rollcall data-controls update ID --key us=ekey_1 --bucket eu=their-bucket@42
    {"bucket_label_value":"[label]","cmek":{"external_key_ids":{"us":"ekey_1"},"retired_keys":[],"status":{"us":{"effective_external_key_id":null,"error":null,"type":"pending"},"eu":{"effective_external_key_id":null,"type":"not_configured"},"sg":{"effective_external_key_id":null,"type":"not_configured"},"global":{"effective_external_key_id":null,"type":"not_configured"}},"type":"enabled"},"storage":{"buckets":{"eu":{"bucket_name":"their-bucket","kms_key_name":null,"location":null,"project_id":null,"project_number":"42"}},"retired_buckets":[],"status":{"us":{"effective_bucket":null,"type":"not_configured"},"eu":{"effective_bucket":null,"failed_checks":[],"type":"pending"},"sg":{"effective_bucket":null,"type":"not_configured"},"global":{"effective_bucket":null,"type":"not_configured"}},"type":"enabled"},"type":"google_managed_data_controls","updated_at":"2026-03-15T10:00:00.000001Z","user_profile_id":"ID"}
    $ rollcall data-controls set ID cmek us --status active
    {"bucket_label_value":"[label]","cmek":{"external_key_ids":{"us":"ekey_1"},"retired_keys":[],"status":{"us":{"effective_external_key_id":"ekey_1","error":null,"last_checked_at":"2026-03-15T10:00:00Z","type":"active","validated_at":"2026-03-15T10:00:00Z"},"eu":{"effective_external_key_id":null,"type":"not_configured"},"sg":{"effective_external_key_id":null,"type":"not_configured"},"global":{"effective_external_key_id":null,"type":"not_configured"}},"type":"enabled"},"storage":{"buckets":{"eu":{"bucket_name":"their-bucket","kms_key_name":null,"location":null,"project_id":null,"project_number":"42"}},"retired_buckets":[],"status":{"us":{"effective_bucket":null,"type":"not_configured"},"eu":{"effective_bucket":null,"failed_checks":[],"type":"pending"},"sg":{"effective_bucket":null,"type":"not_configured"},"global":{"effective_bucket":null,"type":"not_configured"}},"type":"enabled"},"type":"google_managed_data_controls","updated_at":"2026-03-15T10:00:00.000002Z","user_profile_id":"ID"}
    $ rollcall data-controls set ID storage eu --status failed --failed-check grant_mismatch/ingest=Grant-it
    {"bucket_label_value":"[label]","cmek":{"external_key_ids":{"us":"ekey_1"},"retired_keys":[],"status":{"us":{"effective_external_key_id":"ekey_1","error":null,"last_checked_at":"2026-03-15T10:00:00Z","type":"active","validated_at":"2026-03-15T10:00:00Z"},"eu":{"effective_external_key_id":null,"type":"not_configured"},"sg":{"effective_external_key_id":null,"type":"not_configured"},"global":{"effective_external_key_id":null,"type":"not_configured"}},"type":"enabled"},"storage":{"buckets":{"eu":{"bucket_name":"their-bucket","kms_key_name":null,"location":null,"project_id":null,"project_number":"42"}},"retired_buckets":[],"status":{"us":{"effective_bucket":null,"type":"not_configured"},"eu":{"effective_bucket":null,"failed_checks":[{"check":"grant_mismatch","message":"Grant-it","role":"ingest"}],"type":"failed"},"sg":{"effective_bucket":null,"type":"not_configured"},"global":{"effective_bucket":null,"type":"not_configured"}},"type":"enabled"},"type":"google_managed_data_controls","updated_at":"2026-03-15T10:00:00.000003Z","user_profile_id":"ID"}
    $ rollcall data-controls update ID --key us=none --key sg=ekey_2 --no-buckets
    {"bucket_label_value":"[label]","cmek":{"external_key_ids":{"sg":"ekey_2"},"retired_keys":[{"expires_at":"2026-04-14T10:00:00Z","external_key_id":"ekey_1","region":"us"}],"status":{"us":{"effective_external_key_id":null,"type":"not_configured"},"eu":{"effective_external_key_id":null,"type":"not_configured"},"sg":{"effective_external_key_id":null,"error":null,"type":"pending"},"global":{"effective_external_key_id":null,"type":"not_configured"}},"type":"enabled"},"storage":{"retired_buckets":[{"bucket_name":"their-bucket","expires_at":"2026-04-14T10:00:00Z","project_number":"42","region":"eu"}],"type":"disabled"},"type":"google_managed_data_controls","updated_at":"2026-03-15T10:00:00.000004Z","user_profile_id":"ID"}
    $ rollcall data-controls get ID
    {"bucket_label_value":"[label]","cmek":{"external_key_ids":{"sg":"ekey_2"},"retired_keys":[{"expires_at":"2026-04-14T10:00:00Z","external_key_id":"ekey_1","region":"us"}],"status":{"us":{"effective_external_key_id":null,"type":"not_configured"},"eu":{"effective_external_key_id":null,"type":"not_configured"},"sg":{"effective_external_key_id":null,"error":null,"type":"pending"},"global":{"effective_external_key_id":null,"type":"not_configured"}},"type":"enabled"},"storage":{"retired_buckets":[{"bucket_name":"their-bucket","expires_at":"2026-04-14T10:00:00Z","project_number":"42","region":"eu"}],"type":"disabled"},"type":"google_managed_data_controls","updated_at":"2026-03-15T10:00:00.000004Z","user_profile_id":"ID"}
    $ rollcall data-controls update ID
    rollcall: nothing to change; give --key, --no-keys, --bucket or --no-buckets
    $ rollcall data-controls update ID --bucket eu=their-bucket
    rollcall: invalid value 'eu=their-bucket' for '--bucket <REGION=NAME@PROJECT|none>': write a bucket as NAME@PROJECT, with the number of its project; see rollcall data-controls update --help
    $ rollcall data-controls update ID --key mars=ekey_1
    rollcall: invalid value 'mars=ekey_1' for '--key <REGION=EKEY|none>': must be one of: us, eu, sg, global; see rollcall data-controls update --help
    $ rollcall data-controls set ID storage eu --status active
    rollcall: conflict_error (409): The region eu has no bucket to report on
    "#);
    dev.stop();
}
