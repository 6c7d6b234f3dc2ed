//! Calls in the order in which they were made, where that matters: two that name something in common are carried
//! out one after the other, others at the same time. The database alone would let a later call overtake.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::{StoreError, Stored};

/// What a call is about. Names are kept as numbers; two that happen to have the same only cost a wait.
pub(super) enum Names {
    All,
    These(HashSet<u64>),
}

impl Names {
    pub(super) fn of<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let number = |name: &str| {
            let mut hasher = DefaultHasher::new();
            name.hash(&mut hasher);
            hasher.finish()
        };
        Self::These(names.map(number).collect())
    }

    fn meet(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) | (_, Self::All) => true,
            (Self::These(names), Self::These(others)) => !names.is_disjoint(others),
        }
    }
}

/// The calls that are under way, the oldest first.
#[derive(Default)]
pub(super) struct Order(Mutex<Vec<Arc<Call>>>);

struct Call {
    names: Names,
    /// Closed once the call has ended.
    ended: Semaphore,
}

/// A call's place among those under way, for as long as this lives.
pub(super) struct Place<'a> {
    order: &'a Order,
    call: Arc<Call>,
}

impl Order {
    /// Waits until the calls before this one have ended that it has a name in common with.
    pub(super) async fn place(&self, names: Names, longest: Duration) -> Stored<Place<'_>> {
        let call = Arc::new(Call {
            names,
            ended: Semaphore::new(0),
        });
        let before: Vec<_> = {
            let mut calls = self.0.lock();
            let meeting = calls.iter().filter(|other| other.names.meet(&call.names));
            let before = meeting.cloned().collect();
            calls.push(Arc::clone(&call));
            before
        };
        let place = Place { order: self, call };
        let ended = async {
            for call in before {
                // It is never given, only closed.
                let _ = call.ended.acquire().await;
            }
        };
        match tokio::time::timeout(longest, ended).await {
            Ok(()) => Ok(place),
            Err(_) => Err(StoreError::Unavailable(format!(
                "an earlier write of the same profiles did not end within {longest:?}"
            ))),
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut calls = self.order.0.lock();
        calls.retain(|call| !Arc::ptr_eq(call, &self.call));
        self.call.ended.close();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_call_waits_for_those_before_it_that_it_has_a_name_in_common_with() {
        let order = Order::default();
        let place = |names: &'static [&str]| {
            let names = Names::of(names.iter().copied());
            Box::pin(order.place(names, Duration::from_mins(1)))
        };
        let first = place(&["a", "b"]).now_or_never().unwrap().unwrap();
        let other = place(&["c"]).now_or_never().unwrap().unwrap();
        let (mut second, mut third) = (place(&["b", "d"]), place(&["d"]));
        let mut all = Box::pin(order.place(Names::All, Duration::from_mins(1)));
        for waiting in [&mut second, &mut third] {
            assert!(waiting.now_or_never().is_none());
        }
        assert!((&mut all).now_or_never().is_none());
        drop(first);
        let second = second.now_or_never().unwrap().unwrap();
        assert!((&mut third).now_or_never().is_none());
        // One that is given up holds nobody.
        drop((second, third, other));
        assert!(all.now_or_never().unwrap().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_without_end() {
        let order = Order::default();
        let place = || order.place(Names::All, Duration::from_secs(1));
        let _first = place().await.unwrap();
        assert!(matches!(
            place().await.err(),
            Some(StoreError::Unavailable(_))
        ));
    }
}
