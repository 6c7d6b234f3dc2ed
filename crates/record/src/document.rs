//! The canonical document of a profile: what backends store and dialects copy from.
//!
//! It is one JSON array with one element to a line, so anyone can look at it with the database's own
//! tools (`document ->> 4` is the name). The elements have no keys, which would be a quarter of all that
//! is stored, read and copied. A line break is legal white space between JSON tokens and can not occur
//! inside compact ones, so the lines can be told apart by looking for line breaks alone:
//! [`ProfileView::parse`] cuts a document into its parts in well under a microsecond, and a dialect
//! writes its answer around the parts without parsing or escaping anything again.
//!
//! Changing the lines means a new schema version: see `STORED_LINES` and the stores' migrations.
//!
//! Three rooms: `write` makes the text, `read` makes a profile of it again, `view` looks at it where it
//! lies.

mod read;
mod view;
mod write;

use rollcall_domain::profile::Profile;
use thiserror::Error;

pub(crate) use self::read::{
    ActionDefaults, parse_activity, read_action, read_details, read_metadata,
};
pub use self::read::{read_action_kind, read_requirements};
pub use self::view::{ActionView, ActionViews, PageSink, ProfileView};
pub use self::write::write_details;
pub(crate) use self::write::{write_action, write_metadata};
use crate::field::FieldError;

/// What the lines hold, in order. `updated_at` is null for as long as it is what `created_at` is;
/// `external_user_details` are the first five of them.
const STORED_LINES: [&str; 14] = [
    "id",
    "created_at",
    "updated_at",
    "relationship",
    "name",
    "metadata",
    "external_user_details",
    "onboarded_at",
    "reference_id",
    "cyber",
    "efs",
    "own_programs",
    "open_actions",
    "past_actions",
];

/// What stands behind them in the documents of the few profiles that have any: the data controls. A list and a
/// get look no further than they must, so they never see it.
const LAST_LINE: &str = "data_controls";

/// A stored text is not a profile's document: the storage was changed behind Rollcall's back.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("a stored profile document is damaged: {0}")]
pub struct DamagedDocument(String);

impl From<FieldError> for DamagedDocument {
    fn from(error: FieldError) -> Self {
        Self(error.to_string())
    }
}

/// A profile's document.
#[derive(Clone, PartialEq, Eq)]
pub struct ProfileDocument(Box<str>);

impl std::fmt::Debug for ProfileDocument {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A document is personal data and must not reach a log.
        write!(formatter, "ProfileDocument({} bytes)", self.0.len())
    }
}

impl ProfileDocument {
    /// A text that a store kept.
    pub fn from_stored(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text to be stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The parts of the document.
    pub fn view(&self) -> Result<ProfileView<'_>, DamagedDocument> {
        ProfileView::parse(&self.0)
    }

    /// The profile that the document holds.
    pub fn decode(&self) -> Result<Profile, DamagedDocument> {
        read::profile(&self.0)
    }

    /// The document of `profile`.
    pub fn encode(profile: &Profile) -> Self {
        Self(write::document(profile).into_boxed_str())
    }
}

#[cfg(test)]
#[path = "document/tests.rs"]
pub(crate) mod tests;
