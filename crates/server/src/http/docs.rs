//! `GET /docs`: what the server says about itself to people.
//!
//! One page for each OpenAPI document, made from the document and nothing else, so that it cannot say
//! anything different. It is whole without a script, a font or an image, and asks no other server for
//! anything: the policy it is sent with would not let it.

use std::sync::LazyLock;

use askama::Template;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_FRAME_OPTIONS};
use http::{HeaderValue, StatusCode};
use http_body_util::Full;
use rollcall_wire::error::ApiError;
use rollcall_wire::{dialects, openapi};
use serde_json::{Map, Value};

use super::answer::{Answer, Body, answer};
use super::error::Outcome;
use super::exchange::Exchange;

/// Nothing but the stylesheet is loaded, nothing is run, framed or sent from here.
const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

const STYLE: &str = include_str!("../../templates/docs/style.css");

/// The pages of all documents, by name.
static PAGES: LazyLock<Vec<(&str, Bytes)>> = LazyLock::new(|| {
    openapi::names()
        .filter_map(|name| Some((name, Bytes::from(Page::of(name)?.render().ok()?))))
        .collect()
});

/// `GET /docs`
pub(crate) async fn show_default(_exchange: &Exchange<'_>) -> Outcome {
    page(dialects::DEFAULT.short_name())
}

/// `GET /docs/{document}`
pub(crate) async fn show(exchange: &Exchange<'_>) -> Outcome {
    page(exchange.params.get("document"))
}

/// `GET /docs/style.css`
pub(crate) async fn show_style(_exchange: &Exchange<'_>) -> Outcome {
    Ok(harmless(
        "text/css; charset=utf-8",
        Bytes::from_static(STYLE.as_bytes()),
    ))
}

fn page(name: &str) -> Outcome {
    let page = PAGES.iter().find(|(known, _)| *known == name);
    let (_, html) = page.ok_or_else(ApiError::path_not_found)?;
    Ok(harmless("text/html; charset=utf-8", html.clone()))
}

fn harmless(content_type: &'static str, bytes: Bytes) -> Answer {
    let body = Body::Whole(Full::new(bytes));
    let mut answer = answer(StatusCode::OK, content_type, body);
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    answer
}

#[derive(Template)]
#[template(path = "docs/page.html")]
struct Page {
    name: &'static str,
    title: String,
    about: String,
    version: String,
    others: Vec<Other>,
    groups: Vec<Group>,
    errors: Vec<Error>,
}

/// A document one can switch to.
struct Other {
    name: &'static str,
    current: bool,
}

/// The operations on one kind of thing.
struct Group {
    name: String,
    operations: Vec<Operation>,
}

struct Operation {
    id: String,
    method: String,
    path: String,
    summary: String,
    words: String,
    parts: Vec<Part>,
    statuses: Vec<String>,
}

/// What goes in, or what comes out.
struct Part {
    heading: &'static str,
    fields: Vec<Field>,
}

/// A parameter, or a member of a body at any depth.
struct Field {
    /// Where it stands: `external_user_details.country`, `data[].id`.
    place: String,
    /// What it must be, in words.
    kind: String,
    required: bool,
    words: String,
}

struct Error {
    status: String,
    kind: String,
    words: String,
}

impl Page {
    fn of(name: &'static str) -> Option<Self> {
        let document: Value = serde_json::from_str(&openapi::text(name)?).ok()?;
        let others = openapi::names().map(|other| Other {
            name: other,
            current: other == name,
        });
        Some(Self {
            name,
            title: text(&document["info"], "title"),
            about: text(&document["info"], "description"),
            version: text(&document["info"], "version"),
            others: others.collect(),
            groups: groups(&document),
            errors: errors(&document),
        })
    }
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn groups(document: &Value) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (path, item) in members(&document["paths"]) {
        for (method, described) in members(item) {
            let tag = described["tags"][0].as_str().unwrap_or_default();
            let operation = Operation::of(document, path, method, described);
            match groups.iter_mut().find(|group| group.name == tag) {
                Some(group) => group.operations.push(operation),
                None => groups.push(Group {
                    name: tag.to_owned(),
                    operations: vec![operation],
                }),
            }
        }
    }
    groups
}

impl Operation {
    fn of(document: &Value, path: &str, method: &str, described: &Value) -> Self {
        let parameters = described["parameters"].as_array().into_iter().flatten();
        let parameters = parameters.map(|parameter| Field {
            place: format!("{} ({})", text(parameter, "name"), text(parameter, "in")),
            kind: kind(document, &parameter["schema"]),
            required: parameter["required"] == true,
            words: text(parameter, "description"),
        });
        let mut answers = content(document, &described["responses"]["200"]);
        for field in &mut answers {
            // Every member of an answer is always there; it goes without saying.
            field.required = false;
        }
        let part = |heading, fields| Part { heading, fields };
        let parts = [
            part("Parameters", parameters.collect()),
            part("Body", content(document, &described["requestBody"])),
            part("Answer", answers),
        ];
        let statuses = members(&described["responses"]).map(|(status, _)| status.clone());
        Self {
            id: text(described, "operationId"),
            method: method.to_uppercase(),
            path: path.to_owned(),
            summary: text(described, "summary"),
            words: text(described, "description"),
            parts: parts
                .into_iter()
                .filter(|part| !part.fields.is_empty())
                .collect(),
            statuses: statuses.filter(|status| status != "200").collect(),
        }
    }
}

/// The members of what a body or an answer holds; one line without a place when it has none.
fn content(document: &Value, holder: &Value) -> Vec<Field> {
    let Some((media_type, content)) = members(&holder["content"]).next() else {
        return Vec::new();
    };
    let schema = &content["schema"];
    let mut fields = Vec::new();
    list(document, schema, "", &mut fields);
    if fields.is_empty() {
        fields.push(Field {
            place: media_type.clone(),
            kind: kind(document, schema),
            required: false,
            words: text(resolved(document, schema), "description"),
        });
    }
    fields
}

/// What a schema refers to, if it does.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let pointer = schema["$ref"]
        .as_str()
        .and_then(|place| place.strip_prefix('#'));
    let found = pointer.and_then(|pointer| document.pointer(pointer));
    found.unwrap_or(schema)
}

/// The alternatives of a schema; itself when it has none.
fn alternatives<'a>(document: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    let schema = resolved(document, schema);
    match schema["anyOf"].as_array() {
        None => vec![schema],
        Some(any) => any.iter().map(|one| resolved(document, one)).collect(),
    }
}

/// Appends the members of an object, of an array's items, of a map's values, and theirs.
fn list(document: &Value, schema: &Value, prefix: &str, fields: &mut Vec<Field>) {
    for schema in alternatives(document, schema) {
        if schema.get("items").is_some() {
            list(document, &schema["items"], &format!("{prefix}[]"), fields);
        }
        let nothing = Map::new();
        let properties = schema["properties"].as_object().unwrap_or(&nothing);
        let required = schema["required"].as_array();
        for (name, member) in properties {
            let place = match prefix {
                "" => name.clone(),
                prefix => format!("{prefix}.{name}"),
            };
            // Two alternatives may share a member.
            if fields.iter().any(|field| field.place == place) {
                continue;
            }
            let described = [member, resolved(document, member)];
            let words = described.map(|schema| text(schema, "description"));
            fields.push(Field {
                place: place.clone(),
                kind: kind(document, member),
                required: required
                    .is_some_and(|required| required.contains(&Value::from(name.as_str()))),
                words: words
                    .into_iter()
                    .find(|words| !words.is_empty())
                    .unwrap_or_default(),
            });
            list(document, member, &place, fields);
        }
        if schema["additionalProperties"].is_object() {
            let place = format!("{prefix}.*").trim_start_matches('.').to_owned();
            list(document, &schema["additionalProperties"], &place, fields);
        }
    }
}

/// What a value must be, in words.
fn kind(document: &Value, schema: &Value) -> String {
    let kinds = alternatives(document, schema).into_iter();
    let kinds: Vec<_> = kinds.map(|schema| one_kind(document, schema)).collect();
    kinds.join(" or ")
}

fn one_kind(document: &Value, schema: &Value) -> String {
    if let Some(values) = schema["enum"].as_array() {
        let values = values.iter().map(|value| match value {
            Value::String(text) => format!("“{text}”"),
            other => other.to_string(),
        });
        return values.collect::<Vec<_>>().join(", ");
    }
    let types = match &schema["type"] {
        Value::String(kind) => vec![kind.as_str()],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => vec!["anything"],
    };
    let mut words = types.join(" or ");
    if schema["format"] == "date-time" {
        words = words.replacen("string", "timestamp", 1);
    } else if let Some(pattern) = schema["pattern"].as_str()
        && !pattern.contains("u0000")
    {
        words = format!("{words}, {pattern}");
    }
    if schema.get("items").is_some() {
        words = format!("{words} of: {}", kind(document, &schema["items"]));
    }
    if schema["additionalProperties"].is_object() {
        words = format!(
            "{words} of: {}",
            kind(document, &schema["additionalProperties"])
        );
    }
    for (least, most, unit) in [
        ("minLength", "maxLength", "characters"),
        ("minimum", "maximum", ""),
        ("minItems", "maxItems", "items"),
        ("minProperties", "maxProperties", "keys"),
    ] {
        let limit = match (&schema[least], &schema[most]) {
            (Value::Null, Value::Null) => continue,
            (Value::Null, most) => format!("at most {most} {unit}"),
            (least, Value::Null) => format!("at least {least} {unit}"),
            (least, most) => format!("{least} to {most} {unit}"),
        };
        words = format!("{words}, {}", limit.trim_end());
    }
    words
}

fn errors(document: &Value) -> Vec<Error> {
    let answers = members(&document["components"]["responses"]);
    let mut errors: Vec<_> = answers
        .map(|(_, answer)| {
            let schema = &answer["content"]["application/json"]["schema"];
            let kind = &schema["properties"]["error"]["properties"]["type"]["enum"][0];
            let codes = &schema["properties"]["error"]["properties"]["details"]["properties"];
            let codes = codes["error_code"]["enum"].as_array().into_iter().flatten();
            let codes: Vec<_> = codes.filter_map(Value::as_str).collect();
            let words = text(answer, "description");
            Error {
                status: status_of(document, answer),
                kind: kind.as_str().unwrap_or_default().to_owned(),
                words: match codes[..] {
                    [] => words,
                    _ => format!("{words} With error_code: {}.", codes.join(", ")),
                },
            }
        })
        .filter(|error| !error.status.is_empty())
        .collect();
    errors.sort_by(|left, right| left.status.cmp(&right.status));
    errors
}

/// Under which status operations refer to this answer.
fn status_of(document: &Value, answer: &Value) -> String {
    let operations = members(&document["paths"]).flat_map(|(_, item)| members(item));
    let mut answers = operations.flat_map(|(_, operation)| members(&operation["responses"]));
    let found = answers.find(|(_, one)| std::ptr::eq(resolved(document, one), answer));
    found.map(|(status, _)| status.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_document_has_its_page_with_every_operation_and_nothing_from_elsewhere() {
        assert_eq!(PAGES.len(), openapi::names().count());
        for (name, html) in PAGES.iter() {
            let html = std::str::from_utf8(html).unwrap();
            let document: Value = serde_json::from_str(&openapi::text(name).unwrap()).unwrap();
            for (path, item) in members(&document["paths"]) {
                for (_, operation) in members(item) {
                    assert!(html.contains(&text(operation, "summary").replace('\'', "&#39;")));
                    assert!(html.contains(path.as_str()), "{path}");
                }
            }
            for other in openapi::names() {
                assert!(html.contains(&format!("href=\"/docs/{other}\"")));
            }
            for elsewhere in [
                "http://", "https://", "src=", "<script", "style=", "@import",
            ] {
                let found = html
                    .find(elsewhere)
                    .map(|at| &html[at..html.len().min(at + 60)]);
                assert!(
                    found.is_none_or(|found| found.starts_with("https?://")),
                    "{name}: {found:?}"
                );
            }
        }
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
    }

    #[test]
    fn a_dialect_s_page_tells_its_own_fields_with_their_limits() {
        let page = |name: &'static str| Page::of(name).unwrap();
        let create = |page: &Page| {
            let operations = page.groups.iter().flat_map(|group| &group.operations);
            let mut operations =
                operations.filter(|operation| operation.id == "create_user_profile");
            let parts = &operations.next().unwrap().parts;
            let body = parts.iter().find(|part| part.heading == "Body").unwrap();
            let lines = body
                .fields
                .iter()
                .map(|field| format!("{}: {}", field.place, field.kind));
            lines.collect::<Vec<_>>()
        };
        assert_eq!(
            create(&page("2026-03-24")),
            [
                "relationship: “external”, “resold”, “internal”",
                "name: string or null, 1 to 255 characters",
                "metadata: object of: string, 1 to 512 characters, at most 16 keys",
                "external_id: string or null, 1 to 255 characters",
            ]
        );
        let newest = create(&page("ga"));
        assert!(
            newest
                .contains(&"external_user_details.country: string or null, ^[A-Z]{2}$".to_owned())
        );
        assert!(!newest.iter().any(|line| line.starts_with("external_id")));
    }
}
