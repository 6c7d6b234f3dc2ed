//! What clients really sent: the last requests, without secrets.

use std::collections::VecDeque;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, StatusCode};
use parking_lot::Mutex;
use percent_encoding::percent_decode_str;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::{OrganizationId, RequestId};
use rollcall_domain::page::Limit;
use rollcall_record::json::write_string;
use rollcall_wire::object::ObjectWriter;

use super::Numbered;

/// How many requests are kept.
const KEPT_REQUESTS: usize = 200;

/// How much of a body is kept, in bytes.
const KEPT_BODY: usize = 64 * 1024;

/// Headers whose values are secrets.
const SECRET_HEADERS: [HeaderName; 5] = [
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-rollcall-gateway-key"),
    http::header::AUTHORIZATION,
    http::header::PROXY_AUTHORIZATION,
    http::header::COOKIE,
];

/// What the names of query parameters hold whose values are secrets. None of ours is one: who sends it there
/// has it from elsewhere.
const SECRET_PARAMETERS: [&str; 5] = ["key", "token", "secret", "auth", "password"];

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
    /// Whose key came with it, if that was known.
    organization_id: Option<OrganizationId>,
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
    #[expect(
        clippy::too_many_arguments,
        reason = "what is known of a request that is over"
    )]
    pub(crate) fn record(
        &self,
        at: Timestamp,
        request_id: &RequestId,
        of: Option<&OrganizationId>,
        head: &Parts,
        unknown_betas: Vec<String>,
        body: Option<&Bytes>,
        status: Option<StatusCode>,
    ) {
        let path = head.uri.path();
        let decoded = percent_decode_str(path).decode_utf8_lossy();
        let own = ["/operator/v1/dev/", "/assets/", "/console/"];
        if decoded == "/console" || own.iter().any(|own| decoded.starts_with(own)) {
            return;
        }
        let mut recent = RecentRequest {
            number: 0,
            at,
            request_id: request_id.clone(),
            organization_id: of.cloned(),
            method: head.method.to_string(),
            path: without_token(path, &decoded),
            query: head.uri.query().map(without_credentials),
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

    /// Those received before the one with this number, of one organization or of everybody, each as an item of a JSON
    /// array.
    pub(crate) fn list(
        &self,
        of: Option<&OrganizationId>,
        before: Option<u64>,
        limit: Limit,
    ) -> Numbered<String> {
        let kept = self.0.lock();
        let wanted = kept
            .requests
            .iter()
            .filter(|it| of.is_none() || it.organization_id.as_ref() == of)
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
            .optional_text(
                "organization_id",
                self.organization_id.as_ref().map(OrganizationId::as_str),
            )
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

/// The path without what stands where an enrollment URL has its token, however it was written and whether
/// or not such a path is served.
fn without_token(path: &str, decoded: &str) -> String {
    const BEFORE: &str = "enrollment";
    let mut segments = decoded.split('/');
    if !segments.any(|segment| segment.eq_ignore_ascii_case(BEFORE)) {
        return path.to_owned();
    }
    let token: usize = segments.map(|segment| segment.len() + 1).sum();
    format!("{}/{REMOVED}", &decoded[..decoded.len() - token])
}

/// The query without the values that are, or may be meant to be, a credential.
fn without_credentials(query: &str) -> String {
    let pairs = query.split('&').map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decoded = percent_decode_str(name)
            .decode_utf8_lossy()
            .to_ascii_lowercase();
        let value = percent_decode_str(value).decode_utf8_lossy();
        let is_secret = SECRET_PARAMETERS
            .iter()
            .any(|secret| decoded.contains(secret))
            || value.starts_with("sk-");
        if is_secret && !value.is_empty() {
            format!("{name}={REMOVED}")
        } else {
            pair.to_owned()
        }
    });
    pairs.collect::<Vec<_>>().join("&")
}

fn without_secret((name, value): (&HeaderName, &http::HeaderValue)) -> (String, String) {
    let value = if SECRET_HEADERS.contains(name) {
        REMOVED.to_owned()
    } else {
        String::from_utf8_lossy(value.as_bytes()).into_owned()
    };
    (name.to_string(), value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(path: &str) -> String {
        let decoded = percent_decode_str(path).decode_utf8_lossy();
        without_token(path, &decoded)
    }

    #[test]
    fn the_token_of_an_enrollment_url_is_not_shown_however_its_path_is_written() {
        for path in [
            "/user-profiles/enrollment/TOKEN",
            "/user-profiles/%65nrollment/TOKEN",
            "/user-profiles/enrollment/TOKEN/",
            "/user-profiles/enrollment/%54OKEN",
            "/user-profiles%2Fenrollment%2FTOKEN",
            "/user-profiles/Enrollment/TOKEN/%ff",
            "//user-profiles//enrollment//TOKEN",
        ] {
            let shown = shown(path);
            assert!(!shown.contains("OKEN"), "{shown}");
            assert!(shown.ends_with("/[removed]"), "{shown}");
        }
        let other = "/v1/user_profiles/uprof_%31/enrollment_url";
        assert_eq!(shown(other), other);
    }

    #[test]
    fn a_key_in_the_query_is_not_shown() {
        for query in [
            "api_key=SECRET",
            "limit=1&X-API-KEY=SECRET",
            "access%5ftoken=SECRET",
            "%61pi_%6bey=SECRET&limit=1",
            "page=sk-rollcall-SECRET",
            "page=%73k-rollcall-SECRET",
        ] {
            let shown = without_credentials(query);
            assert!(!shown.contains("SECRET"), "{shown}");
        }
        let other = "limit=1&page=AbC&order_by=name&api_key=";
        assert_eq!(without_credentials(other), other);
    }
}
