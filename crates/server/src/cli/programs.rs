//! `rollcall programs`: what the operator admits the entity behind a profile to.

use rollcall_domain::id::ProfileId;
use rollcall_domain::program::{ProgramName, ProgramStanding};
use rollcall_store::Changed;
use rollcall_wire::operator::profiles::{parse_program, parse_program_name, write_record};
use serde_json::{Map, Value, json};

use super::client::{Call, segment};
use super::failure::{Failure, Outcome};
use super::output::OutputArgs;
use super::pages;
use super::target::{Storage, Target, TargetArgs};

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
        shared: Shared,
    },
    /// Take a profile out of a program
    Delete {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        shared: Shared,
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

#[derive(Debug, clap::Args)]
struct Shared {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    output: OutputArgs,
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
    let (which, body, shared) = match arguments.command {
        Command::Set {
            which,
            standing,
            shared,
        } => (which, Some(standing.body()), shared),
        Command::Delete { which, shared } => (which, None, shared),
    };
    let target = shared.target.open().await?;
    let changed = match &target {
        Target::Server(client) => client.call(which.call(body.as_ref())).await,
        Target::Storage(storage) => which.change(storage, body.as_ref()).await,
    };
    target.close().await;
    shared.output.open().item(&changed?)
}

impl Which {
    fn call(&self, body: Option<&Value>) -> Call {
        let id = segment(self.id.as_str());
        let name = segment(self.program.as_str());
        let path = format!("/operator/v1/user_profiles/{id}/programs/{name}");
        match body {
            Some(body) => Call::put(path, body),
            None => Call::delete(path),
        }
    }

    async fn change(&self, storage: &Storage, body: Option<&Value>) -> Outcome<Value> {
        let standing: Option<ProgramStanding> = body
            .map(|body| Ok::<_, Failure>(parse_program(pages::fields(body)?, &self.program)?))
            .transpose()?;
        let (scope, _) = locate(storage, &self.id).await?;
        let act = storage.act();
        let (program, now) = (self.program.clone(), act.at);
        let decide: rollcall_store::Decide = Box::new(move |profile| match &standing {
            Some(standing) => profile.set_program(standing.clone(), now),
            None => Ok(profile.delete_program(&program, now)),
        });
        let changed = storage
            .store
            .change_profile(&scope, &act, &self.id, decide)
            .await?;
        let profile = done(changed, &self.id)?;
        let mut record = String::new();
        write_record(&mut record, scope.organization_id(), &profile, None, now)
            .map_err(Failure::failed)?;
        pages::json(|out| out.push_str(&record))
    }
}

/// The profile and the right to change it.
pub(crate) async fn locate(
    storage: &Storage,
    id: &ProfileId,
) -> Outcome<(
    rollcall_domain::tenant::OrganizationScope,
    rollcall_domain::profile::Profile,
)> {
    let found = storage.store.locate_profile(storage.proof, id).await?;
    let found = found.ok_or_else(|| unknown(id))?;
    let profile = found.document.decode().map_err(Failure::failed)?;
    Ok((storage.proof.choose(found.organization_id), profile))
}

/// The profile after a change.
pub(crate) fn done(changed: Changed, id: &ProfileId) -> Outcome<rollcall_domain::profile::Profile> {
    match changed {
        Changed::Done(document) => document.decode().map_err(Failure::failed),
        Changed::Missing => Err(unknown(id)),
        Changed::Refused(refusal) => Err(refusal.into()),
    }
}

fn unknown(id: &ProfileId) -> Failure {
    Failure::failed(format!("there is no profile {id}"))
}
