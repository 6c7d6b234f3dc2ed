//! A disk that fails under a running server: full, read-only, broken, unable to flush, and without power.
//!
//! Whatever the disk does, what was acknowledged is there afterwards, and what was refused with 529 is not;
//! `/readyz` and the metric say that nothing can be written, reads go on, and everything goes on by itself
//! once the disk does.
//!
//! The disk is a library that is loaded before the C library's own (`shim.c`), built here.
//! `ROLLCALL_DISK_ROUNDS` sets how often the power fails.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop"
)]

mod disk;
#[path = "../support/program.rs"]
mod program;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use disk::{Disk, Fault};
use program::{Program, rollcall};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long the server may take to notice that the disk is well again.
const PATIENCE: Duration = Duration::from_secs(30);
const ROUNDS: u64 = 6;

#[test]
fn a_full_disk_is_told_loses_nothing_and_is_got_over() {
    let mut place = Place::prepare();
    place.hold_through(Fault::Full, &[529]);
}

#[test]
fn a_disk_that_became_read_only_took_nothing_and_says_that_trying_again_is_safe() {
    let mut place = Place::prepare();
    place.hold_through(Fault::ReadOnly, &[529]);
}

#[test]
fn a_broken_disk_is_told_loses_nothing_and_is_got_over() {
    let mut place = Place::prepare();
    place.hold_through(Fault::Broken, &[529]);
}

#[test]
fn a_disk_that_cannot_flush_leaves_the_outcome_open_and_is_got_over() {
    let mut place = Place::prepare();
    place.hold_through(Fault::Unflushed, &[500]);
}

#[test]
fn what_was_acknowledged_survives_the_loss_of_power() {
    let rounds = std::env::var("ROLLCALL_DISK_ROUNDS");
    let rounds = rounds.map_or(ROUNDS, |text| text.parse().unwrap());
    let mut place = Place::prepare();
    let mut lost = 0;
    for round in 0..rounds {
        let program = place.start();
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let (address, key) = (program.address, place.api_key.clone());
                std::thread::spawn(move || write_until_cut(address, &key, round, writer))
            })
            .collect();
        std::thread::sleep(Duration::from_millis(400 + 130 * (round % 5)));
        drop(program);
        for writer in writers {
            place.acknowledged.extend(writer.join().unwrap());
        }
        lost += place.disk.lose_power(round);
        place.check();
        let program = place.start();
        place.verify(program.address);
    }
    // Otherwise nothing was ever at stake.
    assert!(lost > 0, "no write waited for its flush in {rounds} rounds");
    eprintln!(
        "{} acknowledged, {lost} writes of the disk taken back",
        place.acknowledged.len()
    );
}

/// Creates profiles, each by a request of its own, until the server is gone: the acknowledged ones.
fn write_until_cut(
    address: SocketAddr,
    key: &str,
    round: u64,
    writer: u64,
) -> Vec<(String, String)> {
    let mut acknowledged = Vec::new();
    for number in 0_u64.. {
        let name = format!("{round} {writer} {number}");
        match try_create(address, key, &name) {
            Some(answer) if answer.status == 200 => acknowledged.push((answer.id(), name)),
            Some(answer) => panic!("{}", answer.text),
            None => break,
        }
    }
    acknowledged
}

/// A storage on the faulty disk, with an organization and its key, and what was written to it.
struct Place {
    directory: TempDir,
    disk: Disk,
    api_key: String,
    acknowledged: BTreeMap<String, String>,
    refused: BTreeSet<String>,
}

impl Place {
    fn prepare() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let disk = Disk::new(directory.path());
        let mut place = Self {
            directory,
            disk,
            api_key: String::new(),
            acknowledged: BTreeMap::new(),
            refused: BTreeSet::new(),
        };
        let organization = place.run(&["orgs", "create", "--name", "Disk"]);
        let id = organization["id"].as_str().unwrap();
        let create = ["keys", "create", "--kind", "api", "--name", "Api"];
        let key = place.run(&[&create[..], &["--organization-id", id]].concat());
        place.api_key = key["secret"].as_str().unwrap().into();
        place
    }

    fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn run(&self, arguments: &[&str]) -> Value {
        let mut command = rollcall(arguments);
        let output = command.args(["--output", "json", "--data-dir"]);
        let output = output.arg(self.data_dir()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn check(&self) {
        self.run(&["check"]);
    }

    fn start(&self) -> Program {
        let mut command = rollcall(&["serve", "--data-dir"]);
        command.arg(self.data_dir());
        self.disk.load_into(&mut command);
        Program::launch(command, &self.directory.path().join("log"))
    }

    /// Writes before, during and after the fault, and looks at everything the server says of it.
    fn hold_through(&mut self, fault: Fault, refusals: &[u16]) {
        let program = self.start();
        let address = program.address;
        for number in 0..20 {
            assert_eq!(self.create(address, &format!("before {number}")), 200);
        }
        assert_eq!(readiness(address), 200);

        self.disk.fail(fault);
        // A disk that has become full has room for some writes yet.
        let failed = (0..500).map(|number| self.create(address, &format!("during {number}")));
        let failed = failed.skip_while(|status| *status == 200).take(5);
        let failed: Vec<u16> = failed.collect();
        assert_eq!(failed.len(), 5, "the disk took everything");
        assert!(
            failed.iter().all(|status| refusals.contains(status)),
            "{failed:?}"
        );
        assert_eq!(readiness(address), 503, "while no write succeeds");
        assert_eq!(writable(address), 0);
        for id in self.acknowledged.keys() {
            assert_eq!(get(address, &self.api_key, id).status, 200, "{id}");
        }

        self.disk.fail(Fault::None);
        let well = Instant::now();
        while readiness(address) != 200 {
            assert!(well.elapsed() < PATIENCE, "the server did not get over it");
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(writable(address), 1);
        for number in 0..5 {
            assert_eq!(self.create(address, &format!("after {number}")), 200);
        }
        self.verify(address);
        drop(program);
        self.check();
        let program = Program::start(
            &["serve", "--data-dir", self.data_dir().to_str().unwrap()],
            &self.directory.path().join("log"),
        );
        self.verify(program.address);
    }

    /// Creates a profile and notes what came of it.
    fn create(&mut self, address: SocketAddr, name: &str) -> u16 {
        let answer = try_create(address, &self.api_key, name).unwrap();
        match answer.status {
            200 => {
                self.acknowledged.insert(answer.id(), name.to_owned());
            }
            529 => {
                let again = answer.text.contains("\r\nx-should-retry: true\r\n");
                assert!(again, "{}", answer.text);
                self.refused.insert(name.to_owned());
            }
            _ => {
                let not_again = answer.text.contains("\r\nx-should-retry: false\r\n");
                assert!(not_again, "{}", answer.text);
            }
        }
        answer.status
    }

    /// Everything acknowledged is there and nothing refused is.
    fn verify(&self, address: SocketAddr) {
        let mut found = BTreeMap::new();
        let mut next = String::new();
        loop {
            let target = format!("/v1/user_profiles?limit=100{next}");
            let page = ask(address, &self.api_key, "GET", &target, "").unwrap();
            assert_eq!(page.status, 200, "{}", page.text);
            let page = page.json();
            for profile in page["data"].as_array().unwrap() {
                let text = |name: &str| profile[name].as_str().unwrap().to_owned();
                found.insert(text("id"), text("name"));
            }
            match page["next_page"].as_str() {
                Some(cursor) => next = format!("&page={cursor}"),
                None => break,
            }
        }
        for (id, name) in &self.acknowledged {
            assert_eq!(found.get(id), Some(name), "an acknowledged profile is gone");
        }
        for name in found.values() {
            assert!(
                !self.refused.contains(name),
                "{name} was refused and is there"
            );
        }
    }
}

struct Answer {
    status: u16,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        let body = self.text.split_once("\r\n\r\n").unwrap().1;
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    fn id(&self) -> String {
        self.json()["id"].as_str().unwrap().to_owned()
    }
}

fn try_create(address: SocketAddr, key: &str, name: &str) -> Option<Answer> {
    let body = json!({"name": name}).to_string();
    ask(address, key, "POST", "/v1/user_profiles", &body)
}

fn get(address: SocketAddr, key: &str, id: &str) -> Answer {
    ask(address, key, "GET", &format!("/v1/user_profiles/{id}"), "").unwrap()
}

fn readiness(address: SocketAddr) -> u16 {
    ask(address, "", "GET", "/readyz", "").unwrap().status
}

/// What the metric says.
fn writable(address: SocketAddr) -> u32 {
    let metrics = ask(address, "", "GET", "/metrics", "").unwrap().text;
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("rollcall_storage_writable "));
    line.unwrap().parse().unwrap()
}

/// One request on a connection of its own; `None` when the server went away meanwhile.
fn ask(address: SocketAddr, key: &str, method: &str, target: &str, body: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let request = format!(
        "{method} {target} HTTP/1.1\r\nhost: rollcall.test\r\nx-api-key: {key}\r\n\
         anthropic-version: 2026-10-21\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let status = text.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, text })
}
