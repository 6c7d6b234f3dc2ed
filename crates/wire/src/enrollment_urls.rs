//! Enrollment and action URLs: what is sent and what is answered (contract `user-profiles.md`,
//! *Enrollment URL* and *Action URL*). Both make the same kind of URL; only the answer's type differs.

use rollcall_domain::clock::Timestamp;
use rollcall_record::field::{Field, Fields};

use crate::error::ApiError;
use crate::object;
use crate::parts::{body_fields, optional_body_fields};

rollcall_domain::text_enum! {
    /// What an action URL lets an end user do.
    UrlAction {
        /// Apply for `cyber`.
        EnrollEndUser = "enroll_end_user",
    }
}

/// Checks the body of an enrollment URL request: none, or an empty object.
pub fn parse_enrollment_url_body(body: &[u8]) -> Result<(), ApiError> {
    Ok(optional_body_fields(body)?.finish()?)
}

/// Reads the body of an action URL request.
pub fn parse_action_url_body(body: &[u8]) -> Result<UrlAction, ApiError> {
    parse_action_url(body_fields(body)?)
}

/// Reads the fields of an action URL request.
pub fn parse_action_url(mut fields: Fields) -> Result<UrlAction, ApiError> {
    let mut action = fields.required("action").and_then(Field::object)?;
    let kind = action.required("type")?.parsed(UrlAction::parse)?;
    action.finish()?;
    fields.finish()?;
    Ok(kind)
}

/// The answer to an enrollment URL request.
pub fn write_enrollment_url(expires_at: Timestamp, url: &str) -> String {
    write_url(expires_at, "enrollment_url", url)
}

/// The answer to an action URL request.
pub fn write_action_url(expires_at: Timestamp, url: &str) -> String {
    write_url(expires_at, "user_profile_action_url", url)
}

fn write_url(expires_at: Timestamp, kind: &str, url: &str) -> String {
    object::object(|answer| {
        answer
            .time("expires_at", expires_at)
            .text("type", kind)
            .text("url", url)
    })
}
