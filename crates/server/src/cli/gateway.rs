//! `rollcall gateway`: what an organization's gateway is told.

use rollcall_domain::id::{OrganizationId, ProfileId};
use serde_json::{Map, Value, json};

use super::asking::Asking;
use super::client::Call;
use super::failure::{Failure, Outcome};
use super::import::organization_id;
use super::orgs;
use super::programs::profile_id;

/// Say what an organization's gateway is told, and see it
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show or change the policy
    Policy {
        #[command(subcommand)]
        command: Policy,
    },
    /// Show what a gateway would be told now, and why; makes nothing
    Check {
        #[command(flatten)]
        whose: Whose,
        /// The profile, by the platform's own ID
        #[arg(long, value_name = "TEXT", conflicts_with = "user_profile_id")]
        reference: Option<String>,
        /// The profile, by its ID
        #[arg(long, value_name = "ID", value_parser = profile_id)]
        user_profile_id: Option<ProfileId>,
        /// A program that must be active
        #[arg(long, value_name = "NAME")]
        program: Option<String>,
        #[command(flatten)]
        asking: Asking,
    },
}

#[derive(Debug, clap::Subcommand)]
enum Policy {
    /// Show the policy
    Get {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        asking: Asking,
    },
    /// Change the policy; what is not named stays
    Set {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        members: Box<Members>,
        #[command(flatten)]
        asking: Asking,
    },
}

#[derive(Debug, clap::Args)]
struct Whose {
    /// The organization
    #[arg(long, value_name = "ID", value_parser = organization_id)]
    organization_id: OrganizationId,
}

#[derive(Debug, clap::Args)]
struct Members {
    /// Take the ID that the client itself sent where the gateway names nobody
    #[arg(long, value_name = "true|false")]
    trust_client_header: Option<bool>,
    /// No profile is named
    #[arg(long, value_name = "allow|deny")]
    missing: Option<String>,
    /// The profile is not there; create makes it on the first use of a reference
    #[arg(long, value_name = "deny|allow|create")]
    unknown: Option<String>,
    /// The profile is banned
    #[arg(long, value_name = "deny|allow")]
    banned: Option<String>,
    /// The profile is restricted
    #[arg(long, value_name = "allow|deny")]
    restricted: Option<String>,
    /// The profile's identity check is under review
    #[arg(long, value_name = "allow|deny")]
    pending: Option<String>,
    /// The platform has blocked the account
    #[arg(long, value_name = "deny|allow")]
    account_blocked: Option<String>,
    /// The platform has suspended the account
    #[arg(long, value_name = "deny|allow")]
    account_suspended: Option<String>,
    /// How long a gateway may keep an answer, 0 to 300
    #[arg(long, value_name = "SECONDS")]
    cache_seconds: Option<u16>,
}

impl Members {
    fn body(&self) -> Outcome<Value> {
        let words = [
            ("missing", &self.missing),
            ("unknown", &self.unknown),
            ("banned", &self.banned),
            ("restricted", &self.restricted),
            ("pending", &self.pending),
            ("account_blocked", &self.account_blocked),
            ("account_suspended", &self.account_suspended),
        ];
        let words = words
            .into_iter()
            .filter_map(|(name, word)| Some((name.to_owned(), json!(word.as_ref()?))));
        let mut body: Map<_, _> = words.collect();
        if let Some(trust) = self.trust_client_header {
            body.insert("trust_client_header".to_owned(), trust.into());
        }
        if let Some(seconds) = self.cache_seconds {
            body.insert("cache_seconds".to_owned(), seconds.into());
        }
        if body.is_empty() {
            return Err(Failure::setup(
                "nothing to change; name what is to be, such as --missing deny",
            ));
        }
        Ok(Value::Object(body))
    }
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    match arguments.command {
        Command::Policy {
            command: Policy::Get { whose, asking },
        } => asking.item(Call::get(whose.policy())).await,
        Command::Policy {
            command:
                Policy::Set {
                    whose,
                    members,
                    asking,
                },
        } => {
            let body = members.body()?;
            asking.item(Call::post(whose.policy(), &body)).await
        }
        Command::Check {
            whose,
            reference,
            user_profile_id,
            program,
            asking,
        } => {
            let id = user_profile_id.as_ref().map(ProfileId::as_str);
            let call = Call::get(orgs::path(&whose.organization_id, "/gateway_decision"))
                .optional("reference_id", reference)
                .optional("user_profile_id", id)
                .optional("program", program);
            asking.item(call).await
        }
    }
}

impl Whose {
    fn policy(&self) -> String {
        orgs::path(&self.organization_id, "/gateway_policy")
    }
}
