//! What a rule answers: a new value with everything that follows from it, or why not.
//!
//! The store commits a [`Decided`] whole: the value, its events and its audit entries are one
//! transaction. A decision may be made again after a conflict, so it must not have side effects.

use thiserror::Error;

use crate::audit::AuditEntry;
use crate::data_controls::ControlsRefusal;
use crate::event::Event;
use crate::text::InvalidMetadata;

/// A value to be stored, with what it causes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided<T> {
    /// The value after the decision.
    pub value: T,
    /// Whether there is anything to store at all.
    pub changed: bool,
    /// What the organization's webhook endpoints are to be told.
    pub events: Vec<Event>,
    /// What the audit trail is to show.
    pub audit: Vec<AuditEntry>,
}

impl<T> Decided<T> {
    /// A decision that leaves `value` as it is, so that nothing is stored.
    pub fn unchanged(value: T) -> Self {
        Self {
            value,
            changed: false,
            events: Vec::new(),
            audit: Vec::new(),
        }
    }

    /// A decision that changes `value` and leaves `audit` behind.
    pub fn changed(value: T, audit: AuditEntry) -> Self {
        Self {
            value,
            changed: true,
            events: Vec::new(),
            audit: vec![audit],
        }
    }

    /// The same decision, which also emits `event`.
    #[must_use]
    pub fn with_event(mut self, event: Event) -> Self {
        self.events.push(event);
        self
    }
}

/// Why a rule says no. The edge turns it into the contract's status and error type.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The merged metadata would not fit.
    #[error("metadata: {0}")]
    Metadata(InvalidMetadata),
    /// A profile can hold no more open enforcement actions.
    #[error("A user profile can have at most {0} open enforcement actions; resolve one first")]
    TooManyOpenActions(usize),
    /// A profile can hold no more programs.
    #[error(
        "A user profile can be in at most {0} programs of the operator's own; delete one first"
    )]
    TooManyPrograms(usize),
    /// The enforcement action is not among the profile's.
    #[error("The requested enforcement action was not found.")]
    ActionNotFound,
    /// The enforcement action is not open (any more).
    #[error("The enforcement action is not open")]
    ActionNotOpen,
    /// No identity check can clear the enforcement action.
    #[error("An identity check cannot clear this enforcement action: {0}")]
    NotCheckable(&'static str),
    /// The data controls stay as they are.
    #[error(transparent)]
    DataControls(#[from] ControlsRefusal),
    /// The enrollment was decided before.
    #[error("The enrollment has already been decided")]
    AlreadyDecided,
    /// Nobody could do everything any more.
    #[error(
        "No other enabled key of the role owner lasts as long as this one; make one first, so that somebody can still \
         do everything"
    )]
    LastOwner,
    /// A tenancy only ends while it is held.
    #[error("Only an organization that is on_hold can be removed; put it on hold first")]
    NotOnHold,
    /// The enrollment URL was used before.
    #[error("The enrollment URL has already been used")]
    AlreadySubmitted,
}
