//! `rollcall transfer`: everything moves, whatever kills it on the way, and nothing is overwritten.
//!
//! `ROLLCALL_TRANSFER_PROFILES` sets how many profiles are moved, `ROLLCALL_TRANSFER_KILLS` how often the
//! command is killed.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rollcall_scratch_postgres as scratch;
use serde_json::{Value, json};

use crate::records::records;
use crate::rollcall::{Dev, Place, assert_ended};
use crate::webhooks::Inbox;

const PROFILES: usize = 2_000;
const KILLS: usize = 10;
/// Most kills before a transfer may end.
const IN_A_ROW: usize = 4;
const ORGANIZATION: &str = "house";
const OPERATOR: &str = "operator-key";
const SECRET_KEY: &str = "c2l4dGVlbiBieXRlcyBhcmUgbm90IDMyIGJ5dGVzISE=";

/// How long the command first sees to it that no server has the database.
const UNHELD: Duration = Duration::from_secs(3);

/// A number below `end`.
fn random(end: usize) -> usize {
    usize::try_from(RandomState::new().hash_one(0) % end as u64).unwrap()
}

fn number(variable: &str, usual: usize) -> usize {
    std::env::var(variable).map_or(usual, |text| text.parse().unwrap())
}

/// The development server on a data directory, with the same keys wherever it stands.
fn start(place: &Place, directory: &str) -> Dev {
    place.dev(&[
        "--data-dir",
        directory,
        "--organization-id",
        ORGANIZATION,
        "--workspace-id",
        "wrkspc_house",
        "--api-key",
        "api-key",
        "--admin-key",
        "admin-key",
        "--operator-key",
        OPERATOR,
    ])
}

/// Sends a form as a browser does.
fn submit(dev: &Dev, path: &str, fields: &str) {
    let host = dev.get("base_url").trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).unwrap();
    let length = fields.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\norigin: http://{host}\r\nconnection: close\r\n\
         content-length: {length}\r\n\
         content-type: application/x-www-form-urlencoded\r\n\r\n{fields}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
}

/// Fills `rollcall-data` with something of everything; answers with the secret that `inbox` is signed with.
fn fill(place: &Place, inbox: &Inbox, profiles: usize) -> String {
    start(place, "rollcall-data").stop();
    place.write("records.ndjson", records(profiles));
    let import = [
        "import",
        "records.ndjson",
        "--organization-id",
        ORGANIZATION,
    ];
    assert_eq!(place.json(&import)["imported"], profiles);
    place.json(&["orgs", "create", "--name", "Another"]);

    let dev = start(place, "rollcall-data");
    let mut secrets = Vec::new();
    // The second of them is never reached, so that its deliveries stay due.
    for url in [inbox.url.as_str(), "http://127.0.0.1:1/"] {
        let body =
            json!({"url": url, "enabled_events": ["user_profile.enforcement_action_opened"]});
        secrets.push(endpoint(&dev, &body));
    }
    let profile = "uprof_000003";
    let link = ["profiles", "enroll", profile];
    let link = place.json(&[&link[..], &dev.platform()].concat());
    let link = link["url"].as_str().unwrap();
    let (_, path) = link.split_once("//").unwrap().1.split_once('/').unwrap();
    let answers = "program=cyber&tiers=a&full_name=Ana&organization=CERT&role=Analyst&intended_use=One&agreement=yes&step=send";
    submit(&dev, &format!("/{path}"), answers);
    submit(&dev, "/console/sign-in", &format!("key={OPERATOR}"));
    let open = [
        "enforcement",
        "open",
        profile,
        "--type",
        "ban",
        "--reason",
        "high_harm",
    ];
    place.json(&[&open[..], &dev.operator()].concat());
    assert!(inbox.next_is_signed(&secrets[0]));
    dev.stop();
    secrets.swap_remove(0)
}

fn endpoint(dev: &Dev, body: &Value) -> String {
    use rollcall::cli::client::{Call, Client};
    let admin = Client::new(dev.get("base_url"), dev.get("admin_key").to_owned().into()).unwrap();
    let create = Call::post("/v1/organizations/webhooks", body)
        .header("anthropic-version", "2023-06-01")
        .header("anthropic-beta", "webhooks-2026-10-07");
    let made = rollcall::cli::wait(admin.call(create)).unwrap();
    made["signing_secret"].as_str().unwrap().to_owned()
}

/// Lets go of the lease that a killed transfer left, so that the next one need not wait for its end.
fn free(database: &str) {
    let release = "DO $$ BEGIN IF to_regclass('rollcall_leases') IS NOT NULL THEN \
                   UPDATE rollcall_leases SET expires_at = 0; END IF; END $$";
    scratch::wait(scratch::execute(database, &[release]));
}

/// Runs a transfer that is killed before it could end, unless it is as fast as that. `None` when it was killed.
fn killed_at(place: &Place, arguments: &[&str], instant: Duration) -> Option<()> {
    let mut command = place.command(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let begun = Instant::now();
    let mut child = command.spawn().unwrap();
    while begun.elapsed() < instant {
        if child.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    if output.status.code().is_some() {
        assert!(output.status.success(), "{output:?}");
        return Some(());
    }
    None
}

/// How many rows each table of a data directory has, past everything that is tested.
fn counted(directory: &Path) -> BTreeMap<String, i64> {
    let database = rusqlite::Connection::open(directory.join("rollcall.db")).unwrap();
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let mut statement = database.prepare(sql).unwrap();
    let names = statement
        .query_map([], |row| row.get::<_, String>(0))
        .unwrap();
    let count = |name: String| {
        let sql = format!("SELECT count(*) FROM {name}");
        let count = database.query_row(&sql, [], |row| row.get(0)).unwrap();
        (name, count)
    };
    names.map(|name| count(name.unwrap())).collect()
}

fn export(place: &Place, storage: &[&str]) -> String {
    let ended = place.run(&[&["export", "-"], storage].concat());
    assert_eq!(ended.status, 0, "{}", ended.shown());
    ended.stdout
}

#[test]
fn everything_moves_to_the_other_engine_and_back_whatever_kills_it() {
    if scratch::is_chosen() {
        // Both engines are in it anyway.
        return;
    }
    let profiles = number("ROLLCALL_TRANSFER_PROFILES", PROFILES);
    let kills = number("ROLLCALL_TRANSFER_KILLS", KILLS);
    let place = Place::embedded();
    let inbox = Inbox::answering(200);
    let secret = fill(&place, &inbox, profiles);
    let before = export(&place, &["--data-dir", "rollcall-data"]);
    let database = || scratch::wait(scratch::fresh_database());

    let first = database();
    let begun = Instant::now();
    let moved = place.json(&[
        "transfer",
        "--data-dir",
        "rollcall-data",
        "--to-database-url",
        &first,
    ]);
    let takes = begun.elapsed();
    eprintln!("{profiles} profiles and what is around them: {takes:.1?}, {moved}");
    assert_eq!(moved["differences"], 0);
    for (table, rows) in moved["tables"].as_object().unwrap() {
        assert!(
            rows.as_u64() > Some(0),
            "say in this test what a row of {table} is made of"
        );
    }

    // There and back, each time into an empty storage, until it was killed often enough.
    let key = std::fs::read_to_string(place.path("rollcall-data/secret.key")).unwrap();
    let place = place.with("ROLLCALL_SECRET_KEY", key.trim());
    let (mut killed, mut rounds, mut second) = (0, 0, first);
    let mut back = "rollcall-data".to_owned();
    while killed < kills || rounds < 2 {
        rounds += 1;
        let third = database();
        let directory = format!("back-{rounds}");
        let (from, to) = if rounds % 2 == 1 {
            (["--database-url", &second], ["--to-data-dir", &directory])
        } else {
            (["--data-dir", &back], ["--to-database-url", &third])
        };
        let transfer = [&["transfer"][..], &from, &to].concat();
        for _ in 0..IN_A_ROW.min(kills.saturating_sub(killed)) {
            free(if rounds % 2 == 1 { &second } else { &third });
            let instant = UNHELD
                + takes.saturating_sub(UNHELD) * u32::try_from(5 + random(60)).unwrap() / 100;
            if killed_at(&place, &transfer, instant).is_some() {
                break;
            }
            killed += 1;
        }
        free(if rounds % 2 == 1 { &second } else { &third });
        assert_eq!(place.json(&transfer), moved, "round {rounds}");
        // Killed at its very end it would be run once more.
        assert_eq!(place.json(&transfer), moved, "round {rounds}, again");
        if rounds % 2 == 1 {
            back = directory;
        } else {
            second = third;
        }
        eprintln!("round {rounds}: {killed} kills so far");
    }
    assert_eq!(
        counted(&place.path("rollcall-data")),
        counted(&place.path(&back))
    );
    let storages = [["--database-url", &second], ["--data-dir", &back]];
    for storage in storages {
        assert!(export(&place, &storage) == before, "{storage:?}");
        let check = place.run(&[&["check"], &storage[..]].concat());
        assert_eq!(check.status, 0, "{}", check.shown());
    }

    let dev = start(&place, &back);
    let listed = ["webhooks", "list", "--organization-id", ORGANIZATION];
    let listed = place.json(&[&listed[..], &dev.operator()].concat());
    let endpoints = listed["data"].as_array().unwrap();
    let moved = endpoints.iter().find(|it| it["url"] == inbox.url).unwrap();
    let test = ["webhooks", "test", moved["id"].as_str().unwrap()];
    place.json(&[&test[..], &dev.operator()].concat());
    assert!(inbox.next_is_signed(&secret));
    dev.stop();
}

#[test]
fn nothing_is_moved_over_what_is_there_or_past_a_running_server() {
    if scratch::is_chosen() {
        return;
    }
    let place = Place::embedded().with("ROLLCALL_SECRET_KEY", SECRET_KEY);
    place.json(&["orgs", "create", "--name", "Acme"]);
    place.json(&["orgs", "create", "--name", "Other", "--data-dir", "other"]);
    let transfer = ["transfer", "--data-dir", "rollcall-data"];
    let into = |to: [&str; 2]| place.run(&[&transfer[..], &to].concat());
    assert_ended!(into(["--to-data-dir", "other"]), @r#"
    $ rollcall transfer --data-dir rollcall-data --to-data-dir other
    status: 2
    stderr:
    rollcall: the storage to be filled holds something else already: of organizations one has 1 rows and the other 1, and 1 (such as [organization]) are not the same there; name a storage that holds nothing yet
    "#);
    assert_ended!(into(["--to-data-dir", "rollcall-data"]), @r#"
    $ rollcall transfer --data-dir rollcall-data --to-data-dir rollcall-data
    status: 2
    stderr:
    rollcall: both sides are the same storage; name another one to fill
    "#);
    assert_ended!(place.run(&transfer), @r#"
    $ rollcall transfer --data-dir rollcall-data
    status: 2
    stderr:
    rollcall: the following required arguments were not provided: <--to-data-dir <DIR>|--to-database-url <URL>>; see rollcall transfer --help
    "#);
    assert_ended!(place.run(&["transfer", "--data-dir", "nowhere", "--to-data-dir", "other"]), @r#"
    $ rollcall transfer --data-dir nowhere --to-data-dir other
    status: 2
    stderr:
    rollcall: there is no storage in nowhere; name its directory with --data-dir, or make one with "rollcall orgs create" or "rollcall dev"
    "#);

    let serving = place.serve(&["--data-dir", "rollcall-data"]);
    assert_ended!(into(["--to-data-dir", "new"]), @r#"
    $ rollcall transfer --data-dir rollcall-data --to-data-dir new
    status: 2
    stderr:
    rollcall: the data directory rollcall-data is in use by another rollcall process; stop it or choose another --data-dir
    "#);
    serving.stop();

    let database = scratch::wait(scratch::fresh_database());
    let serving = place.serve(&["--database-url", &database]);
    let ended = into(["--to-database-url", &database]);
    assert_eq!(ended.status, 2, "{}", ended.shown());
    assert!(
        ended
            .stderr
            .contains("a server, or another transfer, is running"),
        "{}",
        ended.shown()
    );
    serving.stop();
    let ended = into(["--to-database-url", &database]);
    assert_eq!(ended.status, 0, "{}", ended.shown());
    place.serve(&["--database-url", &database]).stop();

    // The same database, told in other words.
    let and = if database.contains('?') { '&' } else { '?' };
    let again = format!("{database}{and}connect_timeout=10");
    let ended = place.run(&[
        "transfer",
        "--database-url",
        &database,
        "--to-database-url",
        &again,
    ]);
    assert_eq!(ended.status, 2, "{}", ended.shown());
    let same = "both sides are the same storage; name another one to fill";
    assert!(ended.stderr.contains(same), "{}", ended.shown());
}

#[test]
fn a_half_filled_storage_opens_for_nobody() {
    if scratch::is_chosen() {
        return;
    }
    let place = Place::embedded();
    place.json(&["orgs", "create", "--name", "Acme"]);
    let into = |to: &[&str]| {
        let transfer = ["transfer", "--data-dir", "rollcall-data"];
        place.run(&[&transfer[..], to].concat())
    };
    let under_way = "INSERT INTO migrations (number, name, checksum) VALUES (1000000, '{\"table\":0,\"after\":null}', '')";
    place.serve(&["--data-dir", "half"]).stop();
    rusqlite::Connection::open(place.path("half/rollcall.db"))
        .unwrap()
        .execute(under_way, [])
        .unwrap();
    assert_ended!(place.run(&["orgs", "list", "--data-dir", "half"]), @r#"
    $ rollcall orgs list --data-dir half
    status: 2
    stderr:
    rollcall: a transfer into this storage was broken off, and a part of it is missing: run the same "rollcall transfer" again, which goes on where it was, or begin with an empty one
    "#);
    assert_ended!(place.run(&["transfer", "--data-dir", "half", "--to-data-dir", "new"]), @r#"
    $ rollcall transfer --data-dir half --to-data-dir new
    status: 2
    stderr:
    rollcall: the storage to be moved is half filled itself, by a transfer that was broken off; run that one to its end first
    "#);
    // As if all of it had been copied, which the comparison does not believe.
    let half = rusqlite::Connection::open(place.path("half/rollcall.db")).unwrap();
    let state = |sql: &str| assert_eq!(half.execute(sql, []).unwrap(), 1);
    state("UPDATE migrations SET name = '{\"table\":99,\"after\":null}' WHERE number = 1000000");
    assert_ended!(into(&["--to-data-dir", "half"]), @r#"
    $ rollcall transfer --data-dir rollcall-data --to-data-dir half
    status: 1
    stderr:
    rollcall: the two sides differ: of organizations one has 1 rows and the other 0, and 1 (such as [organization]) are not the same there; did anybody write to one of them? Empty the one that was filled, and begin again
    "#);
    state("UPDATE migrations SET name = '{\"table\":0,\"after\":null}' WHERE number = 1000000");
    assert_eq!(into(&["--to-data-dir", "half"]).status, 0);
    assert_eq!(into(&["--to-data-dir", "half"]).status, 0);
    state("UPDATE audit_events SET action = 'organization.changed'");
    assert_ended!(into(&["--to-data-dir", "half"]), @r#"
    $ rollcall transfer --data-dir rollcall-data --to-data-dir half
    status: 2
    stderr:
    rollcall: the storage to be filled holds something else already: of audit_events one has 1 rows and the other 1, and 1 (such as aud_[id]) are not the same there; name a storage that holds nothing yet
    "#);
    drop(half);
    assert_eq!(
        place.json(&["orgs", "list", "--data-dir", "half"])["data"]
            .as_array()
            .unwrap()
            .len(),
        1
    );

    let database = scratch::wait(scratch::fresh_database());
    let place = place.with("ROLLCALL_SECRET_KEY", SECRET_KEY);
    place.json(&["migrate", "--database-url", &database]);
    let under_way = under_way.replace("migrations", "rollcall_migrations");
    scratch::wait(scratch::execute(&database, &[&under_way]));
    let refused = place.run(&["serve", "--database-url", &database]);
    assert_eq!(refused.status, 2);
    assert!(
        refused.stderr.contains("was broken off"),
        "{}",
        refused.shown()
    );
}

#[test]
fn a_secret_that_would_not_open_stops_the_move_before_it_begins() {
    if scratch::is_chosen() {
        return;
    }
    let place = Place::embedded();
    let seed = r#"{"type":"webhook_endpoint","id":"whep_1","url":"https://example.com/","enabled_events":["user_profile.enforcement_action_opened"]}"#;
    place.write("seed.ndjson", seed);
    place.dev(&["--seed", "seed.ndjson"]).stop();
    let key = place.read("rollcall-data/secret.key");
    let place = place.with("ROLLCALL_SECRET_KEY", SECRET_KEY);
    let transfer = [
        "transfer",
        "--data-dir",
        "rollcall-data",
        "--to-data-dir",
        "new",
    ];
    assert_ended!(place.run(&transfer), @r#"
    $ rollcall transfer --data-dir rollcall-data --to-data-dir new
    status: 2
    stderr:
    rollcall: 1 signing secrets would not open after the move, nothing was moved: signing secret of whep_1: the signing secret is sealed with the key [key], which neither secret_key nor previous_secret_keys gives; give the key in secret_key or previous_secret_keys, or regenerate them before
    "#);
    assert!(!place.path("new").exists());
    let place = place.with(
        "ROLLCALL_PREVIOUS_SECRET_KEYS",
        String::from_utf8(key).unwrap().trim(),
    );
    place.json(&transfer);
    let kept = String::from_utf8(place.read("new/secret.key")).unwrap();
    assert_eq!(kept.lines().next(), Some(SECRET_KEY));
    assert_eq!(kept.lines().count(), 2);

    // A directory that has the same key, and not those before it, is given them.
    place.serve(&["--data-dir", "third"]).stop();
    place.write("third/secret.key", format!("{SECRET_KEY}\n"));
    place.json(&[&transfer[..4], &["third"]].concat());
    assert_eq!(place.read("third/secret.key"), kept.as_bytes());
}

#[test]
fn another_secret_key_on_the_other_side_leaves_that_side_as_it_is() {
    if scratch::is_chosen() {
        return;
    }
    let place = Place::embedded();
    place.serve(&["--data-dir", "rollcall-data"]).stop();
    place.json(&["orgs", "create", "--name", "Acme"]);
    place.serve(&["--data-dir", "other"]).stop();
    let transfer = [
        "transfer",
        "--data-dir",
        "rollcall-data",
        "--to-data-dir",
        "other",
    ];
    assert_ended!(place.run(&transfer), @r#"
    $ rollcall transfer --data-dir rollcall-data --to-data-dir other
    status: 2
    stderr:
    rollcall: other/secret.key holds another secret key than the one that goes along; move it away
    "#);
    let there = place.json(&["orgs", "list", "--data-dir", "other"]);
    assert_eq!(there["data"], json!([]));
    place.serve(&["--data-dir", "other"]).stop();

    std::fs::remove_file(place.path("other/secret.key")).unwrap();
    place.json(&transfer);
    assert_eq!(
        place.read("other/secret.key"),
        place.read("rollcall-data/secret.key")
    );
}

#[test]
fn a_server_ends_where_a_transfer_has_taken_its_database() {
    if scratch::is_chosen() {
        return;
    }
    let place = Place::embedded().with("ROLLCALL_SECRET_KEY", SECRET_KEY);
    let database = scratch::wait(scratch::fresh_database());
    let serving = place.serve(&["--database-url", &database]);
    let lease = "INSERT INTO rollcall_leases (name, owner, expires_at, fence) \
                 VALUES ('background', 'transfer-1', 9000000000000000, 1) \
                 ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, \
                 expires_at = excluded.expires_at";
    scratch::wait(scratch::execute(&database, &[lease]));
    let log = serving.ended();
    assert!(
        log.contains("a transfer is reading or filling this database"),
        "{log}"
    );
}
