//! Care of the storage: check, backup, restore, migrate.

use serde_json::json;

use crate::rollcall::{Place, assert_ended, text};

#[test]
fn a_backup_of_a_running_server_becomes_a_data_directory() {
    let place = Place::embedded();
    place.write(
        "seed.ndjson",
        "{\"type\":\"user_profile\",\"id\":\"uprof_1\",\"name\":\"Ana\"}\n",
    );
    let dev = place.dev(&["--seed", "seed.ndjson"]);
    let made = place.json(&["backup", "saved"]);
    assert_eq!(made["backup"], "saved");
    assert_ended!(place.run(&["backup", "saved"]), @r#"
    $ rollcall backup saved
    status: 2
    stderr:
    rollcall: saved exists already; name a directory that does not
    "#);
    let next_page = {
        let create = [&["profiles", "create"], &dev.platform()[..]].concat();
        place.json(&create);
        let list = [&["profiles", "list", "--limit", "1"], &dev.platform()[..]].concat();
        place.json(&list)["next_page"].as_str().unwrap().to_owned()
    };
    let keys = [
        dev.get("api_key").to_owned(),
        dev.get("operator_key").to_owned(),
    ];
    dev.stop();

    let report = place.json(&["restore", "saved", "--data-dir", "back"]);
    assert_eq!(
        report,
        json!({"profiles": 1, "problem_count": 0, "problems": []})
    );
    assert_ended!(place.run(&["restore", "saved", "--data-dir", "back"]), @r#"
    $ rollcall restore saved --data-dir back
    status: 2
    stderr:
    rollcall: there is a storage in back; move it away, or name another directory with --data-dir
    "#);
    // Keys and cursors of before work on what was restored.
    let organization = place.json(&["orgs", "list", "--data-dir", "back"])["data"][0]["id"].clone();
    let again = place.dev(&[
        "--data-dir",
        "back",
        "--api-key",
        &keys[0],
        "--operator-key",
        &keys[1],
        "--organization-id",
        organization.as_str().unwrap(),
        "--workspace-id",
        place.json(&[
            "workspaces",
            "list",
            "--data-dir",
            "rollcall-data",
            "--organization-id",
            organization.as_str().unwrap(),
        ])["data"][0]["id"]
            .as_str()
            .unwrap(),
    ]);
    let list = ["profiles", "list", "--limit", "1", "--page", &next_page];
    let page = place.json(&[&list[..], &again.platform()].concat());
    assert_eq!(page["data"][0]["id"], "uprof_1");
    again.stop();
}

#[test]
fn a_damaged_backup_is_not_restored_and_damaged_storage_is_found_out() {
    let place = Place::embedded();
    place.write(
        "seed.ndjson",
        "{\"type\":\"user_profile\",\"id\":\"uprof_1\",\"name\":\"Ana Beispiel\"}\n",
    );
    place.dev(&["--seed", "seed.ndjson"]).stop();
    place.json(&["backup", "saved"]);
    let mut database = place.read("saved/rollcall.db");
    let at = database
        .windows(12)
        .position(|bytes| bytes == b"Ana Beispiel")
        .unwrap();
    database[at] = b'E';
    place.write("saved/rollcall.db", database);
    assert_ended!(place.run(&["restore", "saved", "--data-dir", "back"]), @r#"
    $ rollcall restore saved --data-dir back
    status: 1
    stderr:
    rollcall: saved: rollcall.db is not what was backed up; use another backup
    "#);
    assert!(!place.path("back").exists());
    assert_ended!(place.run(&["check", "--data-dir", text(&place.path("saved"))]), @r#"
    $ rollcall check --data-dir [dir]/saved
    status: 1
    stdout:
    {"profiles":1,"problem_count":3,"problems":["database file: row 1 missing from index profiles_by_name","profile uprof_1: its columns differ from its document","[dir]/saved: rollcall.db is not what was backed up; use another backup"]}
    "#);
    assert_ended!(place.run(&["restore", "rollcall-data", "--data-dir", "back"]), @r#"
    $ rollcall restore rollcall-data --data-dir back
    status: 2
    stderr:
    rollcall: rollcall-data is no backup (backup.json: No such file or directory (os error 2)); name the directory that rollcall backup made
    "#);
}

#[test]
fn a_backup_that_was_checked_is_still_one() {
    let place = Place::embedded();
    place.write(
        "seed.ndjson",
        "{\"type\":\"user_profile\",\"id\":\"uprof_1\"}\n",
    );
    place.dev(&["--seed", "seed.ndjson"]).stop();
    place.json(&["backup", "saved"]);
    let before = place.read("saved/rollcall.db");
    let sound = serde_json::json!({"profiles": 1, "problem_count": 0, "problems": []});
    assert_eq!(place.json(&["check", "--data-dir", "saved"]), sound);
    assert!(place.read("saved/rollcall.db") == before);
    assert!(!place.path("saved.checked").exists());
    assert_eq!(
        place.json(&["restore", "saved", "--data-dir", "back"]),
        sound
    );
}

#[test]
fn migrating_says_from_where_to_where() {
    let place = Place::embedded();
    place.json(&["orgs", "create", "--name", "Acme"]);
    assert_ended!(place.run(&["migrate"]), @r#"
    $ rollcall migrate
    status: 0
    stdout:
    {"schema_before":[schema],"schema":[schema],"rollcall":"0.1.0"}
    "#);
    assert_ended!(place.run(&["migrate", "--data-dir", "nowhere"]), @r#"
    $ rollcall migrate --data-dir nowhere
    status: 2
    stderr:
    rollcall: there is no storage in nowhere; name its directory with --data-dir, or make one with "rollcall orgs create" or "rollcall dev"
    "#);
    assert_ended!(place.run(&["check", "--output", "table"]), @r#"
    $ rollcall check --output table
    status: 0
    stdout:
     profiles       0
     problem_count  0
     problems       -
    "#);
}
