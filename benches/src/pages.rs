//! `pages`: how long the operator waits for a page of the console on a large registry, on both engines.
//!
//! A page is asked for as a browser would, one at a time over one connection, and the time is taken from
//! the request's first byte to the answer's last: what it costs the server, and the way over loopback.
//! Searches are asked systematically: every filter alone and every two together, each with values that
//! match many profiles, few and none.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, bail};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rollcall_scratch_postgres as scratch;

use crate::connection::{Connection, header};
use crate::cores::Cores;
use crate::dataset::{Dataset, Manifest, bar};
use crate::measure::first_answer;
use crate::results::{EnginePages, Machine, PageFigures, PagesResults, Results, Settings};
use crate::rollcall::{Binary, Storage};
use crate::run::first_list;
use crate::stats::Spread;
use crate::{PostgresqlArgs, output, records, seed, targets};

/// Memory as a small server would give a database by default, and a log for the load.
const SETTINGS: [&str; 2] = ["shared_buffers=128MB", "max_wal_size=4GB"];
/// How many of the slowest searches are told.
const SLOWEST: usize = 5;

pub(crate) async fn run(args: &PostgresqlArgs) -> anyhow::Result<ExitCode> {
    let bench = &args.bench;
    let binary = Binary::find(bench.rollcall.as_deref(), &bench.serve_arg)?;
    let cores = Cores::take()?;
    let engines = vec![
        on_sqlite(&binary, args, cores).await?,
        on_postgresql(&binary, args, cores).await?,
    ];
    let mut results = PagesResults {
        rollcall: binary.version()?,
        machine: Machine::this(),
        settings: Settings {
            connections: 1,
            ..bench.settings(args.profiles, cores)
        },
        targets: Vec::new(),
        engines,
    };
    results.targets = targets::judge_pages(&results);
    let results = Results::Pages(Box::new(results));
    output::results(&results, bench.json.as_deref())?;
    Ok(ExitCode::SUCCESS)
}

async fn on_sqlite(
    binary: &Binary,
    args: &PostgresqlArgs,
    cores: Cores,
) -> anyhow::Result<EnginePages> {
    let dataset = Dataset::prepare(binary, args.profiles, &args.bench)?;
    let data = dataset.copy()?;
    let storage = Storage::Directory(data.clone());
    let pages = measured("SQLite", binary, &dataset, &storage, args, cores).await?;
    std::fs::remove_dir_all(&data)?;
    Ok(pages)
}

async fn on_postgresql(
    binary: &Binary,
    args: &PostgresqlArgs,
    cores: Cores,
) -> anyhow::Result<EnginePages> {
    let root = args.bench.work_dir.join(format!("pages-{}", args.profiles));
    let database = scratch::Server::start_in(&args.database_dir, &SETTINGS, &[]).await;
    let url = database.url("postgres");
    let storage = Storage::Database(url.clone());
    let dataset = Dataset::load(binary, args.profiles, &storage, root)?;
    cores.move_server(database.process_id().context("the database runs")?)?;
    let version = scratch::ask(&url, "SHOW server_version").await;
    let version = version.split(' ').next().unwrap_or_default();
    let name = format!("PostgreSQL {version}");
    measured(&name, binary, &dataset, &storage, args, cores).await
}

async fn measured(
    name: &str,
    binary: &Binary,
    dataset: &Dataset,
    storage: &Storage,
    args: &PostgresqlArgs,
    cores: Cores,
) -> anyhow::Result<EnginePages> {
    output::progress(&format!("{name}: what lies around the profiles"));
    seed::write(storage).await?;
    if let Storage::Database(url) = storage {
        // What autovacuum and a checkpoint would do in the middle of the measurement.
        scratch::execute(url, &["VACUUM (ANALYZE)", "CHECKPOINT"]).await;
    }
    let mut server = binary.serve(storage, &dataset.beside("serve-pages.log"), cores)?;
    first_answer(&mut server, &first_list(dataset)?.bytes).await?;
    let manifest = &dataset.manifest;
    let mut visitor = Visitor::sign_in(server.address(), &manifest.operator_key).await?;
    let rounds = args.bench.rounds;
    let mut pages = Vec::new();
    for (what, target) in pages_of(manifest, &mut visitor).await? {
        pages.push(visitor.times(what, &target, rounds).await?);
    }
    let filters = Filters::of(manifest)?;
    let searches = filters.searches();
    let bar = bar(u64::try_from(searches.len())?, "searching")?;
    let mut slowest = Vec::new();
    for query in &searches {
        let target = format!("/console/profiles?{query}");
        slowest.push(visitor.times(query.clone(), &target, rounds).await?);
        bar.inc(1);
    }
    bar.finish();
    server.stop()?;
    slowest.sort_by(|one, other| other.ms.median.total_cmp(&one.ms.median));
    slowest.truncate(SLOWEST);
    Ok(EnginePages {
        name: name.to_owned(),
        pages,
        searches: searches.len(),
        slowest,
    })
}

/// Every kind of page that reads what there may be much of, by name.
async fn pages_of(
    manifest: &Manifest,
    visitor: &mut Visitor,
) -> anyhow::Result<Vec<(String, String)>> {
    let largest = &manifest.organizations.first().context("organizations")?.id;
    let profile = text_in(&example(manifest)?, "/id")?;
    let application = visitor
        .first_link("/console/enrollments", "/console/enrollments/")
        .await?;
    let delivery = visitor
        .first_link("/console/deliveries", "/console/deliveries/")
        .await?;
    let pages = [
        ("overview", "/console".to_owned()),
        ("profiles", "/console/profiles".to_owned()),
        (
            "profiles by name",
            format!("/console/profiles?sort=name&organization_id={largest}"),
        ),
        ("a profile", format!("/console/profiles/{profile}")),
        ("applications", "/console/enrollments".to_owned()),
        (
            "applications, rejected",
            "/console/enrollments?status=rejected".to_owned(),
        ),
        (
            "applications of an organization",
            format!("/console/enrollments?organization_id={largest}"),
        ),
        ("an application", application),
        ("webhooks", "/console/webhooks".to_owned()),
        (
            "webhooks that fail",
            "/console/webhooks?condition=failing".to_owned(),
        ),
        (
            "an endpoint",
            format!("/console/webhooks/{}", seed::endpoint_of(largest)),
        ),
        ("deliveries", "/console/deliveries".to_owned()),
        (
            "deliveries that failed",
            "/console/deliveries?status=failed".to_owned(),
        ),
        ("a delivery", delivery),
        ("organizations", "/console/organizations".to_owned()),
        (
            "an organization and its keys",
            format!("/console/organizations/{largest}"),
        ),
        ("audit trail", "/console/audit".to_owned()),
        (
            "audit trail, one action",
            "/console/audit?action=user_profiles.imported".to_owned(),
        ),
        (
            "audit trail of an organization",
            format!("/console/audit?organization_id={largest}"),
        ),
        (
            "audit trail of a profile",
            format!("/console/audit?target_id={profile}"),
        ),
    ];
    Ok(pages.map(|(what, target)| (what.to_owned(), target)).into())
}

/// A profile that has everything a search can ask for.
fn example(manifest: &Manifest) -> anyhow::Result<serde_json::Value> {
    let has_all = |record: &serde_json::Value| {
        [
            "/external_user_details/reference_id",
            "/external_user_details/email_hash",
        ]
        .iter()
        .all(|place| {
            record
                .pointer(place)
                .is_some_and(serde_json::Value::is_string)
        })
    };
    for number in 0..manifest.profiles {
        let record = serde_json::from_str(&records::line(number, manifest.profiles, ""))?;
        if has_all(&record) {
            return Ok(record);
        }
    }
    bail!("no profile has a reference and a hash")
}

fn text_in(record: &serde_json::Value, place: &str) -> anyhow::Result<String> {
    let text = record.pointer(place).and_then(serde_json::Value::as_str);
    Ok(text.with_context(|| place.to_owned())?.to_owned())
}

/// The filters of the console's list of profiles, each with its values.
struct Filters(Vec<(&'static str, Vec<String>)>);

impl Filters {
    fn of(manifest: &Manifest) -> anyhow::Result<Self> {
        let example = example(manifest)?;
        let of_example = |place: &str| text_in(&example, place);
        let organizations = &manifest.organizations;
        let organization = |tenant: Option<&crate::dataset::Tenant>| {
            anyhow::Ok(tenant.context("organizations")?.id.clone())
        };
        let fixed = |values: &[&str]| values.iter().map(|&value| value.to_owned()).collect();
        Ok(Self(vec![
            (
                "organization_id",
                vec![
                    organization(organizations.first())?,
                    organization(organizations.last())?,
                ],
            ),
            (
                "enforcement_status",
                fixed(&[
                    "unrestricted",
                    "pending",
                    "restricted",
                    "banned",
                    "any-action",
                ]),
            ),
            ("access_type", fixed(&["application", "passthrough"])),
            ("program", fixed(&["cyber", "efs"])),
            ("program_status", fixed(&["active", "pending", "rejected"])),
            ("country", fixed(&["DE", "AQ"])),
            (
                "reference_id",
                vec![
                    of_example("/external_user_details/reference_id")?,
                    "nobody".to_owned(),
                ],
            ),
            (
                "email_hash",
                vec![
                    of_example("/external_user_details/email_hash")?,
                    "sha256:0".to_owned(),
                ],
            ),
            ("q", fixed(&["a", "Zoë Yılmaz", "zzzz"])),
            (
                "created_after",
                fixed(&["2024-06-01", "2025-12-20", "2026-06-01"]),
            ),
            (
                "created_before",
                fixed(&["2025-06-01", "2024-01-10", "2023-01-01"]),
            ),
        ]))
    }

    /// The query of every filter alone and of every two, as far as they may stand together.
    fn searches(&self) -> Vec<String> {
        let all: Vec<(&str, String)> = self
            .0
            .iter()
            .flat_map(|(name, values)| {
                let query =
                    move |value| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC));
                values.iter().map(move |value| (*name, query(value)))
            })
            .collect();
        let mut searches: Vec<String> = all.iter().map(|(_, query)| query.clone()).collect();
        for (place, (name, query)) in all.iter().enumerate() {
            let others = all
                .iter()
                .skip(place + 1)
                .filter(|(other, _)| other != name);
            searches.extend(others.map(|(_, other)| format!("{query}&{other}")));
        }
        // The status in a program cannot stand without the program.
        searches.retain(|query| !query.contains("program_status=") || query.contains("program="));
        searches
    }
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
        let body = format!(
            "key={}",
            utf8_percent_encode(operator_key, NON_ALPHANUMERIC)
        );
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

    /// Opens a page `rounds` times, after once that does not count.
    async fn times(
        &mut self,
        what: String,
        target: &str,
        rounds: usize,
    ) -> anyhow::Result<PageFigures> {
        self.open(target).await?;
        let mut times = Vec::with_capacity(rounds);
        for _ in 0..rounds {
            let begun = Instant::now();
            self.open(target).await?;
            times.push(begun.elapsed().as_secs_f64() * 1_000.0);
        }
        let ms = Spread::of(times).context("--rounds: must be positive")?;
        Ok(PageFigures { name: what, ms })
    }

    /// The first link of a list to one of its things.
    async fn first_link(&mut self, list: &str, prefix: &str) -> anyhow::Result<String> {
        let page = self.open(list).await?;
        let links = page.split("href=\"").skip(1);
        let mut targets = links.filter_map(|link| link.split('"').next());
        let found = targets.find(|target| target.starts_with(prefix));
        Ok(found
            .with_context(|| format!("{list}: nothing in it"))?
            .to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::Filters;

    #[test]
    fn every_filter_is_asked_alone_and_with_every_other() {
        let values = |all: &[&str]| all.iter().map(|&one| one.to_owned()).collect();
        let filters = Filters(vec![
            ("country", values(&["DE", "AQ"])),
            ("program", values(&["cyber"])),
            ("program_status", values(&["active"])),
        ]);
        let expected = [
            "country=DE",
            "country=AQ",
            "program=cyber",
            "country=DE&program=cyber",
            "country=AQ&program=cyber",
            "program=cyber&program_status=active",
        ];
        assert_eq!(filters.searches(), expected);
    }
}
