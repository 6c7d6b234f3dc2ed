//! How the billing of profiles stands, for the inference stub to refuse by.

use std::collections::HashMap;

use parking_lot::Mutex;
use rollcall_domain::billing::BillingState;
use rollcall_domain::id::ProfileId;

/// Of each profile of which it was said.
#[derive(Debug, Default)]
pub(crate) struct Billing(Mutex<HashMap<ProfileId, BillingState>>);

impl Billing {
    /// How it stands; a profile of which nothing was said was never linked.
    pub(crate) fn state(&self, id: &ProfileId) -> BillingState {
        let states = self.0.lock();
        states.get(id).copied().unwrap_or(BillingState::NotLinked)
    }

    pub(crate) fn set(&self, id: ProfileId, state: BillingState) {
        self.0.lock().insert(id, state);
    }

    pub(crate) fn clear(&self) {
        self.0.lock().clear();
    }
}
