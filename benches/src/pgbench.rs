//! The reference on `PostgreSQL`: its own `pgbench` with the same statements, which prepares each of them
//! once for each connection, plans it once, and does nothing with an answer.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rollcall_scratch_postgres as scratch;

use crate::cores::Cores;

/// Where `pgbench` connects to.
#[derive(Debug)]
pub(crate) struct Pgbench {
    url: String,
    cores: Cores,
}

/// One transaction, and the texts that stand in it under a name.
#[derive(Debug)]
pub(crate) struct Script {
    path: PathBuf,
    texts: Vec<(&'static str, String)>,
}

impl Script {
    /// Kept in this file.
    pub(crate) fn new(
        path: PathBuf,
        transaction: &str,
        texts: Vec<(&'static str, String)>,
    ) -> anyhow::Result<Self> {
        std::fs::write(&path, transaction)
            .with_context(|| format!("writing {}", path.display()))?;
        Ok(Self { path, texts })
    }
}

impl Pgbench {
    pub(crate) fn of(url: &str, cores: Cores) -> Self {
        Self {
            url: url.to_owned(),
            cores,
        }
    }

    /// Transactions a second of this many clients, all on the generator's core. The first second, in which
    /// sessions begin and statements are prepared, does not count.
    pub(crate) fn per_second(
        &self,
        script: &Script,
        clients: usize,
        time: Duration,
    ) -> anyhow::Result<f64> {
        let seconds = time.as_secs().max(1) + 1;
        let mut command = Command::new(scratch::binaries().join("pgbench"));
        command.args(["--no-vacuum", "--protocol=prepared", "--progress=1"]);
        command.arg(format!("--client={clients}"));
        command.arg(format!("--time={seconds}"));
        command.arg("--file").arg(&script.path);
        for (name, text) in &script.texts {
            command.arg("--define").arg(format!("{name}={text}"));
        }
        command.arg(&self.url);
        // Otherwise each statement would be planned five times on each connection before its plan is kept.
        command.env("PGOPTIONS", "-c plan_cache_mode=force_generic_plan");
        let output = self.cores.run_generator(&mut command)?;
        let said = String::from_utf8_lossy(&output.stdout);
        let progress = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            bail!("pgbench ended with {}: {progress}", output.status);
        }
        after_the_first_second(&said, &progress)
            .with_context(|| format!("reading what pgbench says: {said}{progress}"))
    }
}

/// The rate from the first report of progress to the end.
fn after_the_first_second(said: &str, progress: &str) -> Option<f64> {
    let number = |text: &str| text.split_ascii_whitespace().next()?.parse::<f64>().ok();
    let after = |line: &str, mark: &str| number(line.split_once(mark)?.1);
    let all = after(said, "transactions actually processed: ")?;
    let rate = after(said, "tps = ")?;
    let first = progress
        .lines()
        .find(|line| line.starts_with("progress: "))?;
    let (elapsed, first_rate) = (after(first, "progress: ")?, after(first, " s, ")?);
    Some((all - elapsed * first_rate) / (all / rate - elapsed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_second_does_not_count() {
        let said = "number of transactions actually processed: 25000\n\
            latency average = 3.0 ms\ntps = 8333.333333 (without initial connection time)\n";
        let progress = "pgbench (15.14)\nprogress: 1.0 s, 5000.0 tps, lat 6.1 ms stddev 0.1, 0 failed\n\
            progress: 2.0 s, 10000.0 tps, lat 3.1 ms stddev 0.1, 0 failed\n";
        let rate = after_the_first_second(said, progress).unwrap();
        assert!((rate - 10_000.0).abs() < 1.0, "{rate}");
        assert_eq!(after_the_first_second("", progress), None);
    }
}
