//! `rollcall audit`: who did what to what, and when.

use super::asking::Asking;
use super::client::Call;
use super::failure::Outcome;
use super::output::Column;
use super::pages::PageArgs;

/// Look up who did what to what, and when
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(List),
}

/// List the audit trail, newest first
#[derive(Debug, clap::Args)]
struct List {
    /// Only what happened in this organization
    #[arg(long, value_name = "ID")]
    organization_id: Option<String>,
    /// Only what was done to the thing with this id
    #[arg(long, value_name = "ID")]
    target_id: Option<String>,
    /// Only this action, such as user_profile.created
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Only what was done by whoever has this id: a key, an enrollment, command-line
    #[arg(long, value_name = "ID")]
    actor_id: Option<String>,
    /// Only what was done later than this, such as 2026-03-15T10:00:00Z
    #[arg(long, value_name = "TIME")]
    after: Option<String>,
    /// Only what was done earlier than this
    #[arg(long, value_name = "TIME")]
    before: Option<String>,
    #[command(flatten)]
    pages: PageArgs,
    #[command(flatten)]
    asking: Asking,
}

const COLUMNS: &[Column] = &[
    ("AT", "/at"),
    ("ACTOR", "/actor/kind"),
    ("NAME", "/actor/name"),
    ("ACTION", "/action"),
    ("TARGET", "/target/id"),
    ("DETAILS", "/details"),
    ("BY", "/actor/id"),
    ("ORGANIZATION", "/organization_id"),
];

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    let Command::List(list) = arguments.command;
    let call = || {
        Call::get("/operator/v1/audit_events")
            .optional("organization_id", list.organization_id.as_deref())
            .optional("target_id", list.target_id.as_deref())
            .optional("action", list.action.as_deref())
            .optional("actor_id", list.actor_id.as_deref())
            .optional("after", list.after.as_deref())
            .optional("before", list.before.as_deref())
    };
    list.asking.list(COLUMNS, &list.pages, call).await
}
