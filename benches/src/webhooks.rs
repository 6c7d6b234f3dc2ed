//! `webhooks`: what deliveries cost, and whom. Decisions at a fixed rate beside lists as fast as they go,
//! with endpoints disabled and enabled in turn; the same beside a dead endpoint with a large backlog; and
//! a server that has nothing to do.
//!
//! It drives `rollcall dev`, because a production server delivers to public names over HTTPS alone, and
//! these receivers are on the machine itself.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::connection::Connection;
use crate::cores::Cores;
use crate::dataset::Dataset;
use crate::decisions::{Decided, Decisions, Pace};
use crate::load::{Generator, Load};
use crate::measure::first_answer;
use crate::receivers::Receivers;
use crate::requests::{Dialect, Positions, Scenario, written};
use crate::results::{
    BacklogFigures, DeliveryFigures, IdleFigures, Machine, Results, Settings, WebhookResults,
};
use crate::rollcall::{Binary, OPERATOR_KEY, Server, Storage};
use crate::run::first_list;
use crate::stats::{Spread, float, percentile};
use crate::{WebhookArgs, output, targets, usage};

const SCENARIO: Scenario = Scenario::List(Dialect::Ga);
/// Profiles that are decided on, among all organizations with an endpoint.
const DECIDED_ON: usize = 1_000;
/// Connections that decisions are made over.
const DECIDERS: usize = 64;
/// How long nothing may arrive before what is missing counts as lost.
const PATIENCE: Duration = Duration::from_secs(10);
/// Nobody listens on this port, which needs a privilege.
const DEAD: &str = "http://127.0.0.1:1/";

/// A server with organizations that have endpoints, and what drives it.
struct Stage {
    server: Server,
    receivers: Receivers,
    /// Of each endpoint, its administrator's key and its id.
    endpoints: Vec<(String, String)>,
    decisions: Arc<Decisions>,
    lists: Arc<[Vec<u8>]>,
}

/// One stretch of both loads.
struct Round {
    lists: Load,
    decided: Decided,
    lags: Vec<u32>,
}

pub(crate) async fn run(args: &WebhookArgs) -> anyhow::Result<ExitCode> {
    let bench = &args.bench;
    let binary = Binary::find(bench.rollcall.as_deref(), &bench.serve_arg)?;
    let dataset = Dataset::prepare(&binary, args.profiles, bench)?;
    let data = dataset.copy()?;
    // What was copied goes to disk now, and not beside the first decisions.
    rustix::fs::sync();
    let cores = Cores::take()?;
    let mut stage = Stage::set(&binary, &dataset, &data, cores, args).await?;
    let deliveries = stage.deliveries(args).await?;
    let backlog = if args.backlog > 0 {
        Some(stage.backlog(args).await?)
    } else {
        None
    };
    stage.server.stop()?;
    std::fs::remove_dir_all(&data)?;
    let idle = idle(&binary, &dataset, cores, args).await?;
    let mut results = WebhookResults {
        rollcall: binary.version()?,
        machine: Machine::this(),
        settings: Settings {
            seconds: args.load_seconds,
            ..bench.settings(args.profiles, cores)
        },
        rate: args.rate,
        endpoints: args.endpoints,
        fan_out: args.fan_out,
        targets: Vec::new(),
        deliveries,
        backlog,
        idle,
    };
    results.targets = targets::judge_webhooks(&results);
    output::results(&Results::Webhooks(Box::new(results)), bench.json.as_deref())?;
    Ok(ExitCode::SUCCESS)
}

impl Stage {
    async fn set(
        binary: &Binary,
        dataset: &Dataset,
        data: &Path,
        cores: Cores,
        args: &WebhookArgs,
    ) -> anyhow::Result<Self> {
        let log = dataset.beside("dev.log");
        let mut server = binary.dev(&Storage::Directory(data.to_owned()), &log, cores)?;
        first_answer(&mut server, &first_list(dataset)?.bytes).await?;
        let positions = Positions::walk(server.address(), &dataset.manifest, &[SCENARIO]).await?;
        let lists = positions.requests(SCENARIO, &dataset.manifest, args.bench.requests)?;
        let receivers = Receivers::start(args.endpoints).await?;
        let mut operator = Operator::of(&server).await?;
        let (mut endpoints, mut profiles) = (Vec::new(), Vec::new());
        let organizations = args.endpoints.div_ceil(args.fan_out);
        for urls in receivers.urls().chunks(args.fan_out) {
            let made = operator.organization(DECIDED_ON / organizations).await?;
            for url in urls {
                let id = operator.endpoint(&made.admin_key, url).await?;
                endpoints.push((made.admin_key.clone(), id));
            }
            profiles.push(made.profiles);
        }
        Ok(Self {
            decisions: Decisions::on(OPERATOR_KEY, interleaved(profiles)),
            lists: lists.into_iter().map(|request| request.bytes).collect(),
            server,
            receivers,
            endpoints,
        })
    }

    /// Rounds with the endpoints disabled and enabled in turn.
    async fn deliveries(&self, args: &WebhookArgs) -> anyhow::Result<DeliveryFigures> {
        let mut without = Vec::new();
        let mut with = Vec::new();
        for round in 0..args.bench.rounds {
            output::progress(&format!("round {} of {}", round + 1, args.bench.rounds));
            self.turn("disabled").await?;
            without.push(self.round(args, 0).await?);
            self.turn("enabled").await?;
            with.push(self.round(args, args.fan_out).await?);
        }
        let throughput =
            |round: &Round| float(round.lists.requests) / round.lists.elapsed.as_secs_f64();
        let kept = with.iter().zip(&without);
        let kept = kept.map(|(with, without)| throughput(with) / throughput(without));
        let events: u64 = with.iter().map(|round| round.decided.count).sum();
        let arrived: usize = with.iter().map(|round| round.lags.len()).sum();
        let rate = with
            .iter()
            .map(|round| float(round.decided.count) / round.decided.elapsed.as_secs_f64());
        let no_round = "there was no round";
        Ok(DeliveryFigures {
            wanted: events * u64::try_from(args.fan_out)?,
            arrived: u64::try_from(arrived)?,
            decisions_per_second: Spread::of(rate).context(no_round)?,
            lists_without: Spread::of(without.iter().map(throughput)).context(no_round)?,
            lists_with: Spread::of(with.iter().map(throughput)).context(no_round)?,
            lists_kept: Spread::of(kept).context(no_round)?,
            lag_p50_ms: lag(&mut with, 50)?,
            lag_p99_ms: lag(&mut with, 99)?,
            decision_p99_ms: Spread::of(decision_p99(&mut with)?).context(no_round)?,
        })
    }

    /// The same lags, with a backlog that waits for a dead endpoint of another organization.
    async fn backlog(&self, args: &WebhookArgs) -> anyhow::Result<BacklogFigures> {
        self.turn("enabled").await?;
        let mut without = Vec::new();
        for _ in 0..args.bench.rounds {
            without.push(self.round(args, args.fan_out).await?);
        }
        output::progress(&format!(
            "making {} events for a dead endpoint",
            args.backlog
        ));
        let mut operator = Operator::of(&self.server).await?;
        let dead = operator.organization(DECIDED_ON).await?;
        operator.endpoint(&dead.admin_key, DEAD).await?;
        let decisions = Decisions::on(OPERATOR_KEY, dead.profiles);
        let pace = Pace {
            rate: None,
            count: args.backlog,
            connections: DECIDERS,
        };
        let made = decisions.make(self.server.address(), pace).await?;
        let mut with = Vec::new();
        for _ in 0..args.bench.rounds {
            with.push(self.round(args, args.fan_out).await?);
        }
        let waiting = operator.waiting().await?;
        Ok(BacklogFigures {
            waiting,
            made_per_second: float(made.count) / made.elapsed.as_secs_f64(),
            lag_p99_ms_without: lag(&mut without, 99)?,
            lag_p99_ms_with: lag(&mut with, 99)?,
        })
    }

    async fn turn(&self, state: &str) -> anyhow::Result<()> {
        let mut connection = Connection::open(self.server.address()).await?;
        for (key, id) in &self.endpoints {
            let path = format!("/v1/organizations/webhooks/{id}");
            let request = written("POST", &path, key, &json!({"state": state}));
            connection.exchange(&request).await?.ok()?;
        }
        Ok(())
    }

    /// Both loads at once; each decision's event is to arrive `fan_out` times.
    async fn round(&self, args: &WebhookArgs, fan_out: usize) -> anyhow::Result<Round> {
        let time = Duration::try_from_secs_f64(args.load_seconds)
            .context("--load-seconds: must be a positive number")?;
        let address = self.server.address();
        let mut generator = Generator::connect(address, args.bench.connections).await?;
        generator.drive(&self.lists, 1, time / 5).await?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate and a time that someone waits for"
        )]
        let pace = Pace {
            rate: Some(args.rate),
            count: (args.rate * args.load_seconds) as u64,
            connections: DECIDERS,
        };
        let (lists, decided) = tokio::join!(
            generator.drive(&self.lists, 2, time),
            self.decisions.make(address, pace)
        );
        let decided = decided?;
        let wanted = decided.count * u64::try_from(fan_out)?;
        Ok(Round {
            lists: lists?,
            decided,
            lags: self.receivers.take(wanted, PATIENCE).await?,
        })
    }
}

fn lag(rounds: &mut [Round], percent: usize) -> anyhow::Result<Spread> {
    let lags = rounds.iter_mut().map(|round| {
        let micros = percentile(&mut round.lags, percent).context("nothing arrived")?;
        Ok(f64::from(micros) / 1_000.0)
    });
    Spread::of(lags.collect::<anyhow::Result<Vec<_>>>()?).context("there was no round")
}

fn decision_p99(rounds: &mut [Round]) -> anyhow::Result<Vec<f64>> {
    let latencies = rounds.iter_mut();
    latencies
        .map(|round| round.decided.latency_ms(99))
        .collect()
}

/// The first of each, then the second of each, and so on: neighbours are of different organizations.
fn interleaved(groups: Vec<Vec<String>>) -> Vec<String> {
    let mut groups: Vec<_> = groups.into_iter().map(Vec::into_iter).collect();
    let mut all = Vec::new();
    loop {
        let before = all.len();
        all.extend(groups.iter_mut().filter_map(Iterator::next));
        if all.len() == before {
            return all;
        }
    }
}

/// CPU time of servers that nobody asks anything, on each engine that there is, at the same time.
async fn idle(
    binary: &Binary,
    dataset: &Dataset,
    cores: Cores,
    args: &WebhookArgs,
) -> anyhow::Result<Vec<IdleFigures>> {
    let time = Duration::from_secs(args.idle_seconds);
    if time.is_zero() {
        return Ok(Vec::new());
    }
    output::progress(&format!("idling for {} s", time.as_secs()));
    let data = dataset.beside("data-idle");
    let mut storages = vec![("SQLite", Storage::Directory(data.clone()))];
    if let Some(url) = &args.database_url {
        storages.push(("PostgreSQL", Storage::Database(url.clone())));
    }
    let mut servers = Vec::new();
    for (engine, storage) in storages {
        let log = dataset.beside(&format!("idle-{}.log", engine.to_lowercase()));
        servers.push((engine, idler(binary, &storage, &log, cores).await?));
    }
    // What a start leaves to do is done by then.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let used = |server: &Server| usage::cpu_time(server.pid());
    let before = servers.iter().map(|(_, server)| used(server));
    let before = before.collect::<anyhow::Result<Vec<_>>>()?;
    tokio::time::sleep(time).await;
    let mut figures = Vec::new();
    for ((engine, server), before) in servers.iter_mut().zip(before) {
        let used = used(server)?.saturating_sub(before);
        server.stop()?;
        figures.push(IdleFigures {
            engine: (*engine).to_owned(),
            seconds: time.as_secs_f64(),
            percent_of_a_core: used.as_secs_f64() / time.as_secs_f64() * 100.0,
        });
    }
    std::fs::remove_dir_all(&data)?;
    Ok(figures)
}

/// A server with an endpoint, and nothing to tell it.
async fn idler(
    binary: &Binary,
    storage: &Storage,
    log: &Path,
    cores: Cores,
) -> anyhow::Result<Server> {
    let mut server = binary.dev(storage, log, cores)?;
    first_answer(
        &mut server,
        b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n",
    )
    .await?;
    let mut operator = Operator::of(&server).await?;
    let made = operator.organization(1).await?;
    operator.endpoint(&made.admin_key, DEAD).await?;
    Ok(server)
}

/// The operator of a development server.
struct Operator {
    connection: Connection,
    key: String,
}

/// An organization with profiles to decide on.
struct Made {
    admin_key: String,
    profiles: Vec<String>,
}

impl Operator {
    async fn of(server: &Server) -> anyhow::Result<Self> {
        Ok(Self {
            connection: Connection::open(server.address()).await?,
            key: OPERATOR_KEY.to_owned(),
        })
    }

    async fn ask(
        &mut self,
        key: &str,
        method: &str,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<Value> {
        let request = written(method, path, key, body);
        let answer = self.connection.exchange(&request).await?;
        Ok(serde_json::from_slice(answer.ok()?)?)
    }

    async fn organization(&mut self, profiles: usize) -> anyhow::Result<Made> {
        let key = self.key.clone();
        let path = "/operator/v1/organizations";
        let made = self
            .ask(&key, "POST", path, &json!({"name": "Told"}))
            .await?;
        let id = made["id"].as_str().context("an organization's id")?;
        let admin = json!({"name": "bench", "kind": "admin"});
        let path = format!("{path}/{id}/api_keys");
        let admin = self.ask(&key, "POST", &path, &admin).await?;
        let mut ids = Vec::with_capacity(profiles);
        for number in 0..profiles {
            let profile = format!("uprof_told_{}_{number}", id.replace('-', ""));
            let path = format!("/operator/v1/user_profiles/{profile}");
            let body = json!({"organization_id": id});
            self.ask(&key, "PUT", &path, &body).await?;
            ids.push(profile);
        }
        let secret = admin["secret"].as_str().context("an admin key's secret")?;
        Ok(Made {
            admin_key: secret.to_owned(),
            profiles: ids,
        })
    }

    async fn endpoint(&mut self, admin_key: &str, url: &str) -> anyhow::Result<String> {
        let events = ["user_profile.program_status_updated"];
        let body = json!({"url": url, "enabled_events": events});
        let path = "/v1/organizations/webhooks";
        let made = self.ask(admin_key, "POST", path, &body).await?;
        Ok(made["id"].as_str().context("an endpoint's id")?.to_owned())
    }

    /// How many deliveries wait for an attempt.
    async fn waiting(&mut self) -> anyhow::Result<u64> {
        const GAUGE: &str = "rollcall_webhook_deliveries_pending ";
        let request = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n";
        let answer = self.connection.exchange(request).await?;
        let text = String::from_utf8_lossy(answer.ok()?).into_owned();
        let line = text.lines().find_map(|line| line.strip_prefix(GAUGE));
        Ok(line.context("the gauge of waiting deliveries")?.parse()?)
    }
}
