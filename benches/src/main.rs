//! How fast Rollcall is, and how anyone can find out on their own machine.
//!
//! `run` builds a data directory, starts the binary that is published and the *limit server* (the same bytes
//! handed out from memory, with the same header work) and drives both in turn with one generator,
//! on one core each, in interleaved rounds. Times on shared machines do not repeat; the server's
//! CPU time per request does, and its ratio to the limit server's says how much of an answer's cost
//! is ours to improve. `docs/performance.md` says how to read the result.
//!
//! The way of one run:
//!
//! | module | does |
//! | --- | --- |
//! | [`records`] | the profiles, each a pure function of its number |
//! | [`dataset`] | a data directory of them, built once and kept |
//! | [`rollcall`] | every command line of `rollcall` that is relied on |
//! | [`requests`] | walks the lists and picks the requests of each scenario |
//! | [`limit`] | the limit server |
//! | [`connection`], [`load`] | the load generator |
//! | [`measure`] | a stretch of load on one server, and what it cost |
//! | [`cores`], [`usage`] | where processes run, and what they used |
//! | [`callgrind`] | a server whose instructions are counted |
//! | [`commits`] | the reference for creates: SQLite with one commit each |
//! | [`pgbench`] | the reference on PostgreSQL |
//! | [`run`], [`scale`], [`peers`], [`postgresql`], [`instructions`] | the commands that measure |
//! | [`results`], [`stats`], [`output`] | the figures and what they have to reach, printed and written into the documentation |
//!
//! To add a scenario: a variant in [`requests::Scenario`] and its requests beside it; the compiler
//! asks for the rest.

mod callgrind;
mod commits;
mod connection;
mod cores;
mod dataset;
mod instructions;
mod limit;
mod load;
mod measure;
mod output;
mod peers;
mod pgbench;
mod postgresql;
mod random;
mod records;
mod requests;
mod results;
mod rollcall;
mod run;
mod scale;
mod stats;
mod usage;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};

use crate::measure::Pressure;

#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build the data directory if it is missing, then measure everything.
    Run(RunArgs),
    /// Only build the data directory and print what the import took.
    Dataset(RunArgs),
    /// Compare a list page at two sizes of the registry.
    Scale(ScaleArgs),
    /// Compare a list and a get with what other servers need for the same.
    Peers(PeersArgs),
    /// Measure Rollcall on a PostgreSQL of its own, against pgbench.
    Postgresql(PostgresqlArgs),
    /// Count the instructions and allocations of a request, and compare them with those that are kept.
    Instructions(InstructionsArgs),
    /// Write the figures of a `--json` file into the documentation.
    Report(ReportArgs),
    /// The limit server: answers on standard input, its address on standard output.
    #[command(hide = true)]
    LimitServer,
}

#[derive(Debug, Clone, Args)]
struct RunArgs {
    /// Profiles in the data directory.
    #[arg(long, default_value_t = 1_000_000)]
    profiles: u64,
    #[command(flatten)]
    bench: BenchArgs,
    /// Measure only what has this in its name, as in the table's first column; may repeat.
    #[arg(long)]
    only: Vec<String>,
}

#[derive(Debug, Clone, Args)]
struct ScaleArgs {
    #[arg(long, default_value_t = 10_000)]
    small: u64,
    #[arg(long, default_value_t = 10_000_000)]
    large: u64,
    #[command(flatten)]
    bench: BenchArgs,
}

#[derive(Debug, Clone, Args)]
struct PeersArgs {
    /// Profiles in each server's database.
    #[arg(long, default_value_t = 10_000)]
    profiles: u64,
    /// Only install what the other servers are made of.
    #[arg(long)]
    prepare: bool,
    #[command(flatten)]
    bench: BenchArgs,
}

#[derive(Debug, Clone, Args)]
struct PostgresqlArgs {
    /// Profiles in the database.
    #[arg(long, default_value_t = 1_000_000)]
    profiles: u64,
    /// Where the database's files are until the end, on a disk; a user who is not root must be able to
    /// reach it.
    #[arg(long, default_value = "/var/tmp")]
    database_dir: PathBuf,
    #[command(flatten)]
    bench: BenchArgs,
}

#[derive(Debug, Clone, Args)]
struct InstructionsArgs {
    /// The binary whose instructions are counted, as it is published.
    #[arg(long)]
    rollcall: PathBuf,
    /// Where the data directory is made.
    #[arg(long, default_value = "target/bench")]
    work_dir: PathBuf,
    /// The figures that are kept.
    #[arg(long, default_value = "benches/instructions.json")]
    kept: PathBuf,
    /// Keep these figures in their place.
    #[arg(long)]
    keep: bool,
}

/// What every measurement needs to know.
#[derive(Debug, Clone, Args)]
struct BenchArgs {
    /// The server's binary; without it, `cargo build --profile dist -p rollcall` makes one.
    #[arg(long)]
    rollcall: Option<PathBuf>,
    /// Where data directories are kept between runs.
    #[arg(long, default_value = "target/bench")]
    work_dir: PathBuf,
    /// Build the data directory anew even if one is there.
    #[arg(long)]
    fresh: bool,
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    /// Seconds of load for each scenario and server in each round.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Connections kept open by the generator.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Different requests to choose from in each scenario.
    #[arg(long, default_value_t = 2_000)]
    requests: usize,
    /// Passed on to `rollcall serve`; may repeat.
    #[arg(long, allow_hyphen_values = true)]
    serve_arg: Vec<String>,
    /// Write the result as JSON to this file too.
    #[arg(long)]
    json: Option<PathBuf>,
}

impl BenchArgs {
    fn pressure(&self) -> anyhow::Result<Pressure> {
        let time = Duration::try_from_secs_f64(self.seconds)
            .context("--seconds: must be a positive number")?;
        Ok(Pressure {
            connections: self.connections,
            time,
        })
    }
}

#[derive(Debug, Args)]
struct ReportArgs {
    /// A file that `--json` wrote.
    file: PathBuf,
    #[arg(long, default_value = "docs/performance.md")]
    into: PathBuf,
}

fn main() -> ExitCode {
    match act(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            output::complain(&format!("{error:#}"));
            ExitCode::from(2)
        }
    }
}

/// Single-threaded on purpose, except for the limit server, which runs as any axum program does.
fn act(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(args) => one_thread()?.block_on(run::run(&args)),
        Command::Dataset(args) => dataset::only(&args),
        Command::Scale(args) => one_thread()?.block_on(scale::run(&args)),
        Command::Peers(args) => one_thread()?.block_on(peers::run(&args)),
        Command::Postgresql(args) => one_thread()?.block_on(postgresql::run(&args)),
        Command::Instructions(args) => one_thread()?.block_on(instructions::run(&args)),
        Command::Report(args) => output::report(&args.file, &args.into),
        Command::LimitServer => tokio::runtime::Runtime::new()?.block_on(limit::serve()),
    }
}

fn one_thread() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn no_option_hides_another() {
        super::Cli::command().debug_assert();
    }
}
