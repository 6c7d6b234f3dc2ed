//! What a client is told when something is wrong (contract `headers-and-errors.md`, *Error shape* and
//! *Error catalogue*).
//!
//! Messages may improve. A new error is a constructor below, with a kind of its own only if the contract gives
//! it a status of its own.

mod kind;
mod reference;

pub use self::kind::{ErrorCode, ErrorKind};
pub use self::reference::reference_markdown;

use rollcall_domain::data_controls::{ControlKind, ControlsRefusal};
use rollcall_domain::decision::Refusal;
use rollcall_domain::role::RoleForbids;
use rollcall_record::field::FieldError;
use rollcall_record::json::{JsonError, quotable, write_string};
use thiserror::Error;

/// The longest message that is sent, in characters.
pub const MESSAGE_LIMIT: usize = 500;

/// The header a credential came in; an invalid one is told by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialHeader {
    /// `x-api-key`.
    ApiKey,
    /// `Authorization: Bearer`.
    Bearer,
    /// `x-rollcall-gateway-key`.
    GatewayKey,
    /// The password of `Authorization: Basic`.
    BasicPassword,
}

/// What a client is told.
///
/// The message never holds a credential, a metadata value or a name of a person.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct ApiError {
    /// Status and `error.type`.
    pub kind: ErrorKind,
    /// One line; longer than [`MESSAGE_LIMIT`] characters it is cut when written.
    pub message: String,
    /// The code, for the rows that have one.
    pub code: Option<ErrorCode>,
}

impl ApiError {
    /// An error without a code.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            code: None,
        }
    }

    /// The same error with a code.
    #[must_use]
    pub fn with_code(self, code: ErrorCode) -> Self {
        Self {
            code: Some(code),
            ..self
        }
    }

    /// 400: the request is malformed.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidRequest, message)
    }

    /// 400: what stands at `place` (a field's path, a parameter, a header) is not as `expected`.
    pub fn at(place: &str, expected: impl std::fmt::Display) -> Self {
        Self::invalid(format!("{place}: {expected}"))
    }

    /// 404: no such profile in this organization, whatever the reason.
    pub fn profile_not_found() -> Self {
        Self::not_found("user profile")
    }

    /// 404: no such webhook endpoint in this organization, whatever the reason.
    pub fn webhook_endpoint_not_found() -> Self {
        Self::not_found("webhook endpoint")
    }

    /// 404: no such `thing`, named in words.
    pub fn not_found(thing: &str) -> Self {
        let message = format!("The requested {thing} was not found.");
        Self::new(ErrorKind::NotFound, message)
    }

    /// 404: no such path.
    pub fn path_not_found() -> Self {
        Self::new(ErrorKind::NotFound, "Not found")
    }

    /// 405: the path does not have the method.
    pub fn method_not_allowed() -> Self {
        Self::new(ErrorKind::MethodNotAllowed, "Method not allowed")
    }

    /// 401: no credential was sent.
    pub fn missing_credential() -> Self {
        Self::new(
            ErrorKind::Authentication,
            "x-api-key header or Authorization bearer token is required",
        )
    }

    /// 401: no credential of a gateway was sent.
    pub fn missing_gateway_credential() -> Self {
        Self::new(
            ErrorKind::Authentication,
            "x-rollcall-gateway-key header or the password of HTTP Basic authentication is required",
        )
    }

    /// 401: the credential in `header` is unknown or malformed.
    pub fn invalid_credential(header: CredentialHeader) -> Self {
        let message = match header {
            CredentialHeader::ApiKey => "invalid x-api-key",
            CredentialHeader::Bearer => "invalid bearer token",
            CredentialHeader::GatewayKey => "invalid x-rollcall-gateway-key",
            CredentialHeader::BasicPassword => "invalid password of HTTP Basic authentication",
        };
        Self::new(ErrorKind::Authentication, message)
    }

    /// 401: the key has expired; only for a sender who proved to hold it.
    pub fn expired_key() -> Self {
        Self::new(ErrorKind::Authentication, "API key has expired")
    }

    /// 401: the key is disabled; only for a sender who proved to hold it.
    pub fn disabled_key() -> Self {
        Self::new(ErrorKind::Authentication, "API key is disabled")
    }

    /// 403: the key works, for paths of another kind.
    pub fn wrong_key_kind() -> Self {
        Self::new(
            ErrorKind::Permission,
            "This API key cannot be used for this endpoint",
        )
    }

    /// 403: the key's role may not do it.
    pub fn role_forbids(forbids: RoleForbids) -> Self {
        Self::new(ErrorKind::Permission, forbids.to_string())
    }

    /// 403: the credential does not reach the workspace that was named, which may not even exist.
    pub fn workspace_mismatch() -> Self {
        Self::new(
            ErrorKind::Permission,
            "anthropic-workspace-id: this credential cannot act in that workspace",
        )
    }

    /// 429: the organization's limit of `rpm` requests a minute is used up.
    pub fn rate_limited(rpm: u32) -> Self {
        let message = format!(
            "This request would exceed your organization's rate limit of {rpm} requests per minute."
        );
        Self::new(ErrorKind::RateLimit, message)
    }

    /// 429: too many failed authentications from one address.
    pub fn authentication_rate_limited() -> Self {
        Self::new(
            ErrorKind::RateLimit,
            "Too many failed authentications from this address; try again later.",
        )
    }

    /// 400: the operator put the organization on hold.
    pub fn organization_on_hold() -> Self {
        Self::invalid("This organization is on hold; contact the operator of this server")
            .with_code(ErrorCode::OrganizationOnHold)
    }

    /// 409: what is stored does not allow it.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, message)
    }

    /// 408: the head of the request was too slow.
    pub fn request_timeout() -> Self {
        Self::new(
            ErrorKind::RequestTimeout,
            "The request did not arrive in time",
        )
    }

    /// 413: the body has more than `limit` bytes.
    pub fn too_large(limit: usize) -> Self {
        let message = format!("The request body exceeds {limit} bytes");
        Self::new(ErrorKind::TooLarge, message)
    }

    /// 414: the request target has more than `limit` bytes.
    pub fn uri_too_long(limit: usize) -> Self {
        let message = format!("The request target exceeds {limit} bytes");
        Self::new(ErrorKind::UriTooLong, message)
    }

    /// 431: the header section has more than `limit` bytes.
    pub fn headers_too_large(limit: usize) -> Self {
        let message = format!("The request headers exceed {limit} bytes");
        Self::new(ErrorKind::HeadersTooLarge, message)
    }

    /// 500: the cause is in the log, under the request's id.
    pub fn internal() -> Self {
        Self::new(ErrorKind::Internal, "Internal server error")
    }

    /// 503: the server is not ready, and why.
    pub fn not_ready(why: &'static str) -> Self {
        Self::new(ErrorKind::Unavailable, why)
    }

    /// 504: the server's own time limit passed.
    pub fn timeout() -> Self {
        Self::new(ErrorKind::Timeout, "The request took too long")
    }

    /// 529: the storage is busy or unreachable.
    pub fn overloaded() -> Self {
        Self::new(ErrorKind::Overloaded, "Overloaded")
    }

    /// The status of the answer.
    pub fn status(&self) -> u16 {
        self.kind.status()
    }

    /// The body of the answer; `request_id` is the one in the `request-id` header.
    pub fn body(&self, request_id: &str) -> String {
        let code = self.code.map(ErrorCode::as_str);
        self.body_with(self.kind.error_type(), code, request_id)
    }

    /// The body with a type and a code that need not be of the catalogue, both plain words.
    pub fn body_with(&self, error_type: &str, code: Option<&str>, request_id: &str) -> String {
        let mut out = String::with_capacity(160 + self.message.len());
        out.push_str(r#"{"type":"error","error":{"type":""#);
        out.push_str(error_type);
        out.push_str(r#"","message":"#);
        write_string(&mut out, &one_line(&self.message));
        if let Some(code) = code {
            out.push_str(r#","details":{"error_code":""#);
            out.push_str(code);
            out.push_str("\"}");
        }
        out.push_str(r#"},"request_id":"#);
        write_string(&mut out, request_id);
        out.push('}');
        out
    }
}

/// At most [`MESSAGE_LIMIT`] characters without line breaks or other control characters.
fn one_line(message: &str) -> String {
    let clean = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut line: String = message.chars().take(MESSAGE_LIMIT).map(clean).collect();
    if message.chars().nth(MESSAGE_LIMIT).is_some() {
        line.pop();
        line.push('…');
    }
    line
}

/// Input as it may stand in a message: quoted, at most 64 characters.
pub(crate) fn quoted(input: &[u8]) -> String {
    format!("\"{}\"", quotable(&String::from_utf8_lossy(input)))
}

impl From<FieldError> for ApiError {
    fn from(error: FieldError) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<JsonError> for ApiError {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::Syntax { .. } => {
                Self::invalid(format!("The request body is not valid JSON: {error}"))
            }
            JsonError::DuplicateKey { .. } => Self::invalid(error.to_string()),
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let kind = match refusal {
            Refusal::Metadata(_)
            | Refusal::TooManyOpenActions(_)
            | Refusal::TooManyPrograms(_)
            | Refusal::DataControls(
                ControlsRefusal::NotApproved(_)
                | ControlsRefusal::NoRegionLeft(_)
                | ControlsRefusal::ServesAnother(..)
                | ControlsRefusal::TooManyRetired(_),
            ) => ErrorKind::InvalidRequest,
            Refusal::ActionNotFound => ErrorKind::NotFound,
            Refusal::ActionNotOpen
            | Refusal::NotCheckable(_)
            | Refusal::DataControls(ControlsRefusal::NothingConfigured(..))
            | Refusal::AlreadyDecided
            | Refusal::AlreadySubmitted
            | Refusal::NotOnHold
            | Refusal::LastOwner => ErrorKind::Conflict,
        };
        let code = match refusal {
            Refusal::DataControls(ControlsRefusal::NotApproved(control)) => Some(match control {
                ControlKind::Cmek => ErrorCode::CmekNotApproved,
                ControlKind::Storage => ErrorCode::StorageNotApproved,
            }),
            _ => None,
        };
        Self {
            code,
            ..Self::new(kind, refusal.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use rollcall_domain::data_controls::Region;

    use super::*;

    #[test]
    fn a_message_is_one_line_of_at_most_five_hundred_characters() {
        let error = ApiError::invalid(format!("a\nb\"{}", "ä".repeat(600)));
        let body = error.body("req_1");
        assert!(!body.contains('\n') && !body.contains("\\n"));
        let start = r#"{"type":"error","error":{"type":"invalid_request_error","message":"a"#;
        assert!(body.starts_with(start));
        assert!(body.ends_with(r#"ä…"},"request_id":"req_1"}"#));
        assert_eq!(one_line(&error.message).chars().count(), MESSAGE_LIMIT);
        assert_eq!(one_line(&"x".repeat(500)), "x".repeat(500));
    }

    #[test]
    fn what_the_stored_state_refuses_has_the_contract_s_status() {
        let table = [
            (Refusal::TooManyOpenActions(100), 400),
            (Refusal::TooManyPrograms(32), 400),
            (Refusal::ActionNotFound, 404),
            (Refusal::ActionNotOpen, 409),
            (Refusal::NotCheckable("it is a ban"), 409),
            (ControlsRefusal::NoRegionLeft(ControlKind::Cmek).into(), 400),
            (
                ControlsRefusal::NothingConfigured(ControlKind::Cmek, Region::Us).into(),
                409,
            ),
            (Refusal::AlreadyDecided, 409),
            (Refusal::NotOnHold, 409),
            (Refusal::AlreadySubmitted, 409),
            (Refusal::LastOwner, 409),
        ];
        for (refusal, status) in table {
            assert_eq!(ApiError::from(refusal).status(), status);
        }
    }
}
