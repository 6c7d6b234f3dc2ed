//! The operator's search: the index that the question narrows down most is walked, every entry is
//! judged, and a bounded number is examined, so that no combination of filters can make it scan a
//! million profiles.
//!
//! What narrows down less is no condition of the walk: the database would go on until enough rows meet
//! it. It decides whether a row brings its document along. So rows that do not match cost the walk and
//! a few bytes, and the position of the last one is known whether it matches or not.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::{OrganizationId, ProfileId};
use rollcall_domain::profile::AccessType;
use rollcall_domain::program::{ProgramName, ProgramStatus};
use rollcall_domain::search::{ProfileSearch, SearchPage, SearchPosition};
use rollcall_domain::text::{OpaqueHash, ReferenceId};
use rollcall_record::document::ProfileDocument;
use tokio_postgres::Row;

use super::PostgresStore;
use super::pool::Planned;
use super::rows::{Text, column, parsed, small, text, timestamp};
use super::value::Value;
use crate::Stored;
use crate::columns::{access_type_code, outlooks};
use crate::registry::{FoundPage, OwnedProfile};

/// How many entries of the chosen index one answer examines at the most: each may be a row in a page of
/// its own, which costs some 20 µs if the database has to ask the system for it.
const EXAMINED: usize = 1_000;
/// How many the first statement reads; most searches find what they look for among them.
const FIRST_PIECE: usize = 200;

// Every statement's columns.
const SORT_KEY: usize = 0;
const ID: usize = 1;
const ORGANIZATION: usize = 2;
const DOCUMENT: usize = 3;

/// One page of what matches `page.search`.
pub(super) async fn search(
    store: &PostgresStore,
    page: &SearchPage,
    now: Timestamp,
) -> Stored<FoundPage<SearchPosition>> {
    let mut found = FoundPage {
        profiles: Vec::new(),
        next: page.after.clone(),
    };
    let organization = page.search.organization_id.as_ref();
    let organization = organization.map(OrganizationId::as_str);
    let (mut examined, mut piece) = (0, FIRST_PIECE);
    loop {
        let walk = Walk::of(&page.search, found.next.as_ref(), piece);
        let rows = store
            .read_lagging(organization, Planned::EachTime, &walk.sql, &walk.parameters)
            .await?;
        for row in &rows {
            if found.profiles.len() == page.limit.get() || examined == EXAMINED {
                return Ok(found);
            }
            found.next = Some(position(row, walk.by_name)?);
            examined += 1;
            if let Some(profile) = matching(row, &page.search, now)? {
                found.profiles.push(profile);
            }
        }
        if rows.len() < piece {
            found.next = None;
            return Ok(found);
        }
        // One more than may be examined, to know whether anything follows.
        piece = EXAMINED - examined + 1;
    }
}

fn position(row: &Row, by_name: bool) -> Stored<SearchPosition> {
    let id = parsed(row, ID, ProfileId::parse)?;
    Ok(if by_name {
        SearchPosition::Name(text(row, SORT_KEY)?.to_owned(), id)
    } else {
        SearchPosition::CreatedAt(timestamp(row, SORT_KEY)?, id)
    })
}

/// The profile of a row whose columns match, if its status does too: that one depends on the time.
fn matching(row: &Row, search: &ProfileSearch, now: Timestamp) -> Stored<Option<OwnedProfile>> {
    let document: Option<Text<'_>> = column(row, DOCUMENT)?;
    let Some(document) = document.map(|text| ProfileDocument::from_stored(text.0)) else {
        return Ok(None);
    };
    if let Some(wanted) = search.enforcement_status {
        let status = document.view();
        let status = status.and_then(|view| view.enforcement_status(now));
        // A damaged one is found, so that whoever asks is told of it.
        if status.is_ok_and(|status| !wanted.matches(status)) {
            return Ok(None);
        }
    }
    Ok(Some(OwnedProfile {
        organization_id: parsed(row, ORGANIZATION, OrganizationId::parse)?,
        id: parsed(row, ID, ProfileId::parse)?,
        document,
    }))
}

/// The statement that walks the next piece of an index.
pub(super) struct Walk {
    pub(super) sql: String,
    pub(super) parameters: Vec<Value>,
    by_name: bool,
}

/// A statement being put together; every value becomes a parameter.
#[derive(Default)]
struct Builder {
    parameters: Vec<Value>,
}

impl Builder {
    fn bind(&mut self, value: impl Into<Value>) -> String {
        self.parameters.push(value.into());
        format!("${}", self.parameters.len())
    }
}

impl Walk {
    /// Chooses the index that the search narrows down most.
    pub(super) fn of(search: &ProfileSearch, after: Option<&SearchPosition>, piece: usize) -> Self {
        let mut builder = Builder::default();
        let document = judged(&mut builder, search);
        let limit = builder.bind(piece);
        let by_name = search.is_by_name();
        let order = if by_name {
            "sort_key, id"
        } else {
            "sort_key DESC, id DESC"
        };
        let ranges: Vec<_> = if by_name {
            vec![name_range(&mut builder, search, after, &document, &limit)]
        } else {
            creation_ranges(&mut builder, search, after, &document, &limit)
        };
        let sql = match ranges.as_slice() {
            [range] => range.clone(),
            several => {
                let union: Vec<_> = several.iter().map(|range| format!("({range})")).collect();
                let union = union.join(" UNION ALL ");
                format!("SELECT * FROM ({union}) AS merged ORDER BY {order} LIMIT {limit}")
            }
        };
        Self {
            sql,
            parameters: builder.parameters,
            by_name,
        }
    }
}

/// The document, for rows whose columns match all that is asked for.
fn judged(builder: &mut Builder, search: &ProfileSearch) -> String {
    let mut all = Vec::new();
    let mut equal = |builder: &mut Builder, column: &str, wanted: Option<&str>| {
        if let Some(wanted) = wanted {
            all.push(format!("{column} = {}", builder.bind(wanted)));
        }
    };
    let organization = search.organization_id.as_ref();
    let reference = search.reference_id.as_ref();
    let hash = search.email_hash.as_ref();
    let country = search.country.as_ref();
    equal(
        builder,
        "p.organization",
        organization.map(OrganizationId::as_str),
    );
    equal(
        builder,
        "p.reference_id",
        reference.map(ReferenceId::as_str),
    );
    equal(builder, "p.email_hash", hash.map(OpaqueHash::as_str));
    equal(
        builder,
        "p.country",
        country.map(rollcall_domain::text::Country::as_str),
    );
    if let Some(prefix) = &search.name_prefix {
        all.push(begins_with(builder, prefix));
    }
    if let Some(access_type) = search.access_type {
        let code = builder.bind(small(access_type_code(access_type)));
        all.push(format!("p.access_type = {code}"));
    }
    if let Some(wanted) = search.enforcement_status {
        let codes: Vec<_> = outlooks(wanted).map(|code| code.to_string()).collect();
        all.push(format!("p.outlook IN ({})", codes.join(", ")));
    }
    if let Some((program, status)) = &search.program
        && walked_program(search).is_none()
    {
        let program = builder.bind(program.as_str());
        let status = match status {
            None => String::new(),
            Some(status) => format!(" AND g.status = {}", builder.bind(status.as_str())),
        };
        all.push(format!(
            "EXISTS (SELECT 1 FROM profile_programs g WHERE g.organization = p.organization \
             AND g.profile_id = p.id AND g.program = {program}{status})"
        ));
    }
    if let Some(after) = search.created_after {
        all.push(format!("p.created_at > {}", builder.bind(after)));
    }
    if let Some(before) = search.created_before {
        all.push(format!("p.created_at < {}", builder.bind(before)));
    }
    if all.is_empty() {
        "p.document".into()
    } else {
        format!("CASE WHEN {} THEN p.document END", all.join(" AND "))
    }
}

/// The program and status that are asked for, if their index is the one that is walked.
fn walked_program(search: &ProfileSearch) -> Option<&(ProgramName, Option<ProgramStatus>)> {
    let narrower = search.reference_id.is_some() || search.email_hash.is_some();
    search.program.as_ref().filter(|_| !narrower)
}

/// The ordered ranges of one index that together hold every match, newest first.
fn creation_ranges(
    builder: &mut Builder,
    search: &ProfileSearch,
    after: Option<&SearchPosition>,
    document: &str,
    limit: &str,
) -> Vec<String> {
    let range = |builder: &mut Builder, fixed: Vec<String>| {
        creation_range(builder, fixed, search, after, document, limit)
    };
    if let Some(reference) = &search.reference_id {
        let fixed = format!("p.reference_id = {}", builder.bind(reference.as_str()));
        return vec![range(builder, vec![fixed])];
    }
    if let Some(hash) = &search.email_hash {
        let fixed = format!("p.email_hash = {}", builder.bind(hash.as_str()));
        return vec![range(builder, vec![fixed])];
    }
    if let Some((program, status)) = walked_program(search) {
        let one = status.as_ref().map(std::slice::from_ref);
        let statuses = one.unwrap_or(ProgramStatus::ALL).iter();
        return statuses
            .map(|status| {
                let key = (program.as_str(), *status);
                program_range(builder, key, search, after, document, limit)
            })
            .collect();
    }
    let organization = search.organization_id.as_ref();
    let owned = |builder: &mut Builder| {
        organization.map(|id| format!("p.organization = {}", builder.bind(id.as_str())))
    };
    if let Some(wanted) = search.enforced() {
        return outlooks(wanted)
            .map(|code| {
                let mut fixed: Vec<_> = owned(builder).into_iter().collect();
                fixed.push(format!("p.outlook = {code} AND p.outlook <> 0"));
                range(builder, fixed)
            })
            .collect();
    }
    if let Some(fixed) = owned(builder) {
        return vec![range(builder, vec![fixed])];
    }
    if let Some(country) = &search.country {
        let fixed = format!("p.country = {}", builder.bind(country.as_str()));
        return vec![range(builder, vec![fixed])];
    }
    if search.access_type == Some(AccessType::Passthrough) {
        let code = access_type_code(AccessType::Passthrough);
        return vec![range(builder, vec![format!("p.access_type = {code}")])];
    }
    vec![range(builder, Vec::new())]
}

/// Goes on after a position and stays within the creation times asked for.
fn creation_bounds(
    builder: &mut Builder,
    search: &ProfileSearch,
    after: Option<&SearchPosition>,
    [created_at, id]: [&str; 2],
) -> Vec<String> {
    let mut bounds = Vec::new();
    if let Some(SearchPosition::CreatedAt(at, after_id)) = after {
        let (at, after_id) = (builder.bind(*at), builder.bind(after_id.as_str()));
        bounds.push(format!("({created_at}, {id}) < ({at}, {after_id})"));
    }
    if let Some(before) = search.created_before {
        bounds.push(format!("{created_at} < {}", builder.bind(before)));
    }
    if let Some(earliest) = search.created_after {
        bounds.push(format!("{created_at} > {}", builder.bind(earliest)));
    }
    bounds
}

fn creation_range(
    builder: &mut Builder,
    mut conditions: Vec<String>,
    search: &ProfileSearch,
    after: Option<&SearchPosition>,
    document: &str,
    limit: &str,
) -> String {
    conditions.extend(creation_bounds(
        builder,
        search,
        after,
        ["p.created_at", "p.id"],
    ));
    let conditions = all_of(&conditions);
    format!(
        "SELECT p.created_at AS sort_key, p.id, p.organization, {document} AS document \
         FROM profiles p{conditions} ORDER BY p.created_at DESC, p.id DESC LIMIT {limit}"
    )
}

fn program_range(
    builder: &mut Builder,
    (program, status): (&str, ProgramStatus),
    search: &ProfileSearch,
    after: Option<&SearchPosition>,
    document: &str,
    limit: &str,
) -> String {
    let mut conditions = vec![
        format!("w.program = {}", builder.bind(program)),
        format!("w.status = {}", builder.bind(status.as_str())),
    ];
    conditions.extend(creation_bounds(
        builder,
        search,
        after,
        ["w.created_at", "w.profile_id"],
    ));
    let conditions = all_of(&conditions);
    // The limit is on the walk, so that the join never has to look further than the piece.
    format!(
        "SELECT p.created_at AS sort_key, p.id, p.organization, {document} AS document FROM \
         (SELECT w.organization, w.profile_id FROM profile_programs w{conditions} \
         ORDER BY w.created_at DESC, w.profile_id DESC LIMIT {limit}) AS walked \
         JOIN profiles p ON p.organization = walked.organization AND p.id = walked.profile_id \
         ORDER BY p.created_at DESC, p.id DESC"
    )
}

fn name_range(
    builder: &mut Builder,
    search: &ProfileSearch,
    after: Option<&SearchPosition>,
    document: &str,
    limit: &str,
) -> String {
    let mut conditions = Vec::new();
    if let Some(id) = &search.organization_id {
        conditions.push(format!("p.organization = {}", builder.bind(id.as_str())));
    }
    let prefix = search.name_prefix.as_deref().unwrap_or_default();
    conditions.push("p.folded_name IS NOT NULL".into());
    conditions.push(begins_with(builder, prefix));
    if let Some(SearchPosition::Name(folded, id)) = after {
        let (folded, id) = (builder.bind(folded.as_str()), builder.bind(id.as_str()));
        conditions.push(format!("(p.folded_name, p.id) > ({folded}, {id})"));
    }
    let conditions = all_of(&conditions);
    format!(
        "SELECT p.folded_name AS sort_key, p.id, p.organization, {document} AS document \
         FROM profiles p{conditions} ORDER BY p.folded_name, p.id LIMIT {limit}"
    )
}

/// A prefix as a range, which an index in byte order can answer.
fn begins_with(builder: &mut Builder, prefix: &str) -> String {
    let from = format!("p.folded_name >= {}", builder.bind(prefix));
    match crate::columns::after_prefix(prefix) {
        None => from,
        Some(end) => format!("{from} AND p.folded_name < {}", builder.bind(end)),
    }
}

fn all_of(conditions: &[String]) -> String {
    if conditions.is_empty() {
        String::new()
    } else {
        format!(" WHERE {}", conditions.join(" AND "))
    }
}
