//! What is kept: the traits of storage, its backends, and the one suite that all of them pass.
//!
//! # Promises
//!
//! - **Durable.** A write that answers `Ok` is on disk. [`StoreError::OutcomeUnknown`] is the only
//!   answer after which a write may or may not have happened.
//! - **Whole.** A decision's value, events and audit entries are one transaction.
//! - **Scoped.** Tenant methods need an [`OrganizationScope`](rollcall_domain::tenant::OrganizationScope);
//!   methods that cross tenants need an [`OperatorProof`](rollcall_domain::tenant::OperatorProof).
//! - **Ordered.** Changes of one profile happen one after the other, each seeing the result of the one
//!   before; a read sees what was acknowledged before it began.
//!
//! # How to add a backend
//!
//! Implement the traits below in `src/<name>/`, one file per trait, add an arm where the server opens
//! storage, and instantiate `suite` for it. It is done when the suite passes.
#![warn(missing_docs)]

pub mod audit;
pub mod bulk;
pub mod check;
mod claim;
mod columns;
pub mod deliveries;
pub mod enrollments;
pub mod leases;
mod opening;
pub mod overview;
mod page;
pub mod postgres;
pub mod profiles;
pub mod registry;
pub mod sessions;
pub mod sqlite;
mod tables;
pub mod tenants;
pub mod transfer;
pub mod webhooks;
mod writability;

use thiserror::Error;

pub use audit::AuditTrail;
pub use bulk::BulkLoad;
pub use check::Check;
pub use deliveries::Deliveries;
pub use enrollments::{EnrollmentUrls, Enrollments};
pub use leases::Leases;
pub use opening::{Opening, OpeningStep};
pub use overview::Overview;
pub use profiles::{Changed, Decide, Profiles};
pub use registry::Registry;
pub use sessions::ConsoleSessions;
pub use tenants::Tenants;
pub use transfer::Transfer;
pub use webhooks::{DecideEndpoint, WebhookEndpoints};

/// Everything Rollcall keeps.
pub trait Store:
    Profiles
    + Registry
    + Tenants
    + EnrollmentUrls
    + Enrollments
    + AuditTrail
    + ConsoleSessions
    + Overview
    + BulkLoad
    + WebhookEndpoints
    + Deliveries
    + Leases
    + Check
    + Transfer
    + std::fmt::Debug
{
}

impl Store for postgres::PostgresStore {}
impl Store for sqlite::SqliteStore {}

/// Why a call to storage did not do what was asked. Texts are for logs, never for clients.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// Storage is busy or cannot be reached; nothing was done.
    #[error("storage is unavailable: {0}")]
    Unavailable(String),
    /// A write was sent and its outcome is not known.
    #[error("the outcome of a write is unknown: {0}")]
    OutcomeUnknown(String),
    /// A defect, or a stored text that is damaged; nothing was done.
    #[error("storage failed: {0}")]
    Failed(String),
}

impl From<rollcall_record::document::DamagedDocument> for StoreError {
    fn from(error: rollcall_record::document::DamagedDocument) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Why storage could not be opened: one line that says what to do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OpenError {
    /// Another process has the embedded storage in this directory.
    #[error("the data directory {0} is in use by another rollcall process")]
    InUse(String),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

impl OpenError {
    /// A transfer has begun to fill it, and has not come to its end.
    fn half_filled() -> Self {
        let what = "a transfer into this storage was broken off, and a part of it is missing: run the same \
                    \"rollcall transfer\" again, which goes on where it was, or begin with an empty one";
        Self::Failed(what.to_owned())
    }
}

/// The result of a call to storage.
pub type Stored<T> = Result<T, StoreError>;
