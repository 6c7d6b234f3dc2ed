//! One request of the reference, made from here: a form with the example in it, and what the server answered. Under
//! `rollcall serve` it does not exist.
//!
//! The request goes the way of every request, with one of the keys that `rollcall dev` showed at its start. Those
//! stay on the server: the form names the kind. It is behind the console's session and its rule that only our own pages
//! may send, because who can send it can do all that the keys can.

use askama::Template;
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderName, HeaderValue, Request};
use http_body_util::{BodyExt as _, Full};
use rollcall_domain::id::OrganizationId;
use rollcall_domain::tenant::KeyKind;
use rollcall_wire::error::ApiError;
use rollcall_wire::openapi::example::VALUES;
use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::{Choice, ConsoleCall, Frame, Told, segment};
use crate::acts::development::controls;
use crate::http::answer::Answer;
use crate::http::docs::document::{Document, Operation};
use crate::http::error::{Failure, Outcome, sent_status};
use crate::pages::form::Form;
use crate::pages::{Room, page};

/// How much of an answer is shown, in bytes.
const SHOWN_BYTES: usize = 256 * 1024;

#[derive(Template)]
#[template(path = "console/request.html")]
struct RequestPage {
    frame: Frame,
    back: String,
    summary: String,
    method: String,
    path: String,
    keys: Vec<Choice>,
    places: Vec<Place>,
    query: String,
    headers: String,
    body: Option<Text>,
    answer: Option<ShownAnswer>,
}

/// A parameter of the path.
struct Place {
    name: String,
    value: String,
}

/// A text of several lines, and how many there are.
struct Text {
    text: String,
    lines: usize,
}

struct ShownAnswer {
    status: String,
    look: &'static str,
    headers: String,
    body: String,
    cut: bool,
}

/// `GET /console/requests/{document}/{operation}`
pub(crate) async fn show(call: ConsoleCall<'_>) -> Outcome {
    let document = asked(&call)?;
    let operation = named(&call, document)?;
    let form = Filled::with_example(&call, operation)?;
    let shown = form.page(&call, document.name, operation, None);
    page(Room::Console, shown.frame.status(), &shown)
}

/// `POST /console/requests/{document}/{operation}`: makes the request and shows what came of it.
pub(crate) async fn send(call: ConsoleCall<'_>) -> Outcome {
    let document = asked(&call)?;
    let operation = named(&call, document)?;
    let sent = Form::of(call.exchange()).await?;
    let form = Filled::of(&sent, operation);
    let shown = match form.request(&call, operation) {
        Ok(request) => {
            let answer = call.exchange().service()?.respond(request).await;
            let answer = ShownAnswer::of(answer).await;
            form.page(&call, document.name, operation, Some(answer))
        }
        Err(failure) => {
            let told = Told::of(failure)?;
            let mut shown = form.page(&call, document.name, operation, None);
            shown.frame = shown.frame.telling(Some(told));
            shown
        }
    };
    page(Room::Console, shown.frame.status(), &shown)
}

/// The document that the address names.
fn asked(call: &ConsoleCall<'_>) -> Result<&'static Document, ApiError> {
    Document::of(call.param("document")).ok_or_else(ApiError::path_not_found)
}

fn named<'a>(call: &ConsoleCall<'_>, document: &'a Document) -> Result<&'a Operation, ApiError> {
    let operation = document.operation(call.param("operation"));
    operation.ok_or_else(ApiError::path_not_found)
}

/// The form as it is filled in.
struct Filled {
    key: String,
    places: Vec<Place>,
    query: String,
    headers: String,
    body: Option<String>,
}

impl Filled {
    fn with_example(call: &ConsoleCall<'_>, operation: &Operation) -> Result<Self, Failure> {
        let request = &operation.request;
        // The example's organization is not here; the one of this server is.
        let (_, example) = VALUES[0];
        let organization = controls(&call.desk)?.organization_id();
        let organization = organization.map_or(example, OrganizationId::as_str);
        let here = |text: &str| text.replace(example, organization);
        let lines = request.headers.iter();
        let lines = lines.map(|(name, value)| format!("{name}: {value}\n"));
        let places = request.path.iter().map(|(name, value)| Place {
            name: name.clone(),
            value: here(value),
        });
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&request.query);
        Ok(Self {
            key: request.key.0.to_owned(),
            places: places.collect(),
            query: query.finish(),
            headers: lines.collect(),
            body: request.body_text().map(|text| here(&text)),
        })
    }

    fn of(form: &Form, operation: &Operation) -> Self {
        let text = |name: &str| form.get(name).unwrap_or_default().replace("\r\n", "\n");
        let places = operation.request.path.iter().map(|(name, _)| Place {
            name: name.clone(),
            value: text(&format!("path.{name}")),
        });
        Self {
            key: text("key"),
            places: places.collect(),
            query: text("query"),
            headers: text("headers"),
            body: form.get("body").map(|_| text("body")),
        }
    }

    /// What the form asks for.
    fn request(
        &self,
        call: &ConsoleCall<'_>,
        operation: &Operation,
    ) -> Result<Request<Full<Bytes>>, Failure> {
        let mut target = operation.path.clone();
        for Place { name, value } in &self.places {
            target = target.replace(&format!("{{{name}}}"), &segment(value));
        }
        if !self.query.is_empty() {
            target = format!("{target}?{}", self.query);
        }
        let method = operation.method.as_bytes();
        let body = self.body.clone().unwrap_or_default();
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = http::Method::from_bytes(method)
            .map_err(|_invalid| ApiError::at("method", "is not one"))?;
        *request.uri_mut() = target
            .parse()
            .map_err(|_invalid| ApiError::at("query", "must be percent-encoded"))?;
        let headers = request.headers_mut();
        if let Some(host) = call.exchange().head.headers.get(HOST) {
            headers.insert(HOST, host.clone());
        }
        if let (Some((kind, _)), Some(_)) = (&operation.request.body, &self.body) {
            headers.insert(CONTENT_TYPE, value_of("content-type", kind)?);
        }
        for line in self.headers.lines().filter(|line| !line.trim().is_empty()) {
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| ApiError::at("headers", "must be lines of the form name: value"))?;
            let name = HeaderName::from_bytes(name.trim().as_bytes())
                .map_err(|_invalid| ApiError::at("headers", "must have names of headers"))?;
            headers.append(name, value_of("headers", value.trim())?);
        }
        if let Some(secret) = self.secret(call)? {
            let (_, header) = &operation.request.key;
            let name = HeaderName::from_bytes(header.as_bytes())
                .map_err(|_invalid| ApiError::at("key", "has no header"))?;
            headers.insert(name, value_of("key", &secret)?);
        }
        Ok(request)
    }

    /// The key that the form names; none when it says so.
    fn secret(&self, call: &ConsoleCall<'_>) -> Result<Option<String>, Failure> {
        if self.key.is_empty() {
            return Ok(None);
        }
        let mut keys = controls(&call.desk)?.keys.iter();
        let found = keys.find(|(kind, _)| kind.as_str() == self.key);
        let (_, secret) = found.ok_or_else(|| ApiError::at("key", "is not one of this server"))?;
        Ok(Some(secret.expose_secret().to_owned()))
    }

    fn page(
        self,
        call: &ConsoleCall<'_>,
        document: &str,
        operation: &Operation,
        answer: Option<ShownAnswer>,
    ) -> RequestPage {
        let kinds = KeyKind::ALL.iter().map(|kind| kind.as_str());
        let kinds = kinds.map(|kind| (kind, format!("the {kind} key")));
        let none = ("", "no key".to_owned());
        let choices = Choice::all(kinds.chain([none]), Some(&self.key));
        let group = operation.group.as_str();
        RequestPage {
            frame: Frame::new(call, "development"),
            back: format!("/docs/{document}/{group}#{}", operation.id),
            summary: operation.summary.clone(),
            method: operation.method.clone(),
            path: operation.path.clone(),
            keys: choices,
            places: self.places,
            query: self.query,
            headers: self.headers,
            body: self.body.map(|text| Text {
                lines: text.lines().count().clamp(2, 24),
                text,
            }),
            answer,
        }
    }
}

fn value_of(field: &str, text: &str) -> Result<HeaderValue, ApiError> {
    HeaderValue::from_str(text)
        .map_err(|_invalid| ApiError::at(field, "must be what a header can hold"))
}

impl ShownAnswer {
    async fn of(answer: Answer) -> Self {
        let Some(status) = sent_status(&answer) else {
            return Self {
                status: "The connection was broken off, as a fault wanted it".to_owned(),
                look: "bad",
                headers: String::new(),
                body: String::new(),
                cut: false,
            };
        };
        let (head, mut body) = answer.into_parts();
        let headers = head.headers.iter().map(|(name, value)| {
            format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()))
        });
        let mut bytes = BytesMut::new();
        let mut cut = false;
        while let Some(frame) = body.frame().await {
            match frame.map(http_body::Frame::into_data) {
                Ok(Ok(data)) if bytes.len() + data.len() <= SHOWN_BYTES => bytes.extend(data),
                Ok(Err(_trailers)) => {}
                Ok(Ok(_)) | Err(_) => {
                    cut = true;
                    break;
                }
            }
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let readable = serde_json::from_str::<Value>(&text).map(|value| format!("{value:#}"));
        Self {
            status: status.to_string(),
            look: if status.is_success() { "good" } else { "bad" },
            headers: headers.collect(),
            body: readable.unwrap_or(text),
            cut,
        }
    }
}
