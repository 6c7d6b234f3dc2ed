//! How much was asked of the APIs in the last hour: a ring of minutes, for the console's chart.
//!
//! It counts this process alone and forgets with it; what is to be kept is `/metrics`' to tell.
//! Recording is two or three uncontended atomic operations.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use http::StatusCode;
use rollcall_domain::clock::Timestamp;

/// How many minutes are shown.
pub const MINUTES: usize = 60;

/// One more than is shown, so that the minute being overwritten is never among them.
const SLOTS: usize = MINUTES + 4;

#[derive(Debug, Default)]
struct Slot {
    minute: AtomicI64,
    answered: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
}

/// A minute in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Minute {
    /// Requests answered.
    pub answered: u64,
    /// Of these, answered with 400 to 499.
    pub refused: u64,
    /// Of these, answered with 500 and above.
    pub failed: u64,
}

/// The last hour.
#[derive(Debug)]
pub struct Traffic([Slot; SLOTS]);

impl Default for Traffic {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Slot::default()))
    }
}

fn minute_of(now: Timestamp) -> i64 {
    now.as_micros().div_euclid(60_000_000)
}

impl Traffic {
    /// Counts an answer.
    pub fn record(&self, now: Timestamp, status: StatusCode) {
        let minute = minute_of(now);
        let slot = self.slot(minute);
        if slot.minute.load(Ordering::Relaxed) != minute {
            // Two requests may both clear it: one of them is then not counted, in a chart.
            slot.minute.store(minute, Ordering::Relaxed);
            for count in [&slot.answered, &slot.refused, &slot.failed] {
                count.store(0, Ordering::Relaxed);
            }
        }
        slot.answered.fetch_add(1, Ordering::Relaxed);
        if status.is_client_error() {
            slot.refused.fetch_add(1, Ordering::Relaxed);
        } else if status.is_server_error() {
            slot.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The last [`MINUTES`] minutes, the present one last.
    pub fn last_hour(&self, now: Timestamp) -> Vec<Minute> {
        let present = minute_of(now);
        let shown = i64::try_from(MINUTES).unwrap_or(0);
        let minutes = present - shown + 1..=present;
        minutes.map(|minute| self.minute(minute)).collect()
    }

    fn minute(&self, minute: i64) -> Minute {
        let slot = self.slot(minute);
        if slot.minute.load(Ordering::Relaxed) != minute {
            return Minute::default();
        }
        Minute {
            answered: slot.answered.load(Ordering::Relaxed),
            refused: slot.refused.load(Ordering::Relaxed),
            failed: slot.failed.load(Ordering::Relaxed),
        }
    }

    fn slot(&self, minute: i64) -> &Slot {
        let slots = i64::try_from(SLOTS).unwrap_or(1);
        let place = usize::try_from(minute.rem_euclid(slots)).unwrap_or(0);
        &self.0[place]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_remembered_and_no_more() {
        let traffic = Traffic::default();
        let at = |minute: i64| Timestamp::from_micros(minute * 60_000_000).unwrap();
        traffic.record(at(100), StatusCode::OK);
        traffic.record(at(100), StatusCode::NOT_FOUND);
        traffic.record(at(101), StatusCode::INTERNAL_SERVER_ERROR);
        let hour = traffic.last_hour(at(101));
        let expected = [
            Minute {
                answered: 2,
                refused: 1,
                failed: 0,
            },
            Minute {
                answered: 1,
                refused: 0,
                failed: 1,
            },
        ];
        assert_eq!(hour.len(), MINUTES);
        assert_eq!(hour[MINUTES - 2..], expected);
        assert!(
            traffic
                .last_hour(at(161))
                .iter()
                .all(|it| *it == Minute::default())
        );
    }
}
