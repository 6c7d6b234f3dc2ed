//! What a gateway sends and is told (contract `gateway.md`): whose request it asks about, and how a refusal
//! reads to a client of the API.

use rollcall_domain::billing::BillingRefusal;
use rollcall_domain::gateway::Reason;
use rollcall_domain::id::ProfileId;
use rollcall_domain::program::ProgramName;
use rollcall_domain::text::ReferenceId;

use crate::error::{ApiError, ErrorCode};

/// Names the profile by its id; set by the gateway.
pub const PROFILE_HEADER: &str = "x-rollcall-user-profile-id";
/// Names the profile by the platform's own id; set by the gateway.
pub const REFERENCE_HEADER: &str = "x-rollcall-reference-id";
/// Names the profile by its id; what a client of the API sends, and what a gateway hands on.
pub const CLIENT_HEADER: &str = "anthropic-user-profile-id";
/// Names a program that must be active.
pub const PROGRAM_HEADER: &str = "x-rollcall-require-program";

/// Whose request it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// The profile with this id; none for what can be nobody's id.
    Id(Option<ProfileId>),
    /// A profile with this reference.
    Reference(ReferenceId),
}

impl Named {
    /// A profile's id as it was sent.
    pub fn by_id(id: &[u8]) -> Self {
        let text = std::str::from_utf8(id).ok();
        Self::Id(text.and_then(|text| ProfileId::parse(text).ok()))
    }

    /// A reference as it was sent in [`REFERENCE_HEADER`].
    pub fn by_reference(reference: &[u8]) -> Result<Self, ApiError> {
        // What can be nobody's reference is no profile's; the message says why.
        let nobody_s = |error: ApiError| error.with_code(ErrorCode::UserProfileNotFound);
        let text = std::str::from_utf8(reference)
            .map_err(|_| nobody_s(ApiError::at(REFERENCE_HEADER, "must be UTF-8")))?;
        ReferenceId::parse(text)
            .map(Self::Reference)
            .map_err(|error| nobody_s(ApiError::at(REFERENCE_HEADER, error)))
    }
}

/// The value of a header that may be sent once. An empty one counts as absent, because some gateways write an
/// absent one so.
pub fn one_value<'a>(
    name: &str,
    values: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Option<&'a [u8]>, ApiError> {
    let mut values = values.into_iter();
    let value = values.next();
    if values.next().is_some() {
        return Err(ApiError::at(name, "header must be sent once"));
    }
    Ok(value.filter(|value| !value.is_empty()))
}

/// Reads [`PROGRAM_HEADER`].
pub fn parse_program(value: &[u8]) -> Result<ProgramName, ApiError> {
    let text = std::str::from_utf8(value).unwrap_or_default();
    ProgramName::parse(text).map_err(|error| ApiError::at(PROGRAM_HEADER, error))
}

/// Whether the query has `deny=403`. Everything else in it is somebody else's: a gateway may hand on the
/// client's own.
pub fn denies_with_403(query: Option<&str>) -> bool {
    let mut parts = query.unwrap_or_default().split('&');
    parts.any(|part| part == "deny=403")
}

/// What a client is told whose request is refused for this reason.
pub fn refusal(reason: Reason) -> ApiError {
    let (code, message) = match reason {
        Reason::OrganizationOnHold => return ApiError::organization_on_hold(),
        Reason::GoodStanding | Reason::Unknown => (
            ErrorCode::UserProfileNotFound,
            "anthropic-user-profile-id: the user profile was not found",
        ),
        Reason::Missing => (
            ErrorCode::UserProfileRequired,
            "anthropic-user-profile-id: this request must name a user profile",
        ),
        Reason::Banned => (ErrorCode::UserProfileBanned, "This user profile is banned"),
        Reason::Restricted => (
            ErrorCode::UserProfileRestricted,
            "This user profile is restricted",
        ),
        Reason::Pending => (
            ErrorCode::UserProfilePending,
            "The identity check of this user profile is under review",
        ),
        Reason::AccountBlocked => (
            ErrorCode::UserProfileAccountBlocked,
            "The platform has blocked the account of this user profile",
        ),
        Reason::AccountSuspended => (
            ErrorCode::UserProfileAccountSuspended,
            "The platform has suspended the account of this user profile",
        ),
        Reason::ProgramRequired => (
            ErrorCode::UserProfileProgramRequired,
            "This user profile is not active in the program that this request needs",
        ),
    };
    ApiError::new(code.kind(), message).with_code(code)
}

/// What a client is told whose request cannot be billed.
pub fn billing_refusal(refusal: BillingRefusal) -> ApiError {
    let (code, message) = match refusal {
        BillingRefusal::NotAuthorized => (
            ErrorCode::UserProfileBillingNotAuthorized,
            "billing_policy: no organization has agreed to pay for this user profile",
        ),
        BillingRefusal::NotBillable => (
            ErrorCode::UserProfileNotBillable,
            "billing_policy: this user profile cannot be billed",
        ),
        BillingRefusal::Unavailable => (
            ErrorCode::LinkedOrganizationBillingUnavailable,
            "The linked organization cannot be billed now",
        ),
        BillingRefusal::LimitReached => (
            ErrorCode::LinkedOrganizationSpendLimitReached,
            "The linked organization has reached its spend limit",
        ),
    };
    ApiError::new(code.kind(), message).with_code(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_the_contract_s_status_type_and_code() {
        let table = [
            (
                Reason::Missing,
                400,
                "invalid_request_error",
                "user_profile_required",
            ),
            (
                Reason::Unknown,
                400,
                "invalid_request_error",
                "user_profile_not_found",
            ),
            (
                Reason::Banned,
                403,
                "permission_error",
                "user_profile_banned",
            ),
            (
                Reason::Restricted,
                403,
                "permission_error",
                "user_profile_restricted",
            ),
            (
                Reason::Pending,
                403,
                "permission_error",
                "user_profile_pending",
            ),
            (
                Reason::AccountBlocked,
                403,
                "permission_error",
                "user_profile_account_blocked",
            ),
            (
                Reason::AccountSuspended,
                403,
                "permission_error",
                "user_profile_account_suspended",
            ),
            (
                Reason::ProgramRequired,
                403,
                "permission_error",
                "user_profile_program_required",
            ),
            (
                Reason::OrganizationOnHold,
                400,
                "invalid_request_error",
                "organization_on_hold",
            ),
        ];
        for (reason, status, kind, code) in table {
            let told = refusal(reason);
            let said = (
                told.status(),
                told.kind.error_type(),
                told.code.unwrap().as_str(),
            );
            assert_eq!(said, (status, kind, code));
        }
        for (why, status, kind) in [
            (BillingRefusal::NotAuthorized, 403, "permission_error"),
            (BillingRefusal::NotBillable, 403, "permission_error"),
            (BillingRefusal::Unavailable, 402, "billing_error"),
            (BillingRefusal::LimitReached, 402, "billing_error"),
        ] {
            let told = billing_refusal(why);
            assert_eq!((told.status(), told.kind.error_type()), (status, kind));
            assert_eq!(told.code.unwrap().as_str(), why.as_str());
        }
    }

    #[test]
    fn the_query_is_read_for_one_thing_alone() {
        for query in ["deny=403", "beta=true&deny=403", "%%&deny=403&x"] {
            assert!(denies_with_403(Some(query)), "{query}");
        }
        for query in ["", "deny=40", "xdeny=403", "deny=4030"] {
            assert!(!denies_with_403(Some(query)), "{query}");
        }
        assert!(!denies_with_403(None));
    }
}
