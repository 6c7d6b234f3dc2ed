//! Both sides of a transfer on this engine: its rows in the common form, and back.
//!
//! Organizations go by their ids instead of their numbers, and a delivery's number, which is its place in the
//! order of commits, goes as the instant that the other engine has for that.

use async_trait::async_trait;
use rollcall_domain::tenant::OperatorProof;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OptionalExtension as _, params, params_from_iter};

use super::rows::execute;
use super::{SqliteStore, failed};
use crate::Stored;
use crate::transfer::{Arriving, Cell, ORDER, Rows, Transfer, UNDER_WAY};

/// A column of this engine and what it is called in the common form; those of no name stay behind.
const RENAMED: [(&str, &str, Option<&str>); 2] = [
    ("organizations", "number", None),
    ("webhook_deliveries", "number", Some(ORDER)),
];

/// A column: what it is called here, and in the common form.
struct Column {
    own: String,
    common: Option<String>,
    /// Its place in the primary key, counted from 1; 0 for none.
    key: i64,
}

#[async_trait]
impl Transfer for SqliteStore {
    async fn columns(&self, _proof: OperatorProof, table: &str) -> Stored<Vec<String>> {
        self.read(|connection| {
            let columns = schema(connection, table)?.into_iter();
            Ok(columns.filter_map(|it| it.common).collect())
        })
    }

    async fn count(&self, _proof: OperatorProof, table: &str) -> Stored<u64> {
        self.read(|connection| {
            let sql = format!("SELECT count(*) FROM {table}");
            let count = connection.query_row(&sql, [], |row| row.get::<_, i64>(0));
            Ok(u64::try_from(count.map_err(failed)?).unwrap_or_default())
        })
    }

    async fn rows(
        &self,
        _proof: OperatorProof,
        table: &str,
        columns: &[String],
        after: Option<&[Cell]>,
        limit: usize,
    ) -> Stored<Rows> {
        self.read(|connection| read(connection, table, columns, after, limit))
    }

    async fn arrival(&self, _proof: OperatorProof) -> Stored<Option<String>> {
        self.read(|connection| state(connection).map_err(failed))
    }

    async fn begin_arrival(&self, _proof: OperatorProof, state: String) -> Stored<()> {
        self.writer
            .write(move |connection| keep_state(connection, &state))
            .await
    }

    async fn arrive(&self, _proof: OperatorProof, arriving: Arriving) -> Stored<()> {
        self.writer
            .write(move |connection| {
                if state(connection).map_err(failed)?.as_ref() == Some(&arriving.state) {
                    return Ok(());
                }
                write(connection, &arriving)?;
                keep_state(connection, &arriving.state)
            })
            .await
    }

    async fn end_arrival(&self, _proof: OperatorProof) -> Stored<()> {
        self.organizations.forget_all();
        self.writer
            .write(|connection| {
                let sql = "DELETE FROM migrations WHERE number = ?1";
                execute(connection, sql, [UNDER_WAY]).map(|_| ())
            })
            .await
    }
}

/// The state of a transfer into this file that has not come to its end.
pub(super) fn state(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT name FROM migrations WHERE number = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    statement
        .query_row([UNDER_WAY], |row| row.get(0))
        .optional()
}

fn keep_state(connection: &Connection, state: &str) -> Stored<()> {
    let sql = "INSERT INTO migrations (number, name, checksum) VALUES (?1, ?2, '') \
               ON CONFLICT (number) DO UPDATE SET name = excluded.name";
    execute(connection, sql, params![UNDER_WAY, state]).map(|_| ())
}

fn schema(connection: &Connection, table: &str) -> Stored<Vec<Column>> {
    let sql = "SELECT name, pk FROM pragma_table_info(?1)";
    super::rows::query(connection, sql, [table], |row| {
        let own: String = row.get(0).map_err(failed)?;
        let renamed = RENAMED.iter().find(|it| it.0 == table && it.1 == own);
        Ok(Column {
            common: match renamed {
                Some((_, _, common)) => common.map(str::to_owned),
                None => Some(own.clone()),
            },
            own,
            key: row.get(1).map_err(failed)?,
        })
    })
}

fn read(
    connection: &Connection,
    table: &str,
    columns: &[String],
    after: Option<&[Cell]>,
    limit: usize,
) -> Stored<Rows> {
    let schema = schema(connection, table)?;
    let mut key: Vec<_> = schema.iter().filter(|column| column.key > 0).collect();
    key.sort_by_key(|column| column.key);
    let key: Vec<_> = key.iter().map(|column| column.own.as_str()).collect();
    let shown = columns.iter().map(|common| {
        let column = schema.iter().find(|it| it.common.as_ref() == Some(common));
        let own = column.map_or(common.as_str(), |column| &column.own);
        if own == "organization" {
            return "CASE organization WHEN 0 THEN '' ELSE \
                    (SELECT id FROM organizations WHERE number = organization) END"
                .to_owned();
        }
        own.to_owned()
    });
    let shown: Vec<_> = shown.collect();
    let keys = key.join(", ");
    let begin = match after {
        None => String::new(),
        Some(_) => format!("WHERE ({keys}) > ({})", vec!["?"; key.len()].join(", ")),
    };
    let sql = format!(
        "SELECT {}, {keys} FROM {table} {begin} ORDER BY {keys} LIMIT {limit}",
        shown.join(", ")
    );
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let after = after.unwrap_or_default().iter().map(value);
    let mut found = statement.query(params_from_iter(after)).map_err(failed)?;
    let mut rows = Rows::default();
    while let Some(row) = found.next().map_err(failed)? {
        let at = |at| row.get_ref(at).map_err(failed).and_then(cell);
        let values = (0..columns.len()).map(at).collect::<Stored<_>>()?;
        rows.rows.push(values);
        if rows.rows.len() == limit {
            let key = (columns.len()..columns.len() + key.len()).map(at);
            rows.next = Some(key.collect::<Stored<_>>()?);
        }
    }
    Ok(rows)
}

fn write(connection: &Connection, arriving: &Arriving) -> Stored<()> {
    let table = arriving.table;
    let schema = schema(connection, table)?;
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for (at, common) in (1..).zip(&arriving.columns) {
        let column = schema.iter().find(|it| it.common.as_ref() == Some(common));
        let own = column.map_or(common.as_str(), |column| &column.own);
        values.push(match own {
            "organization" => format!(
                "CASE ?{at} WHEN '' THEN 0 ELSE \
                 (SELECT number FROM organizations WHERE id = ?{at}) END"
            ),
            // Two that the other engine has at one instant come one after the other.
            "number" => format!(
                "CASE WHEN EXISTS (SELECT 1 FROM {table} WHERE number = ?{at}) THEN NULL ELSE ?{at} END"
            ),
            _ => format!("?{at}"),
        });
        names.push(own);
    }
    let sql = format!(
        "INSERT INTO {table} ({}) VALUES ({})",
        names.join(", "),
        values.join(", ")
    );
    for row in &arriving.rows {
        execute(connection, &sql, params_from_iter(row.iter().map(value)))?;
    }
    Ok(())
}

fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Integer(number) => Value::Integer(*number),
        Cell::Text(text) => Value::Text(text.clone()),
        Cell::Bytes(bytes) => Value::Blob(bytes.clone()),
    }
}

fn cell(value: ValueRef<'_>) -> Stored<Cell> {
    Ok(match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Integer(number),
        ValueRef::Text(_) => {
            let text = value.as_str().map_err(|_| super::rows::damaged("a text"))?;
            Cell::Text(text.to_owned())
        }
        ValueRef::Blob(bytes) => Cell::Bytes(bytes.to_vec()),
        ValueRef::Real(_) => return Err(super::rows::damaged("a number")),
    })
}
