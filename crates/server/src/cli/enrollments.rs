//! `rollcall enrollments`: what end users submitted, and the operator's decisions on it.

use rollcall_domain::enrollment::{Enrollment, Verdict};
use rollcall_domain::id::EnrollmentId;
use rollcall_domain::page::Order;
use rollcall_store::enrollments::{Decided, EnrollmentFilter};
use rollcall_wire::operator::enrollments::{
    parse_approval, parse_list, parse_rejection, write_enrollment,
};
use serde_json::{Map, Value, json};

use super::client::{Call, segment};
use super::failure::{Failure, Outcome};
use super::output::{Column, Output, OutputArgs};
use super::pages::{self, PageArgs};
use super::target::{Storage, Target, TargetArgs};

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
        shared: Shared,
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
        shared: Shared,
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
        shared: Shared,
    },
}

#[derive(Debug, clap::Args)]
struct Shared {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    output: OutputArgs,
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
            shared,
        } => list(status, &pages, shared).await,
        Command::Approve {
            id,
            tiers,
            requirements,
            note,
            shared,
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
            decide(&id, "approve", body, shared).await
        }
        Command::Reject { id, note, shared } => decide(&id, "reject", words(note), shared).await,
    }
}

fn words(note: Option<String>) -> Map<String, Value> {
    let note = note.map(|note| ("note".to_owned(), Value::String(note)));
    note.into_iter().collect()
}

async fn list(status: Option<String>, pages: &PageArgs, shared: Shared) -> Outcome {
    let parameters: Vec<_> = status.map(|it| ("status", it)).into_iter().collect();
    let target = shared.target.open().await?;
    let mut output = shared.output.open();
    let printed = match &target {
        Target::Server(client) => {
            let listing = output.list(COLUMNS);
            pages::print(client, listing, pages, || {
                let call = Call::get("/operator/v1/enrollments");
                let parameters = parameters.iter().cloned();
                parameters.fold(call, |call, (name, value)| call.query(name, value))
            })
            .await
        }
        Target::Storage(storage) => stored(storage, &parameters, pages, &mut output).await,
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
    let filter = EnrollmentFilter {
        status: request.status,
        ..EnrollmentFilter::default()
    };
    let (limit, newest) = (request.list.limit, Order::Descending);
    let mut after = None;
    let mut listing = output.list(COLUMNS);
    loop {
        let page = store
            .list_enrollments(*proof, &filter, newest, after.as_ref(), limit)
            .await?;
        let rows = page.items.iter();
        let rows = rows.map(|it| pages::json(|out| write_enrollment(out, it)));
        listing.page(&rows.collect::<Outcome<Vec<_>>>()?)?;
        after = page.next;
        if after.is_none() || !pages.all {
            return pages::end_on_storage(listing, after.is_some());
        }
    }
}

async fn decide(
    id: &EnrollmentId,
    what: &str,
    body: Map<String, Value>,
    shared: Shared,
) -> Outcome {
    let body = Value::Object(body);
    let target = shared.target.open().await?;
    let decided = match &target {
        Target::Server(client) => {
            let path = format!("/operator/v1/enrollments/{}/{what}", segment(id.as_str()));
            client.call(Call::post(path, &body)).await
        }
        Target::Storage(storage) => decide_stored(storage, id, what, &body).await,
    };
    target.close().await;
    shared.output.open().item(&decided?)
}

async fn decide_stored(
    storage: &Storage,
    id: &EnrollmentId,
    what: &str,
    body: &Value,
) -> Outcome<Value> {
    let Storage { store, proof, .. } = storage;
    let waiting: Enrollment = store
        .find_enrollment(*proof, id)
        .await?
        .ok_or_else(|| unknown(id))?;
    let (verdict, note) = if what == "approve" {
        let approval = parse_approval(pages::fields(body)?)?;
        let standing = approval.standing(&waiting.program)?;
        (Verdict::Approved(standing), approval.note)
    } else {
        (Verdict::Rejected, parse_rejection(pages::fields(body)?)?)
    };
    let decided = store
        .decide_enrollment(*proof, &storage.act(), id, &verdict, note.as_deref())
        .await?;
    match decided {
        Decided::Done(enrollment) => pages::json(|out| write_enrollment(out, &enrollment)),
        Decided::Refused(refusal) => Err(refusal.into()),
        Decided::Missing => Err(unknown(id)),
    }
}

fn unknown(id: &EnrollmentId) -> Failure {
    Failure::failed(format!("there is no enrollment {id}"))
}
