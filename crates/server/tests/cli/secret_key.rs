//! The server's own secret, which opens the signing secrets of webhook endpoints: in backups and checks, and
//! replaced by another.

use std::time::Duration;

use serde_json::{Value, json};

use crate::rollcall::{Place, assert_ended};

const SEED: &str = "{\"type\":\"user_profile\",\"id\":\"uprof_1\",\"name\":\"Ana\"}
{\"type\":\"webhook_endpoint\",\"id\":\"whep_1\",\"url\":\"https://example.com/\",\"name\":\"billing\",\"enabled_events\":[\"user_profile.enforcement_action_opened\"]}
";
const ANOTHER: &str = "c2l4dGVlbiBieXRlcyBhcmUgbm90IDMyIGJ5dGVzISE=";

/// A data directory with a signing secret.
fn place() -> Place {
    let place = Place::embedded();
    place.write("seed.ndjson", SEED);
    place.dev(&["--seed", "seed.ndjson"]).stop();
    place
}

fn sound() -> Value {
    json!({"profiles": 1, "problem_count": 0, "problems": []})
}

fn first_line(place: &Place, file: &str) -> String {
    let text = String::from_utf8(place.read(file)).unwrap();
    text.lines().next().unwrap().to_owned()
}

#[test]
fn a_backup_that_lost_its_key_is_neither_sound_nor_restored() {
    let place = place();
    place.json(&["backup", "saved"]);
    assert_eq!(place.json(&["check", "--data-dir", "saved"]), sound());
    std::fs::remove_file(place.path("saved/secret.key")).unwrap();
    assert_ended!(place.run(&["check", "--data-dir", "saved"]), @r#"
    $ rollcall check --data-dir saved
    status: 1
    stdout:
    {"profiles":1,"problem_count":1,"problems":["saved: secret.key cannot be read (No such file or directory (os error 2)); use another backup"]}
    "#);
    assert_ended!(place.run(&["restore", "saved", "--data-dir", "back"]), @r#"
    $ rollcall restore saved --data-dir back
    status: 1
    stderr:
    rollcall: saved: secret.key cannot be read (No such file or directory (os error 2)); use another backup
    "#);
    assert!(!place.path("back").exists());
    // Nor one whose manifest does not know of a key.
    let manifest = String::from_utf8(place.read("saved/backup.json")).unwrap();
    let mut manifest: Value = serde_json::from_str(&manifest).unwrap();
    let files = manifest["files"].as_array_mut().unwrap();
    files.retain(|file| file["name"] == "rollcall.db");
    place.write("saved/backup.json", manifest.to_string());
    assert_ended!(place.run(&["restore", "saved", "--data-dir", "back"]), @r#"
    $ rollcall restore saved --data-dir back
    status: 1
    stderr:
    rollcall: saved lacks the key of 1 signing secrets of webhook endpoints; use another backup, or set secret_key to the key that sealed them
    "#);
    assert!(!place.path("back").exists());
}

#[test]
fn a_backup_that_lost_its_manifest_is_not_taken_for_a_data_directory() {
    let place = place();
    place.json(&["backup", "saved"]);
    std::fs::remove_file(place.path("saved/backup.json")).unwrap();
    let before = place.read("saved/rollcall.db");
    assert_ended!(place.run(&["check", "--data-dir", "saved"]), @r#"
    $ rollcall check --data-dir saved
    status: 2
    stderr:
    rollcall: saved is no data directory that was ever opened, and as a backup it lacks backup.json; use another backup, or if it was put together by hand, run rollcall migrate on it first
    "#);
    assert!(place.read("saved/rollcall.db") == before);
    assert!(!place.path("saved/rollcall.lock").exists());
}

#[test]
fn a_data_directory_that_lost_its_key_is_found_out_and_not_served_with_another() {
    let place = place();
    std::fs::remove_file(place.path("rollcall-data/secret.key")).unwrap();
    assert_ended!(place.run(&["check"]), @r#"
    $ rollcall check
    status: 1
    stdout:
    {"profiles":1,"problem_count":1,"problems":["signing secret of whep_1: secret.key is missing, and it is sealed with it"]}
    "#);
    assert_ended!(place.run(&["serve", "--listen", "127.0.0.1:0"]), @r#"
    $ rollcall serve --listen 127.0.0.1:[port]
    status: 2
    stderr:
    rollcall: rollcall-data/secret.key is missing or empty, and signing secrets of webhook endpoints are sealed with it; restore it from a backup, or set secret_key to what it held; if it is lost, write a new one there (openssl rand -base64 32) and regenerate the signing secret of every endpoint
    "#);
    assert!(!place.path("rollcall-data/secret.key").exists());
    // One that opens nothing is no better.
    place.write("rollcall-data/secret.key", format!("{ANOTHER}\n"));
    let report = place.run(&["check"]);
    assert_eq!(report.status, 1, "{}", report.shown());
}

#[test]
fn a_rotation_leaves_a_directory_whose_backup_is_sound() {
    let place = place();
    let old = first_line(&place, "rollcall-data/secret.key");
    let rotated = place.json(&["keys", "rotate-secret"]);
    assert_eq!(rotated["sealed_anew"], 1, "{rotated}");
    assert_ne!(first_line(&place, "rollcall-data/secret.key"), old);
    assert_eq!(place.json(&["check"]), sound());
    place.json(&["backup", "saved"]);
    assert_eq!(place.json(&["check", "--data-dir", "saved"]), sound());
    // The old one opens nothing that is stored, and is not handed on.
    let saved = String::from_utf8(place.read("saved/secret.key")).unwrap();
    assert!(!saved.contains(&old), "{saved}");
    assert_eq!(
        place.json(&["restore", "saved", "--data-dir", "back"]),
        sound()
    );
    place.json(&["keys", "rotate-secret"]);
    let kept = String::from_utf8(place.read("rollcall-data/secret.key")).unwrap();
    assert_eq!(kept.lines().count(), 2, "{kept}");
    assert!(!kept.contains(&old), "{kept}");
}

#[test]
fn a_rotation_that_was_broken_off_goes_on() {
    let place = place();
    let old = first_line(&place, "rollcall-data/secret.key");
    // Where it stands once the new secret is written, and nothing is sealed with it.
    place.write("rollcall-data/secret.key", format!("{ANOTHER}\n{old}\n"));
    assert_eq!(place.json(&["check"]), sound());
    let rotated = place.json(&["keys", "rotate-secret"]);
    assert_eq!(rotated["sealed_anew"], 1, "{rotated}");
    assert_eq!(first_line(&place, "rollcall-data/secret.key"), ANOTHER);
    for round in 0..10 {
        let mut command = place.command(&["keys", "rotate-secret"]);
        let mut child = command.stdout(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(round * 12));
        // It may have ended by itself.
        let _ = child.kill();
        child.wait().unwrap();
        assert_eq!(place.json(&["check"]), sound(), "{round}");
    }
}

#[test]
fn a_backup_takes_the_keys_of_the_settings_where_they_are_in_use() {
    let place = place();
    let old = first_line(&place, "rollcall-data/secret.key");
    let run = |arguments: &[&str]| {
        let mut command = place.command(arguments);
        command.env("ROLLCALL_SECRET_KEY", ANOTHER);
        command.env("ROLLCALL_PREVIOUS_SECRET_KEYS", &old);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    run(&["backup", "before"]);
    // In use: it has sealed a secret that nothing has sealed anew.
    let keys = String::from_utf8(place.read("before/secret.key")).unwrap();
    assert_eq!(keys, format!("{ANOTHER}\n{old}\n"));
    run(&["keys", "rotate-secret"]);
    run(&["backup", "after"]);
    let keys = String::from_utf8(place.read("after/secret.key")).unwrap();
    assert_eq!(keys, format!("{ANOTHER}\n"));
    for saved in ["before", "after"] {
        assert_eq!(place.json(&["check", "--data-dir", saved]), sound());
    }
    // Without the settings only the old key is there, and it opens nothing.
    assert_ended!(place.run(&["backup", "lacking"]), @r#"
    $ rollcall backup lacking
    status: 1
    stdout:
    {"backup":"lacking","schema":[schema],"bytes":565293,"created_at":"[time]"}
    stderr:
    rollcall: lacking lacks the key of 1 signing secrets: run this with the server's secret_key and previous_secret_keys, or regenerate them; all else is in it
    "#);
    let report = place.run(&["check", "--data-dir", "lacking"]);
    assert_eq!(report.status, 1, "{}", report.shown());
}
