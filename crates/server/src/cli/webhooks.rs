//! `rollcall webhooks`: what platforms are told, for the operator; and a receiver for whoever develops one.

mod forward;
mod listen;
mod receiver;

use rollcall_domain::clock::{Clock as _, SystemClock};
use rollcall_domain::event::EventType;
use rollcall_domain::id::{DeliveryId, Ids, WebhookEndpointId};
use serde_json::{Value, json};

use super::asking::Asking;
use super::client::{Call, Client, segment};
use super::failure::{Failure, Outcome};
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
    /// Make an event happen on a development server: a real decision on a new user profile
    Trigger {
        /// What is to happen, such as user_profile.enforcement_action_opened
        #[arg(value_name = "TYPE", value_parser = triggered)]
        event: EventType,
        /// The organization that is told [default: the server's only one]
        #[arg(long, value_name = "ID")]
        organization_id: Option<String>,
        #[command(flatten)]
        asking: Asking,
    },
    Listen(Box<listen::Arguments>),
}

fn triggered(text: &str) -> Result<EventType, String> {
    let event = EventType::parse(text).map_err(|error| error.to_string())?;
    match event {
        EventType::EnforcementActionOpened
        | EventType::EnforcementActionResolved
        | EventType::ProgramStatusUpdated => Ok(event),
        _ => Err("is an event that Rollcall never sends".to_owned()),
    }
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

/// Makes an event happen: nothing is made up, so that what comes is what will come.
async fn trigger(asking: Asking, event: EventType, organization_id: Option<String>) -> Outcome {
    let client = asking.target.open().await?;
    let made = decide(&client, event, organization_id).await;
    client.close().await;
    asking.output.open().item(&made?)
}

async fn decide(
    client: &Client,
    event: EventType,
    organization_id: Option<String>,
) -> Outcome<Value> {
    let development = client.call(Call::get("/operator/v1/dev/faults")).await;
    match development {
        Err(Failure::NotFound(_)) => {
            return Err(Failure::setup(
                "this is no development server, and its user profiles are not to be tried on; start one with: \
                 rollcall dev, and name it with --url",
            ));
        }
        answered => drop(answered?),
    }
    let organization_id = match organization_id {
        Some(id) => id,
        None => only_organization(client).await?,
    };
    let id = Ids::default().profile(SystemClock.now());
    let profile = format!("/operator/v1/user_profiles/{}", id.as_str());
    let scratch = json!({"organization_id": organization_id, "name": "rollcall webhooks trigger"});
    client.call(Call::put(&*profile, &scratch)).await?;
    let mut made = json!({"type": "event_triggered", "event_type": event.as_str(), "user_profile_id": id.as_str()});
    if event == EventType::ProgramStatusUpdated {
        let path = format!("{profile}/programs/cyber");
        client
            .call(Call::put(path, &json!({"status": "active"})))
            .await?;
        return Ok(made);
    }
    let path = format!("{profile}/enforcement_actions");
    let body = json!({"type": "restriction", "reason": "unspecified"});
    let action = client.call(Call::post(path, &body)).await?;
    made["enforcement_action_id"] = action["id"].clone();
    if event == EventType::EnforcementActionResolved {
        let action = action["id"].as_str().unwrap_or_default();
        let path = format!(
            "/operator/v1/enforcement_actions/{}/resolve",
            segment(action)
        );
        client.call(Call::post(path, &json!({}))).await?;
    }
    Ok(made)
}

async fn only_organization(client: &Client) -> Outcome<String> {
    let answer = client.call(Call::get("/operator/v1/organizations")).await?;
    let mut ids = answer["data"].as_array().into_iter().flatten();
    match (ids.next().and_then(|it| it["id"].as_str()), ids.next()) {
        (Some(id), None) => Ok(id.to_owned()),
        _ => Err(Failure::setup(
            "the server has not one organization alone; name the one that is told with --organization-id",
        )),
    }
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    match arguments.command {
        Command::Trigger {
            event,
            organization_id,
            asking,
        } => trigger(asking, event, organization_id).await,
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
