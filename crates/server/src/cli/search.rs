//! `rollcall search`: profiles of every organization, by what the public API cannot be asked for.

use rollcall_record::document::DamagedDocument;
use rollcall_wire::operator::profiles::{parse_search, write_record};

use super::client::Call;
use super::failure::{Failure, Outcome};
use super::output::{Column, Output, OutputArgs};
use super::pages::{self, PageArgs};
use super::target::{Storage, Target, TargetArgs};

/// Search the profiles of every organization
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    wanted: Wanted,
    #[command(flatten)]
    pages: PageArgs,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// What a profile must match, all of it
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Search")]
struct Wanted {
    /// Belongs to this organization
    #[arg(long, value_name = "ID")]
    organization_id: Option<String>,
    /// Has exactly this reference
    #[arg(long, value_name = "TEXT", visible_alias = "external-id")]
    reference_id: Option<String>,
    /// Has exactly this e-mail hash
    #[arg(long, value_name = "HASH")]
    email_hash: Option<String>,
    /// Has a name that begins so; A–Z and a–z are the same
    #[arg(long, value_name = "TEXT")]
    name_prefix: Option<String>,
    /// Is in this country
    #[arg(long, value_name = "CC")]
    country: Option<String>,
    /// application or passthrough
    #[arg(long, value_name = "TYPE")]
    access_type: Option<String>,
    /// unrestricted, pending, restricted or banned
    #[arg(long, value_name = "STATUS")]
    enforcement_status: Option<String>,
    /// Stands in this program
    #[arg(long, value_name = "NAME")]
    program: Option<String>,
    /// Stands in the program with this status
    #[arg(long, value_name = "STATUS", requires = "program")]
    program_status: Option<String>,
    /// Was created after this instant
    #[arg(long, value_name = "TIME")]
    created_after: Option<String>,
    /// Was created before this instant
    #[arg(long, value_name = "TIME")]
    created_before: Option<String>,
}

impl Wanted {
    fn parameters(&self) -> Vec<(&'static str, String)> {
        let parameters = [
            ("organization_id", &self.organization_id),
            ("reference_id", &self.reference_id),
            ("email_hash", &self.email_hash),
            ("name_prefix", &self.name_prefix),
            ("country", &self.country),
            ("access_type", &self.access_type),
            ("enforcement_status", &self.enforcement_status),
            ("program", &self.program),
            ("program_status", &self.program_status),
            ("created_after", &self.created_after),
            ("created_before", &self.created_before),
        ];
        let given = parameters.into_iter();
        given
            .filter_map(|(name, value)| Some((name, value.clone()?)))
            .collect()
    }
}

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("ORGANIZATION", "/organization_id"),
    ("NAME", "/name"),
    ("REFERENCE", "/external_id"),
    ("ENFORCEMENT", "/enforcement_status"),
    ("CREATED", "/created_at"),
];

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    let parameters = arguments.wanted.parameters();
    let target = arguments.target.open().await?;
    let mut output = arguments.output.open();
    let printed = match &target {
        Target::Server(client) => {
            let listing = output.list(COLUMNS);
            pages::print(client, listing, &arguments.pages, || {
                let call = Call::get("/operator/v1/user_profiles");
                let parameters = parameters.iter().cloned();
                parameters.fold(call, |call, (name, value)| call.query(name, value))
            })
            .await
        }
        Target::Storage(storage) => {
            search(storage, &parameters, &arguments.pages, &mut output).await
        }
    };
    target.close().await;
    printed
}

async fn search(
    storage: &Storage,
    parameters: &[(&'static str, String)],
    pages: &PageArgs,
    output: &mut Output,
) -> Outcome {
    let Storage { store, proof, .. } = storage;
    let query = pages.query_for_storage(parameters)?;
    let request = parse_search(Some(&query), &pages::no_cursors())?;
    let mut page = request.page();
    let now = storage.now();
    let mut listing = output.list(COLUMNS);
    loop {
        let found = store.search_profiles(*proof, &page, now).await?;
        let rows = found.profiles.iter().map(|owned| {
            let mut row = String::with_capacity(1_024);
            let written = owned.document.decode().and_then(|profile| {
                write_record(&mut row, &owned.organization_id, &profile, None, now)
            });
            written.map_err(|error: DamagedDocument| {
                Failure::failed(format!("{}: {error}", owned.id))
            })?;
            pages::json(|out| out.push_str(&row))
        });
        listing.page(&rows.collect::<Outcome<Vec<_>>>()?)?;
        page.after = found.next;
        if page.after.is_none() || !pages.all {
            return pages::end_on_storage(listing, page.after.is_some());
        }
    }
}
