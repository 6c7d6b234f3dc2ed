//! `rollcall profiles`: a client of the public API, of Rollcall or of any other server that speaks it.

use std::io::Read as _;

use rollcall_domain::id::ProfileId;
use rollcall_wire::dialect::Dialect;
use rollcall_wire::dialects;
use secrecy::SecretString;
use serde_json::{Map, Value, json};

use super::asking::Asking;
use super::client::{Call, Client, segment};
use super::confirm::Confirm;
use super::failure::{Failure, Outcome};
use super::output::{Column, OutputArgs, printable};
use super::pages::{self, PageArgs};
use super::programs::profile_id;
use super::target::{Address, Told};

/// Read and write profiles through the public API, of any server that speaks it
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(ListArgs),
    Get(GetArgs),
    Create(CreateArgs),
    Update(UpdateArgs),
    /// Delete a profile for good
    Delete(OneArgs),
    /// Change what is given of any organization's profile and leave the rest, as the operator
    Edit(EditArgs),
    /// Make the URL at which an end user enrolls, as the operator
    Link(LinkArgs),
    /// Erase a person: the profile and everything that is kept of it, as the operator
    Erase(EraseArgs),
    /// Make the URL at which an end user enrolls, which is valid for a short time
    Enroll(OneArgs),
}

/// Where `rollcall dev` listens unless told otherwise.
pub(super) const USUAL_ADDRESS: &str = "http://127.0.0.1:8787";

/// Which server, and as whom
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Server")]
pub(super) struct Platform {
    /// Address of the server [default: ROLLCALL_URL, else http://127.0.0.1:8787] [env: ROLLCALL_BASE_URL]
    #[arg(long, visible_alias = "url", value_name = "URL")]
    base_url: Option<String>,
    /// The platform's key, of the kind api; an operator's key does not reach this API
    #[arg(
        long,
        value_name = "KEY",
        env = "ROLLCALL_API_KEY",
        hide_env_values = true
    )]
    api_key: Option<SecretString>,
    /// The workspace to act in, for a key that can act in several
    #[arg(
        long,
        value_name = "ID",
        env = "ROLLCALL_WORKSPACE_ID",
        hide_env_values = true
    )]
    workspace_id: Option<String>,
}

/// Which server, as whom, and in which dialect
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Server")]
struct Caller {
    #[command(flatten)]
    platform: Platform,
    #[arg(
        help = format!("The dated shape of the API to speak: {}", dialects::either(dialects::names())),
        long,
        value_name = "DIALECT",
        env = "ROLLCALL_DIALECT", hide_env_values = true,
        default_value = dialects::DEFAULT.short_name(),
        value_parser = dialect_named
    )]
    dialect: &'static Dialect,
}

fn dialect_named(name: &str) -> Result<&'static Dialect, String> {
    dialects::by_short_name(name).ok_or_else(|| {
        let names: Vec<_> = dialects::names().collect();
        format!("the dialects are {}", names.join(", "))
    })
}

/// List an organization's profiles, a page or all of them
#[derive(Debug, clap::Args)]
struct ListArgs {
    /// The direction [default: the server's, desc]
    #[arg(long, value_name = "asc|desc")]
    order: Option<String>,
    /// What the list is ordered by [default: the server's, created_at]
    #[arg(long, value_name = "created_at|name")]
    order_by: Option<String>,
    /// Only profiles with this enforcement status; may be repeated (dialect ga)
    #[arg(long, value_name = "STATUS")]
    enforcement_status: Vec<String>,
    #[command(flatten)]
    pages: PageArgs,
    #[command(flatten)]
    caller: Caller,
    #[command(flatten)]
    output: OutputArgs,
}

/// Show one profile, or how two dialects show it differently
#[derive(Debug, clap::Args)]
struct GetArgs {
    /// The profile
    id: String,
    /// Show it as this dialect does
    #[arg(long = "as", value_name = "DIALECT", value_parser = dialect_named, conflicts_with = "diff")]
    shown_as: Option<&'static Dialect>,
    /// Show what changes from the one dialect to the other
    #[arg(long, num_args = 2, value_names = ["FROM", "TO"], value_parser = dialect_named)]
    diff: Option<Vec<&'static Dialect>>,
    #[command(flatten)]
    caller: Caller,
    #[command(flatten)]
    output: OutputArgs,
}

/// Create a profile
#[derive(Debug, clap::Args)]
struct CreateArgs {
    #[command(flatten)]
    stated: Stated,
    #[command(flatten)]
    caller: Caller,
    #[command(flatten)]
    output: OutputArgs,
}

/// Change what is given of a profile and leave the rest
#[derive(Debug, clap::Args)]
struct UpdateArgs {
    /// The profile
    id: String,
    #[command(flatten)]
    stated: Stated,
    #[command(flatten)]
    caller: Caller,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, clap::Args)]
struct OneArgs {
    /// The profile
    id: String,
    #[command(flatten)]
    caller: Caller,
    #[command(flatten)]
    output: OutputArgs,
}

/// What the platform states of a profile. Each goes into the field that the dialect has for it.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Profile")]
struct Stated {
    /// The name
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// application or passthrough
    #[arg(long, value_name = "TYPE")]
    access_type: Option<String>,
    /// external, resold or internal (dialect 2026-03-24)
    #[arg(long, value_name = "RELATIONSHIP")]
    relationship: Option<String>,
    /// A pair of metadata; may be repeated. In an update KEY= removes the key
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    metadata: Vec<(String, String)>,
    /// The platform's own reference (external_id in the older dialects)
    #[arg(long, value_name = "TEXT", visible_alias = "external-id")]
    reference_id: Option<String>,
    /// When the platform took the entity on, such as 2026-03-15T10:00:00Z
    #[arg(long, value_name = "TIME")]
    onboarded_at: Option<String>,
    /// active, suspended or blocked
    #[arg(long, value_name = "STATUS")]
    account_status: Option<String>,
    /// Two upper-case letters
    #[arg(long, value_name = "CC")]
    country: Option<String>,
    /// A hash of the e-mail address
    #[arg(long, value_name = "HASH")]
    email_hash: Option<String>,
    /// individual, business, non_profit or government
    #[arg(long, value_name = "TYPE")]
    entity_type: Option<String>,
    /// A hash of the name
    #[arg(long, value_name = "HASH")]
    name_hash: Option<String>,
    /// The whole body as JSON, @FILE or @- instead; the other options are laid over it
    #[arg(long, value_name = "JSON")]
    data: Option<String>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

impl Stated {
    /// The body of a create or an update. The server judges it; nothing is checked here, so that the
    /// command shows what a platform would get.
    fn body(&self, dialect: &Dialect) -> Outcome<Value> {
        let mut body = self.given_body()?;
        for (field, value) in [
            ("name", &self.name),
            ("access_type", &self.access_type),
            ("relationship", &self.relationship),
        ] {
            if let Some(value) = value {
                body.insert(field.to_owned(), value.as_str().into());
            }
        }
        let is_older = dialect.takes("external_id");
        for (detail, value) in [
            ("account_status", &self.account_status),
            ("country", &self.country),
            ("email_hash", &self.email_hash),
            ("entity_type", &self.entity_type),
            ("name_hash", &self.name_hash),
            ("onboarded_at", &self.onboarded_at),
            ("reference_id", &self.reference_id),
        ] {
            let Some(value) = value else { continue };
            let older_field = match detail {
                "reference_id" => Some("external_id"),
                "onboarded_at" => Some("external_user_onboarded_at"),
                _ => None,
            };
            match older_field.filter(|_| is_older) {
                Some(field) => {
                    body.insert(field.to_owned(), value.as_str().into());
                }
                None => insert_below(&mut body, "external_user_details", detail, value),
            }
        }
        for (key, value) in &self.metadata {
            insert_below(&mut body, "metadata", key, value);
        }
        Ok(Value::Object(body))
    }

    fn given_body(&self) -> Outcome<Map<String, Value>> {
        let text = match self.data.as_deref() {
            None => return Ok(Map::new()),
            Some("@-") => {
                let mut text = String::new();
                std::io::stdin()
                    .read_to_string(&mut text)
                    .map_err(|error| Failure::setup(format!("cannot read the body: {error}")))?;
                text
            }
            Some(text) => match text.strip_prefix('@') {
                Some(file) => std::fs::read_to_string(file)
                    .map_err(|error| Failure::setup(format!("cannot read {file}: {error}")))?,
                None => text.to_owned(),
            },
        };
        serde_json::from_str(&text)
            .map_err(|error| Failure::setup(format!("--data is not a JSON object: {error}")))
    }
}

fn insert_below(body: &mut Map<String, Value>, object: &str, key: &str, value: &str) {
    let inner = body.entry(object).or_insert_with(|| json!({}));
    if let Value::Object(inner) = inner {
        inner.insert(key.to_owned(), value.into());
    }
}

impl Platform {
    pub(super) fn client(&self) -> Outcome<Client> {
        let key = self.api_key.clone().ok_or_else(|| {
            Failure::setup(
                "no key; set ROLLCALL_API_KEY or pass --api-key (rollcall dev prints one)",
            )
        })?;
        let told = match &self.base_url {
            Some(base_url) => Some(Address::chosen(base_url)),
            None => Address::told(Told::BaseUrl, None)?,
        };
        // What the operator's commands are told of a server holds here too.
        let told = match told {
            Some(address) => Some(address),
            None => Address::told(Told::Url, None)?,
        };
        let address = told.unwrap_or_else(|| Address::chosen(USUAL_ADDRESS));
        address.client(key, "ROLLCALL_API_KEY", "--base-url", None)
    }

    /// The call with the headers that say who asks, and with which beta.
    pub(super) fn address(&self, call: Call, beta: Option<&str>) -> Call {
        let call = call.header("anthropic-version", "2023-06-01");
        let call = match beta {
            Some(beta) => call.header("anthropic-beta", beta),
            None => call,
        };
        match &self.workspace_id {
            Some(id) => call.header("anthropic-workspace-id", id),
            None => call,
        }
    }
}

impl Caller {
    fn client(&self) -> Outcome<Client> {
        self.platform.client()
    }

    /// The call with the headers that say who speaks which dialect.
    fn address(&self, call: Call, dialect: &Dialect) -> Call {
        self.platform.address(call, dialect.beta())
    }

    async fn call(&self, call: Call) -> Outcome<Value> {
        self.client()?.call(self.address(call, self.dialect)).await
    }
}

#[derive(Debug, clap::Args)]
struct EditArgs {
    /// The profile's id, uprof_…
    #[arg(value_parser = profile_id)]
    id: ProfileId,
    #[command(flatten)]
    stated: Stated,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, clap::Args)]
struct LinkArgs {
    /// The profile's id, uprof_…
    #[arg(value_parser = profile_id)]
    id: ProfileId,
    #[command(flatten)]
    asking: Asking,
}

/// A path below a profile in the operator's API.
fn operators_path(id: &ProfileId, below: &str) -> String {
    format!("/operator/v1/user_profiles/{}{below}", segment(id.as_str()))
}

/// The body of a request for a link.
fn enroll_end_user() -> Value {
    json!({"action": {"type": "enroll_end_user"}})
}

#[derive(Debug, clap::Args)]
struct EraseArgs {
    /// The profile's id, uprof_…
    #[arg(value_parser = profile_id)]
    id: ProfileId,
    #[command(flatten)]
    confirm: Confirm,
    #[command(flatten)]
    asking: Asking,
}

impl EraseArgs {
    async fn run(self) -> Outcome {
        let id = self.id.as_str();
        let what = format!("{id} and everything that is kept of it will be erased for good.");
        self.confirm.asks(id, &what, "erased")?;
        let call = Call::delete(operators_path(&self.id, ""));
        self.asking.item(call).await
    }
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    match arguments.command {
        Command::List(arguments) => list(arguments).await,
        Command::Get(arguments) => get(arguments).await,
        Command::Create(CreateArgs {
            stated,
            caller,
            output,
        }) => {
            let body = stated.body(caller.dialect)?;
            let profile = caller.call(Call::post("/v1/user_profiles", &body)).await?;
            output.open().item(&profile)
        }
        Command::Update(UpdateArgs {
            id,
            stated,
            caller,
            output,
        }) => {
            let body = stated.body(caller.dialect)?;
            let profile = caller.call(Call::post(path(&id), &body)).await?;
            output.open().item(&profile)
        }
        Command::Delete(OneArgs { id, caller, output }) => {
            let deleted = caller.call(Call::delete(path(&id))).await?;
            output.open().item(&deleted)
        }
        Command::Edit(EditArgs { id, stated, asking }) => {
            let body = stated.body(dialects::DEFAULT)?;
            asking
                .item(Call::post(operators_path(&id, ""), &body))
                .await
        }
        Command::Link(LinkArgs { id, asking }) => {
            let path = operators_path(&id, "/action_urls");
            asking.item(Call::post(path, &enroll_end_user())).await
        }
        Command::Erase(arguments) => arguments.run().await,
        Command::Enroll(OneArgs { id, caller, output }) => {
            let path = path(&id);
            let call = if caller.dialect.has_enrollment_url() {
                Call::post(format!("{path}/enrollment_url"), &json!({}))
            } else {
                Call::post(format!("{path}/action_urls"), &enroll_end_user())
            };
            let url = caller.call(call).await?;
            output.open().item(&url)
        }
    }
}

pub(super) fn path(id: &str) -> String {
    format!("/v1/user_profiles/{}", segment(id))
}

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("NAME", "/name"),
    ("ACCESS", "/access_type"),
    ("REFERENCE", "/external_user_details/reference_id"),
    ("ENFORCEMENT", "/enforcement_status"),
    ("CREATED", "/created_at"),
];

const OLDER_COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("NAME", "/name"),
    ("REFERENCE", "/external_id"),
    ("CREATED", "/created_at"),
    ("UPDATED", "/updated_at"),
];

async fn list(arguments: ListArgs) -> Outcome {
    let ListArgs {
        order,
        order_by,
        enforcement_status,
        pages,
        caller,
        output,
    } = arguments;
    let client = caller.client()?;
    let mut output = output.open();
    let columns = if caller.dialect.takes("external_id") {
        OLDER_COLUMNS
    } else {
        COLUMNS
    };
    let call = || {
        let mut call = Call::get("/v1/user_profiles")
            .optional("order", order.as_deref())
            .optional("order_by", order_by.as_deref());
        for status in &enforcement_status {
            call = call.query("enforcement_status[]", status);
        }
        caller.address(call, caller.dialect)
    };
    let listing = output.list(columns, &pages.table)?;
    pages::print(&client, listing, &pages, call).await
}

async fn get(arguments: GetArgs) -> Outcome {
    let GetArgs {
        id,
        shown_as,
        diff,
        caller,
        output,
    } = arguments;
    let client = caller.client()?;
    let shown = async |dialect: &Dialect| {
        client
            .call(caller.address(Call::get(path(&id)), dialect))
            .await
    };
    let Some([from, to]) = diff.as_deref().and_then(<[_]>::first_chunk) else {
        let profile = shown(shown_as.unwrap_or(caller.dialect)).await?;
        return output.open().item(&profile);
    };
    let difference = Difference {
        from: from.short_name(),
        to: to.short_name(),
        before: shown(*from).await?,
        after: shown(*to).await?,
    };
    let mut output = output.open();
    if output.is_table() {
        output.text(&difference.lines())
    } else {
        output.item(&difference.json())
    }
}

/// One profile as two dialects show it.
struct Difference {
    from: &'static str,
    to: &'static str,
    before: Value,
    after: Value,
}

impl Difference {
    /// What the one shows and the other does not, in the order of the one, then of the other.
    fn changes(&self) -> Vec<(String, Option<String>, Option<String>)> {
        let (before, after) = (leaves(&self.before), leaves(&self.after));
        let find = |leaves: &[(String, String)], path: &str| {
            let found = leaves.iter().find(|(known, _)| known == path);
            found.map(|(_, value)| value.clone())
        };
        let mut changes = Vec::new();
        for (path, value) in &before {
            changes.push((path.clone(), Some(value.clone()), find(&after, path)));
        }
        for (path, value) in &after {
            if find(&before, path).is_none() {
                changes.push((path.clone(), None, Some(value.clone())));
            }
        }
        changes
    }

    fn lines(&self) -> String {
        const REMOVED: &str = "\u{1b}[31m";
        const ADDED: &str = "\u{1b}[32m";
        const PLAIN: &str = "\u{1b}[0m";
        let mut lines = format!(
            "{REMOVED}--- {}{PLAIN}\n{ADDED}+++ {}{PLAIN}\n",
            self.from, self.to
        );
        let mut line = |colour: &str, sign: char, path: &str, value: &str| {
            let end = if colour.is_empty() { "" } else { PLAIN };
            let text = printable(&format!("{sign} {path}: {value}"));
            lines.push_str(&format!("{colour}{text}{end}\n"));
        };
        for (path, before, after) in self.changes() {
            match (before, after) {
                (Some(before), Some(after)) if before == after => line("", ' ', &path, &before),
                (before, after) => {
                    if let Some(before) = before {
                        line(REMOVED, '-', &path, &before);
                    }
                    if let Some(after) = after {
                        line(ADDED, '+', &path, &after);
                    }
                }
            }
        }
        lines
    }

    fn json(&self) -> Value {
        let changes = self.changes().into_iter().filter(|(_, a, b)| a != b);
        let changes = changes.map(|(path, before, after)| {
            let parsed =
                |text: Option<String>| text.and_then(|t| serde_json::from_str::<Value>(&t).ok());
            let mut change = Map::from_iter([("path".to_owned(), Value::from(path))]);
            if let Some(before) = parsed(before) {
                change.insert("from".to_owned(), before);
            }
            if let Some(after) = parsed(after) {
                change.insert("to".to_owned(), after);
            }
            Value::Object(change)
        });
        json!({
            "from": self.from,
            "to": self.to,
            "changes": changes.collect::<Vec<_>>(),
        })
    }
}

/// Every value with its dotted path, as JSON text.
fn leaves(value: &Value) -> Vec<(String, String)> {
    fn collect(found: &mut Vec<(String, String)>, path: &str, value: &Value) {
        let below = |name: &str| match path {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        };
        match value {
            Value::Object(members) if !members.is_empty() => {
                for (name, value) in members {
                    collect(found, &below(name), value);
                }
            }
            Value::Array(elements) if !elements.is_empty() => {
                for (number, element) in elements.iter().enumerate() {
                    collect(found, &below(&number.to_string()), element);
                }
            }
            value => found.push((path.to_owned(), value.to_string())),
        }
    }
    let mut found = Vec::new();
    collect(&mut found, "", value);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Given {
        #[command(flatten)]
        stated: Stated,
    }

    fn body(dialect: &str, options: &[&str]) -> String {
        let given = Given::parse_from(std::iter::once(&"x").chain(options));
        let dialect = dialects::by_short_name(dialect).unwrap();
        given.stated.body(dialect).unwrap().to_string()
    }

    #[test]
    fn options_go_into_the_field_that_the_dialect_has() {
        let options = ["--reference-id", "a", "--metadata", "k=v=w", "--name", "N"];
        assert_eq!(
            body("2026-03-24", &options),
            r#"{"name":"N","external_id":"a","metadata":{"k":"v=w"}}"#
        );
        assert_eq!(
            body("ga", &options),
            r#"{"name":"N","external_user_details":{"reference_id":"a"},"metadata":{"k":"v=w"}}"#
        );
        assert_eq!(
            body(
                "2026-08-18",
                &["--onboarded-at", "t", "--data", r#"{"name":"x"}"#]
            ),
            r#"{"name":"x","external_user_onboarded_at":"t"}"#
        );
    }

    #[test]
    fn a_difference_names_what_goes_comes_and_changes() {
        let difference = Difference {
            from: "a",
            to: "b",
            before: json!({"id": "x", "old": "1", "both": [1]}),
            after: json!({"id": "x", "both": [2], "new": {"k": null}}),
        };
        let lines = anstream::adapter::strip_str(&difference.lines()).to_string();
        assert_eq!(
            lines,
            "--- a\n+++ b\n  id: \"x\"\n- old: \"1\"\n- both.0: 1\n+ both.0: 2\n+ new.k: null\n"
        );
        assert_eq!(
            difference.json()["changes"],
            json!([
                {"path": "old", "from": "1"},
                {"path": "both.0", "from": 1, "to": 2},
                {"path": "new.k", "to": null},
            ])
        );
    }
}
