//! Rate fences: how often an organization may call, and how often a source address may fail to
//! authenticate. The contract's section *Rate limits* (`headers-and-errors.md`) fixes both.
//!
//! Both are token buckets in one small `Buckets` of ours instead of the `governor` crate, because
//! the development clock (`operator.md`, *Development controls*) may stop, jump ahead and **go
//! back**. A GCRA as `governor` keeps it stores the instant at which a key conforms again; once the
//! clock goes back by a day, that instant is a day away and the key is refused for a day, through an
//! interface that lets nobody correct it. It also fixes the quota when the limiter is made, while an
//! operator changes `rate_limit_rpm` of one organization at run time, and it does not report when
//! the bucket is full again, which `anthropic-ratelimit-requests-reset` needs.
//!
//! A bucket here stores how much of it is *used up* and when that was true. Draining is computed from the
//! time that passed since, which counts as none when the clock went back; the next answer is then
//! right again. All arithmetic is on integers, so nothing drifts. A bucket that is not used at all is
//! the same as one that is not stored, hence idle keys cost no memory.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use parking_lot::Mutex;

const MICROS_PER_MINUTE: u64 = 60_000_000;

/// One request, in the unit in which a bucket counts: at a rate of `n` a minute, `n` of these units
/// drain in each microsecond, so every rate divides evenly.
const REQUEST: u64 = MICROS_PER_MINUTE;

/// Locks are spread over this many maps, so that requests of different keys rarely meet.
const SHARDS: usize = 16;

/// Below this many keys a shard does not look for idle ones.
const SWEEP_FROM: usize = 64;

/// How often each organization may call: its token bucket over all its public requests.
///
/// Times are microseconds since the Unix epoch, of the clock that responses show.
#[derive(Debug, Default)]
pub struct OrganizationRates {
    buckets: Buckets<Box<str>>,
}

/// What an organization's bucket said to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateDecision {
    /// Requests a minute, and the bucket's size: `anthropic-ratelimit-requests-limit`.
    pub limit: u32,
    /// Whole requests that would still fit now: `anthropic-ratelimit-requests-remaining`.
    pub remaining: u32,
    /// When the bucket is full again, in microseconds since the Unix epoch:
    /// `anthropic-ratelimit-requests-reset`. The present when it is full already.
    pub reset_at_micros: i64,
    /// `None` when the request was admitted; else the wait until one request fits.
    pub retry_after: Option<Duration>,
}

impl OrganizationRates {
    /// Takes one request out of the organization's bucket, or nothing when it is refused.
    ///
    /// `rpm` is the limit that holds now. It may differ from call to call: what was used under the
    /// old limit stays used, up to the size of the new bucket.
    pub fn check(&self, organization: &str, rpm: NonZeroU32, now_micros: i64) -> RateDecision {
        let level = self.buckets.take(organization, rpm, now_micros);
        let rate = u64::from(rpm.get());
        RateDecision {
            limit: rpm.get(),
            remaining: u32::try_from((capacity(rpm) - level.used) / REQUEST).unwrap_or(u32::MAX),
            reset_at_micros: now_micros.saturating_add_unsigned(level.used.div_ceil(rate)),
            retry_after: level.retry_after,
        }
    }
}

/// How often one source address may fail to authenticate.
///
/// Meant to be asked only *after* a failure, never before looking at a key: a whole platform may
/// call from one address, and its right keys must keep working while somebody beside it guesses.
/// The fence makes guessing visible and unrewarding; the keys' length is what makes it hopeless.
#[derive(Debug)]
pub struct AuthenticationFailures {
    per_minute: NonZeroU32,
    buckets: Buckets<IpAddr>,
}

impl AuthenticationFailures {
    /// At most this many addresses are remembered, about 5 MB. Past it an arbitrary one is
    /// forgotten for each new one, so that an attacker with many addresses forgets mostly its own.
    pub const MOST_ADDRESSES: usize = 65_536;

    /// A fence that lets `per_minute` failures of one address pass in a minute.
    pub fn new(per_minute: NonZeroU32) -> Self {
        Self {
            per_minute,
            buckets: Buckets::with_most_keys(Self::MOST_ADDRESSES),
        }
    }

    /// Counts a failure. `None`: answer it as usual; else answer 429 with this wait.
    ///
    /// IPv6 addresses count by their /64, which is what one site can choose from at will, and IPv4
    /// addresses written as IPv6 count as IPv4.
    pub fn record(&self, source: IpAddr, now_micros: i64) -> Option<Duration> {
        let site = site_of(source);
        self.buckets
            .take(&site, self.per_minute, now_micros)
            .retry_after
    }
}

/// What addresses count as: IPv6 by /64, and IPv4 written as IPv6 as IPv4.
pub(crate) fn site_of(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
    }
}

fn capacity(rate: NonZeroU32) -> u64 {
    u64::from(rate.get()) * REQUEST
}

/// Token buckets by key. Keys whose bucket is full again are forgotten as the map grows.
#[derive(Debug)]
struct Buckets<K> {
    hasher: RandomState,
    shards: [Mutex<Shard<K>>; SHARDS],
    most_keys_per_shard: usize,
}

#[derive(Debug)]
struct Shard<K> {
    buckets: HashMap<K, Bucket>,
    /// The number of keys at which idle ones are looked for again.
    sweep_at: usize,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// What is used up, in fractions of a [`REQUEST`], as of `at_micros`.
    used: u64,
    at_micros: i64,
    /// The rate at which it drains, kept so that a sweep can tell what is idle.
    rate: NonZeroU32,
}

/// A bucket after a request was admitted or refused.
struct Level {
    used: u64,
    retry_after: Option<Duration>,
}

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| Mutex::new(Shard::default())),
            most_keys_per_shard: usize::MAX,
        }
    }
}

impl<K> Default for Shard<K> {
    fn default() -> Self {
        Self {
            buckets: HashMap::new(),
            sweep_at: SWEEP_FROM,
        }
    }
}

impl<K: Hash + Eq + Clone> Buckets<K> {
    fn with_most_keys(most_keys: usize) -> Self {
        Self {
            most_keys_per_shard: most_keys / SHARDS,
            ..Self::default()
        }
    }

    fn take<Q>(&self, key: &Q, rate: NonZeroU32, now_micros: i64) -> Level
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned: Into<K>> + ?Sized,
    {
        let mut shard = self.shard_of(key).lock();
        if let Some(bucket) = shard.buckets.get_mut(key) {
            return bucket.take(rate, now_micros);
        }
        let mut bucket = Bucket {
            used: 0,
            at_micros: now_micros,
            rate,
        };
        let level = bucket.take(rate, now_micros);
        shard.make_room(self.most_keys_per_shard, now_micros);
        shard.buckets.insert(key.to_owned().into(), bucket);
        level
    }

    fn shard_of<Q: Hash + ?Sized>(&self, key: &Q) -> &Mutex<Shard<K>> {
        let hash = self.hasher.hash_one(key);
        let index = usize::try_from(hash % SHARDS as u64).unwrap_or_default();
        &self.shards[index]
    }
}

impl<K: Hash + Eq + Clone> Shard<K> {
    /// Sweeping whenever the map has doubled costs each insertion a constant on average.
    fn make_room(&mut self, most_keys: usize, now_micros: i64) {
        if self.buckets.len() >= self.sweep_at {
            self.buckets
                .retain(|_, bucket| !bucket.is_full_again(now_micros));
            self.buckets.shrink_to(SWEEP_FROM);
            self.sweep_at = (self.buckets.len() * 2).max(SWEEP_FROM);
        }
        if self.buckets.len() >= most_keys
            && let Some(victim) = self.buckets.keys().next().cloned()
        {
            self.buckets.remove(&victim);
        }
    }
}

impl Bucket {
    fn take(&mut self, rate: NonZeroU32, now_micros: i64) -> Level {
        let drained = self.drained(now_micros);
        self.used = self.used.saturating_sub(drained).min(capacity(rate));
        self.at_micros = now_micros;
        self.rate = rate;
        let retry_after = self.wait_for_one();
        if retry_after.is_none() {
            self.used += REQUEST;
        }
        Level {
            used: self.used,
            retry_after,
        }
    }

    /// What drained since the bucket was last looked at; nothing when the clock went back.
    ///
    /// More than a minute empties any bucket, and stopping there keeps the product in range.
    fn drained(&self, now_micros: i64) -> u64 {
        let elapsed = now_micros.saturating_sub(self.at_micros);
        let elapsed = u64::try_from(elapsed).unwrap_or(0).min(MICROS_PER_MINUTE);
        elapsed * u64::from(self.rate.get())
    }

    fn wait_for_one(&self) -> Option<Duration> {
        let excess = (self.used + REQUEST).saturating_sub(capacity(self.rate));
        (excess > 0).then(|| Duration::from_micros(excess.div_ceil(u64::from(self.rate.get()))))
    }

    fn is_full_again(&self, now_micros: i64) -> bool {
        self.used <= self.drained(now_micros)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    const NOW: i64 = 1_773_568_800_000_000;
    const SECOND: i64 = 1_000_000;
    const MINUTE: i64 = 60 * SECOND;

    fn rpm(rate: u32) -> NonZeroU32 {
        NonZeroU32::new(rate).unwrap()
    }

    fn admitted(rates: &OrganizationRates, rate: u32, now: i64) -> bool {
        rates.check("org", rpm(rate), now).retry_after.is_none()
    }

    #[test]
    fn a_fresh_bucket_holds_a_minute_of_requests() {
        let rates = OrganizationRates::default();
        for taken in 1..=600 {
            let decision = rates.check("org", rpm(600), NOW);
            assert_eq!(
                decision,
                RateDecision {
                    limit: 600,
                    remaining: 600 - taken,
                    reset_at_micros: NOW + i64::from(taken) * SECOND / 10,
                    retry_after: None,
                }
            );
        }
        let refused = rates.check("org", rpm(600), NOW);
        assert_eq!(refused.remaining, 0);
        assert_eq!(refused.reset_at_micros, NOW + MINUTE);
        assert_eq!(refused.retry_after, Some(Duration::from_millis(100)));
    }

    #[test]
    fn organizations_do_not_share_a_bucket() {
        let rates = OrganizationRates::default();
        assert!(rates.check("a", rpm(1), NOW).retry_after.is_none());
        assert!(rates.check("b", rpm(1), NOW).retry_after.is_none());
        assert!(rates.check("a", rpm(1), NOW).retry_after.is_some());
    }

    #[test]
    fn a_refused_request_takes_nothing() {
        let rates = OrganizationRates::default();
        assert!(admitted(&rates, 1, NOW));
        for _ in 0..1000 {
            assert!(!admitted(&rates, 1, NOW + MINUTE - 1));
        }
        assert!(admitted(&rates, 1, NOW + MINUTE));
    }

    #[test]
    fn a_stopped_clock_refills_nothing() {
        let rates = OrganizationRates::default();
        assert_eq!((0..10).filter(|_| admitted(&rates, 3, NOW)).count(), 3);
    }

    #[test]
    fn a_clock_set_back_by_a_year_refuses_for_one_interval_at_most() {
        let rates = OrganizationRates::default();
        while admitted(&rates, 60, NOW) {}
        let past = NOW - 365 * 24 * 60 * MINUTE;
        let refused = rates.check("org", rpm(60), past);
        assert_eq!(refused.retry_after, Some(Duration::from_secs(1)));
        assert_eq!(refused.reset_at_micros, past + MINUTE);
        assert!(admitted(&rates, 60, past + SECOND));
    }

    #[test]
    fn a_clock_at_either_end_of_time_is_survived() {
        let rates = OrganizationRates::default();
        for now in [i64::MAX, i64::MIN, i64::MAX, 0, i64::MIN] {
            assert!(admitted(&rates, u32::MAX, now));
        }
    }

    #[test]
    fn a_new_limit_holds_at_once() {
        let rates = OrganizationRates::default();
        for _ in 0..60 {
            assert!(admitted(&rates, 60, NOW));
        }
        let raised = rates.check("org", rpm(100), NOW);
        assert_eq!((raised.limit, raised.remaining), (100, 39));

        let lowered = rates.check("org", rpm(2), NOW);
        assert_eq!((lowered.limit, lowered.remaining), (2, 0));
        assert_eq!(lowered.retry_after, Some(Duration::from_secs(30)));
        assert!(admitted(&rates, 2, NOW + 30 * SECOND));
    }

    #[test]
    fn idle_organizations_are_forgotten() {
        let rates = OrganizationRates::default();
        for organization in 0..10_000_i64 {
            let now = NOW + organization * SECOND;
            rates.check(&organization.to_string(), rpm(1), now);
        }
        let stored: usize = rates
            .buckets
            .shards
            .iter()
            .map(|shard| shard.lock().buckets.len())
            .sum();
        assert!(stored <= SHARDS * SWEEP_FROM, "{stored} buckets are stored");
    }

    #[test]
    fn sixty_failures_of_an_address_pass_and_one_more_each_second() {
        let failures = AuthenticationFailures::new(rpm(60));
        let source = "192.0.2.1".parse().unwrap();
        for _ in 0..60 {
            assert_eq!(failures.record(source, NOW), None);
        }
        assert_eq!(failures.record(source, NOW), Some(Duration::from_secs(1)));
        assert_eq!(failures.record(source, NOW + SECOND), None);
    }

    #[rstest]
    #[case::another_host("192.0.2.1", "192.0.2.2", false)]
    #[case::same_site("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true)]
    #[case::another_site("2001:db8:1:2::1", "2001:db8:1:3::1", false)]
    #[case::mapped("::ffff:192.0.2.1", "192.0.2.1", true)]
    #[case::mapped_neighbours("::ffff:192.0.2.1", "::ffff:192.0.2.2", false)]
    fn addresses_count_by_site(#[case] one: &str, #[case] other: &str, #[case] together: bool) {
        let failures = AuthenticationFailures::new(rpm(1));
        assert_eq!(failures.record(one.parse().unwrap(), NOW), None);
        let refused = failures.record(other.parse().unwrap(), NOW).is_some();
        assert_eq!(refused, together);
    }

    #[test]
    fn many_addresses_do_not_grow_memory_without_bound() {
        let failures = AuthenticationFailures::new(rpm(1));
        for host in 0..200_000_u32 {
            failures.record(IpAddr::V4(host.into()), NOW);
        }
        for shard in &failures.buckets.shards {
            let most = AuthenticationFailures::MOST_ADDRESSES / SHARDS;
            assert!(shard.lock().buckets.len() <= most);
        }
    }

    proptest! {
        #[test]
        fn no_window_admits_more_than_the_bucket_and_its_refill(
            rate in 1_u32..2000,
            steps in prop::collection::vec(0_i64..3 * SECOND, 1..200),
        ) {
            let rates = OrganizationRates::default();
            let (mut now, mut count) = (NOW, 0_i64);
            for step in steps {
                now += step;
                count += i64::from(admitted(&rates, rate, now));
                let refilled = (now - NOW) * i64::from(rate) / MINUTE;
                prop_assert!(count <= i64::from(rate) + refilled);
            }
        }

        #[test]
        fn the_wait_is_exact(
            rate in 1_u32..3000,
            steps in prop::collection::vec(0_i64..SECOND / 10, 0..50),
        ) {
            let rates = OrganizationRates::default();
            let mut now = NOW;
            let mut steps = steps.into_iter();
            let wait = loop {
                if let Some(wait) = rates.check("org", rpm(rate), now).retry_after {
                    break wait;
                }
                now += steps.next().unwrap_or(0);
            };
            let wait = i64::try_from(wait.as_micros()).unwrap();
            prop_assert!(!admitted(&rates, rate, now + wait - 1));
            prop_assert!(admitted(&rates, rate, now + wait));
        }

        #[test]
        fn whatever_the_clock_does_the_wait_and_the_reset_stay_within_a_minute(
            calls in prop::collection::vec((any::<i64>(), 1_u32..=u32::MAX), 1..100),
        ) {
            let rates = OrganizationRates::default();
            for (now, rate) in calls {
                let decision = rates.check("org", rpm(rate), now);
                let longest = Duration::from_micros(MICROS_PER_MINUTE.div_ceil(u64::from(rate)));
                prop_assert!(decision.retry_after.unwrap_or_default() <= longest);
                prop_assert!(decision.remaining < rate);
                prop_assert!(decision.reset_at_micros >= now);
                prop_assert!(decision.reset_at_micros <= now.saturating_add(MINUTE));
            }
        }
    }
}
