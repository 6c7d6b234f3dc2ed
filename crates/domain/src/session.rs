//! Console sessions: what an operator's key is exchanged for in a browser.
//!
//! A session ends by idling, at its absolute end, when it is revoked, and with its key. Its token is a
//! secret like a key's and is kept as a hash; where it has to be named, a part of the hash does it.

use std::time::Duration;

use crate::audit::{AuditAction, AuditEntry, TargetKind};
use crate::clock::Timestamp;
use crate::decision::Decided;
use crate::id::ApiKeyId;
use crate::tenant::{ApiKey, SecretHash};

/// How long a session may idle.
pub const IDLE_LIFETIME: Duration = Duration::from_hours(1);

/// How long a session lasts, used or not.
pub const LIFETIME: Duration = Duration::from_hours(12);

/// A console session, without its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsoleSession {
    /// The SHA-256 of its token.
    pub token_hash: SecretHash,
    /// The operator's key it was exchanged for.
    pub key_id: ApiKeyId,
    /// When the operator signed in.
    pub created_at: Timestamp,
    /// When it was last used, to within a minute.
    pub seen_at: Timestamp,
}

impl ConsoleSession {
    /// Begins the session; nothing changes where its key is gone or does not work (any more).
    pub fn begin(self, key: Option<&ApiKey>) -> Decided<Self> {
        if !key.is_some_and(|key| key.works_at(self.created_at)) {
            return Decided::unchanged(self);
        }
        let audit = self.audit(AuditAction::ConsoleSignedIn);
        Decided::changed(self, audit)
    }

    /// What the audit trail shows of its end.
    pub fn removal(&self) -> AuditEntry {
        self.audit(AuditAction::ConsoleSignedOut)
    }

    fn audit(&self, action: AuditAction) -> AuditEntry {
        AuditEntry::new(action, TargetKind::ConsoleSession, self.name())
            .with_details([self.key_id.as_str()])
    }

    /// Whether it has ended by idling or by age.
    pub fn is_over_at(&self, now: Timestamp) -> bool {
        self.ends_at() <= now
    }

    /// When it ends if it is not used again.
    pub fn ends_at(&self) -> Timestamp {
        let idle = self.seen_at.saturating_add(IDLE_LIFETIME);
        idle.min(self.created_at.saturating_add(LIFETIME))
    }

    /// What it is called in lists and in the audit trail; of no use to whoever wants its token.
    pub fn name(&self) -> String {
        let mut name = String::from("cses_");
        for byte in &self.token_hash.0[..8] {
            name.push_str(&format!("{byte:02x}"));
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::role::Role;
    use crate::tenant::{KeyOwner, KeyStatus};

    #[test]
    fn a_session_ends_by_idling_or_by_age() {
        let start = Timestamp::from_micros(0).unwrap();
        let session = ConsoleSession {
            token_hash: SecretHash([0xab; 32]),
            key_id: ApiKeyId::parse("apikey_1").unwrap(),
            created_at: start,
            seen_at: start,
        };
        assert_eq!(session.name(), "cses_abababababababab");
        assert!(session.is_over_at(start.saturating_add(IDLE_LIFETIME)));
        let late = start.saturating_add(LIFETIME.saturating_sub(Duration::from_mins(1)));
        let busy = ConsoleSession {
            seen_at: late,
            ..session
        };
        assert!(!busy.is_over_at(late));
        assert!(busy.is_over_at(start.saturating_add(LIFETIME)));
    }

    #[test]
    fn a_session_begins_with_a_key_that_works() {
        let (id, now) = (ApiKeyId::parse("apikey_1").unwrap(), Timestamp::EPOCH);
        let key = ApiKey::create(
            id.clone(),
            KeyOwner::Operator { role: Role::Viewer },
            "K".into(),
            None,
            now,
        )
        .unwrap();
        let disabled = key
            .clone()
            .with_status(KeyStatus::Disabled, &[], now)
            .unwrap()
            .value;
        let expired = ApiKey {
            expires_at: Some(now),
            ..key.clone()
        };
        let session = ConsoleSession {
            token_hash: SecretHash([1; 32]),
            key_id: id,
            created_at: now,
            seen_at: now,
        };
        for (key, begins) in [
            (Some(&key), true),
            (Some(&disabled), false),
            (Some(&expired), false),
            (None, false),
        ] {
            assert_eq!(session.clone().begin(key).changed, begins, "{key:?}");
        }
    }
}
