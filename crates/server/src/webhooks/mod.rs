//! Webhooks on their way out: from a claimed delivery to a recorded attempt (contract `webhooks.md`).
//!
//! - `worker`: claims what is due, keeps attempts in flight, records what became of them.
//! - [`sender`]: one attempt over HTTP, with the contract's time limits.
//! - [`fence`]: which addresses are connected to, decided on the address and not on the name.
//! - [`vault`]: signing secrets, which are kept encrypted and needed in clear for every attempt.
//!
//! What an attempt *means* is decided in `rollcall_domain::delivery`, and kept by the store in the
//! transaction that records it; nothing here remembers anything that a restart would lose.

pub mod fence;
pub mod sender;
pub mod vault;
pub(crate) mod worker;

use std::sync::Arc;
use std::time::Duration;

use rollcall_domain::clock::Timestamp;
use rollcall_domain::delivery::RetrySchedule;
use rollcall_domain::id::{Chance as _, SystemChance};
use rollcall_domain::webhook::SigningKey;
use rollcall_wire::webhooks::{EndpointRules, sign};
use rustls::RootCertStore;
use zeroize::Zeroizing;

use crate::outbound;
use fence::{Fence, Lookup, SystemLookup};
use vault::Vault;

/// What deliveries are sent as.
pub const USER_AGENT: &str = concat!("Rollcall-Webhooks/", env!("CARGO_PKG_VERSION"));

/// How webhooks are delivered.
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    /// How often and when an event is tried.
    pub schedule: RetrySchedule,
    /// How long an endpoint may fail without a break.
    pub disable_after: Duration,
    /// How long finished deliveries are kept.
    pub retention: Duration,
    /// What administrators may ask of their endpoints.
    pub endpoints: EndpointRules,
    /// Which addresses are connected to.
    pub fence: Fence,
    /// How names become addresses.
    pub lookup: Arc<dyn Lookup>,
    /// Who certifies receivers.
    pub roots: RootCertStore,
    /// What signing secrets are sealed with.
    pub vault: Arc<Vault>,
    /// Longest time for a connection to be made, the lookup of the name and TLS included.
    pub connect_timeout: Duration,
    /// Longest time for a whole attempt.
    pub attempt_timeout: Duration,
    /// The most attempts at a time; the limit of each endpoint is the store's.
    pub most_in_flight: usize,
}

impl WebhookSettings {
    /// The most attempts at a time where the limit of open files does not say fewer.
    pub const MOST_IN_FLIGHT: usize = 2_048;

    /// The contract's rules, with secrets sealed in `vault`.
    pub fn new(vault: Vault) -> Self {
        Self {
            schedule: RetrySchedule::CONTRACT,
            disable_after: Duration::from_hours(24),
            retention: Duration::from_hours(30 * 24),
            endpoints: EndpointRules::default(),
            fence: Fence::default(),
            lookup: Arc::new(SystemLookup),
            roots: outbound::compiled_in(),
            vault: Arc::new(vault),
            connect_timeout: Duration::from_secs(5),
            attempt_timeout: Duration::from_secs(10),
            most_in_flight: Self::MOST_IN_FLIGHT,
        }
    }
}

impl Default for WebhookSettings {
    /// The contract's rules, with secrets sealed under a key that ends with this value.
    fn default() -> Self {
        let mut key = Zeroizing::new([0; 32]);
        SystemChance.fill(&mut *key);
        Self::new(Vault::new(&key, &[]))
    }
}

/// The headers of an attempt to send an event, in the order they are sent.
pub(crate) fn headers(event_id: &str, at: Timestamp) -> Vec<(&'static str, String)> {
    vec![
        ("content-type", "application/json".to_owned()),
        ("user-agent", USER_AGENT.to_owned()),
        ("webhook-id", event_id.to_owned()),
        ("webhook-timestamp", unix_seconds(at).to_string()),
    ]
}

/// The header that proves who sent the event.
pub(crate) fn signature(
    key: &SigningKey,
    event_id: &str,
    at: Timestamp,
    body: &str,
) -> (&'static str, String) {
    let signed = sign(key, event_id, unix_seconds(at), body.as_bytes());
    ("webhook-signature", signed)
}

fn unix_seconds(at: Timestamp) -> i64 {
    at.as_micros().div_euclid(1_000_000)
}
