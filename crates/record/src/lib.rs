//! The texts that Rollcall keeps and exchanges as they are, and their way to and from the domain.
//!
//! - [`document`]: the canonical document of a profile. Every backend stores this very text, and a
//!   dialect writes its answer by copying parts of it ([`document::ProfileView`]), so that a page is
//!   copied and not rebuilt. ADR 0002 tells why it is text and why it has its own crate: `wire` and
//!   `store` both need it and must not know each other.
//! - [`data_controls`]: the keys and buckets of a profile, as answers, records and documents hold them.
//! - [`attempts`]: what a delivery keeps of the attempts that were made.
//! - [`mod@line`]: the NDJSON records of seeds, imports and exports (contract `operator.md`).
//! - [`event`]: the body of a webhook event, made once when the event is stored.
//! - [`json`], [`field`] and [`time`]: strict reading of JSON, of its fields and of timestamps; the
//!   request bodies of `wire` are read with them too.
#![warn(missing_docs)]

pub mod attempts;
pub mod csv;
pub mod data_controls;
pub mod document;
pub mod event;
pub mod field;
pub mod gateway_policy;
pub mod json;
pub mod line;
pub mod removal;
pub mod time;
mod writing;
