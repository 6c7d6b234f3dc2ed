//! Whether an id has stood on an earlier line of the same import.
//!
//! Two records with one id are a mistake in the file: whichever came last would win, and the other be lost
//! in silence.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hasher, RandomState};

use rollcall_domain::id::ProfileId;

/// The ids seen so far, up to a number: eight bytes and a bit each. Beyond it a repeated id is not
/// recognised and replaces, as one from an earlier import does.
pub(crate) struct FirstIds {
    seen: HashSet<u64, NoHash>,
    hasher: RandomState,
    most: usize,
}

impl FirstIds {
    /// None yet, and never more than `most`.
    pub(crate) fn up_to(most: usize) -> Self {
        Self {
            seen: HashSet::default(),
            hasher: RandomState::new(),
            most,
        }
    }

    /// Whether this id is seen for the first time, as far as is remembered.
    pub(crate) fn is_first(&mut self, id: &ProfileId) -> bool {
        let hash = self.hasher.hash_one(id.as_str());
        if self.seen.len() < self.most {
            self.seen.insert(hash)
        } else {
            !self.seen.contains(&hash)
        }
    }
}

/// The ids are hashed already, with a key of this process.
#[derive(Clone, Debug, Default)]
struct NoHash;

impl BuildHasher for NoHash {
    type Hasher = Same;

    fn build_hasher(&self) -> Same {
        Same(0)
    }
}

struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 << 8) | u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_first_once_as_far_as_is_remembered() {
        let id = |text: &str| ProfileId::parse(text).unwrap();
        let mut ids = FirstIds::up_to(2);
        assert!(ids.is_first(&id("uprof_a")) && ids.is_first(&id("uprof_b")));
        assert!(!ids.is_first(&id("uprof_a")));
        assert!(ids.is_first(&id("uprof_c")) && ids.is_first(&id("uprof_c")));
        assert!(!ids.is_first(&id("uprof_b")));
    }
}
