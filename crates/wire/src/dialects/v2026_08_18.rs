//! `2026-08-18`: `access_type` replaces `relationship`; `external_user_onboarded_at` is new.

use crate::dialect::Dialect;
use crate::dialect::Rule::{Refuses, Takes};
use crate::shown::answered;
use crate::{filters, sent};

/// The dialect.
pub(super) static DIALECT: Dialect = Dialect {
    short_name: "2026-08-18",
    beta: Some("user-profiles-2026-08-18"),
    about: "`access_type` replaces `relationship`; `external_user_onboarded_at` is new.",
    sent: &[
        Takes(&sent::ACCESS_TYPE),
        Refuses(&sent::RELATIONSHIP, "send access_type"),
        Takes(&sent::NAME),
        Takes(&sent::METADATA),
        Takes(&sent::EXTERNAL_ID),
        Takes(&sent::EXTERNAL_USER_ONBOARDED_AT),
        Refuses(
            &sent::EXTERNAL_USER_DETAILS,
            "send external_id and external_user_onboarded_at",
        ),
    ],
    shown: answered! {
        ID, CREATED_AT, METADATA, NAME, TRUST_GRANTS, TYPE, UPDATED_AT, ACCESS_TYPE, EXTERNAL_ID,
        EXTERNAL_USER_ONBOARDED_AT,
    },
    listed: None,
    filters: &[Refuses(
        &filters::ENFORCEMENT_STATUS,
        "with a user-profiles beta header; remove the header value to use it",
    )],
    enrollment_url: true,
};
