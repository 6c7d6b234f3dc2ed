//! `2026-09-04`: `external_user_details` replaces `external_id` and `external_user_onboarded_at`.

use crate::dialect::Dialect;
use crate::dialect::Rule::{Refuses, Takes};
use crate::shown::answered;
use crate::{filters, sent};

/// The dialect.
pub(super) static DIALECT: Dialect = Dialect {
    short_name: "2026-09-04",
    beta: Some("user-profiles-2026-09-04"),
    about: "`external_user_details` replaces `external_id` and `external_user_onboarded_at`.",
    sent: &[
        Takes(&sent::ACCESS_TYPE),
        Refuses(&sent::RELATIONSHIP, "send access_type"),
        Takes(&sent::NAME),
        Takes(&sent::METADATA),
        Refuses(
            &sent::EXTERNAL_ID,
            "send external_user_details.reference_id",
        ),
        Refuses(
            &sent::EXTERNAL_USER_ONBOARDED_AT,
            "send external_user_details.onboarded_at",
        ),
        Takes(&sent::EXTERNAL_USER_DETAILS),
    ],
    shown: answered! {
        ID, CREATED_AT, METADATA, NAME, TRUST_GRANTS, TYPE, UPDATED_AT, ACCESS_TYPE,
        EXTERNAL_USER_DETAILS,
    },
    listed: None,
    filters: &[Refuses(
        &filters::ENFORCEMENT_STATUS,
        "with a user-profiles beta header; remove the header value to use it",
    )],
    enrollment_url: true,
};
