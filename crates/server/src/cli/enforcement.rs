//! `rollcall enforcement`: restrictions and bans.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::decision::{Decided, Refusal};
use rollcall_domain::id::{EnforcementActionId, ProfileId};
use rollcall_domain::profile::Profile;
use rollcall_wire::operator::enforcement::{
    ShownAction, parse_action, parse_identity_check, write_action,
};
use serde_json::{Value, json};

use super::client::{Call, segment};
use super::failure::{Failure, Outcome};
use super::output::{Column, Output, OutputArgs};
use super::pages;
use super::programs::{done, locate, profile_id};
use super::target::{Storage, Target, TargetArgs};

/// Open, resolve and list restrictions and bans
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Restrict or ban a profile
    Open {
        /// The profile
        #[arg(value_parser = profile_id)]
        id: ProfileId,
        #[command(flatten)]
        action: Action,
        #[command(flatten)]
        shared: Shared,
    },
    /// End an action
    Resolve {
        /// The action
        #[arg(value_parser = action_id)]
        id: EnforcementActionId,
        #[command(flatten)]
        shared: Shared,
    },
    /// List a profile's actions, open and past
    List {
        /// The profile
        #[arg(value_parser = profile_id)]
        id: ProfileId,
        #[command(flatten)]
        shared: Shared,
    },
    /// Record what became of the identity check that can clear an action
    Check {
        /// The action
        #[arg(value_parser = action_id)]
        id: EnforcementActionId,
        /// submitted, passed or failed
        #[arg(long, value_name = "STATE")]
        state: String,
        #[command(flatten)]
        shared: Shared,
    },
}

#[derive(Debug, clap::Args)]
struct Action {
    /// restriction or ban
    #[arg(long = "type", value_name = "TYPE")]
    kind: String,
    /// unsupported_region, fraud_or_abuse, high_harm, usage_policy_violation, account_compromise or
    /// unspecified
    #[arg(long, value_name = "REASON")]
    reason: String,
    /// Let the end user clear a restriction by an identity check
    #[arg(long)]
    verify: bool,
    /// When a restriction ends by itself, such as 2027-01-01T00:00:00Z
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Shared {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    output: OutputArgs,
}

fn action_id(text: &str) -> Result<EnforcementActionId, String> {
    EnforcementActionId::parse(text).map_err(|error| error.to_string())
}

impl Action {
    fn body(&self) -> Value {
        let mut body = json!({"type": self.kind, "reason": self.reason});
        if self.verify {
            body["action"] = json!("verify");
        }
        if let Some(expires_at) = &self.expires_at {
            body["expires_at"] = json!(expires_at);
        }
        body
    }
}

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("TYPE", "/type"),
    ("REASON", "/reason"),
    ("NEXT STEP", "/action"),
    ("OPENED", "/opened_at"),
    ("EXPIRES", "/expires_at"),
    ("ENDED", "/resolved_at"),
    ("BY", "/resolution"),
];

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    match arguments.command {
        Command::Open { id, action, shared } => {
            let body = action.body();
            let target = shared.target.open().await?;
            let opened = open(&target, &id, &body).await;
            shared.print(target, opened).await
        }
        Command::Resolve { id, shared } => {
            let target = shared.target.open().await?;
            let resolved = match &target {
                Target::Server(client) => {
                    let call = Call::post(path(&id, "resolve"), &json!({}));
                    client.call(call).await
                }
                Target::Storage(storage) => {
                    let of_action = id.clone();
                    change(storage, &id, move |profile, now| {
                        profile.resolve_action(&of_action, now)
                    })
                    .await
                }
            };
            shared.print(target, resolved).await
        }
        Command::Check { id, state, shared } => {
            let body = json!({"state": state});
            let target = shared.target.open().await?;
            let checked = match &target {
                Target::Server(client) => {
                    client
                        .call(Call::post(path(&id, "identity_check"), &body))
                        .await
                }
                Target::Storage(storage) => check(storage, &id, &body).await,
            };
            shared.print(target, checked).await
        }
        Command::List { id, shared } => {
            let target = shared.target.open().await?;
            let listed = list(&target, &id, &mut shared.output.open()).await;
            target.close().await;
            listed
        }
    }
}

impl Shared {
    async fn print(self, target: Target, answer: Outcome<Value>) -> Outcome {
        target.close().await;
        self.output.open().item(&answer?)
    }
}

fn path(id: &EnforcementActionId, verb: &str) -> String {
    let id = segment(id.as_str());
    format!("/operator/v1/enforcement_actions/{id}/{verb}")
}

fn below_profile(id: &ProfileId) -> String {
    let id = segment(id.as_str());
    format!("/operator/v1/user_profiles/{id}/enforcement_actions")
}

async fn open(target: &Target, id: &ProfileId, body: &Value) -> Outcome<Value> {
    let storage = match target {
        Target::Server(client) => return client.call(Call::post(below_profile(id), body)).await,
        Target::Storage(storage) => storage,
    };
    let (scope, _) = locate(storage, id).await?;
    let act = storage.act();
    let now = act.at;
    let action_id = storage.ids.enforcement_action(now);
    let action = parse_action(pages::fields(body)?, action_id.clone(), now)?;
    let decide: rollcall_store::Decide =
        Box::new(move |profile| profile.open_action(action.clone(), now));
    let changed = storage
        .store
        .change_profile(&scope, &act, id, decide)
        .await?;
    shown(&done(changed, id)?, &action_id, now)
}

async fn check(storage: &Storage, id: &EnforcementActionId, body: &Value) -> Outcome<Value> {
    let state = parse_identity_check(pages::fields(body)?)?;
    let of_action = id.clone();
    change(storage, id, move |profile, now| {
        profile.identity_check(&of_action, state, now)
    })
    .await
}

/// Applies `decide` to the profile that has the action, and shows the action.
async fn change(
    storage: &Storage,
    id: &EnforcementActionId,
    decide: impl Fn(&Profile, Timestamp) -> Result<Decided<Profile>, Refusal> + Send + Sync + 'static,
) -> Outcome<Value> {
    let Storage { store, proof, .. } = storage;
    let found = store.locate_action(*proof, id).await?;
    let (organization_id, profile_id) =
        found.ok_or_else(|| Failure::failed(format!("there is no enforcement action {id}")))?;
    let scope = proof.choose(organization_id);
    let act = storage.act();
    let now = act.at;
    let decide: rollcall_store::Decide = Box::new(move |profile| decide(profile, now));
    let changed = store
        .change_profile(&scope, &act, &profile_id, decide)
        .await?;
    shown(&done(changed, &profile_id)?, id, now)
}

fn shown(profile: &Profile, id: &EnforcementActionId, now: Timestamp) -> Outcome<Value> {
    let action = ShownAction::find(&profile.enforcement, id, now)
        .ok_or_else(|| Failure::failed(format!("there is no enforcement action {id} any more")))?;
    pages::json(|out| write_action(out, &profile.id, action))
}

async fn list(target: &Target, id: &ProfileId, output: &mut Output) -> Outcome {
    let mut listing = output.list(COLUMNS);
    match target {
        Target::Server(client) => {
            pages::print_everything(client, listing, &below_profile(id)).await
        }
        Target::Storage(storage) => {
            let (_, profile) = locate(storage, id).await?;
            let actions = ShownAction::all(&profile.enforcement, storage.now());
            let rows = actions
                .into_iter()
                .map(|action| pages::json(|out| write_action(out, id, action)));
            listing.page(&rows.collect::<Outcome<Vec<_>>>()?)?;
            listing.end(None)
        }
    }
}
