//! From a request to a route and back: what is wrapped around every handler. The time limit, the net that
//! catches panics, the headers that *every* response carries, the log line and the metrics.

use std::borrow::Cow;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use http_body_util::Full;
use hyper::body::Incoming;
use rollcall_domain::clock::{Clock, Timestamp};
use rollcall_domain::id::{Ids, RequestId};
use rollcall_record::time;
use rollcall_wire::error::{ApiError, ErrorKind};

use super::answer::{self, Answer, Body};
use super::error::{self, Failure, Outcome};
use super::exchange::{Exchange, Responding, Service};
use super::listener::{self, EdgeErrors};
use super::router::{Found, Handler, Router, Surface, TimeLimit};
use super::routes::PATHS;
use super::source::client_address;
use super::{body, call, cors, host};
use crate::app::App;
use crate::pages::{self, Room};

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const ORGANIZATION_ID: HeaderName = HeaderName::from_static("anthropic-organization-id");
const WORKSPACE_ID: HeaderName = HeaderName::from_static("anthropic-workspace-id");
const RATE_LIMIT: HeaderName = HeaderName::from_static("anthropic-ratelimit-requests-limit");
const RATE_REMAINING: HeaderName =
    HeaderName::from_static("anthropic-ratelimit-requests-remaining");
const RATE_RESET: HeaderName = HeaderName::from_static("anthropic-ratelimit-requests-reset");
const FAULT: HeaderName = HeaderName::from_static("x-rollcall-fault");

/// The service that answers everything on one listener.
pub fn service(app: Arc<App>, surface: Surface) -> impl listener::Answers {
    let router = Arc::new(Router::new(app, surface, PATHS));
    tower::service_fn(move |request| {
        let router = Arc::clone(&router);
        async move { Ok::<_, Infallible>(respond(&router, request).await) }
    })
}

/// Answers to what never became a request, with the headers of those that did.
pub fn edge_errors(ids: &Arc<Ids>, clock: &Arc<dyn Clock>) -> EdgeErrors {
    let (ids, clock) = (Arc::clone(ids), Arc::clone(clock));
    Arc::new(move |status, message| {
        let kind = ErrorKind::ALL
            .into_iter()
            .find(|kind| kind.status() == status.as_u16())
            .unwrap_or(ErrorKind::InvalidRequest);
        let request_id = ids.request(clock.now());
        let text = ApiError::new(kind, message).body(request_id.as_str());
        let mut response = Response::new(Bytes::from(text));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(
            http::header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        if kind == ErrorKind::Overloaded {
            headers.insert(http::header::RETRY_AFTER, HeaderValue::from(1));
            headers.insert(error::SHOULD_RETRY, HeaderValue::from_static("true"));
        }
        put_on_every_answer(headers, &request_id);
        tracing::info!(request_id = %request_id, status = status.as_u16(), "answered at the edge");
        response
    })
}

/// The same service without a socket, for the command line in this process.
pub(crate) struct InProcess(Router);

impl InProcess {
    pub(crate) fn new(app: Arc<App>) -> Self {
        Self(Router::new(app, Surface::EVERYTHING, PATHS))
    }

    /// The answer, and the cause of a failure, which a log would be told: who asks has none and is the operator.
    pub(crate) async fn respond(
        &self,
        request: Request<Full<Bytes>>,
    ) -> (Response<Body>, Option<String>) {
        let (head, body) = request.into_parts();
        let mut exchange = Exchange::of_command_line(&self.0.app, &head, body);
        answer(&self.0, &mut exchange).await
    }
}

impl Service for Router {
    fn respond(&self, request: Request<Full<Bytes>>) -> Responding<'_> {
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let mut exchange = Exchange::of_page(&self.app, &head, body);
            answer(self.of_pages(), &mut exchange).await.0
        })
    }

    fn has_operators_side(&self) -> bool {
        self.surface.operator
    }
}

async fn respond(router: &Router, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let mut exchange = Exchange::of_connection(&router.app, &head, Some(body));
    let (mut response, _logged) = answer(router, &mut exchange).await;
    if head.version < Version::HTTP_2 && error::sent_status(&response).is_some() {
        pass_over_body(&exchange, &mut response).await;
    }
    response
}

/// The answer to a request, and the cause of a failure.
async fn answer<'a>(
    router: &'a Router,
    exchange: &mut Exchange<'a>,
) -> (Response<Body>, Option<String>) {
    exchange.service = Some(router);
    let (app, head) = (exchange.app, exchange.head);
    let found = check_head(app, head).and_then(|()| router.find(head));
    let (outcome, route) = match found {
        Ok(Found::Route { route, params }) => {
            exchange.params = params;
            let outcome = match route.time_limit {
                TimeLimit::Request => within_time_limit(exchange, route.handler).await,
                TimeLimit::None => without_panic(exchange, route.handler).await,
            };
            (outcome, &route.counted)
        }
        Ok(Found::Options { allow }) => (Ok(options(app, head, allow)), &router.options),
        Err(failure) => (Err(failure), &router.unmatched),
    };
    let cause = outcome
        .as_ref()
        .err()
        .and_then(Failure::cause)
        .map(str::to_owned);
    let mut response =
        outcome.unwrap_or_else(|failure| told(failure, router, head, &exchange.request_id));
    complete(exchange, &mut response);

    let took = exchange.started.elapsed();
    let status = error::sent_status(&response);
    if let Some(status) = status {
        route.metrics.record(status, took);
        if is_of_an_api(head) {
            app.traffic.record(exchange.begun, status);
        }
    }
    log(exchange, route.label, status, took, cause.as_deref());
    if let Some(development) = &app.development {
        let body = exchange.seen_body.get();
        let betas = call::header_values(head, &call::BETA);
        let unknown = app.betas.unknown(betas).map(String::from_utf8_lossy);
        let unknown = unknown.map(Cow::into_owned).collect();
        let (now, id) = (exchange.begun, &exchange.request_id);
        let identity = exchange.identity.get();
        let organization = identity.and_then(|it| it.organization.as_ref());
        let of = organization.map(|it| &it.id);
        development
            .requests
            .record(now, id, of, head, unknown, body, status);
    }
    (response, cause)
}

/// Lets the rest of a request's body pass, so that the connection can go on with the next request, or
/// says that it does not go on. HTTP/2 needs neither.
async fn pass_over_body(exchange: &Exchange<'_>, response: &mut Answer) {
    if let Some(rest) = exchange.rest_of_body()
        && !body::pass_over(rest).await
    {
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

/// Step 1 of the order of checks: a head of no more than its size, that says in one way how it is framed and
/// whom it is for.
fn check_head(app: &App, head: &Parts) -> Result<(), Failure> {
    listener::check_head(head)?;
    check_transfer_encoding(&head.headers)?;
    let host = host::named(head)?;
    match (&app.development, host) {
        (Some(development), Some(host)) => Ok(development.hosts.admit(host)?),
        (_, _) => Ok(()),
    }
}

/// Whatever else a body was encoded with on its way, `chunked` alone is undone here.
fn check_transfer_encoding(headers: &HeaderMap) -> Result<(), ApiError> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).into_iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        (_, _) => {
            let message = "transfer-encoding: must be chunked, once, or absent";
            Err(ApiError::new(ErrorKind::NotImplemented, message))
        }
    }
}

/// Whether a program asks one of the APIs, and not a browser for a page or for permission.
fn is_of_an_api(head: &Parts) -> bool {
    let path = head.uri.path();
    let is_below = ["/v1/", "/operator/", "/gateway/"]
        .iter()
        .any(|api| path.starts_with(api));
    is_below && head.method != Method::OPTIONS
}

/// A failure as the one who asked can read it: pages for people, where they have a room here; JSON for programs.
fn told(failure: Failure, router: &Router, head: &Parts, request_id: &RequestId) -> Answer {
    let is_here = |room: &Room| match room {
        Room::Portal => router.surface.public,
        Room::Console => router.surface.operator,
    };
    match Room::of(head.uri.path()).filter(is_here) {
        Some(room) => pages::failed(room, &head.uri, failure, request_id.as_str()),
        None => failure.into_answer(request_id.as_str()),
    }
}

async fn within_time_limit(exchange: &Exchange<'_>, handler: Handler) -> Outcome {
    let mut answer = pin!(without_panic(exchange, handler));
    let mut deadline = exchange.deadline();
    loop {
        if let Ok(outcome) = tokio::time::timeout_at(deadline, answer.as_mut()).await {
            return outcome;
        }
        let later = exchange.deadline();
        if later <= deadline {
            return Err(Failure::timeout(exchange.written()));
        }
        deadline = later;
    }
}

async fn without_panic(exchange: &Exchange<'_>, handler: Handler) -> Outcome {
    // A handler that panicked is never polled again, and what it shares with this is atomic or set once.
    let answer = AssertUnwindSafe(handler(exchange)).catch_unwind();
    answer
        .await
        .unwrap_or_else(|_panic| Err(Failure::internal("a handler panicked", exchange.written())))
}

fn options(app: &App, head: &Parts, allow: HeaderValue) -> Answer {
    let mut answer = answer::empty(StatusCode::NO_CONTENT);
    cors::answer_preflight(
        &app.settings.cors_origins,
        head,
        &allow,
        answer.headers_mut(),
    );
    answer.headers_mut().insert(http::header::ALLOW, allow);
    answer
}

/// Puts on what every response carries, and what this one does because of how far it got.
fn complete(exchange: &Exchange<'_>, response: &mut Answer) {
    if exchange.head.method == Method::HEAD {
        leave_out_body(response);
    }
    let is_known = response.status() != StatusCode::UNAUTHORIZED;
    let headers = response.headers_mut();
    put_on_every_answer(headers, &exchange.request_id);
    // A 401 knows nobody, also the one that a fault makes of a key that works.
    if is_known {
        put_on_what_is_known(exchange, headers);
    }
    if let Some(fault) = exchange.fault.get() {
        headers.insert(FAULT, fault.clone());
    }
    cors::permit_reading(&exchange.app.settings.cors_origins, exchange.head, headers);
}

/// Whose request it is, as far as that was found out.
fn put_on_what_is_known(exchange: &Exchange<'_>, headers: &mut HeaderMap) {
    if let Some(identity) = exchange.identity.get()
        && let Some(organization) = &identity.organization_header
    {
        headers.insert(ORGANIZATION_ID, organization.clone());
    }
    if let Some(workspace) = exchange.workspace.get() {
        put(headers, WORKSPACE_ID, workspace.as_str());
    }
    if let Some(rate) = exchange.rate.get() {
        headers.insert(RATE_LIMIT, HeaderValue::from(rate.limit));
        headers.insert(RATE_REMAINING, HeaderValue::from(rate.remaining));
        let reset = Timestamp::from_micros(rate.reset_at_micros).unwrap_or(Timestamp::MAX);
        put(headers, RATE_RESET, &time::to_text(reset));
    }
}

pub(super) fn put_on_every_answer(headers: &mut HeaderMap, request_id: &RequestId) {
    put(headers, REQUEST_ID, request_id.as_str());
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Bodies are personal data; the few answers that are not say so themselves.
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}

/// Ids are visible ASCII by construction, so that a value that cannot be a header does not occur.
fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

pub(super) fn leave_out_body(response: &mut Answer) {
    let body = std::mem::replace(response.body_mut(), Body::empty());
    if let Some(length) = body.size_hint().exact() {
        response
            .headers_mut()
            .insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
}

/// One line for each request. Its fields are ids, a route's template, numbers and the address of whoever calls an
/// API: never a path (it may hold a token), a key, a name or a metadata value, nor the address of an end user.
fn log(
    exchange: &Exchange<'_>,
    route: &'static str,
    status: Option<StatusCode>,
    took: Duration,
    cause: Option<&str>,
) {
    let request_id = exchange.request_id.as_str();
    let message = status.map_or("broken off on demand", |_status| "answered");
    let status = status.map(|status| status.as_u16());
    if let Some(cause) = cause {
        tracing::error!(request_id, route, status, cause, "failed");
    }
    let identity = exchange.identity.get();
    let organization = identity
        .and_then(|identity| identity.organization.as_ref())
        .map(|organization| organization.id.as_str());
    let key = identity.map(|identity| identity.key.id.as_str());
    let client = is_of_an_api(exchange.head).then(|| {
        let proxies = &exchange.app.settings.listener.proxy_networks;
        client_address(exchange.head, proxies)
    });
    tracing::info!(
        message,
        request_id,
        organization,
        key,
        client = client.flatten().map(tracing::field::display),
        method = exchange.head.method.as_str(),
        route,
        status,
        latency_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
    );
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use insta::assert_snapshot;
    use rollcall_domain::clock::SystemClock;
    use rollcall_domain::id::Ids;
    use rollcall_store::sqlite::SqliteStore;
    use rollcall_store::{StoreError, Stored};
    use rollcall_wire::cursor::{CursorKeys, Cursors};
    use rollcall_wire::headers::KnownBetas;

    use super::*;
    use crate::app::{AppParts, Operation, Settings};
    use crate::metrics::Metrics;

    fn app() -> Arc<App> {
        let ids = Arc::new(Ids::default());
        let mut settings = Settings::new("https://profiles.example.net");
        settings.request_timeout = Duration::from_millis(20);
        App::new(AppParts {
            store: Arc::new(SqliteStore::open_in_memory(Arc::clone(&ids)).unwrap()),
            clock: Arc::new(SystemClock),
            ids,
            cursors: Cursors::new(CursorKeys::new([0; 32])),
            betas: KnownBetas::default(),
            settings,
            metrics: Metrics::new("0"),
            development: None,
        })
    }

    /// Status and advice of what the client is told when a handler comes to this.
    async fn told(handler: Handler) -> String {
        let app = app();
        let (head, ()) = Request::get("/").body(()).unwrap().into_parts();
        let exchange = Exchange::of_connection(&app, &head, None);
        let outcome = within_time_limit(&exchange, handler).await;
        let answer = outcome.unwrap_err().into_answer("req_1");
        let advice = answer.headers().get("x-should-retry");
        format!(
            "{} should retry: {}",
            answer.status().as_u16(),
            advice.unwrap().to_str().unwrap()
        )
    }

    fn lost<T>() -> Stored<T> {
        Err(StoreError::OutcomeUnknown("cut off".into()))
    }

    fn gone<T>() -> Stored<T> {
        Err(StoreError::Unavailable("gone".into()))
    }

    macro_rules! handler {
        (|$exchange:ident| $storage:expr) => {
            |$exchange| {
                Box::pin(async move {
                    let () = $storage.await?;
                    Ok(answer::empty(StatusCode::OK))
                })
            }
        };
    }

    #[tokio::test]
    async fn a_client_is_told_whether_a_write_may_have_happened() {
        let read_hangs = told(handler!(|it| it.read(Operation::FindProfile, pending()))).await;
        assert_snapshot!(read_hangs, @"504 should retry: true");
        let write_hangs = told(handler!(|it| it.write(Operation::ChangeProfile, pending()))).await;
        assert_snapshot!(write_hangs, @"504 should retry: false");
        let lost_read = told(handler!(
            |it| it.read(Operation::FindProfile, async { lost() })
        ))
        .await;
        assert_snapshot!(lost_read, @"500 should retry: true");
        let lost_write = told(handler!(
            |it| it.write(Operation::ChangeProfile, async { lost() })
        ))
        .await;
        assert_snapshot!(lost_write, @"500 should retry: false");
        let refused = told(handler!(
            |it| it.write(Operation::ChangeProfile, async { gone() })
        ))
        .await;
        assert_snapshot!(refused, @"529 should retry: true");
    }

    #[tokio::test]
    async fn what_arrives_on_a_connection_is_never_the_command_line() {
        let here = InProcess::new(app());
        let request = || {
            Request::get("/operator/v1/organizations")
                .header("host", "localhost")
                .header("x-api-key", "command-line")
        };
        let (answered, _) = here.respond(request().body(Full::default()).unwrap()).await;
        assert_eq!(answered.status(), StatusCode::OK);
        // The same request of the same service, but that a connection brought it.
        let (head, ()) = request().body(()).unwrap().into_parts();
        let mut exchange = Exchange::of_connection(&here.0.app, &head, None);
        let (answered, _) = answer(&here.0, &mut exchange).await;
        assert_eq!(answered.status(), StatusCode::UNAUTHORIZED);
        // And the command line is an operator, not a platform.
        let platforms = Request::get("/v1/user_profiles").header("host", "localhost");
        let (answered, _) = here.respond(platforms.body(Full::default()).unwrap()).await;
        assert_eq!(answered.status(), StatusCode::UNAUTHORIZED);
    }

    #[tokio::test]
    async fn a_panic_is_an_answer_too() {
        let before = told(|_| Box::pin(async { panic!("on purpose") })).await;
        assert_snapshot!(before, @"500 should retry: true");
        let after = told(|it| {
            Box::pin(async move {
                it.write(Operation::ChangeProfile, async { Ok(()) }).await?;
                panic!("on purpose")
            })
        });
        assert_snapshot!(after.await, @"500 should retry: false");
        let after_a_refusal = told(|it| {
            Box::pin(async move {
                let write = it.write(Operation::ChangeProfile, async { gone::<()>() });
                drop(write.await);
                panic!("on purpose")
            })
        });
        assert_snapshot!(after_a_refusal.await, @"500 should retry: true");
    }
}
