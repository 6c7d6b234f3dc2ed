//! Keys and buckets in every state: exported, erased, imported, backed up and restored, on either engine.

use serde_json::{Value, json};

use crate::rollcall::{Dev, Place};
use rollcall::cli::client::Call;

/// By the clock of a command on the storage, nothing that retired since then has run out.
const NOW: &str = "2056-03-15T10:00:00Z";
/// A profile with every state, one whose keys have retired, one with an imported label, one with nothing.
const SEED: &str = r#"{"type":"user_profile","id":"uprof_every"}
{"type":"user_profile","id":"uprof_retired"}
{"type":"user_profile","id":"uprof_labelled","google_data_controls":{"bucket_label_value":"00112233445566778899aabbccddeeff"}}
{"type":"user_profile","id":"uprof_nothing"}
"#;
const IDS: [&str; 4] = [
    "uprof_every",
    "uprof_retired",
    "uprof_labelled",
    "uprof_nothing",
];

fn path(id: &str) -> String {
    format!("/v1/user_profiles/{id}/providers/google/data_controls")
}

fn platform(dev: &Dev, call: Call) -> Value {
    let call = call
        .header("anthropic-version", "2023-06-01")
        .header("anthropic-beta", "google-managed-data-controls-2026-09-01");
    dev.call_with("api_key", call)
}

fn update(dev: &Dev, id: &str, body: &Value) {
    platform(dev, Call::post(path(id), body));
}

fn report(dev: &Dev, place: &str, body: &Value) {
    let path = format!("/operator/v1/user_profiles/uprof_every/data_controls/{place}");
    dev.call(Call::post(path, body));
}

fn advance(dev: &Dev) {
    dev.call(Call::post(
        "/operator/v1/dev/clock",
        &json!({"advance": "1m"}),
    ));
}

fn keys(prefix: &str) -> Value {
    let key = |region: &str| format!("ekey_{prefix}-{region}");
    json!({"cmek": {"type": "enabled", "external_key_ids": {
        "us": key("us"), "eu": key("eu"), "sg": key("sg"), "global": key("global"),
    }}})
}

fn buckets(prefix: &str) -> Value {
    let bucket =
        |region: &str| json!({"bucket_name": format!("{prefix}-{region}"), "project_number": "42"});
    json!({"storage": {"type": "enabled", "buckets": {
        "us": bucket("us"), "eu": bucket("eu"), "sg": bucket("sg"), "global": bucket("global"),
    }}})
}

/// Brings the profiles into their states, a minute between any two steps.
fn every_state(dev: &Dev) {
    let id = "uprof_every";
    update(dev, id, &keys("old-theirs"));
    update(dev, id, &buckets("old-theirs"));
    for region in ["us", "eu", "global"] {
        advance(dev);
        report(dev, &format!("cmek/{region}"), &json!({"status": "active"}));
        let facts = json!({"status": "active", "location": "EU", "project_id": "theirs", "kms_key_name": "their/key"});
        report(dev, &format!("storage/{region}"), &facts);
    }
    update(dev, id, &keys("theirs"));
    update(dev, id, &buckets("theirs"));
    advance(dev);
    let check = json!([{"check": "grant_mismatch", "message": "Grant it", "role": "ingest"}]);
    report(dev, "cmek/us", &json!({"status": "active"}));
    report(
        dev,
        "cmek/us",
        &json!({"status": "active", "error": "Refused since"}),
    );
    report(
        dev,
        "cmek/eu",
        &json!({"status": "failed", "error": "Refused"}),
    );
    report(
        dev,
        "cmek/sg",
        &json!({"status": "pending", "error": "Not yet"}),
    );
    report(dev, "cmek/global", &json!({"status": "active"}));
    report(dev, "cmek/global", &json!({"status": "suspended"}));
    report(
        dev,
        "storage/us",
        &json!({"status": "active", "failed_checks": check}),
    );
    report(
        dev,
        "storage/eu",
        &json!({"status": "failed", "failed_checks": check}),
    );
    report(
        dev,
        "storage/sg",
        &json!({"status": "pending", "failed_checks": check}),
    );
    report(dev, "storage/global", &json!({"status": "suspended"}));
    update(dev, "uprof_retired", &keys("gone"));
    advance(dev);
    let off = json!({"cmek": {"type": "disabled"}, "storage": {"type": "disabled"}});
    update(dev, "uprof_retired", &off);
}

#[test]
fn every_state_outlasts_export_erasure_import_backup_and_restore() {
    let place = Place::new();
    place.write("seed.ndjson", SEED);
    let start = || place.dev(&["--clock", NOW, "--seed", "seed.ndjson"]);
    let shown = |dev: &Dev| IDS.map(|id| platform(dev, Call::get(path(id))));
    let dev = start();
    every_state(&dev);
    let before = shown(&dev);
    let states = |control: &str| {
        let status = &before[0][control]["status"];
        ["us", "eu", "sg", "global"]
            .map(|region| status[region]["type"].as_str().unwrap().to_owned())
    };
    let every = ["active", "failed", "pending", "suspended"];
    assert_eq!(
        (states("cmek"), states("storage")),
        (every.map(String::from), every.map(String::from))
    );
    assert_eq!(
        before[2]["bucket_label_value"],
        "00112233445566778899aabbccddeeff"
    );
    dev.stop();

    let export = |words: &[&str]| {
        let ended = place.run(&[&["export"], words].concat());
        assert_eq!(ended.status, 0, "{}", ended.shown());
        ended.stdout
    };
    let exported = export(&[]);
    assert_eq!(
        exported.matches("google_data_controls").count(),
        3,
        "{exported}"
    );

    place.back_up_and_restore("back");
    assert_eq!(export(&["--data-dir", "back"]), exported);

    let holds = || {
        let files = ["rollcall.db", "rollcall.db-wal"];
        let mut files = files
            .iter()
            .map(|file| place.path("rollcall-data").join(file));
        files.any(|file| {
            let bytes = std::fs::read(file).unwrap_or_default();
            String::from_utf8_lossy(&bytes).contains("theirs-us")
        })
    };
    assert_eq!(holds(), place.is_embedded());
    for id in IDS {
        place.json(&["profiles", "erase", id, "--yes"]);
    }
    assert_eq!(export(&[]), "");
    assert!(!holds(), "a file still holds a key or a bucket");

    place.write("records.ndjson", &exported);
    place.json(&["import", "records.ndjson"]);
    assert_eq!(export(&[]), exported);
    // The same file again changes nothing.
    place.json(&["import", "records.ndjson"]);
    assert_eq!(export(&[]), exported);
    assert_eq!(place.run(&["check"]).status, 0);
    place.write("seed.ndjson", "");
    let dev = start();
    assert_eq!(shown(&dev), before);
    dev.stop();
}
