//! Loading many records: nothing is left undone here, because other nodes read meanwhile.

use crate::bulk::BulkLoad;

use super::PostgresStore;

impl BulkLoad for PostgresStore {}
