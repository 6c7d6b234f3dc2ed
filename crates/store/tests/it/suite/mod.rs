//! What every backend promises, one file for each trait.

pub(crate) mod audit;
pub(crate) mod care;
pub(crate) mod deliveries;
pub(crate) mod enrollments;
pub(crate) mod listing;
pub(crate) mod overview;
pub(crate) mod profiles;
pub(crate) mod registry;
pub(crate) mod sessions;
pub(crate) mod tenants;
pub(crate) mod webhooks;
