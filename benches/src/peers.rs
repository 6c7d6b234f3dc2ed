//! `peers`: the same pages from what one would otherwise write or take, beside Rollcall.
//!
//! Two services, written as the tutorials of their frameworks teach it, and a mock server of the OpenAPI document. They
//! stand in `benches/peers`, whose `prepare` installs what they are made of and gives them Rollcall's records. What the
//! services answer is compared with Rollcall's answers before anything is measured. Then all share a core and are driven in turn.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde_json::Value;

use crate::connection::Connection;
use crate::cores::Cores;
use crate::dataset::{Dataset, bar};
use crate::measure::{Rounds, first_answer};
use crate::requests::{self, Positions, Scenario, ga};
use crate::results::{Results, Target};
use crate::rollcall::{Binary, Server, free_address};
use crate::stats::median;
use crate::{PeersArgs, output};

/// How many answers of each scenario are compared.
const COMPARED: usize = 100;

/// A server that Rollcall is compared with, as `prepare` describes it.
#[derive(Debug, Deserialize)]
struct Peer {
    name: String,
    /// How many times Rollcall's CPU time a list has to take it, and how many we would like.
    must: f64,
    aim: f64,
    lacks: String,
    /// Whether it answers with the records, and with tokens of its own for the next page.
    holds_records: bool,
    /// With `{port}` where its port belongs; `None` when it could not be installed.
    command: Option<Vec<String>>,
    /// What it is made of, or why it could not be installed.
    state: String,
}

/// A server and its rounds of each scenario, as they come in.
struct Course {
    name: String,
    server: Server,
    requests: [Arc<[Vec<u8>]>; 2],
    rounds: [Rounds; 2],
}

fn scenarios() -> [Scenario; 2] {
    [Scenario::List(ga()), Scenario::Get(ga())]
}

pub(crate) async fn run(args: &PeersArgs) -> anyhow::Result<ExitCode> {
    let bench = &args.bench;
    let directory = bench.work_dir.join("peers");
    if args.prepare {
        prepare(&directory, None)?;
        return Ok(ExitCode::SUCCESS);
    }
    let pressure = bench.pressure()?;
    let binary = Binary::find(bench)?;
    let root = bench.work_dir.join("peers-data");
    let dataset = Dataset::of_one_organization(&binary, args.profiles, root)?;
    let peers = prepare(&directory, Some((&binary, &dataset)))?;
    let cores = Cores::take()?;
    let mut results = Results::of("peers", &binary, args.profiles, bench, cores)?;
    let server = binary.serve(&dataset.storage(), &dataset.beside("serve.log"), cores)?;
    let mut ours = Course::of("Rollcall", server);
    ours.choose(&dataset, bench.requests).await?;
    let mut courses = vec![ours];
    for peer in &peers {
        let course = peer.enter(&courses[0], &dataset, bench.requests, cores);
        let course = course.await.with_context(|| peer.name.clone())?;
        results.notes.push(peer.note());
        courses.extend(course);
    }
    let bar = bar(bench.rounds, "measuring")?;
    for seed in 0..bench.rounds {
        for scenario in 0..scenarios().len() {
            for course in &mut courses {
                let requests = &course.requests[scenario];
                let round = course.rounds[scenario].add(&course.server, requests, seed, pressure);
                round.await.with_context(|| course.name.clone())?;
            }
        }
        bar.inc(1);
    }
    bar.finish();
    let (ours, theirs) = courses.split_first().context("Rollcall was measured")?;
    let times = |course: &Course, scenario: usize| {
        course.rounds[scenario].against(&ours.rounds[scenario], |round| round.cpu)
    };
    let targets = peers.iter().map(|peer| {
        let course = theirs.iter().find(|course| course.name == peer.name);
        let figure = median(course.and_then(|course| times(course, 0)));
        let what = format!("list: CPU time, {} / Rollcall", peer.name);
        Target::at_least(what, figure, peer.must, peer.aim)
    });
    results.targets = targets.collect();
    let mut table = Vec::new();
    for (place, scenario) in scenarios().into_iter().enumerate() {
        for course in &courses {
            let row = course.rounds[place].row(format!("{}: {}", scenario.name(), course.name));
            table.push(row.with("CPU / Rollcall", times(course, place)));
        }
    }
    results.tables = vec![table];
    output::results(&results, bench.json.as_deref())
}

/// Installs the peers where that is still to be done, and gives them a key and all records. No server may have
/// the data directory open.
fn prepare(directory: &Path, records: Option<(&Binary, &Dataset)>) -> anyhow::Result<Vec<Peer>> {
    let mut command = Command::new("python3");
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/peers/prepare"));
    command.arg(directory).stderr(Stdio::inherit());
    if let Some((binary, dataset)) = records {
        let [lines, log] = ["records.ndjson", "export.log"].map(|name| dataset.beside(name));
        binary.transfer("export", &dataset.storage(), &lines, &log, |_| ())?;
        command.arg("--records").arg(lines);
        command.args(["--key", &dataset.manifest.largest()?.key]);
    }
    let output = command.output().context("starting python3")?;
    if !output.status.success() {
        bail!("benches/peers/prepare ended with {}", output.status);
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

impl Peer {
    fn note(&self) -> String {
        let (name, state, lacks) = (&self.name, &self.state, &self.lacks);
        match self.command {
            Some(_) => format!("{name} ({state}) lacks {lacks}."),
            None => format!("{name} was left out: {state}."),
        }
    }

    /// Starts it, and holds its answers to ours. `None` when it could not be installed.
    async fn enter(
        &self,
        ours: &Course,
        dataset: &Dataset,
        count: usize,
        cores: Cores,
    ) -> anyhow::Result<Option<Course>> {
        let Some(words) = &self.command else {
            return Ok(None);
        };
        let address = free_address()?;
        let port = address.port().to_string();
        let mut words = words.iter().map(|word| word.replace("{port}", &port));
        let mut command = Command::new(words.next().context("a command")?);
        command.args(words);
        let log = dataset.beside(&format!("{}.log", self.name));
        let server = Server::start(command, address.to_string(), &log, cores)?;
        let mut course = Course::of(&self.name, server);
        if self.holds_records {
            course.choose(dataset, count).await?;
            course.compare(ours).await?;
        } else {
            first_answer(&mut course.server, &dataset.first_list()?).await?;
            course.requests = ours.requests.clone();
        }
        Ok(Some(course))
    }
}

impl Course {
    fn of(name: &str, server: Server) -> Self {
        Self {
            name: name.to_owned(),
            server,
            requests: Default::default(),
            rounds: Default::default(),
        }
    }

    /// Waits for the server and walks its list, since pages are asked for by tokens that it gave.
    async fn choose(&mut self, dataset: &Dataset, count: usize) -> anyhow::Result<()> {
        first_answer(&mut self.server, &dataset.first_list()?).await?;
        let positions = Positions::walk(self.server.address(), &dataset.manifest, &[]).await?;
        for (requests, scenario) in self.requests.iter_mut().zip(scenarios()) {
            *requests = requests::bytes(&positions.requests(scenario, count)?);
        }
        Ok(())
    }

    /// Both answer with the same profiles in the same order, and all of each.
    async fn compare(&self, ours: &Self) -> anyhow::Result<()> {
        let mut to_them = Connection::open(self.server.address()).await?;
        let mut to_us = Connection::open(ours.server.address()).await?;
        for (theirs, ours) in self.requests.iter().zip(&ours.requests) {
            for (theirs, ours) in theirs.iter().zip(ours.iter()).take(COMPARED) {
                let answered = without_token(to_them.exchange(theirs).await?.ok()?)?;
                let expected = without_token(to_us.exchange(ours).await?.ok()?)?;
                if answered != expected {
                    let asked = String::from_utf8_lossy(theirs);
                    let asked = asked.lines().next().unwrap_or_default();
                    bail!("{asked} is answered with {answered}, and by Rollcall with {expected}");
                }
            }
        }
        Ok(())
    }
}

/// An answer but for the token of the next page, which is each server's own.
fn without_token(body: &[u8]) -> anyhow::Result<Value> {
    let mut answer: Value = serde_json::from_slice(body)?;
    if let Some(members) = answer.as_object_mut() {
        members.remove("next_page");
    }
    Ok(answer)
}
