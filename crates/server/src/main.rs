//! The `rollcall` binary: a table of what it can do.

use std::process::ExitCode;

use rollcall::cli::{self, Command, Outcome};

/// musl's own allocator takes 9 to 32 µs of CPU for a list's 54 allocations, where a whole list takes some 27; SQLite's
/// come from this one too.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run() -> Outcome {
    let Some(arguments) = cli::parse(std::env::args_os())? else {
        return Ok(());
    };
    match arguments.command {
        Command::Dev(arguments) => cli::serve_with(cli::dev::run(*arguments)),
        Command::Serve(arguments) => cli::serve_with(cli::serve::run(*arguments)),
        Command::Keys(arguments) => cli::wait(cli::keys::run(arguments)),
        Command::Orgs(arguments) => cli::wait(cli::orgs::run(arguments)),
        Command::Workspaces(arguments) => cli::wait(cli::workspaces::run(arguments)),
        Command::Profiles(arguments) => cli::wait(cli::profiles::run(*arguments)),
        Command::Import(arguments) => cli::wait(cli::import::run(arguments)),
        Command::Export(arguments) => cli::wait(cli::export::run(arguments)),
        Command::Programs(arguments) => cli::wait(cli::programs::run(arguments)),
        Command::DataControls(arguments) => cli::wait(cli::data_controls::run(arguments)),
        Command::Enforcement(arguments) => cli::wait(cli::enforcement::run(arguments)),
        Command::Enrollments(arguments) => cli::wait(cli::enrollments::run(arguments)),
        Command::Gateway(arguments) => cli::wait(cli::gateway::run(arguments)),
        Command::Webhooks(arguments) => cli::wait(cli::webhooks::run(arguments)),
        Command::Search(arguments) => cli::wait(cli::search::run(*arguments)),
        Command::Audit(arguments) => cli::wait(cli::audit::run(arguments)),
        Command::Migrate(arguments) => cli::wait(cli::migrate::run(arguments)),
        Command::Backup(arguments) => cli::wait(cli::backup::run(arguments)),
        Command::Restore(arguments) => cli::wait(cli::restore::run(arguments)),
        Command::Check(arguments) => cli::wait(cli::check::run(arguments)),
        Command::Transfer(arguments) => cli::wait(cli::transfer::run(arguments)),
        Command::Health(arguments) => cli::wait(cli::health::run(arguments)),
        Command::Openapi(arguments) => cli::openapi::run(&arguments),
        Command::Completions(arguments) => cli::completions::run(&arguments),
        Command::Man(arguments) => cli::man::run(&arguments),
    }
}
