//! The transfer itself, from one side to the other.

use std::collections::HashSet;

use rollcall_domain::tenant::OperatorProof;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Arriving, Cell, ORDER};
use crate::tables::TABLES;
use crate::{Store, StoreError};

/// How many rows are read and written at once.
const PIECE: usize = 1_000;
/// How many rows are named that one side alone has.
const NAMED: usize = 3;

/// What a transfer is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Copying a table.
    Copying(&'static str),
    /// Comparing one.
    Comparing(&'static str),
}

/// How far a transfer has come.
#[derive(Clone, Copy, Debug)]
pub struct TransferStep {
    /// What it is doing.
    pub doing: Doing,
    /// Rows that were copied or read for the comparison.
    pub done: u64,
    /// All of these, as far as can be said.
    pub of: u64,
}

/// What was moved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Each table and how many rows of it both sides have.
    pub tables: Vec<(&'static str, u64)>,
    /// Whether all of it was there before.
    pub was_there: bool,
}

/// Why a transfer did not come to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    /// The storage to be filled holds something else.
    #[error("the storage to be filled holds something else already: {0}")]
    Occupied(String),
    /// The storage to be moved is itself the half filled one of another transfer.
    #[error("the storage to be moved is half filled itself, by a transfer that was broken off")]
    HalfFilled,
    /// The sides differ after all was copied, or cannot be the same.
    #[error("the two sides differ: {0}")]
    Differs(String),
    /// Storage.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Both sides and who watches.
struct Move<'a> {
    from: &'a dyn Store,
    to: &'a dyn Store,
    proof: OperatorProof,
    tell: &'a (dyn Fn(TransferStep) + Send + Sync),
    tables: Vec<Moving>,
    total: u64,
    done: u64,
}

/// A table on its way.
struct Moving {
    name: &'static str,
    columns: Vec<String>,
    rows: u64,
}

impl Moving {
    /// The columns that are compared: all but the order of deliveries, which each engine settles its own way.
    fn compared(&self) -> Vec<String> {
        let columns = self.columns.iter().filter(|column| *column != ORDER);
        columns.cloned().collect()
    }
}

/// Fills `to` with everything that `from` holds, from where an earlier transfer ended, and compares.
/// `prepare` is run once `to` is known to be empty or half filled, and before it is closed to everybody else;
/// what it refuses leaves `to` as it is. Nobody else may use either side meanwhile.
pub async fn transfer<E: From<TransferError>>(
    from: &dyn Store,
    to: &dyn Store,
    proof: OperatorProof,
    prepare: impl FnOnce() -> Result<(), E> + Send,
    tell: &(dyn Fn(TransferStep) + Send + Sync),
) -> Result<Moved, E> {
    let half_filled = from.arrival(proof).await.map_err(TransferError::from)?;
    if half_filled.is_some() {
        return Err(TransferError::HalfFilled.into());
    }
    let mut moving = Move::between(from, to, proof, tell).await?;
    let mut was_there = false;
    let state = to.arrival(proof).await.map_err(TransferError::from)?;
    if state.is_none() && !moving.is_empty().await? {
        // One that was killed at its very end, or somebody else's.
        was_there = true;
        moving.done = moving.total / 3;
    } else {
        prepare()?;
        if state.is_none() {
            let first = position(0, None);
            let begun = to.begin_arrival(proof, first).await;
            begun.map_err(TransferError::from)?;
        }
        moving.copy(state).await?;
    }
    let tables = moving.compare().await.map_err(|error| match error {
        TransferError::Differs(how) if was_there => TransferError::Occupied(how),
        error => error,
    })?;
    if !was_there {
        to.end_arrival(proof).await.map_err(TransferError::from)?;
    }
    Ok(Moved { tables, was_there })
}

impl<'a> Move<'a> {
    async fn between(
        from: &'a dyn Store,
        to: &'a dyn Store,
        proof: OperatorProof,
        tell: &'a (dyn Fn(TransferStep) + Send + Sync),
    ) -> Result<Self, TransferError> {
        // Organizations come first: others are told by them.
        let names = ["organizations"].into_iter();
        let names = names.chain(TABLES.iter().map(|table| table.name));
        let mut tables = Vec::new();
        for name in names {
            let mut columns = from.columns(proof, name).await?;
            let mut others = to.columns(proof, name).await?;
            columns.sort();
            others.sort();
            if columns != others || columns.is_empty() {
                return Err(TransferError::Differs(format!(
                    "{name} has the columns {columns:?} in one and {others:?} in the other"
                )));
            }
            let rows = from.count(proof, name).await?;
            tables.push(Moving {
                name,
                columns,
                rows,
            });
        }
        let rows: u64 = tables.iter().map(|table| table.rows).sum();
        Ok(Self {
            from,
            to,
            proof,
            tell,
            tables,
            total: 3 * rows,
            done: 0,
        })
    }

    async fn is_empty(&self) -> Result<bool, TransferError> {
        for table in &self.tables {
            if self.to.count(self.proof, table.name).await? > 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn step(&mut self, doing: Doing, rows: usize) {
        self.done += rows as u64;
        (self.tell)(TransferStep {
            doing,
            done: self.done,
            of: self.total.max(self.done),
        });
    }

    async fn copy(&mut self, state: Option<String>) -> Result<(), TransferError> {
        let state = state.unwrap_or_else(|| position(0, None));
        let (first, mut after) = parsed(&state).ok_or_else(|| {
            StoreError::Failed(format!("how far the transfer came is not known: {state}"))
        })?;
        self.to.begin_bulk_load(self.proof).await?;
        for number in 0..self.tables.len() {
            let name = self.tables[number].name;
            if number < first {
                let rows = self.to.count(self.proof, name).await?;
                self.done += rows;
                continue;
            }
            if number == first && after.is_some() {
                self.done += self.to.count(self.proof, name).await?;
            }
            let columns = self.tables[number].columns.clone();
            loop {
                let read = self
                    .from
                    .rows(self.proof, name, &columns, after.as_deref(), PIECE)
                    .await?;
                let count = read.rows.len();
                after = read.next;
                let state = match &after {
                    Some(after) => position(number, Some(after)),
                    None => position(number + 1, None),
                };
                let arriving = Arriving {
                    table: name,
                    columns: columns.clone(),
                    rows: read.rows,
                    state,
                };
                self.to.arrive(self.proof, arriving).await?;
                self.step(Doing::Copying(name), count);
                if after.is_none() {
                    break;
                }
            }
        }
        self.to.finish_bulk_load(self.proof).await?;
        Ok(())
    }

    async fn compare(&mut self) -> Result<Vec<(&'static str, u64)>, TransferError> {
        let mut same = Vec::new();
        for number in 0..self.tables.len() {
            let here = self.sum(self.from, number, &mut |_, _| {}).await?;
            let there = self.sum(self.to, number, &mut |_, _| {}).await?;
            if here != there {
                let how = self.difference(number, here.rows, there.rows).await?;
                return Err(TransferError::Differs(how));
            }
            same.push((self.tables[number].name, here.rows));
        }
        Ok(same)
    }

    /// Reads a table of one side.
    async fn sum(
        &mut self,
        side: &dyn Store,
        number: usize,
        each: &mut (dyn FnMut([u8; 32], &[Cell]) + Send),
    ) -> Result<Sum, TransferError> {
        let (name, columns) = (self.tables[number].name, self.tables[number].compared());
        let mut sum = Sum::default();
        let mut after = None;
        loop {
            let read = side
                .rows(self.proof, name, &columns, after.as_deref(), PIECE)
                .await?;
            for row in &read.rows {
                let digest = digest(row);
                sum.add(digest);
                each(digest, row);
            }
            self.step(Doing::Comparing(name), read.rows.len());
            after = read.next;
            if after.is_none() {
                return Ok(sum);
            }
        }
    }

    /// In what a table differs, in words that hold ids alone.
    async fn difference(
        &mut self,
        number: usize,
        here: u64,
        there: u64,
    ) -> Result<String, TransferError> {
        let mut theirs = HashSet::new();
        self.sum(self.to, number, &mut |digest, _| {
            theirs.insert(digest);
        })
        .await?;
        let columns = self.tables[number].compared();
        let id = columns.iter().position(|column| column == "id");
        let (mut missing, mut named) = (0_u64, Vec::new());
        self.sum(self.from, number, &mut |digest, row| {
            if theirs.contains(&digest) {
                return;
            }
            missing += 1;
            if let Some(Cell::Text(id)) = id.and_then(|id| row.get(id))
                && named.len() < NAMED
            {
                named.push(id.clone());
            }
        })
        .await?;
        let name = self.tables[number].name;
        let named = match named.as_slice() {
            [] => String::new(),
            named => format!(" (such as {})", named.join(", ")),
        };
        Ok(format!(
            "of {name} one has {here} rows and the other {there}, and {missing}{named} are not the same there"
        ))
    }
}

/// What the rows of a table come to, in whichever order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    rows: u64,
    digests: [u64; 4],
}

impl Sum {
    fn add(&mut self, digest: [u8; 32]) {
        self.rows += 1;
        let (parts, _) = digest.as_chunks::<8>();
        for (sum, part) in self.digests.iter_mut().zip(parts) {
            *sum = sum.wrapping_add(u64::from_be_bytes(*part));
        }
    }
}

fn digest(row: &[Cell]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for cell in row {
        let number;
        let (kind, bytes): (u8, &[u8]) = match cell {
            Cell::Null => (0, &[]),
            Cell::Integer(value) => {
                number = value.to_be_bytes();
                (1, &number)
            }
            Cell::Text(text) => (2, text.as_bytes()),
            Cell::Bytes(bytes) => (3, bytes),
        };
        digest.update([kind]);
        digest.update((bytes.len() as u64).to_be_bytes());
        digest.update(bytes);
    }
    digest.finalize().into()
}

/// How far a transfer came, as a text: the table that is being copied, and the key of its last row.
fn position(table: usize, after: Option<&[Cell]>) -> String {
    let cell = |cell: &Cell| match cell {
        Cell::Null => Value::Null,
        Cell::Integer(number) => json!(number),
        Cell::Text(text) => json!(text),
        Cell::Bytes(bytes) => json!(bytes),
    };
    let after = after.map(|after| after.iter().map(cell).collect::<Vec<_>>());
    json!({"table": table, "after": after}).to_string()
}

fn parsed(state: &str) -> Option<(usize, Option<Vec<Cell>>)> {
    let state: Value = serde_json::from_str(state).ok()?;
    let table = usize::try_from(state["table"].as_u64()?).ok()?;
    let cell = |cell: &Value| match cell {
        Value::Number(number) => number.as_i64().map(Cell::Integer),
        Value::String(text) => Some(Cell::Text(text.clone())),
        Value::Array(bytes) => {
            let byte = |byte: &Value| byte.as_u64().and_then(|byte| u8::try_from(byte).ok());
            bytes
                .iter()
                .map(byte)
                .collect::<Option<_>>()
                .map(Cell::Bytes)
        }
        _ => None,
    };
    match &state["after"] {
        Value::Null => Some((table, None)),
        Value::Array(after) => Some((table, Some(after.iter().map(cell).collect::<Option<_>>()?))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_a_transfer_came_reads_back() {
        let key = vec![
            Cell::Integer(-3),
            Cell::Text("uprof_1".into()),
            Cell::Bytes(vec![0, 255]),
        ];
        assert_eq!(parsed(&position(7, Some(&key))), Some((7, Some(key))));
        assert_eq!(parsed(&position(0, None)), Some((0, None)));
        for wrong in [
            "",
            "{}",
            r#"{"table":1,"after":[{}]}"#,
            r#"{"table":-1,"after":null}"#,
        ] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn rows_come_to_the_same_in_any_order_and_to_something_else_with_any_other_value() {
        let rows = [
            vec![Cell::Text("a".into()), Cell::Null],
            vec![Cell::Text(String::new()), Cell::Text("a".into())],
            vec![Cell::Integer(1), Cell::Bytes(b"a".to_vec())],
        ];
        let sum = |rows: &[Vec<Cell>]| {
            let mut sum = Sum::default();
            for row in rows {
                sum.add(digest(row));
            }
            sum
        };
        let mut turned = rows.clone();
        turned.rotate_left(1);
        assert_eq!(sum(&rows), sum(&turned));
        for other in [Cell::Null, Cell::Integer(0), Cell::Text("1".into())] {
            turned[1][0] = other;
            assert_ne!(sum(&rows), sum(&turned));
        }
        assert_ne!(sum(&rows), sum(&rows[..2]));
    }
}
