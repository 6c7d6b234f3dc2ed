//! One small client, for the public API of any server that speaks it and for Rollcall's own operator API: over HTTP, or
//! of the same service in this process (`in_process.rs`).
//!
//! It retries as the contract says clients do (`headers-and-errors.md`, *What SDKs retry*), with one
//! exception: a write that is not repeatable is sent again only when the server said so or was never
//! reached, because nobody wants a profile twice for a connection that broke after the commit.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::Full;
use hyper_util::client::proxy::matcher::Matcher;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rollcall_domain::id::{Chance as _, SystemChance};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use url::Host;

use super::failure::{Failure, Outcome};
use super::in_process::InProcess;
use super::output::{note, printable};
use crate::outbound;

/// How often a call is sent again.
const RETRIES: u32 = 2;
/// The longest wait that a server may ask for; SDKs fall back to their own backoff above it.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// Who answers calls.
#[derive(Debug)]
pub struct Client(Transport);

#[derive(Debug)]
enum Transport {
    Network(Network),
    InProcess(Box<InProcess>),
}

/// One server, asked with one key.
#[derive(Debug)]
struct Network {
    http: reqwest::Client,
    base_url: String,
    /// The proxy that calls go through, without its credentials.
    proxy: Option<String>,
    key: SecretString,
}

/// A call to be made.
#[derive(Debug)]
pub struct Call {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    headers: Vec<(&'static str, String)>,
    body: Option<(&'static str, Bytes)>,
    repeatable: bool,
}

impl Call {
    fn new(method: Method, path: impl Into<String>, repeatable: bool) -> Self {
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
            repeatable,
        }
    }

    /// A read.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path, true)
    }

    /// A write that may not happen twice, with a JSON body.
    pub fn post(path: impl Into<String>, body: &Value) -> Self {
        Self::new(Method::POST, path, false).json(body)
    }

    /// A write that may happen twice, with a JSON body.
    pub fn put(path: impl Into<String>, body: &Value) -> Self {
        Self::new(Method::PUT, path, true).json(body)
    }

    /// A deletion. Sent twice it would answer 404, which is worse than a broken connection.
    pub fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path, false)
    }

    /// A stream of records, each of which carries its id.
    pub fn records(path: impl Into<String>, lines: Bytes) -> Self {
        let mut call = Self::new(Method::POST, path, true);
        call.body = Some(("application/x-ndjson", lines));
        call
    }

    /// With a query parameter.
    #[must_use]
    pub fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// With a query parameter when there is a value.
    #[must_use]
    pub fn optional(self, name: &'static str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn json(mut self, body: &Value) -> Self {
        self.body = Some(("application/json", Bytes::from(body.to_string())));
        self
    }

    /// The call as a request for this process.
    fn request(&self) -> Outcome<http::Request<Full<Bytes>>> {
        let mut target = self.path.clone();
        if !self.query.is_empty() {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.extend_pairs(&self.query);
            target = format!("{target}?{}", query.finish());
        }
        let request = http::Request::builder().method(&self.method).uri(target);
        let mut request = request.header(http::header::HOST, "localhost");
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let mut body = Full::default();
        if let Some((content_type, bytes)) = &self.body {
            request = request.header(http::header::CONTENT_TYPE, *content_type);
            body = Full::new(bytes.clone());
        }
        request.body(body).map_err(Failure::setup)
    }
}

/// A path segment that may hold anything.
pub fn segment(text: &str) -> String {
    const KEPT: AsciiSet = NON_ALPHANUMERIC
        .remove(b'_')
        .remove(b'-')
        .remove(b'.')
        .remove(b'~');
    // A segment of dots alone would be taken for a step up the path.
    if text.bytes().all(|byte| byte == b'.') {
        return "%2E".repeat(text.len());
    }
    utf8_percent_encode(text, &KEPT).to_string()
}

impl Client {
    /// A client of the server at `base_url`, which is `http://` or `https://`, a path allowed.
    pub fn new(base_url: &str, key: SecretString) -> Outcome<Self> {
        Self::trusting(base_url, key, None)
    }

    /// The same, trusting the authorities in `ca_file` beside those of the machine.
    pub(super) fn trusting(
        base_url: &str,
        key: SecretString,
        ca_file: Option<&Path>,
    ) -> Outcome<Self> {
        let base_url = base_url.trim_end_matches('/').to_owned();
        let parsed = reqwest::Url::parse(&base_url).ok();
        let Some(url) = parsed.filter(|url| matches!(url.scheme(), "http" | "https")) else {
            return Err(Failure::setup(format!(
                "\"{base_url}\" is not a server's address; write it like http://127.0.0.1:8787"
            )));
        };
        if key.expose_secret().trim().is_empty() {
            return Err(Failure::setup("the key is empty"));
        }
        let roots = match url.scheme() {
            "https" => outbound::trusted(ca_file).map_err(Failure::setup)?,
            _ => outbound::compiled_in(),
        };
        let mut http = reqwest::Client::builder();
        // What is on this machine would be something else for a proxy on another one, and none of its business.
        let proxy = if is_this_machine(&url) {
            http = http.no_proxy();
            None
        } else {
            proxy_for(&base_url)
        };
        let http = http
            .tls_backend_preconfigured(outbound::tls(roots).map_err(Failure::setup)?)
            .user_agent(concat!("rollcall/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(10))
            .timeout(Duration::from_mins(10))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| Failure::setup(format!("cannot make an HTTP client: {error}")))?;
        Ok(Self(Transport::Network(Network {
            http,
            base_url,
            proxy,
            key,
        })))
    }

    /// A client of the service in this process.
    pub(super) fn in_process(service: InProcess) -> Self {
        Self(Transport::InProcess(Box::new(service)))
    }

    /// Whether it is in this process, on a storage that no server runs on.
    pub(super) fn is_in_process(&self) -> bool {
        matches!(self.0, Transport::InProcess(_))
    }

    /// Makes the call and answers with the JSON that came back.
    pub async fn call(&self, call: Call) -> Outcome<Value> {
        let network = match &self.0 {
            Transport::Network(network) => network,
            Transport::InProcess(service) => {
                let (head, body, cause) = service.respond(call.request()?).await?;
                if head.status.is_success() {
                    tell_of_damaged(&head.headers);
                    return serde_json::from_slice(&body).map_err(Failure::failed);
                }
                // There is no log in which a request's id would lead to the cause.
                let cause = cause.map_or_else(String::new, |cause| format!(" ({cause})"));
                return Err(refused(head.status, &body, "", &cause));
            }
        };
        let response = network.send(&call).await?;
        tell_of_damaged(response.headers());
        let bytes = response.bytes().await;
        let bytes = bytes.map_err(|error| network.lost(&error))?;
        serde_json::from_slice(&bytes).map_err(|_not_json| {
            Failure::failed(format!(
                "{} answered {} {} with something that is not JSON; is it the right address?",
                network.base_url, call.method, call.path
            ))
        })
    }

    /// Makes the call of a server and answers with the response, its body still to come.
    pub async fn send(&self, call: &Call) -> Outcome<reqwest::Response> {
        match &self.0 {
            Transport::Network(network) => network.send(call).await,
            Transport::InProcess(_) => Err(Failure::setup("only a server can be asked for that")),
        }
    }

    /// Finishes what is queued in this process and lets the storage go.
    pub async fn close(&self) {
        if let Transport::InProcess(service) = &self.0 {
            service.close().await;
        }
    }
}

impl Network {
    async fn send(&self, call: &Call) -> Outcome<reqwest::Response> {
        let mut attempt = 0;
        loop {
            let result = self.request(call)?.send().await;
            let wait = match &result {
                Ok(response) if response.status().is_success() => None,
                Ok(response) => {
                    should_retry(response.status(), response.headers(), call.repeatable)
                        .then(|| wait_for(response.headers(), attempt))
                }
                Err(error) => (call.repeatable || error.is_connect()).then(|| backoff(attempt)),
            };
            match (wait, result) {
                (Some(wait), _) if attempt < RETRIES => {
                    attempt += 1;
                    tokio::time::sleep(wait).await;
                }
                (_, Ok(response)) if response.status().is_success() => return Ok(response),
                (_, Ok(response)) => return Err(refusal(response, &self.way()).await),
                (_, Err(error)) => return Err(self.lost(&error)),
            }
        }
    }

    fn request(&self, call: &Call) -> Outcome<reqwest::RequestBuilder> {
        let url = format!("{}{}", self.base_url, call.path);
        let mut url = reqwest::Url::parse(&url).map_err(Failure::setup)?;
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        let key = self.key.expose_secret();
        let mut key = http::HeaderValue::from_str(key.trim())
            .map_err(|_invalid| Failure::setup("the key holds characters that no key has"))?;
        key.set_sensitive(true);
        let mut request = self.http.request(call.method.clone(), url);
        request = request.header("x-api-key", key);
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        if let Some((content_type, body)) = &call.body {
            request = request
                .header(http::header::CONTENT_TYPE, *content_type)
                .body(body.clone());
        }
        Ok(request)
    }

    fn lost(&self, error: &reqwest::Error) -> Failure {
        let mut cause: &(dyn std::error::Error + 'static) = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        let (base_url, way) = (&self.base_url, self.way());
        if !error.is_connect() {
            return Failure::failed(format!("lost the connection to {base_url}{way}: {cause}"));
        }
        let advice = if is_of_tls(cause) {
            "if an authority of your own certified it, name the file of its certificate in ROLLCALL_CA_FILE, or as \
             ca_file in the settings file"
        } else if self.proxy.is_some() {
            "HTTP_PROXY, HTTPS_PROXY or ALL_PROXY names that proxy; list hosts to reach without it in NO_PROXY"
        } else {
            "is the server running, and is that its address?"
        };
        Failure::setup(format!("cannot reach {base_url}{way} ({cause}); {advice}"))
    }

    /// How the server is reached, if there is something to say about it.
    fn way(&self) -> String {
        let proxy = self.proxy.as_ref();
        proxy.map_or_else(String::new, |proxy| format!(" through the proxy {proxy}"))
    }
}

fn is_this_machine(url: &reqwest::Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => address.is_loopback() || address.is_unspecified(),
        Some(Host::Ipv6(address)) => {
            let address = address.to_canonical();
            address.is_loopback() || address.is_unspecified()
        }
        None => false,
    }
}

/// The proxy that the environment names for this address, as the HTTP client finds it.
fn proxy_for(base_url: &str) -> Option<String> {
    let proxy = Matcher::from_system().intercept(&base_url.parse().ok()?)?;
    let uri = proxy.uri();
    let port = uri.port().map(|port| format!(":{port}"));
    Some(format!(
        "{}://{}{}",
        uri.scheme_str()?,
        uri.host()?,
        port.unwrap_or_default()
    ))
}

/// Whether a connection failed for its TLS. The HTTP client hides that behind I/O errors.
fn is_of_tls(mut cause: &(dyn std::error::Error + 'static)) -> bool {
    loop {
        if cause.is::<rustls::Error>() {
            return true;
        }
        let hidden = cause.downcast_ref::<std::io::Error>();
        match hidden.and_then(std::io::Error::get_ref) {
            Some(inner) => cause = inner,
            None => return false,
        }
    }
}

/// Tells of the profiles that an answer lacks.
fn tell_of_damaged(headers: &HeaderMap) {
    let ids = headers.get("x-rollcall-damaged-profiles");
    if let Some(ids) = ids.and_then(|ids| ids.to_str().ok()) {
        note(&format!(
            "not shown, because what is stored of them is damaged: {ids}"
        ));
    }
}

/// What the server said to a call it did not serve. `way` is how it was reached.
async fn refusal(response: reqwest::Response, way: &str) -> Failure {
    let status = response.status();
    let request_id = response
        .headers()
        .get("request-id")
        .and_then(|value| value.to_str().ok())
        .map(|id| format!(" (request {id})"))
        .unwrap_or_default();
    let body = response.bytes().await.unwrap_or_default();
    refused(status, &body, way, &request_id)
}

/// What the answer says to a call that was not served; `way` is how it came here, `after` what follows it.
fn refused(status: StatusCode, body: &[u8], way: &str, after: &str) -> Failure {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let error_type = body.pointer("/error/type").and_then(Value::as_str);
    let message = body.pointer("/error/message").and_then(Value::as_str);
    let code = status.as_u16();
    let said = match (error_type, message) {
        (Some(error_type), Some(message)) => format!("{error_type} ({code}): {message}"),
        _ => format!("the server answered {code} without an explanation{way}"),
    };
    let said = printable(&(said + after));
    match status {
        StatusCode::NOT_FOUND => Failure::NotFound(said),
        StatusCode::UNAUTHORIZED => Failure::UnknownKey(said),
        _ => Failure::Failed(said),
    }
}

fn should_retry(status: StatusCode, headers: &HeaderMap, repeatable: bool) -> bool {
    match headers
        .get("x-should-retry")
        .map(http::HeaderValue::as_bytes)
    {
        Some(b"true") => true,
        Some(b"false") => false,
        _ => {
            let asks = matches!(status.as_u16(), 408 | 409 | 429);
            asks || (status.is_server_error() && repeatable)
        }
    }
}

fn wait_for(headers: &HeaderMap, attempt: u32) -> Duration {
    let number = |name: &str| -> Option<f64> {
        let text = headers.get(name)?.to_str().ok()?;
        text.trim().parse().ok()
    };
    let asked = number("retry-after-ms")
        .map(|millis| millis / 1_000.0)
        .or_else(|| number("retry-after"))
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    asked
        .filter(|wait| *wait <= LONGEST_WAIT)
        .unwrap_or_else(|| backoff(attempt))
}

/// Half a second, doubled each time up to eight, less up to a quarter by chance.
fn backoff(attempt: u32) -> Duration {
    let full = Duration::from_millis(500 << attempt.min(4)).min(Duration::from_secs(8));
    let mut random = [0];
    SystemChance.fill(&mut random);
    full.saturating_sub(full * u32::from(random[0]) / 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            let name = http::HeaderName::from_static(name);
            (name, http::HeaderValue::from_static(value))
        });
        pairs.collect()
    }

    #[test]
    fn the_server_decides_what_is_sent_again_and_else_the_status_does() {
        let plain = headers(&[]);
        let wanted = headers(&[("x-should-retry", "true")]);
        let unwanted = headers(&[("x-should-retry", "false")]);
        for (status, headers, repeatable, expected) in [
            (429, &plain, false, true),
            (500, &plain, true, true),
            (500, &plain, false, false),
            (500, &wanted, false, true),
            (529, &unwanted, true, false),
            (409, &unwanted, true, false),
            (404, &plain, true, false),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let retried = should_retry(status, headers, repeatable);
            assert_eq!(retried, expected, "{status} {headers:?}");
        }
    }

    #[test]
    fn the_wait_is_the_finest_one_the_server_names() {
        let both = headers(&[("retry-after-ms", "250"), ("retry-after", "1")]);
        assert_eq!(wait_for(&both, 0), Duration::from_millis(250));
        let seconds = headers(&[("retry-after", "2")]);
        assert_eq!(wait_for(&seconds, 0), Duration::from_secs(2));
        let none = wait_for(&headers(&[]), 0);
        assert!(none > Duration::from_millis(370) && none <= Duration::from_millis(500));
        let absurd = headers(&[("retry-after", "86400")]);
        assert!(wait_for(&absurd, 9) <= Duration::from_secs(8));
    }

    #[test]
    fn what_is_on_this_machine_is_known_in_every_spelling() {
        for (url, expected) in [
            ("http://127.0.0.1:8787", true),
            ("http://127.9.9.9", true),
            ("http://localhost:1/x", true),
            ("https://LOCALHOST.", true),
            ("http://a.localhost", true),
            ("http://[::1]", true),
            ("http://[::ffff:127.0.0.1]", true),
            ("http://0.0.0.0:8787", true),
            ("http://localhost.example.com", false),
            ("http://10.0.0.1", false),
            ("https://example.com", false),
        ] {
            let url = reqwest::Url::parse(url).unwrap();
            assert_eq!(is_this_machine(&url), expected, "{url}");
        }
    }

    #[test]
    fn ids_cannot_leave_their_segment() {
        assert_eq!(segment("uprof_01"), "uprof_01");
        assert_eq!(segment("a/b?c"), "a%2Fb%3Fc");
        assert_eq!(segment(".."), "%2E%2E");
    }
}
