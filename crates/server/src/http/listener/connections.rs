//! The open connections of a listener: who may have one, and who gives way when there are too many or
//! when their answers fill memory.
//!
//! | when | then |
//! | --- | --- |
//! | an address has its share | its connection that waited longest gives way, else the new one is closed |
//! | all are taken | the connection that waited longest gives way, else the new one is served health checks alone |
//! | the answers of all fill memory | those whose peers have left one alone for longest give way |
//!
//! A connection waits when it is for its peer to do something: to send a request or the rest of its head, or to
//! take more of an answer. One whose request the server is at work on never gives way.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use parking_lot::Mutex;
use tokio::task::Id;
use tokio::time::Instant;

use super::activity::{Activity, PATIENCE, SHORT_PATIENCE};
use super::{Figures, ListenerLimits};
use crate::http::fences::site_of;

/// Connections over the limit, so that health checks are answered when every other is at work.
const FOR_HEALTH_CHECKS: usize = 4;

/// How often the open connections are looked through for those that can give way.
pub(super) const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// The table of open connections.
pub(super) struct Connections {
    most: usize,
    most_per_address: usize,
    proxies: Vec<IpNet>,
    most_unsent: usize,
    figures: Figures,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    by_task: HashMap<Id, Connection>,
    /// Those that do not leave.
    staying: usize,
    for_health_checks: usize,
    by_address: HashMap<IpAddr, usize>,
    looked: Option<Instant>,
}

struct Connection {
    activity: Arc<Activity>,
    place: Place,
    /// It gave way, and its task ends as soon as it is polled.
    leaves: bool,
}

/// What a connection was let in as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The address whose share it counts for.
    address: Option<IpAddr>,
    pub(super) for_health_checks: bool,
}

impl Connections {
    pub(super) fn new(limits: &ListenerLimits, figures: Figures) -> Self {
        let quarter = limits.max_connections / 4;
        let most_per_address = limits.max_connections_per_address.unwrap_or(quarter);
        Self {
            most: limits.max_connections,
            most_per_address: most_per_address.max(1),
            proxies: limits.proxy_networks.clone(),
            most_unsent: limits.max_unsent,
            figures,
            open: Mutex::default(),
        }
    }

    /// What is measured of this listener.
    pub(super) fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Whether another connection can be let in, if only for a health check.
    pub(super) fn has_place(&self) -> bool {
        let open = self.open.lock();
        open.staying < self.most + FOR_HEALTH_CHECKS
            || open.by_task.values().any(|it| it.waits_since().is_some())
    }

    /// A place for a connection from this address, if need be that of another one. `None`: the address has
    /// its share, all of it at work.
    pub(super) fn place(&self, peer: IpAddr) -> Option<Place> {
        let peer = peer.to_canonical();
        let is_proxy = self.proxies.iter().any(|network| network.contains(&peer));
        let address = (!is_proxy).then(|| site_of(peer));
        let mut open = self.open.lock();
        if let Some(address) = address {
            let used = open.by_address.get(&address).copied().unwrap_or_default();
            if used >= self.most_per_address && !self.one_gives_way(&mut open, Some(address)) {
                self.figures.count_cut("over_share");
                return None;
            }
        }
        let mut is_full = open.is_full(self.most);
        while is_full && self.one_gives_way(&mut open, None) {
            is_full = open.is_full(self.most);
        }
        Some(Place {
            address,
            for_health_checks: is_full,
        })
    }

    /// The connection that this task serves is in its place.
    pub(super) fn enter(&self, task: Id, activity: Arc<Activity>, place: Place) {
        let mut open = self.open.lock();
        open.staying += 1;
        open.for_health_checks += usize::from(place.for_health_checks);
        if let Some(address) = place.address {
            *open.by_address.entry(address).or_default() += 1;
        }
        let connection = Connection {
            activity,
            place,
            leaves: false,
        };
        open.by_task.insert(task, connection);
    }

    /// The task ended.
    pub(super) fn forget(&self, task: Id) {
        let mut open = self.open.lock();
        open.leave(task);
        open.by_task.remove(&task);
    }

    /// All tasks ended.
    pub(super) fn forget_all(&self) {
        *self.open.lock() = Open::default();
    }

    /// Whether an answer of so many bytes can be held beside all others, if need be in place of those that
    /// nobody takes.
    pub(super) fn has_room_for(&self, bytes: usize) -> bool {
        let unsent = usize::try_from(self.figures.unsent.get()).unwrap_or_default();
        let mut over = (unsent + bytes).saturating_sub(self.most_unsent);
        if over == 0 {
            return true;
        }
        let mut open = self.open.lock();
        let now = Instant::now();
        if open.looked.is_some_and(|at| now < at + BETWEEN_LOOKS) {
            return false;
        }
        open.looked = Some(now);
        let connections = open.by_task.iter();
        let leaving = connections.filter(|(_, connection)| connection.leaves);
        let freed: usize = leaving.map(|(_, it)| it.activity.unsent()).sum();
        over = over.saturating_sub(freed);
        let connections = open.by_task.iter();
        let stalled = connections.filter(|(_, connection)| !connection.leaves);
        let mut stalled: Vec<_> = stalled
            .filter_map(|(task, it)| {
                Some((
                    it.activity.stalled_since(PATIENCE)?,
                    it.activity.unsent(),
                    *task,
                ))
            })
            .collect();
        stalled.sort_unstable_by_key(|(since, ..)| *since);
        for (_, unsent, task) in stalled {
            if over == 0 {
                break;
            }
            over = over.saturating_sub(unsent);
            open.leave(task);
            self.figures.count_cut("memory");
        }
        over == 0
    }

    /// The connection that waited longest is cut, among all or among those of an address.
    fn one_gives_way(&self, open: &mut Open, of: Option<IpAddr>) -> bool {
        let connections = open.by_task.iter();
        let eligible =
            connections.filter(|(_, connection)| of.is_none() || connection.place.address == of);
        let longest = eligible
            .filter_map(|(task, connection)| Some((connection.waits_since()?, *task)))
            .min_by_key(|(since, _)| *since);
        let Some((_, task)) = longest else {
            return false;
        };
        open.leave(task);
        self.figures.count_cut("gave_way");
        true
    }
}

impl Connection {
    /// Since when it has waited for its peer, if it can give way.
    fn waits_since(&self) -> Option<Instant> {
        let patience = if self.place.for_health_checks {
            SHORT_PATIENCE
        } else {
            PATIENCE
        };
        let waits_since = self.activity.waits_since(patience)?;
        (!self.leaves).then_some(waits_since)
    }
}

impl Open {
    fn is_full(&self, most: usize) -> bool {
        self.staying - self.for_health_checks >= most
    }

    /// Cuts a connection; from now on its place is free.
    fn leave(&mut self, task: Id) {
        let Some(connection) = self.by_task.get_mut(&task) else {
            return;
        };
        if std::mem::replace(&mut connection.leaves, true) {
            return;
        }
        connection.activity.cut();
        self.staying -= 1;
        self.for_health_checks -= usize::from(connection.place.for_health_checks);
        if let Some(address) = connection.place.address
            && let Some(used) = self.by_address.get_mut(&address)
        {
            *used -= 1;
            if *used == 0 {
                self.by_address.remove(&address);
            }
        }
    }
}
