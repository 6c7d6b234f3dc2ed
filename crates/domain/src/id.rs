//! Identifiers: opaque, prefixed, sortable by creation time.
//!
//! Ids that Rollcall makes are a prefix, `01`, and a UUIDv7 in 22 characters of base58 (contract,
//! *General wire rules*). Ids that come in from seeds and imports are only required to have the
//! right prefix and alphabet, so each type's `parse` checks form, never meaning.

use std::fmt;

use parking_lot::Mutex;
use rand::{Rng as _, SeedableRng, rngs::StdRng};
use thiserror::Error;

use crate::clock::Timestamp;

/// The longest identifier that is accepted, in characters.
pub const MAX_LENGTH: usize = 128;

/// Why a text is not an identifier of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("must be {expected}")]
pub struct InvalidId {
    expected: String,
}

fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_LENGTH
        && text.bytes().all(|byte| PLAIN[usize::from(byte)])
}

/// Which bytes an identifier may have. Looked up, because every request has several.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0_u8;
    while byte.is_ascii() {
        plain[byte as usize] = byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        byte += 1;
    }
    plain
};

macro_rules! identifiers {
    ($($(#[$doc:meta])* $name:ident, $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// What every id of this kind begins with.
            pub const PREFIX: &'static str = $prefix;

            /// Accepts an id of 1 to 128 characters from `A–Z a–z 0–9 _ -` with this kind's prefix.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                let fits = is_plain(text)
                    && text.strip_prefix(Self::PREFIX).is_some_and(|rest| !rest.is_empty());
                if fits {
                    Ok(Self(text.into()))
                } else {
                    Err(InvalidId {
                        expected: format!(
                            "an ID of at most {MAX_LENGTH} characters ({}...)",
                            Self::PREFIX
                        ),
                    })
                }
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    )*};
}

identifiers! {
    /// A user profile, `uprof_…`.
    ProfileId, "uprof_";
    /// An enforcement action, `enac_…`.
    EnforcementActionId, "enac_";
    /// A workspace, `wrkspc_…`.
    WorkspaceId, "wrkspc_";
    /// One request and its answer, `req_…`.
    RequestId, "req_";
    /// An API key (not its secret), `apikey_…`.
    ApiKeyId, "apikey_";
    /// An event, `whe_` and 32 hexadecimal digits.
    EventId, "whe_";
    /// One event's delivery to one endpoint, `whd_…`.
    DeliveryId, "whd_";
    /// An end user's application, `enr_…`.
    EnrollmentId, "enr_";
    /// An audit event, `aud_…`.
    AuditEventId, "aud_";
    /// A webhook endpoint, `whep_…` when Rollcall made it; a seed may use any plain text.
    WebhookEndpointId, "";
}

impl ProfileId {
    /// The microsecond that the id carries, if it has the form of those Rollcall makes. A hint at when the
    /// profile was created: an id that was imported may carry any.
    pub fn carried_time(&self) -> Option<Timestamp> {
        let encoded = self.0.strip_prefix(Self::PREFIX)?.strip_prefix("01")?;
        let uuid = from_base58(encoded.as_bytes().try_into().ok()?)?;
        let (millis, fraction) = match uuid.get_version()? {
            uuid::Version::SortRand => (uuid.as_u128() >> 80, (uuid.as_u128() >> 64) & 0xfff),
            _ => return None,
        };
        // The 4,096 steps are finer than the 1,000 microseconds they stand for, so none is lost.
        let micros_in_milli = (fraction * 1_000).div_ceil(4_096);
        Timestamp::from_micros(i64::try_from(millis * 1_000 + micros_in_milli).ok()?)
    }
}

impl AuditEventId {
    /// What every id of this instant and later sorts behind, and every earlier one before.
    pub fn before_all_of(now: Timestamp) -> Self {
        Self(base58(Self::PREFIX, uuid_of(now, [0; 10])).into_boxed_str())
    }
}

/// An organization: a UUID when Rollcall made it, any literal under `rollcall dev`.
///
/// It travels in a response header, so it is visible ASCII, 1 to 128 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrganizationId(Box<str>);

impl OrganizationId {
    /// Accepts 1 to 128 visible ASCII characters.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let fits = !text.is_empty()
            && text.len() <= MAX_LENGTH
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits {
            Ok(Self(text.into()))
        } else {
            Err(InvalidId {
                expected: "an organization ID of 1 to 128 visible characters".into(),
            })
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OrganizationId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Where randomness comes from.
pub trait Chance: Send + Sync + fmt::Debug {
    /// Fills `bytes` with random bytes.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's randomness, through a generator that it seeds; fit for secrets.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemChance;

impl Chance for SystemChance {
    fn fill(&self, bytes: &mut [u8]) {
        rand::rng().fill_bytes(bytes);
    }
}

/// Repeatable randomness for tests: the same seed gives the same ids.
#[derive(Debug)]
pub struct SeededChance(Mutex<StdRng>);

impl SeededChance {
    /// Randomness that follows from `seed` alone.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }
}

impl Chance for SeededChance {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().fill_bytes(bytes);
    }
}

/// Makes identifiers, each carrying the time it was made at.
///
/// Those of one kind and one instant sort in the order they were made, too: a decision makes several at once, a
/// stopped clock makes all of them in one instant, and lists are read in the order of ids.
#[derive(Debug)]
pub struct Ids {
    chance: Box<dyn Chance>,
    newest: Newest,
}

/// The newest id of each kind that is listed.
#[derive(Debug, Default)]
struct Newest {
    profile: Last,
    enforcement_action: Last,
    organization: Last,
    workspace: Last,
    api_key: Last,
    delivery: Last,
    enrollment: Last,
    audit_event: Last,
    webhook_endpoint: Last,
}

/// The last id of a kind.
#[derive(Debug, Default)]
struct Last(Mutex<u128>);

impl Last {
    /// `made`, or the successor of the last one where both are of one instant. Only random bits are counted
    /// on, 62 of them: what stands before them carries the time and stays.
    fn or_next(&self, made: uuid::Uuid) -> uuid::Uuid {
        let mut last = self.0.lock();
        let made = made.as_u128();
        let is_same_instant = made >> 64 == *last >> 64;
        *last = if is_same_instant { *last + 1 } else { made };
        uuid::Uuid::from_u128(*last)
    }
}

impl Default for Ids {
    fn default() -> Self {
        Self::new(Box::new(SystemChance))
    }
}

macro_rules! makers {
    ($($(#[$doc:meta])* $method:ident -> $name:ident, $prefix:expr;)*) => {$(
        $(#[$doc])*
        pub fn $method(&self, now: Timestamp) -> $name {
            let uuid = self.newest.$method.or_next(self.uuid(now));
            $name(base58($prefix, uuid).into_boxed_str())
        }
    )*};
}

impl Ids {
    /// Ids whose random part comes from `chance`.
    pub fn new(chance: Box<dyn Chance>) -> Self {
        Self {
            chance,
            newest: Newest::default(),
        }
    }

    makers! {
        /// A new profile id.
        profile -> ProfileId, ProfileId::PREFIX;
        /// A new enforcement action id.
        enforcement_action -> EnforcementActionId, EnforcementActionId::PREFIX;
        /// A new workspace id.
        workspace -> WorkspaceId, WorkspaceId::PREFIX;
        /// A new API key id.
        api_key -> ApiKeyId, ApiKeyId::PREFIX;
        /// A new delivery id.
        delivery -> DeliveryId, DeliveryId::PREFIX;
        /// A new enrollment id.
        enrollment -> EnrollmentId, EnrollmentId::PREFIX;
        /// A new audit event id.
        audit_event -> AuditEventId, AuditEventId::PREFIX;
        /// A new webhook endpoint id.
        webhook_endpoint -> WebhookEndpointId, "whep_";
    }

    /// A new request id. Nothing lists requests by it.
    pub fn request(&self, now: Timestamp) -> RequestId {
        RequestId(base58(RequestId::PREFIX, self.uuid(now)).into_boxed_str())
    }

    /// A new event id: `whe_` and 32 lower-case hexadecimal digits.
    pub fn event(&self, now: Timestamp) -> EventId {
        EventId(format!("{}{}", EventId::PREFIX, self.uuid(now).simple()).into_boxed_str())
    }

    /// A new organization id: a UUID.
    pub fn organization(&self, now: Timestamp) -> OrganizationId {
        let uuid = self.newest.organization.or_next(self.uuid(now));
        OrganizationId(uuid.hyphenated().to_string().into_boxed_str())
    }

    /// 32 random bytes, for a secret.
    pub fn secret_bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.chance.fill(&mut bytes);
        bytes
    }

    /// A `UUIDv7` whose sub-millisecond bits carry the microsecond, so that ids made in different
    /// microseconds sort by time.
    fn uuid(&self, now: Timestamp) -> uuid::Uuid {
        let mut random = [0; 10];
        self.chance.fill(&mut random);
        uuid_of(now, random)
    }
}

fn uuid_of(now: Timestamp, mut random: [u8; 10]) -> uuid::Uuid {
    let micros = u64::try_from(now.as_micros()).unwrap_or(0);
    // 4,096 steps of the twelve bits after the version spread over 1,000 microseconds.
    let fraction = u16::try_from(micros % 1_000 * 4_096 / 1_000).unwrap_or(0);
    random[..2].copy_from_slice(&fraction.to_be_bytes());
    uuid::Builder::from_unix_timestamp_millis(micros / 1_000, &random).into_uuid()
}

const DIGITS: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// The digits of a UUID.
const WIDTH: usize = 22;

/// Digits are made and read in pieces of so many, which fit a register: dividing and multiplying sixteen bytes digit
/// by digit takes several times as long, and every answer has such an id.
const PIECE: usize = 10;

const OF_PIECE: u128 = 58_u128.pow(10);

/// All 22 digits.
fn base58(prefix: &str, uuid: uuid::Uuid) -> String {
    let mut digits = [b'1'; WIDTH];
    let mut rest = uuid.as_u128();
    for piece in digits.rchunks_mut(PIECE) {
        let mut number = u64::try_from(rest % OF_PIECE).unwrap_or_default();
        rest /= OF_PIECE;
        for digit in piece.iter_mut().rev() {
            *digit = DIGITS[usize::try_from(number % 58).unwrap_or_default()];
            number /= 58;
        }
    }
    let mut text = String::with_capacity(prefix.len() + 2 + WIDTH);
    text.push_str(prefix);
    text.push_str("01");
    // All of them are ASCII.
    text.push_str(std::str::from_utf8(&digits).unwrap_or_default());
    text
}

/// The UUID that has these digits, if one has.
fn from_base58(digits: &[u8; WIDTH]) -> Option<uuid::Uuid> {
    let mut uuid = 0_u128;
    for piece in digits.rchunks(PIECE).rev() {
        let mut number = 0;
        for digit in piece {
            number = number * 58 + u64::from(VALUES[usize::from(*digit)]?);
        }
        uuid = uuid.checked_mul(OF_PIECE)?.checked_add(number.into())?;
    }
    Some(uuid::Uuid::from_u128(uuid))
}

/// What each byte is worth as a digit.
const VALUES: [Option<u8>; 256] = {
    let mut values = [None; 256];
    let mut value = 0_u8;
    while (value as usize) < DIGITS.len() {
        values[DIGITS[value as usize] as usize] = Some(value);
        value += 1;
    }
    values
};

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(1_780_000_000_000_000 + micros).unwrap()
    }

    #[test]
    fn the_bound_of_an_instant_sorts_between_ids_before_and_of_it() {
        let ids = Ids::new(Box::new(SeededChance::new(7)));
        for micros in [0, 1, 999, 1_000, 1_001, 4_095_999] {
            let bound = AuditEventId::before_all_of(at(micros));
            assert!(ids.audit_event(at(micros - 1)) < bound, "{micros}");
            assert!(bound < ids.audit_event(at(micros)), "{micros}");
        }
        // A time before there were ids.
        let oldest = AuditEventId::before_all_of(Timestamp::from_micros(-5).unwrap());
        assert!(oldest < ids.audit_event(Timestamp::EPOCH));
    }

    #[test]
    fn made_ids_have_the_published_form_and_parse() {
        let id = Ids::default().profile(at(0));
        assert_eq!(id.as_str().len(), "uprof_01".len() + 22);
        assert!(id.as_str().starts_with("uprof_01"));
        assert_eq!(ProfileId::parse(id.as_str()), Ok(id));
    }

    #[test]
    fn ids_sort_by_the_microsecond_they_were_made_in() {
        let ids = Ids::new(Box::new(SeededChance::new(7)));
        let made: Vec<_> = (0..500).map(|step| ids.profile(at(step * 3))).collect();
        assert!(made.is_sorted());
    }

    #[test]
    fn an_id_carries_the_microsecond_it_was_made_in() {
        let ids = Ids::new(Box::new(SeededChance::new(7)));
        for micros in 0..2_000 {
            assert_eq!(ids.profile(at(micros)).carried_time(), Some(at(micros)));
        }
    }

    #[test]
    fn ids_of_one_instant_sort_as_they_were_made() {
        fn sort<Id: PartialOrd>(next: impl Fn() -> Id) -> bool {
            let made: Vec<_> = (0..100).map(|_| next()).collect();
            made.is_sorted_by(|before, after| before < after)
        }
        let ids = Ids::default();
        assert!(sort(|| ids.enforcement_action(at(0))));
        assert!(sort(|| ids.organization(at(0))));
        assert!(sort(|| ids.workspace(at(0))));
        assert!(sort(|| ids.api_key(at(0))));
        assert!(sort(|| ids.delivery(at(0))));
        assert!(sort(|| ids.enrollment(at(0))));
        assert!(sort(|| ids.audit_event(at(0))));
        assert!(sort(|| ids.webhook_endpoint(at(0))));
        assert!(sort(|| {
            let id = ids.profile(at(7));
            assert_eq!(id.carried_time(), Some(at(7)));
            id
        }));
    }

    #[test]
    fn digits_are_those_of_base_58() {
        for number in [
            0,
            1,
            57,
            58,
            u128::MAX,
            0x0199_0000_0000_7000_8000_0000_0000_0001,
        ] {
            let uuid = uuid::Uuid::from_u128(number);
            let digits = bs58::encode(uuid.as_bytes()).into_string();
            let digits = digits.trim_start_matches('1');
            let digits = format!("{digits:1>22}");
            assert_eq!(base58("x_", uuid), format!("x_01{digits}"));
            let read = from_base58(digits.as_bytes().try_into().unwrap());
            assert_eq!(read, Some(uuid), "{digits}");
        }
    }

    #[test]
    fn other_ids_carry_no_time() {
        for text in [
            "uprof_1",
            "uprof_011",
            "uprof_01ana",
            "uprof_010OIl",
            // More than a UUID holds.
            "uprof_01zzzzzzzzzzzzzzzzzzzzzz",
            // A digit that is none, in each of the pieces.
            "uprof_010CbeBHspRT5JW7RnPynu5d",
            "uprof_011CbeBHspRl5JW7RnPynu5d",
            "uprof_011CbeBHspRT5JW7RnPynu5O",
            &format!("uprof_01{}", "z".repeat(100)),
        ] {
            assert_eq!(
                ProfileId::parse(text).unwrap().carried_time(),
                None,
                "{text}"
            );
        }
    }

    #[test]
    fn the_published_examples_decode_to_uuids_of_version_seven() {
        let bytes = bs58::decode("1CbeBHspRT5JW7RnPynu5d").into_vec().unwrap();
        let tail: [u8; 16] = bytes[bytes.len() - 16..].try_into().unwrap();
        assert_eq!(uuid::Uuid::from_bytes(tail).get_version_num(), 7);
    }

    #[test]
    fn what_is_not_plain_or_lacks_the_prefix_is_refused() {
        for text in [
            "",
            "uprof_",
            "user_1",
            "uprof_a/b",
            "uprof_ä",
            &format!("uprof_{}", "a".repeat(123)),
        ] {
            assert!(ProfileId::parse(text).is_err(), "{text}");
        }
        assert!(ProfileId::parse(&format!("uprof_{}", "a".repeat(122))).is_ok());
        assert!(WebhookEndpointId::parse("webhook_endpoint_id").is_ok());
        assert!(WebhookEndpointId::parse("").is_err());
    }

    #[test]
    fn organization_ids_are_header_safe() {
        assert!(OrganizationId::parse("my org").is_err());
        assert!(OrganizationId::parse("a\nb").is_err());
        assert!(OrganizationId::parse("org_test").is_ok());
    }
}
