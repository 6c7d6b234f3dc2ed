//! What a setting can hold, and how each kind is read, shown and described.
//!
//! A value arrives typed from the file and as text from the environment and the flags; both end in the
//! same parser, so a value means the same wherever it is set. To add a kind of value, implement
//! [`SettingValue`] for it.

use std::fmt;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum as _;
use ipnet::IpNet;
use rollcall_domain::data_controls::Validator;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use toml::Value;

use crate::telemetry::LogFormat;

/// A kind of value that a setting can hold.
pub(super) trait SettingValue: Sized {
    /// What may be written, for errors and the reference; completes "expected …".
    const EXPECTED: &'static str;

    /// Whether it is kept hidden, and can be in a file that a variable names.
    const SECRET: bool = false;

    /// Reads what is written, if it is of this kind.
    fn read(written: &Value) -> Option<Self>;

    /// Shows the value as it would be written, unless it is a secret.
    fn show(&self) -> String;
}

/// A setting whose kind is known to itself alone.
pub(super) trait AnySetting {
    fn expected(&self) -> &'static str;
    fn is_secret(&self) -> bool;
    /// Replaces the value, or returns false and leaves it.
    fn write(&mut self, written: &Value) -> bool;
    fn show(&self) -> String;
}

impl<T: SettingValue> AnySetting for T {
    fn expected(&self) -> &'static str {
        T::EXPECTED
    }

    fn is_secret(&self) -> bool {
        T::SECRET
    }

    fn write(&mut self, written: &Value) -> bool {
        match T::read(written) {
            Some(value) => {
                *self = value;
                true
            }
            None => false,
        }
    }

    fn show(&self) -> String {
        SettingValue::show(self)
    }
}

/// A value that is kept out of logs, error messages and `--print-config`.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// The value itself. Do not keep it, log it or put it into an error.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self(value.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(HIDDEN)
    }
}

const HIDDEN: &str = "(hidden)";

/// How platforms hash e-mail addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmailHashScheme {
    /// SHA-256.
    Sha256,
}

impl SettingValue for EmailHashScheme {
    const EXPECTED: &'static str = "\"sha256\"";

    fn read(written: &Value) -> Option<Self> {
        match written.as_str()?.trim() {
            "sha256" => Some(Self::Sha256),
            _ => None,
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Sha256 => "sha256".to_owned(),
        }
    }
}

/// A span of durations, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DurationRange {
    /// The shortest.
    pub least: Duration,
    /// The longest; not shorter than `least`.
    pub most: Duration,
}

/// A program that end users can apply for on the enrollment page.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramConfig {
    /// Its name on the wire, e.g. `cyber`.
    pub name: String,
    /// Its title on the page.
    pub title: String,
    /// What it is, for the end user.
    #[serde(default)]
    pub description: String,
    /// What can be asked for within it; only `cyber` has tiers.
    #[serde(default)]
    pub tiers: Vec<ProgramTier>,
    /// What the end user is asked, in this order. Left out: full name, organization, role, intended
    /// use, and an agreement.
    #[serde(default = "ProgramConfig::usual_fields")]
    pub fields: Vec<ProgramField>,
}

/// A tier of a program that an end user can ask for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramTier {
    /// Its name on the wire: `a`, `b` or `c`.
    pub name: String,
    /// Its title on the page.
    pub title: String,
    /// What it is, for the end user.
    #[serde(default)]
    pub description: String,
}

/// One question of a program's form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramField {
    /// Its name in the submission.
    pub name: String,
    /// The question.
    pub label: String,
    /// What helps to answer it.
    #[serde(default)]
    pub hint: String,
    /// How it is answered.
    #[serde(default)]
    pub kind: FieldKind,
    /// What can be chosen, for `kind = "choice"`.
    #[serde(default)]
    pub options: Vec<String>,
    /// Whether it must be answered.
    #[serde(default)]
    pub required: bool,
}

/// How a question is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    /// With a line of text.
    #[default]
    Text,
    /// With some paragraphs.
    LongText,
    /// With one of the options.
    Choice,
    /// By ticking a box.
    Agreement,
}

/// Implements [`SettingValue`] for kinds that are written as one text and shown by `Display`.
macro_rules! text_values {
    ($($kind:ty: $expected:literal),* $(,)?) => {$(
        impl SettingValue for $kind {
            const EXPECTED: &'static str = $expected;

            fn read(written: &Value) -> Option<Self> {
                written.as_str()?.trim().parse().ok()
            }

            fn show(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

text_values! {
    SocketAddr: "an IP address and a port, such as \"127.0.0.1:8787\"",
    IpNet: "a network, such as \"10.0.0.0/8\"",
}

/// Implements [`SettingValue`] for whole numbers.
macro_rules! number_values {
    ($($kind:ty: $expected:literal),* $(,)?) => {$(
        impl SettingValue for $kind {
            const EXPECTED: &'static str = $expected;

            fn read(written: &Value) -> Option<Self> {
                match written {
                    Value::String(text) => text.trim().parse().ok(),
                    number => number.as_integer()?.to_string().parse().ok(),
                }
            }

            fn show(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

number_values! {
    u32: "a whole number from 0",
    NonZeroU32: "a whole number from 1",
    NonZeroUsize: "a whole number from 1",
}

impl SettingValue for bool {
    const EXPECTED: &'static str = "true or false";

    fn read(written: &Value) -> Option<Self> {
        match written.as_str() {
            Some(text) => text.trim().parse().ok(),
            None => written.as_bool(),
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl SettingValue for String {
    const EXPECTED: &'static str = "a text";

    fn read(written: &Value) -> Option<Self> {
        written.as_str().map(str::to_owned)
    }

    fn show(&self) -> String {
        self.clone()
    }
}

impl SettingValue for PathBuf {
    const EXPECTED: &'static str = "a path";

    fn read(written: &Value) -> Option<Self> {
        let path = written.as_str()?;
        (!path.is_empty()).then(|| path.into())
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl SettingValue for Secret {
    const EXPECTED: &'static str = "a text that is not empty (it is kept hidden)";

    const SECRET: bool = true;

    fn read(written: &Value) -> Option<Self> {
        let text = written.as_str()?;
        (!text.is_empty()).then(|| text.to_owned().into())
    }

    fn show(&self) -> String {
        HIDDEN.to_owned()
    }
}

impl SettingValue for LogFormat {
    const EXPECTED: &'static str = "\"auto\", \"text\" or \"json\"";

    fn read(written: &Value) -> Option<Self> {
        Self::from_str(written.as_str()?, false).ok()
    }

    fn show(&self) -> String {
        let name = self.to_possible_value();
        name.map(|name| name.get_name().to_owned())
            .unwrap_or_default()
    }
}

impl SettingValue for Validator {
    const EXPECTED: &'static str = "\"operator\" or \"auto\"";

    fn read(written: &Value) -> Option<Self> {
        Self::parse(written.as_str()?).ok()
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl SettingValue for Duration {
    const EXPECTED: &'static str =
        "a duration such as \"500ms\", \"30s\", \"10m\", \"24h\" or \"7d\"";

    fn read(written: &Value) -> Option<Self> {
        read_duration(written.as_str()?)
    }

    fn show(&self) -> String {
        show_duration(*self)
    }
}

impl SettingValue for DurationRange {
    const EXPECTED: &'static str = "two durations in ascending order, such as \"5s..15s\"";

    fn read(written: &Value) -> Option<Self> {
        let (least, most) = written.as_str()?.split_once("..")?;
        let (least, most) = (read_duration(least)?, read_duration(most)?);
        (least <= most).then_some(Self { least, most })
    }

    fn show(&self) -> String {
        format!(
            "{}..{}",
            show_duration(self.least),
            show_duration(self.most)
        )
    }
}

impl<T: SettingValue> SettingValue for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    const SECRET: bool = T::SECRET;

    fn read(written: &Value) -> Option<Self> {
        T::read(written).map(Some)
    }

    fn show(&self) -> String {
        self.as_ref().map(SettingValue::show).unwrap_or_default()
    }
}

/// Implements [`SettingValue`] for lists, which are arrays in the file and comma-separated elsewhere.
macro_rules! list_values {
    ($($kind:ty: $expected:literal),* $(,)?) => {$(
        impl SettingValue for Vec<$kind> {
            const EXPECTED: &'static str = $expected;

            const SECRET: bool = <$kind>::SECRET;

            fn read(written: &Value) -> Option<Self> {
                match written {
                    Value::String(_) => split_list(written),
                    Value::Array(items) => items.iter().map(<$kind>::read).collect(),
                    _ => None,
                }
            }

            fn show(&self) -> String {
                let items: Vec<String> = self.iter().map(SettingValue::show).collect();
                items.join(",")
            }
        }
    )*};
}

list_values! {
    String: "a list of texts (comma-separated outside the file)",
    Secret: "a list of texts (comma-separated outside the file; they are kept hidden)",
    IpNet: "a list of networks such as \"10.0.0.0/8\" (comma-separated outside the file)",
}

fn split_list<T: SettingValue>(written: &Value) -> Option<Vec<T>> {
    // A list in a file of its own may have a line for each.
    let items = written.as_str()?.split([',', '\n']).map(str::trim);
    items
        .filter(|item| !item.is_empty())
        .map(|item| T::read(&Value::from(item)))
        .collect()
}

impl SettingValue for Vec<ProgramConfig> {
    const EXPECTED: &'static str = "[[programs]] tables with name, title, description, tiers \
        ([[programs.tiers]] with name, title, description) and fields ([[programs.fields]] with name, label, \
        hint, kind, options, required); in the file only";

    fn read(written: &Value) -> Option<Self> {
        written.clone().try_into().ok()
    }

    fn show(&self) -> String {
        let names: Vec<&str> = self.iter().map(|program| program.name.as_str()).collect();
        names.join(",")
    }
}

/// Units of durations in milliseconds, the longest first.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Reads a whole number and a unit.
pub(super) fn read_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit.trim())?;
    let number: u64 = number.parse().ok()?;
    number.checked_mul(*millis).map(Duration::from_millis)
}

fn show_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    let whole = UNITS
        .iter()
        .find(|(_, unit)| millis > 0 && millis.is_multiple_of(u128::from(*unit)));
    let (name, unit) = whole.copied().unwrap_or(("s", 1_000));
    format!("{}{name}", millis / u128::from(unit))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("500ms", 500, "500ms")]
    #[case("30s", 30_000, "30s")]
    #[case("90 s", 90_000, "90s")]
    #[case("120s", 120_000, "2m")]
    #[case("24h", 86_400_000, "1d")]
    #[case("0s", 0, "0s")]
    fn durations_are_a_number_and_a_unit(
        #[case] written: &str,
        #[case] millis: u64,
        #[case] shown: &str,
    ) {
        let duration = read_duration(written).unwrap();
        assert_eq!(duration, Duration::from_millis(millis));
        assert_eq!(SettingValue::show(&duration), shown);
        assert_eq!(read_duration(shown), Some(duration));
    }

    #[rstest]
    #[case("")]
    #[case("30")]
    #[case("s")]
    #[case("-1s")]
    #[case("1.5s")]
    #[case("1 week")]
    #[case("99999999999999999999d")]
    #[case("999999999999999999d")]
    fn anything_else_is_no_duration(#[case] written: &str) {
        assert_eq!(read_duration(written), None);
    }

    #[test]
    fn ranges_ascend() {
        let range = DurationRange::read(&Value::from("5s..15s")).unwrap();
        assert_eq!(SettingValue::show(&range), "5s..15s");
        assert_eq!(DurationRange::read(&Value::from("15s..5s")), None);
        assert_eq!(DurationRange::read(&Value::from("5s")), None);
    }

    #[test]
    fn lists_are_arrays_or_comma_separated() {
        let array = Value::from(vec!["a", "b"]);
        assert_eq!(Vec::<String>::read(&array).unwrap(), ["a", "b"]);
        let text = Value::from(" a, b,");
        assert_eq!(Vec::<String>::read(&text).unwrap(), ["a", "b"]);
        assert!(Vec::<IpNet>::read(&Value::from("10.0.0.0/8,nonsense")).is_none());
    }
}
