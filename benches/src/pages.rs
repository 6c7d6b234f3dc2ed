//! `pages`: how long the operator waits for a page of the console on a large registry, on both engines.
//!
//! A page is asked for as a browser would, one at a time over one connection, and the time is taken from
//! the request's first byte to the answer's last: what it costs the server, and the way over loopback.
//! Searches are asked systematically: every filter alone and every two together, each with values that
//! match many profiles, few and none.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rollcall_scratch_postgres as scratch;
use serde_json::Value;

use crate::connection::{Connection, header};
use crate::cores::Cores;
use crate::dataset::{Dataset, Manifest, bar};
use crate::measure::first_answer;
use crate::results::{Results, Row, Target};
use crate::rollcall::{Binary, Storage};
use crate::stats::Spread;
use crate::{PostgresqlArgs, output, records, seed};

/// Memory as a small server would give a database by default, and a log for the load.
const SETTINGS: [&str; 2] = ["shared_buffers=128MB", "max_wal_size=4GB"];
/// How many of the slowest searches are told.
const SLOWEST: usize = 5;

/// Every kind of page that reads what there may be much of, by name.
const PAGES: &str = "
overview: /console
profiles: /console/profiles
profiles by name: /console/profiles?sort=name&organization_id={largest}
a profile: /console/profiles/{profile}
applications: /console/enrollments
applications, rejected: /console/enrollments?status=rejected
applications of an organization: /console/enrollments?organization_id={largest}
an application: {application}
webhooks: /console/webhooks
webhooks that fail: /console/webhooks?condition=failing
an endpoint: /console/webhooks/{endpoint}
deliveries: /console/deliveries
deliveries that failed: /console/deliveries?status=failed
a delivery: {delivery}
organizations: /console/organizations
an organization and its keys: /console/organizations/{largest}
audit trail: /console/audit
audit trail, one action: /console/audit?action=user_profiles.imported
audit trail of an organization: /console/audit?organization_id={largest}
audit trail of a profile: /console/audit?target_id={profile}
";

/// The filters of the console's list of profiles, each with its values.
const FILTERS: &str = "
organization_id: {largest}|{smallest}
enforcement_status: unrestricted|pending|restricted|banned|any-action
access_type: application|passthrough
program: cyber|efs
program_status: active|pending|rejected
country: DE|AQ
reference_id: {reference}|nobody
email_hash: {hash}|sha256:0
q: a|Zoë Yılmaz|zzzz
created_after: 2024-06-01|2025-12-20|2026-06-01
created_before: 2025-06-01|2024-01-10|2023-01-01
";

pub(crate) async fn run(args: &PostgresqlArgs) -> anyhow::Result<ExitCode> {
    let bench = &args.bench;
    let binary = Binary::find(bench)?;
    let cores = Cores::take()?;
    let mut results = Results::of("pages", &binary, args.profiles, bench, cores)?;
    let note = "One request at a time over one connection, in as many rounds; milliseconds.";
    results.notes.push(note.to_owned());

    let dataset = Dataset::prepare(&binary, args.profiles, bench)?;
    let data = dataset.copy()?;
    let storage = Storage::Directory(data.clone());
    let sqlite = Engine::measure("SQLite", &binary, &dataset, &storage, bench.rounds, cores);
    let sqlite = sqlite.await?;
    std::fs::remove_dir_all(&data)?;

    let root = bench.work_dir.join(format!("pages-{}", args.profiles));
    let database = scratch::Server::start_in(&args.database_dir, &SETTINGS, &[]).await;
    let url = database.url("postgres");
    let storage = Storage::Database(url.clone());
    let dataset = Dataset::load(&binary, args.profiles, &storage, root)?;
    cores.move_server(database.process_id().context("the database runs")?)?;
    let version = scratch::ask(&url, "SHOW server_version").await;
    let name = format!(
        "PostgreSQL {}",
        version.split(' ').next().unwrap_or_default()
    );
    let postgresql = Engine::measure(&name, &binary, &dataset, &storage, bench.rounds, cores);
    let engines = [sqlite, postgresql.await?];

    results.targets = engines.iter().flat_map(Engine::targets).collect();
    let [one, other] = &engines;
    let pages = one.pages.iter().zip(&other.pages);
    let rows = pages.map(|((name, one_ms), (_, other_ms))| {
        let row = Row::of(name).with(&one.name, one_ms);
        row.with(&other.name, other_ms)
    });
    results.tables.push(rows.collect());
    results.tables.extend(engines.iter().map(Engine::slowest));
    output::results(&results, bench.json.as_deref())
}

/// The console's pages on one engine: each with the milliseconds it took.
struct Engine {
    name: String,
    pages: Vec<(String, Spread)>,
    /// The slowest first.
    searches: Vec<(String, Spread)>,
}

impl Engine {
    async fn measure(
        name: &str,
        binary: &Binary,
        dataset: &Dataset,
        storage: &Storage,
        rounds: u64,
        cores: Cores,
    ) -> anyhow::Result<Self> {
        output::progress(&format!("{name}: what lies around the profiles"));
        seed::write(storage).await?;
        if let Storage::Database(url) = storage {
            // What autovacuum and a checkpoint would do in the middle of the measurement.
            scratch::execute(url, &["VACUUM (ANALYZE)", "CHECKPOINT"]).await;
        }
        let mut server = binary.serve(storage, &dataset.beside("serve-pages.log"), cores)?;
        first_answer(&mut server, &dataset.first_list()?).await?;
        let manifest = &dataset.manifest;
        let mut visitor = Visitor::sign_in(server.address(), &manifest.operator_key).await?;
        let places = Places::of(manifest, &mut visitor).await?;
        let mut pages = Vec::new();
        for (what, target) in places.fill(PAGES) {
            let ms = visitor.times(&target, rounds).await?;
            pages.push((what, ms));
        }
        let queries = queries(&places.fill(FILTERS));
        let bar = bar(u64::try_from(queries.len())?, "searching")?;
        let mut searches = Vec::new();
        for query in queries {
            let target = format!("/console/profiles?{query}");
            searches.push((query, visitor.times(&target, rounds).await?));
            bar.inc(1);
        }
        bar.finish();
        server.stop()?;
        searches.sort_by(|(_, one), (_, other)| other.median.total_cmp(&one.median));
        Ok(Self {
            name: name.to_owned(),
            pages,
            searches,
        })
    }

    /// The slowest page, whichever it is, and the slowest search.
    fn targets(&self) -> [Target; 2] {
        let target = |what, times: &[(String, Spread)]| {
            let what = format!("slowest {what}, {}, ms", self.name);
            let slowest = times.iter().map(|(_, ms)| ms.median).max_by(f64::total_cmp);
            Target::at_most(what, slowest, 50.0, 50.0)
        };
        [
            target("page", &self.pages),
            target("search", &self.searches),
        ]
    }

    fn slowest(&self) -> Vec<Row> {
        let column = format!("slowest of {} searches, {}", self.searches.len(), self.name);
        let slowest = self.searches.iter().take(SLOWEST);
        let rows = slowest.map(|(query, ms)| Row::of(format!("`{query}`")).with(&column, ms));
        rows.collect()
    }
}

/// What stands in braces.
struct Places(Vec<(&'static str, String)>);

impl Places {
    async fn of(manifest: &Manifest, visitor: &mut Visitor) -> anyhow::Result<Self> {
        let largest = manifest.largest()?.id.clone();
        let smallest = manifest.organizations.last().context("organizations")?;
        let example = example(manifest)?;
        let text = |place| example.pointer(place).and_then(Value::as_str);
        let text = |place| Ok::<_, anyhow::Error>(text(place).context(place)?.to_owned());
        Ok(Self(vec![
            ("{profile}", text("/id")?),
            ("{reference}", text(REFERENCE)?),
            ("{hash}", text(HASH)?),
            ("{endpoint}", seed::endpoint_of(&largest)),
            ("{application}", visitor.first_link("enrollments").await?),
            ("{delivery}", visitor.first_link("deliveries").await?),
            ("{smallest}", smallest.id.clone()),
            ("{largest}", largest),
        ]))
    }

    /// Lines of a name, a colon and a text.
    fn fill(&self, lines: &str) -> Vec<(String, String)> {
        let mut lines = lines.to_owned();
        for (place, text) in &self.0 {
            lines = lines.replace(place, text);
        }
        let pairs = lines.lines().filter_map(|line| line.split_once(": "));
        pairs
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .collect()
    }
}

const REFERENCE: &str = "/external_user_details/reference_id";
const HASH: &str = "/external_user_details/email_hash";

/// A profile that has everything a search can ask for.
fn example(manifest: &Manifest) -> anyhow::Result<Value> {
    let lines = (0..manifest.profiles).map(|number| records::line(number, manifest.profiles, ""));
    let mut records = lines.filter_map(|line| serde_json::from_str::<Value>(&line).ok());
    let has = |record: &Value, place| record.pointer(place).is_some_and(Value::is_string);
    let found = records.find(|record| has(record, REFERENCE) && has(record, HASH));
    found.context("no profile has a reference and a hash")
}

/// The query of every filter alone and of every two, as far as they may stand together.
fn queries(filters: &[(String, String)]) -> Vec<String> {
    let mut alone = Vec::new();
    for (name, values) in filters {
        let values = values.split('|');
        let encoded = values.map(|value| utf8_percent_encode(value, NON_ALPHANUMERIC));
        alone.extend(encoded.map(|value| (name, format!("{name}={value}"))));
    }
    let mut queries: Vec<String> = alone.iter().map(|(_, query)| query.clone()).collect();
    for (place, (name, query)) in alone.iter().enumerate() {
        let others = alone[place + 1..].iter().filter(|(other, _)| other != name);
        queries.extend(others.map(|(_, other)| format!("{query}&{other}")));
    }
    // The status in a program cannot stand without the program.
    queries.retain(|query| !query.contains("program_status=") || query.contains("program="));
    queries
}

/// A browser that is signed in to the console.
struct Visitor {
    connection: Connection,
    address: String,
    cookie: String,
}

impl Visitor {
    async fn sign_in(address: &str, operator_key: &str) -> anyhow::Result<Self> {
        let mut connection = Connection::open(address).await?;
        let key = utf8_percent_encode(operator_key, NON_ALPHANUMERIC);
        let body = format!("key={key}");
        let request = format!(
            "POST /console/sign-in HTTP/1.1\r\nhost: {address}\r\nsec-fetch-site: same-origin\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = connection.exchange(request.as_bytes()).await?;
        let cookie = header(answer.head, "set-cookie").context("signing in to the console")?;
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        Ok(Self {
            connection,
            address: address.to_owned(),
            cookie,
        })
    }

    async fn open(&mut self, target: &str) -> anyhow::Result<String> {
        let request = format!(
            "GET {target} HTTP/1.1\r\nhost: {}\r\ncookie: {}\r\n\r\n",
            self.address, self.cookie
        );
        let answer = self.connection.exchange(request.as_bytes()).await?;
        let body = answer.ok().with_context(|| target.to_owned())?;
        Ok(String::from_utf8(body.to_vec())?)
    }

    /// Milliseconds that a page took in each round, after one that does not count.
    async fn times(&mut self, target: &str, rounds: u64) -> anyhow::Result<Spread> {
        self.open(target).await?;
        let mut times = Vec::new();
        for _ in 0..rounds {
            let begun = Instant::now();
            self.open(target).await?;
            times.push(begun.elapsed().as_secs_f64() * 1_000.0);
        }
        Spread::of(times).context("there was no round")
    }

    /// The first link of a list to one of its things.
    async fn first_link(&mut self, list: &str) -> anyhow::Result<String> {
        let list = format!("/console/{list}");
        let page = self.open(&list).await?;
        let links = page.split("href=\"").skip(1);
        let mut targets = links.filter_map(|link| link.split('"').next());
        let found = targets.find(|target| target.starts_with(&format!("{list}/")));
        Ok(found
            .with_context(|| format!("{list}: nothing in it"))?
            .to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_filter_is_asked_alone_and_with_every_other() {
        let places = Places(vec![("{there}", "DE".to_owned())]);
        let filters = "country: {there}|AQ\nprogram: cyber\nprogram_status: active\n";
        let expected = [
            "country=DE",
            "country=AQ",
            "program=cyber",
            "country=DE&program=cyber",
            "country=AQ&program=cyber",
            "program=cyber&program_status=active",
        ];
        assert_eq!(queries(&places.fill(filters)), expected);
    }
}
