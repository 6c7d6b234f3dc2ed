//! How many files and sockets this process may have open, and who may have how many.
//!
//! Most systems start a process under a soft limit of 1,024, far below what the server is allowed to hold by its
//! settings, and leave it to the process to raise it. Without that, idle connections take the descriptors that storage
//! and deliveries need, and the cap on connections never applies. So the limit is raised as far as is needed and
//! possible, and what there is is shared out: first to storage, then to deliveries, the rest to connections.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Config;

/// What the process itself, the embedded storage with its readers, look-ups of names and the admin listener need.
const OWN: usize = 192;

/// Most connections of the admin listener, which are part of that, and of the operator's.
pub(crate) const CONNECTIONS_BESIDE: usize = 64;

/// How many may be open at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shares {
    /// Connections of clients.
    pub(crate) connections: usize,
    /// Attempts to deliver a webhook.
    pub(crate) deliveries: usize,
}

/// Raises the limit to what these settings need, as far as the system lets it be raised, and shares it out. Says
/// what it did when it was not enough.
pub(crate) fn share(config: &Config, deliveries: usize) -> Shares {
    let wanted = Shares {
        connections: config.max_connections.get(),
        deliveries,
    };
    // Two connections of each, for a database that is read elsewhere than it is written.
    let storage = match config.database_url {
        Some(_) => 2 * config.postgres.pool_size.get(),
        None => 0,
    };
    let operators = config.operator_listen.map_or(0, |_| CONNECTIONS_BESIDE);
    let reserve = OWN + storage + operators;
    let Some(limit) = raise(reserve + wanted.connections + wanted.deliveries) else {
        return wanted;
    };
    let shares = wanted.within(limit, reserve);
    if shares != wanted {
        tracing::warn!(
            open_files = limit,
            connections = shares.connections,
            deliveries = shares.deliveries,
            "the limit of open files leaves room for fewer connections than max_connections ({}) allows; raise the \
             hard limit (LimitNOFILE= of systemd, ulimit -Hn), or lower max_connections",
            wanted.connections
        );
    }
    shares
}

impl Shares {
    fn within(self, limit: usize, reserve: usize) -> Self {
        let deliveries = self.deliveries.min(limit / 4);
        let left = limit.saturating_sub(reserve + deliveries);
        Self {
            // Where not even the reserve fits, few connections are better than none.
            connections: self.connections.min(left.max(limit / 8)).max(1),
            deliveries: deliveries.max(1),
        }
    }
}

/// The soft limit, after it was raised to what is needed or to the hard one. `None`: there is none.
fn raise(needed: usize) -> Option<usize> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let current = current?;
    let needed = needed as u64;
    let target = maximum.map_or(needed, |maximum| needed.min(maximum));
    let mut limit = current;
    if current < target {
        let raised = Rlimit {
            current: Some(target),
            maximum,
        };
        match setrlimit(Resource::Nofile, raised) {
            Ok(()) => {
                tracing::info!(
                    from = current,
                    to = target,
                    "raised the limit of open files"
                );
                limit = target;
            }
            Err(error) => tracing::warn!(%error, "the limit of open files cannot be raised"),
        }
    }
    Some(usize::try_from(limit).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_get_what_storage_and_deliveries_leave() {
        let wanted = Shares {
            connections: 10_000,
            deliveries: 2_048,
        };
        let shares = |limit| {
            let shares = wanted.within(limit, OWN);
            (shares.connections, shares.deliveries)
        };
        assert_eq!(shares(20_000), (10_000, 2_048));
        assert_eq!(shares(4_096), (2_880, 1_024));
        assert_eq!(shares(1_024), (576, 256));
        assert_eq!(shares(100), (12, 25));
        assert_eq!(shares(1), (1, 1));
    }
}
