//! `kill -9` on every command that writes, at random instants, and then the same command again.
//!
//! A case makes a storage and kills a command that works on it, once or several times in a row, before it
//! lets a run come to its end. Whatever a run acknowledged is there afterwards, the storage opens, and
//! `rollcall check` finds nothing. What a killed command was to make is there whole or not at all.
//!
//! `ROLLCALL_HOLD_KILLS` sets the number of kills over all commands.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use rollcall_scratch_postgres::{self as scratch, Server};
use serde_json::Value;

use crate::place::Place;
use crate::support::program::SECRET_KEY;
use crate::{Ledger, random};

const KILLS: usize = 20;
/// Most kills in a row before a run may end.
const IN_A_ROW: usize = 4;
/// From 32 MiB on an import takes the indexes away first.
const BULK_BYTES: usize = 33 * 1024 * 1024;
/// Within this a command is killed that was never let be.
const FIRST_GUESS: Duration = Duration::from_millis(300);
const ORGANIZATION: &str = "hold";

/// Makes a storage, kills what works on it, and looks at what is left.
type Case = fn(&mut Hold);

#[test]
fn every_command_that_writes_can_be_killed_and_repeated() {
    let kills = std::env::var("ROLLCALL_HOLD_KILLS").map_or(KILLS, |text| text.parse().unwrap());
    let mut hold = Hold::prepare();
    let mut cases: Vec<(&str, Case)> = vec![
        ("first start", first_start),
        ("import", import),
        ("rotation", rotation),
        ("serve", serve),
        ("removal", removal),
    ];
    if !scratch::is_chosen() {
        // PostgreSQL has tools of its own for these.
        cases.extend([("backup", backup as Case), ("restore", restore)]);
    }
    let mut rounds = 0;
    while hold.killed.values().sum::<usize>() < kills || rounds < cases.len() {
        let (name, case) = cases[rounds % cases.len()];
        let begun = Instant::now();
        case(&mut hold);
        rounds += 1;
        let took = begun.elapsed().as_secs_f32();
        eprintln!(
            "round {rounds}, {name}: {took:.1} s, kills so far {:?}",
            hold.killed
        );
    }
}

/// What the cases have in common.
struct Hold {
    directory: tempfile::TempDir,
    database: Option<Server>,
    cases: usize,
    /// Kills that met a command, by its name.
    killed: BTreeMap<&'static str, usize>,
    /// How long a command takes at most that is let be.
    takes: BTreeMap<&'static str, Duration>,
    /// A large file of records.
    records: Records,
    /// A server that is killed under its writers, and what it acknowledged.
    served: Option<(Place, Ledger)>,
}

struct Records {
    file: PathBuf,
    count: u64,
}

impl Records {
    fn write(directory: &Path) -> Self {
        let file = directory.join("records.ndjson");
        let metadata: Vec<_> = (0..16)
            .map(|key| format!(r#""key_{key}":"{}""#, "x".repeat(512)))
            .collect();
        let metadata = metadata.join(",");
        let (mut text, mut count) = (String::new(), 0);
        while text.len() < BULK_BYTES {
            text.push_str(&format!(
                r#"{{"type":"user_profile","organization_id":"{ORGANIZATION}","id":"uprof_{count}","name":"N{count}","metadata":{{{metadata}}}}}"#
            ));
            text.push('\n');
            count += 1;
        }
        std::fs::write(&file, text).unwrap();
        Self { file, count }
    }
}

impl Hold {
    fn prepare() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            database: scratch::is_chosen().then(|| scratch::wait(Server::start(&[]))),
            cases: 0,
            killed: BTreeMap::new(),
            takes: BTreeMap::new(),
            records: Records::write(directory.path()),
            served: None,
            directory,
        }
    }

    /// A storage that does not exist yet.
    fn nowhere(&mut self) -> Place {
        self.cases += 1;
        let name = format!("case_{}", self.cases);
        let directory = self.directory.path().join(&name);
        std::fs::create_dir(&directory).unwrap();
        match &self.database {
            None => Place::embedded(&directory),
            Some(server) => {
                let create = format!("CREATE DATABASE {name}");
                scratch::wait(scratch::execute(&server.url("postgres"), &[&create]));
                Place::on_database(&directory, server.url(&name))
            }
        }
    }

    /// A storage with the organization that the records are of.
    fn with_organization(&mut self) -> Place {
        let place = self.nowhere();
        let seed = place.directory().join("seed.ndjson");
        std::fs::write(&seed, endpoints(20)).unwrap();
        let seed = seed.to_str().unwrap();
        place.develop(&["--organization-id", ORGANIZATION, "--seed", seed]);
        place
    }

    /// Runs a command and kills it somewhere before it would end, unless chance lets it end. `None`
    /// when it was killed.
    fn kill(&mut self, name: &'static str, place: &Place, arguments: &[&str]) -> Option<Output> {
        let takes = *self.takes.entry(name).or_insert(FIRST_GUESS);
        let instant = takes * u32::try_from(random(1_100)).unwrap() / 1_000;
        let begun = Instant::now();
        let mut command = place.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        while begun.elapsed() < instant {
            if child.try_wait().unwrap().is_some() {
                let output = child.wait_with_output().unwrap();
                assert!(output.status.success(), "{arguments:?}: {output:?}");
                self.took(name, begun.elapsed());
                return Some(output);
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        place.wait_until_alone();
        if output.status.code().is_some() {
            // It ended by itself just before.
            assert!(output.status.success(), "{arguments:?}: {output:?}");
            return Some(output);
        }
        *self.killed.entry(name).or_default() += 1;
        None
    }

    /// The same with a server, which does not end by itself.
    fn kill_start(&mut self, name: &'static str, place: &Place) {
        let serve = ["serve", "--listen", "127.0.0.1:0"];
        assert!(self.kill(name, place, &serve).is_none());
    }

    /// Lets a command be, and remembers how long it takes.
    fn finish(&mut self, name: &'static str, place: &Place, arguments: &[&str]) -> Value {
        let begun = Instant::now();
        let answer = place.run(arguments);
        self.took(name, begun.elapsed());
        answer
    }

    fn took(&mut self, name: &'static str, time: Duration) {
        let longest = self.takes.entry(name).or_default();
        *longest = time.max(*longest);
    }
}

/// Records of webhook endpoints, whose signing secrets are sealed.
fn endpoints(count: usize) -> String {
    let endpoint = |number| {
        format!(
            r#"{{"type":"webhook_endpoint","url":"https://hooks.example.com/{number}","enabled_events":["user_profile.program_status_updated"]}}"#
        ) + "\n"
    };
    (0..count).map(endpoint).collect::<Vec<_>>().concat()
}

fn first_start(hold: &mut Hold) {
    let place = hold.nowhere();
    let mut acknowledged = BTreeSet::new();
    for number in 0..=random(IN_A_ROW) {
        match random(3) {
            0 => hold.kill_start("start", &place),
            1 if place.exists() => {
                hold.kill("migrate", &place, &["migrate"]);
            }
            _ => {
                let name = format!("Acme {number}");
                let create = ["orgs", "create", "--name", &name];
                if hold.kill("orgs create", &place, &create).is_some() {
                    acknowledged.insert(name);
                }
            }
        }
    }
    drop(place.start());
    place.wait_until_alone();
    hold.finish("orgs create", &place, &["orgs", "create", "--name", "Last"]);
    acknowledged.insert("Last".to_owned());
    hold.finish("migrate", &place, &["migrate"]);
    let listed = place.run(&["orgs", "list"]);
    let listed = listed["data"].as_array().unwrap().iter();
    let names: BTreeSet<_> = listed.map(|it| crate::text(&it["name"])).collect();
    assert!(acknowledged.is_subset(&names), "{acknowledged:?} {names:?}");
    place.check();
}

fn removal(hold: &mut Hold) {
    let place = hold.with_organization();
    let file = hold.records.file.to_str().unwrap().to_owned();
    hold.finish("import", &place, &["import", &file]);
    place.run(&["orgs", "update", ORGANIZATION, "--status", "on_hold"]);
    let remove = ["orgs", "remove", ORGANIZATION, "--yes"];
    let entries = || {
        let trail = place.run(&["audit", "list", "--action", "organization.removed"]);
        trail["data"].as_array().unwrap().clone()
    };
    for _ in 0..=random(IN_A_ROW) {
        // It may have come to its end and said so to nobody.
        if hold.kill("removal", &place, &remove).is_some() || !entries().is_empty() {
            break;
        }
    }
    if entries().is_empty() {
        hold.finish("removal", &place, &remove);
    }
    let [entry] = &entries()[..] else {
        panic!("not one entry: {:?}", entries());
    };
    let gone = format!("{} user_profiles", hold.records.count);
    assert!(entry["details"].to_string().contains(&gone), "{entry}");
    place.check();
}

fn import(hold: &mut Hold) {
    let place = hold.with_organization();
    let file = hold.records.file.to_str().unwrap().to_owned();
    let mut ended = hold.kill("import", &place, &["import", &file]).is_some();
    let resume = ["import", "--resume", file.as_str()];
    // A file takes long to read, and a start after it little.
    for _ in 0..2 + random(2 * IN_A_ROW) {
        if ended {
            break;
        }
        match random(3) {
            // Whoever opens the storage next brings the indexes back.
            0 => hold.kill_start("start after import", &place),
            1 => drop(hold.kill("migrate after import", &place, &["migrate"])),
            _ => ended = hold.kill("import", &place, &resume).is_some(),
        }
    }
    if !ended {
        hold.finish("import", &place, &resume);
    }
    let report = place.run(&["check"]);
    assert_eq!(report["profiles"], hold.records.count, "{report}");
}

fn rotation(hold: &mut Hold) {
    let mut place = hold.with_organization();
    if scratch::is_chosen() {
        // There it is the settings that change, and the command follows.
        let another = "dHdlbnR5LWZvdXIgYnl0ZXMgYXJlIG5vdCAzMiBlaXQ=".to_owned();
        place.variables = vec![
            ("ROLLCALL_SECRET_KEY", another),
            ("ROLLCALL_PREVIOUS_SECRET_KEYS", SECRET_KEY.to_owned()),
        ];
    }
    for _ in 0..=random(IN_A_ROW) {
        hold.kill("keys rotate-secret", &place, &["keys", "rotate-secret"]);
        // Every signing secret opens, however far it came.
        place.check();
    }
    hold.finish("keys rotate-secret", &place, &["keys", "rotate-secret"]);
    place.check();
    drop(place.start());
    place.check();
}

/// One round of what the other test of this file does for many.
fn serve(hold: &mut Hold) {
    let (place, mut ledger) = hold.served.take().unwrap_or_else(|| {
        let directory = hold.directory.path().join("served");
        std::fs::create_dir(&directory).unwrap();
        let place = Place::prepare(&directory);
        let mut ledger = Ledger::default();
        ledger.share(&mut place.client(&place.start()));
        (place, ledger)
    });
    hold.cases += 1;
    ledger.write_until_killed(&place, place.start(), hold.cases);
    *hold.killed.entry("serve").or_default() += 1;
    place.check();
    ledger.verify(&mut place.client(&place.start()));
    hold.served = Some((place, ledger));
}

fn backup(hold: &mut Hold) {
    let place = hold.with_organization();
    let saved = place.directory().join("saved");
    let saved = saved.to_str().unwrap();
    let check = ["check", "--data-dir", saved];
    for _ in 0..=random(IN_A_ROW) {
        hold.kill("backup", &place, &["backup", saved]);
        if Path::new(saved).exists() {
            assert_eq!(place.run_elsewhere(&check)["problem_count"], 0);
            std::fs::remove_dir_all(saved).unwrap();
        }
    }
    hold.finish("backup", &place, &["backup", saved]);
    assert_eq!(place.run_elsewhere(&check)["problem_count"], 0);
    place.check();
}

fn restore(hold: &mut Hold) {
    let source = hold.with_organization();
    let saved = source.directory().join("saved");
    let saved = saved.to_str().unwrap();
    source.run(&["backup", saved]);
    let place = hold.nowhere();
    for _ in 0..=random(IN_A_ROW) {
        hold.kill("restore", &place, &["restore", saved]);
        if place.exists() {
            break;
        }
    }
    if !place.exists() {
        hold.finish("restore", &place, &["restore", saved]);
    }
    place.check();
    drop(place.start());
    place.check();
    assert!(place.export() == source.export());
}
