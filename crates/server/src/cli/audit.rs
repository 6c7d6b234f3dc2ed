//! `rollcall audit`: who did what to what, and when.

use rollcall_domain::audit::AuditAction;
use rollcall_store::audit::AuditFilter;
use rollcall_wire::operator::audit::{parse_list, write_audit_event};

use super::client::Call;
use super::failure::Outcome;
use super::output::{Column, Output, OutputArgs};
use super::pages::{self, PageArgs};
use super::target::{Storage, Target, TargetArgs};

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
    #[command(flatten)]
    pages: PageArgs,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    output: OutputArgs,
}

const COLUMNS: &[Column] = &[
    ("AT", "/at"),
    ("ACTOR", "/actor/kind"),
    ("BY", "/actor/id"),
    ("ACTION", "/action"),
    ("TARGET", "/target/id"),
    ("DETAILS", "/details"),
];

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    let Command::List(list) = arguments.command;
    let wanted = [
        ("organization_id", &list.organization_id),
        ("target_id", &list.target_id),
        ("action", &list.action),
    ];
    let wanted = wanted.into_iter();
    let parameters: Vec<_> = wanted
        .filter_map(|(name, value)| Some((name, value.clone()?)))
        .collect();
    let target = list.target.open().await?;
    let mut output = list.output.open();
    let printed = match &target {
        Target::Server(client) => {
            let listing = output.list(COLUMNS);
            pages::print(client, listing, &list.pages, || {
                let call = Call::get("/operator/v1/audit_events");
                let parameters = parameters.iter().cloned();
                parameters.fold(call, |call, (name, value)| call.query(name, value))
            })
            .await
        }
        Target::Storage(storage) => stored(storage, &parameters, &list.pages, &mut output).await,
    };
    target.close().await;
    printed
}

async fn stored(
    storage: &Storage,
    parameters: &[(&'static str, String)],
    pages: &PageArgs,
    output: &mut Output,
) -> Outcome {
    let Storage { store, proof, .. } = storage;
    let query = pages.query_for_storage(parameters)?;
    let request = parse_list(Some(&query), &pages::no_cursors())?;
    let filter = AuditFilter {
        organization_id: request.organization_id,
        target_ids: request.target_id.into_iter().collect(),
        action: request.action.map(AuditAction::as_str).map(str::to_owned),
    };
    let mut after = None;
    let mut listing = output.list(COLUMNS);
    loop {
        let limit = request.list.limit;
        let page = store
            .list_audit_events(*proof, &filter, after.as_ref(), limit)
            .await?;
        let rows = page.events.iter();
        let rows = rows.map(|event| pages::json(|out| write_audit_event(out, event)));
        listing.page(&rows.collect::<Outcome<Vec<_>>>()?)?;
        after = page.next;
        if after.is_none() || !pages.all {
            return pages::end_on_storage(listing, after.is_some());
        }
    }
}
