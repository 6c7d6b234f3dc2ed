//! What a platform asks for: its user profiles (contract `user-profiles.md`) and, for its administrator,
//! its webhook endpoints (`webhooks.md`).
//!
//! Every handler reads in the same order: query, body, decide, store, render. What stands before it is
//! [`crate::http::call`]'s, what stands after it [`crate::http`]'s.

pub(crate) mod action_urls;
pub(crate) mod data_controls;
pub(crate) mod profiles;
pub(crate) mod webhook_endpoints;
