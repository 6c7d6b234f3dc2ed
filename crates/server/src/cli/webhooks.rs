//! `rollcall webhooks`: what platforms are told, for the operator; and a receiver for whoever develops one.

mod listen;
mod receiver;

use rollcall_domain::id::{DeliveryId, WebhookEndpointId};
use serde_json::{Value, json};

use super::asking::Asking;
use super::client::{Call, segment};
use super::failure::Outcome;
use super::output::{Column, note};
use super::pages::PageArgs;

/// Look at webhooks and their deliveries, test and repeat them; receive them here
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the webhook endpoints of every organization, newest first
    List {
        /// Only of this organization
        #[arg(long, value_name = "ID")]
        organization_id: Option<String>,
        /// Only in this state: enabled or disabled
        #[arg(long, value_name = "STATE")]
        state: Option<String>,
        #[command(flatten)]
        pages: PageArgs,
        #[command(flatten)]
        asking: Asking,
    },
    /// List deliveries with every attempt, newest first
    Deliveries {
        /// Only to this endpoint
        #[arg(long, value_name = "ID")]
        endpoint_id: Option<String>,
        /// Only with this status: pending, delivered, failed or canceled
        #[arg(long, value_name = "STATUS")]
        status: Option<String>,
        #[command(flatten)]
        pages: PageArgs,
        #[command(flatten)]
        asking: Asking,
    },
    /// Start a delivery that has ended again, with all its attempts
    Redeliver {
        /// The delivery
        #[arg(value_parser = delivery_id)]
        id: DeliveryId,
        #[command(flatten)]
        asking: Asking,
    },
    /// Send a signed test event to an endpoint
    Test {
        /// The endpoint
        #[arg(value_parser = endpoint_id)]
        id: WebhookEndpointId,
        #[command(flatten)]
        asking: Asking,
    },
    Listen(Box<listen::Arguments>),
}

fn delivery_id(text: &str) -> Result<DeliveryId, String> {
    DeliveryId::parse(text).map_err(|error| error.to_string())
}

fn endpoint_id(text: &str) -> Result<WebhookEndpointId, String> {
    WebhookEndpointId::parse(text).map_err(|error| error.to_string())
}

const ENDPOINTS: &str = "/operator/v1/webhook_endpoints";
const DELIVERIES: &str = "/operator/v1/webhook_deliveries";

const ENDPOINT_COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("ORGANIZATION", "/organization_id"),
    ("STATE", "/state"),
    ("FAILING SINCE", "/failing_since"),
    ("URL", "/url"),
    ("NAME", "/name"),
    ("DISABLED BECAUSE", "/disabled_reason"),
];

const DELIVERY_COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("EVENT", "/event_type"),
    ("STATUS", "/status"),
    ("ATTEMPTS", "/attempt_count"),
    ("LAST ANSWER", "/last_answer"),
    ("ENDPOINT", "/endpoint_id"),
    ("CREATED", "/created_at"),
    ("NEXT ATTEMPT", "/next_attempt_at"),
];

/// Adds to a delivery what a row of a table has room for.
fn with_last_answer(delivery: &mut Value) {
    let attempts = delivery["attempts"].as_array();
    let last = attempts.and_then(|attempts| attempts.last());
    let answer = last.map(|last| match &last["status_code"] {
        Value::Null => last["error"].clone(),
        code => code.clone(),
    });
    let count = attempts.map_or(0, Vec::len);
    delivery["last_answer"] = answer.unwrap_or_default();
    delivery["attempt_count"] = json!(count);
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    match arguments.command {
        Command::List {
            organization_id,
            state,
            pages,
            asking,
        } => {
            let call = || {
                Call::get(ENDPOINTS)
                    .optional("organization_id", organization_id.as_deref())
                    .optional("state", state.as_deref())
            };
            asking.list(ENDPOINT_COLUMNS, &pages, call).await
        }
        Command::Deliveries {
            endpoint_id,
            status,
            pages,
            asking,
        } => {
            let call = || {
                Call::get(DELIVERIES)
                    .optional("endpoint_id", endpoint_id.as_deref())
                    .optional("status", status.as_deref())
            };
            let add = Some(with_last_answer as fn(&mut Value));
            asking.list_with(DELIVERY_COLUMNS, add, &pages, call).await
        }
        Command::Redeliver { id, asking } => {
            let path = format!("{DELIVERIES}/{}/redeliver", segment(id.as_str()));
            begin(path, asking).await
        }
        Command::Test { id, asking } => {
            let path = format!("{ENDPOINTS}/{}/test", segment(id.as_str()));
            begin(path, asking).await
        }
        Command::Listen(arguments) => listen::run(*arguments).await,
    }
}

/// Starts a delivery and prints what it is then. On the storage it waits for a server.
async fn begin(path: String, asking: Asking) -> Outcome {
    let client = asking.target.open().await?;
    let started = client.call(Call::post(path, &json!({}))).await;
    client.close().await;
    let started = started?;
    if client.is_in_process() {
        note("it is sent as soon as a server runs on this storage");
    }
    asking.output.open().item(&started)
}
