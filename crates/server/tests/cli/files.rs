//! What is made for good on disk: whole or not at all, for its owner's eyes, and never in place of
//! something else.

use std::fs::Permissions;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::rollcall::{Ended, Place, assert_ended, text};

const PROFILE: &str = "{\"type\":\"user_profile\",\"id\":\"uprof_1\"}\n";

/// A place with a storage that a development server made and left, with one profile and a secret key.
fn with_storage() -> Place {
    let place = Place::embedded();
    place.write("seed.ndjson", PROFILE);
    place.dev(&["--seed", "seed.ndjson"]).stop();
    place
}

fn names(place: &Place, directory: &str) -> Vec<String> {
    let entries = std::fs::read_dir(place.path(directory)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn assert_private(place: &Place, directory: &str) {
    let names = names(place, directory);
    assert!(!names.is_empty());
    for name in names {
        let mode = mode(&place.path(directory).join(&name));
        assert_eq!(mode, 0o600, "{directory}/{name} is {mode:o}");
    }
}

fn open_to_all(place: &Place, directory: &str) {
    let path = place.path(directory);
    std::fs::create_dir_all(&path).unwrap();
    std::fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

/// Runs a command that cannot make a file larger than this.
fn run_with_small_files(place: &Place, kibibytes: u32, arguments: &[&str]) -> Ended {
    let command = place.command(arguments);
    let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$@\"", kibibytes * 2);
    let mut limited = Command::new("sh");
    limited
        .args(["-c", &script, "sh"])
        .arg(command.get_program());
    limited.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    limited.current_dir(place.path(""));
    Ended::new(arguments, &limited.output().unwrap())
}

#[test]
fn a_secret_key_that_a_full_disk_left_empty_is_made_anew() {
    let place = Place::embedded();
    place.json(&["orgs", "create", "--name", "Acme"]);
    place.write("rollcall-data/secret.key", "");
    place.dev(&[]).stop();
    assert_eq!(place.read("rollcall-data/secret.key").len(), 45);
    let names = names(&place, "rollcall-data");
    assert!(
        !names.iter().any(|name| name.ends_with(".partial")),
        "{names:?}"
    );
}

#[test]
fn a_lost_secret_key_is_not_replaced_where_signing_secrets_are_sealed_with_it() {
    let place = Place::embedded();
    place.write(
        "seed.ndjson",
        "{\"type\":\"webhook_endpoint\",\"url\":\"https://hooks.example.com/\",\"enabled_events\":[\"user_profile.program_status_updated\"]}\n",
    );
    place.dev(&["--seed", "seed.ndjson"]).stop();
    let key = place.read("rollcall-data/secret.key");
    let serve = ["serve", "--listen", "127.0.0.1:0", "--log", "off"];
    place.write("rollcall-data/secret.key", "");
    assert_ended!(place.run(&serve), @r#"
    $ rollcall serve --listen 127.0.0.1:[port] --log off
    status: 2
    stderr:
    rollcall: rollcall-data/secret.key is missing or empty, and signing secrets of webhook endpoints are sealed with it; restore it from a backup, or set secret_key to what it held; if it is lost, write a new one there (openssl rand -base64 32) and regenerate the signing secret of every endpoint
    "#);
    std::fs::remove_file(place.path("rollcall-data/secret.key")).unwrap();
    assert_ended!(place.run(&serve), @r#"
    $ rollcall serve --listen 127.0.0.1:[port] --log off
    status: 2
    stderr:
    rollcall: rollcall-data/secret.key is missing or empty, and signing secrets of webhook endpoints are sealed with it; restore it from a backup, or set secret_key to what it held; if it is lost, write a new one there (openssl rand -base64 32) and regenerate the signing secret of every endpoint
    "#);
    place.write("rollcall-data/secret.key", key);
    place.dev(&[]).stop();
}

#[test]
fn a_database_that_is_gone_or_emptied_is_not_taken_for_a_fresh_start() {
    let place = with_storage();
    let database = place.path("rollcall-data/rollcall.db");
    let commands: [&[&str]; 8] = [
        &["serve", "--listen", "127.0.0.1:0"],
        &["dev", "--listen", "127.0.0.1:0"],
        &["check"],
        &["migrate"],
        &["backup", "saved"],
        &["export", "out.ndjson"],
        &["import", "seed.ndjson"],
        &["orgs", "create", "--name", "Acme"],
    ];
    for emptied in [false, true] {
        for kept in ["secret.key", "rollcall.db-wal"] {
            let place = Place::embedded();
            std::fs::create_dir(place.path("rollcall-data")).unwrap();
            place.write("seed.ndjson", PROFILE);
            place.write(&format!("rollcall-data/{kept}"), "what was kept");
            if emptied {
                place.write("rollcall-data/rollcall.db", "");
            }
            let before = names(&place, "rollcall-data");
            for command in commands {
                let ended = place.run(command);
                assert_eq!(ended.status, 2, "{}", ended.shown());
                assert!(ended.stderr.contains(kept), "{}", ended.shown());
                assert!(
                    ended.stderr.contains("rollcall restore"),
                    "{}",
                    ended.shown()
                );
            }
            assert_eq!(names(&place, "rollcall-data"), before);
            assert_eq!(
                place.read(&format!("rollcall-data/{kept}")),
                b"what was kept"
            );
        }
    }
    std::fs::remove_file(&database).unwrap();
    for log in [
        "rollcall-data/rollcall.db-wal",
        "rollcall-data/rollcall.db-shm",
    ] {
        // A clean end leaves no log.
        let _ = std::fs::remove_file(place.path(log));
    }
    assert_ended!(place.run(&["check"]), @r#"
    $ rollcall check
    status: 2
    stderr:
    rollcall: there was a storage in rollcall-data: its rollcall.db is gone, and this is left of it: secret.key; put the file back, or move away what is left and use "rollcall restore" or begin anew
    "#);
    place.write("rollcall-data/rollcall.db", "");
    assert_ended!(place.run(&["check"]), @r#"
    $ rollcall check
    status: 2
    stderr:
    rollcall: there was a storage in rollcall-data: its rollcall.db is empty, and this is left of it: secret.key; put the file back, or move away what is left and use "rollcall restore" or begin anew
    "#);
    // Whoever means it can begin anew.
    std::fs::remove_file(place.path("rollcall-data/secret.key")).unwrap();
    place.json(&["orgs", "create", "--name", "Acme"]);
}

#[test]
fn a_backup_is_not_mixed_with_what_another_database_left() {
    let place = with_storage();
    place.json(&["backup", "saved"]);
    for left in ["rollcall.db-wal", "rollcall.db-shm", "rollcall.db-journal"] {
        std::fs::create_dir_all(place.path("back")).unwrap();
        let left = place.write(&format!("back/{left}"), "another database's");
        let ended = place.run(&["restore", "saved", "--data-dir", "back"]);
        assert_eq!(ended.status, 2, "{}", ended.shown());
        let named = left.file_name().unwrap().to_string_lossy();
        assert!(ended.stderr.contains(&*named), "{}", ended.shown());
        assert!(!place.path("back/rollcall.db").exists());
        std::fs::remove_file(left).unwrap();
    }
    place.write("back/rollcall.db-wal", "another database's");
    assert_ended!(place.run(&["restore", "saved", "--data-dir", "back"]), @r#"
    $ rollcall restore saved --data-dir back
    status: 2
    stderr:
    rollcall: another database left rollcall.db-wal in back, which may hold its last changes and would be mixed with the backup; move what is left away together, or name another directory with --data-dir
    "#);
    std::fs::remove_file(place.path("back/rollcall.db-wal")).unwrap();
    let key = place.write("back/secret.key", "another key");
    assert_ended!(place.run(&["restore", "saved", "--data-dir", "back"]), @r#"
    $ rollcall restore saved --data-dir back
    status: 2
    stderr:
    rollcall: secret.key in back is not the backup's, and would be lost; move it away, or name another directory with --data-dir
    "#);
    // A restore that was killed has left these.
    std::fs::copy(place.path("saved/secret.key"), key).unwrap();
    place.write("back/rollcall.db.a1b2c3.partial", "half of it");
    place.json(&["restore", "saved", "--data-dir", "back"]);
    assert!(!place.path("back/rollcall.db.a1b2c3.partial").exists());
}

#[test]
fn a_backup_that_is_not_whole_or_not_of_this_version_is_not_restored() {
    let place = with_storage();
    place.json(&["backup", "saved"]);
    let whole = place.read("saved/backup.json");
    let key = place.read("saved/secret.key");
    let restore = ["restore", "saved", "--data-dir", "back"];
    let with = |member: &str, value: serde_json::Value| {
        let mut manifest: serde_json::Value = serde_json::from_slice(&whole).unwrap();
        manifest[member] = value;
        place.write("saved/backup.json", manifest.to_string());
    };
    with("files", json!([]));
    assert_ended!(place.run(&restore), @r#"
    $ rollcall restore saved --data-dir back
    status: 1
    stderr:
    rollcall: saved: backup.json names no rollcall.db; use another backup
    "#);
    with("schema", json!(999));
    assert_ended!(place.run(&restore), @r#"
    $ rollcall restore saved --data-dir back
    status: 2
    stderr:
    rollcall: saved has schema 999 of rollcall 0.1.0 and this rollcall knows 1 to [schema]; use the version that made it, or a newer one
    "#);
    with("schema", json!(0));
    assert_eq!(place.run(&restore).status, 2);
    place.write("saved/backup.json", &whole);
    std::fs::remove_file(place.path("saved/secret.key")).unwrap();
    assert_ended!(place.run(&restore), @r#"
    $ rollcall restore saved --data-dir back
    status: 1
    stderr:
    rollcall: saved: secret.key cannot be read (No such file or directory (os error 2)); use another backup
    "#);
    assert!(!place.path("back/rollcall.db").exists());
    place.write("saved/secret.key", key);
    place.json(&restore);
}

#[test]
fn files_are_for_their_owner_alone_whatever_the_directory() {
    let place = Place::embedded();
    open_to_all(&place, "rollcall-data");
    place.write("seed.ndjson", PROFILE);
    let dev = place.dev(&["--seed", "seed.ndjson"]);
    assert_private(&place, "rollcall-data");
    let log = String::from_utf8(place.read("dev.log")).unwrap();
    assert!(log.contains("others on this machine"), "{log}");
    place.json(&["backup", "saved"]);
    dev.stop();
    assert_private(&place, "saved");
    assert_eq!(place.run(&["export", "out.ndjson"]).status, 0);
    assert_eq!(mode(&place.path("out.ndjson")), 0o600);
    open_to_all(&place, "back");
    place.json(&["restore", "saved", "--data-dir", "back"]);
    assert_private(&place, "back");
    // What an earlier version left open is closed.
    for name in ["rollcall.db", "rollcall.lock"] {
        let path = place.path("rollcall-data").join(name);
        std::fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
    }
    place.json(&["check"]);
    assert_private(&place, "rollcall-data");
}

#[test]
fn a_private_data_directory_is_no_reason_to_warn() {
    let place = Place::embedded();
    place.dev(&[]).stop();
    let log = String::from_utf8(place.read("dev.log")).unwrap();
    assert!(!log.contains("others on this machine"), "{log}");
}

#[test]
fn an_export_never_takes_the_place_of_a_link_a_pipe_or_a_device() {
    let place = with_storage();
    let expected = {
        assert_eq!(place.run(&["export", "plain.ndjson"]).status, 0);
        place.read("plain.ndjson")
    };
    place.write("real.ndjson", "");
    symlink("real.ndjson", place.path("link")).unwrap();
    assert_eq!(place.run(&["export", "link"]).status, 0);
    assert!(place.path("link").is_symlink());
    assert!(place.read("real.ndjson") == expected);

    let pipe = place.path("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::read(pipe).unwrap()
    });
    let ended = place.run(&["export", "pipe"]);
    let is_pipe = std::fs::metadata(&pipe).unwrap().file_type().is_fifo();
    assert!(is_pipe, "the pipe was replaced: {}", ended.shown());
    assert_eq!(ended.status, 0, "{}", ended.shown());
    assert!(reader.join().unwrap() == expected);

    symlink("/dev/full", place.path("full")).unwrap();
    let ended = place.run(&["export", "full"]);
    assert!(place.path("full").is_symlink());
    assert_ended!(ended, @r#"
    $ rollcall export full
    status: 1
    stderr:
    rollcall: cannot write full: No space left on device (os error 28)
    "#);
}

#[test]
fn a_failed_export_names_its_file_and_leaves_nothing() {
    let place = Place::embedded();
    let profile = |number| PROFILE.replace("uprof_1", &format!("uprof_{number}"));
    let profiles: Vec<_> = (0..200).map(profile).collect();
    place.write("seed.ndjson", profiles.concat());
    let dev = place.dev(&["--seed", "seed.ndjson"]);
    std::fs::create_dir(place.path("out")).unwrap();
    place.write("out/records.ndjson", "an earlier one");
    place.write("out/records.ndjson.partial", "somebody else's");
    let export = [&["export", "out/records.ndjson"], &dev.operator()[..]].concat();
    let ended = run_with_small_files(&place, 8, &export);
    assert_eq!(ended.status, 1, "{}", ended.shown());
    assert!(
        ended
            .stderr
            .contains("cannot write out/records.ndjson: File too large"),
        "{}",
        ended.shown()
    );
    assert_eq!(place.read("out/records.ndjson"), b"an earlier one");
    assert_eq!(place.read("out/records.ndjson.partial"), b"somebody else's");
    assert_eq!(names(&place, "out").len(), 2);
}

#[test]
fn a_failed_backup_names_its_directory_and_leaves_nothing() {
    let place = Place::embedded();
    place.write("seed.ndjson", PROFILE);
    let _dev = place.dev(&["--seed", "seed.ndjson"]);
    std::fs::create_dir(place.path("out")).unwrap();
    let ended = run_with_small_files(&place, 64, &["backup", "out/saved"]);
    assert_ended!(ended, @r#"
    $ rollcall backup out/saved
    status: 1
    stderr:
    rollcall: cannot make out/saved: cannot copy rollcall-data/rollcall.db: disk I/O error; nothing of it is left
    "#);
    assert_eq!(names(&place, "out"), [""; 0]);
}

#[test]
fn a_backup_and_a_check_leave_alone_what_looks_like_theirs() {
    let place = with_storage();
    for other in ["saved.partial", "saved.checked"] {
        std::fs::create_dir(place.path(other)).unwrap();
        place.write(&format!("{other}/precious"), "mine");
    }
    // A name that ends in a slash is the name of a directory all the same.
    place.json(&["backup", "saved/"]);
    place.json(&["check", "--data-dir", "saved"]);
    place.json(&[
        "restore",
        "saved/",
        "--data-dir",
        text(&place.path("back/")),
    ]);
    for other in ["saved.partial", "saved.checked"] {
        assert_eq!(place.read(&format!("{other}/precious")), b"mine");
    }
    assert_eq!(
        names(&place, "saved"),
        ["backup.json", "rollcall.db", "secret.key"]
    );
}
