//! Everything a platform can be told by webhook (contract `webhooks.md`, *Events*).
//!
//! An event carries ids, never state: the receiver fetches the profile. It gets its own id when the
//! store keeps it, in the transaction of the decision that caused it.

use crate::clock::Timestamp;
use crate::id::{EnforcementActionId, ProfileId};
use crate::text_enum::NotOneOf;

/// Something that happened to a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The profile it happened to.
    pub profile_id: ProfileId,
    /// When it happened, which may be before it was recorded (an expiry).
    pub at: Timestamp,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// The operator opened an enforcement action.
    EnforcementActionOpened(EnforcementActionId),
    /// An enforcement action ended, by the operator, an identity check, or its expiry.
    EnforcementActionResolved(EnforcementActionId),
    /// The status of one of the profile's programs changed.
    ProgramStatusUpdated,
}

impl EventKind {
    /// The type of this event.
    pub fn event_type(&self) -> EventType {
        match self {
            Self::EnforcementActionOpened(_) => EventType::EnforcementActionOpened,
            Self::EnforcementActionResolved(_) => EventType::EnforcementActionResolved,
            Self::ProgramStatusUpdated => EventType::ProgramStatusUpdated,
        }
    }

    /// The enforcement action it is about, if it is about one.
    pub fn enforcement_action_id(&self) -> Option<&EnforcementActionId> {
        match self {
            Self::EnforcementActionOpened(id) | Self::EnforcementActionResolved(id) => Some(id),
            Self::ProgramStatusUpdated => None,
        }
    }
}

crate::text_enum! {
    /// The event types that are known.
    ///
    /// Rollcall takes subscriptions to the last four and never emits them: it has no external keys and no
    /// external storage.
    EventType {
        /// An enforcement action was opened.
        EnforcementActionOpened = "user_profile.enforcement_action_opened",
        /// An enforcement action ended.
        EnforcementActionResolved = "user_profile.enforcement_action_resolved",
        /// A program's status changed.
        ProgramStatusUpdated = "user_profile.program_status_updated",
        /// An external key failed; never emitted.
        ExternalKeyFailed = "external_key.failed",
        /// An external key recovered; never emitted.
        ExternalKeyRecovered = "external_key.recovered",
        /// An external storage failed; never emitted.
        ExternalStorageFailed = "external_storage.failed",
        /// An external storage recovered; never emitted.
        ExternalStorageRecovered = "external_storage.recovered",
    }
}

/// What an endpoint subscribes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subscription {
    /// An event type that is known.
    Known(EventType),
    /// One that is not, about something else than a user profile. It is kept and never emitted, so that a
    /// client which subscribes to everything that a newer SDK knows works.
    Unknown(UnknownEventType),
}

/// The text of an event type that may come: `noun.verb_phrase` in lower-case letters and underscores, at
/// most 128 characters, about anything but a user profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownEventType(Box<str>);

impl UnknownEventType {
    const LONGEST: usize = 128;

    fn parse(text: &str) -> Option<Self> {
        let (noun, verb_phrase) = text.split_once('.')?;
        let is_word = |word: &str| {
            word.starts_with(|first: char| first.is_ascii_lowercase())
                && word.bytes().all(|it| it.is_ascii_lowercase() || it == b'_')
        };
        // A mistake in the one noun that Rollcall tells of must not be swallowed.
        let is_taken = noun != "user_profile"
            && is_word(noun)
            && is_word(verb_phrase)
            && text.len() <= Self::LONGEST;
        is_taken.then(|| Self(text.into()))
    }
}

impl Subscription {
    /// A known type, or one that may come; else a list of the known ones.
    pub fn parse(text: &str) -> Result<Self, NotOneOf> {
        Self::parse_known(text).or_else(|error| {
            UnknownEventType::parse(text)
                .map(Self::Unknown)
                .ok_or(error)
        })
    }

    /// A known type alone.
    pub fn parse_known(text: &str) -> Result<Self, NotOneOf> {
        EventType::parse(text).map(Self::Known)
    }

    /// The text of the type.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(known) => known.as_str(),
            Self::Unknown(UnknownEventType(text)) => text,
        }
    }
}

impl From<EventType> for Subscription {
    fn from(event_type: EventType) -> Self {
        Self::Known(event_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_that_may_come_is_about_something_else_than_profiles() {
        for text in ["external_vault.sealed", "a.b", "session.status_idled"] {
            let unknown = Subscription::parse(text).unwrap();
            assert!(matches!(unknown, Subscription::Unknown(_)), "{text}");
            assert_eq!(unknown.as_str(), text);
            assert!(Subscription::parse_known(text).is_err());
        }
        let long = format!("a.{}", "b".repeat(127));
        for text in [
            "user_profile.enforcement_action_open",
            "user_profile.",
            "session",
            "session.",
            ".idled",
            "session.status.idled",
            "session.Idled",
            "session.idled2",
            "_a.b",
            "session.*",
            "a.b,c.d",
            "",
            &long,
        ] {
            assert!(Subscription::parse(text).is_err(), "{text}");
        }
    }
}
