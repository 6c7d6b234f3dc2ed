//! `rollcall search`: profiles of every organization, by what the public API cannot be asked for.

use super::asking::Asking;
use super::client::Call;
use super::failure::Outcome;
use super::output::Column;
use super::pages::PageArgs;

/// Search the profiles of every organization
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    wanted: Wanted,
    #[command(flatten)]
    pages: PageArgs,
    #[command(flatten)]
    asking: Asking,
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
    fn call(&self) -> Call {
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
        let call = Call::get("/operator/v1/user_profiles");
        parameters.into_iter().fold(call, |call, (name, value)| {
            call.optional(name, value.as_deref())
        })
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
    let Arguments {
        wanted,
        pages,
        asking,
    } = arguments;
    asking.list(COLUMNS, &pages, || wanted.call()).await
}
