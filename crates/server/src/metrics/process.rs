//! What the system says of this process, under the names that Prometheus' own clients use, so that dashboards made
//! for any of them fit. Read when it is asked for; where the system does not tell, it is left out.

use std::fmt::Error;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

#[derive(Debug)]
pub(super) struct Process;

/// What there is to tell.
struct Figures {
    cpu_seconds: f64,
    resident_bytes: u64,
    virtual_bytes: u64,
    threads: i64,
    open_files: u64,
    most_open_files: u64,
    started_at: f64,
}

#[expect(
    clippy::cast_precision_loss,
    reason = "ticks are far below the 2^52 from which they would round"
)]
fn figures() -> procfs::ProcResult<Figures> {
    use procfs::process::{LimitValue, Process};
    let process = Process::myself()?;
    let stat = process.stat()?;
    let seconds = |ticks: u64| ticks as f64 / procfs::ticks_per_second() as f64;
    Ok(Figures {
        cpu_seconds: seconds(stat.utime + stat.stime),
        resident_bytes: stat.rss * procfs::page_size(),
        virtual_bytes: stat.vsize,
        threads: stat.num_threads,
        open_files: process.fd_count()? as u64,
        most_open_files: match process.limits()?.max_open_files.soft_limit {
            LimitValue::Value(most) => most,
            LimitValue::Unlimited => u64::MAX,
        },
        started_at: procfs::boot_time_secs()? as f64 + seconds(stat.starttime),
    })
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let Ok(figures) = figures() else {
            return Ok(());
        };
        let cpu = ConstCounter::new(figures.cpu_seconds);
        let help = "Total user and system CPU time spent in seconds";
        let unit = Some(&Unit::Seconds);
        cpu.encode(encoder.encode_descriptor("process_cpu", help, unit, MetricType::Counter)?)?;
        let started = ConstGauge::new(figures.started_at);
        let help = "Start time of the process since unix epoch in seconds";
        let gauge = MetricType::Gauge;
        started.encode(encoder.encode_descriptor("process_start_time", help, unit, gauge)?)?;
        let bytes = Some(&Unit::Bytes);
        for (name, help, unit, value) in [
            (
                "process_resident_memory",
                "Resident memory size in bytes",
                bytes,
                figures.resident_bytes,
            ),
            (
                "process_virtual_memory",
                "Virtual memory size in bytes",
                bytes,
                figures.virtual_bytes,
            ),
            (
                "process_open_fds",
                "Number of open file descriptors",
                None,
                figures.open_files,
            ),
            (
                "process_max_fds",
                "Maximum number of open file descriptors",
                None,
                figures.most_open_files,
            ),
            (
                "process_threads",
                "Number of threads",
                None,
                figures.threads.unsigned_abs(),
            ),
        ] {
            let value = ConstGauge::new(value);
            value.encode(encoder.encode_descriptor(name, help, unit, gauge)?)?;
        }
        Ok(())
    }
}
