//! What an organization wants its gateway to be told: one object, whose members stand for the reasons that
//! [`decide`](crate::gateway::decide) can have.

use thiserror::Error;

use crate::audit::fields_that_differ;

crate::text_enum! {
    /// Whether a request passes for a reason that the policy leaves to the operator.
    Passage {
        /// It passes.
        Allow = "allow",
        /// It is refused.
        Deny = "deny",
    }
}

crate::text_enum! {
    /// What becomes of a request whose profile is not known.
    ForUnknown {
        /// It is refused.
        Deny = "deny",
        /// It passes, in nobody's name.
        Allow = "allow",
        /// The profile of a reference that is used for the first time is made; an id is refused.
        Create = "create",
    }
}

/// How many seconds a gateway may go on with what it was told: 0 to [`Self::MOST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheSeconds(u16);

/// The number is beyond [`CacheSeconds::MOST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("must be an integer from 0 to {}", CacheSeconds::MOST)]
pub struct InvalidCacheSeconds;

impl CacheSeconds {
    /// The longest time.
    pub const MOST: u16 = 300;

    /// Accepts 0 to [`Self::MOST`].
    pub fn new(seconds: u16) -> Result<Self, InvalidCacheSeconds> {
        if seconds > Self::MOST {
            return Err(InvalidCacheSeconds);
        }
        Ok(Self(seconds))
    }

    /// The number.
    pub fn get(self) -> u16 {
        self.0
    }
}

/// The policy of an organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GatewayPolicy {
    /// Whether the id that the client itself sent names the profile when the gateway names none.
    pub trust_client_header: bool,
    /// No profile is named.
    pub missing: Passage,
    /// The profile that is named is not there.
    pub unknown: ForUnknown,
    /// The profile is banned.
    pub banned: Passage,
    /// The profile is restricted.
    pub restricted: Passage,
    /// The profile's identity check is under review.
    pub pending: Passage,
    /// The platform has blocked the account.
    pub account_blocked: Passage,
    /// The platform has suspended the account.
    pub account_suspended: Passage,
    /// How long a gateway may go on with what it was told.
    pub cache_seconds: CacheSeconds,
}

impl Default for GatewayPolicy {
    fn default() -> Self {
        Self {
            trust_client_header: false,
            missing: Passage::Allow,
            unknown: ForUnknown::Deny,
            banned: Passage::Deny,
            restricted: Passage::Allow,
            pending: Passage::Allow,
            account_blocked: Passage::Deny,
            account_suspended: Passage::Deny,
            cache_seconds: CacheSeconds(5),
        }
    }
}

/// What an operator changes of a policy; what is absent stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GatewayPolicyPatch {
    /// [`GatewayPolicy::trust_client_header`]
    pub trust_client_header: Option<bool>,
    /// [`GatewayPolicy::missing`]
    pub missing: Option<Passage>,
    /// [`GatewayPolicy::unknown`]
    pub unknown: Option<ForUnknown>,
    /// [`GatewayPolicy::banned`]
    pub banned: Option<Passage>,
    /// [`GatewayPolicy::restricted`]
    pub restricted: Option<Passage>,
    /// [`GatewayPolicy::pending`]
    pub pending: Option<Passage>,
    /// [`GatewayPolicy::account_blocked`]
    pub account_blocked: Option<Passage>,
    /// [`GatewayPolicy::account_suspended`]
    pub account_suspended: Option<Passage>,
    /// [`GatewayPolicy::cache_seconds`]
    pub cache_seconds: Option<CacheSeconds>,
}

impl GatewayPolicy {
    /// This policy with what the operator sent.
    #[must_use]
    pub fn patched(self, patch: &GatewayPolicyPatch) -> Self {
        Self {
            trust_client_header: patch
                .trust_client_header
                .unwrap_or(self.trust_client_header),
            missing: patch.missing.unwrap_or(self.missing),
            unknown: patch.unknown.unwrap_or(self.unknown),
            banned: patch.banned.unwrap_or(self.banned),
            restricted: patch.restricted.unwrap_or(self.restricted),
            pending: patch.pending.unwrap_or(self.pending),
            account_blocked: patch.account_blocked.unwrap_or(self.account_blocked),
            account_suspended: patch.account_suspended.unwrap_or(self.account_suspended),
            cache_seconds: patch.cache_seconds.unwrap_or(self.cache_seconds),
        }
    }

    /// The names of the members in which the two differ.
    pub(crate) fn fields_that_differ(&self, other: &Self) -> Vec<&'static str> {
        fields_that_differ([
            (
                "trust_client_header",
                self.trust_client_header != other.trust_client_header,
            ),
            ("missing", self.missing != other.missing),
            ("unknown", self.unknown != other.unknown),
            ("banned", self.banned != other.banned),
            ("restricted", self.restricted != other.restricted),
            ("pending", self.pending != other.pending),
            (
                "account_blocked",
                self.account_blocked != other.account_blocked,
            ),
            (
                "account_suspended",
                self.account_suspended != other.account_suspended,
            ),
            ("cache_seconds", self.cache_seconds != other.cache_seconds),
        ])
    }
}
