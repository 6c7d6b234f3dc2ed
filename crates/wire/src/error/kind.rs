//! The rows of the error catalogue.
//!
//! [`ErrorKind`] is the one table from kind to status and `error.type`; SDKs choose their exception
//! class by them, so a row may be added and never changed.

/// A row of the error catalogue, without its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Headers, query or body are malformed, or do not fit the endpoint or the dialect.
    InvalidRequest,
    /// There is no credential that works.
    Authentication,
    /// Whoever is to pay cannot; the inference stub alone answers so.
    Billing,
    /// The credential works and is not for this.
    Permission,
    /// The path, or what it names, does not exist.
    NotFound,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// The head of the request did not arrive in time.
    RequestTimeout,
    /// What is stored does not allow it any more.
    Conflict,
    /// The body is too large.
    TooLarge,
    /// The request target is too long.
    UriTooLong,
    /// Too many requests.
    RateLimit,
    /// The header section is too large.
    HeadersTooLarge,
    /// A defect or an unforeseen failure.
    Internal,
    /// The request needs what this server does not do.
    NotImplemented,
    /// The server is starting or draining.
    Unavailable,
    /// The server's own time limit passed.
    Timeout,
    /// The storage is busy or unreachable.
    Overloaded,
}

impl ErrorKind {
    /// Every kind, by status.
    pub const ALL: [Self; 17] = [
        Self::InvalidRequest,
        Self::Authentication,
        Self::Billing,
        Self::Permission,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::Conflict,
        Self::TooLarge,
        Self::UriTooLong,
        Self::RateLimit,
        Self::HeadersTooLarge,
        Self::Internal,
        Self::NotImplemented,
        Self::Unavailable,
        Self::Timeout,
        Self::Overloaded,
    ];

    const fn row(self) -> (u16, &'static str) {
        match self {
            Self::InvalidRequest => (400, "invalid_request_error"),
            Self::Authentication => (401, "authentication_error"),
            Self::Billing => (402, "billing_error"),
            Self::Permission => (403, "permission_error"),
            Self::NotFound => (404, "not_found_error"),
            Self::MethodNotAllowed => (405, "invalid_request_error"),
            Self::RequestTimeout => (408, "invalid_request_error"),
            Self::Conflict => (409, "conflict_error"),
            Self::TooLarge => (413, "request_too_large"),
            Self::UriTooLong => (414, "invalid_request_error"),
            Self::RateLimit => (429, "rate_limit_error"),
            Self::HeadersTooLarge => (431, "invalid_request_error"),
            Self::Internal => (500, "api_error"),
            Self::NotImplemented => (501, "api_error"),
            Self::Unavailable => (503, "overloaded_error"),
            Self::Timeout => (504, "timeout_error"),
            Self::Overloaded => (529, "overloaded_error"),
        }
    }

    /// The status of the answer.
    pub const fn status(self) -> u16 {
        self.row().0
    }

    /// The `error.type` of the answer.
    pub const fn error_type(self) -> &'static str {
        self.row().1
    }

    /// What it says, in words.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::InvalidRequest => {
                "Headers, query or body are malformed or do not fit the endpoint or the dialect; the message names the place."
            }
            Self::Authentication => "There is no credential that works.",
            Self::Permission => {
                "The key is of another kind than this path is for, or cannot act in that workspace; or a \
                 gateway's policy refuses the profile."
            }
            Self::Billing => {
                "Whoever is to pay cannot; the inference stub of `rollcall dev` alone answers so."
            }
            Self::NotFound => "What the path names is not there.",
            Self::MethodNotAllowed => "The path does not have the method.",
            Self::RequestTimeout => "The head of the request did not arrive in time.",
            Self::Conflict => "What is stored does not allow it any more.",
            Self::TooLarge => "The body is too large.",
            Self::UriTooLong => "The request target has more than 8 KiB.",
            Self::RateLimit => {
                "Too many requests, or too many failed authentications from one address."
            }
            Self::HeadersTooLarge => "The header section has more than 32 KiB.",
            Self::Internal => "A defect or an unforeseen failure.",
            Self::NotImplemented => "The body has a `Transfer-Encoding` other than `chunked`.",
            Self::Unavailable => "The server is starting or draining.",
            Self::Timeout => "The server's own time limit passed.",
            Self::Overloaded => "The storage is busy or unreachable.",
        }
    }

    /// What `x-should-retry` says on it, if it is sent at all. Where it may say either, `false` is for a
    /// write of which nobody knows whether it happened.
    pub const fn should_retry(self) -> &'static [&'static str] {
        match self {
            Self::RateLimit | Self::Unavailable | Self::Overloaded => &["true"],
            Self::Internal | Self::Timeout => &["true", "false"],
            Self::Conflict | Self::NotImplemented => &["false"],
            Self::InvalidRequest
            | Self::Authentication
            | Self::Billing
            | Self::Permission
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::RequestTimeout
            | Self::TooLarge
            | Self::UriTooLong
            | Self::HeadersTooLarge => &[],
        }
    }
}

rollcall_domain::text_enum! {
    /// `error.details.error_code`, for the rows of the catalogue that have one.
    ErrorCode {
        /// `Content-Encoding` is neither `identity` nor `gzip`.
        RequestBodyEncodingUnsupported = "request_body_encoding_unsupported",
        /// The body is not valid for its `Content-Encoding`.
        RequestBodyEncodingInvalid = "request_body_encoding_invalid",
        /// The body did not arrive in time.
        RequestBodyTimeout = "request_body_timeout",
        /// `Content-Type` names a charset that is not taken.
        UnsupportedCharset = "unsupported_charset",
        /// The operator put the organization on hold.
        OrganizationOnHold = "organization_on_hold",
        /// The organization may not switch encryption keys on.
        CmekNotApproved = "cmek_not_approved",
        /// The organization may not switch storage buckets on.
        StorageNotApproved = "storage_not_approved",
        /// A compressed body is too large once decoded.
        RequestBodyTooLargeAfterDecoding = "request_body_too_large_after_decoding",
        /// No profile was named.
        UserProfileRequired = "user_profile_required",
        /// The profile that was named is not there.
        UserProfileNotFound = "user_profile_not_found",
        /// The profile is banned.
        UserProfileBanned = "user_profile_banned",
        /// The profile is restricted.
        UserProfileRestricted = "user_profile_restricted",
        /// The profile's identity check is under review.
        UserProfilePending = "user_profile_pending",
        /// The platform has blocked the account.
        UserProfileAccountBlocked = "user_profile_account_blocked",
        /// The platform has suspended the account.
        UserProfileAccountSuspended = "user_profile_account_suspended",
        /// The program that was asked for is not active.
        UserProfileProgramRequired = "user_profile_program_required",
        /// Nobody has agreed to pay for the profile.
        UserProfileBillingNotAuthorized = "user_profile_billing_not_authorized",
        /// The profile cannot be billed at all.
        UserProfileNotBillable = "user_profile_not_billable",
        /// Whoever pays for the profile cannot now.
        LinkedOrganizationBillingUnavailable = "linked_organization_billing_unavailable",
        /// Whoever pays for the profile has paid enough.
        LinkedOrganizationSpendLimitReached = "linked_organization_spend_limit_reached",
    }
}

impl ErrorCode {
    /// The row of the catalogue that it is on.
    pub const fn kind(self) -> ErrorKind {
        match self {
            Self::RequestBodyTooLargeAfterDecoding => ErrorKind::TooLarge,
            Self::RequestBodyEncodingUnsupported
            | Self::RequestBodyEncodingInvalid
            | Self::RequestBodyTimeout
            | Self::UnsupportedCharset
            | Self::OrganizationOnHold
            | Self::CmekNotApproved
            | Self::StorageNotApproved
            | Self::UserProfileRequired
            | Self::UserProfileNotFound => ErrorKind::InvalidRequest,
            Self::UserProfileBanned
            | Self::UserProfileRestricted
            | Self::UserProfilePending
            | Self::UserProfileAccountBlocked
            | Self::UserProfileAccountSuspended
            | Self::UserProfileProgramRequired
            | Self::UserProfileBillingNotAuthorized
            | Self::UserProfileNotBillable => ErrorKind::Permission,
            Self::LinkedOrganizationBillingUnavailable
            | Self::LinkedOrganizationSpendLimitReached => ErrorKind::Billing,
        }
    }

    /// Whether only a request for inference is refused so, by a gateway or the stub.
    pub const fn is_of_inference(self) -> bool {
        match self {
            Self::RequestBodyEncodingUnsupported
            | Self::RequestBodyEncodingInvalid
            | Self::RequestBodyTimeout
            | Self::UnsupportedCharset
            | Self::OrganizationOnHold
            | Self::CmekNotApproved
            | Self::StorageNotApproved
            | Self::RequestBodyTooLargeAfterDecoding => false,
            Self::UserProfileRequired
            | Self::UserProfileNotFound
            | Self::UserProfileBanned
            | Self::UserProfileRestricted
            | Self::UserProfilePending
            | Self::UserProfileAccountBlocked
            | Self::UserProfileAccountSuspended
            | Self::UserProfileProgramRequired
            | Self::UserProfileBillingNotAuthorized
            | Self::UserProfileNotBillable
            | Self::LinkedOrganizationBillingUnavailable
            | Self::LinkedOrganizationSpendLimitReached => true,
        }
    }

    /// What it says, in words.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::RequestBodyEncodingUnsupported => {
                "`Content-Encoding` is neither `identity` nor `gzip`."
            }
            Self::RequestBodyEncodingInvalid => "The body is not valid for its `Content-Encoding`.",
            Self::RequestBodyTimeout => {
                "The body did not arrive within 30 seconds; nothing was done."
            }
            Self::UnsupportedCharset => {
                "`Content-Type` names a charset other than `utf-8` and `us-ascii`."
            }
            Self::OrganizationOnHold => "The operator put the organization on hold.",
            Self::CmekNotApproved => {
                "The operator has not approved customer-managed encryption keys for the organization."
            }
            Self::StorageNotApproved => {
                "The operator has not approved customer-owned storage for the organization."
            }
            Self::RequestBodyTooLargeAfterDecoding => {
                "A compressed body has more than 1 MiB once decoded."
            }
            Self::UserProfileRequired => "A request for inference names no profile and must.",
            Self::UserProfileNotFound => {
                "A request for inference names a profile that the organization does not have."
            }
            Self::UserProfileBanned => "The profile is banned. The code is Rollcall's own.",
            Self::UserProfileRestricted => {
                "The profile is restricted, and the policy refuses that. The code is Rollcall's own."
            }
            Self::UserProfilePending => {
                "The profile's identity check is under review, and the policy refuses that. The code is Rollcall's own."
            }
            Self::UserProfileAccountBlocked => {
                "The platform has blocked the account. The code is Rollcall's own."
            }
            Self::UserProfileAccountSuspended => {
                "The platform has suspended the account. The code is Rollcall's own."
            }
            Self::UserProfileProgramRequired => {
                "The profile is not active in the program that the gateway asks for. The code is Rollcall's own."
            }
            Self::UserProfileBillingNotAuthorized => {
                "Nobody has agreed to pay for the profile; the inference stub alone."
            }
            Self::UserProfileNotBillable => {
                "The profile cannot be billed; the inference stub alone."
            }
            Self::LinkedOrganizationBillingUnavailable => {
                "Whoever pays for the profile cannot now; the inference stub alone."
            }
            Self::LinkedOrganizationSpendLimitReached => {
                "Whoever pays for the profile has paid enough; the inference stub alone."
            }
        }
    }
}
