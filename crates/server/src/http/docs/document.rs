//! What an OpenAPI document says, in the order in which people read it.

use std::sync::LazyLock;

use rollcall_wire::openapi;
use serde_json::{Map, Value};

/// A document.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) name: &'static str,
    pub(crate) title: String,
    pub(crate) about: String,
    pub(crate) version: String,
    pub(crate) groups: Vec<Group>,
    pub(crate) errors: Vec<Error>,
}

/// The operations on one kind of thing.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    /// The same as a segment of a path.
    pub(crate) slug: String,
    pub(crate) operations: Vec<Operation>,
}

#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) id: String,
    /// The slug of its group.
    pub(crate) group: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) summary: String,
    pub(crate) words: String,
    pub(crate) parts: Vec<Part>,
    pub(crate) statuses: Vec<String>,
    /// What an example of a request consists of.
    pub(crate) request: Request,
    /// The example of an answer.
    pub(crate) answer: Option<String>,
}

/// An example of a request.
#[derive(Debug)]
pub(crate) struct Request {
    /// The kind of key that it needs, and the header that it stands in.
    pub(crate) key: (&'static str, String),
    /// Names and values of what stands in the path, the query and the headers.
    pub(crate) path: Vec<(String, String)>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: Vec<(String, String)>,
    /// Its media type and what it is.
    pub(crate) body: Option<(String, Value)>,
}

/// What goes in, or what comes out.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) heading: &'static str,
    pub(crate) fields: Vec<Field>,
}

/// A parameter, or a member of a body at any depth.
#[derive(Debug)]
pub(crate) struct Field {
    /// Where it stands: `external_user_details.country`, `data[].id`.
    pub(crate) place: String,
    /// What it must be, in words.
    pub(crate) kind: String,
    pub(crate) required: bool,
    pub(crate) words: String,
}

#[derive(Debug)]
pub(crate) struct Error {
    pub(crate) status: String,
    pub(crate) kind: String,
    pub(crate) words: String,
}

/// Every document, read once.
static DOCUMENTS: LazyLock<Vec<Document>> =
    LazyLock::new(|| openapi::names().filter_map(Document::read).collect());

impl Document {
    /// The document called `name`.
    pub(crate) fn of(name: &str) -> Option<&'static Self> {
        DOCUMENTS.iter().find(|document| document.name == name)
    }

    fn read(name: &'static str) -> Option<Self> {
        let document: Value = serde_json::from_str(&openapi::text(name)?).ok()?;
        Some(Self {
            name,
            title: text(&document["info"], "title"),
            about: text(&document["info"], "description"),
            version: text(&document["info"], "version"),
            groups: groups(name, &document),
            errors: errors(&document),
        })
    }

    /// The operation with this id.
    pub(crate) fn operation(&self, id: &str) -> Option<&Operation> {
        let mut all = self.groups.iter().flat_map(|group| &group.operations);
        all.find(|operation| operation.id == id)
    }
}

impl Group {
    fn new(name: &str) -> Self {
        Self {
            slug: slug(name),
            name: name.to_owned(),
            operations: Vec::new(),
        }
    }
}

fn slug(name: &str) -> String {
    name.to_lowercase().replace(' ', "-")
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn groups(name: &str, document: &Value) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (path, item) in members(&document["paths"]) {
        for (method, described) in members(item) {
            let tag = described["tags"][0].as_str().unwrap_or_default();
            let known = groups.iter().position(|group| group.name == tag);
            let place = known.unwrap_or_else(|| {
                groups.push(Group::new(tag));
                groups.len() - 1
            });
            let operation = Operation::of(name, document, path, method, described);
            groups[place].operations.push(operation);
        }
    }
    groups
}

impl Request {
    fn of(name: &str, document: &Value, described: &Value) -> Self {
        let schemes = &document["components"]["securitySchemes"];
        let key = if described["security"][0].get("gateway").is_some() {
            ("gateway", text(&schemes["gateway"], "name"))
        } else {
            let kind = match name {
                openapi::OPERATOR => "operator",
                openapi::WEBHOOKS => "admin",
                _ => "api",
            };
            (kind, "x-api-key".to_owned())
        };
        let placed = |place: &str| {
            let parameters = described["parameters"].as_array().into_iter().flatten();
            let there = parameters.filter(|parameter| parameter["in"] == place);
            let shown = there.filter_map(|parameter| {
                let example = parameter["example"].as_str();
                let only = parameter["schema"]["enum"][0].as_str();
                let only = only.filter(|_| parameter["required"] == true);
                Some((text(parameter, "name"), example.or(only)?.to_owned()))
            });
            shown.collect()
        };
        let contents = members(&described["requestBody"]["content"]);
        let mut shown = contents
            .filter_map(|(kind, content)| Some((kind.clone(), content.get("example")?.clone())));
        Self {
            key,
            path: placed("path"),
            query: placed("query"),
            headers: placed("header"),
            body: shown.next(),
        }
    }

    /// The body as it is written. Records come one a line.
    pub(crate) fn body_text(&self) -> Option<String> {
        self.body.as_ref().map(|(kind, body)| as_text(kind, body))
    }
}

impl Operation {
    fn of(name: &str, document: &Value, path: &str, method: &str, described: &Value) -> Self {
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
        let tag = described["tags"][0].as_str().unwrap_or_default();
        Self {
            id: text(described, "operationId"),
            group: slug(tag),
            method: method.to_uppercase(),
            path: path.to_owned(),
            summary: text(described, "summary"),
            words: text(described, "description"),
            parts: parts
                .into_iter()
                .filter(|part| !part.fields.is_empty())
                .collect(),
            statuses: statuses.filter(|status| status != "200").collect(),
            request: Request::of(name, document, described),
            answer: answer(&described["responses"]["200"]),
        }
    }
}

/// The first example of an answer.
fn answer(described: &Value) -> Option<String> {
    let (kind, content) = members(&described["content"]).next()?;
    Some(as_text(kind, content.get("example")?))
}

fn as_text(kind: &str, example: &Value) -> String {
    match example {
        Value::String(text) => text.clone(),
        example if kind == "application/json" => format!("{example:#}"),
        example => example.to_string(),
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
                    _ => format!("{words} With `error_code`: `{}`.", codes.join("`, `")),
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
