//! The figures of a run, as they are written to JSON and read back for the documentation.

use serde::{Deserialize, Serialize};

use crate::stats::Spread;
use crate::targets::Judged;
use crate::usage::Memory;

/// What a `--json` file holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Results {
    Run(Box<RunResults>),
    Scale(Box<ScaleResults>),
    Webhooks(Box<WebhookResults>),
    Postgresql(Box<PostgresqlResults>),
    Pages(Box<PagesResults>),
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RunResults {
    pub(crate) rollcall: String,
    pub(crate) machine: Machine,
    pub(crate) settings: Settings,
    pub(crate) targets: Vec<Judged>,
    pub(crate) scenarios: Vec<ScenarioFigures>,
    pub(crate) import: TransferFigures,
    /// Absent when it was not wanted.
    pub(crate) export: Option<TransferFigures>,
    /// Milliseconds from starting the server to its first list.
    pub(crate) cold_start_ms: Spread,
    /// The most of each during all scenarios.
    pub(crate) memory: Memory,
    pub(crate) creates: Option<CreateFigures>,
    /// Profiles before the deep page.
    pub(crate) depth: u64,
    /// Scenarios that could not be measured, and why.
    pub(crate) failures: Vec<Failure>,
    /// What a reader of the figures should know.
    pub(crate) notes: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ScaleResults {
    pub(crate) rollcall: String,
    pub(crate) machine: Machine,
    pub(crate) settings: Settings,
    pub(crate) targets: Vec<Judged>,
    pub(crate) small: SizeFigures,
    pub(crate) large: SizeFigures,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WebhookResults {
    pub(crate) rollcall: String,
    pub(crate) machine: Machine,
    pub(crate) settings: Settings,
    /// Decisions a second that were asked for.
    pub(crate) rate: f64,
    pub(crate) endpoints: usize,
    /// Endpoints that each decision is told to.
    pub(crate) fan_out: usize,
    pub(crate) targets: Vec<Judged>,
    pub(crate) deliveries: DeliveryFigures,
    pub(crate) backlog: Option<BacklogFigures>,
    pub(crate) idle: Vec<IdleFigures>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DeliveryFigures {
    pub(crate) wanted: u64,
    pub(crate) arrived: u64,
    pub(crate) decisions_per_second: Spread,
    /// Lists a second beside the same decisions, told to nobody.
    pub(crate) lists_without: Spread,
    pub(crate) lists_with: Spread,
    /// The one divided by the other, round by round.
    pub(crate) lists_kept: Spread,
    /// From the decision, so the commit included, to the arrival.
    pub(crate) lag_p50_ms: Spread,
    pub(crate) lag_p99_ms: Spread,
    pub(crate) decision_p99_ms: Spread,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct BacklogFigures {
    /// Still waiting after the last round.
    pub(crate) waiting: u64,
    pub(crate) made_per_second: f64,
    pub(crate) lag_p99_ms_without: Spread,
    pub(crate) lag_p99_ms_with: Spread,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct IdleFigures {
    pub(crate) engine: String,
    pub(crate) seconds: f64,
    pub(crate) percent_of_a_core: f64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PostgresqlResults {
    pub(crate) rollcall: String,
    /// The database's version.
    pub(crate) postgresql: String,
    pub(crate) machine: Machine,
    pub(crate) settings: Settings,
    pub(crate) targets: Vec<Judged>,
    pub(crate) import: TransferFigures,
    /// Profiles before the deep page.
    pub(crate) depth: u64,
    pub(crate) reads: Vec<PostgresqlFigures>,
    pub(crate) creates: Vec<PostgresqlFigures>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PostgresqlFigures {
    pub(crate) name: String,
    pub(crate) rollcall: ServerFigures,
    /// CPU time of the database's processes per request.
    pub(crate) database_cpu_us: Spread,
    /// Rollcall's and the database's together, of each round.
    pub(crate) cpu_us_rounds: Vec<f64>,
    pub(crate) references: Vec<ReferenceFigures>,
}

/// What `pgbench` did in the same rounds.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ReferenceFigures {
    pub(crate) name: String,
    /// Transactions.
    pub(crate) per_second: Spread,
    /// Requests a second through Rollcall divided by that, round by round.
    pub(crate) times_reference: Spread,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PagesResults {
    pub(crate) rollcall: String,
    pub(crate) machine: Machine,
    pub(crate) settings: Settings,
    pub(crate) targets: Vec<Judged>,
    pub(crate) engines: Vec<EnginePages>,
}

/// The console's pages on one engine.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct EnginePages {
    pub(crate) name: String,
    pub(crate) pages: Vec<PageFigures>,
    /// How many searches were asked.
    pub(crate) searches: usize,
    /// The slowest of them, slowest first.
    pub(crate) slowest: Vec<PageFigures>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PageFigures {
    pub(crate) name: String,
    /// Milliseconds from the request's first byte to the answer's last.
    pub(crate) ms: Spread,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SizeFigures {
    pub(crate) profiles: u64,
    pub(crate) list: ServerFigures,
    pub(crate) import: TransferFigures,
    pub(crate) memory: Memory,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) profiles: u64,
    pub(crate) rounds: usize,
    pub(crate) seconds: f64,
    pub(crate) connections: usize,
    pub(crate) serve_arguments: Vec<String>,
    /// Server and generator each had a core of their own.
    pub(crate) separate_cores: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ScenarioFigures {
    pub(crate) name: String,
    pub(crate) rollcall: ServerFigures,
    pub(crate) limit: ServerFigures,
    /// The limit server's CPU time divided by rollcall's, round by round: 1 would be the limit.
    pub(crate) of_limit: Spread,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ServerFigures {
    /// CPU time per request in microseconds.
    pub(crate) cpu_us: Spread,
    /// The same of each round, so that ratios can be taken within rounds.
    pub(crate) cpu_us_rounds: Vec<f64>,
    pub(crate) requests_per_second: Spread,
    pub(crate) p50_us: Spread,
    pub(crate) p99_us: Spread,
    /// Mean length of a body.
    pub(crate) bytes: f64,
}

impl ServerFigures {
    /// Its CPU time divided by another's, round by round.
    pub(crate) fn cost_against(&self, other: &Self) -> Option<Spread> {
        let rounds = self.cpu_us_rounds.iter().zip(&other.cpu_us_rounds);
        Spread::of(rounds.map(|(this, that)| this / that))
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TransferFigures {
    pub(crate) records: u64,
    /// Of the NDJSON file.
    pub(crate) bytes: u64,
    pub(crate) seconds: f64,
    pub(crate) records_per_second: f64,
    pub(crate) cpu_seconds: f64,
    /// Bytes.
    pub(crate) peak_resident: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CreateFigures {
    pub(crate) rollcall: ServerFigures,
    /// The same creates from a single client, so that each has a commit of its own.
    pub(crate) alone: ServerFigures,
    /// Creates per second divided by those of the single client, round by round.
    pub(crate) times_alone: Spread,
    /// Rows per second put into SQLite with one commit each.
    pub(crate) reference_per_second: Spread,
    /// Creates per second divided by the reference, round by round.
    pub(crate) times_reference: Spread,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) scenario: String,
    pub(crate) reason: String,
}

impl Machine {
    pub(crate) fn this() -> Self {
        let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpus
            .lines()
            .find_map(|line| line.strip_prefix("model name"));
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            cpu: model
                .map_or("unknown", |rest| rest.trim_start_matches([' ', '\t', ':']))
                .to_owned(),
            cores: cpus
                .lines()
                .filter(|line| line.starts_with("processor"))
                .count(),
            kernel: kernel.trim().to_owned(),
        }
    }
}
