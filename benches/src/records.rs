//! The profiles that are measured: NDJSON records, each a pure function of its number.
//!
//! Numbered rather than drawn from one stream, so that a scenario can name the reference of record
//! 123,456 without generating the ones before it. About 400 bytes each as the 2026-03-24 dialect
//! writes them, which is what the figures in the design were measured with.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::random::Random;

/// Changes whenever a record changes, so that a data directory of old records is not reused.
pub(crate) const REVISION: u32 = 2;

/// One of 1,000 profiles has an open restriction.
pub(crate) const RESTRICTED_EVERY: u64 = 1_000;

/// Percent of all profiles that belong to the first organization: half, and enough more that at a
/// million profiles a page at depth 500,000 exists.
const LARGEST_SHARE: u64 = 51;

/// 2024-01-01T00:00:00Z. The span ends in the past of any machine this runs on, because times of
/// onboarding must not lie in the future.
const FIRST_CREATED: i64 = 1_704_067_200_000_000;
const SPAN_MICROSECONDS: u64 = 2 * 365 * 24 * 3_600 * 1_000_000;

const GIVEN_NAMES: [&str; 24] = [
    "Ana", "Bo", "Chiara", "Dmitri", "Elif", "Farid", "Grace", "Hiro", "Ines", "João", "Kwame",
    "Lena", "Mei", "Noor", "Olu", "Priya", "Quinn", "Rosa", "Søren", "Tariq", "Uma", "Viktor",
    "Wanjiru", "Zoë",
];
const FAMILY_NAMES: [&str; 24] = [
    "Abe", "Bauer", "Costa", "Diallo", "Eriksson", "Ferreira", "García", "Haddad", "Ivanova",
    "Jensen", "Kim", "Larsen", "Müller", "Nakamura", "Okafor", "Patel", "Quispe", "Rossi", "Silva",
    "Tanaka", "Usman", "Varga", "Wang", "Yılmaz",
];
const COMPANY_WORDS: [&str; 16] = [
    "Nordlicht",
    "Harbor",
    "Juniper",
    "Quartz",
    "Meridian",
    "Lumen",
    "Cedar",
    "Atlas",
    "Orchard",
    "Falcon",
    "Cobalt",
    "Willow",
    "Summit",
    "Delta",
    "Ember",
    "Tidal",
];
const COMPANY_KINDS: [&str; 8] = [
    "Analytics GmbH",
    "Labs Ltd",
    "Systems Inc",
    "Health SA",
    "Robotics AB",
    "Energy BV",
    "Legal LLP",
    "Media KK",
];
const COUNTRIES: [&str; 12] = [
    "BR", "CA", "DE", "ES", "FR", "GB", "IN", "JP", "KE", "PT", "SE", "US",
];
const PLANS: [&str; 4] = ["free", "team", "business", "enterprise"];
const REGIONS: [&str; 6] = [
    "eu-north", "eu-west", "us-east", "us-west", "ap-south", "ap-east",
];
const CHANNELS: [&str; 4] = ["self-service", "partner", "sales", "migration"];
const REASONS: [&str; 4] = [
    "fraud_or_abuse",
    "usage_policy_violation",
    "unsupported_region",
    "unspecified",
];

/// Which of `organizations` record `number` belongs to.
pub(crate) fn organization_of(number: u64, organizations: u64) -> u64 {
    let mut random = Random::new(number ^ 0x6f72_6761);
    if organizations == 1 || random.percent(LARGEST_SHARE) {
        0
    } else {
        1 + random.below(organizations - 1)
    }
}

/// The reference of record `number` in the platform's own system; some records have none.
pub(crate) fn reference_of(number: u64) -> Option<String> {
    (!number.is_multiple_of(7)).then(|| format!("acct_{number:08}"))
}

/// The record's line, without the line break. `count` is how many there are: creation times are
/// spread over the whole span in the order of numbers, as a registry grows.
pub(crate) fn line(number: u64, count: u64, organization_id: &str) -> String {
    let mut random = Random::new(number.wrapping_mul(0x5851_f42d_4c95_7f2d) ^ 0x726f_6c6c);
    let step = (SPAN_MICROSECONDS / count.max(1)).max(1);
    let created = after_start(number * step + random.below(step));
    let updated = if random.percent(60) {
        created
    } else {
        created.saturating_add(i64::try_from(random.below(90 * 86_400_000_000)).unwrap_or(0))
    };
    let onboarded =
        created.saturating_sub(i64::try_from(random.below(400 * 86_400_000_000)).unwrap_or(0));
    let (relationship, access_type) = match random.below(10) {
        0..7 => ("external", "application"),
        7..9 => ("resold", "passthrough"),
        _ => ("internal", "application"),
    };
    let is_business = random.percent(40);
    json!({
        "type": "user_profile",
        "organization_id": organization_id,
        "id": identifier("uprof", created, &mut random),
        "created_at": timestamp(created),
        "updated_at": timestamp(updated),
        "access_type": access_type,
        "relationship": relationship,
        "name": name(is_business, &mut random),
        "external_user_details": details(number, is_business, onboarded, &mut random),
        "metadata": metadata(number, &mut random),
        "programs": programs(&mut random),
        "enforcement_actions": enforcement_actions(number, created, &mut random),
    })
    .to_string()
}

/// A body for `POST /v1/user_profiles` in the 2026-03-24 dialect, alike to the records.
pub(crate) fn draft(number: u64) -> String {
    let mut random = Random::new(number ^ 0x6372_6561);
    json!({
        "relationship": "external",
        "external_id": format!("new_{number:08}"),
        "name": name(random.percent(40), &mut random).unwrap_or_else(|| "Ana Ferreira".to_owned()),
        "metadata": metadata(number, &mut random),
    })
    .to_string()
}

/// Prefix, `_`, `01` and a UUIDv7 in base58, as Rollcall makes ids: the bits after the version carry the
/// microsecond.
fn identifier(prefix: &str, microseconds: i64, random: &mut Random) -> String {
    let milliseconds = u128::try_from(microseconds / 1_000).unwrap_or(0);
    let fraction = u128::try_from(microseconds % 1_000 * 4_096 / 1_000).unwrap_or(0);
    let version_and_variant = (0x7_u128 << 76) | (0b10_u128 << 62);
    let chance = u128::from(random.next() >> 2);
    let uuid = (milliseconds << 80) | version_and_variant | (fraction << 64) | chance;
    format!("{prefix}_01{}", base58(uuid))
}

/// 22 characters, padded on the left with `1`.
pub(crate) fn base58(value: u128) -> String {
    // A leading zero byte becomes a `1` in this encoding; the padding restores the width.
    let bytes = value.to_be_bytes();
    let significant = bytes
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(bytes.len());
    format!("{:1>22}", bs58::encode(&bytes[significant..]).into_string())
}

fn after_start(microseconds: u64) -> i64 {
    FIRST_CREATED.saturating_add(i64::try_from(microseconds).unwrap_or(0))
}

fn timestamp(microseconds: i64) -> String {
    Timestamp::from_microsecond(microseconds)
        .unwrap_or_default()
        .to_string()
}

fn name(is_business: bool, random: &mut Random) -> Option<String> {
    if random.percent(8) {
        return None;
    }
    let number = random.below(10_000);
    Some(if is_business {
        format!(
            "{} {} {number}",
            random.pick(&COMPANY_WORDS),
            random.pick(&COMPANY_KINDS)
        )
    } else {
        format!(
            "{} {}",
            random.pick(&GIVEN_NAMES),
            random.pick(&FAMILY_NAMES)
        )
    })
}

fn details(number: u64, is_business: bool, onboarded: i64, random: &mut Random) -> Value {
    json!({
        "account_status": random.percent(50).then_some("active"),
        "country": random.percent(60).then(|| *random.pick(&COUNTRIES)),
        "email_hash": random.percent(40).then(|| format!("sha256:{:016x}", random.next())),
        "entity_type": random.percent(70).then_some(if is_business { "business" } else { "individual" }),
        "name_hash": random.percent(20).then(|| format!("sha256:{:016x}", random.next())),
        "onboarded_at": random.percent(50).then(|| timestamp(onboarded)),
        "reference_id": reference_of(number),
    })
}

/// Two to four keys.
fn metadata(number: u64, random: &mut Random) -> Map<String, Value> {
    let mut metadata = Map::new();
    metadata.insert(
        "customer_key".to_owned(),
        format!("cus_{:016x}{number:08}", random.next()).into(),
    );
    metadata.insert("plan".to_owned(), (*random.pick(&PLANS)).into());
    if random.percent(60) {
        metadata.insert("region".to_owned(), (*random.pick(&REGIONS)).into());
    }
    if random.percent(80) {
        let channel = random.pick(&CHANNELS);
        let source = format!("https://app.example.com/sign-up/{channel}?campaign={number}");
        metadata.insert("source".to_owned(), source.into());
    }
    metadata
}

fn programs(random: &mut Random) -> Value {
    let mut programs = Map::new();
    match random.below(100) {
        0..8 => {
            let tiers = json!({"a": "active", "b": "inactive", "c": "inactive"});
            let requirements = json!({"data_retention": true, "human_review": false});
            let cyber = json!({"status": "active", "tiers": tiers, "requirements": requirements});
            programs.insert("cyber".to_owned(), cyber);
        }
        8..12 => {
            programs.insert("cyber".to_owned(), json!({"status": "pending"}));
        }
        12..13 => {
            programs.insert("cyber".to_owned(), json!({"status": "rejected"}));
        }
        _ => {}
    }
    programs.into()
}

fn enforcement_actions(number: u64, created: i64, random: &mut Random) -> Value {
    if number % RESTRICTED_EVERY != 7 % RESTRICTED_EVERY {
        return json!([]);
    }
    let opened = created.saturating_add(3_600_000_000);
    json!([{
        "id": identifier("enac", opened, random),
        "action": random.percent(50).then_some("verify"),
        "expires_at": null,
        "opened_at": timestamp(opened),
        "reason": random.pick(&REASONS),
        "type": "restriction",
    }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_depends_on_its_number_alone() {
        assert_eq!(line(42, 1_000, "o"), line(42, 1_000, "o"));
        assert_ne!(line(42, 1_000, "o"), line(43, 1_000, "o"));
    }

    #[test]
    fn records_are_in_the_order_of_their_creation() {
        let created = |number| {
            let record: Value = serde_json::from_str(&line(number, 50, "o")).unwrap();
            record["created_at"]
                .as_str()
                .unwrap()
                .parse::<Timestamp>()
                .unwrap()
        };
        assert!((1..50).all(|number| created(number - 1) < created(number)));
    }

    #[test]
    fn identifiers_have_the_contracts_form_and_sort_by_time() {
        let early = identifier("uprof", FIRST_CREATED, &mut Random::new(1));
        let late = identifier("uprof", FIRST_CREATED + 1_000, &mut Random::new(1));
        assert_eq!(early.len(), "uprof_01".len() + 22);
        assert!(early < late);
        assert_eq!(base58(0), "1".repeat(22));
    }

    #[test]
    fn one_in_a_thousand_is_restricted_and_half_are_in_the_largest_organization() {
        let mut restricted = 0;
        let mut largest = 0;
        for number in 0..10_000 {
            let record: Value = serde_json::from_str(&line(number, 10_000, "o")).unwrap();
            restricted += record["enforcement_actions"].as_array().unwrap().len();
            largest += u64::from(organization_of(number, 100) == 0);
        }
        assert_eq!(restricted, 10);
        assert!((4_900..5_300).contains(&largest), "{largest} of 10,000");
    }

    #[test]
    fn a_profile_is_about_400_bytes_on_the_wire() {
        let mut total = 0;
        for number in 0..1_000 {
            let record: Value = serde_json::from_str(&line(number, 1_000, "o")).unwrap();
            let wire = json!({
                "id": record["id"], "created_at": record["created_at"],
                "metadata": record["metadata"], "relationship": record["relationship"],
                "trust_grants": {}, "type": "user_profile", "updated_at": record["updated_at"],
                "external_id": record["external_user_details"]["reference_id"],
                "name": record["name"],
            });
            total += wire.to_string().len();
        }
        let mean = total / 1_000;
        assert!((380..430).contains(&mean), "{mean} bytes");
    }
}
