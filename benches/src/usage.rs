//! What a running process has used, read from `/proc`.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// The unit of `/proc/PID/stat` as user space sees it, on every Linux architecture in use.
const TICKS_PER_SECOND: u64 = 100;

/// CPU time, user and system, of all threads, ended ones included.
///
/// In steps of 10 ms. The kernel scales the sum to the exact running time, so a round of two
/// seconds is right to half a percent; the finer per-thread `schedstat` forgets ended threads.
pub(crate) fn cpu_time(pid: u32) -> anyhow::Result<Duration> {
    ticks(pid, 2)
}

/// CPU time of a process, of those it has started, and of those of them that have ended.
pub(crate) fn family_cpu_time(pid: u32) -> anyhow::Result<Duration> {
    let members = family(pid)?;
    let others = members.iter().filter(|member| **member != pid);
    // Whoever ends meanwhile is counted by its parent.
    let others = others.filter_map(|member| cpu_time(*member).ok());
    Ok(ticks(pid, 4)? + others.sum::<Duration>())
}

/// A process and those it has started.
pub(crate) fn family(pid: u32) -> anyhow::Result<Vec<u32>> {
    let mut members = vec![pid];
    for entry in std::fs::read_dir("/proc").context("listing /proc")? {
        let name = entry?.file_name();
        let Some(candidate) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let stat = read(candidate, "stat").unwrap_or_default();
        let parent = after_name(&stat).and_then(|fields| fields.split_ascii_whitespace().nth(1));
        if parent == Some(pid.to_string().as_str()) {
            members.push(candidate);
        }
    }
    Ok(members)
}

/// The sum of this many fields from `utime` on: 2 are the process, 4 its ended children too.
fn ticks(pid: u32, fields: usize) -> anyhow::Result<Duration> {
    let stat = read(pid, "stat")?;
    let ticks = after_name(&stat)
        .context("/proc/PID/stat: no program name")?
        .split_ascii_whitespace()
        .skip(11)
        .take(fields)
        .map(str::parse::<u64>)
        .sum::<Result<u64, _>>()
        .context("/proc/PID/stat: utime and stime")?;
    Ok(Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND))
}

/// The program's name, in parentheses, may hold spaces; fields are counted after it.
fn after_name(stat: &str) -> Option<&str> {
    Some(stat.rsplit_once(')')?.1)
}

/// Memory in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Memory {
    /// Heap and stacks: what the process itself holds.
    pub(crate) anonymous: u64,
    /// The same and its share of files, among them any part of the database that is mapped.
    pub(crate) resident: u64,
    /// The most that was resident at any time so far.
    pub(crate) peak_resident: u64,
}

impl Memory {
    fn most(self, other: Self) -> Self {
        Self {
            anonymous: self.anonymous.max(other.anonymous),
            resident: self.resident.max(other.resident),
            peak_resident: self.peak_resident.max(other.peak_resident),
        }
    }
}

/// `None` once the process has ended.
pub(crate) fn memory(pid: u32) -> Option<Memory> {
    let status = read(pid, "status").ok()?;
    let bytes = |field: &str| -> Option<u64> {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
        line.trim()
            .strip_suffix(" kB")?
            .parse::<u64>()
            .ok()
            .map(|kib| kib * 1_024)
    };
    Some(Memory {
        anonymous: bytes("RssAnon")?,
        resident: bytes("VmRSS")?,
        peak_resident: bytes("VmHWM")?,
    })
}

/// Bytes the process has read, files and pipes alike; a measure of progress.
pub(crate) fn bytes_read(pid: u32) -> Option<u64> {
    let io = read(pid, "io").ok()?;
    io.lines()
        .find_map(|line| line.strip_prefix("rchar: "))?
        .parse()
        .ok()
}

fn read(pid: u32, file: &str) -> anyhow::Result<String> {
    let path = PathBuf::from(format!("/proc/{pid}/{file}"));
    std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
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
                most = memory(pid).map_or(most, |now| most.most(now));
                std::thread::sleep(Self::INTERVAL);
            }
            most
        });
        Self { ended, sampler }
    }

    /// The most of each since the start.
    pub(crate) fn finish(self) -> anyhow::Result<Memory> {
        self.ended.store(true, Ordering::Relaxed);
        self.sampler
            .join()
            .map_err(|_| anyhow::anyhow!("the memory sampler failed"))
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
        assert!(cpu_time(pid).is_ok());
        assert!(family_cpu_time(pid).unwrap() >= cpu_time(pid).unwrap());
        assert!(bytes_read(pid).is_some());
    }
}
