//! What storage holds, told at each scrape from what the store counts as it goes.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use rollcall_domain::delivery::DeliveryStatus;
use rollcall_store::overview::RegistryFigures;

/// Labels of what has a state.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

/// What storage holds, as far as a scrape may ask: all of it is kept with every change, or counted among few.
#[derive(Debug, Default)]
pub(super) struct Holdings {
    organizations: Gauge,
    profiles: Gauge,
    open_actions: Gauge,
    waiting_enrollments: Gauge,
    bytes: Gauge,
    endpoints: Family<StateLabels, Gauge>,
    pending: Gauge,
    newest: Family<StateLabels, Gauge>,
}

impl Holdings {
    pub(super) fn register(&self, registry: &mut Registry) {
        for (name, help, gauge) in [
            ("organizations", "Organizations", &self.organizations),
            ("profiles", "Profiles", &self.profiles),
            (
                "enforcement_actions_open",
                "Enforcement actions that are not recorded as ended",
                &self.open_actions,
            ),
            (
                "enrollments_waiting",
                "Applications that nobody has decided on",
                &self.waiting_enrollments,
            ),
            (
                "webhook_deliveries_pending",
                "Deliveries that wait for an attempt, counted up to 10,000",
                &self.pending,
            ),
        ] {
            registry.register(name, help, gauge.clone());
        }
        registry.register_with_unit(
            "storage_size",
            "What the database takes, free places in it included",
            Unit::Bytes,
            self.bytes.clone(),
        );
        registry.register(
            "webhook_endpoints",
            "Webhook endpoints: healthy, failing at their last attempt, disabled",
            self.endpoints.clone(),
        );
        registry.register(
            "webhook_deliveries_newest",
            "What became of the 1,000 newest deliveries",
            self.newest.clone(),
        );
    }

    pub(super) fn set(&self, figures: &RegistryFigures, bytes: u64) {
        let set = |gauge: &Gauge, value: u64| {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        };
        set(&self.organizations, figures.organization_count);
        set(&self.profiles, figures.profiles);
        set(&self.open_actions, figures.open_actions);
        set(&self.waiting_enrollments, figures.waiting_enrollments);
        set(&self.bytes, bytes);
        let webhooks = &figures.webhooks;
        set(&self.pending, webhooks.waiting);
        for (state, count) in [
            ("healthy", webhooks.healthy),
            ("failing", webhooks.failing),
            ("disabled", webhooks.disabled),
        ] {
            set(
                &self.endpoints.get_or_create_owned(&StateLabels { state }),
                count,
            );
        }
        for status in DeliveryStatus::ALL {
            let mut newest = webhooks.newest.iter();
            let count = newest
                .find(|(it, _)| it == status)
                .map_or(0, |(_, count)| *count);
            let state = status.as_str();
            set(
                &self.newest.get_or_create_owned(&StateLabels { state }),
                count,
            );
        }
    }
}
