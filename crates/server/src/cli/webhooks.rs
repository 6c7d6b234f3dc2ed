//! `rollcall webhooks`: what platforms are told, for the operator; and a receiver for whoever develops one.

mod listen;
mod receiver;

use rollcall_domain::id::{DeliveryId, WebhookEndpointId};
use rollcall_store::deliveries::{DeliveryFilter, NotSent};
use rollcall_store::webhooks::EndpointFilter;
use rollcall_wire::operator::{deliveries, endpoints};
use serde_json::{Value, json};

use super::client::{Call, segment};
use super::failure::{Failure, Outcome};
use super::output::{Column, Output, OutputArgs, note};
use super::pages::{self, PageArgs};
use super::target::{Storage, Target, TargetArgs};

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
        shared: Shared,
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
        shared: Shared,
    },
    /// Start a delivery that has ended again, with all its attempts
    Redeliver {
        /// The delivery
        #[arg(value_parser = delivery_id)]
        id: DeliveryId,
        #[command(flatten)]
        shared: Shared,
    },
    /// Send a signed test event to an endpoint
    Test {
        /// The endpoint
        #[arg(value_parser = endpoint_id)]
        id: WebhookEndpointId,
        #[command(flatten)]
        shared: Shared,
    },
    Listen(Box<listen::Arguments>),
}

#[derive(Debug, clap::Args)]
struct Shared {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    output: OutputArgs,
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
            shared,
        } => {
            let wanted = [("organization_id", organization_id), ("state", state)];
            list_endpoints(given(wanted), &pages, shared).await
        }
        Command::Deliveries {
            endpoint_id,
            status,
            pages,
            shared,
        } => {
            let wanted = [("endpoint_id", endpoint_id), ("status", status)];
            list_deliveries(given(wanted), &pages, shared).await
        }
        Command::Redeliver { id, shared } => {
            let path = format!("{DELIVERIES}/{}/redeliver", segment(id.as_str()));
            begin(path, shared, async |storage| {
                let Storage { store, proof, .. } = storage;
                let started = store.redeliver(*proof, &storage.act(), &id).await?;
                started.ok_or_else(|| Failure::failed(format!("there is no delivery {id}")))
            })
            .await
        }
        Command::Test { id, shared } => {
            let path = format!("{ENDPOINTS}/{}/test", segment(id.as_str()));
            begin(path, shared, async |storage| {
                let Storage { store, proof, .. } = storage;
                match store
                    .insert_test_delivery(*proof, &storage.act(), &id)
                    .await?
                {
                    Err(NotSent::EndpointMissing) => Err(Failure::failed(format!(
                        "there is no webhook endpoint {id}"
                    ))),
                    started => Ok(started),
                }
            })
            .await
        }
        Command::Listen(arguments) => listen::run(*arguments).await,
    }
}

type Parameters = Vec<(&'static str, String)>;

fn given(wanted: [(&'static str, Option<String>); 2]) -> Parameters {
    let wanted = wanted.into_iter();
    wanted
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

fn call(path: &'static str, parameters: &Parameters) -> Call {
    let parameters = parameters.iter().cloned();
    parameters.fold(Call::get(path), |call, (name, value)| {
        call.query(name, value)
    })
}

async fn list_endpoints(parameters: Parameters, pages: &PageArgs, shared: Shared) -> Outcome {
    let target = shared.target.open().await?;
    let mut output = shared.output.open();
    let printed = match &target {
        Target::Server(client) => {
            let listing = output.list(ENDPOINT_COLUMNS);
            pages::print(client, listing, pages, || call(ENDPOINTS, &parameters)).await
        }
        Target::Storage(storage) => {
            stored_endpoints(storage, &parameters, pages, &mut output).await
        }
    };
    target.close().await;
    printed
}

async fn stored_endpoints(
    storage: &Storage,
    parameters: &Parameters,
    pages: &PageArgs,
    output: &mut Output,
) -> Outcome {
    let Storage { store, proof, .. } = storage;
    let query = pages.query_for_storage(parameters)?;
    let request = endpoints::parse_list(Some(&query), &pages::no_cursors())?;
    let filter = EndpointFilter {
        organization_id: request.organization_id,
        state: request.state,
        is_failing: None,
    };
    let limit = request.list.limit;
    let mut after = None;
    let mut listing = output.list(ENDPOINT_COLUMNS);
    loop {
        let page = store
            .search_webhook_endpoints(*proof, &filter, after.as_ref(), limit)
            .await?;
        let rows = page.endpoints.iter().map(|owned| {
            pages::json(|out| {
                let failing_since = owned.health.failing_since;
                let organization_id = &owned.organization_id;
                endpoints::write_endpoint(out, organization_id, &owned.endpoint, failing_since);
            })
        });
        listing.page(&rows.collect::<Outcome<Vec<_>>>()?)?;
        after = page.next;
        if after.is_none() || !pages.all {
            return pages::end_on_storage(listing, after.is_some());
        }
    }
}

async fn list_deliveries(parameters: Parameters, pages: &PageArgs, shared: Shared) -> Outcome {
    let target = shared.target.open().await?;
    let mut output = shared.output.open();
    let printed = match &target {
        Target::Server(client) => {
            let listing = output.list(DELIVERY_COLUMNS).with(with_last_answer);
            pages::print(client, listing, pages, || call(DELIVERIES, &parameters)).await
        }
        Target::Storage(storage) => {
            stored_deliveries(storage, &parameters, pages, &mut output).await
        }
    };
    target.close().await;
    printed
}

async fn stored_deliveries(
    storage: &Storage,
    parameters: &Parameters,
    pages: &PageArgs,
    output: &mut Output,
) -> Outcome {
    let Storage { store, proof, .. } = storage;
    let query = pages.query_for_storage(parameters)?;
    let request = deliveries::parse_list(Some(&query), &pages::no_cursors())?;
    let filter = DeliveryFilter {
        endpoint_id: request.endpoint_id,
        status: request.status,
        profile_id: None,
    };
    let limit = request.list.limit;
    let mut after = None;
    let mut listing = output.list(DELIVERY_COLUMNS).with(with_last_answer);
    loop {
        let page = store
            .list_deliveries(*proof, &filter, after.as_ref(), limit)
            .await?;
        let rows = page.deliveries.iter();
        let rows = rows.map(|it| pages::json(|out| deliveries::write_delivery(out, it, None)));
        listing.page(&rows.collect::<Outcome<Vec<_>>>()?)?;
        after = page.next;
        if after.is_none() || !pages.all {
            return pages::end_on_storage(listing, after.is_some());
        }
    }
}

/// Starts a delivery and prints what it is then. On the storage it waits for a server.
async fn begin(
    path: String,
    shared: Shared,
    on_storage: impl AsyncFn(&Storage) -> Outcome<Result<rollcall_domain::delivery::Delivery, NotSent>>,
) -> Outcome {
    let target = shared.target.open().await?;
    let started = match &target {
        Target::Server(client) => client.call(Call::post(path, &json!({}))).await,
        Target::Storage(storage) => match on_storage(storage).await {
            Ok(Ok(delivery)) => {
                note("it is sent as soon as a server runs on this storage");
                pages::json(|out| deliveries::write_delivery(out, &delivery, None))
            }
            Ok(Err(refused)) => Err(Failure::failed(refused)),
            Err(failure) => Err(failure),
        },
    };
    target.close().await;
    shared.output.open().item(&started?)
}
