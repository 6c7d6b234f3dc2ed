//! Time as a value. Rules take *now* as an argument; only the outermost layer asks a [`Clock`].
//!
//! That is what lets `rollcall dev` stop, set and advance time for a whole server, and lets tests
//! compare whole answers, dates included.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::RwLock;

/// An instant in microseconds since 1970-01-01T00:00:00Z, the precision Rollcall stores.
///
/// Always within the years 0001 to 9999 in UTC, the range the wire format can express.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 0001-01-01T00:00:00Z.
    pub const MIN: Self = Self(-62_135_596_800_000_000);
    /// 9999-12-31T23:59:59.999999Z.
    pub const MAX: Self = Self(253_402_300_799_999_999);
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// The instant `micros` microseconds after the epoch, or `None` outside the years 0001–9999.
    pub const fn from_micros(micros: i64) -> Option<Self> {
        if micros >= Self::MIN.0 && micros <= Self::MAX.0 {
            Some(Self(micros))
        } else {
            None
        }
    }

    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole milliseconds since the epoch, rounded down.
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// This instant moved later by `duration`, ending at [`Timestamp::MAX`].
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(micros).min(Self::MAX.0))
    }

    /// This instant moved earlier by `duration`, ending at [`Timestamp::MIN`].
    #[must_use]
    pub fn saturating_sub(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(micros).max(Self::MIN.0))
    }

    /// How long after `earlier` this instant is; zero when it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }

    /// The next instant that can be told apart from this one.
    #[must_use]
    pub fn next_microsecond(self) -> Self {
        self.saturating_add(Duration::from_micros(1))
    }
}

/// Where the time comes from.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The present instant.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the time"
    )]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::EPOCH.saturating_add(since_epoch)
    }
}

/// A clock that can be stopped, set and moved: the development controls and the tests use it.
///
/// It starts out following the machine's clock.
#[derive(Debug)]
pub struct AdjustableClock {
    reading: RwLock<Reading>,
}

#[derive(Clone, Copy, Debug)]
enum Reading {
    Running { offset_micros: i64 },
    Stopped(Timestamp),
}

impl Default for AdjustableClock {
    fn default() -> Self {
        Self {
            reading: RwLock::new(Reading::Running { offset_micros: 0 }),
        }
    }
}

impl AdjustableClock {
    /// A clock that stands still at `now`.
    pub fn stopped_at(now: Timestamp) -> Self {
        Self {
            reading: RwLock::new(Reading::Stopped(now)),
        }
    }

    /// Stops the clock at `now`.
    pub fn stop_at(&self, now: Timestamp) {
        *self.reading.write() = Reading::Stopped(now);
    }

    /// Moves the clock later by `duration`; it keeps running or standing as it was.
    pub fn advance(&self, duration: Duration) {
        let mut reading = self.reading.write();
        *reading = match *reading {
            Reading::Stopped(now) => Reading::Stopped(now.saturating_add(duration)),
            Reading::Running { offset_micros } => {
                let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
                Reading::Running {
                    offset_micros: offset_micros.saturating_add(micros),
                }
            }
        };
    }

    /// Lets the clock follow the machine's clock again.
    pub fn follow_system(&self) {
        *self.reading.write() = Reading::Running { offset_micros: 0 };
    }
}

impl Clock for AdjustableClock {
    fn now(&self) -> Timestamp {
        match *self.reading.read() {
            Reading::Stopped(now) => now,
            Reading::Running { offset_micros } => {
                let micros = SystemClock.now().as_micros().saturating_add(offset_micros);
                Timestamp::from_micros(micros).unwrap_or(Timestamp::MAX)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stopped_clock_moves_only_when_told() {
        let start = Timestamp::from_micros(5).unwrap();
        let clock = AdjustableClock::stopped_at(start);
        assert_eq!(clock.now(), start);
        clock.advance(Duration::from_secs(1));
        assert_eq!(clock.now().as_micros(), 1_000_005);
    }

    #[test]
    fn arithmetic_stays_within_the_years_the_wire_can_express() {
        assert_eq!(Timestamp::MAX.next_microsecond(), Timestamp::MAX);
        assert_eq!(Timestamp::MIN.saturating_sub(Duration::MAX), Timestamp::MIN);
        assert_eq!(Timestamp::from_micros(Timestamp::MAX.as_micros() + 1), None);
        assert_eq!(Timestamp::EPOCH.since(Timestamp::MAX), Duration::ZERO);
    }
}
