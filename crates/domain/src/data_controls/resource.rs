//! What a region is given: keys and buckets, how their references are written, and what is known of them.

use std::fmt::Debug;

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::id::ProfileId;
use crate::text::{Explanation, ResourceName};

crate::text_enum! {
    /// One of the two controls.
    ControlKind {
        /// Customer-managed encryption keys.
        Cmek = "cmek",
        /// Customer-owned storage.
        Storage = "storage",
    }
}

impl ControlKind {
    /// The field of an update that says what each region is given.
    pub fn field(self) -> &'static str {
        match self {
            Self::Cmek => "cmek.external_key_ids",
            Self::Storage => "storage.buckets",
        }
    }

    /// What a region is given, in words.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Cmek => "key",
            Self::Storage => "bucket",
        }
    }
}

crate::text_enum! {
    /// What is looked at when a bucket is verified.
    CheckName {
        /// The bucket's label.
        LabelMismatch = "label_mismatch",
        /// Its location.
        LocationMismatch = "location_mismatch",
        /// Its encryption.
        Encryption = "encryption",
        /// Its versioning.
        Versioning = "versioning",
        /// Its other settings.
        BucketSettings = "bucket_settings",
        /// Its lifecycle rules.
        LifecycleRules = "lifecycle_rules",
        /// What may delete from it.
        DeletionPolicy = "deletion_policy",
        /// Who was given access.
        GrantMismatch = "grant_mismatch",
        /// Its default key.
        KmsKeyRefused = "kms_key_refused",
        /// A write and a read.
        ProbeFailed = "probe_failed",
        /// Its project.
        ProjectNotVerified = "project_not_verified",
    }
}

crate::text_enum! {
    /// The account whose access a failed check is about.
    AccessRole {
        /// It writes.
        Ingest = "ingest",
        /// It reads.
        Read = "read",
        /// It tidies up.
        Maintenance = "maintenance",
        /// It erases media.
        MediaErasure = "media_erasure",
        /// It verifies.
        Verify = "verify",
    }
}

/// Why a text is no reference to a key or a bucket; written to stand after `field: `.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct InvalidReference(&'static str);

fn has(text: &str, lengths: std::ops::RangeInclusive<usize>, fits: fn(&u8) -> bool) -> bool {
    lengths.contains(&text.len()) && text.as_bytes().iter().all(fits)
}

/// The id of a key in the end customer's key service, which Rollcall does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalKeyId(Box<str>);

impl ExternalKeyId {
    /// Accepts `ekey_` and 1 to 122 characters from `A–Z a–z 0–9 _ -`.
    pub fn parse(text: &str) -> Result<Self, InvalidReference> {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let rest = text.strip_prefix("ekey_");
        rest.filter(|rest| has(rest, 1..=122, plain))
            .map(|_| Self(text.into()))
            .ok_or(InvalidReference(
                "must be the ID of an external key: ekey_ and 1 to 122 characters from A-Z a-z 0-9 _ -",
            ))
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A bucket in a project of the end customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketReference {
    name: Box<str>,
    project_number: Box<str>,
}

impl BucketReference {
    /// Accepts a name of 3 to 222 characters from `a–z 0–9 - _ .`.
    pub fn parse_name(text: &str) -> Result<&str, InvalidReference> {
        let plain = |byte: &u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.')
        };
        let message = "must be 3 to 222 characters from a-z 0-9 - _ .";
        if has(text, 3..=222, plain) {
            Ok(text)
        } else {
            Err(InvalidReference(message))
        }
    }

    /// Accepts a number of 1 to 20 digits.
    pub fn parse_project_number(text: &str) -> Result<&str, InvalidReference> {
        if has(text, 1..=20, u8::is_ascii_digit) {
            Ok(text)
        } else {
            Err(InvalidReference("must be a string of 1 to 20 digits"))
        }
    }

    /// The bucket `name` in the project `project_number`.
    pub fn parse(name: &str, project_number: &str) -> Result<Self, InvalidReference> {
        Ok(Self {
            name: Self::parse_name(name)?.into(),
            project_number: Self::parse_project_number(project_number)?.into(),
        })
    }

    /// Its name, which no other bucket has.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of the project that holds it.
    pub fn project_number(&self) -> &str {
        &self.project_number
    }
}

/// A check that a bucket did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedCheck {
    /// Which.
    pub check: CheckName,
    /// What failed, and what to change.
    pub message: Explanation,
    /// The account whose access it is about.
    pub role: Option<AccessRole>,
}

/// What a region learned of its bucket when it first was active with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BucketFacts {
    /// The key that the bucket encrypts with by default.
    pub kms_key_name: Option<ResourceName>,
    /// Where it is.
    pub location: Option<ResourceName>,
    /// The id of its project.
    pub project_id: Option<ResourceName>,
}

/// What a report tells of a bucket; what is left out stays as it is known, and what is none is forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LearnedFacts {
    /// The key that the bucket encrypts with by default.
    pub kms_key_name: Option<Option<ResourceName>>,
    /// Where it is.
    pub location: Option<Option<ResourceName>>,
    /// The id of its project.
    pub project_id: Option<Option<ResourceName>>,
}

/// What a region is given: a key, or a bucket.
pub trait Resource: Clone + Debug + Eq {
    /// What the last validation found wrong.
    type Findings: Clone + Debug + Default + Eq;
    /// What is known of it once it was active.
    type Facts: Clone + Debug + Default + Eq;
    /// What a report tells of that.
    type Learned: Clone + Debug + Default + Eq;
    /// The control that it is of.
    const KIND: ControlKind;

    /// Whether two regions may not both have them.
    fn clashes(&self, other: &Self) -> bool;

    /// What is known after `reported` was learned.
    fn learn(known: Self::Facts, reported: Self::Learned) -> Self::Facts;
}

impl Resource for ExternalKeyId {
    type Findings = Option<Explanation>;
    type Facts = ();
    type Learned = ();
    const KIND: ControlKind = ControlKind::Cmek;

    fn clashes(&self, _: &Self) -> bool {
        false
    }

    fn learn((): (), (): ()) {}
}

impl Resource for BucketReference {
    type Findings = Vec<FailedCheck>;
    type Facts = BucketFacts;
    type Learned = LearnedFacts;
    const KIND: ControlKind = ControlKind::Storage;

    fn clashes(&self, other: &Self) -> bool {
        self.name == other.name
    }

    fn learn(known: BucketFacts, reported: LearnedFacts) -> BucketFacts {
        BucketFacts {
            kms_key_name: reported.kms_key_name.unwrap_or(known.kms_key_name),
            location: reported.location.unwrap_or(known.location),
            project_id: reported.project_id.unwrap_or(known.project_id),
        }
    }
}

/// The label that every bucket set up for a profile must carry: a name, not a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BucketLabel([u8; 16]);

impl BucketLabel {
    /// The label of the profile `id`. It follows from the id, so that it is the same whoever asks and whenever,
    /// on every node, before anything is stored; the chance in it is that in the id.
    pub fn of(id: &ProfileId) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"rollcall bucket label\0");
        hash.update(id.as_str().as_bytes());
        let mut label = [0; 16];
        label.copy_from_slice(&hash.finalize()[..16]);
        Self(label)
    }

    /// Accepts 32 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, InvalidReference> {
        let lower = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
        let number = Some(text).filter(|text| has(text, 32..=32, lower));
        let number = number.and_then(|text| u128::from_str_radix(text, 16).ok());
        number
            .map(|number| Self(number.to_be_bytes()))
            .ok_or(InvalidReference("must be 32 lower-case hexadecimal digits"))
    }
}

impl std::fmt::Display for BucketLabel {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl Debug for BucketLabel {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "BucketLabel({self})")
    }
}
