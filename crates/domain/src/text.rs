//! Texts with limits, each a type that can only hold what the contract allows.
//!
//! *Character* means Unicode scalar value. Texts are kept as they came: no trimming, no
//! normalisation (contract, *General wire rules*). The NUL character is refused everywhere, because
//! `PostgreSQL` cannot store it.

use std::collections::BTreeMap;
use std::fmt;

use thiserror::Error;

/// Why a text does not fit; written to stand after `field: `.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidText {
    /// The text is empty.
    #[error("must be at least 1 character")]
    Empty,
    /// The text is longer than its limit.
    #[error("must be at most {0} characters")]
    TooLong(usize),
    /// The text contains U+0000.
    #[error("must not contain the character U+0000")]
    Nul,
}

fn check(text: &str, limit: usize) -> Result<(), InvalidText> {
    if text.is_empty() {
        Err(InvalidText::Empty)
    } else if text.len() > limit && text.chars().nth(limit).is_some() {
        Err(InvalidText::TooLong(limit))
    } else if text.contains('\0') {
        Err(InvalidText::Nul)
    } else {
        Ok(())
    }
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident, $limit:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// The most characters this text may have.
            pub const LIMIT: usize = $limit;

            /// Accepts 1 to [`Self::LIMIT`] characters.
            pub fn parse(text: &str) -> Result<Self, InvalidText> {
                check(text, Self::LIMIT).map(|()| Self(text.into()))
            }

            /// The text as it was sent.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        // These texts are personal data: they must not reach a log through `{:?}`.
        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, concat!(stringify!($name), "({} bytes)"), self.0.len())
            }
        }
    )*};
}

texts! {
    /// What the platform calls the entity.
    Name, 255;
    /// The platform's own reference for the entity; not unique.
    ReferenceId, 255;
    /// An opaque hash of an e-mail address or a name.
    OpaqueHash, 255;
    /// A metadata key.
    MetadataKey, 64;
    /// A metadata value.
    MetadataValue, 512;
    /// What the operator says went wrong with a key or a bucket.
    Explanation, 500;
    /// What a key service or a storage service calls something.
    ResourceName, 512;
}

impl Name {
    /// The name as listings by name compare it: ASCII `A–Z` folded, every other character as it is.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

/// Two upper-case ASCII letters; only the form is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

/// The text is not two upper-case ASCII letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("must be two upper-case ASCII letters")]
pub struct InvalidCountry;

impl Country {
    /// Accepts exactly two letters `A–Z`.
    pub fn parse(text: &str) -> Result<Self, InvalidCountry> {
        match *text.as_bytes() {
            [first, second] if first.is_ascii_uppercase() && second.is_ascii_uppercase() => {
                Ok(Self([first, second]))
            }
            _ => Err(InvalidCountry),
        }
    }

    /// The two letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// The most keys a profile's metadata may hold, and the most one request may send.
pub const METADATA_KEYS: usize = 16;

/// Why a set of metadata does not fit; written to stand after `metadata: `.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidMetadata {
    /// More keys than a request may send or a profile may be created with.
    #[error("must have at most {METADATA_KEYS} keys")]
    TooManyKeys,
    /// The merge would leave more keys than a profile may hold.
    #[error("would hold {0} keys after this update; at most {METADATA_KEYS} are allowed")]
    TooManyAfterMerge(usize),
}

/// What the platform keeps with a profile: at most 16 pairs, in code point order of the keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata(BTreeMap<MetadataKey, MetadataValue>);

impl Metadata {
    /// Accepts at most [`METADATA_KEYS`] pairs.
    pub fn parse(pairs: BTreeMap<MetadataKey, MetadataValue>) -> Result<Self, InvalidMetadata> {
        if pairs.len() > METADATA_KEYS {
            Err(InvalidMetadata::TooManyKeys)
        } else {
            Ok(Self(pairs))
        }
    }

    /// The pairs in code point order of their keys.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These pairs with `patch` merged in: sent keys overwrite, emptied keys go, others stay.
    pub fn merged(&self, patch: &MetadataPatch) -> Result<Self, InvalidMetadata> {
        let mut pairs = self.0.clone();
        for (key, value) in &patch.0 {
            match value {
                Some(value) => pairs.insert(key.clone(), value.clone()),
                None => pairs.remove(key),
            };
        }
        if pairs.len() > METADATA_KEYS {
            Err(InvalidMetadata::TooManyAfterMerge(pairs.len()))
        } else {
            Ok(Self(pairs))
        }
    }
}

/// A change of metadata: a value sets its key, `None` removes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetadataPatch(BTreeMap<MetadataKey, Option<MetadataValue>>);

impl MetadataPatch {
    /// Accepts at most [`METADATA_KEYS`] keys.
    pub fn parse(
        pairs: BTreeMap<MetadataKey, Option<MetadataValue>>,
    ) -> Result<Self, InvalidMetadata> {
        if pairs.len() > METADATA_KEYS {
            Err(InvalidMetadata::TooManyKeys)
        } else {
            Ok(Self(pairs))
        }
    }

    /// What it makes of no metadata.
    pub fn into_metadata(self) -> Metadata {
        let set = self.0.into_iter();
        Metadata(set.filter_map(|(key, value)| Some((key, value?))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn limits_count_characters_not_bytes() {
        assert!(Name::parse(&"𝔸".repeat(255)).is_ok());
        assert_eq!(
            Name::parse(&"𝔸".repeat(256)),
            Err(InvalidText::TooLong(255))
        );
        assert_eq!(Name::parse(""), Err(InvalidText::Empty));
        assert_eq!(Name::parse("a\0b"), Err(InvalidText::Nul));
    }

    #[test]
    fn countries_are_judged_by_form_alone() {
        for text in ["us", "USA", "ÅX", "", "U"] {
            assert_eq!(Country::parse(text), Err(InvalidCountry), "{text}");
        }
        assert!(Country::parse("ZZ").is_ok());
    }

    #[test]
    fn debug_output_shows_no_content() {
        assert_eq!(
            format!("{:?}", Name::parse("Ana").unwrap()),
            "Name(3 bytes)"
        );
    }

    fn patch() -> impl Strategy<Value = MetadataPatch> {
        prop::collection::btree_map("[a-j]", prop::option::of("[x-z]"), 0..8).prop_map(|pairs| {
            let parsed = pairs.into_iter().map(|(key, value)| {
                let value = value.map(|value| MetadataValue::parse(&value).unwrap());
                (MetadataKey::parse(&key).unwrap(), value)
            });
            MetadataPatch::parse(parsed.collect()).unwrap()
        })
    }

    proptest! {
        #[test]
        fn merging_twice_equals_merging_once(first in patch(), second in patch()) {
            let start = Metadata::default().merged(&first).unwrap();
            let once = start.merged(&second).unwrap();
            prop_assert_eq!(once.merged(&second).unwrap(), once);
        }
    }
}
