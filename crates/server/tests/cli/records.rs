//! `rollcall import` and `rollcall export`.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::json;

use crate::rollcall::{Ended, Place, assert_ended};

fn organization(place: &Place) -> String {
    let made = place.json(&["orgs", "create", "--name", "Acme"]);
    made["id"].as_str().unwrap().to_owned()
}

/// Records with something of everything.
pub(crate) fn records(count: usize) -> String {
    let record = |number: usize| {
        let programs = match number % 3 {
            0 => json!({}),
            1 => json!({"cyber": {"status": "active", "tiers": {"a": "active"}}}),
            _ => json!({"efs": {"status": "pending"}, "lab": {"status": "rejected"}}),
        };
        let actions = match number % 5 {
            0 => json!([{"type": "ban", "reason": "high_harm", "id": format!("enac_{number}"),
                         "opened_at": "2026-05-01T00:00:00Z"}]),
            1 => {
                json!([{"type": "restriction", "reason": "unspecified", "id": format!("enac_{number}"),
                         "opened_at": "2026-05-01T00:00:00Z", "resolved_at": "2026-06-01T00:00:00Z"}])
            }
            _ => json!([]),
        };
        let record = json!({
            "type": "user_profile",
            "id": format!("uprof_{number:06}"),
            "created_at": format!("2026-03-15T10:00:{:02}.{number:06}Z", number % 60),
            "name": format!("Zoë \"{number}\""),
            "relationship": "internal",
            "metadata": {"plan": "team", "\u{1f980}": "x"},
            "external_user_details": {"reference_id": format!("user_{number}"), "country": "SE"},
            "programs": programs,
            "enforcement_actions": actions,
        });
        format!("{record}\n")
    };
    (0..count).map(record).collect()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

const BAD: &str = r#"{"type":"user_profile","id":"uprof_good"}
not json
{"type":"order"}

{"type":"user_profile","organization_id":"nobody"}
{"type":"user_profile","id":"uprof_good"}
{"type":"user_profile","programs":{"cyber":{"status":"done"}}}
{"type":"user_profile","nickname":"x"}
{"type":"webhook_endpoint","url":"https://x.example","enabled_events":[]}
{"type":"user_profile","id":"uprof_also_good"}"#;

#[test]
fn bad_lines_are_named_and_no_good_one_is_lost() {
    let place = Place::new();
    let organization = organization(&place);
    place.write("records.ndjson", BAD);
    let import = [
        "import",
        "records.ndjson",
        "--organization-id",
        &organization,
    ];
    assert_ended!(place.run(&import), @r#"
    $ rollcall import records.ndjson --organization-id [organization]
    status: 1
    stdout:
    {"imported":2,"replaced":0,"failed":7}
    stderr:
    line 2: not valid JSON: expected value at column 2
    line 3: type: must be one of: user_profile, webhook_endpoint
    line 5: organization_id: is not an organization
    line 6: id: stands on an earlier line already
    line 7: programs.cyber.status: must be one of: active, pending, rejected
    line 8: nickname: Extra inputs are not permitted
    line 9: type: must be user_profile; webhook endpoints are for seeds
    "#);
    let exported = place.run(&["export"]);
    assert_eq!(exported.stdout.lines().count(), 2, "{}", exported.stdout);
    assert!(!place.path("records.ndjson.progress").exists());
}

#[test]
fn bad_lines_are_the_same_over_the_network() {
    let place = Place::new();
    let dev = place.dev(&["--in-memory"]);
    place.write("records.ndjson", BAD);
    let import = [
        "import",
        "records.ndjson",
        "--organization-id",
        dev.get("organization_id"),
    ];
    let ended = place.run(&[&import[..], &dev.operator()].concat());
    assert_eq!(ended.status, 1);
    insta::assert_snapshot!(ended.stdout + &ended.stderr, @r#"
    {"imported":2,"replaced":0,"failed":7}
    line 2: not valid JSON: expected value at column 2
    line 3: type: must be one of: user_profile, webhook_endpoint
    line 5: organization_id: is not an organization
    line 6: id: stands on an earlier line already
    line 7: programs.cyber.status: must be one of: active, pending, rejected
    line 8: nickname: Extra inputs are not permitted
    line 9: type: must be user_profile; webhook endpoints are for seeds
    "#);
    dev.stop();
}

/// A server tells of a thousand in one answer.
#[test]
fn bad_lines_are_all_told_however_many_a_server_refuses() {
    let place = Place::new();
    let dev = place.dev(&["--in-memory"]);
    let line = r#"{"type":"user_profile","organization_id":"of-nobody"}"#;
    place.write("records.ndjson", format!("{line}\n").repeat(2_500));
    let import = ["import", "records.ndjson"];
    let ended = place.run(&[&import[..], &dev.operator()].concat());
    let expected: Vec<_> = (1..=2_500)
        .map(|line| format!("line {line}: organization_id: is not an organization"))
        .collect();
    assert_eq!(ended.stderr.lines().collect::<Vec<_>>(), expected);
    let tally = "{\"imported\":0,\"replaced\":0,\"failed\":2500}\n";
    assert_eq!((ended.status, ended.stdout.as_str()), (1, tally));
    dev.stop();
}

#[test]
fn an_import_needs_an_organization_and_a_file() {
    let place = Place::new();
    organization(&place);
    place.write("one.ndjson", r#"{"type":"user_profile"}"#);
    assert_ended!(place.run(&["import", "one.ndjson"]), @r#"
    $ rollcall import one.ndjson
    status: 1
    stdout:
    {"imported":0,"replaced":0,"failed":1}
    stderr:
    line 1: organization_id: is required; give it here or with --organization-id
    "#);
    assert_ended!(place.run(&["import", "one.ndjson", "--organization-id", "nobody"]), @r#"
    $ rollcall import one.ndjson --organization-id nobody
    status: 1
    stderr:
    rollcall: not_found_error (404): The requested organization was not found.
    "#);
    assert_ended!(place.run(&["import", "nowhere.ndjson"]), @r#"
    $ rollcall import nowhere.ndjson
    status: 2
    stderr:
    rollcall: cannot read nowhere.ndjson: No such file or directory (os error 2)
    "#);
    assert_ended!(place.run(&["import", "-", "--resume"]), @r#"
    $ rollcall import - --resume
    status: 2
    stderr:
    rollcall: standard input cannot be resumed; name a file, or leave --resume out
    "#);
}

#[test]
fn what_is_exported_is_imported_byte_for_byte() {
    let place = Place::new();
    let organization = organization(&place);
    place.write("records.ndjson", records(2_345));
    let import = [
        "import",
        "records.ndjson",
        "--organization-id",
        &organization,
    ];
    let tally = place.json(&import);
    assert_eq!(
        tally,
        json!({"imported": 2_345, "replaced": 0, "failed": 0})
    );
    let tally = place.json(&import);
    assert_eq!(
        tally,
        json!({"imported": 0, "replaced": 2_345, "failed": 0})
    );
    assert_eq!(place.run(&["export", "first.ndjson"]).status, 0);
    let first = place.read("first.ndjson");
    assert_eq!(
        String::from_utf8(first.clone()).unwrap().lines().count(),
        2_345
    );

    // Into another server, over the network, and back.
    let dev = place.dev(&["--data-dir", "other", "--organization-id", &organization]);
    let reach = dev.operator();
    place.json(&[&["import", "first.ndjson"], &reach[..]].concat());
    assert_eq!(
        place
            .run(&[&["export", "second.ndjson"], &reach[..]].concat())
            .status,
        0
    );
    assert!(place.read("second.ndjson") == first);
    dev.stop();

    // Compressed, on the storage, twice the same.
    assert_eq!(place.run(&["export", "--gzip", "one.gz"]).status, 0);
    assert_eq!(
        place
            .run(&["export", "--gzip", "two.gz", "--data-dir", "other"])
            .status,
        0
    );
    let compressed = place.read("one.gz");
    assert!(compressed == place.read("two.gz"));
    let tally = place.json(&["import", "one.gz"]);
    assert_eq!(tally["replaced"], 2_345);
    let check = place.json(&["check"]);
    assert_eq!(
        check,
        json!({"profiles": 2_345, "problem_count": 0, "problems": []})
    );
}

#[test]
fn an_import_that_broke_off_goes_on_where_it_was() {
    let place = Place::new();
    let organization = organization(&place);
    // Broken off in its second batch.
    let text = records(13_000).replacen("uprof_000100", "no id", 1);
    let whole = gzip(&text);
    place.write("records.gz", &whole[..whole.len() * 2 / 3]);
    let import = ["import", "records.gz", "--organization-id", &organization];
    let broken = place.run(&import);
    assert_eq!(broken.status, 1, "{}", broken.shown());
    assert!(
        broken.stderr.contains("go on with --resume"),
        "{}",
        broken.stderr
    );
    assert!(
        broken.stderr.contains("line 101: id: "),
        "{}",
        broken.stderr
    );
    let noted = place.read("records.gz.progress");
    let noted: serde_json::Value = serde_json::from_slice(&noted).unwrap();
    assert!(noted["lines"].as_u64().unwrap() >= 8_000, "{noted}");

    place.write("records.gz", &whole);
    let resumed = place.run(&[&import[..], &["--resume"]].concat());
    // The bad line of before counts, and is not told again.
    assert_eq!(resumed.status, 1, "{}", resumed.shown());
    let tally: serde_json::Value = serde_json::from_str(&resumed.stdout).unwrap();
    assert_eq!(
        tally,
        json!({"imported": 12_999, "replaced": 0, "failed": 1})
    );
    assert_eq!(resumed.stderr, "");
    assert!(!place.path("records.gz.progress").exists());
}

#[test]
fn a_plain_file_is_resumed_by_its_offset_and_only_if_it_is_the_same_file() {
    let place = Place::new();
    let organization = organization(&place);
    let text = records(3_000);
    let half = text.match_indices('\n').nth(1_499).unwrap().0 + 1;
    let before = &text.as_bytes()[half.saturating_sub(4_096)..half];
    let noted = json!({"offset": half, "lines": 1_500, "fingerprint": crc32fast::hash(before),
                       "imported": 1_500, "replaced": 0, "failed": 0});
    place.write("records.ndjson", &text);
    let import = [
        "import",
        "records.ndjson",
        "--resume",
        "--organization-id",
        &organization,
    ];
    place.write("records.ndjson.progress", noted.to_string());
    assert_eq!(place.json(&import)["imported"], 3_000);
    assert_eq!(place.run(&["export"]).stdout.lines().count(), 1_500);

    place.write("records.ndjson", text.replace("team", "TEAM"));
    place.write("records.ndjson.progress", noted.to_string());
    assert_ended!(place.run(&["import", "records.ndjson", "--resume"]), @r#"
    $ rollcall import records.ndjson --resume
    status: 2
    stderr:
    rollcall: cannot read records.ndjson: the file is not the one that was being imported; import it without --resume
    "#);
}

#[test]
fn records_come_through_a_pipe_and_a_reader_that_leaves_is_no_failure() {
    let place = Place::new();
    let organization = organization(&place);
    let import = ["import", "-", "--organization-id", &organization];
    let mut command = place.command(&import);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(records(4_000).as_bytes()).unwrap();
    drop(stdin);
    let ended = Ended::new(&import, &child.wait_with_output().unwrap());
    assert_eq!(
        (ended.status, ended.stdout.as_str()),
        (0, "{\"imported\":4000,\"replaced\":0,\"failed\":0}\n")
    );

    let mut command = place.command(&["export"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut first = [0; 10];
    let mut stdout = child.stdout.take().unwrap();
    std::io::Read::read_exact(&mut stdout, &mut first).unwrap();
    drop(stdout);
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), ended.stderr.len()), (Some(0), 0));
}

#[test]
fn an_export_that_fails_leaves_no_half_a_file() {
    let place = Place::new();
    organization(&place);
    assert_ended!(place.run(&["export", "x.ndjson", "--organization-id", "nobody"]), @r#"
    $ rollcall export x.ndjson --organization-id nobody
    status: 1
    stderr:
    rollcall: not_found_error (404): The requested organization was not found.
    "#);
    assert_ended!(place.run(&["export", "no/such/directory.ndjson"]), @r#"
    $ rollcall export no/such/directory.ndjson
    status: 2
    stderr:
    rollcall: cannot write no/such/directory.ndjson: No such file or directory (os error 2)
    "#);
    let names = std::fs::read_dir(place.path("")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = names.filter(|name| name != "rollcall-data").collect();
    assert!(left.is_empty(), "{left:?}");
}

/// People as another system keeps them.
fn spreadsheet(count: usize) -> String {
    let row = |number: usize| {
        format!(
            "cust-{number},\"Zoë \"\"{number}\"\"\",SE,,{}\r\n",
            number % 3
        )
    };
    let rows: String = (0..count).map(row).collect();
    format!("Customer,Full name,external_user_details.country,Phone,metadata.tier\r\n{rows}")
}

#[test]
fn the_same_csv_twice_changes_nothing_on_the_storage_and_over_the_network() {
    let place = Place::new();
    let dev = place.dev(&["--in-memory"]);
    let there = dev.get("organization_id").to_owned();
    let here = organization(&place);
    let count = std::env::var("ROLLCALL_IMPORT_LINES").map_or(2_500, |text| text.parse().unwrap());
    place.write("people.csv", spreadsheet(count));
    let import = [
        "import",
        "people.csv",
        "--match",
        "reference_id",
        "--map",
        "Customer=external_user_details.reference_id",
        "--map",
        "Full name=name",
        "--map",
        "Phone=",
        "--organization-id",
    ];
    let on_storage = [&import[..], &[&here]].concat();
    let operator = dev.operator();
    let over_network = [&import[..], &[&there], &operator].concat();
    for (import, export) in [(on_storage, vec![]), (over_network, operator.to_vec())] {
        let exported = || {
            let exported = place.run(&[&["export"], &export[..]].concat());
            assert_eq!(exported.status, 0, "{}", exported.shown());
            exported.stdout
        };
        let timed = |import: &[&str]| {
            let begun = std::time::Instant::now();
            let report = place.json(import);
            eprintln!("{import:?}: {:.1?}", begun.elapsed());
            report
        };
        let before = exported();
        let dry = timed(&[&import[..], &["--dry-run"]].concat());
        let all = json!({"imported": count, "replaced": 0, "failed": 0, "dry_run": true});
        assert_eq!((dry, exported()), (all, before));
        assert_eq!(timed(&import)["imported"], count);
        let after = exported();
        assert_eq!(after.lines().count(), count);
        assert!(after.contains(r#""name":"Zoë \"7\"""#), "{}", &after[..600]);
        assert_eq!(timed(&import)["replaced"], count);
        assert!(exported() == after, "the second run changed something");
    }
    dev.stop();
}

#[test]
fn lines_without_times_are_the_same_again_over_the_network_too() {
    let place = Place::new();
    let dev = place.dev(&["--in-memory"]);
    let line = "{\"type\":\"user_profile\",\"id\":\"uprof_1\",\"name\":\"Ana\"}\n";
    place.write("ids.ndjson", line);
    let organization = dev.get("organization_id");
    let import = ["import", "ids.ndjson", "--organization-id", organization];
    let import = [&import[..], &dev.operator()].concat();
    let export = [&["export"][..], &dev.operator()].concat();
    place.json(&import);
    let after = place.run(&export).stdout;
    assert_eq!(place.json(&import)["replaced"], 1);
    assert_eq!(place.run(&export).stdout, after);
    dev.stop();
}

#[test]
fn a_csv_is_told_by_its_lines() {
    let place = Place::new();
    let organization = organization(&place);
    place.write(
        "bad.csv",
        "name,external_user_details.country\nAna,SE\nBen\nCem,Sweden\n",
    );
    let import = ["import", "bad.csv", "--organization-id", &organization];
    assert_ended!(place.run(&import), @r#"
    $ rollcall import bad.csv --organization-id [organization]
    status: 1
    stdout:
    {"imported":1,"replaced":0,"failed":2}
    stderr:
    line 3: has 1 cells, and the header 2
    line 4: external_user_details.country: must be two upper-case ASCII letters
    "#);
    place.write("other.csv", "Name\nAna\n");
    let import = ["import", "other.csv", "--organization-id", &organization];
    assert_ended!(place.run(&import), @r#"
    $ rollcall import other.csv --organization-id [organization]
    status: 1
    stderr:
    rollcall: stopped after line 0: cannot read other.csv: line 1: column "Name" is no field of a record; give it one with --map Name=FIELD, or leave it out with --map Name=; everything before is stored, go on with --resume
    "#);
}
