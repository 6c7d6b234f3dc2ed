//! `rollcall enrollments`: what end users submitted, and the operator's decisions on it.

use rollcall_domain::id::EnrollmentId;
use serde_json::{Map, Value, json};

use super::asking::Asking;
use super::client::{Call, segment};
use super::failure::Outcome;
use super::output::Column;
use super::pages::PageArgs;

/// Decide on what end users applied for
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List applications, newest first
    List {
        /// Only these: pending, approved or rejected
        #[arg(long, value_name = "STATUS")]
        status: Option<String>,
        #[command(flatten)]
        pages: PageArgs,
        #[command(flatten)]
        asking: Asking,
    },
    /// Approve an application: its profile becomes active in the program
    Approve {
        /// The application
        #[arg(value_parser = enrollment_id)]
        id: EnrollmentId,
        /// The tiers of cyber to activate: a, b, c
        #[arg(long, value_name = "LIST", value_delimiter = ',')]
        tiers: Vec<String>,
        /// What these tiers require: data_retention, human_review
        #[arg(long, value_name = "LIST", value_delimiter = ',')]
        requirements: Vec<String>,
        /// Words to the end user
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
        #[command(flatten)]
        asking: Asking,
    },
    /// Reject an application: its profile becomes rejected in the program
    Reject {
        /// The application
        #[arg(value_parser = enrollment_id)]
        id: EnrollmentId,
        /// Words to the end user
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
        #[command(flatten)]
        asking: Asking,
    },
}

fn enrollment_id(text: &str) -> Result<EnrollmentId, String> {
    EnrollmentId::parse(text).map_err(|error| error.to_string())
}

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("PROGRAM", "/program"),
    ("STATUS", "/status"),
    ("PROFILE", "/user_profile_id"),
    ("ORGANIZATION", "/organization_id"),
    ("SUBMITTED", "/submitted_at"),
    ("DECIDED", "/decided_at"),
];

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    match arguments.command {
        Command::List {
            status,
            pages,
            asking,
        } => {
            let path = "/operator/v1/enrollments";
            let call = || Call::get(path).optional("status", status.as_deref());
            asking.list(COLUMNS, &pages, call).await
        }
        Command::Approve {
            id,
            tiers,
            requirements,
            note,
            asking,
        } => {
            let mut body = words(note);
            for (field, names, value) in [
                ("tiers", tiers, json!("active")),
                ("requirements", requirements, json!(true)),
            ] {
                if !names.is_empty() {
                    let named = names.into_iter().map(|name| (name, value.clone()));
                    body.insert(field.to_owned(), Value::Object(named.collect()));
                }
            }
            asking.item(decision(&id, "approve", body)).await
        }
        Command::Reject { id, note, asking } => {
            asking.item(decision(&id, "reject", words(note))).await
        }
    }
}

fn words(note: Option<String>) -> Map<String, Value> {
    let note = note.map(|note| ("note".to_owned(), Value::String(note)));
    note.into_iter().collect()
}

fn decision(id: &EnrollmentId, verb: &str, body: Map<String, Value>) -> Call {
    let id = segment(id.as_str());
    let path = format!("/operator/v1/enrollments/{id}/{verb}");
    Call::post(path, &Value::Object(body))
}
