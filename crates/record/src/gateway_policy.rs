//! A gateway's policy as JSON: what is stored with an organization and what the operator's API shows.

use std::fmt::Write as _;

use rollcall_domain::gateway_policy::{
    CacheSeconds, ForUnknown, GatewayPolicy, GatewayPolicyPatch, InvalidCacheSeconds, Passage,
};

use crate::field::{Field, Fields, Read};
use crate::json::{self, Json};

/// The text is not a stored policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DamagedPolicy;

/// The policy as an object.
pub fn encode(policy: &GatewayPolicy) -> String {
    let mut text = format!(
        "{{\"trust_client_header\":{},\"missing\":\"{}\",\"unknown\":\"{}\"",
        policy.trust_client_header, policy.missing, policy.unknown
    );
    for (name, passage) in [
        ("banned", policy.banned),
        ("restricted", policy.restricted),
        ("pending", policy.pending),
        ("account_blocked", policy.account_blocked),
        ("account_suspended", policy.account_suspended),
    ] {
        // Writing to a text cannot fail.
        let _ = write!(text, ",\"{name}\":\"{passage}\"");
    }
    let seconds = policy.cache_seconds.get();
    let _ = write!(text, ",\"cache_seconds\":{seconds}}}");
    text
}

/// Reads a text of [`encode`]. A member that only a newer version knows is passed over: after a rollback of
/// the binary its organization's keys must still work.
pub fn decode(text: &str) -> Result<GatewayPolicy, DamagedPolicy> {
    let Ok(Json::Object(object)) = json::parse(text.as_bytes()) else {
        return Err(DamagedPolicy);
    };
    let patch = take(&mut Fields::root(object)).map_err(|_| DamagedPolicy)?;
    Ok(GatewayPolicy::default().patched(&patch))
}

/// Takes the members of a policy that are there.
pub fn take(fields: &mut Fields) -> Read<GatewayPolicyPatch> {
    let mut passage = |name| parsed(fields, name, Passage::parse);
    let [
        missing,
        banned,
        restricted,
        pending,
        account_blocked,
        account_suspended,
    ] = [
        "missing",
        "banned",
        "restricted",
        "pending",
        "account_blocked",
        "account_suspended",
    ]
    .map(&mut passage);
    let trust = fields.take("trust_client_header");
    Ok(GatewayPolicyPatch {
        trust_client_header: trust.map(Field::boolean).transpose()?,
        missing: missing?,
        unknown: parsed(fields, "unknown", ForUnknown::parse)?,
        banned: banned?,
        restricted: restricted?,
        pending: pending?,
        account_blocked: account_blocked?,
        account_suspended: account_suspended?,
        cache_seconds: fields.take("cache_seconds").map(seconds).transpose()?,
    })
}

fn parsed<T, E: std::fmt::Display>(
    fields: &mut Fields,
    name: &'static str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Read<Option<T>> {
    let field = fields.take(name);
    field.map(|field| field.parsed(parse)).transpose()
}

fn seconds(field: Field) -> Read<CacheSeconds> {
    let path = field.path.clone();
    let seconds = field.integer(0..=CacheSeconds::MOST.into())?;
    u16::try_from(seconds)
        .map_err(|_| InvalidCacheSeconds)
        .and_then(CacheSeconds::new)
        .map_err(|error| crate::field::FieldError::new(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_read_back_as_it_was_written() {
        let usual = GatewayPolicy::default();
        let text = encode(&usual);
        assert_eq!(
            text,
            r#"{"trust_client_header":false,"missing":"allow","unknown":"deny","banned":"deny","restricted":"allow","pending":"allow","account_blocked":"deny","account_suspended":"deny","cache_seconds":5}"#
        );
        assert_eq!(decode(&text), Ok(usual));
        let other = usual.patched(&GatewayPolicyPatch {
            trust_client_header: Some(true),
            missing: Some(Passage::Deny),
            unknown: Some(ForUnknown::Create),
            banned: Some(Passage::Allow),
            restricted: Some(Passage::Deny),
            pending: Some(Passage::Deny),
            account_blocked: Some(Passage::Allow),
            account_suspended: Some(Passage::Allow),
            cache_seconds: CacheSeconds::new(300).ok(),
        });
        assert_eq!(decode(&encode(&other)), Ok(other));
    }

    #[test]
    fn what_a_newer_version_added_is_passed_over_and_what_is_damaged_is_not() {
        let newer = r#"{"missing":"deny","tomorrow":1}"#;
        assert_eq!(decode(newer).unwrap().missing, Passage::Deny);
        for text in [
            "",
            "[]",
            r#"{"missing":"perhaps"}"#,
            r#"{"cache_seconds":301}"#,
        ] {
            assert_eq!(decode(text), Err(DamagedPolicy), "{text}");
        }
    }
}
