//! `postgresql`: Rollcall on a `PostgreSQL` that is started for it, against `pgbench` with the same
//! statements on the same server, round by round.
//!
//! Rollcall and the database share the servers' core; whoever asks them, the generator or `pgbench`, has
//! the other. So what a rate says is the cost of an answer in both together.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, bail};
use rollcall_scratch_postgres as scratch;

use crate::connection::Connection;
use crate::cores::Cores;
use crate::dataset::{Dataset, Tenant, Transfer, bar};
use crate::measure::{Answering, Pressure, Rounds, Stretch, first_answer};
use crate::pgbench::{Pgbench, Script};
use crate::requests::{self, OLD, Positions, Scenario};
use crate::results::{Results, Row, Target};
use crate::rollcall::{Binary, Server, Storage};
use crate::run::{DRAFTS, WRITERS};
use crate::stats::{Spread, median};
use crate::{PostgresqlArgs, output};

/// Beside what every scratch server has: memory and log as someone would give them to a registry of this
/// size.
const SETTINGS: [&str; 2] = ["shared_buffers=512MB", "max_wal_size=4GB"];
const SCENARIOS: [Scenario; 4] = [
    Scenario::ListLargest,
    Scenario::FirstPage,
    Scenario::DeepPage,
    Scenario::Get(OLD),
];

/// Where everything runs.
struct Stage {
    database: scratch::Server,
    dataset: Dataset,
    nodes: [Server; 2],
    pgbench: Pgbench,
}

/// The rounds of one row, as they come in.
#[derive(Default)]
struct Course {
    name: String,
    rollcall: Rounds,
    /// Transactions a second of `pgbench` in the same round.
    pgbench: Vec<(&'static str, Vec<f64>)>,
}

pub(crate) async fn run(args: &PostgresqlArgs) -> anyhow::Result<ExitCode> {
    let bench = &args.bench;
    let pressure = bench.pressure()?;
    let binary = Binary::find(bench)?;
    let root = bench.work_dir.join(format!("postgresql-{}", args.profiles));
    let database = scratch::Server::start_in(&args.database_dir, &SETTINGS, &[]).await;
    let url = database.url("postgres");
    let storage = Storage::Database(url.clone());
    let dataset = Dataset::load(&binary, args.profiles, &storage, root)?;
    let raw = raw_insert_rate(&url, args.profiles).await?;
    // What autovacuum and a checkpoint would do in the middle of the rounds.
    scratch::execute(&url, &["VACUUM (ANALYZE)", "CHECKPOINT"]).await;
    let cores = Cores::take()?;
    cores.move_server(database.process_id().context("the database runs")?)?;
    let mut results = Results::of("postgresql", &binary, args.profiles, bench, cores)?;
    let mut nodes = Vec::new();
    for log in ["serve-1.log", "serve-2.log"] {
        let mut node = binary.serve(&storage, &dataset.beside(log), cores)?;
        first_answer(&mut node, &dataset.first_list()?).await?;
        nodes.push(node);
    }
    let nodes = <[Server; 2]>::try_from(nodes).ok().context("two nodes")?;
    let mut stage = Stage {
        pgbench: Pgbench::of(&url, cores),
        database,
        dataset,
        nodes,
    };
    let address = stage.nodes[0].address();
    let positions = Positions::walk(address, &stage.dataset.manifest, &SCENARIOS).await?;
    let depth = positions.depth();
    let reads = stage.reads(&positions, args, pressure).await?;
    let creates = stage.creates(bench.rounds, pressure).await?;
    for node in &mut stage.nodes {
        node.stop()?;
    }
    results.notes.push(format!(
        "On PostgreSQL {}, which has the server's core too, as pgbench has the generator's.",
        scratch::ask(&url, "SHOW server_version").await
    ));
    let import = &stage.dataset.manifest.import;
    let share = import.per_second() / raw;
    results.targets = targets(&reads, &creates, depth).into();
    results.targets.push(Transfer::of_raw(Some(share)));
    results.notes.push(Transfer::raw_note(raw));
    let rows = reads.iter().chain(&creates).flat_map(Course::rows);
    results.tables = vec![rows.collect(), vec![import.row("import")]];
    output::results(&results, bench.json.as_deref())
}

/// Records a second when one session copies what an import has written into tables with the same indexes, one after
/// the other, in the order in which they were written.
async fn raw_insert_rate(url: &str, profiles: u64) -> anyhow::Result<f64> {
    let tables = [
        "profile_ids",
        "profiles",
        "profile_programs",
        "enforcement_actions",
    ];
    let each = |sql: fn(&str) -> String| tables.map(sql);
    let make = each(|name| format!("CREATE TABLE raw_{name} (LIKE {name} INCLUDING ALL)"));
    let fill = each(|name| format!("INSERT INTO raw_{name} SELECT * FROM {name} ORDER BY ctid"));
    let drop = each(|name| format!("DROP TABLE raw_{name}"));
    scratch::execute(url, &make.each_ref().map(String::as_str)).await;
    let begun = Instant::now();
    scratch::execute(url, &fill.each_ref().map(String::as_str)).await;
    let seconds = begun.elapsed().as_secs_f64();
    scratch::execute(url, &drop.each_ref().map(String::as_str)).await;
    Ok(f64::from(u32::try_from(profiles)?) / seconds)
}

fn targets(reads: &[Course], creates: &[Course], depth: u64) -> [Target; 5] {
    let named = |name: &str| {
        let mut all = reads.iter().chain(creates);
        all.find(|course| course.name == name)
    };
    let rounds = |scenario: Scenario| Some(&named(&scenario.name())?.rollcall);
    let of_pgbench = |what: &str, name: &str, must, aim| {
        let times = named(name).and_then(|course| course.times().next()?.1);
        let what = format!("{what}: requests/s, Rollcall / pgbench");
        Target::at_least(what, median(times), must, aim)
    };
    let both = rounds(Scenario::DeepPage).zip(rounds(Scenario::FirstPage));
    let cpu = |round: &Stretch| round.cpu + round.database_cpu;
    let deep = both.and_then(|(deep, first)| deep.against(first, cpu));
    let what = format!("page at depth {depth} / first page");
    [
        of_pgbench("list", &Scenario::ListLargest.name(), 0.70, 0.80),
        of_pgbench("list, two nodes", TWO_NODES, 0.45, 0.60),
        Target::at_most(what, median(deep), 1.2, 1.0),
        of_pgbench("creates", CREATES, 1.5, 2.5),
        of_pgbench("creates, two nodes", CREATES_TWO_NODES, 1.5, 2.5),
    ]
}

impl Stage {
    fn answering<'a>(&self, nodes: &'a [&'a Server]) -> Answering<'a> {
        Answering {
            servers: nodes,
            database: self.database.process_id(),
        }
    }

    async fn ask(&self, question: &str) -> anyhow::Result<String> {
        let answer = scratch::ask(&self.database.url("postgres"), question).await;
        if answer.is_empty() {
            bail!("the database has no answer to: {question}");
        }
        Ok(answer)
    }

    /// Each scenario once a round, with `pgbench` and the second node beside the list.
    async fn reads(
        &self,
        positions: &Positions<'_>,
        args: &PostgresqlArgs,
        pressure: Pressure,
    ) -> anyhow::Result<Vec<Course>> {
        let rounds = args.bench.rounds;
        let list = self.list_script(args.bench.requests).await?;
        let [one, two] = &self.nodes;
        let mut courses = Vec::new();
        for scenario in SCENARIOS {
            let requests = positions.requests(scenario, args.bench.requests)?;
            let requests = requests::bytes(&requests);
            courses.push((Course::of(&scenario.name()), requests, vec![one]));
            if scenario == Scenario::ListLargest {
                let (_, requests, _) = &courses[0];
                let both = (Course::of(TWO_NODES), Arc::clone(requests), vec![one, two]);
                courses.push(both);
            }
        }
        let bar = bar(rounds * u64::try_from(courses.len())?, "reading")?;
        for seed in 0..rounds {
            let mut beside = None;
            for (course, requests, nodes) in &mut courses {
                let answering = self.answering(nodes);
                let round = course.rollcall.add_of(answering, requests, seed, pressure);
                round.await.with_context(|| course.name.clone())?;
                if course.name == SCENARIOS[0].name() {
                    let clients = pressure.connections;
                    let rate = self.pgbench.per_second(&list, clients, pressure.time)?;
                    beside = Some(rate);
                }
                // The second node is judged by the same reference.
                if course.is_list() {
                    course.reference("pgbench, the same query", beside);
                }
                bar.inc(1);
            }
        }
        bar.finish();
        Ok(courses.into_iter().map(|(course, ..)| course).collect())
    }

    /// Creates through one node and both, and what they write put there by `pgbench`.
    async fn creates(&self, rounds: u64, pressure: Pressure) -> anyhow::Result<Vec<Course>> {
        let pressure = Pressure {
            connections: WRITERS,
            ..pressure
        };
        let requests = requests::creates(&self.dataset.manifest, DRAFTS);
        let [row, rows] = self.create_scripts(&requests).await?;
        let [one, two] = &self.nodes;
        let mut courses = [
            (Course::of(CREATES), vec![one]),
            (Course::of(CREATES_TWO_NODES), vec![one, two]),
        ];
        let bar = bar(rounds, "creating")?;
        for seed in 0..rounds {
            let rate = |script| self.pgbench.per_second(script, WRITERS, pressure.time);
            let (row, rows) = (rate(&row)?, rate(&rows)?);
            for (course, nodes) in &mut courses {
                let answering = self.answering(nodes);
                let round = course.rollcall.add_of(answering, &requests, seed, pressure);
                round.await.with_context(|| course.name.clone())?;
                course.reference(SAME_ROWS, Some(rows));
                course.reference("pgbench, the profile's row alone", Some(row));
            }
            bar.inc(1);
        }
        bar.finish();
        Ok(courses.into_iter().map(|(course, _)| course).collect())
    }

    fn script(&self, name: &str, transaction: &str, texts: Texts) -> anyhow::Result<Script> {
        Script::new(self.dataset.beside(name), transaction, texts)
    }

    /// The list's own statement, at one of as many places of the largest organization as Rollcall is
    /// asked for: with more of them, less of what `pgbench` reads would be in the processor's caches.
    async fn list_script(&self, places: usize) -> anyhow::Result<Script> {
        let Tenant { id, .. } = self.dataset.manifest.largest()?;
        let (last, places) = (places.saturating_sub(1), places.max(1));
        let place = format!(
            "SELECT min(created_at) || ' + random(0, {last}) * ' || \
             (max(created_at) - min(created_at)) / {places} FROM profiles WHERE organization = '{id}'"
        );
        let transaction = format!(
            "\\set created_at {}\n\
             SELECT created_at, id, document FROM profiles \
             WHERE organization = :organization AND (created_at, id) < (:created_at, :id) \
             ORDER BY created_at DESC, id DESC LIMIT :limit;\n",
            self.ask(&place).await?
        );
        let texts = vec![
            ("organization", id.clone()),
            ("id", "uprof_".to_owned()),
            ("limit", "20".to_owned()),
        ];
        self.script("list.pgbench", &transaction, texts)
    }

    /// The row of a profile alone, and every row that a create writes, in one round trip as Rollcall
    /// sends them. The values are those of a profile that was created before.
    async fn create_scripts(&self, requests: &Arc<[Vec<u8>]>) -> anyhow::Result<[Script; 2]> {
        let request = requests.first().context("a create")?;
        let mut connection = Connection::open(self.nodes[0].address()).await?;
        let answer: serde_json::Value =
            serde_json::from_slice(connection.exchange(request).await?.ok()?)?;
        let id = answer["id"].as_str().context("a created profile's id")?;
        let profile = |column| format!("SELECT {column} FROM profiles WHERE id = '{id}'");
        let audit = |column| format!("SELECT {column} FROM audit_events WHERE target_id = '{id}'");
        let texts = || async {
            Ok::<_, anyhow::Error>(vec![
                ("organization", self.ask(&profile("organization")).await?),
                ("document", self.ask(&profile("document")).await?),
                ("folded_name", self.ask(&profile("folded_name")).await?),
                ("day", self.ask(&profile("created_at / 86400000000")).await?),
                ("actor_id", self.ask(&audit("actor_id")).await?),
                ("details", self.ask(&audit("details")).await?),
            ])
        };
        let row = format!("{VARIABLES}{PROFILE}");
        let rows = format!(
            "{VARIABLES}\\startpipeline\nBEGIN;\n{PROFILE_ID}{PROFILE}{AUDIT}{COUNT}COMMIT;\n\\endpipeline\n"
        );
        Ok([
            self.script("row.pgbench", &row, texts().await?)?,
            self.script("rows.pgbench", &rows, texts().await?)?,
        ])
    }
}

type Texts = Vec<(&'static str, String)>;

/// The name of the list through both nodes.
const TWO_NODES: &str = "the same, two nodes";
const CREATES: &str = "creates";
const CREATES_TWO_NODES: &str = "creates, two nodes";
/// The reference that writes what a create writes.
const SAME_ROWS: &str = "pgbench, the same rows";

// Ids and times rise as Rollcall's do, and the organizations are as many; none of these rows is read.
const VARIABLES: &str = "\\set chance random(1, 99999999)\n\\set tenant random(0, 99)\n\
    \\set draft random(0, 1999)\n\\set slot random(0, 63)\n";
const PROFILE_ID: &str = "INSERT INTO profile_ids (id, organization) VALUES ('uprof_01' || \
    lpad(((extract(epoch FROM statement_timestamp()) * 1000000)::bigint)::text, 16, '0') || \
    lpad((:chance)::text, 8, '0'), (SELECT id FROM organizations WHERE id = :organization));\n";
const PROFILE: &str = "INSERT INTO profiles (organization, id, created_at, access_type, outlook, \
    folded_name, reference_id, email_hash, country, document) VALUES (\
    'bench000-0000-0000-0000-0000000000' || lpad((:tenant)::text, 2, '0'), 'uprof_01' || \
    lpad(((extract(epoch FROM statement_timestamp()) * 1000000)::bigint)::text, 16, '0') || \
    lpad((:chance)::text, 8, '0'), (extract(epoch FROM statement_timestamp()) * 1000000)::bigint, \
    0, 0, :folded_name, 'new_' || lpad((:draft)::text, 8, '0'), NULL, NULL, :document);\n";
const AUDIT: &str = "INSERT INTO audit_events (organization, id, at, actor_kind, actor_id, action, \
    target_kind, target_id, details) VALUES (\
    'bench000-0000-0000-0000-0000000000' || lpad((:tenant)::text, 2, '0'), 'audit_01' || \
    lpad(((extract(epoch FROM statement_timestamp()) * 1000000)::bigint)::text, 16, '0') || \
    lpad((:chance)::text, 8, '0'), (extract(epoch FROM statement_timestamp()) * 1000000)::bigint, \
    'api_key', :actor_id, 'user_profile.created', 'user_profile', 'uprof_01' || \
    lpad(((extract(epoch FROM statement_timestamp()) * 1000000)::bigint)::text, 16, '0') || \
    lpad((:chance)::text, 8, '0'), :details);\n";
const COUNT: &str = "INSERT INTO profile_counts (organization, day, slot, profiles) VALUES (\
    'bench000-0000-0000-0000-0000000000' || lpad((:tenant)::text, 2, '0'), :day, :slot, 1) \
    ON CONFLICT (organization, day, slot) \
    DO UPDATE SET profiles = profile_counts.profiles + excluded.profiles;\n";

impl Course {
    fn of(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    fn is_list(&self) -> bool {
        self.name == SCENARIOS[0].name() || self.name == TWO_NODES
    }

    fn reference(&mut self, name: &'static str, rate: Option<f64>) {
        let Some(rate) = rate else { return };
        match self.pgbench.iter_mut().find(|(known, _)| *known == name) {
            Some((_, rates)) => rates.push(rate),
            None => self.pgbench.push((name, vec![rate])),
        }
    }
}

impl Course {
    /// Requests a second through Rollcall divided by each reference, round by round.
    fn times(&self) -> impl Iterator<Item = (&'static str, Option<Spread>, &[f64])> {
        let references = self.pgbench.iter();
        references.map(|(name, rates)| (*name, self.rollcall.times(rates), rates.as_slice()))
    }

    /// A row for what went through Rollcall, and one for each reference.
    fn rows(&self) -> Vec<Row> {
        let mut rows = vec![self.rollcall.row(&self.name)];
        rows.extend(self.times().map(|(name, times, rates)| {
            Row::of(name)
                .with("requests/s", Spread::of(rates.iter().copied()))
                .with("Rollcall / pgbench", times)
        }));
        rows
    }
}
