//! What a running process has used, as the kernel counts it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use procfs::process::{Process, Stat, all_processes};

use crate::results::Row;
use crate::stats::megabytes;

fn process(pid: u32) -> anyhow::Result<Process> {
    Ok(Process::new(i32::try_from(pid)?)?)
}

fn own_time(stat: &Stat) -> Duration {
    in_time(stat.utime + stat.stime)
}

fn in_time(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 1_000 / procfs::ticks_per_second())
}

/// CPU time, user and system, of all threads of a process, of those it has started, and of those of either
/// that have ended.
///
/// In steps of 10 ms. The kernel scales the sum to the exact running time, so a round of two
/// seconds is right to half a percent; the finer per-thread `schedstat` forgets ended threads.
pub(crate) fn cpu_time(pid: u32) -> anyhow::Result<Duration> {
    let parent = process(pid)?.stat()?;
    let ended = u64::try_from(parent.cutime + parent.cstime)?;
    // Whoever ends meanwhile is counted by its parent.
    let children: Duration = children(pid)?.map(|child| own_time(&child)).sum();
    Ok(own_time(&parent) + in_time(ended) + children)
}

/// A process and those it has started.
pub(crate) fn family(pid: u32) -> anyhow::Result<Vec<i32>> {
    let children = children(pid)?.map(|child| child.pid);
    Ok(std::iter::once(i32::try_from(pid)?)
        .chain(children)
        .collect())
}

fn children(pid: u32) -> anyhow::Result<impl Iterator<Item = Stat>> {
    let parent = i32::try_from(pid)?;
    let all = all_processes().context("listing processes")?;
    let stats = all.filter_map(|process| process.ok()?.stat().ok());
    Ok(stats.filter(move |stat| stat.ppid == parent))
}

/// Memory in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Memory {
    /// Heap and stacks: what the process itself holds.
    pub(crate) anonymous: u64,
    /// The same and its share of files, among them any part of the database that is mapped.
    pub(crate) resident: u64,
    /// The most that was resident at any time so far.
    pub(crate) peak_resident: u64,
}

impl Memory {
    /// In units of 1,000,000 bytes.
    pub(crate) fn row(self, name: impl Into<String>) -> Row {
        Row::of(name)
            .with("anonymous", megabytes(self.anonymous))
            .with("resident", megabytes(self.resident))
            .with("resident at the most", megabytes(self.peak_resident))
    }
}

/// `None` once the process has ended.
pub(crate) fn memory(pid: u32) -> Option<Memory> {
    let status = process(pid).ok()?.status().ok()?;
    Some(Memory {
        anonymous: status.rssanon? * 1_024,
        resident: status.vmrss? * 1_024,
        peak_resident: status.vmhwm? * 1_024,
    })
}

/// Bytes the process has read, files and pipes alike; a measure of progress.
pub(crate) fn bytes_read(pid: u32) -> Option<u64> {
    Some(process(pid).ok()?.io().ok()?.rchar)
}

/// Samples a server's memory while it is under load.
#[derive(Debug)]
pub(crate) struct MemoryWatch {
    ended: Arc<AtomicBool>,
    sampler: JoinHandle<Memory>,
}

impl MemoryWatch {
    const INTERVAL: Duration = Duration::from_millis(200);

    pub(crate) fn start(pid: u32) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&ended);
        let sampler = std::thread::spawn(move || {
            let mut most = Memory::default();
            while !seen.load(Ordering::Relaxed) {
                if let Some(now) = memory(pid) {
                    most.anonymous = most.anonymous.max(now.anonymous);
                    most.resident = most.resident.max(now.resident);
                    most.peak_resident = now.peak_resident;
                }
                std::thread::sleep(Self::INTERVAL);
            }
            most
        });
        Self { ended, sampler }
    }

    /// The most of each since the start.
    pub(crate) fn finish(self) -> anyhow::Result<Memory> {
        self.ended.store(true, Ordering::Relaxed);
        let ended = self.sampler.join();
        ended.map_err(|_| anyhow::anyhow!("the memory sampler failed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something() {
        let pid = std::process::id();
        let memory = memory(pid).unwrap();
        assert!(memory.anonymous > 0 && memory.peak_resident >= memory.resident);
        // In this order: time goes on between the two.
        let alone = own_time(&process(pid).unwrap().stat().unwrap());
        assert!(cpu_time(pid).unwrap() >= alone);
        assert!(bytes_read(pid).is_some());
    }
}
