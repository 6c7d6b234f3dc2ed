//! `run`: every scenario against `rollcall` and the limit server in turn, creates against SQLite,
//! cold start and memory.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use rollcall_wire::dialects;

use crate::commits::Reference;
use crate::connection::{Connection, headers};
use crate::cores::Cores;
use crate::dataset::{Dataset, Transfer, bar};
use crate::limit::Captured;
use crate::load::Generator;
use crate::measure::{Pressure, Rounds, first_answer};
use crate::requests::{self, OLD, Positions, Request, Scenario, ga};
use crate::results::{Results, Row, Target};
use crate::rollcall::{Binary, Server, Storage};
use crate::stats::{Spread, median, megabytes};
use crate::usage::{Memory, MemoryWatch};
use crate::{RunArgs, output};

const CREATES: &str = "creates";
/// What `--only` calls the two together.
const BESIDE: &str = "check beside creates";
/// How many of each a second, if the server's core gives so many.
const CREATES_BESIDE: f64 = 5_000.0;
const CHECKS_BESIDE: f64 = 1_000.0;
/// What `--only` calls them.
const IMPORT: &str = "import";
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
    rollcall: Rounds,
    limit: Rounds,
    failure: Option<String>,
}

pub(crate) async fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let bench = &args.bench;
    // Without a choice everything is.
    let is_wanted =
        |name: &str| args.only.is_empty() || args.only.iter().any(|part| name.contains(part));
    let mut scenarios = Scenario::all();
    scenarios.retain(|scenario| is_wanted(&scenario.name()));
    let others = [CREATES, BESIDE, IMPORT, EXPORT];
    if scenarios.is_empty() && !others.into_iter().any(is_wanted) {
        bail!("--only: nothing to measure has that in its name");
    }
    let pressure = bench.pressure()?;
    let binary = Binary::find(bench)?;
    let dataset = Dataset::prepare(&binary, args.profiles, bench)?;
    let cores = Cores::take()?;
    let mut results = Results::of("run", &binary, args.profiles, bench, cores)?;

    output::progress("cold starts");
    let cold_start = cold_starts(&binary, &dataset, cores, bench.rounds).await?;

    let mut server = binary.serve(&dataset.storage(), &dataset.beside("serve.log"), cores)?;
    first_answer(&mut server, &dataset.first_list()?).await?;
    let positions = Positions::walk(server.address(), &dataset.manifest, &scenarios).await?;
    let mut courses = Vec::new();
    for scenario in scenarios {
        let requests = positions.requests(scenario, bench.requests)?;
        courses.push(Course::new(scenario, requests));
    }
    let mut limit = start_limit(&mut courses, &server, &dataset, cores).await?;
    results.notes = notes(cores);
    let differences = differences(&courses, &server, &limit).await?;
    results.notes.extend(differences);

    let watch = MemoryWatch::start(server.pid());
    rounds(&mut courses, &server, &limit, bench.rounds, pressure).await?;
    let memory = watch.finish()?;
    limit.stop()?;
    server.stop()?;

    let mut fail = |what: &str, reason: &str| {
        let failure = format!("{what}: {reason}");
        output::complain(&failure);
        results.failures.push(failure);
    };
    let mut creates = None;
    if is_wanted(CREATES) {
        match Creates::measure(&binary, &dataset, cores, bench.rounds, pressure).await {
            Ok(figures) => creates = Some(figures),
            Err(error) => fail(CREATES, &format!("{error:#}")),
        }
    }
    let mut beside = None;
    if is_wanted(BESIDE) {
        let checks = positions.requests(Scenario::CheckById, bench.requests)?;
        let checks = requests::bytes(&checks);
        match Beside::measure(&binary, &dataset, cores, &checks, bench.rounds, pressure).await {
            Ok(figures) => beside = Some(figures),
            Err(error) => fail(BESIDE, &format!("{error:#}")),
        }
    }
    let embedded = dataset.manifest.embedded;
    let raw = embedded.map(|it| it.raw_per_second);
    let mut transfers = vec![(IMPORT, dataset.manifest.import.clone())];
    if is_wanted(EXPORT) {
        match dataset.export(&binary) {
            Ok(figures) => transfers.push((EXPORT, figures)),
            Err(error) => fail(EXPORT, &format!("{error:#}")),
        }
    }
    for course in &courses {
        if let Some(reason) = &course.failure {
            fail(&course.scenario.name(), reason);
        }
    }
    courses.retain(|course| course.failure.is_none());

    let memory = (!courses.is_empty()).then_some(memory);
    results.targets = reads(&courses, positions.depth());
    results
        .targets
        .extend(writes(creates.as_ref(), &transfers, raw));
    results.notes.extend(raw.map(Transfer::raw_note));
    results.targets.push(Target::at_most(
        "bytes on disk for each profile",
        embedded.map(|it| it.bytes_per_profile),
        900.0,
        700.0,
    ));
    results.targets.extend(upkeep(memory, cold_start));
    let mut table: Vec<Row> = courses.iter().flat_map(Course::rows).collect();
    table.extend(creates.iter().flat_map(Creates::rows));
    table.extend(beside.iter().map(Beside::row));
    let transfers = transfers.iter().map(|(what, figures)| figures.row(*what));
    results.tables = vec![table, transfers.collect(), upkeep_rows(memory, cold_start)];
    output::results(&results, bench.json.as_deref())
}

fn reads(courses: &[Course], depth: u64) -> Vec<Target> {
    let find = |scenario| courses.iter().find(|course| course.scenario == scenario);
    let of_limit = |scenario: Scenario, must, aim| {
        let what = format!("{}: limit / rollcall", scenario.name());
        let figure = find(scenario).and_then(Course::of_limit);
        Target::at_least(what, median(figure), must, aim)
    };
    let cost = |what: &str, one, other, must, aim| {
        let both = find(one).zip(find(other));
        let figure =
            both.and_then(|(one, other)| one.rollcall.against(&other.rollcall, |it| it.cpu));
        Target::at_most(what, median(figure), must, aim)
    };
    let lists = || dialects::names().rev().map(Scenario::List);
    let costs = lists().map(|list| median(find(list)?.rollcall.spread(|round| round.cpu)));
    let costs = costs.collect::<Option<Vec<_>>>().and_then(Spread::of);
    let slowest = costs.map(|costs| costs.min / costs.max);
    let deep = format!("page at depth {depth} / first page");
    let mut targets: Vec<_> = lists().map(|list| of_limit(list, 0.40, 0.55)).collect();
    targets.extend([
        Target::at_least("list: fastest / slowest dialect", slowest, 0.9, 0.9),
        of_limit(Scenario::Get(OLD), 0.55, 0.70),
        of_limit(Scenario::Get(ga()), 0.55, 0.70),
        cost(
            "list by name / by time",
            Scenario::ListByName,
            Scenario::List(OLD),
            1.5,
            1.25,
        ),
        cost(
            "list by status / without",
            Scenario::ListRestricted,
            Scenario::List(ga()),
            1.5,
            1.5,
        ),
        cost(
            "check by id / get",
            Scenario::CheckById,
            Scenario::Get(ga()),
            1.15,
            1.0,
        ),
        cost(
            "check by reference / get",
            Scenario::CheckByReference,
            Scenario::Get(ga()),
            1.3,
            1.15,
        ),
        cost(&deep, Scenario::DeepPage, Scenario::FirstPage, 1.2, 1.0),
    ]);
    targets
}

fn writes(
    creates: Option<&Creates>,
    transfers: &[(&str, Transfer)],
    raw: Option<f64>,
) -> Vec<Target> {
    let per_commit = creates.and_then(Creates::per_commit);
    let find = |wanted: &str| {
        let mut all = transfers.iter();
        all.find_map(|(what, figures)| (*what == wanted).then_some(figures))
    };
    let share = find(IMPORT)
        .zip(raw)
        .map(|(import, raw)| import.per_second() / raw);
    let mut targets = vec![
        Target::at_least(
            "durable creates / one commit each",
            median(per_commit),
            1.0,
            2.0,
        ),
        Transfer::of_raw(share),
    ];
    for what in [IMPORT, EXPORT] {
        targets.extend(Transfer::targets(what, find(what)));
    }
    targets
}

/// Without load there is no memory under load.
fn upkeep(memory: Option<Memory>, cold_start: Option<Spread>) -> [Target; 3] {
    let under_load = |what, must, bytes: fn(Memory) -> u64| {
        let figure = memory.map(|memory| megabytes(bytes(memory)));
        Target::at_most(what, figure, must, must / 2.0)
    };
    let what = "cold start to first answer, ms";
    [
        under_load("anonymous memory under load, MB", 32.0, |it| it.anonymous),
        under_load("RSS under load, MB", 64.0, |it| it.resident),
        Target::at_most(what, median(cold_start), 200.0, 50.0),
    ]
}

fn upkeep_rows(memory: Option<Memory>, cold_start: Option<Spread>) -> Vec<Row> {
    let mut rows = vec![Row::of("cold start, ms").with("figure", cold_start)];
    rows.extend(memory.map(|memory| memory.row("memory under load, MB")));
    rows
}

impl Course {
    fn new(scenario: Scenario, requests: Vec<Request>) -> Self {
        Self {
            scenario,
            bytes: requests::bytes(&requests),
            requests,
            rollcall: Rounds::default(),
            limit: Rounds::default(),
            failure: None,
        }
    }

    /// The limit server's CPU time divided by rollcall's, round by round: 1 would be the limit.
    fn of_limit(&self) -> Option<Spread> {
        self.limit.against(&self.rollcall, |round| round.cpu)
    }

    fn rows(&self) -> [Row; 2] {
        let rollcall = self.rollcall.row(self.scenario.name());
        [
            rollcall.with("limit / rollcall", self.of_limit()),
            self.limit.row("the limit server"),
        ]
    }
}

fn notes(cores: Cores) -> Vec<String> {
    let mut notes = Vec::new();
    if !cores.are_separate() {
        notes.push("one core only: generator and server took each other's time".to_owned());
    }
    if cfg!(debug_assertions) {
        let slow = "the limit server was built without optimisation: use --profile dist";
        notes.push(slow.to_owned());
    }
    notes
}

async fn cold_starts(
    binary: &Binary,
    dataset: &Dataset,
    cores: Cores,
    rounds: u64,
) -> anyhow::Result<Option<Spread>> {
    let request = dataset.first_list()?;
    let mut times = Vec::new();
    for _ in 0..rounds {
        let mut server = binary.serve(&dataset.storage(), &dataset.beside("serve.log"), cores)?;
        times.push(first_answer(&mut server, &request).await?.as_secs_f64() * 1_000.0);
        server.stop()?;
    }
    Ok(Spread::of(times))
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
    command.arg("limit-server");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = cores.spawn_server(&mut command)?;
    let mut lines = BufWriter::new(child.stdin.take().context("a piped standard input")?);
    let requests: usize = courses.iter().map(|course| course.requests.len()).sum();
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
    }
    bar.finish();
    lines.flush()?;
    drop(lines);
    let mut address = String::new();
    let answered = child.stdout.take().context("a piped standard output")?;
    BufReader::new(answered).read_line(&mut address)?;
    let log = dataset.beside("limit.log");
    Ok(Server::of(child, address.trim().to_owned(), log))
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
) -> anyhow::Result<BTreeSet<String>> {
    let mut notes = BTreeSet::new();
    let mut ours = Connection::open(server.address()).await?;
    let mut theirs = Connection::open(limit.address()).await?;
    for course in courses.iter().filter(|course| course.failure.is_none()) {
        let Some(request) = course.bytes.first() else {
            continue;
        };
        let ours = ours.exchange(request).await?;
        let theirs = theirs.exchange(request).await?;
        if ours.body != theirs.body {
            let name = course.scenario.name();
            notes.insert(format!("{name}: the same request got two different bodies"));
        }
        let names = |head| -> BTreeSet<_> {
            let headers = headers(head);
            headers.map(|(name, _)| name.to_ascii_lowercase()).collect()
        };
        let only = &names(ours.head) ^ &names(theirs.head);
        if !only.is_empty() {
            let only = only.into_iter().collect::<Vec<_>>().join(", ");
            notes.insert(format!("only one of the two servers sends: {only}"));
        }
    }
    Ok(notes)
}

/// All scenarios once a round, both servers one after the other in each, so that whatever else the
/// machine does falls on all alike.
async fn rounds(
    courses: &mut [Course],
    server: &Server,
    limit: &Server,
    rounds: u64,
    pressure: Pressure,
) -> anyhow::Result<()> {
    let bar = bar(rounds * u64::try_from(courses.len())?, "measuring")?;
    for seed in 0..rounds {
        for course in courses.iter_mut() {
            bar.inc(1);
            if course.failure.is_some() {
                continue;
            }
            let bytes = &course.bytes;
            let mut done = course.rollcall.add(server, bytes, seed, pressure).await;
            if done.is_ok() {
                let of_limit = course.limit.add(limit, bytes, seed, pressure).await;
                done = of_limit.context("the limit server");
            }
            course.failure = done.err().map(|error| format!("{error:#}"));
        }
    }
    bar.finish();
    Ok(())
}

/// Checks while profiles are created, both at a pace of their own: how long a request for inference waits while a
/// platform signs its users up.
struct Beside {
    creates_per_second: Vec<f64>,
    checks_per_second: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
}

impl Beside {
    async fn measure(
        binary: &Binary,
        dataset: &Dataset,
        cores: Cores,
        checks: &Arc<[Vec<u8>]>,
        rounds: u64,
        pressure: Pressure,
    ) -> anyhow::Result<Self> {
        output::progress("copying the data directory, for checks beside creates");
        let copy = dataset.copy()?;
        let storage = Storage::Directory(copy.clone());
        let mut server = binary.serve(&storage, &dataset.beside("serve.log"), cores)?;
        first_answer(&mut server, &dataset.first_list()?).await?;
        rustix::fs::sync();
        let drafts = requests::creates(&dataset.manifest, DRAFTS);
        let mut creating = Generator::connect(&[server.address()], WRITERS).await?;
        let mut checking = Generator::connect(&[server.address()], pressure.connections).await?;
        let mut beside = Self {
            creates_per_second: Vec::new(),
            checks_per_second: Vec::new(),
            p50: Vec::new(),
            p99: Vec::new(),
        };
        let time = pressure.time;
        for seed in 0..rounds {
            let (created, checked) = tokio::join!(
                creating.drive_paced(&drafts, seed, time, Some(CREATES_BESIDE)),
                checking.drive_paced(checks, seed, time, Some(CHECKS_BESIDE)),
            );
            let mut checked = checked?;
            beside.creates_per_second.push(created?.per_second());
            beside.checks_per_second.push(checked.per_second());
            beside.p50.push(checked.latency(50)?);
            beside.p99.push(checked.latency(99)?);
        }
        server.stop()?;
        std::fs::remove_dir_all(copy)?;
        Ok(beside)
    }

    fn row(&self) -> Row {
        let middle = |figures: &[f64]| median(Spread::of(figures.iter().copied()));
        Row::of("check by id beside creates")
            .with("requests/s", middle(&self.checks_per_second))
            .with("p50 µs", middle(&self.p50))
            .with("p99 µs", Spread::of(self.p99.iter().copied()))
            .with(
                "creates/s",
                Spread::of(self.creates_per_second.iter().copied()),
            )
    }
}

/// The rounds of creates, and what was put into SQLite with one commit each in the same ones.
struct Creates {
    rollcall: Rounds,
    /// From a single client, so that each has a commit of its own.
    alone: Rounds,
    commits: Vec<f64>,
}

impl Creates {
    async fn measure(
        binary: &Binary,
        dataset: &Dataset,
        cores: Cores,
        rounds: u64,
        pressure: Pressure,
    ) -> anyhow::Result<Self> {
        output::progress("copying the data directory, for creates");
        let copy = dataset.copy()?;
        let mut reference = Reference::open(&dataset.beside("reference.sqlite"))?;
        let storage = Storage::Directory(copy.clone());
        let mut server = binary.serve(&storage, &dataset.beside("serve.log"), cores)?;
        first_answer(&mut server, &dataset.first_list()?).await?;
        // The copy's pages would otherwise be written out while creates are timed.
        rustix::fs::sync();
        let requests = requests::creates(&dataset.manifest, DRAFTS);
        let of = |connections| Pressure {
            connections,
            ..pressure
        };
        let (mut all, mut alone) = (Rounds::default(), Rounds::default());
        let mut commits = Vec::new();
        let bar = bar(rounds, "creating")?;
        for seed in 0..rounds {
            all.add(&server, &requests, seed, of(WRITERS)).await?;
            alone.add(&server, &requests, !seed, of(1)).await?;
            commits.push(reference.commits_per_second(pressure.time)?);
            bar.inc(1);
        }
        bar.finish();
        server.stop()?;
        std::fs::remove_dir_all(copy)?;
        Ok(Self {
            rollcall: all,
            alone,
            commits,
        })
    }

    fn per_commit(&self) -> Option<Spread> {
        self.rollcall.times(&self.commits)
    }

    fn rows(&self) -> [Row; 3] {
        let rate = |round: &crate::measure::Stretch| round.requests_per_second;
        let times = self.rollcall.against(&self.alone, rate);
        let rates = Spread::of(self.commits.iter().copied());
        [
            self.rollcall.row("creates, 64 clients"),
            self.alone
                .row("creates, 1 client")
                .with("64 clients / this", times),
            Row::of("SQLite, one commit each")
                .with("requests/s", rates)
                .with("64 clients / this", self.per_commit()),
        ]
    }
}
