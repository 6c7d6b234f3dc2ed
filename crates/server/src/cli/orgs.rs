//! `rollcall orgs`: the platforms.

use rollcall_domain::id::OrganizationId;
use serde_json::{Map, Value, json};

use super::asking::Asking;
use super::client::{Call, Client, segment};
use super::confirm::Confirm;
use super::failure::{Failure, Outcome};
use super::import::organization_id;
use super::output::{Column, TableArgs, note};

/// Make and manage organizations: the platforms that call the API
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make an organization
    Create {
        /// Its name, shown to end users on the enrollment page
        #[arg(long, value_name = "TEXT")]
        name: String,
        #[command(flatten)]
        fields: Fields,
        #[command(flatten)]
        asking: Asking,
    },
    /// List every organization
    List {
        #[command(flatten)]
        table: TableArgs,
        #[command(flatten)]
        asking: Asking,
    },
    /// Show one organization
    Show {
        /// The organization
        #[arg(value_parser = organization_id)]
        id: OrganizationId,
        #[command(flatten)]
        asking: Asking,
    },
    /// Change what is given of an organization and leave the rest
    Update {
        /// The organization
        #[arg(value_parser = organization_id)]
        id: OrganizationId,
        /// A new name
        #[arg(long, value_name = "TEXT")]
        name: Option<String>,
        #[command(flatten)]
        fields: Fields,
        #[command(flatten)]
        asking: Asking,
    },
    /// End a tenancy: remove an organization that is on hold, with everything it has
    Remove {
        /// The organization
        #[arg(value_parser = organization_id)]
        id: OrganizationId,
        #[command(flatten)]
        confirm: Confirm,
        #[command(flatten)]
        asking: Asking,
    },
}

#[derive(Debug, clap::Args)]
struct Fields {
    /// Public requests a minute, or none for no limit
    #[arg(long, value_name = "NUMBER|none", value_parser = rate_limit)]
    rate_limit_rpm: Option<Value>,
    /// active, or on_hold to refuse its public requests
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// enabled, or disabled to let it make no enrollment and action URLs
    #[arg(long, value_name = "SWITCH")]
    enrollment_links: Option<String>,
    /// open, or not_approved to let it switch no data controls on
    #[arg(long, value_name = "SWITCH")]
    data_controls: Option<String>,
}

fn rate_limit(text: &str) -> Result<Value, &'static str> {
    match text {
        "none" => Ok(Value::Null),
        number => number
            .parse::<u32>()
            .map(Value::from)
            .map_err(|_| "must be a whole number from 1, or none"),
    }
}

impl Fields {
    fn body(self, name: Option<String>) -> Value {
        let mut body = Map::new();
        if let Some(name) = name {
            body.insert("name".to_owned(), name.into());
        }
        if let Some(limit) = self.rate_limit_rpm {
            body.insert("rate_limit_rpm".to_owned(), limit);
        }
        let texts = [
            ("status", self.status),
            ("enrollment_links", self.enrollment_links),
            ("data_controls", self.data_controls),
        ];
        for (name, text) in texts {
            body.extend(text.map(|text| (name.to_owned(), text.into())));
        }
        Value::Object(body)
    }
}

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("NAME", "/name"),
    ("STATUS", "/status"),
    ("RATE LIMIT", "/rate_limit_rpm"),
    ("CREATED", "/created_at"),
];

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    match arguments.command {
        Command::Create {
            name,
            fields,
            asking,
        } => {
            let body = fields.body(Some(name));
            let client = asking.target.open_or_make().await?;
            asking
                .item_of(client, Call::post(ORGANIZATIONS, &body))
                .await
        }
        Command::List { table, asking } => {
            let path = ORGANIZATIONS.to_owned();
            asking.everything(COLUMNS, table, path).await
        }
        Command::Show { id, asking } => asking.item(Call::get(path(&id, ""))).await,
        Command::Update {
            id,
            name,
            fields,
            asking,
        } => {
            let body = fields.body(name);
            if body == json!({}) {
                return Err(Failure::setup(
                    "nothing to change; give --name, --rate-limit-rpm, --status, --enrollment-links or --data-controls",
                ));
            }
            asking.item(Call::post(path(&id, ""), &body)).await
        }
        Command::Remove {
            id,
            confirm,
            asking,
        } => {
            let what = format!("{id} and everything it has will be removed for good.");
            confirm.asks(id.as_str(), &what, "removed")?;
            let client = asking.target.open().await?;
            let removed = remove(&client, &id).await;
            client.close().await;
            asking.output.open().item(&removed?)
        }
    }
}

/// Asks until nothing is left: an answer comes every few seconds.
async fn remove(client: &Client, id: &OrganizationId) -> Outcome<Value> {
    let over = json!({"id": id.as_str(), "type": "organization_deleted"});
    let mut has_begun = false;
    loop {
        match client.call(Call::delete(path(id, ""))).await {
            Ok(answer) if answer["type"] == over["type"] => return Ok(answer),
            Ok(_) if has_begun => {}
            Ok(_) => {
                has_begun = true;
                note("It is large and takes its time. Should this break off, say it again.");
            }
            // The server has come to the end of it first.
            Err(Failure::NotFound(_)) if has_begun => return Ok(over),
            Err(failure) => return Err(failure),
        }
    }
}

const ORGANIZATIONS: &str = "/operator/v1/organizations";

/// A path below an organization.
pub(crate) fn path(id: &OrganizationId, below: &str) -> String {
    format!("{ORGANIZATIONS}/{}{below}", segment(id.as_str()))
}
