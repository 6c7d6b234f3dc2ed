//! The operator API's shapes (contract `operator.md`): bodies and queries into domain values, objects
//! into JSON. It is Rollcall's own API, so shapes may grow; what stands in the contract keeps working.
//!
//! What a form of the console may say too is read from [`Fields`], into which [`body_fields`] makes a body.
//!
//! One file for each resource. Objects are written by `write_*` functions that append to a text, so
//! that the same function serves a single answer and a list ([`crate::object::page`]). Every list
//! reads its query through [`ListRequest`].

use rollcall_domain::text::Name;
use rollcall_record::field::{Field, Fields, Read};

use crate::error::ApiError;
use crate::object;

pub mod audit;
pub mod deliveries;
pub mod dev;
pub mod endpoints;
pub mod enforcement;
pub mod enrollments;
pub mod gateway;
mod lists;
pub mod profiles;
pub mod tenants;

pub use crate::parts::{body_fields, optional_body_fields};
pub use lists::{ListPosition, ListRequest, Sealable};

/// The answer to a deletion of the thing called `kind`: `{"id":…,"type":"…_deleted"}`.
pub fn deleted(kind: &str, id: &str) -> String {
    object::object(|answer| {
        answer
            .text("id", id)
            .text("type", &format!("{kind}_deleted"))
    })
}

/// Reads the body of a write that takes nothing: none, or an empty object.
pub fn parse_nothing(body: &[u8]) -> Result<(), ApiError> {
    Ok(optional_body_fields(body)?.finish()?)
}

/// A name the operator gives: 1 to 255 characters, as of a profile.
fn label(field: Field) -> Read<String> {
    field.parsed(|text| Name::parse(text).map(|_| text.to_owned()))
}

fn required_label(fields: &mut Fields, name: &'static str) -> Read<String> {
    fields.required(name).and_then(label)
}
