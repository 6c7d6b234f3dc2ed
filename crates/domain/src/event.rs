//! Everything a platform can be told by webhook (contract `webhooks.md`, *Events*).
//!
//! An event carries ids, never state: the receiver fetches the profile. It gets its own id when the
//! store keeps it, in the transaction of the decision that caused it.

use crate::clock::Timestamp;
use crate::id::{EnforcementActionId, ProfileId};

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
    /// The event types an endpoint can subscribe to.
    ///
    /// Rollcall takes subscriptions to the last two and never emits them: it has no external keys.
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
    }
}
