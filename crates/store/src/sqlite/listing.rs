//! One page of an organization's profiles, by keyset, each row handed to the sink while the database
//! still holds it.
//!
//! Every plan here is a range of one index, without an end of its own and stepped only as far as the page needs: the
//! first row of a page at any depth costs the same. What is written as one condition with `OR` elsewhere (unnamed
//! profiles last) is two ranges here, because `SQLite` would answer the `OR` with a scan. A test asks
//! the query planner.

use std::cmp::Ordering;

use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::ProfileId;
use rollcall_domain::page::{Order, Position, ProfileListing, Start, StatusFilter};
use rollcall_record::document::PageSink;
use rusqlite::fallible_streaming_iterator::FallibleStreamingIterator;
use rusqlite::{Connection, Row, Rows, ToSql, params};

use super::failed;
use super::rows::{damaged, document, parsed, timestamp};
use crate::Stored;
use crate::columns::outlooks;
use crate::page::show;

type CreationStart<'a> = Option<&'a (Timestamp, ProfileId)>;
type NameStart<'a> = Option<&'a (Option<String>, ProfileId)>;

/// Hands the page to `sink`; answers with the position to go on after, if anything follows.
pub(super) fn list(
    connection: &Connection,
    organization: i64,
    listing: &ProfileListing,
    now: Timestamp,
    sink: &mut dyn PageSink,
) -> Stored<Option<Position>> {
    let mut page = Page {
        listing,
        now,
        sink,
        taken: 0,
        examined: 0,
        last: None,
    };
    match (&listing.start, listing.status_filter) {
        (Start::CreatedAt(start), None) => {
            by_creation(connection, organization, start.as_ref(), &mut page)
        }
        (Start::Name(start), None) => by_name(connection, organization, start.as_ref(), &mut page),
        (Start::CreatedAt(start), Some(filter)) => {
            filtered_by_creation(connection, organization, start.as_ref(), filter, &mut page)
        }
        (Start::Name(start), Some(filter)) => {
            filtered_by_name(connection, organization, start.as_ref(), filter, &mut page)
        }
    }
}

/// A page being filled.
struct Page<'a> {
    listing: &'a ProfileListing,
    now: Timestamp,
    sink: &'a mut dyn PageSink,
    taken: usize,
    examined: usize,
    last: Option<Position>,
}

/// Whether a page wants another row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    More,
    Full,
}

// Every statement's first columns: what a position is made of, then the document.
const SORT_KEY: usize = 0;
const ID: usize = 1;
const DOCUMENT: usize = 2;

impl Page<'_> {
    /// Takes the row, or notes that the page has no place left for it.
    fn take(
        &mut self,
        row: &Row<'_>,
        last_position: impl Fn() -> Stored<Position>,
    ) -> Stored<Next> {
        let limit = self.listing.limit.get();
        let bound = self.listing.limit.examination_bound();
        if self.taken == limit || self.examined == bound {
            return Ok(Next::Full);
        }
        self.examined += 1;
        let stored = row.get_ref(DOCUMENT).map_err(failed)?;
        // What is no text is no document either.
        let document = document(stored).unwrap_or_default();
        match show(self.listing, self.now, document, self.sink) {
            Ok(shown) => self.taken += usize::from(shown),
            Err(damage) => self
                .sink
                .damaged(parsed(row, ID, ProfileId::parse)?, damage),
        }
        // A position owns its id; only the last row of a page needs one.
        if self.taken == limit || self.examined == bound {
            self.last = Some(last_position()?);
        }
        Ok(Next::More)
    }

    fn ascending(&self) -> bool {
        self.listing.order == Order::Ascending
    }
}

fn creation_position(row: &Row<'_>) -> Stored<Position> {
    Ok(Position::CreatedAt {
        created_at: timestamp(row, SORT_KEY)?,
        id: parsed(row, ID, ProfileId::parse)?,
    })
}

fn name_position(row: &Row<'_>) -> Stored<Position> {
    let folded: Option<String> = row.get(SORT_KEY).map_err(failed)?;
    Ok(Position::Name {
        folded,
        id: parsed(row, ID, ProfileId::parse)?,
    })
}

/// Steps `rows` into the page; `Full` says that something follows.
fn fill(
    page: &mut Page<'_>,
    rows: &mut Rows<'_>,
    position: fn(&Row<'_>) -> Stored<Position>,
) -> Stored<Next> {
    while let Some(row) = rows.next().map_err(failed)? {
        if page.take(row, || position(row))? == Next::Full {
            return Ok(Next::Full);
        }
    }
    Ok(Next::More)
}

fn finish(page: &mut Page<'_>, outcome: Next) -> Option<Position> {
    match outcome {
        Next::More => None,
        Next::Full => page.last.take(),
    }
}

const AFTER_CREATION: &str = "SELECT created_at, id, document FROM profiles \
    WHERE organization = ?1 AND (created_at, id) > (?2, ?3) \
    ORDER BY created_at, id";
const BEFORE_CREATION: &str = "SELECT created_at, id, document FROM profiles \
    WHERE organization = ?1 AND (created_at, id) < (?2, ?3) \
    ORDER BY created_at DESC, id DESC";

/// A start for the first page too: the ends of the range that no row reaches.
fn creation_bounds(start: CreationStart<'_>, ascending: bool) -> (i64, &str) {
    match start {
        Some((created_at, id)) => (created_at.as_micros(), id.as_str()),
        None if ascending => (i64::MIN, ""),
        None => (i64::MAX, ""),
    }
}

fn by_creation(
    connection: &Connection,
    organization: i64,
    start: CreationStart<'_>,
    page: &mut Page<'_>,
) -> Stored<Option<Position>> {
    let sql = if page.ascending() {
        AFTER_CREATION
    } else {
        BEFORE_CREATION
    };
    let (created_at, id) = creation_bounds(start, page.ascending());
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let mut rows = statement
        .query(params![organization, created_at, id])
        .map_err(failed)?;
    let outcome = fill(page, &mut rows, creation_position)?;
    Ok(finish(page, outcome))
}

// The named profiles, then the unnamed ones, in either direction.
const NAMED_FIRST_ASCENDING: &str = "SELECT folded_name, id, document FROM profiles \
    INDEXED BY profiles_by_name WHERE organization = ?1 AND folded_name IS NOT NULL \
    ORDER BY folded_name, id";
const NAMED_FIRST_DESCENDING: &str = "SELECT folded_name, id, document FROM profiles \
    INDEXED BY profiles_by_name WHERE organization = ?1 AND folded_name IS NOT NULL \
    ORDER BY folded_name DESC, id DESC";
const NAMED_AFTER: &str = "SELECT folded_name, id, document FROM profiles \
    INDEXED BY profiles_by_name WHERE organization = ?1 AND folded_name IS NOT NULL \
    AND (folded_name, id) > (?2, ?3) ORDER BY folded_name, id";
const NAMED_BEFORE: &str = "SELECT folded_name, id, document FROM profiles \
    INDEXED BY profiles_by_name WHERE organization = ?1 AND folded_name IS NOT NULL \
    AND (folded_name, id) < (?2, ?3) ORDER BY folded_name DESC, id DESC";
const UNNAMED_AFTER: &str = "SELECT folded_name, id, document FROM profiles \
    INDEXED BY profiles_unnamed WHERE organization = ?1 AND folded_name IS NULL AND id > ?2 \
    ORDER BY id";
const UNNAMED_BEFORE: &str = "SELECT folded_name, id, document FROM profiles \
    INDEXED BY profiles_unnamed WHERE organization = ?1 AND folded_name IS NULL AND id < ?2 \
    ORDER BY id DESC";

/// Sorts after every id, which are plain ASCII.
const AFTER_EVERY_ID: &str = "\u{7f}";

fn by_name(
    connection: &Connection,
    organization: i64,
    start: NameStart<'_>,
    page: &mut Page<'_>,
) -> Stored<Option<Position>> {
    let ascending = page.ascending();
    if !matches!(start, Some((None, _))) {
        let named = start.and_then(|(folded, id)| Some((folded.as_deref()?, id.as_str())));
        let outcome = match &named {
            None => {
                let sql = if ascending {
                    NAMED_FIRST_ASCENDING
                } else {
                    NAMED_FIRST_DESCENDING
                };
                fill_from(connection, sql, &[&organization], page)?
            }
            Some((folded, id)) => {
                let sql = if ascending { NAMED_AFTER } else { NAMED_BEFORE };
                fill_from(connection, sql, &[&organization, folded, id], page)?
            }
        };
        if outcome == Next::Full {
            return Ok(finish(page, outcome));
        }
    }
    let (sql, end) = if ascending {
        (UNNAMED_AFTER, "")
    } else {
        (UNNAMED_BEFORE, AFTER_EVERY_ID)
    };
    let id = match start {
        Some((None, id)) => id.as_str(),
        Some((Some(_), _)) | None => end,
    };
    let outcome = fill_from(connection, sql, &[&organization, &id], page)?;
    Ok(finish(page, outcome))
}

fn fill_from(
    connection: &Connection,
    sql: &str,
    parameters: &[&dyn ToSql],
    page: &mut Page<'_>,
) -> Stored<Next> {
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let mut rows = statement.query(parameters).map_err(failed)?;
    fill(page, &mut rows, name_position)
}

// The outlook stands in the text, so that each range has a prepared statement of its own.
const OUTLOOK_AFTER: &str = "SELECT created_at, id, document FROM profiles \
    INDEXED BY profiles_by_outlook WHERE organization = ?1 AND outlook = {outlook} \
    AND outlook <> 0 AND (created_at, id) > (?2, ?3) ORDER BY created_at, id";
const OUTLOOK_BEFORE: &str = "SELECT created_at, id, document FROM profiles \
    INDEXED BY profiles_by_outlook WHERE organization = ?1 AND outlook = {outlook} \
    AND outlook <> 0 AND (created_at, id) < (?2, ?3) ORDER BY created_at DESC, id DESC";

/// One ordered range for each outlook, merged as they are stepped, so that rows of other statuses are
/// never looked at. Wanting the unrestricted, who are nearly all, walks everyone and leaves the others
/// out.
fn filtered_by_creation(
    connection: &Connection,
    organization: i64,
    start: CreationStart<'_>,
    filter: StatusFilter,
    page: &mut Page<'_>,
) -> Stored<Option<Position>> {
    if outlooks(filter).any(|outlook| outlook == 0) {
        return by_creation(connection, organization, start, page);
    }
    let ascending = page.ascending();
    let sql = if ascending {
        OUTLOOK_AFTER
    } else {
        OUTLOOK_BEFORE
    };
    let (created_at, id) = creation_bounds(start, ascending);
    merge(
        connection,
        sql,
        filter,
        params![organization, created_at, id],
        page,
        Merged {
            compare: compare_creation,
            position: creation_position,
        },
    )
}

/// How the rows of merged ranges are ordered, and where one of them stands.
#[derive(Clone, Copy)]
struct Merged {
    compare: fn(&Row<'_>, &Row<'_>) -> Stored<Ordering>,
    position: fn(&Row<'_>) -> Stored<Position>,
}

/// Steps the range of each wanted outlook as one listing; each range stands on its next row.
fn merge(
    connection: &Connection,
    sql: &str,
    filter: StatusFilter,
    parameters: &[&dyn ToSql],
    page: &mut Page<'_>,
    merged: Merged,
) -> Stored<Option<Position>> {
    let first = if page.ascending() {
        Ordering::Less
    } else {
        Ordering::Greater
    };
    let mut statements = Vec::with_capacity(5);
    for outlook in outlooks(filter) {
        let sql = sql.replace("{outlook}", &outlook.to_string());
        statements.push(connection.prepare_cached(&sql).map_err(failed)?);
    }
    let mut ranges = Vec::with_capacity(statements.len());
    for statement in &mut statements {
        let mut rows = statement.query(parameters).map_err(failed)?;
        rows.advance().map_err(failed)?;
        ranges.push(rows);
    }
    loop {
        let mut next: Option<usize> = None;
        for number in 0..ranges.len() {
            let Some(row) = ranges[number].get() else {
                continue;
            };
            let best = next.and_then(|best| ranges[best].get());
            let comes_first = match best {
                None => true,
                Some(best) => (merged.compare)(row, best)? == first,
            };
            if comes_first {
                next = Some(number);
            }
        }
        let Some(number) = next else { return Ok(None) };
        let Some(row) = ranges[number].get() else {
            return Ok(None);
        };
        if page.take(row, || (merged.position)(row))? == Next::Full {
            return Ok(page.last.take());
        }
        ranges[number].advance().map_err(failed)?;
    }
}

fn compare_creation(left: &Row<'_>, right: &Row<'_>) -> Stored<Ordering> {
    let created_at = |row: &Row<'_>| row.get::<_, i64>(SORT_KEY).map_err(failed);
    Ok(created_at(left)?
        .cmp(&created_at(right)?)
        .then(compare_text(left, right, ID)?))
}

/// Rows of one merge are all named or all unnamed.
fn compare_name(left: &Row<'_>, right: &Row<'_>) -> Stored<Ordering> {
    Ok(compare_text(left, right, SORT_KEY)?.then(compare_text(left, right, ID)?))
}

fn compare_text(left: &Row<'_>, right: &Row<'_>, column: usize) -> Stored<Ordering> {
    let text = |row| -> Stored<Option<&[u8]>> {
        let row: &Row<'_> = row;
        row.get_ref(column)
            .map_err(failed)?
            .as_bytes_or_null()
            .map_err(|_| damaged("a sort key"))
    };
    Ok(text(left)?.cmp(&text(right)?))
}

/// Named profiles, then unnamed ones. Wanting the unrestricted, who are nearly all, walks the listing
/// by name and leaves the others out; wanting none of them merges the ranges of the few.
fn filtered_by_name(
    connection: &Connection,
    organization: i64,
    start: NameStart<'_>,
    filter: StatusFilter,
    page: &mut Page<'_>,
) -> Stored<Option<Position>> {
    if outlooks(filter).any(|outlook| outlook == 0) {
        return by_name(connection, organization, start, page);
    }
    let ascending = page.ascending();
    if !matches!(start, Some((None, _))) {
        let named = start.and_then(|(folded, id)| Some((folded.as_deref()?, id.as_str())));
        let sql = restricted_named(named.is_some(), ascending);
        let (folded, id) = named.unwrap_or_default();
        let parameters = params![organization, folded, id];
        let next = merge(connection, &sql, filter, parameters, page, BY_NAME)?;
        if next.is_some() {
            return Ok(next);
        }
    }
    let id = match start {
        Some((None, id)) => id.as_str(),
        Some((Some(_), _)) | None if ascending => "",
        Some((Some(_), _)) | None => AFTER_EVERY_ID,
    };
    let sql = restricted_unnamed(ascending);
    merge(
        connection,
        &sql,
        filter,
        params![organization, "", id],
        page,
        BY_NAME,
    )
}

const BY_NAME: Merged = Merged {
    compare: compare_name,
    position: name_position,
};

fn restricted_named(after_a_position: bool, ascending: bool) -> String {
    let (than, direction) = if ascending { (">", "") } else { ("<", " DESC") };
    // The parameters of the position are there either way, so that every range binds alike.
    let condition = if after_a_position {
        format!("AND (folded_name, id) {than} (?2, ?3)")
    } else {
        "AND ?2 IS NOT NULL AND ?3 IS NOT NULL".into()
    };
    format!(
        "SELECT folded_name, id, document FROM profiles INDEXED BY profiles_by_outlook_and_name \
         WHERE organization = ?1 AND outlook = {{outlook}} AND outlook <> 0 AND folded_name IS NOT NULL \
         {condition} ORDER BY folded_name{direction}, id{direction}"
    )
}

fn restricted_unnamed(ascending: bool) -> String {
    let (than, direction) = if ascending { (">", "") } else { ("<", " DESC") };
    format!(
        "SELECT folded_name, id, document FROM profiles INDEXED BY profiles_by_outlook_and_name \
         WHERE organization = ?1 AND outlook = {{outlook}} AND outlook <> 0 AND folded_name IS NULL \
         AND ?2 IS NOT NULL AND id {than} ?3 ORDER BY id{direction}"
    )
}

/// Every statement of this file, for the test that asks the query planner about them.
#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    let fixed = [
        AFTER_CREATION,
        BEFORE_CREATION,
        NAMED_FIRST_ASCENDING,
        NAMED_FIRST_DESCENDING,
        NAMED_AFTER,
        NAMED_BEFORE,
        UNNAMED_AFTER,
        UNNAMED_BEFORE,
        OUTLOOK_AFTER,
        OUTLOOK_BEFORE,
    ];
    let mut statements: Vec<String> = fixed.map(str::to_owned).to_vec();
    for ascending in [true, false] {
        statements.push(restricted_named(true, ascending));
        statements.push(restricted_named(false, ascending));
        statements.push(restricted_unnamed(ascending));
    }
    statements
        .iter()
        .map(|sql| sql.replace("{outlook}", "2"))
        .collect()
}
