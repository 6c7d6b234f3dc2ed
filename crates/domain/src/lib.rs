//! What is true about profiles, whoever asks: Rollcall's rules, and nothing else.
//!
//! This crate knows no HTTP, no JSON, no SQL and no clock. A rule is a plain function of *what is*,
//! *what was asked* and *now*, and answers with a [`decision::Decided`] value or a
//! [`decision::Refusal`]; so rules are tested as tables and may be run again after a conflict.
//!
//! The nouns and how they relate:
//!
//! - An [`tenant::Organization`] owns [`tenant::Workspace`]s, [`tenant::ApiKey`]s, webhook endpoints
//!   and profiles. Every tenant-side storage call needs an [`tenant::OrganizationScope`].
//! - A [`profile::Profile`] is one end user or customer of an organization: the superset of what all
//!   dialects can say. It carries its [`program::Programs`], its [`enforcement::Enforcement`] and its
//!   [`data_controls::DataControls`].
//! - A change of a profile may cause [`event::Event`]s (what the platform is told) and
//!   [`audit::AuditEntry`]s (what the operator can look up); all three are stored together.
//! - A [`page::ProfileListing`] asks for one page of profiles; a [`page::Position`] says where in an
//!   ordered listing something stands.
#![warn(missing_docs)]

pub mod audit;
pub mod billing;
pub mod clock;
pub mod data_controls;
pub mod decision;
pub mod delivery;
pub mod enforcement;
pub mod enrollment;
pub mod event;
pub mod gateway;
pub mod gateway_policy;
pub mod host_name;
pub mod id;
pub mod page;
pub mod profile;
pub mod program;
pub mod removal;
pub mod role;
pub mod search;
pub mod session;
pub mod tenant;
pub mod text;
pub mod text_enum;
pub mod webhook;
