//! `rollcall orgs`: the platforms.

use rollcall_domain::id::OrganizationId;
use serde_json::{Map, Value, json};

use super::asking::Asking;
use super::client::{Call, segment};
use super::failure::{Failure, Outcome};
use super::import::organization_id;
use super::output::Column;

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
        Command::List { asking } => asking.everything(COLUMNS, ORGANIZATIONS.to_owned()).await,
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
    }
}

const ORGANIZATIONS: &str = "/operator/v1/organizations";

/// A path below an organization.
pub(crate) fn path(id: &OrganizationId, below: &str) -> String {
    format!("{ORGANIZATIONS}/{}{below}", segment(id.as_str()))
}
