//! What may begin now: the part of a claim of deliveries that every backend shares.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::delivery::{Attempt, EndpointHealth, IN_FLIGHT_PER_ENDPOINT};
use rollcall_domain::id::{DeliveryId, EventId};

use crate::deliveries::{Claim, Claimed, ClaimedAttempt};
use crate::webhooks::OwnedEndpoint;

/// A delivery that nobody has under way, as far as the claiming worker is concerned. `K` is the key of its row.
pub(crate) struct Waiting<K> {
    pub(crate) key: K,
    pub(crate) id: DeliveryId,
    pub(crate) event_id: EventId,
    pub(crate) body: String,
    pub(crate) created_at: Timestamp,
    pub(crate) due_at: Timestamp,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) fence: i64,
    pub(crate) tries: u32,
    pub(crate) attempts: Vec<Attempt>,
}

impl<K> Waiting<K> {
    /// All attempts so far: one that was begun and never recorded is one of them.
    pub(crate) fn all_attempts(&self) -> Vec<Attempt> {
        let unknown = self.started_at.map(Attempt::unknown);
        self.attempts.iter().cloned().chain(unknown).collect()
    }

    /// The attempt that begins.
    pub(crate) fn begin(self, endpoint: &OwnedEndpoint) -> ClaimedAttempt {
        ClaimedAttempt {
            delivery_id: self.id,
            fence: self.fence + 1,
            number: self.tries + 1,
            organization_id: endpoint.organization_id.clone(),
            endpoint_id: endpoint.endpoint.id.clone(),
            url: endpoint.endpoint.url.clone(),
            secret: endpoint.secret.clone(),
            event_id: self.event_id,
            created_at: self.created_at,
            body: self.body,
        }
    }
}

/// The room that leases leave at an endpoint.
pub(crate) struct Room {
    /// How many attempts more may be under way.
    pub(crate) free: usize,
    /// When the first lease of another worker ends.
    lease_ends: Option<Timestamp>,
}

impl Room {
    /// `leases` has one element for each; where another worker holds it, when it ends.
    pub(crate) fn beside(leases: Vec<Option<Timestamp>>) -> Self {
        Self {
            free: IN_FLIGHT_PER_ENDPOINT.saturating_sub(leases.len()),
            lease_ends: leases.into_iter().flatten().min(),
        }
    }
}

/// What begins at one endpoint.
pub(crate) struct Round<K> {
    pub(crate) begin: Vec<Waiting<K>>,
    /// How the endpoint is doing, where that changes.
    pub(crate) health: Option<EndpointHealth>,
    /// When claiming for the endpoint again may come to something.
    pub(crate) next: Option<Timestamp>,
    /// Whether the endpoint has as many attempts under way as it may.
    pub(crate) full: bool,
}

impl Claim {
    /// Whether what waits until `end` need not wait any more.
    pub(crate) fn is_over(&self, end: Timestamp) -> bool {
        end <= self.now || end > self.latest
    }

    /// Until when the endpoint is left alone.
    pub(crate) fn rest(&self, health: EndpointHealth) -> Option<Timestamp> {
        health.rests_until.filter(|rest| !self.is_over(*rest))
    }

    /// What begins of the deliveries that wait for an endpoint, at most `left` of them. They come in the
    /// order they are due; one more than there is room for says when the next is.
    pub(crate) fn round<K>(
        &self,
        room: &Room,
        left: usize,
        health: EndpointHealth,
        waiting: Vec<Waiting<K>>,
    ) -> Round<K> {
        let (mut begin, mut next_due) = (Vec::new(), None);
        for waiting in waiting {
            if begin.len() < room.free.min(left) && self.is_over(waiting.due_at) {
                begin.push(waiting);
            } else if next_due.is_none() {
                next_due = Some(waiting.due_at);
            }
        }
        let full = begin.len() == room.free;
        let health = health.resting(self.now).filter(|_| !begin.is_empty());
        let next_due = next_due.filter(|_| !full);
        let next = match health {
            Some(resting) => resting.rests_until,
            None => earliest([room.lease_ends, next_due]),
        };
        Round {
            begin,
            health,
            next,
            full,
        }
    }
}

impl Claimed {
    /// Nothing, and when claiming again may come to something.
    pub(crate) fn nothing_until(next: Option<Timestamp>) -> Self {
        Self {
            next,
            ..Self::default()
        }
    }

    /// Adds what another endpoint's claim came to.
    pub(crate) fn add(&mut self, more: Self) {
        self.attempts.extend(more.attempts);
        self.next = earliest([self.next, more.next]);
        self.full |= more.full;
    }
}

fn earliest(times: [Option<Timestamp>; 2]) -> Option<Timestamp> {
    times.into_iter().flatten().min()
}
