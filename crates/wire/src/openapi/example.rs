//! The examples in the documents. One customer is made up here, and whatever is shown of it is written by the code that
//! answers: an example cannot say what no answer says. A request is made up where its members are; the answer
//! beside it is what the rules make of it.
//!
//! An example is found by its operation, else by the name of the schema that it is one of, which serves a page of
//! such things too. Values of a path are found by the parameter's name.

mod operator;
mod profiles;

use std::collections::BTreeMap;

use rollcall_domain::clock::Timestamp;
use rollcall_domain::event::Subscription;
use rollcall_domain::id::{OrganizationId, WebhookEndpointId};
use rollcall_domain::webhook::{AutoDisabled, EndpointState, SigningKey, WebhookEndpoint};
use rollcall_record::time;
use serde_json::{Map, Value, json};
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn, PathItem};
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{Content, OpenApi, RefOr};

use crate::dialects;
use crate::gateway::PROFILE_HEADER;
use crate::inference::{InferenceAnswer, parse_message, write_count};
use crate::webhooks::{
    EndpointListing, EndpointRules, deleted_endpoint, parse_create, parse_update,
    regenerated_secret, write_endpoint, write_page,
};

/// The values of paths: the name of a parameter, and what stands in its place in every example.
pub const VALUES: [(&str, &str); 11] = [
    ("organization_id", "0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11"),
    ("user_profile_id", "uprof_011CbeBHspRT5JW7RnPynu5d"),
    ("enforcement_action_id", "enac_011CgYtEdis35bAPd4Ls8CRd"),
    ("webhook_endpoint_id", "whep_011CgbrZUw5yFQoC1vjKMNvb"),
    ("webhook_delivery_id", "whd_011CghNqVAgU1igejhfmgPkg"),
    ("enrollment_id", "enr_011CgYtEdis35bAPd4Ls8CRe"),
    ("api_key_id", "apikey_011CbeBHspRT5JW7RnPynu5e"),
    ("operator_key_id", "apikey_011CbeBHspRT5JW7RnPynu5g"),
    ("workspace_id", "wrkspc_011CbeBHspRT5JW7RnPynu5f"),
    ("name", "cyber"),
    ("region", "us"),
];

/// When most of what the examples tell happens.
const NOW: &str = "2026-11-20T14:03:27.650118Z";

fn value(name: &str) -> &'static str {
    let found = VALUES.iter().find(|(known, _)| *known == name);
    found.map_or("", |(_, value)| value)
}

fn at(text: &str) -> Option<Timestamp> {
    time::parse(text).ok()
}

fn organization_id() -> Option<OrganizationId> {
    OrganizationId::parse(value("organization_id")).ok()
}

/// What was written, as a value.
fn read(json: &str) -> Option<Value> {
    serde_json::from_str(json).ok()
}

/// What `write` appends, as a value.
fn written(write: impl FnOnce(&mut String)) -> Option<Value> {
    let mut out = String::new();
    write(&mut out);
    read(&out)
}

/// The examples of one document.
#[derive(Default)]
pub(super) struct Examples {
    sent: BTreeMap<&'static str, Value>,
    answered: BTreeMap<&'static str, Value>,
    /// Of an operation's parameter, where it is not the usual one.
    placed: BTreeMap<(&'static str, &'static str), Value>,
}

impl Examples {
    /// Of this operation, or of every body with this schema.
    fn sends(&mut self, name: &'static str, example: Value) {
        self.sent.insert(name, example);
    }

    /// Of this operation, or of every answer with this schema.
    fn answers(&mut self, name: &'static str, example: Value) {
        self.answered.insert(name, example);
    }

    fn places(&mut self, operation: &'static str, parameter: &'static str, example: &str) {
        self.placed.insert((operation, parameter), example.into());
    }

    /// Puts them into a document.
    pub(super) fn attach(&self, document: &mut OpenApi) {
        for item in document.paths.paths.values_mut() {
            let PathItem {
                get,
                put,
                post,
                delete,
                ..
            } = item;
            for operation in [get, put, post, delete].into_iter().flatten() {
                self.attach_to(operation);
            }
        }
    }

    fn attach_to(&self, operation: &mut Operation) {
        let id = operation.operation_id.clone().unwrap_or_default();
        for parameter in operation.parameters.iter_mut().flatten() {
            if let RefOr::T(parameter) = parameter {
                self.attach_to_parameter(&id, parameter);
            }
        }
        if let Some(RefOr::T(body)) = &mut operation.request_body {
            for content in body.content.values_mut() {
                show(content, &id, &self.sent);
            }
        }
        if let Some(RefOr::T(answer)) = operation.responses.responses.get_mut("200") {
            for (kind, content) in &mut answer.content {
                // An operation that answers in two ways has an example of each.
                let id = match kind.as_str() {
                    "text/event-stream" => kind,
                    _ => &id,
                };
                show(content, id, &self.answered);
            }
        }
    }

    fn attach_to_parameter(&self, operation: &str, parameter: &mut Parameter) {
        let mut placed = self.placed.iter();
        let placed = placed.find(|((id, name), _)| *id == operation && *name == parameter.name);
        let usual = || {
            let in_path = matches!(parameter.parameter_in, ParameterIn::Path);
            in_path.then(|| Value::from(value(&parameter.name)))
        };
        if let Some(example) = placed.map(|(_, example)| example.clone()).or_else(usual) {
            // What is said of an extension stands alone: several are written in any order, another each time.
            parameter.extensions = Some(Extensions::from_iter([("example", example)]));
        }
    }
}

fn show(content: &mut RefOr<Content>, operation: &str, examples: &BTreeMap<&'static str, Value>) {
    let RefOr::T(content) = content else { return };
    let found = examples.get(operation).cloned();
    content.example = found.or_else(|| of_shape(content.schema.as_ref()?, examples));
}

fn of_shape(shape: &RefOr<Schema>, examples: &BTreeMap<&'static str, Value>) -> Option<Value> {
    match shape {
        RefOr::Ref(named) => examples
            .get(named.ref_location.rsplit('/').next()?)
            .cloned(),
        RefOr::T(Schema::Object(object)) if object.max_properties == Some(0) => Some(json!({})),
        // A page of such things.
        RefOr::T(Schema::Object(object)) => match object.properties.get("data")? {
            RefOr::T(Schema::Array(array)) => {
                let utoipa::openapi::schema::ArrayItems::RefOrSchema(item) = &array.items else {
                    return None;
                };
                Some(page(&of_shape(item, examples)?))
            }
            _ => None,
        },
        RefOr::T(_) => None,
    }
}

/// A page with nothing else.
fn page(item: &Value) -> Value {
    json!({"data": [item], "next_page": null})
}

/// The examples of the document called `name`.
pub(super) fn of(name: &str) -> Option<Examples> {
    match name {
        super::OPERATOR => operator::examples(),
        super::DATA_CONTROLS => profiles::data_controls(),
        super::WEBHOOKS => webhooks(),
        super::GATEWAY => gateway(),
        dialect => profiles::examples(dialects::by_short_name(dialect)?),
    }
}

/// The members of `all` that `takes` says yes to.
fn only(all: &Value, takes: impl Fn(&str) -> bool) -> Value {
    let members = all.as_object().into_iter().flatten();
    let members = members.filter(|(name, _)| takes(name));
    let members = members.map(|(name, value)| (name.clone(), value.clone()));
    members.collect::<Map<_, _>>().into()
}

// --- organization webhooks ------------------------------------------------------------------------

fn signing_key(first: u8) -> SigningKey {
    let mut key = [first; 32];
    for (place, byte) in key.iter_mut().zip(0..) {
        *place += byte;
    }
    SigningKey(key)
}

fn endpoint() -> Option<WebhookEndpoint> {
    let id = WebhookEndpointId::parse(value("webhook_endpoint_id")).ok()?;
    let body = endpoint_create().to_string();
    let draft = parse_create(body.as_bytes(), EndpointRules::default()).ok()?;
    Some(WebhookEndpoint::create(id, draft, at("2026-11-01T08:00:00Z")?).value)
}

fn endpoint_create() -> Value {
    json!({
        "enabled_events": [
            "user_profile.enforcement_action_opened",
            "user_profile.enforcement_action_resolved"
        ],
        "url": "https://hooks.example.com/rollcall",
        "name": "Enforcement",
        "description": "Trust team pager"
    })
}

fn webhooks() -> Option<Examples> {
    const OTHER: &str = "whep_011CgNxVF8R7Fnc2yGsSDRDL";
    let endpoint = endpoint()?;
    let events = Subscription::parse("user_profile.program_status_updated").ok()?;
    let other = WebhookEndpoint {
        id: WebhookEndpointId::parse(OTHER).ok()?,
        created_at: at("2026-10-25T12:30:00Z")?,
        updated_at: at("2026-10-26T03:11:08Z")?,
        description: String::new(),
        name: String::new(),
        url: "https://old.example.com/in".to_owned(),
        enabled_events: vec![events],
        state: EndpointState::Disabled,
        disabled_reason: Some(AutoDisabled::Redirect),
    };
    let update = json!({"state": "enabled", "url": "https://new.example.com/in"});
    let patch = parse_update(update.to_string().as_bytes(), EndpointRules::default()).ok()?;
    let updated = other.update(&patch, at(NOW)?).value;
    let shown = |endpoint: &WebhookEndpoint, key: Option<&SigningKey>| {
        written(|out| write_endpoint(out, endpoint, key))
    };
    let listing = EndpointListing::parse(None).ok()?;
    let page = listing.page(vec![endpoint.clone(), other.clone()]).ok()?;
    let mut examples = Examples::default();
    examples.answers("list_webhook_endpoints", read(&write_page(&page))?);
    examples.sends("create_webhook_endpoint", endpoint_create());
    let created = shown(&endpoint, Some(&signing_key(1)))?;
    examples.answers("create_webhook_endpoint", created);
    examples.answers("get_webhook_endpoint", shown(&endpoint, None)?);
    examples.sends("update_webhook_endpoint", update);
    examples.answers("update_webhook_endpoint", shown(&updated, None)?);
    examples.places("update_webhook_endpoint", "webhook_endpoint_id", OTHER);
    examples.answers(
        "delete_webhook_endpoint",
        read(&deleted_endpoint(&other.id))?,
    );
    examples.places("delete_webhook_endpoint", "webhook_endpoint_id", OTHER);
    let secret = regenerated_secret(&signing_key(101));
    examples.answers("regenerate_signing_secret", read(&secret)?);
    Some(examples)
}

// --- what gateways ask ----------------------------------------------------------------------------

fn gateway() -> Option<Examples> {
    let message = json!({
        "model": "claude-sonnet-5",
        "max_tokens": 256,
        "messages": [{"role": "user", "content": "Hello"}],
        "user_profile_id": value("user_profile_id")
    });
    let none: [&[u8]; 0] = [];
    let asked = parse_message(message.to_string().as_bytes(), none).ok()?;
    let answer = InferenceAnswer {
        id: "msg_011CgYtEdis35bAPd4Ls8CRf",
        model: &asked.model,
        text: "This is a stub.",
        input_tokens: asked.input_tokens,
    };
    let mut examples = Examples::default();
    examples.places("check", PROFILE_HEADER, value("user_profile_id"));
    examples.sends("count_tokens", only(&message, |name| name != "max_tokens"));
    examples.answers("count_tokens", read(&write_count(asked.input_tokens))?);
    examples.sends("create_message", message);
    examples.answers("create_message", read(&answer.message())?);
    examples.answers("text/event-stream", answer.events().concat().into());
    Some(examples)
}
