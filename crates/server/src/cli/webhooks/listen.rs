//! `rollcall webhooks listen`: a developer's first webhook in one command.
//!
//! It starts a receiver, registers it as a webhook endpoint, prints the events that come, and takes the
//! endpoint away again. Where `rollcall dev` keeps its data there is nothing to configure: the
//! administrator's key is read from there.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::num::NonZeroU64;

use rollcall_domain::event::EventType;
use rollcall_domain::webhook::SigningKey;
use rollcall_wire::headers::WEBHOOKS_BETA;
use rollcall_wire::webhooks::parse_secret;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::forward::{self, Forward};
use super::receiver::{self, Arrival};
use crate::cli::client::{Call, Client, segment};
use crate::cli::dev::{self, KeptKeys, reachable, shell_quoted};
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output::{Output, OutputArgs, note, printable};
use crate::cli::profiles::USUAL_ADDRESS;
use crate::cli::target::{Address, Told};
use crate::cli::{startup, storage};
use crate::config::FlagOverrides;

const WEBHOOKS: &str = "/v1/organizations/webhooks";
/// What the endpoint is called, so that one that was left behind is known for what it is.
const NAME: &str = "rollcall webhooks listen";

/// Receive a development server's webhooks here and print their events as they come
///
/// Starts a receiver, registers it with a running rollcall dev, verifies each signature, and removes
/// the endpoint at the end. On a terminal each event is one readable line; in a pipe, or with --output
/// ndjson, it is the event itself, one a line.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only these types of events, separated by commas [default: all]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = event_type)]
    events: Vec<EventType>,
    /// Hand each event on to this address, as it came and with its signature; what answers there is what the server
    /// is told
    #[arg(long, value_name = "URL", value_parser = forward::address)]
    forward_to: Option<reqwest::Url>,
    /// End after so many events
    #[arg(long, value_name = "NUMBER")]
    count: Option<NonZeroU64>,
    /// Address to receive on, one that the server reaches
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Running server")]
struct ServerArgs {
    /// Address of the server [env: ROLLCALL_URL] [default: http://127.0.0.1:8787]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// An admin key of that server [default: the one that rollcall dev keeps in its data directory]
    #[arg(
        long,
        value_name = "KEY",
        env = "ROLLCALL_ADMIN_KEY",
        hide_env_values = true
    )]
    admin_key: Option<SecretString>,
    /// Directory where rollcall dev keeps its data [env: ROLLCALL_DATA_DIR] [default: rollcall-data]
    #[arg(long, value_name = "DIR", conflicts_with = "admin_key")]
    data_dir: Option<String>,
}

fn event_type(text: &str) -> Result<EventType, String> {
    EventType::parse(text).map_err(|error| error.to_string())
}

/// Runs the command.
pub(super) async fn run(arguments: Arguments) -> Outcome {
    let keys = arguments.server.keys()?;
    let server = arguments.server.address()?;
    let client = server.client(keys.admin.clone(), "ROLLCALL_ADMIN_KEY", "--url", None)?;
    let forward = arguments.forward_to.map(Forward::to).transpose()?;
    let listener = TcpListener::bind(arguments.listen).await;
    let listener = listener.map_err(|error| {
        let address = arguments.listen;
        Failure::setup(format!(
            "cannot receive on {address}: {error}; choose another address with --listen"
        ))
    })?;
    let address = reachable(listener.local_addr().map_err(Failure::setup)?);
    let ended = startup::shutdown_on_signals()?;
    let url = format!("http://{address}/");
    let endpoint = Endpoint::register(&client, &url, &arguments.events).await;
    let endpoint = endpoint.map_err(|failure| keys.explained(failure))?;
    note(&format!(
        "Receiving on {url}, registered at {} as {}. Ctrl-C ends it and removes the endpoint.\n\
         A test event: rollcall webhooks test {} --url {} --operator-key {}",
        server.url,
        endpoint.id,
        endpoint.id,
        server.url,
        keys.operator.as_deref().map_or("KEY".into(), shell_quoted),
    ));
    if forward.is_some() {
        note(&format!("Its signing secret: {}", endpoint.secret));
    }
    let mut terminal = Printer {
        output: arguments.output.open(),
        seen: HashSet::new(),
        left: arguments.count.map(NonZeroU64::get),
    };
    let received = print(listener, endpoint.key, forward, &mut terminal, &ended).await;
    let removed = endpoint.remove(&client).await;
    received.and(removed)
}

impl ServerArgs {
    fn address(&self) -> Outcome<Address> {
        let told = match &self.url {
            Some(url) => Some(Address::chosen(url)),
            None => Address::told(Told::Url, None)?,
        };
        Ok(told.unwrap_or_else(|| Address::chosen(USUAL_ADDRESS)))
    }

    /// The key that was given, or the ones that `rollcall dev` keeps.
    fn keys(&self) -> Outcome<KeptKeys> {
        if let Some(admin) = self.admin_key.clone() {
            return Ok(KeptKeys {
                admin,
                operator: None,
                kept_in: None,
            });
        }
        let mut flags = FlagOverrides::default();
        if let Some(data_dir) = &self.data_dir {
            flags = flags.with("data_dir", data_dir);
        }
        let data_dir = storage::load(None, &flags)?.config.data_dir;
        dev::kept_keys(&data_dir)?.ok_or_else(|| {
            Failure::setup(format!(
                "no admin key: rollcall dev prints one, for ROLLCALL_ADMIN_KEY or --admin-key; and none \
                 is kept in {}, where rollcall dev would have its data (--data-dir)",
                data_dir.display()
            ))
        })
    }
}

/// The endpoint that was made for this receiver.
struct Endpoint {
    id: String,
    key: SigningKey,
    /// The key as receivers are given it.
    secret: String,
}

impl Endpoint {
    async fn register(client: &Client, url: &str, events: &[EventType]) -> Outcome<Self> {
        let events = if events.is_empty() {
            EventType::ALL
        } else {
            events
        };
        let events: Vec<_> = events.iter().map(|event| event.as_str()).collect();
        let body = json!({"name": NAME, "url": url, "enabled_events": events});
        let made = client.call(as_administrator(Call::post(WEBHOOKS, &body)));
        let made = made.await?;
        let text = |name: &str| made[name].as_str().unwrap_or_default().to_owned();
        let secret = text("signing_secret");
        let key = parse_secret(&secret);
        let key = key.ok_or_else(|| {
            Failure::failed("the server's answer has no signing secret; is it Rollcall?")
        })?;
        let id = text("id");
        Ok(Self { id, key, secret })
    }

    /// Takes the endpoint away. One that is gone already, with a reset of the server, is no failure.
    async fn remove(&self, client: &Client) -> Outcome {
        let path = format!("{WEBHOOKS}/{}", segment(&self.id));
        match client.call(as_administrator(Call::delete(path))).await {
            Ok(_) | Err(Failure::NotFound(_)) => Ok(()),
            Err(Failure::Setup(why) | Failure::Failed(why) | Failure::UnknownKey(why)) => Err(
                Failure::failed(format!("the endpoint {} was not removed: {why}", self.id)),
            ),
            Err(failure) => Err(failure),
        }
    }
}

fn as_administrator(call: Call) -> Call {
    call.header("anthropic-version", "2023-06-01")
        .header("anthropic-beta", WEBHOOKS_BETA)
}

/// Receives, and prints what comes, until it was enough or a signal ends it.
async fn print(
    listener: TcpListener,
    key: SigningKey,
    forward: Option<Forward>,
    printer: &mut Printer,
    signal: &CancellationToken,
) -> Outcome {
    let (sender, mut arrivals) = mpsc::channel(64);
    let ended = signal.child_token();
    let receiving = receiver::receive(listener, key, forward, sender, ended.clone());
    let printing = async {
        let mut outcome = Ok(());
        // The channel ends with the receiver; after a failure to print, it is emptied all the same.
        while let Some(arrival) = arrivals.recv().await {
            if outcome.is_ok() && !printer.is_done() {
                outcome = printer.arrived(arrival);
            }
            if outcome.is_err() || printer.is_done() {
                ended.cancel();
            }
        }
        outcome
    };
    tokio::join!(receiving, printing).1
}

/// Prints arrivals.
struct Printer {
    output: Output,
    seen: HashSet<String>,
    left: Option<u64>,
}

impl Printer {
    fn is_done(&self) -> bool {
        self.left == Some(0)
    }

    fn arrived(&mut self, arrival: Arrival) -> Outcome {
        match arrival {
            Arrival::Refused(why) => {
                note(&format!("refused {why}"));
                Ok(())
            }
            Arrival::Event {
                id,
                event,
                clock_off,
                forwarded,
            } => {
                let forwarded = forwarded.map(|answered| match answered {
                    Ok(status) => format!("handed on, answered {}", status.as_u16()),
                    Err(why) => format!("not handed on: {why}"),
                });
                self.left = self.left.map(|left| left.saturating_sub(1));
                let again = !self.seen.insert(id);
                if self.output.is_table() {
                    let mut line = line(&event, again, clock_off);
                    if let Some(forwarded) = forwarded {
                        line.push_str(&format!("; {forwarded}"));
                    }
                    return self.output.text(&line);
                }
                if let Some(off) = clock_off {
                    note(&format!("the next event's {}", clock(off)));
                }
                self.output.text(&event.to_string())?;
                if let Some(told) = forwarded {
                    note(&told);
                }
                Ok(())
            }
        }
    }
}

/// One readable line on an event.
fn line(event: &Value, again: bool, clock_off: Option<i64>) -> String {
    let text = |pointer: &str| {
        let found = event.pointer(pointer).and_then(Value::as_str);
        printable(found.unwrap_or("-"))
    };
    let mut line = format!(
        "{}  {:<40}  {}",
        text("/created_at"),
        text("/data/type"),
        text("/data/id")
    );
    if event.pointer("/data/enforcement_action_id").is_some() {
        line.push_str(&format!("  {}", text("/data/enforcement_action_id")));
    }
    line.push_str("  verified");
    if again {
        line.push_str(", again");
    }
    if let Some(off) = clock_off {
        line.push_str(&format!(", but its {}", clock(off)));
    }
    line
}

fn clock(off: i64) -> String {
    format!(
        "timestamp is {off:+} s off this machine's clock: receivers refuse more than five minutes; was \
         the server's clock set?"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_readable_line() {
        let mut event = json!({
            "type": "event", "id": "whe_1", "created_at": "2026-10-30T18:20:11Z",
            "data": {"type": "user_profile.program_status_updated", "id": "uprof_1\n"},
        });
        assert_eq!(
            line(&event, false, None),
            "2026-10-30T18:20:11Z  user_profile.program_status_updated       uprof_1\\n  verified"
        );
        event["data"]["enforcement_action_id"] = json!("enac_1");
        let shown = line(&event, true, Some(-301));
        assert!(
            shown.contains("  enac_1  verified, again, but its timestamp is -301 s off"),
            "{shown}"
        );
    }
}
