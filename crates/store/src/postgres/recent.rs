//! Whose lists the replica cannot answer yet: an organization's whose last write through this node it may lack.
//!
//! The primary answers them until the replica has played in what there was. That is asked when such a list comes, of
//! the places in the log that both have come to, and not more often than every [`BETWEEN_LOOKS`]. Where neither
//! writes nor lists come, nothing is asked.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::PostgresStore;
use super::pool::{Connections, Planned};
use super::rows::column;
use super::trouble::Trouble;
use super::value::values;

/// How long after one look at the replica the next one is had.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
/// Most organizations that are remembered by name; beyond them all count as having written.
const MOST: usize = 16_384;

/// Who wrote lately.
#[derive(Default)]
pub(super) struct Recent(Mutex<Writers>);

#[derive(Default)]
struct Writers {
    /// When each wrote last.
    at: HashMap<String, Instant>,
    /// When there were too many of them, and others wrote.
    others: Option<Instant>,
    looked: Option<Instant>,
}

impl Recent {
    /// Notes that these wrote, before they are told so.
    pub(super) fn wrote(&self, organizations: Vec<String>) {
        if organizations.is_empty() {
            return;
        }
        let (now, mut writers) = (Instant::now(), self.0.lock());
        for organization in organizations {
            if writers.at.len() < MOST || writers.at.contains_key(&organization) {
                writers.at.insert(organization, now);
            } else {
                writers.others = Some(now);
            }
        }
    }

    /// Whether this organization, or any, wrote lately.
    fn holds(&self, organization: Option<&str>) -> bool {
        let writers = self.0.lock();
        match organization {
            _ if writers.others.is_some() => true,
            Some(organization) => writers.at.contains_key(organization),
            None => !writers.at.is_empty(),
        }
    }

    /// Whether it is time for a look, which the caller then has.
    fn is_to_look(&self) -> bool {
        let (now, mut writers) = (Instant::now(), self.0.lock());
        let is_time = writers
            .looked
            .is_none_or(|then| now - then >= BETWEEN_LOOKS);
        if is_time {
            writers.looked = Some(now);
        }
        is_time
    }

    /// Forgets what was written before.
    fn has_played(&self, before: Instant) {
        let mut writers = self.0.lock();
        writers.at.retain(|_, at| *at >= before);
        writers.others = writers.others.filter(|at| *at >= before);
    }
}

impl PostgresStore {
    /// The replica, if it has all that this organization, or any, wrote through this node.
    pub(super) async fn replica_for(&self, organization: Option<&str>) -> Option<&Connections> {
        let replica = self.replica.as_ref()?;
        let recent = self.writer.recent.as_ref()?;
        if !recent.holds(organization) {
            return Some(replica);
        }
        if !recent.is_to_look() {
            return None;
        }
        // Whatever is wrong with either, the primary is asked, and says so.
        let began = Instant::now();
        if !matches!(self.has_played(replica).await, Ok(true)) {
            return None;
        }
        recent.has_played(began);
        (!recent.holds(organization)).then_some(replica)
    }

    /// Whether the replica has come to where the primary is.
    async fn has_played(&self, replica: &Connections) -> Result<bool, Trouble> {
        let here = "SELECT pg_current_wal_lsn()::text";
        let here = self
            .read_from(&self.primary, Planned::EachTime, here, &[])
            .await?;
        let Some(place) = here.first() else {
            return Ok(false);
        };
        let place: String = column(place, 0)?;
        let there = "SELECT coalesce(pg_last_wal_replay_lsn() >= $1::text::pg_lsn, false)";
        let parameters = values![place.as_str()];
        let there = self
            .read_from(replica, Planned::EachTime, there, &parameters)
            .await?;
        Ok(there.first().map_or(Ok(false), |row| column(row, 0))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_wrote_is_held_until_it_is_played_in() {
        let recent = Recent::default();
        assert!(!recent.holds(None));
        recent.wrote(vec!["a".to_owned()]);
        let later = Instant::now();
        assert!(recent.holds(Some("a")) && recent.holds(None) && !recent.holds(Some("b")));
        recent.wrote(vec!["b".to_owned()]);
        recent.has_played(later);
        assert!(!recent.holds(Some("a")) && recent.holds(Some("b")));
        assert!(recent.is_to_look() && !recent.is_to_look());
        recent.wrote((0..=MOST).map(|number| number.to_string()).collect());
        assert!(recent.holds(Some("nobody")), "too many to tell who");
        recent.has_played(Instant::now());
        assert!(!recent.holds(None));
    }
}
