//! Who runs where: servers on one core, the generator on another, so that neither takes the
//! other's time and both servers are measured on the same core.

use std::process::{Child, Command, Output, Stdio};

use anyhow::Context as _;
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::usage;

/// The two cores of a measurement, or none on a machine that has only one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cores {
    pair: Option<(usize, usize)>,
}

impl Cores {
    /// Takes the first two cores this process may use and moves the calling thread, the
    /// generator's, to the second.
    pub(crate) fn take() -> anyhow::Result<Self> {
        let allowed = sched_getaffinity(None).context("reading the cores of this process")?;
        let mut usable = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let pair = usable.next().zip(usable.next());
        let cores = Self { pair };
        if let Some((_, generator)) = pair {
            pin(generator)?;
        }
        Ok(cores)
    }

    pub(crate) fn are_separate(self) -> bool {
        self.pair.is_some()
    }

    /// Starts a server on the servers' core. A child inherits the affinity of the thread that
    /// starts it, so a runtime in it counts one core from its first moment.
    pub(crate) fn spawn_server(self, command: &mut Command) -> anyhow::Result<Child> {
        let program = command.get_program().to_string_lossy().into_owned();
        if let Some((server, _)) = self.pair {
            pin(server)?;
        }
        let child = command.spawn();
        if let Some((_, generator)) = self.pair {
            pin(generator)?;
        }
        child.with_context(|| format!("starting {program}"))
    }

    /// Runs another generator to its end, on the generators' core, where the calling thread is.
    #[expect(clippy::unused_self, reason = "whoever has cores has moved the thread")]
    pub(crate) fn run_generator(self, command: &mut Command) -> anyhow::Result<Output> {
        let program = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::null());
        command
            .output()
            .with_context(|| format!("starting {program}"))
    }

    /// Moves a server that runs already, with the processes that it has started, to the servers' core.
    /// Those that it starts from now on inherit it.
    pub(crate) fn move_server(self, pid: u32) -> anyhow::Result<()> {
        let Some((server, _)) = self.pair else {
            return Ok(());
        };
        for member in usage::family(pid)? {
            move_to(Pid::from_raw(member), server)?;
        }
        Ok(())
    }
}

fn pin(core: usize) -> anyhow::Result<()> {
    move_to(None, core)
}

/// Without a process, the calling thread.
fn move_to(process: Option<Pid>, core: usize) -> anyhow::Result<()> {
    let mut only = CpuSet::new();
    only.set(core);
    sched_setaffinity(process, &only).with_context(|| format!("moving to core {core}"))
}
