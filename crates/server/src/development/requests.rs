//! What clients really sent: the last requests, without secrets.

use std::collections::VecDeque;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, StatusCode};
use parking_lot::Mutex;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::RequestId;
use rollcall_domain::page::Limit;
use rollcall_record::json::write_string;
use rollcall_wire::object::ObjectWriter;

use super::Numbered;

/// How many requests are kept.
const KEPT_REQUESTS: usize = 200;

/// How much of a body is kept, in bytes.
const KEPT_BODY: usize = 64 * 1024;

/// Headers whose values are secrets.
const SECRET_HEADERS: [HeaderName; 4] = [
    HeaderName::from_static("x-api-key"),
    http::header::AUTHORIZATION,
    http::header::PROXY_AUTHORIZATION,
    http::header::COOKIE,
];

/// What stands in the place of a secret.
const REMOVED: &str = "[removed]";

/// The last requests received, newest first.
#[derive(Debug, Default)]
pub(crate) struct RecentRequests(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    requests: VecDeque<RecentRequest>,
    /// How many there have been in all.
    received: u64,
}

#[derive(Debug)]
struct RecentRequest {
    number: u64,
    at: Timestamp,
    request_id: RequestId,
    method: String,
    path: String,
    query: Option<String>,
    headers: Vec<(String, String)>,
    unknown_betas: Vec<String>,
    body: Option<String>,
    /// None, when the connection was broken off before anything was answered.
    status: Option<StatusCode>,
}

impl RecentRequests {
    /// Keeps a request, with the betas it listed that are not known. Those of the controls and of the console that shows this list are left out:
    /// they are not what is looked for.
    pub(crate) fn record(
        &self,
        at: Timestamp,
        request_id: &RequestId,
        head: &Parts,
        unknown_betas: Vec<String>,
        body: Option<&Bytes>,
        status: Option<StatusCode>,
    ) {
        let path = head.uri.path();
        let own = ["/operator/v1/dev/", "/assets/", "/console/"];
        if path == "/console" || own.iter().any(|own| path.starts_with(own)) {
            return;
        }
        let mut recent = RecentRequest {
            number: 0,
            at,
            request_id: request_id.clone(),
            method: head.method.to_string(),
            path: without_token(path),
            query: head.uri.query().map(str::to_owned),
            headers: head.headers.iter().map(without_secret).collect(),
            unknown_betas,
            body: body.map(|body| {
                let shown = &body[..body.len().min(KEPT_BODY)];
                String::from_utf8_lossy(shown).into_owned()
            }),
            status,
        };
        let mut kept = self.0.lock();
        kept.received += 1;
        recent.number = kept.received;
        kept.requests.push_front(recent);
        kept.requests.truncate(KEPT_REQUESTS);
    }

    pub(crate) fn clear(&self) {
        self.0.lock().requests.clear();
    }

    /// Those received before the one with this number, each as an item of a JSON array.
    pub(crate) fn list(&self, before: Option<u64>, limit: Limit) -> Numbered<String> {
        let kept = self.0.lock();
        let wanted = kept
            .requests
            .iter()
            .filter(|it| before.is_none_or(|before| it.number < before));
        Numbered::first(wanted.map(|it| (it.number, it.write())), limit)
    }
}

impl RecentRequest {
    fn write(&self) -> String {
        let mut out = String::with_capacity(1_024);
        ObjectWriter::new(&mut out)
            .text("type", "request")
            .text("request_id", self.request_id.as_str())
            .time("at", self.at)
            .text("method", &self.method)
            .text("path", &self.path)
            .optional_text("query", self.query.as_deref())
            .array("headers", &self.headers, |out, (name, value)| {
                out.push('[');
                write_string(out, name);
                out.push(',');
                write_string(out, value);
                out.push(']');
            })
            .texts(
                "unknown_betas",
                self.unknown_betas.iter().map(String::as_str),
            )
            .optional_text("body", self.body.as_deref())
            .optional_number("status", self.status.map(|status| status.as_u16()))
            .close();
        out
    }
}

fn without_token(path: &str) -> String {
    const ENROLLMENT: &str = "/user-profiles/enrollment/";
    match path.strip_prefix(ENROLLMENT) {
        Some(_token) => format!("{ENROLLMENT}{REMOVED}"),
        None => path.to_owned(),
    }
}

fn without_secret((name, value): (&HeaderName, &http::HeaderValue)) -> (String, String) {
    let value = if SECRET_HEADERS.contains(name) {
        REMOVED.to_owned()
    } else {
        String::from_utf8_lossy(value.as_bytes()).into_owned()
    };
    (name.to_string(), value)
}
