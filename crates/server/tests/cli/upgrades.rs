//! What earlier builds left behind, opened by this one: `test-data/` has a registry of each schema that a build wrote, and what
//! that build's own commands said of it.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use rollcall_scratch_postgres as scratch;
use serde_json::Value;

use crate::rollcall::{Place, SECRET_KEY};

/// Schemas of the embedded engine that no build ever left behind: they came together with the one after.
const NEVER_LEFT: [u32; 3] = [1, 2, 6];

fn test_data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test-data")
}

/// The schemas of this engine that there are registries of.
fn schemas(engine: &str) -> BTreeSet<u32> {
    std::fs::read_dir(test_data())
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.strip_prefix(&format!("{engine}-"))?.parse().ok()
        })
        .collect()
}

fn unpacked(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    let packed = std::fs::File::open(path).unwrap();
    GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    bytes
}

/// A place whose default storage is the registry that is kept in a directory.
fn opened(kept: &Path) -> Place {
    let place = Place::embedded();
    if scratch::is_chosen() {
        let dump = String::from_utf8(unpacked(&kept.join("dump.sql.gz"))).unwrap();
        let url = scratch::wait(async {
            let url = scratch::fresh_database().await;
            scratch::execute(&url, &[&dump]).await;
            url
        });
        return place
            .with("ROLLCALL_DATABASE_URL", &url)
            .with("ROLLCALL_SECRET_KEY", SECRET_KEY);
    }
    std::fs::create_dir(place.path("rollcall-data")).unwrap();
    place.write(
        "rollcall-data/rollcall.db",
        unpacked(&kept.join("rollcall.db.gz")),
    );
    let key = std::fs::read(kept.join("secret.key")).unwrap();
    place.write("rollcall-data/secret.key", key);
    place
}

/// The schema of a place's storage.
fn schema(place: &Place) -> u32 {
    if scratch::is_chosen() {
        let url = place.variable("ROLLCALL_DATABASE_URL").unwrap();
        let last = "SELECT max(number) FROM rollcall_migrations";
        return scratch::wait(scratch::ask(url, last)).parse().unwrap();
    }
    let database = rusqlite::Connection::open(place.path("rollcall-data/rollcall.db")).unwrap();
    database
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap()
}

/// Fails unless everything that was said then is said now. Answers may have got further members since.
fn assert_kept(then: &Value, now: &Value, at: &str) {
    match (then, now) {
        (Value::Object(then), Value::Object(now)) => {
            for (name, value) in then {
                let found = now.get(name).unwrap_or(&Value::Null);
                assert_kept(value, found, &format!("{at}.{name}"));
            }
        }
        (Value::Array(then), Value::Array(now)) => {
            assert_eq!(then.len(), now.len(), "{at}: {then:?}\n{now:?}");
            for (index, (then, now)) in then.iter().zip(now).enumerate() {
                assert_kept(then, now, &format!("{at}[{index}]"));
            }
        }
        _ => assert_eq!(then, now, "{at}"),
    }
}

#[test]
fn what_earlier_builds_left_behind_opens_and_is_all_there() {
    let engine = if scratch::is_chosen() {
        "postgres"
    } else {
        "sqlite"
    };
    let kept = schemas(engine);
    let mut known = 0;
    for number in &kept {
        let directory = test_data().join(format!("{engine}-{number}"));
        let name = directory
            .file_name()
            .unwrap()
            .to_string_lossy()
            .into_owned();
        let then: Value =
            serde_json::from_slice(&std::fs::read(directory.join("answers.json")).unwrap())
                .unwrap();
        let place = opened(&directory);
        assert_eq!(schema(&place), *number, "{name} has another schema");
        let migrated = place.run(&["migrate"]);
        assert_eq!(migrated.status, 0, "{name}: {}", migrated.shown());
        known = schema(&place);

        assert_eq!(place.json(&["check"])["problem_count"], 0, "{name}");
        for question in then["answers"].as_array().unwrap() {
            let command: Vec<_> = question["command"]
                .as_array()
                .unwrap()
                .iter()
                .map(|word| word.as_str().unwrap())
                .collect();
            let now = place.json(&command);
            assert_kept(
                &question["answer"],
                &now,
                &format!("{name}: {}: ", command.join(" ")),
            );
        }
        let exported = place.run(&["export"]).stdout;
        assert_eq!(
            exported.lines().count(),
            then["export"].as_array().unwrap().len(),
            "{name}"
        );
        for (line, now) in then["export"]
            .as_array()
            .unwrap()
            .iter()
            .zip(exported.lines())
        {
            let line: Value = serde_json::from_str(line.as_str().unwrap()).unwrap();
            assert_kept(
                &line,
                &serde_json::from_str(now).unwrap(),
                &format!("{name}: export: "),
            );
        }

        let serving = place.serve(&[]);
        let key = then["platform_key"].as_str().unwrap();
        let asked = ["--base-url", &serving.base_url, "--api-key", key];
        let listed = place.json(&[&["profiles", "list"][..], &asked].concat());
        assert_eq!(
            listed["data"].as_array().unwrap().len(),
            exported.lines().count(),
            "{name}"
        );
        serving.stop();
    }
    let missing: Vec<_> = (1..known)
        .filter(|number| !kept.contains(number))
        .filter(|number| engine == "postgres" || !NEVER_LEFT.contains(number))
        .collect();
    assert_eq!(
        missing,
        Vec::<u32>::new(),
        "no registry of these schemas is kept; `test-data/make` makes one with a build that has it"
    );
}
