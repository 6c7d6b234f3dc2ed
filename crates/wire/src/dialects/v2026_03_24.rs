//! `2026-03-24`: `relationship`, `external_id`, `trust_grants`.
//!
//! What the newer dialects know besides is not visible here and stays as it is.

use crate::dialect::Dialect;
use crate::dialect::Rule::{Refuses, Takes};
use crate::shown::answered;
use crate::{filters, sent};

/// The dialect.
pub(super) static DIALECT: Dialect = Dialect {
    short_name: "2026-03-24",
    beta: Some("user-profiles-2026-03-24"),
    about: "The first dialect: `relationship`, `external_id` and `trust_grants`.",
    sent: &[
        Refuses(&sent::ACCESS_TYPE, "send relationship"),
        Takes(&sent::RELATIONSHIP),
        Takes(&sent::NAME),
        Takes(&sent::METADATA),
        Takes(&sent::EXTERNAL_ID),
        Refuses(
            &sent::EXTERNAL_USER_ONBOARDED_AT,
            "use user-profiles-2026-08-18 to send it",
        ),
        Refuses(
            &sent::EXTERNAL_USER_DETAILS,
            "send external_id, or use user-profiles-2026-09-04 to send it",
        ),
    ],
    shown: answered! {
        ID, CREATED_AT, METADATA, RELATIONSHIP, TRUST_GRANTS, TYPE, UPDATED_AT, EXTERNAL_ID, NAME,
    },
    listed: None,
    filters: &[Refuses(
        &filters::ENFORCEMENT_STATUS,
        "with a user-profiles beta header; remove the header value to use it",
    )],
    enrollment_url: true,
};
