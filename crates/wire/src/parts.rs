//! What every reader of a body begins with.

use rollcall_record::field::Fields;
use rollcall_record::json::{self, Json};

use crate::error::ApiError;

/// The members of a body that must be an object.
pub fn body_fields(body: &[u8]) -> Result<Fields, ApiError> {
    let not_an_object = || ApiError::invalid("The request body must be a JSON object.");
    if body.is_empty() {
        return Err(not_an_object());
    }
    match json::parse(body)? {
        Json::Object(object) => Ok(Fields::root(object)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => {
            Err(not_an_object())
        }
    }
}

/// The members of a body that may be left out.
pub fn optional_body_fields(body: &[u8]) -> Result<Fields, ApiError> {
    body_fields(if body.is_empty() { b"{}" } else { body })
}

/// Whether a body creates or changes; the two judge null and empty differently (contract, *Null,
/// empty and missing*).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    Create,
    Update,
}
