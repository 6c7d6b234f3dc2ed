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
use crate::requests::{self, Positions, Scenario, ga, written};
use crate::results::{Results, Row, Target};
use crate::rollcall::{Binary, OPERATOR_KEY, Server, Storage};
use crate::stats::{Spread, float, median, percentile};
use crate::{BenchArgs, WebhookArgs, output, usage};

/// Profiles that are decided on, among all organizations with an endpoint.
const DECIDED_ON: usize = 1_000;
/// Connections that decisions are made over.
const DECIDERS: usize = 64;
/// How long nothing may arrive before what is missing counts as lost.
const PATIENCE: Duration = Duration::from_secs(10);
/// What organization webhooks are behind.
const BETA: &str = "webhooks-2026-10-07";
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
    let binary = Binary::find(bench)?;
    let dataset = Dataset::prepare(&binary, args.profiles, bench)?;
    let data = dataset.copy()?;
    // What was copied goes to disk now, and not beside the first decisions.
    rustix::fs::sync();
    let cores = Cores::take()?;
    let told = BenchArgs {
        seconds: args.load_seconds,
        ..bench.clone()
    };
    let mut results = Results::of("webhooks", &binary, args.profiles, &told, cores)?;
    let mut stage = Stage::set(&binary, &dataset, &data, cores, args).await?;
    let (mut rows, mut ratio) = (stage.deliveries(args, &mut results).await?, None);
    if args.backlog > 0 {
        let (more, slower) = stage.backlog(args).await?;
        rows.extend(more);
        ratio = slower;
    }
    let what = "decision to arrival, p99, beside a dead endpoint / without";
    results.targets.push(Target::at_most(what, ratio, 1.5, 1.5));
    stage.server.stop()?;
    std::fs::remove_dir_all(&data)?;
    for (engine, percent) in idle(&binary, &dataset, cores, args).await? {
        let what = format!("percent of a core, idle, on {engine}");
        results
            .targets
            .push(Target::at_most(what, Some(percent), 0.1, 0.1));
    }
    results.tables = vec![rows];
    output::results(&results, bench.json.as_deref())
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
        first_answer(&mut server, &dataset.first_list()?).await?;
        let lists = Scenario::List(ga());
        let positions = Positions::walk(server.address(), &dataset.manifest, &[lists]).await?;
        let lists = positions.requests(lists, args.bench.requests)?;
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
            lists: requests::bytes(&lists),
            server,
            receivers,
            endpoints,
        })
    }

    /// Rounds with the endpoints disabled and enabled in turn.
    async fn deliveries(
        &self,
        args: &WebhookArgs,
        results: &mut Results,
    ) -> anyhow::Result<Vec<Row>> {
        let (mut without, mut with) = (Vec::new(), Vec::new());
        for round in 0..args.bench.rounds {
            output::progress(&format!("round {} of {}", round + 1, args.bench.rounds));
            self.turn("disabled").await?;
            without.push(self.round(args, 0).await?);
            self.turn("enabled").await?;
            with.push(self.round(args, args.fan_out).await?);
        }
        let lists = |rounds: &[Round]| Spread::of(rounds.iter().map(|it| it.lists.per_second()));
        let kept = with.iter().zip(&without);
        let kept = kept.map(|(with, without)| with.lists.per_second() / without.lists.per_second());
        let kept = Spread::of(kept);
        let decided = Spread::of(with.iter().map(|round| round.decided.per_second()));
        let events: u64 = with.iter().map(|round| round.decided.count).sum();
        let wanted = events * u64::try_from(args.fan_out)?;
        let arrived: usize = with.iter().map(|round| round.lags.len()).sum();
        let share = float(u64::try_from(arrived)?) / float(wanted.max(1));
        let latencies = with.iter_mut().map(|round| round.decided.latency_ms(99));
        let answers = Spread::of(latencies.collect::<anyhow::Result<Vec<_>>>()?);
        let lag_p99 = lag(&mut with, 99)?;
        results.notes.push(format!(
            "{} decisions a second for {} s in each half of a round, each told to {} of {} endpoints; {arrived} of \
             {wanted} deliveries arrived.",
            args.rate, args.load_seconds, args.fan_out, args.endpoints,
        ));
        let lists_kept = "lists a second, with webhooks / without";
        results.targets.extend([
            Target::at_least("arrived / due", Some(share), 1.0, 1.0),
            Target::at_most(
                "decision to arrival, p99, ms",
                median(lag_p99),
                250.0,
                250.0,
            ),
            Target::at_least(lists_kept, median(kept), 0.8, 0.8),
        ]);
        let row = |name: &str, spread| Row::of(name).with("figure", spread);
        Ok(vec![
            row("decisions/s", decided),
            row("lists/s beside them, endpoints disabled", lists(&without)),
            row("lists/s beside them, endpoints enabled", lists(&with)),
            row("decision to arrival, p50 ms", lag(&mut with, 50)?),
            row("decision to arrival, p99 ms", lag_p99),
            row("a decision's answer, p99 ms", answers),
        ])
    }

    /// The same lags, with a backlog that waits for a dead endpoint of another organization; and how many
    /// times as long they are.
    async fn backlog(&self, args: &WebhookArgs) -> anyhow::Result<(Vec<Row>, Option<f64>)> {
        self.turn("enabled").await?;
        let mut without = Vec::new();
        for _ in 0..args.bench.rounds {
            without.push(self.round(args, args.fan_out).await?);
        }
        let backlog = args.backlog;
        output::progress(&format!("making {backlog} events for a dead endpoint"));
        let mut operator = Operator::of(&self.server).await?;
        let dead = operator.organization(DECIDED_ON).await?;
        operator.endpoint(&dead.admin_key, DEAD).await?;
        let decisions = Decisions::on(OPERATOR_KEY, dead.profiles);
        let pace = Pace {
            rate: None,
            count: backlog,
            connections: DECIDERS,
        };
        let made = decisions.make(self.server.address(), pace).await?;
        let mut with = Vec::new();
        for _ in 0..args.bench.rounds {
            with.push(self.round(args, args.fan_out).await?);
        }
        let waiting = operator.waiting().await?;
        let (without, with) = (lag(&mut without, 99)?, lag(&mut with, 99)?);
        let ratio = with
            .zip(without)
            .map(|(with, without)| with.median / without.median);
        let row = |name: &str, figure: Option<Spread>| Row::of(name).with("figure", figure);
        let rows = vec![
            row("decision to arrival, p99 ms, before the backlog", without),
            Row::of("events/s made for a dead endpoint").with("figure", made.per_second()),
            row(
                &format!("the same p99 ms while {waiting} of them wait"),
                with,
            ),
        ];
        Ok((rows, ratio))
    }

    async fn turn(&self, state: &str) -> anyhow::Result<()> {
        let mut connection = Connection::open(self.server.address()).await?;
        for (key, id) in &self.endpoints {
            let path = format!("/v1/organizations/webhooks/{id}");
            let body = json!({"state": state}).to_string();
            let request = written("POST", &path, key, &body, BETA);
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

fn lag(rounds: &mut [Round], percent: usize) -> anyhow::Result<Option<Spread>> {
    let lags = rounds.iter_mut().map(|round| {
        let micros = percentile(&mut round.lags, percent).context("nothing arrived")?;
        Ok(f64::from(micros) / 1_000.0)
    });
    Ok(Spread::of(lags.collect::<anyhow::Result<Vec<_>>>()?))
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

/// The percent of a core of servers that nobody asks anything, on each engine that there is, at the same time.
async fn idle(
    binary: &Binary,
    dataset: &Dataset,
    cores: Cores,
    args: &WebhookArgs,
) -> anyhow::Result<Vec<(&'static str, f64)>> {
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
        figures.push((*engine, used.as_secs_f64() / time.as_secs_f64() * 100.0));
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
    let ready = b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    first_answer(&mut server, ready).await?;
    let mut operator = Operator::of(&server).await?;
    let made = operator.organization(1).await?;
    operator.endpoint(&made.admin_key, DEAD).await?;
    Ok(server)
}

/// The operator of a development server.
struct Operator(Connection);

/// An organization with profiles to decide on.
struct Made {
    admin_key: String,
    profiles: Vec<String>,
}

impl Operator {
    async fn of(server: &Server) -> anyhow::Result<Self> {
        Ok(Self(Connection::open(server.address()).await?))
    }

    async fn ask(
        &mut self,
        key: &str,
        method: &str,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<Value> {
        let request = written(method, path, key, &body.to_string(), BETA);
        let answer = self.0.exchange(&request).await?;
        Ok(serde_json::from_slice(answer.ok()?)?)
    }

    async fn organization(&mut self, profiles: usize) -> anyhow::Result<Made> {
        let path = "/operator/v1/organizations";
        let body = json!({"name": "Told"});
        let made = self.ask(OPERATOR_KEY, "POST", path, &body).await?;
        let id = made["id"].as_str().context("an organization's id")?;
        let body = json!({"name": "bench", "kind": "admin"});
        let path = format!("{path}/{id}/api_keys");
        let admin = self.ask(OPERATOR_KEY, "POST", &path, &body).await?;
        let mut ids = Vec::with_capacity(profiles);
        for number in 0..profiles {
            let profile = format!("uprof_told_{}_{number}", id.replace('-', ""));
            let path = format!("/operator/v1/user_profiles/{profile}");
            let body = json!({"organization_id": id});
            self.ask(OPERATOR_KEY, "PUT", &path, &body).await?;
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
        let answer = self.0.exchange(request).await?;
        let text = String::from_utf8_lossy(answer.ok()?).into_owned();
        let line = text.lines().find_map(|line| line.strip_prefix(GAUGE));
        Ok(line.context("the gauge of waiting deliveries")?.parse()?)
    }
}
