//! Requests to paste: a `curl` line, and Python and TypeScript with the official SDKs where they have the operation.
//!
//! Made from a document's examples, so that they send what it says. Whatever differs from server to server stands in
//! variables of the environment, keys among them: no page of ours shows one. `sdk-tests/snippets` takes them from a
//! server's pages and runs them.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use rollcall_wire::openapi::example::VALUES;
use rollcall_wire::openapi::{DATA_CONTROLS, GATEWAY, WEBHOOKS};
use serde_json::Value;

use super::document::Operation;

/// What the base address is called, as on the command line.
const BASE_URL: &str = "ROLLCALL_BASE_URL";

/// The snippets of an operation.
#[derive(Debug)]
pub(crate) struct Snippets {
    pub(crate) curl: String,
    pub(crate) python: Option<String>,
    pub(crate) typescript: Option<String>,
}

impl Snippets {
    pub(crate) fn of(document: &str, operation: &Operation) -> Self {
        let method = sdk_method(document, &operation.id);
        let method = method.as_deref();
        Self {
            curl: curl(operation),
            python: method.map(|method| python(document, method, operation)),
            typescript: method.map(|method| typescript(document, method, operation)),
        }
    }
}

/// The variables that the snippets of these operations need, each with what it may be.
pub(crate) fn variables<'a>(
    operations: impl IntoIterator<Item = &'a Operation>,
) -> Vec<(String, String)> {
    let mut named = BTreeSet::new();
    let mut keys = BTreeSet::new();
    for operation in operations {
        let request = &operation.request;
        keys.insert(request.key.0);
        let placed = request.path.iter().chain(&request.query);
        let placed = placed.chain(&request.headers).map(|(_, value)| value);
        let body = request.body.as_ref().map(|(_, body)| body.to_string());
        for (variable, value) in ids() {
            let in_body = body.as_ref().is_some_and(|body| body.contains(value));
            if in_body || placed.clone().any(|it| it == value) {
                named.insert((variable, value.to_owned()));
            }
        }
    }
    let keys = keys
        .into_iter()
        .map(|kind| (key_variable(kind), format!("the {kind} key")));
    let base = (BASE_URL.to_owned(), "http://127.0.0.1:8787".to_owned());
    [base].into_iter().chain(keys).chain(named).collect()
}

fn key_variable(kind: &str) -> String {
    format!("ROLLCALL_{}_KEY", kind.to_uppercase())
}

/// The ids of the examples, each with the variable that stands for it.
fn ids() -> impl Iterator<Item = (String, &'static str)> {
    let ids = VALUES.iter().filter(|(name, _)| name.ends_with("_id"));
    ids.map(|(name, value)| (name.to_uppercase(), *value))
}

/// The variable that stands for an id of the examples, where `value` is one. What belongs to another thing of the same
/// kind (`whep_…`) is told by its parameter.
fn variable(parameter: Option<&str>, value: &str) -> Option<String> {
    let known = ids().find(|(_, known)| *known == value);
    let by_parameter = || {
        let name = parameter.filter(|name| name.ends_with("_id"))?;
        Some(name.to_uppercase())
    };
    known.map(|(variable, _)| variable).or_else(by_parameter)
}

// --- curl -----------------------------------------------------------------------------------------

fn curl(operation: &Operation) -> String {
    let request = &operation.request;
    let mut path = operation.path.clone();
    for (name, value) in &request.path {
        let value =
            variable(Some(name), value).map_or_else(|| value.clone(), |it| format!("${it}"));
        path = path.replace(&format!("{{{name}}}"), &value);
    }
    let mut mark = '?';
    for (name, value) in &request.query {
        let value = variable(None, value).map_or_else(|| value.clone(), |it| format!("${it}"));
        // Writing to a text cannot fail, here and below.
        let _ = write!(path, "{mark}{name}={value}");
        mark = '&';
    }
    let mut out = format!("curl \"${BASE_URL}{path}\"");
    let method = operation.method.as_str();
    if method != "GET" && !(method == "POST" && request.body.is_some()) {
        let _ = write!(out, " -X {method}");
    }
    let (kind, header) = &request.key;
    let _ = write!(out, " \\\n  -H \"{header}: ${}\"", key_variable(kind));
    for (name, value) in &request.headers {
        let value = variable(None, value).map_or_else(|| value.clone(), |it| format!("${it}"));
        let _ = write!(out, " \\\n  -H \"{name}: {value}\"");
    }
    if let (Some((kind, _)), Some(text)) = (&request.body, request.body_text()) {
        let mut quoted = text.replace('\'', r"'\''");
        for (variable, value) in ids() {
            let spliced = format!("\"'\"${variable}\"'\"");
            quoted = quoted.replace(&format!("\"{value}\""), &spliced);
        }
        let _ = write!(
            out,
            " \\\n  -H \"content-type: {kind}\" \\\n  -d '{quoted}'"
        );
    }
    out
}

// --- the official SDKs ----------------------------------------------------------------------------

/// What the SDKs of today call an operation, as Python writes it.
fn sdk_method(document: &str, id: &str) -> Option<String> {
    let resource = match document {
        "ga" => "user_profiles",
        // They list `2026-08-18` by themselves, and the newest of those listed wins.
        "2026-08-18" | "2026-09-04" => "beta.user_profiles",
        WEBHOOKS => "beta.organization.webhooks",
        DATA_CONTROLS => "beta.user_profiles.providers.google.data_controls",
        GATEWAY => "messages",
        _ => return None,
    };
    let method = match id {
        "create_action_url" => "action_urls.create",
        "create_enrollment_url" | "regenerate_signing_secret" | "count_tokens" => id,
        "check" => return None,
        _ => match id.split('_').next()? {
            "get" => "retrieve",
            verb => verb,
        },
    };
    Some(format!("{resource}.{method}"))
}

/// Whether the SDKs walk all pages of what it answers.
fn is_list(method: &str) -> bool {
    method.rsplit('.').next() == Some("list")
}

/// The beta that the SDKs do not list by themselves.
fn beta(document: &str) -> Option<&'static str> {
    (document == "2026-09-04").then_some("user-profiles-2026-09-04")
}

fn python(document: &str, method: &str, operation: &Operation) -> String {
    let request = &operation.request;
    let ids = request.path.iter().filter_map(|(name, value)| {
        Some(format!("os.environ[\"{}\"]", variable(Some(name), value)?))
    });
    let mut arguments: Vec<_> = ids.collect();
    let members = request.body.as_ref().and_then(|(_, body)| body.as_object());
    for (name, value) in members.into_iter().flatten() {
        arguments.push(format!("{name}={}", python_value(value, 1)));
    }
    if let Some(beta) = beta(document) {
        arguments.push(format!("betas=[\"{beta}\"]"));
    }
    let call = format!("client.{method}({})", spread(&arguments, ",\n"));
    let used = if is_list(method) {
        format!("for item in {call}:\n    print(item)")
    } else {
        format!("print({call})")
    };
    let key = key_variable(request.key.0);
    format!(
        "import os\nfrom anthropic import Anthropic\n\n\
         client = Anthropic(base_url=os.environ[\"{BASE_URL}\"], api_key=os.environ[\"{key}\"])\n{used}"
    )
}

fn typescript(document: &str, method: &str, operation: &Operation) -> String {
    let request = &operation.request;
    let ids = request
        .path
        .iter()
        .filter_map(|(name, value)| Some(format!("process.env.{}!", variable(Some(name), value)?)));
    let mut arguments: Vec<_> = ids.collect();
    let members = request.body.as_ref().and_then(|(_, body)| body.as_object());
    let members = members.into_iter().flatten();
    let mut members: Vec<_> = members
        .map(|(name, value)| format!("{name}: {}", typescript_value(value, 1)))
        .collect();
    members.extend(beta(document).map(|beta| format!("betas: [\"{beta}\"]")));
    if !members.is_empty() {
        arguments.push(format!("{{{}}}", spread(&members, ",\n")));
    }
    let call = format!("client.{}({})", camel_case(method), arguments.join(", "));
    let used = if is_list(method) {
        format!("for await (const item of {call}) {{\n  console.log(item);\n}}")
    } else {
        format!("console.log(await {call});")
    };
    let key = key_variable(request.key.0);
    format!(
        "import Anthropic from \"@anthropic-ai/sdk\";\n\n\
         const client = new Anthropic({{ baseURL: process.env.{BASE_URL}!, apiKey: process.env.{key}! }});\n{used}"
    )
}

/// A few on one line, several on lines of their own.
fn spread(items: &[String], between: &str) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        several => {
            let lines = several.iter().map(|item| format!("    {item}"));
            format!("\n{},\n", lines.collect::<Vec<_>>().join(between))
        }
    }
}

fn python_value(value: &Value, depth: usize) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::String(text) => text_or(text, |name| format!("os.environ[\"{name}\"]")),
        Value::Number(number) => number.to_string(),
        Value::Array(items) => nested(
            items.iter().map(|it| python_value(it, depth + 1)),
            "[",
            "]",
            depth,
        ),
        Value::Object(members) => {
            let members = members.iter();
            let members = members.map(|(name, value)| {
                format!(
                    "{}: {}",
                    Value::from(name.as_str()),
                    python_value(value, depth + 1)
                )
            });
            nested(members, "{", "}", depth)
        }
    }
}

fn typescript_value(value: &Value, depth: usize) -> String {
    match value {
        Value::String(text) => text_or(text, |name| format!("process.env.{name}!")),
        Value::Array(items) => nested(
            items.iter().map(|it| typescript_value(it, depth + 1)),
            "[",
            "]",
            depth,
        ),
        Value::Object(members) => {
            let members = members.iter();
            let members = members
                .map(|(name, value)| format!("{name}: {}", typescript_value(value, depth + 1)));
            nested(members, "{", "}", depth)
        }
        plain => plain.to_string(),
    }
}

/// What stands for a text: its variable, if it has one.
fn text_or(text: &str, from_environment: impl Fn(&str) -> String) -> String {
    let named = variable(None, text);
    named.map_or_else(
        || Value::from(text).to_string(),
        |name| from_environment(&name),
    )
}

/// One on its line, several below each other.
fn nested(items: impl Iterator<Item = String>, open: &str, close: &str, depth: usize) -> String {
    let items: Vec<_> = items.collect();
    match &items[..] {
        [] => format!("{open}{close}"),
        [one] => format!("{open}{one}{close}"),
        several => {
            let indent = "    ".repeat(depth);
            let lines = several.iter().map(|item| format!("{indent}    {item},\n"));
            format!("{open}\n{}{indent}{close}", lines.collect::<String>())
        }
    }
}

/// `user_profiles.action_urls.create` as the TypeScript SDK has it.
fn camel_case(method: &str) -> String {
    let mut out = String::with_capacity(method.len());
    let mut words = method.split('_');
    out.push_str(words.next().unwrap_or_default());
    for word in words {
        let rest = word.strip_prefix("url");
        let initial = word.get(..1).unwrap_or_default().to_uppercase();
        match rest {
            Some(rest) => {
                let _ = write!(out, "URL{rest}");
            }
            None => {
                let _ = write!(out, "{initial}{}", word.get(1..).unwrap_or_default());
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_called_as_each_sdk_calls_them() {
        assert_eq!(
            camel_case("user_profiles.action_urls.create"),
            "userProfiles.actionURLs.create"
        );
        assert_eq!(
            camel_case("beta.user_profiles.create_enrollment_url"),
            "beta.userProfiles.createEnrollmentURL"
        );
        assert_eq!(
            sdk_method("ga", "get_user_profile").as_deref(),
            Some("user_profiles.retrieve")
        );
        assert_eq!(sdk_method("2026-03-24", "get_user_profile"), None);
    }
}
