//! `rollcall data-controls`: the end customer's keys and buckets, as a platform sees and changes them, and what the
//! operator says became of each.

use rollcall_domain::data_controls::{ControlKind, Region};
use rollcall_domain::id::ProfileId;
use rollcall_wire::headers::DATA_CONTROLS_BETA;
use serde_json::{Map, Value, json};

use super::asking::Asking;
use super::client::{Call, segment};
use super::failure::{Failure, Outcome};
use super::output::OutputArgs;
use super::profiles::{self, Platform};
use super::programs::profile_id;

/// The end customer's encryption keys and storage buckets, by region
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show the keys and buckets of a profile, as its platform
    Get {
        /// The profile
        id: String,
        #[command(flatten)]
        platform: Platform,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Change what is given of a profile's keys and buckets and leave the rest, as its platform
    Update {
        /// The profile
        id: String,
        #[command(flatten)]
        changes: Box<Changes>,
        #[command(flatten)]
        platform: Platform,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Say what became of a region's key or bucket, as the operator
    Set {
        /// The profile
        #[arg(value_parser = profile_id)]
        id: ProfileId,
        /// cmek or storage
        #[arg(value_parser = control)]
        control: ControlKind,
        /// us, eu, sg or global
        #[arg(value_parser = region)]
        region: Region,
        #[command(flatten)]
        report: Box<Report>,
        #[command(flatten)]
        asking: Asking,
    },
}

#[derive(Debug, clap::Args)]
struct Changes {
    /// The key of a region, or none; may be repeated
    #[arg(long, value_name = "REGION=EKEY|none", value_parser = key)]
    key: Vec<(Region, Value)>,
    /// Switch encryption keys off in every region
    #[arg(long, conflicts_with = "key")]
    no_keys: bool,
    /// The bucket of a region and the number of its project, or none; may be repeated
    #[arg(long, value_name = "REGION=NAME@PROJECT|none", value_parser = bucket)]
    bucket: Vec<(Region, Value)>,
    /// Switch storage buckets off in every region
    #[arg(long, conflicts_with = "bucket")]
    no_buckets: bool,
}

#[derive(Debug, clap::Args)]
struct Report {
    /// active, pending, failed or suspended
    #[arg(long, value_name = "STATUS")]
    status: String,
    /// What is wrong with a key; a failed one must say it
    #[arg(long, value_name = "TEXT")]
    error: Option<String>,
    /// A check that a bucket did not pass, and the account whose access it is about; may be repeated
    #[arg(long, value_name = "CHECK[/ROLE]=MESSAGE", value_parser = failed_check)]
    failed_check: Vec<Value>,
    /// The key that an active bucket encrypts with by default
    #[arg(long, value_name = "NAME")]
    kms_key_name: Option<String>,
    /// Where an active bucket is
    #[arg(long, value_name = "LOCATION")]
    location: Option<String>,
    /// The project of an active bucket
    #[arg(long, value_name = "ID")]
    project_id: Option<String>,
}

fn control(text: &str) -> Result<ControlKind, String> {
    ControlKind::parse(text).map_err(|error| error.to_string())
}

fn region(text: &str) -> Result<Region, String> {
    Region::parse(text).map_err(|error| error.to_string())
}

fn given(text: &str) -> Result<(Region, &str), String> {
    let (place, given) = text.split_once('=').ok_or("write it as REGION=…")?;
    Ok((region(place)?, given))
}

fn key(text: &str) -> Result<(Region, Value), String> {
    Ok(match given(text)? {
        (region, "none") => (region, Value::Null),
        (region, key) => (region, key.into()),
    })
}

fn bucket(text: &str) -> Result<(Region, Value), String> {
    let (region, given) = given(text)?;
    if given == "none" {
        return Ok((region, Value::Null));
    }
    let (name, number) = given
        .rsplit_once('@')
        .ok_or("write a bucket as NAME@PROJECT, with the number of its project")?;
    Ok((
        region,
        json!({"bucket_name": name, "project_number": number}),
    ))
}

fn failed_check(text: &str) -> Result<Value, String> {
    let (check, message) = text.split_once('=').ok_or("write it as CHECK=MESSAGE")?;
    let (check, role) = match check.split_once('/') {
        Some((check, role)) => (check, Some(role)),
        None => (check, None),
    };
    Ok(json!({"check": check, "message": message, "role": role}))
}

impl Changes {
    fn body(&self) -> Outcome<Value> {
        let mut body = Map::new();
        for (control, member, given, off) in [
            ("cmek", "external_key_ids", &self.key, self.no_keys),
            ("storage", "buckets", &self.bucket, self.no_buckets),
        ] {
            if off {
                body.insert(control.to_owned(), json!({"type": "disabled"}));
            } else if !given.is_empty() {
                let given = given
                    .iter()
                    .map(|(region, it)| (region.to_string(), it.clone()));
                let given = Value::Object(given.collect());
                body.insert(
                    control.to_owned(),
                    json!({"type": "enabled", member: given}),
                );
            }
        }
        if body.is_empty() {
            return Err(Failure::setup(
                "nothing to change; give --key, --no-keys, --bucket or --no-buckets",
            ));
        }
        Ok(Value::Object(body))
    }
}

impl Report {
    fn body(&self) -> Value {
        let mut body = Map::new();
        body.insert("status".to_owned(), self.status.as_str().into());
        for (member, text) in [
            ("error", &self.error),
            ("kms_key_name", &self.kms_key_name),
            ("location", &self.location),
            ("project_id", &self.project_id),
        ] {
            if let Some(text) = text {
                body.insert(member.to_owned(), text.as_str().into());
            }
        }
        if !self.failed_check.is_empty() {
            body.insert("failed_checks".to_owned(), self.failed_check.clone().into());
        }
        Value::Object(body)
    }
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    match arguments.command {
        Command::Get {
            id,
            platform,
            output,
        } => ask(&platform, Call::get(path(&id)), output).await,
        Command::Update {
            id,
            changes,
            platform,
            output,
        } => ask(&platform, Call::post(path(&id), &changes.body()?), output).await,
        Command::Set {
            id,
            control,
            region,
            report,
            asking,
        } => {
            let id = segment(id.as_str());
            let path = format!("/operator/v1/user_profiles/{id}/data_controls/{control}/{region}");
            asking.item(Call::post(path, &report.body())).await
        }
    }
}

fn path(id: &str) -> String {
    format!("{}/providers/google/data_controls", profiles::path(id))
}

async fn ask(platform: &Platform, call: Call, output: OutputArgs) -> Outcome {
    let call = platform.address(call, Some(DATA_CONTROLS_BETA));
    let controls = platform.client()?.call(call).await?;
    output.open().item(&controls)
}
