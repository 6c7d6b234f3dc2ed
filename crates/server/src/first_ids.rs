//! Whether an id, or a reference that records are matched by, has stood on an earlier line of the same import.
//!
//! Two records with one id are a mistake in the file: whichever came last would win, and the other be lost
//! in silence.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hasher, RandomState};

use rollcall_domain::id::OrganizationId;
use rollcall_domain::profile::ProfileRecord;
use rollcall_store::registry::PutMode;

/// The ids seen so far, up to a number: eight bytes and a bit each. Beyond it a repeated id is not
/// recognised and replaces, as one from an earlier import does.
struct FirstIds {
    seen: HashSet<u64, NoHash>,
    hasher: RandomState,
    most: usize,
}

impl FirstIds {
    /// None yet, and never more than `most`.
    fn up_to(most: usize) -> Self {
        Self {
            seen: HashSet::default(),
            hasher: RandomState::new(),
            most,
        }
    }

    /// Whether this id is seen for the first time, as far as is remembered.
    fn is_first(&mut self, id: &str) -> bool {
        let hash = self.hasher.hash_one(id);
        if self.seen.len() < self.most {
            self.seen.insert(hash)
        } else {
            !self.seen.contains(&hash)
        }
    }
}

/// What has stood on the lines so far of an import.
pub(crate) struct EarlierLines {
    ids: FirstIds,
    /// Where records are matched by them.
    references: Option<FirstIds>,
}

impl EarlierLines {
    /// None yet, and never more than `most` ids.
    pub(crate) fn up_to(most: usize, mode: PutMode) -> Self {
        let references = mode.match_reference.then(|| FirstIds::up_to(most));
        Self {
            ids: FirstIds::up_to(most),
            references,
        }
    }

    /// What of this record has stood on an earlier line, if anything has.
    pub(crate) fn repeated(
        &mut self,
        organization_id: &OrganizationId,
        record: &ProfileRecord,
    ) -> Option<&'static str> {
        if !self.ids.is_first(record.profile.id.as_str()) {
            return Some("id: stands on an earlier line already");
        }
        let reference = record.profile.details.reference_id.as_ref()?;
        let named = format!("{}\n{}", organization_id.as_str(), reference.as_str());
        let is_first = self.references.as_mut()?.is_first(&named);
        (!is_first)
            .then_some("external_user_details.reference_id: stands on an earlier line already")
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
        let mut ids = FirstIds::up_to(2);
        assert!(ids.is_first("uprof_a") && ids.is_first("uprof_b"));
        assert!(!ids.is_first("uprof_a"));
        assert!(ids.is_first("uprof_c") && ids.is_first("uprof_c"));
        assert!(!ids.is_first("uprof_b"));
    }
}
