//! The operator's search: the index that the question narrows down most is walked, every row is
//! judged, and a bounded number of rows is examined, so that no combination of filters can make it
//! scan a million profiles.

use std::cmp::Ordering;

use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::ProfileId;
use rollcall_domain::profile::AccessType;
use rollcall_domain::program::ProgramStatus;
use rollcall_domain::search::{ProfileSearch, SearchPage, SearchPosition};
use rollcall_record::document::{DamagedDocument, ProfileDocument};
use rusqlite::fallible_streaming_iterator::FallibleStreamingIterator;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, Rows, params_from_iter};

use super::failed;
use super::rows::{access_type_code, damaged, organization_id, parsed, timestamp};
use crate::Stored;
use crate::columns::{after_prefix, outlooks};
use crate::registry::{FoundPage, OwnedProfile};

/// How many profiles one answer examines at the most where they lie side by side.
const EXAMINED_IN_ORDER: usize = 5_000;
/// And where each is somewhere else in the file, which costs some ten times as much.
const EXAMINED_SCATTERED: usize = 1_000;

// Every range's columns.
const SORT_KEY: usize = 0;
const ID: usize = 1;
const ORGANIZATION: usize = 2;
const DOCUMENT: usize = 3;
const COLUMNS: &str = "p.id, p.organization, p.document, p.folded_name, p.reference_id, \
    p.email_hash, p.country, p.access_type, p.created_at";

/// One page of what matches `page.search`.
pub(super) fn search(
    connection: &Connection,
    organization: Option<i64>,
    page: &SearchPage,
    now: Timestamp,
) -> Stored<FoundPage<SearchPosition>> {
    let plan = Plan::of(&page.search, organization, page.after.as_ref());
    let mut statements = Vec::with_capacity(plan.ranges.len());
    for range in &plan.ranges {
        statements.push(connection.prepare_cached(&range.sql).map_err(failed)?);
    }
    let mut ranges = Vec::with_capacity(statements.len());
    for (statement, range) in statements.iter_mut().zip(&plan.ranges) {
        let mut rows = statement
            .query(params_from_iter(&range.parameters))
            .map_err(failed)?;
        rows.advance().map_err(failed)?;
        ranges.push(rows);
    }
    let mut found = FoundPage {
        profiles: Vec::new(),
        next: None,
    };
    for examined in 0.. {
        let Some(number) = next_range(&ranges, plan.by_name)? else {
            break;
        };
        let Some(row) = ranges[number].get() else {
            break;
        };
        if found.profiles.len() == page.limit.get() || examined == plan.examined {
            return Ok(found);
        }
        found.next = Some(position(row, plan.by_name)?);
        if let Some(document) = matching(row, &page.search, organization, now)? {
            let owner: i64 = row.get(ORGANIZATION).map_err(failed)?;
            let organization_id = organization_id(connection, owner)?;
            found.profiles.push(OwnedProfile {
                organization_id,
                id: parsed(row, ID, ProfileId::parse)?,
                document,
            });
        }
        ranges[number].advance().map_err(failed)?;
    }
    found.next = None;
    Ok(found)
}

/// The range whose row comes next: newest first, or by name.
fn next_range(ranges: &[Rows<'_>], by_name: bool) -> Stored<Option<usize>> {
    let mut next: Option<(usize, &Row<'_>)> = None;
    for (number, range) in ranges.iter().enumerate() {
        let Some(row) = range.get() else { continue };
        let comes_first = match next {
            None => true,
            Some((_, best)) => compare(row, best, by_name)? == Ordering::Less,
        };
        if comes_first {
            next = Some((number, row));
        }
    }
    Ok(next.map(|(number, _)| number))
}

fn compare(left: &Row<'_>, right: &Row<'_>, by_name: bool) -> Stored<Ordering> {
    let id = |row: &Row<'_>| row.get::<_, String>(ID).map_err(failed);
    if by_name {
        let name = |row: &Row<'_>| row.get::<_, String>(SORT_KEY).map_err(failed);
        Ok((name(left)?, id(left)?).cmp(&(name(right)?, id(right)?)))
    } else {
        let created_at = |row: &Row<'_>| row.get::<_, i64>(SORT_KEY).map_err(failed);
        Ok((created_at(right)?, id(right)?).cmp(&(created_at(left)?, id(left)?)))
    }
}

fn position(row: &Row<'_>, by_name: bool) -> Stored<SearchPosition> {
    let id = parsed(row, ID, ProfileId::parse)?;
    Ok(if by_name {
        SearchPosition::Name(row.get(SORT_KEY).map_err(failed)?, id)
    } else {
        SearchPosition::CreatedAt(timestamp(row, SORT_KEY)?, id)
    })
}

/// The row's document, if the row is all that was asked for. The columns are judged first, because a
/// document costs parsing.
fn matching(
    row: &Row<'_>,
    search: &ProfileSearch,
    organization: Option<i64>,
    now: Timestamp,
) -> Stored<Option<ProfileDocument>> {
    let text = |column: usize| -> Stored<Option<&str>> {
        row.get_ref(column)
            .map_err(failed)?
            .as_str_or_null()
            .map_err(|_| damaged("a column"))
    };
    let is = |column: usize, wanted: Option<&str>| -> Stored<bool> {
        Ok(wanted.is_none() || text(column)? == wanted)
    };
    let owner: i64 = row.get(ORGANIZATION).map_err(failed)?;
    let access_type: i64 = row.get(8).map_err(failed)?;
    let created_at = timestamp(row, 9)?;
    let prefix = search.name_prefix.as_deref().unwrap_or_default();
    let columns_match = organization.is_none_or(|wanted| wanted == owner)
        && (prefix.is_empty() || text(4)?.is_some_and(|name| name.starts_with(prefix)))
        && is(
            5,
            search
                .reference_id
                .as_ref()
                .map(rollcall_domain::text::ReferenceId::as_str),
        )?
        && is(
            6,
            search
                .email_hash
                .as_ref()
                .map(rollcall_domain::text::OpaqueHash::as_str),
        )?
        && is(
            7,
            search
                .country
                .as_ref()
                .map(rollcall_domain::text::Country::as_str),
        )?
        && search
            .access_type
            .is_none_or(|wanted| access_type_code(wanted) == access_type)
        && search.created_after.is_none_or(|after| created_at > after)
        && search
            .created_before
            .is_none_or(|before| created_at < before);
    if !columns_match {
        return Ok(None);
    }
    let document = ProfileDocument::from_stored(text(DOCUMENT)?.unwrap_or_default());
    let matches = || -> Result<bool, DamagedDocument> {
        if let Some(wanted) = search.enforcement_status
            && !wanted.matches(document.view()?.enforcement_status(now)?)
        {
            return Ok(false);
        }
        let Some((program, wanted)) = &search.program else {
            return Ok(true);
        };
        let status = document.decode()?.programs.status(program);
        Ok(status.is_some() && wanted.is_none_or(|wanted| status == Some(wanted)))
    };
    // A damaged one is found, so that whoever asks is told of it.
    Ok(matches().unwrap_or(true).then_some(document))
}

/// The ordered ranges of one index that together hold every match.
pub(super) struct Plan {
    pub(super) ranges: Vec<Range>,
    by_name: bool,
    /// How many entries one answer examines at the most.
    examined: usize,
}

/// A statement that walks a range in order.
pub(super) struct Range {
    pub(super) sql: String,
    parameters: Vec<Value>,
}

impl Plan {
    /// Chooses the index that the search narrows down most.
    pub(super) fn of(
        search: &ProfileSearch,
        organization: Option<i64>,
        after: Option<&SearchPosition>,
    ) -> Self {
        let by_creation = |index: &str, conditions: &[(&str, Value)]| {
            creation_range(index, conditions, search, after)
        };
        let by_text = |index: &str, condition: &str, value: &str| Self {
            ranges: vec![by_creation(
                index,
                &[(condition, Value::Text(value.to_owned()))],
            )],
            by_name: false,
            examined: EXAMINED_SCATTERED,
        };
        if let Some(reference) = &search.reference_id {
            return by_text("search_reference", "p.reference_id = ", reference.as_str());
        }
        if let Some(hash) = &search.email_hash {
            return by_text("search_email_hash", "p.email_hash = ", hash.as_str());
        }
        if let Some(prefix) = &search.name_prefix
            && search.is_by_name()
        {
            let range = name_range(prefix, organization, after);
            return Self {
                ranges: vec![range],
                by_name: true,
                examined: EXAMINED_SCATTERED,
            };
        }
        let mut examined = EXAMINED_SCATTERED;
        let ranges = if let Some((program, status)) = &search.program {
            let one = status.as_ref().map(std::slice::from_ref);
            let statuses = one.unwrap_or(ProgramStatus::ALL).iter();
            statuses
                .map(|status| program_range(program.as_str(), *status, search, after))
                .collect()
        } else if let Some(wanted) = search.enforced() {
            outlooks(wanted)
                .map(|code| match organization {
                    Some(number) => by_creation(
                        "profiles_by_outlook",
                        &[
                            ("p.organization = ", number.into()),
                            ("p.outlook <> 0 AND p.outlook = ", code.into()),
                        ],
                    ),
                    None => by_creation(
                        "search_outlook",
                        &[("p.outlook <> 0 AND p.outlook = ", code.into())],
                    ),
                })
                .collect()
        } else if let Some(number) = organization {
            let primary_key = "sqlite_autoindex_profiles_1";
            examined = EXAMINED_IN_ORDER;
            vec![by_creation(
                primary_key,
                &[("p.organization = ", number.into())],
            )]
        } else if let Some(country) = &search.country {
            return by_text("search_country", "p.country = ", country.as_str());
        } else if search.access_type == Some(AccessType::Passthrough) {
            let code = access_type_code(AccessType::Passthrough);
            vec![by_creation(
                "search_passthrough",
                &[("p.access_type = 1 AND p.access_type = ", code.into())],
            )]
        } else {
            vec![by_creation("search_creation", &[])]
        };
        Self {
            ranges,
            by_name: false,
            examined,
        }
    }
}

/// Conditions being put together, each with its parameter.
#[derive(Default)]
struct Conditions {
    text: String,
    parameters: Vec<Value>,
}

impl Conditions {
    fn and(&mut self, before: &str, value: impl Into<Value>) {
        self.parameters.push(value.into());
        let joint = if self.text.is_empty() { "" } else { " AND " };
        self.text += &format!("{joint}{before}?{}", self.parameters.len());
    }

    /// Goes on after a position and stays within the creation times asked for.
    fn and_creation(
        &mut self,
        search: &ProfileSearch,
        after: Option<&SearchPosition>,
        [created_at, id]: [&str; 2],
    ) {
        if let Some(SearchPosition::CreatedAt(at, after_id)) = after {
            self.and(&format!("({created_at}, {id}) < ("), at.as_micros());
            self.parameters
                .push(Value::Text(after_id.as_str().to_owned()));
            self.text += &format!(", ?{})", self.parameters.len());
        }
        if let Some(before) = search.created_before {
            self.and(&format!("{created_at} < "), before.as_micros());
        }
        if let Some(earliest) = search.created_after {
            self.and(&format!("{created_at} > "), earliest.as_micros());
        }
        if self.text.is_empty() {
            self.text.push('1');
        }
    }
}

fn creation_range(
    index: &str,
    fixed: &[(&str, Value)],
    search: &ProfileSearch,
    after: Option<&SearchPosition>,
) -> Range {
    let mut conditions = Conditions::default();
    for (before, value) in fixed {
        conditions.and(before, value.clone());
    }
    conditions.and_creation(search, after, ["p.created_at", "p.id"]);
    let Conditions { text, parameters } = conditions;
    let sql = format!(
        "SELECT p.created_at, {COLUMNS} FROM profiles p INDEXED BY {index} WHERE {text} \
         ORDER BY p.created_at DESC, p.id DESC"
    );
    Range { sql, parameters }
}

fn program_range(
    program: &str,
    status: ProgramStatus,
    search: &ProfileSearch,
    after: Option<&SearchPosition>,
) -> Range {
    let mut conditions = Conditions::default();
    conditions.and("g.program = ", program.to_owned());
    conditions.and("g.status = ", status.as_str().to_owned());
    conditions.and_creation(search, after, ["g.created_at", "g.profile_id"]);
    let Conditions { text, parameters } = conditions;
    let sql = format!(
        "SELECT g.created_at, {COLUMNS} FROM profile_programs g CROSS JOIN profiles p \
         ON p.organization = g.organization AND p.created_at = g.created_at \
         AND p.id = g.profile_id WHERE {text} ORDER BY g.created_at DESC, g.profile_id DESC"
    );
    Range { sql, parameters }
}

fn name_range(prefix: &str, organization: Option<i64>, after: Option<&SearchPosition>) -> Range {
    let mut conditions = Conditions::default();
    if let Some(number) = organization {
        conditions.and("p.organization = ", number);
    }
    conditions.and(
        "p.folded_name IS NOT NULL AND p.folded_name >= ",
        prefix.to_owned(),
    );
    if let Some(end) = after_prefix(prefix) {
        conditions.and("p.folded_name < ", end);
    }
    if let Some(SearchPosition::Name(folded, id)) = after {
        conditions.and("(p.folded_name, p.id) > (", folded.clone());
        conditions
            .parameters
            .push(Value::Text(id.as_str().to_owned()));
        conditions.text += &format!(", ?{})", conditions.parameters.len());
    }
    let index = if organization.is_some() {
        "profiles_by_name"
    } else {
        "search_name"
    };
    let Conditions { text, parameters } = conditions;
    let sql = format!(
        "SELECT p.folded_name, {COLUMNS} FROM profiles p INDEXED BY {index} WHERE {text} \
         ORDER BY p.folded_name, p.id"
    );
    Range { sql, parameters }
}
