//! Webhook endpoints: where an organization wants to be told (contract `webhooks.md`).

use std::fmt;

use crate::clock::Timestamp;
use crate::event::EventType;
use crate::id::WebhookEndpointId;

/// The most endpoints an organization can have, enabled or disabled.
pub const ENDPOINTS_PER_ORGANIZATION: usize = 32;

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
    pub enabled_events: Vec<EventType>,
    /// Whether it receives events.
    pub state: EndpointState,
    /// Why Rollcall disabled it; none while enabled and when the owner disabled it.
    pub disabled_reason: Option<AutoDisabled>,
}
