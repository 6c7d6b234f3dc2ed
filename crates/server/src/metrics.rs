//! What an operator can see of a running server from outside: counters, gauges and histograms in the
//! text that Prometheus reads from `GET /metrics`.
//!
//! Everything hangs on one [`Metrics`] value, nothing on globals, so that two servers in one process (as
//! tests start them) do not count for each other. Labels hold routes, methods, statuses and names of
//! operations: never a key, an organization, a name or a metadata value, which also keeps the number of
//! series bounded.
//!
//! Recording is cheap because looking up a label set is not: a route, or a storage operation, is
//! resolved once into a handle ([`Metrics::route`], [`Metrics::storage`]) that is kept where it is used, and
//! recording through it is two or three uncontended atomic operations and one short lock.
//!
//! To add a metric: a field in [`Metrics`], a line in [`Metrics::new`] that registers it under its
//! name and help, and a method that records it.

mod exposition;
mod holdings;
mod process;
mod reference;

pub use self::exposition::Exposition;
pub use self::reference::reference_markdown;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::StatusCode;
use parking_lot::Mutex;
use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use rollcall_domain::delivery::Outcome;
use rollcall_domain::gateway::Reason;
use rollcall_domain::webhook::AutoDisabled;
use rollcall_store::check::WriteFigures;
use rollcall_store::overview::RegistryFigures;

use self::holdings::Holdings;
use crate::http::listener::Figures;

/// All metrics of one server.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<AnswerLabels, Counter>,
    request_durations: Durations<RouteLabels>,
    storage_durations: Durations<OperationLabels>,
    batch_sizes: BatchSizes,
    queue_depth: Gauge,
    writable: Gauge,
    damaged_profiles: Counter,
    failed_tasks: Counter,
    listener: Figures,
    failed_authentications: Counter,
    rate_limited: Counter,
    unknown_betas: Family<OutcomeLabels, Counter>,
    gateway_checks: Family<CheckLabels, Counter>,
    /// Those of the checks that passed, which are nearly all, each made when it is first needed.
    passed_checks: [OnceLock<Counter>; Reason::ALL.len()],
    dropped_log_lines: Counter,
    webhook_attempts: Durations<OutcomeLabels>,
    webhook_lag: Histogram,
    webhooks_in_flight: Gauge,
    holdings: Holdings,
    disabled_endpoints: Family<ReasonLabels, Counter>,
}

type Durations<L> = Family<L, Histogram, fn() -> Histogram>;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct AnswerLabels {
    method: &'static str,
    route: &'static str,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    route: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OperationLabels {
    operation: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CheckLabels {
    decision: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

/// From a tenth of a millisecond, half a cached page over HTTP, to the longest time that a request may take.
fn request_duration() -> Histogram {
    Histogram::new([
        1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0,
    ])
}

/// From a warm read to the longest time that is waited for storage.
fn storage_duration() -> Histogram {
    Histogram::new([
        1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 1e-3, 5e-3, 0.025, 0.1, 0.5, 2.5, 10.0,
    ])
}

/// From the commit itself to an hour of backlog.
fn webhook_duration() -> Histogram {
    Histogram::new([
        1e-3, 5e-3, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0, 600.0, 3_600.0,
    ])
}

impl Metrics {
    /// An empty set for a server of this version, e.g. `env!("CARGO_PKG_VERSION")`.
    pub fn new(version: &'static str) -> Self {
        Self::with_dropped_log_lines(version, Counter::default())
    }

    /// The same, with the counter of the log lines that were dropped.
    pub fn with_dropped_log_lines(version: &'static str, dropped_log_lines: Counter) -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            request_durations: Family::new_with_constructor(request_duration),
            storage_durations: Family::new_with_constructor(storage_duration),
            batch_sizes: BatchSizes::default(),
            queue_depth: Gauge::default(),
            writable: Gauge::default(),
            damaged_profiles: Counter::default(),
            failed_tasks: Counter::default(),
            listener: Figures::default(),
            failed_authentications: Counter::default(),
            rate_limited: Counter::default(),
            unknown_betas: Family::default(),
            gateway_checks: Family::default(),
            passed_checks: Default::default(),
            dropped_log_lines,
            webhook_attempts: Family::new_with_constructor(webhook_duration),
            webhook_lag: webhook_duration(),
            webhooks_in_flight: Gauge::default(),
            holdings: Holdings::default(),
            disabled_endpoints: Family::default(),
        };
        metrics.register(version);
        metrics
    }

    /// Names are completed by the encoder: `rollcall_` before, the unit and `_total` behind.
    fn register(&mut self, version: &'static str) {
        self.registry.register_collector(Box::new(process::Process));
        let registry = self.registry.sub_registry_with_prefix("rollcall");
        registry.register(
            "build",
            "The running version",
            Info::new([("version", version)]),
        );
        registry.register(
            "http_requests",
            "Requests answered, by route and status",
            self.requests.clone(),
        );
        registry.register_with_unit(
            "http_request_duration",
            "Time from a request's head to its answer, by route",
            Unit::Seconds,
            self.request_durations.clone(),
        );
        registry.register(
            "http_connections",
            "Open connections",
            self.listener.connections.clone(),
        );
        registry.register(
            "http_connections_cut",
            "Connections that were closed because their peers did not go on, by reason",
            self.listener.cut.clone(),
        );
        registry.register_with_unit(
            "http_unsent",
            "Answers held until their peers take them",
            Unit::Bytes,
            self.listener.unsent.clone(),
        );
        registry.register(
            "failed_authentications",
            "Requests refused for their credential",
            self.failed_authentications.clone(),
        );
        registry.register(
            "rate_limited_requests",
            "Requests refused for their number",
            self.rate_limited.clone(),
        );
        registry.register(
            "unknown_beta_requests",
            "Requests that listed a beta nobody here knows, by whether it was accepted or refused",
            self.unknown_betas.clone(),
        );
        registry.register(
            "gateway_checks",
            "Checks of gateways, by decision and reason",
            self.gateway_checks.clone(),
        );
        registry.register(
            "log_lines_dropped",
            "Log lines that were dropped because nobody read the log",
            self.dropped_log_lines.clone(),
        );
        registry.register_with_unit(
            "storage_duration",
            "Time of storage operations, waiting included",
            Unit::Seconds,
            self.storage_durations.clone(),
        );
        registry.register(
            "commit_batch_size",
            "Decisions made durable by one commit",
            self.batch_sizes.clone(),
        );
        registry.register(
            "commit_queue_depth",
            "Decisions that wait for the writer",
            self.queue_depth.clone(),
        );
        registry.register(
            "storage_writable",
            "1 while storage takes writes, 0 while it does not",
            self.writable.clone(),
        );
        registry.register(
            "damaged_profiles",
            "Times that a stored profile was found damaged",
            self.damaged_profiles.clone(),
        );
        registry.register(
            "background_failures",
            "Times that storage failed a background task, which is tried again; the log names the task",
            self.failed_tasks.clone(),
        );
        self.holdings.register(registry);
        self.register_webhooks();
    }

    fn register_webhooks(&mut self) {
        let registry = self.registry.sub_registry_with_prefix("rollcall");
        registry.register_with_unit(
            "webhook_attempt_duration",
            "Time of attempts to deliver a webhook, by what came of them",
            Unit::Seconds,
            self.webhook_attempts.clone(),
        );
        registry.register_with_unit(
            "webhook_delivery_lag",
            "Time from a decision to the first attempt to tell an endpoint",
            Unit::Seconds,
            self.webhook_lag.clone(),
        );
        registry.register(
            "webhook_attempts_in_flight",
            "Attempts under way",
            self.webhooks_in_flight.clone(),
        );
        registry.register(
            "webhook_endpoints_disabled",
            "Webhook endpoints that Rollcall disabled, by reason",
            self.disabled_endpoints.clone(),
        );
    }

    /// Records that a gateway was told to let a request pass, and what that rests on.
    pub fn record_passed_check(&self, reason: Reason) {
        let labels = CheckLabels {
            decision: "allow",
            reason: reason.as_str(),
        };
        let make = || self.gateway_checks.get_or_create_owned(&labels);
        match self.passed_checks.get(reason as usize) {
            Some(counter) => counter.get_or_init(make).inc(),
            None => make().inc(),
        };
    }

    /// Records what else a gateway was told, and why.
    pub fn record_check(&self, decision: &'static str, reason: &'static str) {
        let labels = CheckLabels { decision, reason };
        self.gateway_checks.get_or_create_owned(&labels).inc();
    }

    /// Records one attempt to deliver a webhook.
    pub fn record_attempt(&self, outcome: Outcome, took: Duration) {
        let outcome = match outcome {
            Outcome::Succeeded => "succeeded",
            Outcome::Failed => "failed",
            Outcome::Disabling(AutoDisabled::Redirect) => "redirected",
            Outcome::Disabling(_) => "refused",
        };
        let labels = OutcomeLabels { outcome };
        let attempts = self.webhook_attempts.get_or_create_owned(&labels);
        attempts.observe(took.as_secs_f64());
    }

    /// Records how long after a decision an endpoint was first tried.
    pub fn record_delivery_lag(&self, lag: Duration) {
        self.webhook_lag.observe(lag.as_secs_f64());
    }

    /// Records that an endpoint was disabled.
    pub fn record_disabled_endpoint(&self, reason: &'static str) {
        let labels = ReasonLabels { reason };
        self.disabled_endpoints.get_or_create_owned(&labels).inc();
    }

    /// Sets the number of attempts under way.
    pub fn set_attempts_in_flight(&self, attempts: usize) {
        let attempts = i64::try_from(attempts).unwrap_or(i64::MAX);
        self.webhooks_in_flight.set(attempts);
    }

    /// Sets what storage holds.
    pub fn set_holdings(&self, figures: &RegistryFigures, bytes: u64) {
        self.holdings.set(figures, bytes);
    }

    /// The handle of one route, to be resolved once and kept.
    ///
    /// `route` is the pattern, such as `/v1/user_profiles/{user_profile_id}`, never the path of a
    /// request, which would hold ids. Handles of the same route count together.
    pub fn route(&self, method: &'static str, route: &'static str) -> RouteMetrics {
        RouteMetrics {
            method,
            route,
            requests: self.requests.clone(),
            durations: self.request_durations.clone(),
            duration: OnceLock::new(),
            answers: Default::default(),
        }
    }

    /// The latency of one storage operation, such as `list_profiles`; to be resolved once and kept.
    pub fn storage(&self, operation: &'static str) -> StorageMetrics {
        StorageMetrics {
            operation,
            durations: self.storage_durations.clone(),
            duration: OnceLock::new(),
        }
    }

    /// Sets what the store says of its writing.
    pub fn set_writes(&self, figures: WriteFigures) {
        let queued = i64::try_from(figures.queued).unwrap_or(i64::MAX);
        self.queue_depth.set(queued);
        *self.batch_sizes.0.lock() = figures;
    }

    /// Sets whether storage takes writes.
    pub fn set_writable(&self, writable: bool) {
        self.writable.set(i64::from(writable));
    }

    /// Records that a stored profile was found damaged.
    pub fn record_damaged_profile(&self) {
        self.damaged_profiles.inc();
    }

    /// Records that storage failed a background task.
    pub fn record_failed_task(&self) {
        self.failed_tasks.inc();
    }

    /// What listeners measure.
    pub fn listener(&self) -> Figures {
        self.listener.clone()
    }

    /// Records a request that was refused for its credential.
    pub fn record_failed_authentication(&self) {
        self.failed_authentications.inc();
    }

    /// Records a request that was refused for its organization's, or its source's, rate limit.
    pub fn record_rate_limited(&self) {
        self.rate_limited.inc();
    }

    /// Records a request with unknown betas: `accepted` or `refused`.
    pub fn record_unknown_betas(&self, outcome: &'static str) {
        let labels = OutcomeLabels { outcome };
        self.unknown_betas.get_or_create_owned(&labels).inc();
    }

    /// Everything as text.
    pub fn render(&self, exposition: Exposition) -> String {
        let mut rendered = String::new();
        if text::encode(&mut rendered, &self.registry).is_err() {
            // Writing to a string fails only for a label that cannot be written, which ours all can.
            tracing::error!("metrics could not be rendered");
        }
        match exposition {
            Exposition::OpenMetrics => rendered,
            Exposition::Classic => exposition::classic(&rendered),
        }
    }
}

/// How many decisions each commit held. The store counts, because it alone knows when it commits; here
/// its last figures are shown as the histogram they are.
#[derive(Clone, Debug, Default)]
struct BatchSizes(Arc<Mutex<WriteFigures>>);

impl EncodeMetric for BatchSizes {
    #[expect(
        clippy::cast_precision_loss,
        reason = "decisions are far below the 2^52 from which they would round"
    )]
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let figures = *self.0.lock();
        let limits = std::iter::successors(Some(1.0), |limit| Some(limit * 2.0));
        let mut buckets: Vec<(f64, u64)> = limits.zip(figures.batches).collect();
        buckets.push((f64::INFINITY, 0));
        let none = None::<&HashMap<usize, Exemplar<NoLabelSet, f64>>>;
        encoder.encode_histogram(figures.committed as f64, figures.commits, &buckets, none)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

/// The metrics of one route; see [`Metrics::route`].
#[derive(Debug)]
pub struct RouteMetrics {
    method: &'static str,
    route: &'static str,
    requests: Family<AnswerLabels, Counter>,
    durations: Durations<RouteLabels>,
    duration: OnceLock<Histogram>,
    /// Those of the statuses in [`USUAL_STATUSES`], each made when it is first needed, so that
    /// `/metrics` does not list dozens of zeros for every route.
    answers: [OnceLock<Counter>; USUAL_STATUSES.len()],
}

/// The statuses of the contract's catalogue, the most frequent first.
const USUAL_STATUSES: [u16; 18] = [
    200, 404, 400, 401, 429, 403, 409, 204, 405, 410, 413, 414, 431, 408, 500, 503, 504, 529,
];

impl RouteMetrics {
    /// Records one answer and the time it took.
    pub fn record(&self, status: StatusCode, took: Duration) {
        let (method, route, status) = (self.method, self.route, status.as_u16());
        let make = || {
            self.durations
                .get_or_create_owned(&RouteLabels { method, route })
        };
        self.duration.get_or_init(make).observe(took.as_secs_f64());
        let make = || {
            self.requests.get_or_create_owned(&AnswerLabels {
                method,
                route,
                status,
            })
        };
        match USUAL_STATUSES.iter().position(|usual| *usual == status) {
            Some(index) => self.answers[index].get_or_init(make).inc(),
            None => make().inc(),
        };
    }
}

/// The latency of one storage operation; see [`Metrics::storage`].
#[derive(Debug)]
pub struct StorageMetrics {
    operation: &'static str,
    durations: Durations<OperationLabels>,
    /// Made when it is first needed, as those of routes are.
    duration: OnceLock<Histogram>,
}

impl StorageMetrics {
    /// Records the time one operation took, waiting included.
    pub fn record(&self, took: Duration) {
        let operation = self.operation;
        let make = || {
            self.durations
                .get_or_create_owned(&OperationLabels { operation })
        };
        self.duration.get_or_init(make).observe(took.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "/v1/user_profiles";

    #[test]
    fn answers_are_counted_by_route_and_status() {
        let metrics = Metrics::new("1.2.3");
        let list = metrics.route("GET", LIST);
        let same_route = metrics.route("GET", LIST);
        list.record(StatusCode::OK, Duration::from_micros(70));
        same_route.record(StatusCode::OK, Duration::from_millis(3));
        list.record(StatusCode::IM_A_TEAPOT, Duration::ZERO);
        metrics
            .route("POST", LIST)
            .record(StatusCode::BAD_REQUEST, Duration::ZERO);

        let text = metrics.render(Exposition::OpenMetrics);
        for line in [
            r#"rollcall_http_requests_total{method="GET",route="/v1/user_profiles",status="200"} 2"#,
            r#"rollcall_http_requests_total{method="GET",route="/v1/user_profiles",status="418"} 1"#,
            r#"rollcall_http_requests_total{method="POST",route="/v1/user_profiles",status="400"} 1"#,
            r#"rollcall_http_request_duration_seconds_count{method="GET",route="/v1/user_profiles"} 3"#,
            r#"rollcall_http_request_duration_seconds_bucket{le="0.0001",method="GET",route="/v1/user_profiles"} 2"#,
            r#"rollcall_build_info{version="1.2.3"} 1"#,
        ] {
            assert!(
                text.lines().any(|written| written == line),
                "{line} is not in\n{text}"
            );
        }
        assert!(!text.contains(r#"status="404""#), "{text}");
    }

    #[test]
    fn the_rest_is_recorded_too() {
        let metrics = Metrics::new("1");
        metrics
            .storage("list_profiles")
            .record(Duration::from_micros(16));
        let mut figures = WriteFigures {
            queued: 7,
            commits: 2,
            committed: 65,
            ..WriteFigures::default()
        };
        (figures.batches[0], figures.batches[6]) = (1, 1);
        metrics.set_writes(figures);
        metrics.listener().connections.inc();
        metrics.record_failed_authentication();
        metrics.record_rate_limited();

        let text = metrics.render(Exposition::OpenMetrics);
        for line in [
            r#"rollcall_storage_duration_seconds_count{operation="list_profiles"} 1"#,
            "rollcall_commit_batch_size_sum 65.0",
            "rollcall_commit_batch_size_count 2",
            r#"rollcall_commit_batch_size_bucket{le="32.0"} 1"#,
            r#"rollcall_commit_batch_size_bucket{le="64.0"} 2"#,
            r#"rollcall_commit_batch_size_bucket{le="+Inf"} 2"#,
            "rollcall_commit_queue_depth 7",
            "rollcall_http_connections 1",
            "rollcall_failed_authentications_total 1",
            "rollcall_rate_limited_requests_total 1",
            "# EOF",
        ] {
            assert!(
                text.lines().any(|written| written == line),
                "{line} is not in\n{text}"
            );
        }
    }

    #[test]
    fn both_forms_say_the_same_of_every_kind_of_metric() {
        let metrics = Metrics::new("1.2.3");
        metrics.storage("ping").record(Duration::from_micros(16));
        let lines = |exposition, names: [&str; 4]| {
            let text = metrics.render(exposition);
            let lines = text.lines().filter(|line| {
                let of = line
                    .trim_start_matches("# HELP ")
                    .trim_start_matches("# TYPE ");
                let of = of.trim_start_matches("# UNIT ");
                let kept = names.iter().any(|name| of.starts_with(name));
                kept && !of.contains("_bucket") || line.starts_with("# EOF")
            });
            lines.collect::<Vec<_>>().join("\n")
        };
        let names = [
            "rollcall_build",
            "rollcall_http_connections",
            "rollcall_failed_authentications",
            "rollcall_storage_duration",
        ];
        insta::assert_snapshot!(lines(Exposition::OpenMetrics, names), @r#"
        # HELP rollcall_build The running version.
        # TYPE rollcall_build info
        rollcall_build_info{version="1.2.3"} 1
        # HELP rollcall_http_connections Open connections.
        # TYPE rollcall_http_connections gauge
        rollcall_http_connections 0
        # HELP rollcall_failed_authentications Requests refused for their credential.
        # TYPE rollcall_failed_authentications counter
        rollcall_failed_authentications_total 0
        # HELP rollcall_storage_duration_seconds Time of storage operations, waiting included.
        # TYPE rollcall_storage_duration_seconds histogram
        # UNIT rollcall_storage_duration_seconds seconds
        rollcall_storage_duration_seconds_sum{operation="ping"} 0.000016
        rollcall_storage_duration_seconds_count{operation="ping"} 1
        # EOF
        "#);
        insta::assert_snapshot!(lines(Exposition::Classic, names), @r#"
        # HELP rollcall_build_info The running version.
        # TYPE rollcall_build_info gauge
        rollcall_build_info{version="1.2.3"} 1
        # HELP rollcall_http_connections Open connections.
        # TYPE rollcall_http_connections gauge
        rollcall_http_connections 0
        # HELP rollcall_failed_authentications_total Requests refused for their credential.
        # TYPE rollcall_failed_authentications_total counter
        rollcall_failed_authentications_total 0
        # HELP rollcall_storage_duration_seconds Time of storage operations, waiting included.
        # TYPE rollcall_storage_duration_seconds histogram
        rollcall_storage_duration_seconds_sum{operation="ping"} 0.000016
        rollcall_storage_duration_seconds_count{operation="ping"} 1
        "#);
    }

    #[test]
    fn two_servers_in_one_process_do_not_count_for_each_other() {
        let (one, other) = (Metrics::new("1"), Metrics::new("1"));
        one.record_rate_limited();
        assert!(
            other
                .render(Exposition::OpenMetrics)
                .contains("rollcall_rate_limited_requests_total 0")
        );
    }
}
