//! What is asked: the scenarios, and for each a set of requests that spreads over the registry.
//!
//! Cursors are the server's secret, so every list is walked once to its end and positions are
//! chosen from what the walk was given.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Deserialize;

use crate::connection::Connection;
use crate::dataset::{Manifest, ORGANIZATIONS, Tenant, bar};
use crate::limit::VERSIONS;
use crate::random::Random;
use crate::records;

/// Profiles on each measured page.
const PAGE: usize = 20;
/// Profiles on each page of the walk: the most the contract allows.
const WALKED_PAGE: usize = 100;
/// Where the page far down lies, if the largest organization reaches that far.
const DEPTH: u64 = 500_000;
/// How many different first and deep pages are asked for.
const FEW: usize = 100;

const IN_QUERY: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'+');

/// A dated shape of the public API, as a request chooses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    V2026_03_24,
    V2026_08_18,
    V2026_09_04,
    Ga,
}

impl Dialect {
    pub(crate) const ALL: [Self; 4] = [
        Self::V2026_03_24,
        Self::V2026_08_18,
        Self::V2026_09_04,
        Self::Ga,
    ];

    /// The value of `anthropic-beta`; empty for none.
    fn beta(self) -> &'static str {
        match self {
            Self::V2026_03_24 => "user-profiles-2026-03-24",
            Self::V2026_08_18 => "user-profiles-2026-08-18",
            Self::V2026_09_04 => "user-profiles-2026-09-04",
            Self::Ga => "",
        }
    }
}

/// A kind of request whose cost is measured by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// Random organization, random depth.
    List(Dialect),
    /// Random depth of the largest organization.
    ListLargest,
    FirstPage,
    DeepPage,
    ListByName,
    ListRestricted,
    Get(Dialect),
    OperatorSearch,
}

impl Scenario {
    /// Those of `run`.
    pub(crate) const ALL: [Self; 11] = [
        Self::List(Dialect::V2026_03_24),
        Self::List(Dialect::V2026_08_18),
        Self::List(Dialect::V2026_09_04),
        Self::List(Dialect::Ga),
        Self::FirstPage,
        Self::DeepPage,
        Self::ListByName,
        Self::ListRestricted,
        Self::Get(Dialect::V2026_03_24),
        Self::Get(Dialect::Ga),
        Self::OperatorSearch,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::List(Dialect::V2026_03_24) => "list 2026-03-24",
            Self::List(Dialect::V2026_08_18) => "list 2026-08-18",
            Self::List(Dialect::V2026_09_04) => "list 2026-09-04",
            Self::List(Dialect::Ga) => "list ga",
            Self::ListLargest => "list, largest organization",
            Self::FirstPage => "first page",
            Self::DeepPage => "deep page",
            Self::ListByName => "list by name",
            Self::ListRestricted => "list restricted",
            Self::Get(Dialect::V2026_03_24) => "get 2026-03-24",
            Self::Get(Dialect::V2026_08_18) => "get 2026-08-18",
            Self::Get(Dialect::V2026_09_04) => "get 2026-09-04",
            Self::Get(Dialect::Ga) => "get ga",
            Self::OperatorSearch => "operator search",
        }
    }

    fn seed(self) -> u64 {
        self.name()
            .bytes()
            .fold(0, |seed, byte| seed * 31 % 1_000_003 + u64::from(byte))
    }
}

/// One request, as parts and as the bytes that are sent.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) key: String,
    pub(crate) organization: Option<String>,
    pub(crate) beta: &'static str,
    pub(crate) target: String,
    pub(crate) bytes: Vec<u8>,
}

impl Request {
    /// A public request of `tenant`.
    pub(crate) fn get(tenant: &Tenant, dialect: Dialect, target: String) -> Self {
        let beta = dialect.beta();
        let bytes = format!("{}\r\n", public_head("GET", &target, &tenant.key, beta)).into_bytes();
        let (key, organization) = (tenant.key.clone(), Some(tenant.id.clone()));
        Self {
            key,
            organization,
            beta,
            target,
            bytes,
        }
    }

    fn operator_get(key: &str, target: String) -> Self {
        let bytes = format!("{}\r\n", head("GET", &target, key)).into_bytes();
        Self {
            key: key.to_owned(),
            organization: None,
            beta: "",
            target,
            bytes,
        }
    }
}

/// Both servers get the same bytes, so the host names neither's port.
fn head(method: &str, target: &str, key: &str) -> String {
    format!(
        "{method} {target} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: application/json\r\n\
         user-agent: rollcall-benches\r\nx-api-key: {key}\r\n"
    )
}

/// A complete request that writes JSON, with the betas that need naming.
pub(crate) fn written(method: &str, target: &str, key: &str, body: &serde_json::Value) -> Vec<u8> {
    let head = public_head(method, target, key, "webhooks-2026-10-07");
    let body = body.to_string();
    let length = body.len();
    format!("{head}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

fn public_head(method: &str, target: &str, key: &str, beta: &str) -> String {
    let mut text = head(method, target, key) + "anthropic-version: " + VERSIONS[0] + "\r\n";
    if !beta.is_empty() {
        text.extend(["anthropic-beta: ", beta, "\r\n"]);
    }
    text
}

/// Complete create requests, by all organizations alike.
pub(crate) fn creates(manifest: &Manifest, count: u64) -> Arc<[Vec<u8>]> {
    let tenants = manifest.organizations.iter().cycle();
    let beta = Dialect::V2026_03_24.beta();
    (0..count)
        .zip(tenants)
        .map(|(number, tenant)| {
            let body = records::draft(number);
            let head = public_head("POST", "/v1/user_profiles", &tenant.key, beta);
            let length = body.len();
            format!(
                "{head}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
            )
            .into_bytes()
        })
        .collect()
}

/// One page of a list as far as a walk needs it.
#[derive(Debug, Deserialize)]
struct Page {
    data: Vec<Entry>,
    next_page: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    id: String,
}

/// What walking one list to its end showed.
#[derive(Debug, Default)]
struct Walk {
    /// Of every page, the query that asks for it: the first has none.
    cursors: Vec<Option<String>>,
    /// The first id of every page.
    ids: Vec<String>,
    profiles: u64,
}

/// The positions in every organization's lists, the largest organization first.
#[derive(Debug)]
pub(crate) struct Positions {
    by_time: Vec<Walk>,
    by_name: Vec<Walk>,
    restricted: Walk,
}

impl Positions {
    /// Walks the lists that `scenarios` need. Finds out on the way whether the data directory
    /// holds what its manifest says.
    pub(crate) async fn walk(
        address: &str,
        manifest: &Manifest,
        scenarios: &[Scenario],
    ) -> anyhow::Result<Self> {
        let mut connection = Connection::open(address).await?;
        let by_time = walk_all(&mut connection, manifest, "walking by time", "").await?;
        let profiles: u64 = by_time.iter().map(|walk| walk.profiles).sum();
        if profiles != manifest.profiles {
            bail!(
                "the lists hold {profiles} profiles, the manifest says {}: try --fresh",
                manifest.profiles
            );
        }
        let mut by_name = Vec::new();
        if scenarios.contains(&Scenario::ListByName) {
            by_name = walk_all(
                &mut connection,
                manifest,
                "walking by name",
                "&order_by=name",
            )
            .await?;
        }
        let mut restricted = Walk::default();
        if scenarios.contains(&Scenario::ListRestricted) {
            let largest = largest(manifest)?;
            restricted = walk(&mut connection, largest, Dialect::Ga, PAGE, RESTRICTED).await?;
        }
        Ok(Self {
            by_time,
            by_name,
            restricted,
        })
    }

    /// About `count` requests of a scenario, chosen the same way every time.
    pub(crate) fn requests(
        &self,
        scenario: Scenario,
        manifest: &Manifest,
        count: usize,
    ) -> anyhow::Result<Vec<Request>> {
        let mut random = Random::new(scenario.seed());
        let old = Dialect::V2026_03_24;
        let tenants = &manifest.organizations;
        match scenario {
            // The same pages in every dialect, so that dialects can be compared.
            Scenario::List(dialect) => {
                let mut random = Random::new(0);
                Ok(anywhere(
                    &self.by_time,
                    tenants,
                    count,
                    dialect,
                    "",
                    &mut random,
                ))
            }
            Scenario::ListLargest => {
                let largest = self
                    .by_time
                    .get(..1)
                    .context("an organization was walked")?;
                Ok(anywhere(largest, tenants, count, old, "", &mut random))
            }
            Scenario::FirstPage => Ok(tenants
                .iter()
                .map(|tenant| page(tenant, old, "", None))
                .collect()),
            Scenario::DeepPage => {
                let tenant = largest(manifest)?;
                let walk = self.by_time.first().context("an organization was walked")?;
                let last = walk.cursors.len().saturating_sub(1);
                let middle = usize::try_from(depth(walk.profiles))? / WALKED_PAGE;
                let from = middle.min(last).saturating_sub(FEW / 2);
                let cursors = walk.cursors.iter().skip(from).take(FEW);
                Ok(cursors
                    .map(|cursor| page(tenant, old, "", cursor.as_deref()))
                    .collect())
            }
            Scenario::ListByName => Ok(anywhere(
                &self.by_name,
                tenants,
                count,
                old,
                "&order_by=name",
                &mut random,
            )),
            Scenario::ListRestricted => {
                let tenant = largest(manifest)?;
                let cursors = self.restricted.cursors.iter();
                Ok(cursors
                    .map(|cursor| page(tenant, Dialect::Ga, RESTRICTED, cursor.as_deref()))
                    .collect())
            }
            Scenario::Get(dialect) => {
                let walks: Vec<_> = self.by_time.iter().zip(tenants).collect();
                let gets = (0..count).filter_map(|_| {
                    let (walk, tenant) = random.pick(&walks);
                    (!walk.ids.is_empty()).then(|| {
                        let target = format!("/v1/user_profiles/{}", random.pick(&walk.ids));
                        Request::get(tenant, dialect, target)
                    })
                });
                Ok(gets.collect())
            }
            Scenario::OperatorSearch => {
                let references = (0..count)
                    .filter_map(|_| records::reference_of(random.below(manifest.profiles)));
                Ok(references
                    .map(|reference| {
                        let reference = utf8_percent_encode(&reference, IN_QUERY);
                        let target = format!("/operator/v1/user_profiles?external_id={reference}");
                        Request::operator_get(&manifest.operator_key, target)
                    })
                    .collect())
            }
        }
    }

    /// How far down the deep page lies.
    pub(crate) fn depth(&self) -> u64 {
        self.by_time.first().map_or(0, |walk| depth(walk.profiles))
    }
}

const RESTRICTED: &str = "&enforcement_status%5B%5D=restricted";

/// A little before the end where there are not enough profiles.
fn depth(profiles: u64) -> u64 {
    DEPTH.min(profiles / 100 * 99)
}

pub(crate) fn largest(manifest: &Manifest) -> anyhow::Result<&Tenant> {
    manifest
        .organizations
        .first()
        .context("the manifest names no organization")
}

fn page(tenant: &Tenant, dialect: Dialect, query: &str, cursor: Option<&str>) -> Request {
    Request::get(tenant, dialect, list_target(PAGE, query, cursor))
}

fn list_target(limit: usize, query: &str, cursor: Option<&str>) -> String {
    let page = cursor
        .map(|cursor| format!("&page={cursor}"))
        .unwrap_or_default();
    format!("/v1/user_profiles?limit={limit}{query}{page}")
}

/// Pages at random depths of random organizations, each organization as likely as another.
fn anywhere(
    walks: &[Walk],
    tenants: &[Tenant],
    count: usize,
    dialect: Dialect,
    query: &str,
    random: &mut Random,
) -> Vec<Request> {
    let walks: Vec<_> = walks.iter().zip(tenants).collect();
    let mut requests = Vec::with_capacity(count);
    for _ in 0..count {
        let (walk, tenant) = random.pick(&walks);
        requests.push(page(
            tenant,
            dialect,
            query,
            random.pick(&walk.cursors).as_deref(),
        ));
    }
    requests
}

async fn walk_all(
    connection: &mut Connection,
    manifest: &Manifest,
    what: &'static str,
    query: &str,
) -> anyhow::Result<Vec<Walk>> {
    let bar = bar(ORGANIZATIONS, what)?;
    let mut walks = Vec::new();
    for tenant in &manifest.organizations {
        walks.push(walk(connection, tenant, Dialect::V2026_03_24, WALKED_PAGE, query).await?);
        bar.inc(1);
    }
    bar.finish();
    Ok(walks)
}

async fn walk(
    connection: &mut Connection,
    tenant: &Tenant,
    dialect: Dialect,
    limit: usize,
    query: &str,
) -> anyhow::Result<Walk> {
    let mut walk = Walk::default();
    let mut cursor = None;
    loop {
        let target = list_target(limit, query, cursor.as_deref());
        let request = Request::get(tenant, dialect, target);
        let answer = connection.exchange(&request.bytes).await?;
        let page: Page = serde_json::from_slice(answer.ok()?).context("reading a list")?;
        walk.profiles += u64::try_from(page.data.len())?;
        walk.ids
            .extend(page.data.into_iter().next().map(|entry| entry.id));
        walk.cursors.push(cursor);
        match page.next_page {
            Some(next) => cursor = Some(next),
            None => return Ok(walk),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant() -> Tenant {
        Tenant {
            id: "o".to_owned(),
            key: "k".to_owned(),
        }
    }

    #[test]
    fn a_request_is_complete() {
        let request = page(&tenant(), Dialect::V2026_03_24, "", Some("page_x"));
        let text = String::from_utf8(request.bytes).unwrap();
        assert!(text.starts_with("GET /v1/user_profiles?limit=20&page=page_x HTTP/1.1\r\nhost: "));
        assert!(text.contains("\r\nanthropic-beta: user-profiles-2026-03-24\r\n"));
        assert!(text.ends_with("\r\n\r\n"));
        let ga = page(&tenant(), Dialect::Ga, "", None);
        assert!(
            !String::from_utf8(ga.bytes)
                .unwrap()
                .contains("anthropic-beta")
        );
    }

    #[test]
    fn the_deep_page_is_never_past_the_end() {
        assert_eq!(depth(300_000), 297_000);
        assert_eq!(depth(5_100_000), 500_000);
        assert_eq!(depth(0), 0);
    }
}
