//! Tenants, keys, programs, enforcement, search and audit: the same on the storage and over `--url`.

use serde_json::Value;

use crate::rollcall::{Place, assert_ended};

fn id(value: &Value) -> String {
    value["id"].as_str().unwrap().to_owned()
}

#[test]
fn what_is_not_there_is_not_made_by_looking() {
    let place = Place::embedded();
    assert_ended!(place.run(&["orgs", "list"]), @r#"
    $ rollcall orgs list
    status: 2
    stderr:
    rollcall: there is no storage in rollcall-data; name its directory with --data-dir, or make one with "rollcall orgs create" or "rollcall dev"
    "#);
    assert!(!place.path("rollcall-data").exists());
}

#[test]
fn tenants_and_keys_are_bootstrapped_on_the_storage() {
    let place = Place::new();
    let made = place.run(&[
        "orgs",
        "create",
        "--name",
        "Acme",
        "--rate-limit-rpm",
        "600",
    ]);
    assert_ended!(made, @r#"
    $ rollcall orgs create --name Acme --rate-limit-rpm 600
    status: 0
    stdout:
    {"type":"organization","id":"[organization]","name":"Acme","created_at":"[time]","rate_limit_rpm":600,"status":"active","enrollment_links":"enabled","data_controls":"open"}
    "#);
    let organization: Value = serde_json::from_str(&made.stdout).unwrap();
    let organization = id(&organization);
    let of = ["--organization-id", organization.as_str()];
    let made = [&["workspaces", "create", "--name", "Support"], &of[..]].concat();
    let workspace = id(&place.json(&made));
    let key = [
        "keys",
        "create",
        "--kind",
        "api",
        "--name",
        "CI",
        "--workspace-id",
        &workspace,
    ];
    let key = place.run(&[&key[..], &of[..]].concat());
    assert_ended!(key, @r#"
    $ rollcall keys create --kind api --name CI --workspace-id wrkspc_[id] --organization-id [organization]
    status: 0
    stdout:
    {"type":"api_key","id":"apikey_[id]","organization_id":"[organization]","kind":"api","role":null,"name":"CI","workspace_id":"wrkspc_[id]","created_at":"[time]","expires_at":null,"last_used_at":null,"status":"active","secret":"sk-rollcall-api01-[secret]"}
    "#);
    let key: Value = serde_json::from_str(&key.stdout).unwrap();
    let key = id(&key);
    assert_ended!(place.run(&["keys", "create", "--kind", "operator", "--name", "me"]), @r#"
    $ rollcall keys create --kind operator --name me
    status: 0
    stdout:
    {"type":"api_key","id":"apikey_[id]","organization_id":null,"kind":"operator","role":"owner","name":"me","workspace_id":null,"created_at":"[time]","expires_at":null,"last_used_at":null,"status":"active","secret":"sk-rollcall-op01-[secret]"}
    "#);
    assert_ended!(place.run(&["keys", "disable", &key]), @r#"
    $ rollcall keys disable apikey_[id]
    status: 0
    stdout:
    {"type":"api_key","id":"apikey_[id]","organization_id":"[organization]","kind":"api","role":null,"name":"CI","workspace_id":"wrkspc_[id]","created_at":"[time]","expires_at":null,"last_used_at":null,"status":"disabled"}
    "#);
    let list = [&["keys", "list", "--output", "table"], &of[..]].concat();
    assert_ended!(place.run(&list), @r#"
    $ rollcall keys list --output table --organization-id [organization]
    status: 0
    stdout:
     ID                               KIND  NAME  STATUS    WORKSPACE                        LAST USED  EXPIRES
     apikey_[id]  api   CI    disabled  wrkspc_[id]  -          -
    "#);
    assert_ended!(place.run(&["keys", "enable", &key, "--output", "table"]), @r#"
    $ rollcall keys enable apikey_[id] --output table
    status: 0
    stdout:
     type             api_key
     id               apikey_[id]
     organization_id  [organization]
     kind             api
     role             -
     name             CI
     workspace_id     wrkspc_[id]
     created_at       [time]
     expires_at       -
     last_used_at     -
     status           active
    "#);
    assert_ended!(place.run(&["keys", "delete", &key]), @r#"
    $ rollcall keys delete apikey_[id]
    status: 2
    stderr:
    rollcall: what is deleted cannot be brought back; repeat this with --yes
    "#);
    assert_ended!(place.run(&["keys", "delete", &key, "--yes"]), @r#"
    $ rollcall keys delete apikey_[id] --yes
    status: 0
    stdout:
    {"id":"apikey_[id]","type":"api_key_deleted"}
    "#);
    assert_ended!(place.run(&["keys", "delete", &key, "--yes"]), @r#"
    $ rollcall keys delete apikey_[id] --yes
    status: 1
    stderr:
    rollcall: not_found_error (404): The requested API key was not found.
    "#);
    let hold = [
        "orgs",
        "update",
        &organization,
        "--status",
        "on_hold",
        "--rate-limit-rpm",
        "none",
    ];
    assert_ended!(place.run(&hold), @r#"
    $ rollcall orgs update [organization] --status on_hold --rate-limit-rpm none
    status: 0
    stdout:
    {"type":"organization","id":"[organization]","name":"Acme","created_at":"[time]","rate_limit_rpm":null,"status":"on_hold","enrollment_links":"enabled","data_controls":"open"}
    "#);
    assert_ended!(place.run(&["orgs", "show", &organization, "--output", "ndjson"]), @r#"
    $ rollcall orgs show [organization] --output ndjson
    status: 0
    stdout:
    {"type":"organization","id":"[organization]","name":"Acme","created_at":"[time]","rate_limit_rpm":null,"status":"on_hold","enrollment_links":"enabled","data_controls":"open"}
    "#);
    assert_ended!(place.run(&["audit", "list", "--output", "table"]), @r#"
    $ rollcall audit list --output table
    status: 0
    stdout:
     AT                           ACTOR     NAME  ACTION                TARGET                                DETAILS                BY            ORGANIZATION
     [time]  operator  -     organization.updated  [organization]  rate_limit_rpm status  command-line  [organization]
     [time]  operator  -     api_key.deleted       apikey_[id]       -                      command-line  [organization]
     [time]  operator  -     api_key.enabled       apikey_[id]       -                      command-line  [organization]
     [time]  operator  -     api_key.disabled      apikey_[id]       -                      command-line  [organization]
     [time]  operator  -     api_key.created       apikey_[id]       owner                  command-line  -
     [time]  operator  -     api_key.created       apikey_[id]       -                      command-line  [organization]
     [time]  operator  -     workspace.created     wrkspc_[id]       -                      command-line  [organization]
     [time]  operator  -     organization.created  [organization]  -                      command-line  [organization]
    "#);
}

#[test]
fn what_cannot_be_is_refused_in_one_line() {
    let place = Place::new();
    place.json(&["orgs", "create", "--name", "Acme"]);
    assert_ended!(place.run(&["keys", "create", "--kind", "api", "--name", "x"]), @r#"
    $ rollcall keys create --kind api --name x
    status: 2
    stderr:
    rollcall: a key of the kind api belongs to an organization; name it with --organization-id
    "#);
    let unknown = [
        "keys",
        "create",
        "--kind",
        "api",
        "--name",
        "x",
        "--organization-id",
        "o",
    ];
    assert_ended!(place.run(&unknown), @r#"
    $ rollcall keys create --kind api --name x --organization-id o
    status: 1
    stderr:
    rollcall: not_found_error (404): The requested organization was not found.
    "#);
    assert_ended!(place.run(&["orgs", "create", "--name", ""]), @r#"
    $ rollcall orgs create --name 
    status: 1
    stderr:
    rollcall: invalid_request_error (400): name: must be at least 1 character
    "#);
    assert_ended!(place.run(&["orgs", "update", "o"]), @"
    $ rollcall orgs update o
    status: 2
    stderr:
    rollcall: nothing to change; give --name, --rate-limit-rpm, --status, --enrollment-links or --data-controls
    ");
    assert_ended!(place.run(&["orgs", "list", "--url", "http://127.0.0.1:1"]), @r#"
    $ rollcall orgs list --url http://127.0.0.1:[port]
    status: 2
    stderr:
    rollcall: http://127.0.0.1:[port] asks for an operator key; set ROLLCALL_OPERATOR_KEY or pass --operator-key
    "#);
    let unreachable = [
        "orgs",
        "list",
        "--url",
        "http://127.0.0.1:1",
        "--operator-key",
        "k",
    ];
    assert_ended!(place.run(&unreachable), @r#"
    $ rollcall orgs list --url http://127.0.0.1:[port] --operator-key k
    status: 2
    stderr:
    rollcall: cannot reach http://127.0.0.1:[port] (Connection refused (os error 111)); is the server running, and is that its address?
    "#);
    assert_ended!(place.run(&["programs", "set", "uprof_none", "cyber", "--status", "active"]), @r#"
    $ rollcall programs set uprof_none cyber --status active
    status: 1
    stderr:
    rollcall: not_found_error (404): The requested user profile was not found.
    "#);
    assert_ended!(place.run(&["orgs", "list", "--database-url", "postgres://127.0.0.1:1/nowhere"]), @r#"
    $ rollcall orgs list --database-url postgres://127.0.0.1:[port]/nowhere
    status: 2
    stderr:
    rollcall: cannot open the database at 127.0.0.1:[port]/nowhere: error connecting to server: Connection refused (os error 111); is it running, and is that its address? Start it, or correct the database URL
    "#);
    assert_ended!(place.run(&["orgs", "list", "--database-url", "mysql://x/y"]), @r#"
    $ rollcall orgs list --database-url mysql://x/y
    status: 2
    stderr:
    rollcall: the database URL must begin with postgres://
    "#);
}

/// The operator's decisions, printed, with `reach` added to each command.
fn decisions(place: &Place, reach: &[&str], profile: &str) -> Vec<String> {
    let run = |arguments: &[&str]| {
        let ended = place.run(&[arguments, reach].concat());
        assert_eq!(ended.status, 0, "{}", ended.shown());
        ended.stdout
    };
    let opened = run(&[
        "enforcement",
        "open",
        profile,
        "--type",
        "restriction",
        "--reason",
        "fraud_or_abuse",
        "--verify",
        "--expires-at",
        "2999-01-01T00:00:00Z",
    ]);
    let action = id(&serde_json::from_str(&opened).unwrap());
    vec![
        opened,
        run(&[
            "programs",
            "set",
            profile,
            "cyber",
            "--status",
            "active",
            "--tiers",
            "a,c",
            "--requirements",
            "human_review",
        ]),
        run(&[
            "programs",
            "set",
            profile,
            "efs",
            "--status",
            "pending",
            "--features",
            "cmek",
        ]),
        run(&[
            "programs", "set", profile, "beta-lab", "--status", "rejected",
        ]),
        run(&["programs", "delete", profile, "beta-lab"]),
        run(&["enforcement", "check", &action, "--state", "submitted"]),
        run(&[
            "search",
            "--enforcement-status",
            "pending",
            "--program",
            "cyber",
            "--output",
            "table",
        ]),
        run(&["enforcement", "resolve", &action]),
        run(&["enforcement", "list", profile]),
        // Who acted differs: a key, or the command line itself.
        run(&["audit", "list", "--limit", "3", "--output", "ndjson"])
            .lines()
            .map(|line| {
                let event: Value = serde_json::from_str(line).unwrap();
                let (action, target) = (&event["action"], &event["target"]);
                format!("{action} {target} {}\n", event["details"])
            })
            .collect::<Vec<_>>()
            .concat(),
    ]
}

#[test]
fn decisions_are_the_same_on_the_storage_and_over_the_network() {
    let place = Place::new();
    place.write(
        "seed.ndjson",
        "{\"type\":\"user_profile\",\"id\":\"uprof_1\",\"name\":\"Ana\"}\n",
    );
    let dev = place.dev(&["--seed", "seed.ndjson"]);
    let over_network = decisions(&place, &dev.operator(), "uprof_1");
    dev.stop();
    let other = Place::new();
    other.write(
        "seed.ndjson",
        "{\"type\":\"user_profile\",\"id\":\"uprof_1\",\"name\":\"Ana\"}\n",
    );
    other.dev(&["--seed", "seed.ndjson"]).stop();
    let on_storage = decisions(&other, &[], "uprof_1");
    insta::with_settings!({ filters => crate::rollcall::FILTERS.to_vec() }, {
        insta::assert_snapshot!("decisions", over_network.concat());
        insta::assert_snapshot!("decisions", on_storage.concat());
    });
}

#[test]
fn an_administrators_key_is_no_operators() {
    let place = Place::new();
    let dev = place.dev(&["--in-memory"]);
    let tenants = [&["orgs", "list"], &dev.operator()[..]].concat();
    let organization = id(&place.json(&tenants)["data"][0]);
    let create = [
        "keys",
        "create",
        "--kind",
        "admin",
        "--name",
        "x",
        "--organization-id",
        &organization,
    ];
    let made = place.json(&[&create[..], &dev.operator()].concat());
    assert!(
        made["secret"]
            .as_str()
            .unwrap()
            .starts_with("sk-rollcall-adm01-")
    );
    let as_admin = [
        "orgs",
        "list",
        "--url",
        dev.get("base_url"),
        "--operator-key",
        made["secret"].as_str().unwrap(),
    ];
    let refused = place.run(&as_admin);
    assert_eq!(refused.status, 1);
    assert!(
        refused.stderr.contains("permission_error (403)"),
        "{}",
        refused.stderr
    );
    dev.stop();
}

#[test]
fn a_variable_names_the_server_and_a_flag_names_the_storage() {
    let place = Place::embedded()
        .with("ROLLCALL_URL", "http://127.0.0.1:1")
        .with("ROLLCALL_OPERATOR_KEY", "k")
        .with("ROLLCALL_DATABASE_URL", "postgres://127.0.0.1:1/nowhere");
    assert_eq!(place.run(&["orgs", "list"]).status, 2);
    place.json(&["orgs", "create", "--name", "here", "--data-dir", "data"]);
    assert!(place.path("data/rollcall.db").exists());
}
