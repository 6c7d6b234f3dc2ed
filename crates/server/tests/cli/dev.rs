//! `rollcall dev`.

use std::net::TcpListener;

use rollcall::cli::client::Call;
use serde_json::{Value, json};

use crate::rollcall::{Place, assert_ended, text};

#[test]
fn a_newcomer_is_shown_everything_to_paste() {
    let place = Place::embedded();
    let mut command = place.command(&[
        "dev",
        "--listen",
        "127.0.0.1:0",
        "--api-key",
        "it's",
        "--in-memory",
    ]);
    command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut welcome = String::new();
    while std::io::BufRead::read_line(&mut stdout, &mut welcome).unwrap() > 0 {
        if welcome.ends_with("Ctrl-C ends it.\n") {
            break;
        }
    }
    insta::with_settings!({ filters => crate::rollcall::FILTERS.to_vec() }, {
        insta::assert_snapshot!(welcome, @r#"
        Rollcall 0.1.0, for development only: its keys are shown here and it obeys development controls.

          Base URL      http://127.0.0.1:[port]
          Console       http://127.0.0.1:[port]/console
          Reference     http://127.0.0.1:[port]/docs
          End users     http://127.0.0.1:[port]/user-profiles/…
          Organization  [organization]
          Workspace     wrkspc_[id]
          API key       it's
          Admin key     sk-rollcall-adm01-[secret]
          Operator key  sk-rollcall-op01-[secret]
          Gateway key   sk-rollcall-gw01-[secret]
          Data          in memory, gone at the end

        Try it:

          curl http://127.0.0.1:[port]/v1/user_profiles -H 'anthropic-version: 2023-06-01' -H 'x-api-key: it'\''s'

        With the official Python SDK (pip install anthropic):

          from anthropic import Anthropic
          client = Anthropic(base_url="http://127.0.0.1:[port]", api_key="it's")
          client.user_profiles.create(name="Ana")
          print(client.user_profiles.list().data)

        Ctrl-C ends it.
        "#);
    });
    assert_eq!(crate::rollcall::Process::new(child).end_by("INT"), 0);
}

#[test]
fn keys_and_data_are_kept_from_one_start_to_the_next() {
    let place = Place::new();
    let first = place.dev(&[]);
    let keys = |dev: &crate::rollcall::Dev| {
        [
            "organization_id",
            "workspace_id",
            "api_key",
            "admin_key",
            "operator_key",
        ]
        .map(|name| dev.get(name).to_owned())
    };
    let kept = keys(&first);
    let create = [
        &["profiles", "create", "--name", "Ana"],
        &first.platform()[..],
    ]
    .concat();
    place.json(&create);
    // A key that was disabled works again: it is printed as one that does.
    let list = [
        "keys",
        "list",
        "--organization-id",
        first.get("organization_id"),
    ];
    let list = place.json(&[&list[..], &first.operator()].concat());
    let api = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["kind"] == "api")
        .unwrap();
    place.json(
        &[
            &["keys", "disable", api["id"].as_str().unwrap()],
            &first.operator()[..],
        ]
        .concat(),
    );
    first.stop();

    let second = place.dev(&[]);
    assert_eq!(keys(&second), kept);
    let list = place.json(&[&["profiles", "list"], &second.platform()[..]].concat());
    assert_eq!(list["data"][0]["name"], "Ana");
    second.stop();

    let mode = |name: &str| {
        let metadata = std::fs::metadata(place.path(name)).unwrap();
        std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777
    };
    assert_eq!(mode("rollcall-data"), 0o700);
    assert_eq!(mode("rollcall-data/dev.json"), 0o600);
    // A database is shared by instances, which are given their secret.
    if place.is_embedded() {
        assert_eq!(mode("rollcall-data/secret.key"), 0o600);
    }
}

#[test]
fn in_memory_leaves_nothing_behind() {
    let place = Place::embedded();
    place.dev(&["--in-memory"]).stop();
    assert!(!place.path("rollcall-data").exists());
}

#[test]
fn literal_values_are_taken_and_a_key_has_one_kind() {
    let place = Place::new();
    let dev = place.dev(&[
        "--api-key",
        "my-anthropic-api-key",
        "--organization-id",
        "org_test",
        "--workspace-id",
        "wrkspc_test",
    ]);
    let list = [&["profiles", "list"], &dev.platform()[..]].concat();
    assert_eq!(place.json(&list), json!({"data": [], "next_page": null}));
    dev.stop();
    let refused =
        |arguments: &[&str]| place.run(&[&["dev", "--listen", "127.0.0.1:0"], arguments].concat());
    assert_ended!(refused(&["--api-key", "a", "--operator-key", "a"]), @r#"
    $ rollcall dev --listen 127.0.0.1:[port] --api-key a --operator-key a
    status: 2
    stderr:
    rollcall: --api-key and --operator-key are the same; a key has one kind, so give two
    "#);
    assert_ended!(refused(&["--admin-key", "my-anthropic-api-key"]), @r#"
    $ rollcall dev --listen 127.0.0.1:[port] --admin-key my-anthropic-api-key
    status: 2
    stderr:
    rollcall: the --admin-key is already the key apikey_[id] of the kind api in this storage; give another one, or use another --data-dir
    "#);
    assert_ended!(refused(&["--admin-key", "two words"]), @r#"
    $ rollcall dev --listen 127.0.0.1:[port] --admin-key two words
    status: 2
    stderr:
    rollcall: --admin-key: must be visible characters without spaces, as a header holds them
    "#);
}

#[test]
fn fixed_values_come_from_the_file_and_the_environment_too() {
    let place = Place::embedded();
    let settings = r#"
        [dev]
        seed = "ana.ndjson"
        allow_remote = true
        stub_text = "Hm."
        gateway_key = "key-of-a-gateway"
        api_key = "key-of-the-file"
        admin_key = "key-of-the-file-too"
        operator_key = "operator-of-the-file"
        organization_id = "org_file"
        workspace_id = "wrkspc_file"
        clock = "2026-03-15T10:00:00Z"
        data_controls = "auto"
    "#;
    std::fs::write(place.path("rollcall.toml"), settings).unwrap();
    let seed = r#"{"type":"user_profile","id":"uprof_ana","name":"Ana"}"#;
    std::fs::write(place.path("ana.ndjson"), seed).unwrap();
    let place = place.with("ROLLCALL_DEV_ADMIN_KEY", "key-of-the-environment");
    let dev = place.dev(&["--api-key", "key-of-a-flag", "--admin-listen", "0.0.0.0:0"]);
    for (name, value) in [
        ("api_key", "key-of-a-flag"),
        ("admin_key", "key-of-the-environment"),
        ("operator_key", "operator-of-the-file"),
        ("organization_id", "org_file"),
        ("workspace_id", "wrkspc_file"),
    ] {
        assert_eq!(dev.get(name), value);
    }
    let list = place.json(&[&["profiles", "list"], &dev.platform()[..]].concat());
    assert_eq!(list["data"][0]["id"], "uprof_ana");
    assert_eq!(list["data"][0]["created_at"], "2026-03-15T10:00:00Z");
    dev.stop();
    let shown = place.run(&["dev", "--print-config", "--api-key", "key-of-a-flag"]);
    let lines: Vec<Vec<_>> = shown
        .stdout
        .lines()
        .filter(|line| line.trim_start().starts_with("dev."))
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        lines,
        [
            ["dev.seed", "ana.ndjson", "rollcall.toml"],
            ["dev.allow_remote", "true", "rollcall.toml"],
            ["dev.stub_text", "Hm.", "rollcall.toml"],
            ["dev.api_key", "(hidden)", "--api-key"],
            ["dev.admin_key", "(hidden)", "ROLLCALL_DEV_ADMIN_KEY"],
            ["dev.operator_key", "(hidden)", "rollcall.toml"],
            ["dev.gateway_key", "(hidden)", "rollcall.toml"],
            ["dev.organization_id", "org_file", "rollcall.toml"],
            ["dev.workspace_id", "wrkspc_file", "rollcall.toml"],
            ["dev.clock", "2026-03-15T10:00:00Z", "rollcall.toml"],
            ["dev.data_controls", "auto", "rollcall.toml"],
        ]
    );
    std::fs::write(place.path("wrong.toml"), "[dev]\nclock = \"noon\"").unwrap();
    assert_ended!(place.run(&["dev", "--config", "wrong.toml"]), @r#"
    $ rollcall dev --config wrong.toml
    status: 2
    stderr:
    rollcall: wrong.toml: dev.clock: must be an RFC 3339 date-time with an offset, such as [time]
    "#);
    assert_ended!(place.run(&["serve"]), @r#"
    $ rollcall serve
    status: 2
    stderr:
    rollcall: dev.seed: is for rollcall dev; leave it out under rollcall serve
    "#);
}

#[test]
fn the_operators_side_has_a_door_of_its_own_where_one_is_given() {
    let place = Place::new();
    let dev = place.dev(&["--in-memory", "--operator-listen", "127.0.0.1:0"]);
    let (public, operators) = (dev.get("base_url"), dev.get("operator_url"));
    assert_ne!(public, operators);
    assert_eq!(dev.get("console_url"), format!("{operators}/console"));
    let key = dev.get("operator_key");
    let list = |url: &str| place.run(&["orgs", "list", "--url", url, "--operator-key", key]);
    let listed = list(operators);
    assert_eq!(listed.status, 0, "{}", listed.shown());
    let unknown = list(public);
    assert_eq!(unknown.status, 1, "{}", unknown.shown());
    assert!(
        unknown.stderr.contains("not_found_error (404)"),
        "{}",
        unknown.shown()
    );
    place.json(&[&["profiles", "list"], &dev.platform()[..]].concat());
    dev.stop();
    let remote = place.run(&["dev", "--in-memory", "--operator-listen", "0.0.0.0:0"]);
    assert_eq!(remote.status, 2, "{}", remote.shown());
    assert!(
        remote.stderr.contains("0.0.0.0:0 can be reached"),
        "{}",
        remote.shown()
    );
}

#[test]
fn only_this_machine_is_listened_to_unless_allowed() {
    let place = Place::new();
    assert_ended!(place.run(&["dev", "--listen", "0.0.0.0:0"]), @r#"
    $ rollcall dev --listen 0.0.0.0:0
    status: 2
    stderr:
    rollcall: 0.0.0.0:0 can be reached by other machines, and this server shows its keys and obeys development controls; listen on 127.0.0.1, add --allow-remote, or use rollcall serve
    "#);
    assert_ended!(place.run(&["dev", "--listen", "127.0.0.1:0", "--admin-listen", "0.0.0.0:0"]), @r#"
    $ rollcall dev --listen 127.0.0.1:[port] --admin-listen 0.0.0.0:0
    status: 2
    stderr:
    rollcall: 0.0.0.0:0 can be reached by other machines, and this server shows its keys and obeys development controls; listen on 127.0.0.1, add --allow-remote, or use rollcall serve
    "#);
    let dev = place.dev(&[
        "--in-memory",
        "--allow-remote",
        "--admin-listen",
        "0.0.0.0:0",
    ]);
    assert!(dev.get("base_url").starts_with("http://127.0.0.1:"));
    dev.stop();
    let place = place.with("ROLLCALL_DEV_ALLOW_REMOTE", "true");
    let dev = place.dev(&["--in-memory", "--admin-listen", "0.0.0.0:0"]);
    dev.stop();
    let place = place.with("ROLLCALL_DEV_ALLOW_REMOTE", "false");
    let refused = place.run(&["dev", "--in-memory", "--listen", "0.0.0.0:0"]);
    assert_eq!(refused.status, 2, "{}", refused.shown());
}

#[test]
fn a_taken_port_changes_nothing() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    assert_ended!(place.run(&["dev", "--listen", &address]), @r#"
    $ rollcall dev --listen 127.0.0.1:[port]
    status: 2
    stderr:
    rollcall: cannot listen on 127.0.0.1:[port]: the port is taken; stop what uses it, or choose another address with --listen
    "#);
    assert!(!place.path("rollcall-data").exists());
}

#[test]
fn a_data_directory_has_one_process() {
    let place = Place::embedded();
    let dev = place.dev(&[]);
    assert_ended!(place.run(&["dev", "--listen", "127.0.0.1:0"]), @r#"
    $ rollcall dev --listen 127.0.0.1:[port]
    status: 2
    stderr:
    rollcall: the data directory rollcall-data is in use by another rollcall process; stop it or choose another --data-dir
    "#);
    assert_ended!(place.run(&["orgs", "list"]), @r#"
    $ rollcall orgs list
    status: 2
    stderr:
    rollcall: the data directory rollcall-data is in use by another rollcall process; stop it, choose another --data-dir, or reach the running server with --url
    "#);
    assert_ended!(place.run(&["check"]), @r#"
    $ rollcall check
    status: 2
    stderr:
    rollcall: the data directory rollcall-data is in use by another rollcall process; stop it, or make a "rollcall backup" beside it and check that
    "#);
    assert_ended!(place.run(&["keys", "create", "--kind", "operator", "--name", "me"]), @r#"
    $ rollcall keys create --kind operator --name me
    status: 2
    stderr:
    rollcall: the data directory rollcall-data is in use by another rollcall process; stop it, choose another --data-dir, or reach the running server with --url
    "#);
    dev.stop();
    place.json(&["orgs", "list"]);
}

#[test]
fn an_export_of_an_organization_is_a_seed_for_it() {
    let place = Place::new();
    let dev = place.dev(&["--organization-id", "org-kept"]);
    let create = [
        "profiles",
        "create",
        "--name",
        "Kept",
        "--reference-id",
        "r1",
    ];
    place.json(&[&create[..], &dev.platform()[..]].concat());
    dev.stop();
    let export = ["export", "kept.ndjson", "--organization-id", "org-kept"];
    assert_eq!(place.run(&export).status, 0);
    let kept = place.read("kept.ndjson");
    let seeded = [
        "--data-dir",
        "other",
        "--seed",
        "kept.ndjson",
        "--organization-id",
        "org-kept",
    ];
    place.dev(&seeded).stop();
    let again = ["export", "again.ndjson", "--data-dir", "other"];
    assert_eq!(place.run(&again).status, 0);
    assert!(!kept.is_empty());
    assert_eq!(place.read("again.ndjson"), kept);
}

#[test]
fn the_client_of_the_public_api_knows_a_server_by_either_name() {
    let place = Place::new();
    let dev = place.dev(&["--in-memory"]);
    let key = ["profiles", "list", "--api-key", dev.get("api_key")];
    place.json(&[&key[..], &["--url", dev.get("base_url")]].concat());
    let told = Place::new().with("ROLLCALL_URL", dev.get("base_url"));
    told.json(&key);
    let elsewhere = told.run(&[&key[..], &["--base-url", "http://127.0.0.1:1"]].concat());
    assert_eq!(elsewhere.status, 2, "{}", elsewhere.shown());
    dev.stop();
}

#[test]
fn a_data_directory_that_cannot_be_used_is_named() {
    let place = Place::embedded();
    place.write("file", "");
    assert_ended!(place.run(&["dev", "--listen", "127.0.0.1:0", "--data-dir", "file/data"]), @r#"
    $ rollcall dev --listen 127.0.0.1:[port] --data-dir file/data
    status: 2
    stderr:
    rollcall: cannot create the data directory file/data: Not a directory (os error 20); choose another with --data-dir, where this user may write
    "#);
    assert_ended!(place.run(&["dev", "--listen", "127.0.0.1:0", "--data-dir", "file"]), @r#"
    $ rollcall dev --listen 127.0.0.1:[port] --data-dir file
    status: 2
    stderr:
    rollcall: file is a file; give a directory with --data-dir
    "#);
    std::fs::create_dir(place.path("foreign")).unwrap();
    place.write(
        "foreign/rollcall.db",
        "this is no database, however long it is ".repeat(400),
    );
    assert_ended!(place.run(&["dev", "--listen", "127.0.0.1:0", "--data-dir", "foreign"]), @r#"
    $ rollcall dev --listen 127.0.0.1:[port] --data-dir foreign
    status: 2
    stderr:
    rollcall: cannot open foreign/rollcall.db: file is not a database; restore a backup, or choose another data directory
    "#);
    std::fs::create_dir(place.path("damaged")).unwrap();
    place.write("damaged/dev.json", "{");
    assert_ended!(place.run(&["dev", "--listen", "127.0.0.1:0", "--data-dir", "damaged"]), @r#"
    $ rollcall dev --listen 127.0.0.1:[port] --data-dir damaged
    status: 2
    stderr:
    {"timestamp":"[time]","level":"WARN","message":"others on this machine can look into the data directory damaged; close it with: chmod 700 damaged","target":"rollcall_store::sqlite"}
    rollcall: damaged/dev.json is damaged; remove it, and rollcall dev makes new keys
    "#);
}

#[test]
fn a_seed_is_there_from_the_start_and_after_a_reset() {
    let place = Place::new();
    let seed = "{\"type\":\"user_profile\",\"id\":\"uprof_seed\",\"name\":\"Seed\"}\n\n";
    place.write("seed.ndjson", seed);
    let dev = place.dev(&["--in-memory", "--seed", "seed.ndjson"]);
    let names = || -> Vec<Value> {
        let list = [&["profiles", "list"], &dev.platform()[..]].concat();
        let rows = place.json(&list)["data"].as_array().unwrap().clone();
        rows.into_iter().map(|row| row["name"].clone()).collect()
    };
    assert_eq!(names(), ["Seed"]);
    place.json(&[&["profiles", "delete", "uprof_seed"], &dev.platform()[..]].concat());
    place.json(
        &[
            &["profiles", "create", "--name", "Other"],
            &dev.platform()[..],
        ]
        .concat(),
    );
    assert_eq!(names(), ["Other"]);
    dev.call(Call::post("/operator/v1/dev/reset", &json!({})));
    assert_eq!(names(), ["Seed"]);
    dev.stop();
}

#[test]
fn the_clock_stands_where_it_is_told_to_also_after_a_reset() {
    let place = Place::new();
    let dev = place.dev(&["--in-memory", "--clock", "2026-03-15T10:00:00Z"]);
    let create = [&["profiles", "create"], &dev.platform()[..]].concat();
    for _ in 0..2 {
        assert_eq!(place.json(&create)["created_at"], "2026-03-15T10:00:00Z");
        dev.call(Call::post(
            "/operator/v1/dev/clock",
            &json!({"advance": "1d"}),
        ));
        assert_eq!(place.json(&create)["created_at"], "2026-03-16T10:00:00Z");
        dev.call(Call::post("/operator/v1/dev/reset", &json!({})));
    }
    let list = [&["orgs", "list"], &dev.operator()[..]].concat();
    let organizations = place.json(&list);
    let made = &organizations["data"][0]["created_at"];
    assert_eq!(made, "2026-03-15T10:00:00Z");
    dev.stop();
    assert_ended!(place.run(&["dev", "--in-memory", "--clock", "noon"]), @r#"
    $ rollcall dev --in-memory --clock noon
    status: 2
    stderr:
    rollcall: invalid value 'noon' for '--clock <TIME>': must be an RFC 3339 date-time with an offset, such as [time]; see rollcall dev --help
    "#);
}

#[test]
fn a_wrong_seed_names_its_line() {
    let place = Place::new();
    let start = |seed: &str| {
        let seed = place.write("seed.ndjson", seed);
        place.run(&[
            "dev",
            "--listen",
            "127.0.0.1:0",
            "--in-memory",
            "--seed",
            text(&seed),
        ])
    };
    assert_ended!(start("\n{\"type\":\"user_profile\",\"nickname\":\"A\"}\n"), @r#"
    $ rollcall dev --listen 127.0.0.1:[port] --in-memory --seed [dir]/seed.ndjson
    status: 2
    stderr:
    rollcall: [dir]/seed.ndjson, line 2: nickname: Extra inputs are not permitted
    "#);
    assert_ended!(start("{\"type\":\"user_profile\",\"organization_id\":\"x\"}"), @r#"
    $ rollcall dev --listen 127.0.0.1:[port] --in-memory --seed [dir]/seed.ndjson
    status: 2
    stderr:
    rollcall: [dir]/seed.ndjson, line 1: organization_id: a seed is for one organization, [organization]; leave organization_id out, or start with --organization-id x
    "#);
    assert_ended!(
        start("{\"type\":\"user_profile\",\"id\":\"uprof_1\"}\n{\"type\":\"user_profile\",\"id\":\"uprof_1\"}"),
        @r#"
    $ rollcall dev --listen 127.0.0.1:[port] --in-memory --seed [dir]/seed.ndjson
    status: 2
    stderr:
    rollcall: [dir]/seed.ndjson, line 2: id: stands on an earlier line already
    "#
    );
    assert_ended!(place.run(&["dev", "--listen", "127.0.0.1:0", "--in-memory", "--seed", "nowhere"]), @r#"
    $ rollcall dev --listen 127.0.0.1:[port] --in-memory --seed nowhere
    status: 2
    stderr:
    rollcall: cannot read nowhere: No such file or directory (os error 2)
    "#);
}

#[test]
fn unknown_test_keys_become_tenants_where_that_is_wanted() {
    let place = Place::new();
    let dev = place.dev(&["--in-memory", "--auto-tenants"]);
    let reach = ["--base-url", dev.get("base_url"), "--api-key", "test-one"];
    place.json(&[&["profiles", "create", "--name", "A"], &reach[..]].concat());
    let other = ["--base-url", dev.get("base_url"), "--api-key", "test-two"];
    let list = place.json(&[&["profiles", "list"], &other[..]].concat());
    assert_eq!(list["data"], json!([]));
    dev.stop();
}

#[test]
fn a_server_of_a_test_run_ends_with_it_however_that_ends() {
    let place = Place::embedded();
    let arguments = [
        "dev",
        "--exit-with-parent",
        "--in-memory",
        "--listen",
        "127.0.0.1:0",
        "--output",
        "json",
    ];
    let mut parent = std::process::Command::new("sh");
    // The parent holds the one end of a pipe; the other is the server's standard input.
    parent.args(["-c", "mkfifo pipe; \"$@\" <pipe & exec 9>pipe; wait", "sh"]);
    parent
        .arg(place.command(&arguments).get_program())
        .args(arguments);
    parent
        .current_dir(place.path(""))
        .stdout(std::process::Stdio::piped());
    let mut parent = parent.spawn().unwrap();
    let mut stdout = std::io::BufReader::new(parent.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    assert!(line.contains("base_url"), "{line}");
    parent.kill().unwrap();
    parent.wait().unwrap();
    // Its end of standard output is closed when it is gone.
    assert_eq!(
        std::io::Read::read_to_end(&mut stdout, &mut Vec::new()).unwrap(),
        0
    );

    let ended = place.run(&["dev", "--exit-with-parent", "--in-memory"]);
    assert_ended!(ended, @"
    $ rollcall dev --exit-with-parent --in-memory
    status: 2
    stderr:
    rollcall: --exit-with-parent: standard input must be a pipe whose other end the parent holds; start it with one, or leave the flag out
    ");
}
