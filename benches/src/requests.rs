//! What is asked: the scenarios, and for each a set of requests that spreads over the registry.
//!
//! Cursors are the server's secret, so every list is walked once to its end and positions are
//! chosen from what the walk was given.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use rollcall_wire::dialect::Dialect;
use rollcall_wire::dialects;
use serde::Deserialize;

use crate::connection::Connection;
use crate::dataset::{Manifest, Tenant, bar};
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
/// The dialect whose scenarios others are compared with, and that drafts are written in.
pub(crate) const OLD: &str = "2026-03-24";

const BY_NAME: &str = "&order_by=name";
const RESTRICTED: &str = "&enforcement_status%5B%5D=restricted";
const IN_QUERY: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'+');

/// The dialect of requests that name none.
pub(crate) fn ga() -> &'static str {
    dialects::DEFAULT.short_name()
}

/// The value of `anthropic-beta` for a dialect; empty for none.
fn beta(dialect: &str) -> &'static str {
    let dialect = dialects::by_short_name(dialect);
    dialect.and_then(Dialect::beta).unwrap_or_default()
}

/// A kind of request whose cost is measured by itself. Dialects go by the contract's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// Random organization, random depth.
    List(&'static str),
    /// Random depth of the largest organization.
    ListLargest,
    FirstPage,
    DeepPage,
    ListByName,
    ListRestricted,
    Get(&'static str),
    /// What a gateway asks of profiles that pass, with what a client sends beside it.
    CheckById,
    CheckByReference,
    OperatorSearch,
}

impl Scenario {
    /// Those of `run`.
    pub(crate) fn all() -> Vec<Self> {
        let lists = dialects::names().rev().map(Self::List);
        lists
            .chain([
                Self::FirstPage,
                Self::DeepPage,
                Self::ListByName,
                Self::ListRestricted,
                Self::Get(OLD),
                Self::Get(ga()),
                Self::CheckById,
                Self::CheckByReference,
                Self::OperatorSearch,
            ])
            .collect()
    }

    pub(crate) fn name(self) -> String {
        match self {
            Self::List(dialect) => format!("list {dialect}"),
            Self::ListLargest => "list, largest organization".to_owned(),
            Self::FirstPage => "first page".to_owned(),
            Self::DeepPage => "deep page".to_owned(),
            Self::ListByName => "list by name".to_owned(),
            Self::ListRestricted => "list restricted".to_owned(),
            Self::Get(dialect) => format!("get {dialect}"),
            Self::CheckById => "check by id".to_owned(),
            Self::CheckByReference => "check by reference".to_owned(),
            Self::OperatorSearch => "operator search".to_owned(),
        }
    }

    /// The same pages in every dialect, so that dialects can be compared.
    fn seed(self) -> u64 {
        match self {
            Self::List(_) => 0,
            other => other
                .name()
                .bytes()
                .fold(0, |seed, byte| seed * 31 % 1_000_003 + u64::from(byte)),
        }
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
    pub(crate) fn get(tenant: &Tenant, dialect: &str, target: String) -> Self {
        let beta = beta(dialect);
        Self {
            bytes: format!("{}\r\n", public_head("GET", &target, &tenant.key, beta)).into_bytes(),
            key: tenant.key.clone(),
            organization: Some(tenant.id.clone()),
            beta,
            target,
        }
    }

    /// What a gateway asks about one of the tenant's profiles. The name stands behind the path too, where it means
    /// nothing to the server and tells the limit server the answers apart.
    fn check(tenant: &Tenant, header: &str, name: &str) -> Self {
        let target = format!("/gateway/v1/check/{name}");
        let head = public_head("GET", &target, &tenant.key, "");
        let key = &tenant.gateway_key;
        Self {
            bytes: format!("{head}x-rollcall-gateway-key: {key}\r\n{header}: {name}\r\n\r\n")
                .into_bytes(),
            key: tenant.key.clone(),
            organization: Some(tenant.id.clone()),
            beta: "",
            target,
        }
    }

    fn operator_get(key: &str, target: String) -> Self {
        Self {
            bytes: format!("{}\r\n", head("GET", &target, key)).into_bytes(),
            key: key.to_owned(),
            organization: None,
            beta: "",
            target,
        }
    }
}

/// What is sent of requests.
pub(crate) fn bytes(requests: &[Request]) -> Arc<[Vec<u8>]> {
    requests
        .iter()
        .map(|request| request.bytes.clone())
        .collect()
}

/// Both servers get the same bytes, so the host names neither's port.
fn head(method: &str, target: &str, key: &str) -> String {
    format!(
        "{method} {target} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: application/json\r\n\
         user-agent: rollcall-benches\r\nx-api-key: {key}\r\n"
    )
}

fn public_head(method: &str, target: &str, key: &str, beta: &str) -> String {
    let mut text = head(method, target, key) + "anthropic-version: " + VERSIONS[0] + "\r\n";
    if !beta.is_empty() {
        text.extend(["anthropic-beta: ", beta, "\r\n"]);
    }
    text
}

/// A complete request that writes JSON, with the betas that need naming.
pub(crate) fn written(method: &str, target: &str, key: &str, body: &str, beta: &str) -> Vec<u8> {
    let head = public_head(method, target, key, beta);
    let length = body.len();
    format!("{head}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// Complete create requests, by all organizations alike.
pub(crate) fn creates(manifest: &Manifest, count: u64) -> Arc<[Vec<u8>]> {
    let tenants = manifest.organizations.iter().cycle();
    let create = |(number, tenant): (u64, &Tenant)| {
        let body = records::draft(number);
        written("POST", "/v1/user_profiles", &tenant.key, &body, beta(OLD))
    };
    (0..count).zip(tenants).map(create).collect()
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
pub(crate) struct Positions<'a> {
    manifest: &'a Manifest,
    by_time: Vec<Walk>,
    by_name: Vec<Walk>,
    restricted: Walk,
}

impl<'a> Positions<'a> {
    /// Walks the lists that `scenarios` need. Finds out on the way whether the data directory
    /// holds what its manifest says.
    pub(crate) async fn walk(
        address: &str,
        manifest: &'a Manifest,
        scenarios: &[Scenario],
    ) -> anyhow::Result<Self> {
        let mut connection = Connection::open(address).await?;
        let tenants = &manifest.organizations;
        let by_time = walk_all(&mut connection, tenants, "walking by time", "").await?;
        let profiles: u64 = by_time.iter().map(|walk| walk.profiles).sum();
        if profiles != manifest.profiles {
            bail!(
                "the lists hold {profiles} profiles, the manifest says {}: try --fresh",
                manifest.profiles
            );
        }
        let mut by_name = Vec::new();
        if scenarios.contains(&Scenario::ListByName) {
            by_name = walk_all(&mut connection, tenants, "walking by name", BY_NAME).await?;
        }
        let mut restricted = Walk::default();
        if scenarios.contains(&Scenario::ListRestricted) {
            let largest = manifest.largest()?;
            restricted = walk(&mut connection, largest, ga(), PAGE, RESTRICTED).await?;
        }
        Ok(Self {
            manifest,
            by_time,
            by_name,
            restricted,
        })
    }

    /// About `count` requests of a scenario, chosen the same way every time.
    pub(crate) fn requests(
        &self,
        scenario: Scenario,
        count: usize,
    ) -> anyhow::Result<Vec<Request>> {
        let mut random = Random::new(scenario.seed());
        let tenants = &self.manifest.organizations;
        let walked: Vec<_> = self.by_time.iter().zip(tenants).collect();
        let (largest, tenant) = *walked.first().context("an organization was walked")?;
        // Pages at random depths of random organizations, each organization as likely as another.
        let mut anywhere = |walks: &[(&Walk, &Tenant)], dialect, query| {
            let mut page = || {
                let (walk, tenant) = random.pick(walks);
                let cursor = random.pick(&walk.cursors).as_deref();
                page(tenant, dialect, query, cursor)
            };
            (0..count).map(|_| page()).collect()
        };
        Ok(match scenario {
            Scenario::List(dialect) => anywhere(&walked, dialect, ""),
            Scenario::ListLargest => anywhere(&walked[..1], OLD, ""),
            Scenario::ListByName => {
                let walks: Vec<_> = self.by_name.iter().zip(tenants).collect();
                anywhere(&walks, OLD, BY_NAME)
            }
            Scenario::FirstPage => {
                let pages = tenants.iter().map(|tenant| page(tenant, OLD, "", None));
                pages.collect()
            }
            Scenario::DeepPage => {
                let last = largest.cursors.len().saturating_sub(1);
                let middle = usize::try_from(self.depth())? / WALKED_PAGE;
                let from = middle.min(last).saturating_sub(FEW / 2);
                let cursors = largest.cursors.iter().skip(from).take(FEW);
                let pages = cursors.map(|cursor| page(tenant, OLD, "", cursor.as_deref()));
                pages.collect()
            }
            Scenario::ListRestricted => {
                let cursors = self.restricted.cursors.iter();
                let pages = cursors.map(|at| page(tenant, ga(), RESTRICTED, at.as_deref()));
                pages.collect()
            }
            Scenario::Get(dialect) => {
                let gets = (0..count).filter_map(|_| {
                    let (walk, tenant) = random.pick(&walked);
                    (!walk.ids.is_empty()).then(|| {
                        let target = format!("/v1/user_profiles/{}", random.pick(&walk.ids));
                        Request::get(tenant, dialect, target)
                    })
                });
                gets.collect()
            }
            Scenario::CheckById => {
                let checks = (0..count).filter_map(|_| {
                    let (walk, tenant) = random.pick(&walked);
                    let id = (!walk.ids.is_empty()).then(|| random.pick(&walk.ids))?;
                    Some(Request::check(tenant, "x-rollcall-user-profile-id", id))
                });
                checks.collect()
            }
            Scenario::CheckByReference => {
                let organizations = u64::try_from(tenants.len())?;
                let numbers = (0..count).map(|_| random.below(self.manifest.profiles));
                let checks = numbers.filter_map(|number| {
                    let owner = records::organization_of(number, organizations);
                    let tenant = tenants.get(usize::try_from(owner).ok()?)?;
                    let reference = records::reference_of(number)?;
                    Some(Request::check(
                        tenant,
                        "x-rollcall-reference-id",
                        &reference,
                    ))
                });
                checks.collect()
            }
            Scenario::OperatorSearch => {
                let numbers = (0..count).map(|_| random.below(self.manifest.profiles));
                let references = numbers.filter_map(records::reference_of);
                let key = &self.manifest.operator_key;
                let searches = references.map(|reference| {
                    let reference = utf8_percent_encode(&reference, IN_QUERY);
                    let target = format!("/operator/v1/user_profiles?external_id={reference}");
                    Request::operator_get(key, target)
                });
                searches.collect()
            }
        })
    }

    /// How far down the deep page lies.
    pub(crate) fn depth(&self) -> u64 {
        self.by_time.first().map_or(0, |walk| depth(walk.profiles))
    }
}

/// A little before the end where there are not enough profiles.
fn depth(profiles: u64) -> u64 {
    DEPTH.min(profiles / 100 * 99)
}

fn page(tenant: &Tenant, dialect: &str, query: &str, cursor: Option<&str>) -> Request {
    Request::get(tenant, dialect, list_target(PAGE, query, cursor))
}

fn list_target(limit: usize, query: &str, cursor: Option<&str>) -> String {
    let page = cursor.map(|cursor| format!("&page={cursor}"));
    let page = page.unwrap_or_default();
    format!("/v1/user_profiles?limit={limit}{query}{page}")
}

async fn walk_all(
    connection: &mut Connection,
    tenants: &[Tenant],
    what: &'static str,
    query: &str,
) -> anyhow::Result<Vec<Walk>> {
    let bar = bar(u64::try_from(tenants.len())?, what)?;
    let mut walks = Vec::new();
    for tenant in tenants {
        walks.push(walk(connection, tenant, OLD, WALKED_PAGE, query).await?);
        bar.inc(1);
    }
    bar.finish();
    Ok(walks)
}

async fn walk(
    connection: &mut Connection,
    tenant: &Tenant,
    dialect: &str,
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
        let first = page.data.into_iter().next();
        walk.ids.extend(first.map(|entry| entry.id));
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

    #[test]
    fn a_request_is_complete() {
        let tenant = Tenant {
            id: "o".to_owned(),
            key: "k".to_owned(),
            gateway_key: "g".to_owned(),
        };
        let text = |dialect| {
            let request = page(&tenant, dialect, "", Some("page_x"));
            String::from_utf8(request.bytes).unwrap()
        };
        let old = text(OLD);
        assert!(old.starts_with("GET /v1/user_profiles?limit=20&page=page_x HTTP/1.1\r\nhost: "));
        assert!(old.contains("\r\nanthropic-beta: user-profiles-2026-03-24\r\n"));
        assert!(old.ends_with("\r\n\r\n"));
        assert!(!text(ga()).contains("anthropic-beta"));
    }

    #[test]
    fn the_deep_page_is_never_past_the_end() {
        assert_eq!(depth(300_000), 297_000);
        assert_eq!(depth(5_100_000), 500_000);
        assert_eq!(depth(0), 0);
    }
}
