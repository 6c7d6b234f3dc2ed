//! Both sides of a transfer on this engine: its rows in the common form, and back.
//!
//! A day's profiles are counted in several slots here; in the common form they are one number, and come as a
//! day that is over does.

use std::fmt::Write as _;

use async_trait::async_trait;
use rollcall_domain::tenant::OperatorProof;
use tokio_postgres::Row;

use super::PostgresStore;
use super::overview::FOLDED;
use super::rows::{column, damaged, number, text};
use super::transaction::Tx;
use super::trouble::Trouble;
use super::value::{Value, values};
use crate::Stored;
use crate::transfer::{Arriving, Cell, Rows, Transfer, UNDER_WAY};

/// What a table is in the common form, where it is not itself.
struct Shape {
    table: &'static str,
    /// What its rows are read from.
    from: &'static str,
    key: &'static [&'static str],
    /// A column and what it is called in the common form; those of no name stay behind.
    columns: &'static [(&'static str, Option<&'static str>)],
}

const SHAPES: [Shape; 3] = [
    Shape {
        table: "webhook_deliveries",
        from: "webhook_deliveries",
        key: &["organization", "id"],
        columns: &[("mark", None)],
    },
    Shape {
        table: "profile_counts",
        from: "(SELECT organization, day, sum(profiles)::bigint AS profiles FROM profile_counts \
               GROUP BY organization, day) AS counted",
        key: &["organization", "day"],
        columns: &[("slot", None)],
    },
    Shape {
        table: "organization_figures",
        from: "(SELECT organization, sum(open_actions)::bigint AS open_actions, \
                 sum(waiting_enrollments)::bigint AS waiting_enrollments, \
                 sum(profiles)::bigint AS folded_profiles FROM \
               (SELECT organization, open_actions, waiting_enrollments, folded_profiles AS profiles \
                FROM organization_figures UNION ALL \
                SELECT organization, 0, 0, profiles FROM profile_counts WHERE slot >= 0) AS added \
               GROUP BY organization) AS figures",
        key: &["organization"],
        columns: &[("folded_profiles", Some("profiles"))],
    },
];

/// A column: what it is called here, and in the common form, and what it holds.
struct Column {
    own: String,
    common: Option<String>,
    holds: String,
}

impl Column {
    /// How its values are read.
    fn shown(&self) -> String {
        match self.holds.as_str() {
            "smallint" | "integer" => format!("{}::bigint", self.own),
            "boolean" => format!("{}::int::bigint", self.own),
            "bigint" | "text" | "bytea" => self.own.clone(),
            _ => format!("{}::text", self.own),
        }
    }

    /// What its values are on their way to the database.
    fn sent(&self) -> &'static str {
        match self.holds.as_str() {
            "smallint" | "integer" | "boolean" | "bigint" => "bigint",
            "bytea" => "bytea",
            _ => "text",
        }
    }

    /// How it is made of them.
    fn taken(&self) -> String {
        match self.holds.as_str() {
            "boolean" => format!("({} <> 0)", self.own),
            holds if holds == self.sent() => self.own.clone(),
            holds => format!("{}::{holds}", self.own),
        }
    }
}

fn shape(table: &str) -> Option<&'static Shape> {
    SHAPES.iter().find(|shape| shape.table == table)
}

impl PostgresStore {
    async fn schema(&self, table: &str) -> Stored<Vec<Column>> {
        let sql = "SELECT column_name::text, data_type::text FROM information_schema.columns \
                   WHERE table_schema = ANY (current_schemas(false)) AND table_name = $1 \
                   ORDER BY column_name::text";
        let rows = self.read(sql, &values![table]).await?;
        let renamed = shape(table).map_or(&[][..], |shape| shape.columns);
        let column = |row: &Row| {
            let own = text(row, 0)?;
            let renamed = renamed.iter().find(|(name, _)| *name == own);
            Ok(Column {
                own: own.to_owned(),
                common: match renamed {
                    Some((_, common)) => common.map(str::to_owned),
                    None => Some(own.to_owned()),
                },
                holds: text(row, 1)?.to_owned(),
            })
        };
        rows.iter().map(column).collect()
    }

    async fn key(&self, table: &str) -> Stored<Vec<String>> {
        if let Some(shape) = shape(table) {
            return Ok(shape.key.iter().map(|&name| name.to_owned()).collect());
        }
        let sql = "SELECT k.column_name::text FROM information_schema.key_column_usage k \
                   JOIN information_schema.table_constraints c USING \
                     (constraint_schema, constraint_name, table_name) \
                   WHERE c.constraint_type = 'PRIMARY KEY' AND k.table_name = $1 \
                   AND k.table_schema = ANY (current_schemas(false)) ORDER BY k.ordinal_position";
        let rows = self.read(sql, &values![table]).await?;
        rows.iter().map(|row| column(row, 0)).collect()
    }
}

#[async_trait]
impl Transfer for PostgresStore {
    async fn columns(&self, _proof: OperatorProof, table: &str) -> Stored<Vec<String>> {
        let columns = self.schema(table).await?.into_iter();
        Ok(columns.filter_map(|it| it.common).collect())
    }

    async fn count(&self, _proof: OperatorProof, table: &str) -> Stored<u64> {
        let from = shape(table).map_or(table, |shape| shape.from);
        let sql = format!("SELECT count(*) FROM {from}");
        let mut tx = self.snapshot().await?;
        let rows = tx.query(&sql, &[]).await?;
        Self::finish(tx).await;
        let count = rows.first().map_or(Ok(0), |row| number(row, 0))?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    async fn rows(
        &self,
        _proof: OperatorProof,
        table: &str,
        columns: &[String],
        after: Option<&[Cell]>,
        limit: usize,
    ) -> Stored<Rows> {
        let schema = self.schema(table).await?;
        let own = |name: &String, common: bool| {
            let found = schema.iter().find(|column| {
                let called = if common {
                    column.common.as_ref()
                } else {
                    Some(&column.own)
                };
                called == Some(name)
            });
            found.ok_or_else(|| damaged("a column"))
        };
        let key = self.key(table).await?;
        let of_key: Vec<_> = key
            .iter()
            .map(|name| own(name, false))
            .collect::<Stored<_>>()?;
        let shown: Vec<_> = columns
            .iter()
            .map(|name| own(name, true))
            .collect::<Stored<_>>()?;
        let shown: Vec<_> = shown.into_iter().chain(of_key).collect();
        let from = shape(table).map_or(table, |shape| shape.from);
        let mut sql = "SELECT ".to_owned();
        for (at, column) in shown.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            // Writing to a String cannot fail.
            let _ = write!(sql, "{comma}{}", column.shown());
        }
        let _ = write!(sql, " FROM {from}");
        if after.is_some() {
            let places: Vec<_> = (1..=key.len()).map(|at| format!("${at}")).collect();
            let _ = write!(sql, " WHERE ({}) > ({})", key.join(", "), places.join(", "));
        }
        let _ = write!(sql, " ORDER BY {} LIMIT {limit}", key.join(", "));
        let after = after.unwrap_or_default().iter().map(value);
        let parameters: Vec<_> = after.collect::<Stored<_>>()?;
        let found = self.read(&sql, &parameters).await?;
        let mut rows = Rows::default();
        for row in &found {
            let cells = shown.iter().enumerate();
            let cells = cells.map(|(at, column)| cell(row, at, column.sent()));
            let mut cells: Vec<_> = cells.collect::<Stored<_>>()?;
            let key = cells.split_off(columns.len());
            rows.rows.push(cells);
            if rows.rows.len() == limit {
                rows.next = Some(key);
            }
        }
        Ok(rows)
    }

    async fn arrival(&self, _proof: OperatorProof) -> Stored<Option<String>> {
        let rows = self.read(STATE, &values![UNDER_WAY]).await?;
        rows.first().map(|row| column(row, 0)).transpose()
    }

    async fn begin_arrival(&self, _proof: OperatorProof, state: String) -> Stored<()> {
        self.run("begin_arrival", &state, |tx, state| {
            Box::pin(async move {
                keep_state(tx, state);
                Ok(())
            })
        })
        .await
    }

    async fn arrive(&self, _proof: OperatorProof, arriving: Arriving) -> Stored<()> {
        let (insert, columns) = self.insertion(&arriving).await?;
        let arriving = (arriving, insert, columns);
        self.run("arrive", &arriving, |tx, (arriving, insert, columns)| {
            Box::pin(async move {
                let kept = tx.query(STATE_FOR_UPDATE, &values![UNDER_WAY]).await?;
                let kept = kept.first().map(|row| text(row, 0)).transpose()?;
                if kept == Some(arriving.state.as_str()) {
                    return Ok(());
                }
                write(tx, arriving, insert, columns).await?;
                keep_state(tx, &arriving.state);
                Ok(())
            })
        })
        .await
    }

    async fn end_arrival(&self, _proof: OperatorProof) -> Stored<()> {
        self.run("end_arrival", &(), |tx, ()| {
            Box::pin(async move {
                let sql = "DELETE FROM rollcall_migrations WHERE number = $1";
                tx.write(sql, values![UNDER_WAY]);
                Ok(())
            })
        })
        .await
    }
}

const STATE: &str = "SELECT name FROM rollcall_migrations WHERE number = $1";
const STATE_FOR_UPDATE: &str = "SELECT name FROM rollcall_migrations WHERE number = $1 FOR UPDATE";

fn keep_state(tx: &mut Tx, state: &str) {
    tx.write(
        "INSERT INTO rollcall_migrations (number, name, checksum) VALUES ($1, $2, '') \
         ON CONFLICT (number) DO UPDATE SET name = excluded.name",
        values![UNDER_WAY, state],
    );
}

impl PostgresStore {
    /// The statement that keeps rows, and of each of their columns what its values are.
    async fn insertion(&self, arriving: &Arriving) -> Stored<(String, Vec<&'static str>)> {
        let schema = self.schema(arriving.table).await?;
        let (mut names, mut taken, mut sent) = (Vec::new(), Vec::new(), Vec::new());
        let mut arrays = Vec::new();
        for (at, common) in (1..).zip(&arriving.columns) {
            let column = schema.iter().find(|it| it.common.as_ref() == Some(common));
            let column = column.ok_or_else(|| damaged("a column"))?;
            names.push(column.own.clone());
            taken.push(column.taken());
            sent.push(column.sent());
            arrays.push(format!("${at}::{}[]", column.sent()));
        }
        let arriving_names = names.join(", ");
        if arriving.table == "profile_counts" {
            names.push("slot".to_owned());
            taken.push(FOLDED.to_string());
        }
        let sql = format!(
            "INSERT INTO {} ({}) SELECT {} FROM unnest({}) AS arriving ({arriving_names})",
            arriving.table,
            names.join(", "),
            taken.join(", "),
            arrays.join(", "),
        );
        Ok((sql, sent))
    }
}

async fn write(
    tx: &mut Tx,
    arriving: &Arriving,
    insert: &str,
    columns: &[&'static str],
) -> Result<(), Trouble> {
    if arriving.rows.is_empty() {
        return Ok(());
    }
    let values: Vec<_> = (0..)
        .zip(columns)
        .map(|(at, sent)| array(&arriving.rows, at, sent))
        .collect::<Stored<_>>()?;
    tx.write_now(insert, &values).await?;
    if arriving.table == "profiles" {
        // What keeps their ids unique over all organizations.
        let column = |name: &str| arriving.columns.iter().position(|it| it == name);
        let column = |name: &str| {
            let at = column(name).ok_or_else(|| damaged("a column"))?;
            array(&arriving.rows, at, "text")
        };
        let ids = [column("id")?, column("organization")?];
        tx.write(
            "INSERT INTO profile_ids (id, organization) SELECT * FROM unnest($1::text[], $2::text[])",
            ids,
        );
    }
    Ok(())
}

/// The values of one column.
fn array(rows: &[Vec<Cell>], at: usize, sent: &str) -> Stored<Value> {
    let cells = rows.iter().map(|row| row.get(at).unwrap_or(&Cell::Null));
    let wrong = || damaged("a value");
    Ok(match sent {
        "bigint" => Value::OptionalIntegers(
            cells
                .map(|cell| match cell {
                    Cell::Null => Ok(None),
                    Cell::Integer(number) => Ok(Some(*number)),
                    Cell::Text(_) | Cell::Bytes(_) => Err(wrong()),
                })
                .collect::<Stored<_>>()?,
        ),
        "bytea" => Value::OptionalByteStrings(
            cells
                .map(|cell| match cell {
                    Cell::Null => Ok(None),
                    Cell::Bytes(bytes) => Ok(Some(bytes.clone())),
                    Cell::Text(_) | Cell::Integer(_) => Err(wrong()),
                })
                .collect::<Stored<_>>()?,
        ),
        _ => Value::OptionalTexts(
            cells
                .map(|cell| match cell {
                    Cell::Null => Ok(None),
                    Cell::Text(text) => Ok(Some(text.clone())),
                    Cell::Integer(_) | Cell::Bytes(_) => Err(wrong()),
                })
                .collect::<Stored<_>>()?,
        ),
    })
}

fn cell(row: &Row, at: usize, sent: &str) -> Stored<Cell> {
    let cell = match sent {
        "bigint" => column::<Option<i64>>(row, at)?.map(Cell::Integer),
        "bytea" => column::<Option<Vec<u8>>>(row, at)?.map(Cell::Bytes),
        _ => column::<Option<String>>(row, at)?.map(Cell::Text),
    };
    Ok(cell.unwrap_or(Cell::Null))
}

fn value(cell: &Cell) -> Stored<Value> {
    Ok(match cell {
        Cell::Null => return Err(damaged("a key")),
        Cell::Integer(number) => (*number).into(),
        Cell::Text(text) => text.as_str().into(),
        Cell::Bytes(bytes) => bytes.as_slice().into(),
    })
}
