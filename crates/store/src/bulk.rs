//! Loading many records at once into a storage that nobody else reads meanwhile.

use async_trait::async_trait;
use rollcall_domain::tenant::OperatorProof;

use crate::Stored;

/// What a backend can leave undone while records pour in, and has to make up for afterwards.
#[async_trait]
pub trait BulkLoad: Send + Sync {
    /// Prepares for many records. Until [`Self::finish_bulk_load`], listings and searches may fail;
    /// writes and lookups by id work. An interrupted load is put right when the storage is opened.
    async fn begin_bulk_load(&self, _proof: OperatorProof) -> Stored<()> {
        Ok(())
    }

    /// Makes up for what was left undone; may take a second for a hundred thousand records.
    async fn finish_bulk_load(&self, _proof: OperatorProof) -> Stored<()> {
        Ok(())
    }
}
