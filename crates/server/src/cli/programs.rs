//! `rollcall programs`: what the operator admits the entity behind a profile to.

use rollcall_domain::id::ProfileId;
use rollcall_domain::program::ProgramName;
use rollcall_wire::operator::profiles::parse_program_name;
use serde_json::{Map, Value, json};

use super::asking::Asking;
use super::client::{Call, segment};
use super::failure::Outcome;

/// Decide which programs a profile is in
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Set how a profile stands in a program
    Set {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        standing: Standing,
        #[command(flatten)]
        asking: Asking,
    },
    /// Take a profile out of a program
    Delete {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        asking: Asking,
    },
}

#[derive(Debug, clap::Args)]
struct Which {
    /// The profile
    #[arg(value_parser = profile_id)]
    id: ProfileId,
    /// cyber, efs, or a name of your own
    #[arg(value_parser = program_name)]
    program: ProgramName,
}

#[derive(Debug, clap::Args)]
struct Standing {
    /// active, pending or rejected
    #[arg(long, value_name = "STATUS")]
    status: String,
    /// The active tiers of cyber: a, b, c
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    tiers: Vec<String>,
    /// What the active tiers of cyber require: data_retention, human_review
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    requirements: Vec<String>,
    /// The active features of efs: data_retention_exemption, cmek, storage
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    features: Vec<String>,
}

pub(crate) fn profile_id(text: &str) -> Result<ProfileId, String> {
    ProfileId::parse(text).map_err(|error| error.to_string())
}

fn program_name(text: &str) -> Result<ProgramName, String> {
    parse_program_name(text).map_err(|error| error.message)
}

impl Standing {
    fn body(&self) -> Value {
        let all = |names: &[String], value: Value| -> Value {
            let members = names.iter().map(|name| (name.clone(), value.clone()));
            Value::Object(members.collect::<Map<_, _>>())
        };
        let mut body = json!({"status": self.status});
        for (field, names, value) in [
            ("tiers", &self.tiers, json!("active")),
            ("requirements", &self.requirements, json!(true)),
            ("features", &self.features, json!("active")),
        ] {
            if !names.is_empty() {
                body[field] = all(names, value);
            }
        }
        body
    }
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    match arguments.command {
        Command::Set {
            which,
            standing,
            asking,
        } => asking.item(Call::put(which.path(), &standing.body())).await,
        Command::Delete { which, asking } => asking.item(Call::delete(which.path())).await,
    }
}

impl Which {
    fn path(&self) -> String {
        let id = segment(self.id.as_str());
        let name = segment(self.program.as_str());
        format!("/operator/v1/user_profiles/{id}/programs/{name}")
    }
}
