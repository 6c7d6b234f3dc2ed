//! `run`: every scenario against `rollcall` and the limit server in turn, creates against SQLite,
//! cold start and memory.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, bail};

use crate::commits::Reference;
use crate::connection::{Connection, headers};
use crate::cores::Cores;
use crate::dataset::{Dataset, bar};
use crate::limit::Captured;
use crate::measure::{Pressure, Stretch, first_answer, server_figures, stretch};
use crate::requests::{self, Dialect, Positions, Request, Scenario};
use crate::results::{CreateFigures, Failure, Machine, Results, RunResults, ScenarioFigures};
use crate::rollcall::{Binary, Server, Storage};
use crate::stats::Spread;
use crate::usage::MemoryWatch;
use crate::{RunArgs, output, targets};

const CREATES: &str = "creates";
/// What `--only` calls it.
const EXPORT: &str = "export";
/// Clients that create at the same time.
pub(crate) const WRITERS: usize = 64;
/// Different bodies among the creates.
pub(crate) const DRAFTS: u64 = 2_000;

/// One scenario's requests, and its rounds as they come in.
#[derive(Debug)]
struct Course {
    scenario: Scenario,
    requests: Vec<Request>,
    bytes: Arc<[Vec<u8>]>,
    rollcall: Vec<Stretch>,
    limit: Vec<Stretch>,
    failure: Option<String>,
}

pub(crate) async fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let bench = &args.bench;
    if wanted(&args.only).is_empty() && !is_wanted(&args.only, CREATES) {
        bail!("--only: nothing to measure has that in its name");
    }
    let pressure = bench.pressure()?;
    let binary = Binary::find(bench.rollcall.as_deref(), &bench.serve_arg)?;
    let dataset = Dataset::prepare(&binary, args.profiles, bench)?;
    let cores = Cores::take()?;

    output::progress("cold starts");
    let cold_start_ms = cold_starts(&binary, &dataset, cores, bench.rounds).await?;

    let mut server = binary.serve(&dataset.storage(), &dataset.beside("serve.log"), cores)?;
    first_answer(&mut server, &first_list(&dataset)?.bytes).await?;
    let positions =
        Positions::walk(server.address(), &dataset.manifest, &wanted(&args.only)).await?;
    let mut courses = Vec::new();
    for scenario in wanted(&args.only) {
        let requests = positions.requests(scenario, &dataset.manifest, bench.requests)?;
        courses.push(Course::new(scenario, requests));
    }
    let mut limit = start_limit(&mut courses, &server, &dataset, cores).await?;
    let mut notes = notes(cores);
    notes.extend(differences(&courses, &server, &limit).await?);

    let watch = MemoryWatch::start(server.pid());
    rounds(&mut courses, &server, &limit, bench.rounds, pressure).await?;
    let memory = watch.finish()?;
    limit.stop()?;
    server.stop()?;

    let mut failures = Vec::new();
    let mut creates = None;
    if is_wanted(&args.only, CREATES) {
        match measure_creates(&binary, &dataset, cores, bench.rounds, pressure).await {
            Ok(figures) => creates = Some(figures),
            Err(error) => failures.push(failure(CREATES, &error)),
        }
    }
    let mut export = None;
    if is_wanted(&args.only, EXPORT) {
        match dataset.export(&binary) {
            Ok(figures) => export = Some(figures),
            Err(error) => failures.push(failure(EXPORT, &error)),
        }
    }
    let mut scenarios = Vec::new();
    for course in courses {
        match course.failure {
            Some(reason) => {
                let scenario = course.scenario.name().to_owned();
                failures.push(Failure { scenario, reason });
            }
            None => scenarios.push(course.figures()?),
        }
    }
    let mut run = RunResults {
        rollcall: binary.version()?,
        machine: Machine::this(),
        settings: bench.settings(args.profiles, cores),
        targets: Vec::new(),
        scenarios,
        import: dataset.manifest.import.clone(),
        export,
        cold_start_ms,
        memory,
        creates,
        depth: positions.depth(),
        failures,
        notes,
    };
    run.targets = targets::judge(&run);
    let has_failed = !run.failures.is_empty();
    output::results(&Results::Run(Box::new(run)), bench.json.as_deref())?;
    Ok(if has_failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

impl Course {
    fn new(scenario: Scenario, requests: Vec<Request>) -> Self {
        let bytes = requests
            .iter()
            .map(|request| request.bytes.clone())
            .collect();
        Self {
            scenario,
            requests,
            bytes,
            rollcall: vec![],
            limit: vec![],
            failure: None,
        }
    }

    fn fail(&mut self, error: &anyhow::Error) {
        output::complain(&format!("{}: {error:#}", self.scenario.name()));
        self.failure = Some(format!("{error:#}"));
    }

    fn figures(&self) -> anyhow::Result<ScenarioFigures> {
        let rounds = self.limit.iter().zip(&self.rollcall);
        let of_limit = Spread::of(rounds.map(|(limit, rollcall)| limit.cpu / rollcall.cpu));
        Ok(ScenarioFigures {
            name: self.scenario.name().to_owned(),
            rollcall: server_figures(&self.rollcall)?,
            limit: server_figures(&self.limit)?,
            of_limit: of_limit.context("there was no round")?,
        })
    }
}

fn wanted(only: &[String]) -> Vec<Scenario> {
    let scenarios = Scenario::ALL.into_iter();
    scenarios
        .filter(|scenario| is_wanted(only, scenario.name()))
        .collect()
}

/// Without a choice everything is.
fn is_wanted(only: &[String], name: &str) -> bool {
    only.is_empty() || only.iter().any(|part| name.contains(part.as_str()))
}

fn notes(cores: Cores) -> Vec<String> {
    let mut notes = Vec::new();
    if !cores.are_separate() {
        notes.push("one core only: generator and server took each other's time".to_owned());
    }
    if cfg!(debug_assertions) {
        notes
            .push("the limit server was built without optimisation: use --profile dist".to_owned());
    }
    notes
}

fn failure(scenario: &str, error: &anyhow::Error) -> Failure {
    output::complain(&format!("{scenario}: {error:#}"));
    Failure {
        scenario: scenario.to_owned(),
        reason: format!("{error:#}"),
    }
}

/// The request a cold start is timed with.
pub(crate) fn first_list(dataset: &Dataset) -> anyhow::Result<Request> {
    let tenant = dataset
        .manifest
        .organizations
        .first()
        .context("an organization")?;
    Ok(Request::get(
        tenant,
        Dialect::V2026_03_24,
        "/v1/user_profiles".to_owned(),
    ))
}

async fn cold_starts(
    binary: &Binary,
    dataset: &Dataset,
    cores: Cores,
    rounds: usize,
) -> anyhow::Result<Spread> {
    let request = first_list(dataset)?.bytes;
    let mut times = Vec::new();
    for _ in 0..rounds {
        let mut server = binary.serve(&dataset.storage(), &dataset.beside("serve.log"), cores)?;
        times.push(first_answer(&mut server, &request).await?.as_secs_f64() * 1_000.0);
        server.stop()?;
    }
    Spread::of(times).context("--rounds: must be at least 1")
}

/// Asks `rollcall` everything once and gives its answers to a limit server. A scenario with an
/// answer other than 200 is out of the race.
async fn start_limit(
    courses: &mut [Course],
    server: &Server,
    dataset: &Dataset,
    cores: Cores,
) -> anyhow::Result<Server> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg("limit-server")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = cores.spawn_server(&mut command)?;
    let mut lines = BufWriter::new(child.stdin.take().context("a piped standard input")?);
    let requests = courses
        .iter()
        .map(|course| course.requests.len())
        .sum::<usize>();
    let bar = bar(u64::try_from(requests)?, "capturing answers")?;
    let mut connection = Connection::open(server.address()).await?;
    for course in courses {
        for request in &course.requests {
            match capture(&mut connection, request).await {
                Ok(captured) => writeln!(lines, "{}", serde_json::to_string(&captured)?)?,
                Err(error) => {
                    course.failure = Some(format!("GET {}: {error:#}", request.target));
                    // The connection may be in any state.
                    connection = Connection::open(server.address()).await?;
                    break;
                }
            }
            bar.inc(1);
        }
        if let Some(reason) = &course.failure {
            output::complain(&format!("{}: {reason}", course.scenario.name()));
        }
    }
    bar.finish();
    lines.flush()?;
    drop(lines);
    let mut address = String::new();
    let answered = child.stdout.take().context("a piped standard output")?;
    BufReader::new(answered).read_line(&mut address)?;
    Ok(Server::of(
        child,
        address.trim().to_owned(),
        dataset.beside("limit.log"),
    ))
}

async fn capture(connection: &mut Connection, request: &Request) -> anyhow::Result<Captured> {
    let body = connection.exchange(&request.bytes).await?.ok()?.to_vec();
    Ok(Captured {
        key: request.key.clone(),
        organization: request.organization.clone(),
        beta: request.beta.to_owned(),
        target: request.target.clone(),
        body: String::from_utf8(body)?,
    })
}

/// Both servers' answers to one request of each scenario, compared: a difference makes the ratio
/// say less, so the reader is told.
async fn differences(
    courses: &[Course],
    server: &Server,
    limit: &Server,
) -> anyhow::Result<Vec<String>> {
    let mut notes = BTreeSet::new();
    let mut ours = Connection::open(server.address()).await?;
    let mut theirs = Connection::open(limit.address()).await?;
    for course in courses.iter().filter(|course| course.failure.is_none()) {
        let Some(request) = course.bytes.first() else {
            continue;
        };
        let (ours, theirs) = (
            ours.exchange(request).await?,
            theirs.exchange(request).await?,
        );
        if ours.body != theirs.body {
            notes.insert(format!(
                "{}: the same request got two different bodies",
                course.scenario.name()
            ));
        }
        let (ours, theirs) = (header_names(ours.head), header_names(theirs.head));
        let only: Vec<_> = ours
            .symmetric_difference(&theirs)
            .map(String::as_str)
            .collect();
        if !only.is_empty() {
            notes.insert(format!(
                "only one of the two servers sends: {}",
                only.join(", ")
            ));
        }
    }
    Ok(notes.into_iter().collect())
}

fn header_names(head: &str) -> BTreeSet<String> {
    headers(head)
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect()
}

/// All scenarios once a round, both servers one after the other in each, so that whatever else the
/// machine does falls on all alike.
async fn rounds(
    courses: &mut [Course],
    server: &Server,
    limit: &Server,
    rounds: usize,
    pressure: Pressure,
) -> anyhow::Result<()> {
    let bar = bar(u64::try_from(rounds * courses.len())?, "measuring")?;
    for seed in (0_u64..).take(rounds) {
        for course in courses.iter_mut() {
            bar.inc(1);
            if course.failure.is_some() {
                continue;
            }
            match stretch(server, &course.bytes, seed, pressure).await {
                Ok(stretch) => course.rollcall.push(stretch),
                Err(error) => {
                    course.fail(&error);
                    continue;
                }
            }
            match stretch(limit, &course.bytes, seed, pressure).await {
                Ok(stretch) => course.limit.push(stretch),
                Err(error) => course.fail(&error.context("the limit server")),
            }
        }
    }
    bar.finish();
    Ok(())
}

async fn measure_creates(
    binary: &Binary,
    dataset: &Dataset,
    cores: Cores,
    rounds: usize,
    pressure: Pressure,
) -> anyhow::Result<CreateFigures> {
    output::progress("copying the data directory, for creates");
    let copy = dataset.copy()?;
    let mut reference = Reference::open(&dataset.beside("reference.sqlite"))?;
    let mut server = binary.serve(
        &Storage::Directory(copy.clone()),
        &dataset.beside("serve.log"),
        cores,
    )?;
    first_answer(&mut server, &first_list(dataset)?.bytes).await?;
    // The copy's pages would otherwise be written out while creates are timed.
    rustix::fs::sync();
    let requests = requests::creates(&dataset.manifest, DRAFTS);
    let pressure = Pressure {
        connections: WRITERS,
        ..pressure
    };
    let bar = bar(u64::try_from(rounds)?, "creating")?;
    let alone = Pressure {
        connections: 1,
        ..pressure
    };
    let (mut creates, mut singles, mut commits) = (Vec::new(), Vec::new(), Vec::new());
    for seed in (0_u64..).take(rounds) {
        creates.push(stretch(&server, &requests, seed, pressure).await?);
        singles.push(stretch(&server, &requests, !seed, alone).await?);
        commits.push(reference.commits_per_second(pressure.time)?);
        bar.inc(1);
    }
    bar.finish();
    server.stop()?;
    std::fs::remove_dir_all(copy)?;
    let pairs = creates.iter().zip(&commits);
    let times = Spread::of(pairs.map(|(create, commits)| create.requests_per_second / commits));
    let pairs = creates.iter().zip(&singles);
    let times_alone = Spread::of(
        pairs.map(|(create, single)| create.requests_per_second / single.requests_per_second),
    );
    Ok(CreateFigures {
        rollcall: server_figures(&creates)?,
        alone: server_figures(&singles)?,
        times_alone: times_alone.context("there was no round")?,
        reference_per_second: Spread::of(commits.iter().copied()).context("there was no round")?,
        times_reference: times.context("there was no round")?,
    })
}
