//! `ga`, what a request without a dialect beta gets: `programs` replaces `trust_grants`;
//! `enforcement_actions`, `enforcement_status` and the status filter of the list are new.

use crate::dialect::Dialect;
use crate::dialect::Rule::{Refuses, Takes};
use crate::shown::answered;
use crate::{filters, sent};

/// The dialect.
pub(super) static DIALECT: Dialect = Dialect {
    short_name: "ga",
    beta: None,
    about: "The newest dialect: `programs` replaces `trust_grants`; enforcement is visible.",
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
        ID, ACCESS_TYPE, CREATED_AT, ENFORCEMENT, EXTERNAL_USER_DETAILS, METADATA, NAME, PROGRAMS,
        TYPE, UPDATED_AT,
    },
    listed: Some(answered! {
        ID, ACCESS_TYPE, CREATED_AT, ENFORCEMENT, EXTERNAL_USER_DETAILS, METADATA, NAME,
        PROGRAMS_IN_SUMMARY, TYPE, UPDATED_AT,
    }),
    filters: &[Takes(&filters::ENFORCEMENT_STATUS)],
    enrollment_url: false,
};
