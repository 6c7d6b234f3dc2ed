//! What every backend repeats of a profile beside its document, so that it can be searched, and columns
//! that hold a list.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::enforcement::{EnforcementStatus, Outlook};
use rollcall_domain::event::Subscription;
use rollcall_domain::gateway_policy::GatewayPolicy;
use rollcall_domain::page::StatusFilter;
use rollcall_domain::profile::{AccessType, Profile};
use rollcall_domain::tenant::SecretHash;
use rollcall_domain::text::Name;
use rollcall_domain::text_enum::NotOneOf;
use rollcall_record::gateway_policy;
use sha2::{Digest as _, Sha256};

/// The outlook of a profile that an expiry will change, or already has.
const OUTLOOK_CHANGING: i64 = 4;

/// The number that stands for a certain status.
fn status_code(status: EnforcementStatus) -> i64 {
    match status {
        EnforcementStatus::Unrestricted => 0,
        EnforcementStatus::Pending => 1,
        EnforcementStatus::Restricted => 2,
        EnforcementStatus::Banned => 3,
    }
}

/// The numbers of every outlook that may come to one of `wanted`.
pub(crate) fn outlooks(wanted: StatusFilter) -> impl Iterator<Item = i64> {
    wanted.statuses().map(status_code).chain([OUTLOOK_CHANGING])
}

/// The number that stands for an outlook.
pub(crate) fn outlook_code(outlook: Outlook) -> i64 {
    match outlook {
        Outlook::Certain(status) => status_code(status),
        Outlook::Changing => OUTLOOK_CHANGING,
    }
}

/// The number that stands for an access type.
pub(crate) fn access_type_code(access_type: AccessType) -> i64 {
    match access_type {
        AccessType::Application => 0,
        AccessType::Passthrough => 1,
    }
}

/// What an endpoint subscribes to, as its column holds it.
pub(crate) fn events_text(events: &[Subscription]) -> String {
    let texts: Vec<_> = events.iter().map(Subscription::as_str).collect();
    texts.join(",")
}

/// Reads a text of [`events_text`].
pub(crate) fn parse_events(text: &str) -> Result<Vec<Subscription>, NotOneOf> {
    text.split(',').map(Subscription::parse).collect()
}

/// A gateway's policy, as its column holds it: the default is left out, so that it can change for those who
/// never chose.
pub(crate) fn policy_text(policy: &GatewayPolicy) -> Option<String> {
    (*policy != GatewayPolicy::default()).then(|| gateway_policy::encode(policy))
}

/// What a profile's row repeats of its document, to be searched.
#[derive(PartialEq, Eq)]
pub(crate) struct Narrow<'a> {
    pub(crate) folded_name: Option<String>,
    pub(crate) reference_id: Option<&'a str>,
    pub(crate) email_hash: Option<&'a str>,
    pub(crate) country: Option<&'a str>,
    pub(crate) access_type: i64,
    pub(crate) outlook: i64,
}

impl<'a> Narrow<'a> {
    pub(crate) fn of(profile: &'a Profile) -> Self {
        let details = &profile.details;
        Self {
            folded_name: profile.name.as_ref().map(Name::folded),
            reference_id: details
                .reference_id
                .as_ref()
                .map(rollcall_domain::text::ReferenceId::as_str),
            email_hash: details
                .email_hash
                .as_ref()
                .map(rollcall_domain::text::OpaqueHash::as_str),
            country: details
                .country
                .as_ref()
                .map(rollcall_domain::text::Country::as_str),
            access_type: access_type_code(profile.relationship.access_type()),
            outlook: outlook_code(profile.enforcement.outlook()),
        }
    }
}

/// The day a timestamp lies in, counted from 1970-01-01.
pub(crate) fn day(timestamp: Timestamp) -> i64 {
    timestamp.as_micros().div_euclid(86_400_000_000)
}

/// The first text after every text that begins with `prefix`, if there is one.
pub(crate) fn after_prefix(prefix: &str) -> Option<String> {
    let mut characters: Vec<char> = prefix.chars().collect();
    while let Some(last) = characters.pop() {
        let next = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32);
        if let Some(next) = next {
            characters.push(next);
            return Some(characters.into_iter().collect());
        }
    }
    None
}

/// What a key is looked up by: the first eight bytes of its secret's hash.
pub(crate) fn lookup(secret: &SecretHash) -> i64 {
    first_eight(&secret.0)
}

/// The first eight bytes of a text's hash, for what must not hold the text itself.
pub(crate) fn text_lookup(text: &str) -> i64 {
    first_eight(&Sha256::digest(text).into())
}

fn first_eight(hash: &[u8; 32]) -> i64 {
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    i64::from_be_bytes(first)
}
