//! Erasing a person: nothing of them is left, in the files of the embedded storage neither.

use std::fmt::Write as _;

use rollcall::cli::client::Call;
use serde_json::json;

use crate::rollcall::{Place, assert_ended};

const ID: &str = "uprof_forgotten";
/// What is only known of the person, from every kind of column.
const TRACES: [&str; 4] = ["Vergessen", "sonderfall-4711", "kunde-0815", "5c1f0ddf"];

/// Several hundred people, one of whom is to be forgotten.
fn seed() -> String {
    let mut seed = String::new();
    for number in 0..400 {
        let (id, name, details, metadata) = if number == 200 {
            let details = format!(
                r#"{{"reference_id":"kunde-0815","email_hash":"{}"}}"#,
                "5c1f0ddf".repeat(8)
            );
            let metadata = r#"{"plan":"sonderfall-4711"}"#.to_owned();
            (ID.to_owned(), "Eva Vergessen".to_owned(), details, metadata)
        } else {
            let id = format!("uprof_{number}");
            let details = format!(r#"{{"reference_id":"customer-{number}"}}"#);
            (id, format!("Person {number}"), details, "{}".to_owned())
        };
        let _ = writeln!(
            seed,
            r#"{{"type":"user_profile","id":"{id}","name":"{name}","external_user_details":{details},"metadata":{metadata}}}"#
        );
    }
    seed
}

/// Which traces of one person are in the files of the data directory.
fn traces(place: &Place) -> Vec<String> {
    traces_of(place, &TRACES)
}

fn traces_of(place: &Place, traces: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for file in std::fs::read_dir(place.path("rollcall-data")).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        for trace in traces {
            let times = bytes
                .windows(trace.len())
                .filter(|window| *window == trace.as_bytes());
            match times.count() {
                0 => {}
                times => found.push(format!("{trace} {times} times in {}", path.display())),
            }
        }
    }
    found
}

#[test]
fn nothing_of_an_erased_person_is_left_in_database_or_log() {
    let place = Place::embedded();
    place.write("seed.ndjson", seed());
    let dev = place.dev(&["--seed", "seed.ndjson"]);
    // Old states are as personal as the last one.
    for number in 0..20 {
        let name = format!("Eva Vergessen {number}");
        let update = ["profiles", "update", ID, "--name", &name];
        place.json(&[&update[..], &dev.platform()].concat());
    }
    assert!(!traces(&place).is_empty());
    let erase = ["profiles", "erase", ID, "--yes"];
    let erase = [&erase[..], &dev.operator()].concat();
    assert_eq!(
        place.json(&erase),
        json!({"id": ID, "type": "user_profile_deleted"})
    );
    assert_eq!(traces(&place), [""; 0], "while the server runs");
    let again = place.run(&erase);
    assert_eq!(again.status, 1, "{}", again.shown());
    dev.stop();
    assert_eq!(traces(&place), [""; 0]);
    let trail = place.json(&[
        "audit",
        "list",
        "--target-id",
        ID,
        "--action",
        "user_profile.erased",
    ]);
    assert_eq!(trail["data"][0]["target"]["id"], ID, "{trail}");
    let sound = json!({"profiles": 399, "problem_count": 0, "problems": []});
    assert_eq!(place.json(&["check"]), sound);
}

#[test]
fn nothing_of_a_deleted_person_is_left_after_a_clean_stop() {
    let place = Place::embedded();
    place.write("seed.ndjson", seed());
    let dev = place.dev(&["--seed", "seed.ndjson"]);
    place.json(&[&["profiles", "delete", ID][..], &dev.platform()].concat());
    dev.stop();
    assert_eq!(traces(&place), [""; 0]);
    // The log is empty, or gone.
    let log = std::fs::metadata(place.path("rollcall-data/rollcall.db-wal"));
    assert_eq!(log.map_or(0, |log| log.len()), 0);
}

#[test]
fn a_person_is_erased_without_a_server_too_and_never_without_a_word() {
    let place = Place::new();
    place.write("seed.ndjson", seed());
    place.dev(&["--seed", "seed.ndjson"]).stop();
    assert_ended!(place.run(&["profiles", "erase", ID]), @r#"
    $ rollcall profiles erase uprof_forgotten
    status: 2
    stderr:
    rollcall: what is erased cannot be brought back; repeat this with --yes
    "#);
    assert_ended!(place.run(&["profiles", "erase", ID, "--yes"]), @r#"
    $ rollcall profiles erase uprof_forgotten --yes
    status: 0
    stdout:
    {"id":"uprof_forgotten","type":"user_profile_deleted"}
    "#);
    if place.is_embedded() {
        assert_eq!(traces(&place), [""; 0]);
    }
    assert_ended!(place.run(&["profiles", "erase", ID, "--yes"]), @r#"
    $ rollcall profiles erase uprof_forgotten --yes
    status: 1
    stderr:
    rollcall: not_found_error (404): The requested user profile was not found.
    "#);
}

#[test]
fn nothing_of_a_tenant_or_its_people_is_left_once_the_tenancy_ended() {
    let place = Place::embedded();
    let endpoint = json!({
        "type": "webhook_endpoint", "id": "whep_nordlicht", "url": "http://127.0.0.1:9/nordlicht-hooks",
        "name": "Nordlicht-Meldungen", "enabled_events": ["user_profile.program_status_updated"],
    });
    place.write("seed.ndjson", format!("{}{endpoint}\n", seed()));
    let dev = place.dev(&["--seed", "seed.ndjson"]);
    for number in 0..20 {
        let name = format!("Eva Vergessen {number}");
        let update = ["profiles", "update", ID, "--name", &name];
        place.json(&[&update[..], &dev.platform()].concat());
    }
    place.json(&[&["profiles", "enroll", ID][..], &dev.platform()].concat());
    let organization = dev.call(Call::get("/operator/v1/organizations"))["data"][0]["id"].clone();
    let organization = organization.as_str().unwrap();
    let operator = |words: &[&str]| place.run(&[words, &dev.operator()].concat());
    let of = ["--organization-id", organization];
    for words in [
        &["orgs", "update", organization, "--name", "Nordlicht-Haus"][..],
        &[
            &["workspaces", "create", "--name", "Nordlicht-Raum"][..],
            &of,
        ]
        .concat(),
        &[
            &[
                "keys",
                "create",
                "--kind",
                "api",
                "--name",
                "Nordlicht-Schlüssel",
            ][..],
            &of,
        ]
        .concat(),
        &["programs", "set", ID, "cyber", "--status", "active"],
        &["webhooks", "test", "whep_nordlicht"],
    ] {
        let ended = operator(words);
        assert_eq!(ended.status, 0, "{}", ended.shown());
    }
    let early = operator(&["orgs", "remove", organization, "--yes"]);
    assert_eq!(early.status, 1, "{}", early.shown());
    assert_eq!(
        operator(&["orgs", "update", organization, "--status", "on_hold"]).status,
        0
    );
    let asked = operator(&["orgs", "remove", organization]);
    assert_eq!(asked.status, 2, "{}", asked.shown());
    let people = ["Person 1", "customer-399", "uprof_399"];
    let tenants = ["nordlicht", "Nordlicht"];
    let all = [&TRACES[..], &people, &tenants].concat();
    assert!(!traces_of(&place, &all).is_empty());
    let removed = operator(&["orgs", "remove", organization, "--yes"]);
    assert_eq!(removed.status, 0, "{}", removed.shown());
    assert_eq!(traces_of(&place, &all), [""; 0], "while the server runs");
    dev.stop();
    assert_eq!(traces_of(&place, &all), [""; 0]);
    let trail = place.json(&["audit", "list"]);
    let entry = &trail["data"][0];
    assert_eq!(entry["action"], "organization.removed", "{trail}");
    assert!(
        entry["details"].to_string().contains("400 user_profiles"),
        "{entry}"
    );
    let sound = json!({"profiles": 0, "problem_count": 0, "problems": []});
    assert_eq!(place.json(&["check"]), sound);
}
