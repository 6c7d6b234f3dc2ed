//! What only a development server has: a clock that obeys, failures on demand, a look at what clients
//! really sent, tenants that appear when they are named, and a way back to the start.
//!
//! The routes are in [`crate::http`]'s `operator::dev`; under `rollcall serve` there is no
//! `Development` and the routes do not exist.

mod billing;
mod faults;
mod requests;
pub(crate) mod tenants;

use std::sync::Arc;
use std::time::Duration;

use rollcall_domain::clock::{AdjustableClock, Clock as _, Timestamp};
use rollcall_domain::id::OrganizationId;
use rollcall_domain::page::Limit;
use rollcall_domain::tenant::KeyKind;
use rollcall_store::{Store, Stored};
use secrecy::SecretString;

use crate::http::host::OwnHosts;
use crate::initial::InitialState;
pub(crate) use billing::Billing;
pub(crate) use faults::{Faults, Strike};
pub(crate) use requests::RecentRequests;
pub(crate) use tenants::TenantsOnDemand;

/// What makes a server a development server (`operator.md`, *Development controls*).
#[derive(Debug)]
pub struct DevelopmentParts {
    /// The clock that the controls set; [`App`](crate::app::App)'s clock must be the same one.
    pub clock: Arc<AdjustableClock>,
    /// Where the clock stands at the start and after a reset; it follows the machine's when absent.
    pub starts_at: Option<Timestamp>,
    /// What is there at the start and after a reset.
    pub initial: InitialState,
    /// The keys that it shows at its start, for the page that sends requests.
    pub keys: Vec<(KeyKind, SecretString)>,
    /// With it, an unknown key that begins with `test-` becomes an organization of its own, dropped
    /// when it has idled for so long.
    pub tenant_idle: Option<Duration>,
    /// Whether it answers under any name, and not only under those of this machine.
    pub allow_remote: bool,
    /// What the inference stub says.
    pub stub_text: String,
}

/// Some of the things that are numbered as they come, and the number to go on after if there are more.
#[derive(Debug)]
pub(crate) struct Numbered<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next: Option<u64>,
}

impl<T> Numbered<T> {
    /// The first `limit` of them.
    fn first(all: impl Iterator<Item = (u64, T)>, limit: Limit) -> Self {
        let mut all = all.peekable();
        let mut items = Vec::new();
        let mut last = None;
        for (number, item) in all.by_ref().take(limit.get()) {
            items.push(item);
            last = Some(number);
        }
        Self {
            items,
            next: last.filter(|_| all.peek().is_some()),
        }
    }
}

/// The development controls of a server.
#[derive(Debug)]
pub(crate) struct Development {
    pub(crate) clock: Arc<AdjustableClock>,
    pub(crate) faults: Faults,
    pub(crate) requests: RecentRequests,
    pub(crate) tenants: Option<TenantsOnDemand>,
    pub(crate) hosts: OwnHosts,
    /// The keys that were shown at the start.
    pub(crate) keys: Vec<(KeyKind, SecretString)>,
    /// How the billing of profiles stands.
    pub(crate) billing: Billing,
    /// What the inference stub says.
    pub(crate) stub_text: String,
    starts_at: Option<Timestamp>,
    initial: InitialState,
}

impl Development {
    pub(crate) fn new(parts: DevelopmentParts, public_base_url: &str) -> Self {
        let development = Self {
            clock: parts.clock,
            faults: Faults::default(),
            requests: RecentRequests::default(),
            tenants: parts.tenant_idle.map(TenantsOnDemand::new),
            hosts: if parts.allow_remote {
                OwnHosts::Any
            } else {
                OwnHosts::loopback(public_base_url)
            },
            keys: parts.keys,
            billing: Billing::default(),
            stub_text: parts.stub_text,
            starts_at: parts.starts_at,
            initial: parts.initial,
        };
        development.reset_clock();
        development
    }

    /// Stores what the server starts with.
    pub(crate) async fn prepare(&self, store: &dyn Store) -> Stored<()> {
        self.initial.apply(store, self.clock.now()).await?;
        match &self.tenants {
            None => Ok(()),
            Some(tenants) => tenants.adopt(store).await,
        }
    }

    /// Forgets everything that is not in storage.
    pub(crate) fn forget(&self) {
        self.reset_clock();
        self.faults.clear(None);
        self.requests.clear();
        self.billing.clear();
        if let Some(tenants) = &self.tenants {
            tenants.forget();
        }
    }

    /// The organization that was there at the start.
    pub(crate) fn organization_id(&self) -> Option<&OrganizationId> {
        Some(&self.initial.organizations.first()?.id)
    }

    fn reset_clock(&self) {
        match self.starts_at {
            Some(start) => self.clock.stop_at(start),
            None => self.clock.follow_system(),
        }
    }
}
