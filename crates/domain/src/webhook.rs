//! Webhook endpoints: where an organization wants to be told (contract `webhooks.md`).

use std::fmt;

use crate::audit::{AuditAction, AuditEntry, TargetKind, fields_that_differ};
use crate::clock::Timestamp;
use crate::decision::Decided;
use crate::event::Subscription;
use crate::id::WebhookEndpointId;

/// The most endpoints an organization can have, enabled or disabled.
pub const ENDPOINTS_PER_ORGANIZATION: usize = 32;

/// The most event types an endpoint can subscribe to, those that do not exist yet included.
pub const EVENTS_PER_ENDPOINT: usize = 100;

crate::text_enum! {
    /// Whether an endpoint receives events.
    EndpointState {
        /// It does.
        Enabled = "enabled",
        /// It does not.
        Disabled = "disabled",
    }
}

crate::text_enum! {
    /// Why Rollcall disabled an endpoint; the texts are the wire's.
    AutoDisabled {
        /// The endpoint answered with a redirect.
        Redirect = "auto-disabled: endpoint URL returned a redirect (3xx)",
        /// The endpoint's name led to an address that is not public.
        InvalidAddress = "auto-disabled: endpoint URL resolved to an invalid address",
        /// The endpoint failed for too long.
        SustainedFailures = "auto-disabled after sustained delivery failures",
    }
}

/// The key an endpoint's deliveries are signed with: 32 random bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SigningKey(pub [u8; 32]);

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SigningKey(…)")
    }
}

/// A webhook endpoint, without its signing key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookEndpoint {
    /// Its id.
    pub id: WebhookEndpointId,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed, automatic disabling and secret replacement included.
    pub updated_at: Timestamp,
    /// Empty when none was given; at most 1,024 characters.
    pub description: String,
    /// Empty when none was given; at most 255 characters.
    pub name: String,
    /// Where deliveries go.
    pub url: String,
    /// What it is told, without repeats, in the order sent.
    pub enabled_events: Vec<Subscription>,
    /// Whether it receives events.
    pub state: EndpointState,
    /// Why Rollcall disabled it; none while enabled and when the owner disabled it.
    pub disabled_reason: Option<AutoDisabled>,
}

/// What a new endpoint is made of; the URL was judged at the edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointDraft {
    /// What it is told: at least one type, without repeats.
    pub enabled_events: Vec<Subscription>,
    /// Where deliveries go.
    pub url: String,
    /// Empty for none.
    pub description: String,
    /// Empty for none.
    pub name: String,
}

/// A change of an endpoint; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointPatch {
    /// A new description; empty for none.
    pub description: Option<String>,
    /// A whole new set of event types, without repeats; never empty.
    pub enabled_events: Option<Vec<Subscription>>,
    /// A new name; empty for none.
    pub name: Option<String>,
    /// A new state.
    pub state: Option<EndpointState>,
    /// A new address.
    pub url: Option<String>,
}

impl WebhookEndpoint {
    /// Whether it receives events.
    pub fn is_enabled(&self) -> bool {
        self.state == EndpointState::Enabled
    }

    /// Creates an endpoint, enabled.
    pub fn create(id: WebhookEndpointId, draft: EndpointDraft, now: Timestamp) -> Decided<Self> {
        let endpoint = Self {
            id,
            created_at: now,
            updated_at: now,
            description: draft.description,
            name: draft.name,
            url: draft.url,
            enabled_events: draft.enabled_events,
            state: EndpointState::Enabled,
            disabled_reason: None,
        };
        let audit = endpoint.audit(AuditAction::WebhookEndpointCreated);
        Decided::changed(endpoint, audit)
    }

    /// Applies what the administrator sent. A new URL does not enable a disabled endpoint, and
    /// disabling one that Rollcall disabled keeps the reason.
    pub fn update(&self, patch: &EndpointPatch, now: Timestamp) -> Decided<Self> {
        let state = patch.state.unwrap_or(self.state);
        let updated = Self {
            description: patch
                .description
                .as_ref()
                .unwrap_or(&self.description)
                .clone(),
            name: patch.name.as_ref().unwrap_or(&self.name).clone(),
            url: patch.url.as_ref().unwrap_or(&self.url).clone(),
            enabled_events: patch
                .enabled_events
                .as_ref()
                .unwrap_or(&self.enabled_events)
                .clone(),
            state,
            disabled_reason: self
                .disabled_reason
                .filter(|_| state == EndpointState::Disabled),
            ..self.clone()
        };
        let changed_fields = self.fields_that_differ(&updated);
        if changed_fields.is_empty() {
            return Decided::unchanged(updated);
        }
        let audit = self
            .audit(AuditAction::WebhookEndpointUpdated)
            .with_details(changed_fields);
        Decided::changed(updated.touched(now), audit)
    }

    /// Disables the endpoint for `reason`; one that is disabled already stays as it is.
    pub fn disable(&self, reason: AutoDisabled, now: Timestamp) -> Decided<Self> {
        match self.state {
            EndpointState::Disabled => Decided::unchanged(self.clone()),
            EndpointState::Enabled => {
                let disabled = Self {
                    state: EndpointState::Disabled,
                    disabled_reason: Some(reason),
                    ..self.clone()
                };
                let audit = self
                    .audit(AuditAction::WebhookEndpointAutoDisabled)
                    .with_details([reason.as_str()]);
                Decided::changed(disabled.touched(now), audit)
            }
        }
    }

    /// Notes that the signing key was replaced, which moves `updated_at`.
    pub fn replace_secret(&self, now: Timestamp) -> Decided<Self> {
        let audit = self.audit(AuditAction::WebhookSecretRegenerated);
        Decided::changed(self.clone().touched(now), audit)
    }

    /// What the audit trail shows of a deletion.
    pub fn removal(&self) -> AuditEntry {
        self.audit(AuditAction::WebhookEndpointDeleted)
    }

    fn audit(&self, action: AuditAction) -> AuditEntry {
        AuditEntry::new(action, TargetKind::WebhookEndpoint, self.id.as_str())
    }

    /// This endpoint, changed now: later than before even where the clock has not moved.
    fn touched(self, now: Timestamp) -> Self {
        let updated_at = now.max(self.updated_at.next_microsecond());
        Self { updated_at, ..self }
    }

    fn fields_that_differ(&self, other: &Self) -> Vec<&'static str> {
        fields_that_differ([
            ("description", self.description != other.description),
            (
                "enabled_events",
                self.enabled_events != other.enabled_events,
            ),
            ("name", self.name != other.name),
            ("state", self.state != other.state),
            ("url", self.url != other.url),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventType;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000).unwrap()
    }

    fn endpoint() -> WebhookEndpoint {
        let draft = EndpointDraft {
            enabled_events: vec![EventType::ProgramStatusUpdated.into()],
            url: "https://example.com/a".into(),
            description: String::new(),
            name: String::new(),
        };
        let id = WebhookEndpointId::parse("whep_1").unwrap();
        WebhookEndpoint::create(id, draft, at(1)).value
    }

    fn state(state: EndpointState) -> EndpointPatch {
        EndpointPatch {
            state: Some(state),
            ..EndpointPatch::default()
        }
    }

    #[test]
    fn the_state_an_endpoint_is_in_is_no_change() {
        let enabled = endpoint();
        assert!(
            !enabled
                .update(&state(EndpointState::Enabled), at(2))
                .changed
        );
        let disabled = enabled.disable(AutoDisabled::Redirect, at(2)).value;
        let again = disabled.update(&state(EndpointState::Disabled), at(3));
        assert!(!again.changed);
        assert_eq!(again.value.disabled_reason, Some(AutoDisabled::Redirect));
        assert!(
            !disabled
                .disable(AutoDisabled::SustainedFailures, at(3))
                .changed
        );
    }

    #[test]
    fn enabling_clears_the_reason_and_the_owner_s_disabling_has_none() {
        let disabled = endpoint().disable(AutoDisabled::Redirect, at(2)).value;
        let enabled = disabled.update(&state(EndpointState::Enabled), at(3));
        assert!(enabled.changed && enabled.value.disabled_reason.is_none());
        let by_owner = enabled
            .value
            .update(&state(EndpointState::Disabled), at(3))
            .value;
        assert_eq!(by_owner.disabled_reason, None);
        assert!(by_owner.updated_at > at(3));
    }

    #[test]
    fn a_new_address_leaves_a_disabled_endpoint_disabled() {
        let disabled = endpoint()
            .disable(AutoDisabled::InvalidAddress, at(2))
            .value;
        let patch = EndpointPatch {
            url: Some("https://example.com/b".into()),
            ..EndpointPatch::default()
        };
        let moved = disabled.update(&patch, at(3));
        assert_eq!(moved.audit[0].details, ["url"]);
        assert_eq!(moved.value.state, EndpointState::Disabled);
        assert_eq!(
            moved.value.disabled_reason,
            Some(AutoDisabled::InvalidAddress)
        );
    }
}
