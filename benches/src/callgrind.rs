//! A server under callgrind, which counts the instructions of its own code (not the kernel's) one by one, and
//! what was counted while it answered.
//!
//! Valgrind shows a program the same processor wherever it runs, as far as the real one can do it, so the choices
//! that libraries make by processor do not depend on the machine either.
//!
//! Valgrind takes a command between two blocks of code that it runs. A server that waits runs none, and being woken
//! from outside needs a right that not every system gives; so whoever gives a command asks something at the same
//! time, and the server wakes by itself.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::connection::Connection;
use crate::cores::Cores;
use crate::rollcall::{Binary, Server, Storage};

/// How long a command may take, on a machine with much else to do.
const PATIENCE: Duration = Duration::from_mins(2);

/// What is asked so that the server wakes.
const WAKE: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n";

#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) server: Server,
    /// Where callgrind writes, and valgrind listens.
    root: PathBuf,
    dumps: usize,
    /// Whether it was for the last look.
    woken_once: bool,
}

/// What was counted between two looks.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Count {
    pub(crate) instructions: u64,
    /// Calls of the C library's allocator.
    pub(crate) allocations: u64,
}

impl Count {
    pub(crate) fn without(self, other: Self) -> Self {
        Self {
            instructions: self.instructions.saturating_sub(other.instructions),
            allocations: self.allocations.saturating_sub(other.allocations),
        }
    }

    /// The less of each.
    pub(crate) fn or_less(self, other: Self) -> Self {
        Self {
            instructions: self.instructions.min(other.instructions),
            allocations: self.allocations.min(other.allocations),
        }
    }
}

/// The version of what counts.
pub(crate) fn version() -> anyhow::Result<String> {
    let output = Command::new("valgrind").arg("--version").output();
    let output = output.context("starting valgrind; Debian's package has the same name")?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

impl Counted {
    /// Starts the production server. It is not necessarily listening yet.
    pub(crate) fn start(
        binary: &Binary,
        storage: &Storage,
        root: &Path,
        cores: Cores,
    ) -> anyhow::Result<Self> {
        let root = root.canonicalize()?;
        let mut valgrind = Command::new("valgrind");
        valgrind
            .args(["--tool=callgrind", "--vgdb=yes", "--vgdb-poll=500"])
            // Names in full and no lines: a reader of few words can read it.
            .args([
                "--compress-strings=no",
                "--compress-pos=no",
                "--dump-line=no",
            ])
            .arg(format!("--vgdb-prefix={}", prefix(&root).display()))
            .arg(format!("--callgrind-out-file={}", output(&root).display()));
        let log = root.join("callgrind.log");
        let server = binary.serve_under(valgrind, storage, &log, cores)?;
        Ok(Self {
            server,
            root,
            dumps: 0,
            woken_once: false,
        })
    }

    /// What was counted since the last look. `None` if more was asked meanwhile than what wakes the server once, so
    /// that it can't be compared with another look.
    pub(crate) async fn look(
        &mut self,
        connection: &mut Connection,
    ) -> anyhow::Result<Option<Count>> {
        let asked = Instant::now();
        let mut command = Command::new("vgdb")
            .arg(format!("--pid={}", self.server.pid()))
            .arg(format!("--vgdb-prefix={}", prefix(&self.root).display()))
            .args(["--max-invoke-ms=0", "dump"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("starting vgdb, which comes with valgrind")?;
        // It must have asked before the server is woken, else the next waking is for it.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let mut wakings = 0;
        let status = loop {
            connection.exchange(WAKE).await?.ok()?;
            wakings += 1;
            if let Some(status) = ended(&mut command).await? {
                break status;
            }
            if asked.elapsed() > PATIENCE {
                command.kill()?;
                command.wait()?;
                bail!("valgrind did not answer within {} s", PATIENCE.as_secs());
            }
        };
        if !status.success() {
            bail!("vgdb ended with {status}");
        }
        self.dumps += 1;
        let file = self.root.join(format!("callgrind.out.{}", self.dumps));
        let text = std::fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
        std::fs::remove_file(&file)?;
        let count = read(&String::from_utf8_lossy(&text))?;
        // What wakes it for one look may end in the next stretch.
        let is_clean = std::mem::replace(&mut self.woken_once, wakings == 1) && wakings == 1;
        Ok(is_clean.then_some(count))
    }
}

/// How the command ended, if it does soon.
async fn ended(command: &mut Child) -> anyhow::Result<Option<ExitStatus>> {
    for _ in 0..50 {
        if let Some(status) = command.try_wait()? {
            return Ok(Some(status));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(None)
}

fn prefix(root: &Path) -> PathBuf {
    root.join("vgdb")
}

fn output(root: &Path) -> PathBuf {
    root.join("callgrind.out")
}

/// Reads what callgrind wrote of one stretch: a text of `fn=`, `cfn=` and `calls=` lines, and a line of totals.
fn read(text: &str) -> anyhow::Result<Count> {
    let mut count = Count::default();
    let mut totals = None;
    let (mut of, mut called) = ("", "");
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("fn=") {
            of = name;
        } else if let Some(name) = line.strip_prefix("cfn=") {
            called = name;
        } else if let Some(calls) = line.strip_prefix("calls=") {
            if is_allocation(called) && !is_allocation(of) {
                let calls = calls.split(' ').next().unwrap_or_default();
                count.allocations += calls.parse::<u64>().context("a number of calls")?;
            }
        } else if let Some(total) = line.strip_prefix("totals: ") {
            totals = Some(total.trim().parse::<u64>().context("the totals")?);
        }
    }
    count.instructions = totals.context("callgrind wrote no totals")?;
    Ok(count)
}

/// The functions by which the C library is asked for memory. Their names are there even if those of the program
/// are not.
fn is_allocation(function: &str) -> bool {
    matches!(
        function,
        "malloc" | "calloc" | "realloc" | "posix_memalign" | "aligned_alloc"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_from_outside_the_allocator_are_allocations() {
        let text = "events: Ir\nfn=0x0001234\n0 12\ncfn=malloc\ncalls=3 0\n0 90\ncfn=free\ncalls=7 0\n0 9\n\
                    fn=realloc\n0 60\ncfn=malloc\ncalls=3 0\n0 30\ntotals: 210\n";
        let count = read(text).unwrap();
        assert_eq!((count.instructions, count.allocations), (210, 3));
        assert!(read("fn=serve\n").is_err());
    }
}
