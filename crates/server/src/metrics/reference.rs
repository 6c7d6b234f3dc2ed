//! The metrics as a reader sees them: `docs/reference/metrics.md`, made from what `/metrics` itself says
//! about each, so that it cannot disagree.

use std::fmt::Write as _;
use std::time::Duration;

use http::StatusCode;
use rollcall_domain::delivery::Outcome;
use rollcall_store::overview::RegistryFigures;

use super::{Exposition, Metrics};

const INTRODUCTION: &str = "\
<!-- Generated from crates/server/src/metrics.rs by the test `cli`; change the words there, then run
     UPDATE_REFERENCE=1 cargo test -p rollcall --test cli reference -->

# Metrics

`GET /metrics` answers in the text that Prometheus reads, on the listener of `--admin-listen` when there is one, else on the
main one: in its classic form, or as OpenMetrics when `accept` asks for `application/openmetrics-text`, as Prometheus itself
does. No label holds a key, an organization, a name or a metadata value: routes are patterns, so the number of series stays
bounded.

A histogram `x` is written as `x_bucket`, `x_sum` and `x_count`, a counter `x` as `x_total`, an info `x` as `x_info`, which the
classic form calls a gauge.

| metric | kind | labels | tells |
| --- | --- | --- | --- |
";

const USES: &str = "
## What to watch

| question | look at |
| --- | --- |
| Do requests fail? | `rate(rollcall_http_requests_total{status=~\"5..\"}[5m])` |
| Are they slow? | `histogram_quantile(0.99, sum by (le, route) (rate(rollcall_http_request_duration_seconds_bucket[5m])))` |
| Is it the storage? | the same of `rollcall_storage_duration_seconds_bucket`, by `operation` |
| Do writes wait? | `rollcall_commit_queue_depth` stays above zero; `rate(rollcall_commit_batch_size_sum[5m]) / rate(rollcall_commit_batch_size_count[5m])` is how many share a flush of the disk |
| Does storage take writes? | `rollcall_storage_writable` is 0; see [readiness.md](../operations/readiness.md) |
| Does what nobody asks for go on? | `rate(rollcall_background_failures_total[5m])`: expiries, ends of tenancies, deliveries, pruning; the log names the task |
| Does somebody guess keys? | `rate(rollcall_failed_authentications_total[5m])` |
| Do clients speak of something newer than this server? | `rate(rollcall_unknown_beta_requests_total[1h])`; the log names each once |
| What are gateways told? | `rate(rollcall_gateway_checks_total[5m])` by `decision` and `reason`; `decision=\"none\"` are those that storage did not answer |
| Is the log whole? | `rate(rollcall_log_lines_dropped_total[5m])`: what reads standard error is too slow, or has stopped |
| Do clients leave answers untaken? | `rollcall_http_unsent_bytes`; `rate(rollcall_http_connections_cut_total[5m])` by `reason`: `stalled` took nothing of an answer in time, `gave_way` waited longest when all connections were taken, `memory` left an answer untaken when answers filled memory, `over_share` came from an address whose connections were all at work |
| Do webhooks arrive? | `rollcall_webhook_deliveries_pending` grows; `rollcall_webhook_delivery_lag_seconds`; `rollcall_webhook_endpoints{state=\"failing\"}` |
| Does anybody wait for a decision? | `rollcall_enrollments_waiting` |
| How large is it? | `rollcall_profiles`, `rollcall_storage_size_bytes`; `process_resident_memory_bytes` |

[deploy/prometheus](../../deploy/prometheus) has alert rules, and [deploy/grafana](../../deploy/grafana) a dashboard.
";

/// The content of `docs/reference/metrics.md`.
pub fn reference_markdown() -> String {
    let rendered = one_of_each().render(Exposition::OpenMetrics);
    let mut markdown = INTRODUCTION.to_owned();
    for help in rendered
        .lines()
        .filter_map(|line| line.strip_prefix("# HELP "))
    {
        let (name, help) = help.split_once(' ').unwrap_or((help, ""));
        let kind = kind(&rendered, name);
        let labels = labels(&rendered, name).map(|label| format!("`{label}`"));
        let labels: Vec<_> = labels.collect();
        let labels = if labels.is_empty() {
            "\u{2013}".to_owned()
        } else {
            labels.join(", ")
        };
        let help = help.trim_end_matches('.');
        // Writing to a string cannot fail.
        let _ = writeln!(markdown, "| `{name}` | {kind} | {labels} | {help} |");
    }
    markdown.push_str(USES);
    markdown
}

/// A family that counted nothing is not written at all.
fn one_of_each() -> Metrics {
    let metrics = Metrics::new(env!("CARGO_PKG_VERSION"));
    metrics
        .route("GET", "/")
        .record(StatusCode::OK, Duration::ZERO);
    metrics.storage("ping").record(Duration::ZERO);
    metrics.record_attempt(Outcome::Succeeded, Duration::ZERO);
    metrics.record_disabled_endpoint("redirect");
    metrics.record_unknown_betas("accepted");
    metrics.record_check("allow", "good_standing");
    metrics.listener().count_cut("stalled");
    metrics.set_holdings(&RegistryFigures::default(), 0);
    metrics
}

fn kind<'a>(rendered: &'a str, name: &str) -> &'a str {
    let start = format!("# TYPE {name} ");
    let kind = rendered.lines().find_map(|line| line.strip_prefix(&start));
    kind.unwrap_or_default()
}

/// The names of a metric's labels, but for a bucket's limit.
fn labels<'a>(rendered: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let sample = rendered
        .lines()
        .find(|line| !line.starts_with('#') && line.starts_with(name) && line.contains('{'));
    let inside = sample.and_then(|line| line.split_once('{'));
    let inside = inside
        .and_then(|(_, rest)| rest.rsplit_once('}'))
        .map_or("", |(inside, _)| inside);
    let labels = inside
        .split(',')
        .filter_map(|pair| pair.split_once('=').map(|(label, _)| label));
    labels.filter(|label| *label != "le")
}
