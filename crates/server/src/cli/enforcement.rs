//! `rollcall enforcement`: restrictions and bans.

use rollcall_domain::id::{EnforcementActionId, ProfileId};
use serde_json::{Value, json};

use super::asking::Asking;
use super::client::{Call, segment};
use super::failure::Outcome;
use super::output::{Column, TableArgs};
use super::programs::profile_id;

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
        asking: Asking,
    },
    /// End an action
    Resolve {
        /// The action
        #[arg(value_parser = action_id)]
        id: EnforcementActionId,
        #[command(flatten)]
        asking: Asking,
    },
    /// List a profile's actions, open and past
    List {
        /// The profile
        #[arg(value_parser = profile_id)]
        id: ProfileId,
        #[command(flatten)]
        table: TableArgs,
        #[command(flatten)]
        asking: Asking,
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
        asking: Asking,
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
        Command::Open { id, action, asking } => {
            let call = Call::post(below_profile(&id), &action.body());
            asking.item(call).await
        }
        Command::Resolve { id, asking } => {
            let call = Call::post(path(&id, "resolve"), &json!({}));
            asking.item(call).await
        }
        Command::Check { id, state, asking } => {
            let body = json!({"state": state});
            let call = Call::post(path(&id, "identity_check"), &body);
            asking.item(call).await
        }
        Command::List { id, table, asking } => {
            asking.everything(COLUMNS, table, below_profile(&id)).await
        }
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
