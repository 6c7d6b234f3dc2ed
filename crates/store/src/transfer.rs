//! Moving everything that one storage holds into another, of whichever engine.
//!
//! Rows move as they are, so that whatever is true of them stays true: hashes of keys, sealed secrets, times.
//! What a table has is read from each side's schema; a table or column that one side alone has is refused
//! before anything is written, so that none is left behind because it was forgotten. The engines keep some
//! things in other ways ([`crate::sqlite`] numbers organizations, [`crate::postgres`] counts in slots); each
//! shows and takes them in one common form.
//!
//! How far a transfer came is kept in the side that is filled, in the transaction of the rows themselves.
//! Until the end it is a storage that nobody else can open, and a transfer that was killed goes on there. It
//! ends when both sides were compared, row by row, and no difference was found.

mod moving;

use async_trait::async_trait;
use rollcall_domain::tenant::OperatorProof;

use crate::Stored;
pub use moving::{Doing, Moved, TransferError, TransferStep, transfer};

/// The column that differs where the engines settle the order of deliveries in their own ways.
pub(crate) const ORDER: &str = "stored_at";
/// Where the state of a transfer stands among the migrations of the side that is filled.
pub(crate) const UNDER_WAY: i64 = 1_000_000;

/// A value in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Nothing.
    Null,
    /// A whole number; 0 and 1 where an engine has truth values.
    Integer(i64),
    /// A text; an organization's id where an engine numbers them, empty for none.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// Some rows of a table, in the order of the side that they are read from.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// The values, in the order of the columns that were asked for.
    pub rows: Vec<Vec<Cell>>,
    /// Where the next ones begin: the key of the last row. `None` when there are no more.
    pub next: Option<Vec<Cell>>,
}

/// Rows to be kept, and what is then known of how far the transfer came.
#[derive(Clone, Debug)]
pub struct Arriving {
    /// The table.
    pub table: &'static str,
    /// Its columns, in the order of the values.
    pub columns: Vec<String>,
    /// The values.
    pub rows: Vec<Vec<Cell>>,
    /// The state after it. Rows that arrive with the state that is kept already are there already.
    pub state: String,
}

/// One side of a transfer.
#[async_trait]
pub trait Transfer: Send + Sync {
    /// The columns of a table in the common form, in any order.
    async fn columns(&self, proof: OperatorProof, table: &str) -> Stored<Vec<String>>;

    /// How many rows a table has in the common form.
    async fn count(&self, proof: OperatorProof, table: &str) -> Stored<u64>;

    /// At most `limit` rows after the one with the key `after`.
    async fn rows(
        &self,
        proof: OperatorProof,
        table: &str,
        columns: &[String],
        after: Option<&[Cell]>,
        limit: usize,
    ) -> Stored<Rows>;

    /// The state of a transfer into this storage that has not come to its end.
    async fn arrival(&self, proof: OperatorProof) -> Stored<Option<String>>;

    /// Begins one, with its first state. From here on nobody else can open this storage.
    async fn begin_arrival(&self, proof: OperatorProof, state: String) -> Stored<()>;

    /// Keeps rows, and with them the state.
    async fn arrive(&self, proof: OperatorProof, arriving: Arriving) -> Stored<()>;

    /// Ends the transfer into this storage, which anybody can open from here on.
    async fn end_arrival(&self, proof: OperatorProof) -> Stored<()>;
}
