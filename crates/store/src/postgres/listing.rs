//! One page of an organization's profiles, by keyset.
//!
//! Every statement is one range of one index, read in its order and ended by its limit, or the union of
//! a few such ranges, one for each enforcement outlook that is wanted. Nothing is counted or skipped, so
//! a page costs the same at any depth. Unnamed profiles last are a range of their own, read when the
//! named ones are exhausted: one condition for both would be answered with a scan.
//!
//! A filtered page is read in growing pieces, because most rows of the wanted ranges match and the first
//! piece is nearly always enough. Pieces are separate statements: by name, a profile that is renamed
//! across the position meanwhile is seen twice or not at all, as it is between two pages.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::ProfileId;
use rollcall_domain::page::{Order, Position, ProfileListing, Start};
use rollcall_record::document::PageSink;
use tokio_postgres::Row;

use super::PostgresStore;
use super::pool::Planned;
use super::rows::{column, parsed, text, timestamp};
use super::value::Value;
use crate::Stored;
use crate::columns::outlooks;
use crate::page::show;

/// Hands the page to `sink`; answers with the position to go on after, if anything follows.
pub(super) async fn list(
    store: &PostgresStore,
    organization: &str,
    listing: &ProfileListing,
    now: Timestamp,
    sink: &mut (dyn PageSink + Send),
) -> Stored<Option<Position>> {
    let mut page = Page {
        store,
        organization,
        listing,
        now,
        sink,
        taken: 0,
        examined: 0,
        last: None,
    };
    let ranges = match listing.start.clone() {
        Start::CreatedAt(start) => {
            let after = start.map(|(created_at, id)| Position::CreatedAt { created_at, id });
            vec![(Stretch::Creation, after)]
        }
        Start::Name(Some((None, id))) => {
            let after = Position::Name { folded: None, id };
            vec![(Stretch::Unnamed, Some(after))]
        }
        Start::Name(start) => {
            let after = start.map(|(folded, id)| Position::Name { folded, id });
            vec![(Stretch::Named, after), (Stretch::Unnamed, None)]
        }
    };
    for (stretch, after) in ranges {
        if page.walk(stretch, after).await? == Next::Full {
            return Ok(page.last);
        }
    }
    Ok(None)
}

/// A part of a listing that one kind of range covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stretch {
    /// All profiles, by creation.
    Creation,
    /// Those with a name, by name.
    Named,
    /// Those without, by id.
    Unnamed,
}

impl Stretch {
    const ALL: [Self; 3] = [Self::Creation, Self::Named, Self::Unnamed];
}

/// A page being filled.
struct Page<'a> {
    store: &'a PostgresStore,
    organization: &'a str,
    listing: &'a ProfileListing,
    now: Timestamp,
    sink: &'a mut (dyn PageSink + Send),
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

// Every statement's columns: what a position is made of, then the document.
const SORT_KEY: usize = 0;
const ID: usize = 1;
const DOCUMENT: usize = 2;

/// How many rows the first statement of a page reads that has the default length, or the greatest.
const USUAL_PIECES: [usize; 2] = [21, 101];

/// The statements of those, by what they read, in which order, whether after a position, and how much: to put one
/// together takes longer than to find it.
static USUAL: LazyLock<HashMap<(Stretch, Order, bool, usize), String>> = LazyLock::new(|| {
    let mut usual = HashMap::new();
    for stretch in Stretch::ALL {
        for order in [Order::Ascending, Order::Descending] {
            for positioned in [false, true] {
                let sql = statement(stretch, &[], positioned, order);
                for piece in USUAL_PIECES {
                    usual.insert((stretch, order, positioned, piece), plannable(&sql, piece));
                }
            }
        }
    }
    usual
});

impl Page<'_> {
    /// Reads a stretch into the page; `Full` says that something follows.
    async fn walk(&mut self, stretch: Stretch, mut after: Option<Position>) -> Stored<Next> {
        let mut piece = self.listing.limit.get() - self.taken + 1;
        loop {
            let (sql, planned) = self.statement(stretch, after.is_some(), piece);
            let mut parameters = vec![Value::from(self.organization), Value::from(piece)];
            parameters.extend(after.iter().flat_map(key));
            let organization = Some(self.organization);
            let rows = self
                .store
                .read_lagging(organization, planned, &sql, &parameters)
                .await?;
            for row in &rows {
                if self.take(row, stretch)? == Next::Full {
                    return Ok(Next::Full);
                }
            }
            let Some(last) = rows.last().filter(|_| rows.len() == piece) else {
                return Ok(Next::More);
            };
            after = Some(position(last, stretch)?);
            let bound = self.listing.limit.examination_bound();
            piece = (piece * 4).min(bound - self.examined + 1);
        }
    }

    /// What reads a piece of a stretch. The usual pages have a text of their own, whose plan is kept.
    fn statement(
        &self,
        stretch: Stretch,
        positioned: bool,
        piece: usize,
    ) -> (Cow<'static, str>, Planned) {
        let (outlooks, order) = (self.outlooks(), self.listing.order);
        let usual = USUAL.get(&(stretch, order, positioned, piece));
        if let Some(sql) = usual.filter(|_| outlooks.is_empty()) {
            return (sql.into(), Planned::Once);
        }
        let sql = statement(stretch, &outlooks, positioned, order);
        (sql.into(), Planned::EachTime)
    }

    /// The outlooks whose ranges are read; none for everyone.
    fn outlooks(&self) -> Vec<i64> {
        let Some(filter) = self.listing.status_filter else {
            return Vec::new();
        };
        let outlooks: Vec<i64> = outlooks(filter).collect();
        // Only the few that enforcement touches have ranges of their own. Wanting the others, who are
        // nearly all, means to walk everyone and leave the few out.
        if outlooks.contains(&0) {
            Vec::new()
        } else {
            outlooks
        }
    }

    /// Takes the row, or notes that the page has no place left for it.
    fn take(&mut self, row: &Row, stretch: Stretch) -> Stored<Next> {
        let limit = self.listing.limit.get();
        let bound = self.listing.limit.examination_bound();
        if self.taken == limit || self.examined == bound {
            return Ok(Next::Full);
        }
        self.examined += 1;
        match show(self.listing, self.now, text(row, DOCUMENT)?, self.sink) {
            Ok(shown) => self.taken += usize::from(shown),
            Err(damage) => self
                .sink
                .damaged(parsed(row, ID, ProfileId::parse)?, damage),
        }
        if self.taken == limit || self.examined == bound {
            self.last = Some(position(row, stretch)?);
        }
        Ok(Next::More)
    }
}

fn position(row: &Row, stretch: Stretch) -> Stored<Position> {
    let id = parsed(row, ID, ProfileId::parse)?;
    Ok(match stretch {
        Stretch::Creation => Position::CreatedAt {
            created_at: timestamp(row, SORT_KEY)?,
            id,
        },
        Stretch::Named | Stretch::Unnamed => Position::Name {
            folded: column(row, SORT_KEY)?,
            id,
        },
    })
}

/// The parameters that say where to go on.
fn key(position: &Position) -> Vec<Value> {
    match position {
        Position::CreatedAt { created_at, id } => vec![(*created_at).into(), id.as_str().into()],
        Position::Name {
            folded: Some(folded),
            id,
        } => vec![folded.as_str().into(), id.as_str().into()],
        Position::Name { folded: None, id } => vec![id.as_str().into()],
    }
}

/// The statement that reads a stretch: `$1` is the organization, `$2` how many rows, and what follows
/// the position to go on after, if there is one.
fn statement(stretch: Stretch, outlooks: &[i64], positioned: bool, order: Order) -> String {
    let ordered = order_by(stretch, order);
    match outlooks {
        [] => range(stretch, None, positioned, order),
        [outlook] => range(stretch, Some(*outlook), positioned, order),
        several => {
            let ranges: Vec<_> = several
                .iter()
                .map(|outlook| format!("({})", range(stretch, Some(*outlook), positioned, order)))
                .collect();
            let union = ranges.join(" UNION ALL ");
            format!("SELECT * FROM ({union}) AS merged ORDER BY {ordered} LIMIT $2")
        }
    }
}

/// One range of one index.
fn range(stretch: Stretch, outlook: Option<i64>, positioned: bool, order: Order) -> String {
    let than = match order {
        Order::Ascending => '>',
        Order::Descending => '<',
    };
    let (sort_key, kind, after) = match stretch {
        Stretch::Creation => (
            "created_at",
            "",
            format!("(created_at, id) {than} ($3, $4)"),
        ),
        Stretch::Named => (
            "folded_name",
            " AND folded_name IS NOT NULL",
            format!("(folded_name, id) {than} ($3, $4)"),
        ),
        Stretch::Unnamed => (
            "folded_name",
            " AND folded_name IS NULL",
            format!("id {than} $3"),
        ),
    };
    // The indexes by outlook have no row of outlook 0; saying so lets the planner use them.
    let outlook = outlook.map_or_else(String::new, |outlook| {
        format!(" AND outlook = {outlook} AND outlook <> 0")
    });
    let after = if positioned {
        format!(" AND {after}")
    } else {
        String::new()
    };
    let ordered = order_by(stretch, order);
    format!(
        "SELECT {sort_key}, id, document FROM profiles \
         WHERE organization = $1{outlook}{kind}{after} ORDER BY {ordered} LIMIT $2"
    )
}

/// The same statement in a form whose plan the database keeps.
///
/// It keeps one only when it thinks that plans made for the values at hand would not be cheaper by what
/// planning costs. So this form says how many rows are wanted, and hides the values from the planner:
/// what is selected by itself is only known when the statement runs.
fn plannable(sql: &str, piece: usize) -> String {
    let mut sql = sql.replace("LIMIT $2", &format!("LIMIT {piece}"));
    for value in ["$1", "$3", "$4"] {
        sql = sql.replace(value, &format!("(SELECT {value})"));
    }
    sql
}

fn order_by(stretch: Stretch, order: Order) -> &'static str {
    match (stretch, order) {
        (Stretch::Creation, Order::Ascending) => "created_at, id",
        (Stretch::Creation, Order::Descending) => "created_at DESC, id DESC",
        (Stretch::Named, Order::Ascending) => "folded_name, id",
        (Stretch::Named, Order::Descending) => "folded_name DESC, id DESC",
        (Stretch::Unnamed, Order::Ascending) => "id",
        (Stretch::Unnamed, Order::Descending) => "id DESC",
    }
}

/// Every statement of this file, for the tests that look at them and at their plans.
#[doc(hidden)]
pub fn statements() -> Vec<(String, usize)> {
    let mut statements = Vec::new();
    for stretch in Stretch::ALL {
        for order in [Order::Ascending, Order::Descending] {
            for positioned in [false, true] {
                for outlooks in [&[][..], &[2], &[1, 3, 4]] {
                    let parameters = match (positioned, stretch) {
                        (false, _) => 2,
                        (true, Stretch::Unnamed) => 3,
                        (true, Stretch::Creation | Stretch::Named) => 4,
                    };
                    let sql = statement(stretch, outlooks, positioned, order);
                    if outlooks.is_empty() {
                        let usual = USUAL_PIECES.map(|piece| (plannable(&sql, piece), parameters));
                        statements.extend(usual);
                    }
                    statements.push((sql, parameters));
                }
            }
        }
    }
    statements
}
