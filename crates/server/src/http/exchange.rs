//! What a handler is given: a request on its way, with what has been found out about it.

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use http::request::Parts;
use http::{HeaderValue, Request};
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt as _, Either, Full};
use hyper::body::Incoming;
use parking_lot::Mutex;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::{RequestId, WorkspaceId};
use rollcall_store::{StoreError, Stored};
use tokio::time::{Instant, timeout};

use super::answer::{Answer, BoxError};
use super::body::{self, BodyError};
use super::error::{Failure, Written};
use super::fences::RateDecision;
use crate::app::{App, Operation};
use crate::credentials::Identity;

/// The most parameters that a path has.
pub(super) const MOST_PARAMETERS: usize = 2;

/// The decoded parameters of a path, by the names that its line in the table gives them. Bytes that are
/// not UTF-8 have become U+FFFD, which no identifier contains.
#[derive(Debug, Default)]
pub(crate) struct Params<'a>([(&'static str, Cow<'a, str>); MOST_PARAMETERS]);

impl<'a> Params<'a> {
    /// Of a path that has no more than [`MOST_PARAMETERS`].
    pub(super) fn of(named: impl Iterator<Item = (&'static str, Cow<'a, str>)>) -> Self {
        let mut params = Self::default();
        for (place, param) in params.0.iter_mut().zip(named) {
            *place = param;
        }
        params
    }

    /// The parameter of this name; empty, and so the name of nothing, where the path has none.
    pub(crate) fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(known, _)| *known == name);
        debug_assert!(found.is_some(), "no parameter of this path is named {name}");
        found.map_or("", |(_, value)| value)
    }
}

/// The body of a request: what a connection brings, or all of it from this process.
pub(super) type RequestBody = Either<Incoming, Full<Bytes>>;

/// The identity of the command line, which asks from this process over a storage that it has opened itself, and so
/// needs no key. It comes with a body that no connection brought: nothing that arrives on a socket has it, whatever
/// it says.
pub(crate) struct CommandLine(());

/// What answers requests, for a handler that makes one.
pub(crate) trait Service: Sync {
    /// The answer to a request that a page of ours makes for whoever reads it: like any other request, it is nobody's
    /// without a key.
    fn respond(&self, request: Request<Full<Bytes>>) -> Responding<'_>;

    /// Whether console and reference are on this listener.
    fn has_operators_side(&self) -> bool;
}

pub(crate) type Responding<'a> = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

/// One request on its way: what was asked, and what the answer will say whatever becomes of it.
///
/// It outlives the handler, so that a request that panics or takes too long is answered with
/// everything that had been found out about it.
pub(crate) struct Exchange<'a> {
    pub(crate) app: &'a Arc<App>,
    pub(crate) head: &'a Parts,
    pub(crate) params: Params<'a>,
    pub(crate) request_id: RequestId,
    /// When it came, by the server's clock.
    pub(super) begun: Timestamp,
    /// The same, for what is measured and limited.
    pub(super) started: Instant,
    body: Mutex<BodyState>,
    command_line: Option<CommandLine>,
    /// What answers it; nothing before it was asked to.
    pub(super) service: Option<&'a dyn Service>,
    pub(super) identity: OnceLock<Arc<Identity>>,
    pub(super) workspace: OnceLock<WorkspaceId>,
    pub(super) rate: OnceLock<RateDecision>,
    /// The fault that struck, as a header of the answer names it.
    pub(super) fault: OnceLock<HeaderValue>,
    write_sent: AtomicBool,
    /// What was read of the body, for a development server to show.
    pub(super) seen_body: OnceLock<Bytes>,
}

enum BodyState {
    Unread(Option<RequestBody>),
    Reading,
    /// Since when, and what was left.
    Read(Instant, Option<RequestBody>),
}

/// A body that is being read. What is left of it goes back to its exchange when this is dropped, so that it
/// can be passed over, whatever became of the handler.
pub(crate) struct TakenBody<'a> {
    incoming: Option<RequestBody>,
    home: &'a Mutex<BodyState>,
}

impl http_body::Body for TakenBody<'_> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.incoming {
            Some(incoming) => Pin::new(incoming).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming
            .as_ref()
            .is_none_or(RequestBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let incoming = self.incoming.as_ref();
        incoming.map_or(SizeHint::with_exact(0), RequestBody::size_hint)
    }
}

impl<'a> TakenBody<'a> {
    /// What comes of it, a part at a time, each within `patience`. The listener sees bytes move, an HTTP/2 peer's pings among
    /// them, and not that this body stopped.
    ///
    /// Before each part others get their turn, so that whoever gathers parts for as long as there are any gathers one.
    pub(crate) fn parts(
        self,
        patience: Duration,
    ) -> impl Stream<Item = Result<Bytes, BodyError>> + Send + use<'a> {
        futures_util::stream::unfold(self, move |mut body| async move {
            loop {
                tokio::task::yield_now().await;
                let frame = match timeout(patience, body.frame()).await {
                    Ok(None) => return None,
                    Ok(Some(Ok(frame))) => frame,
                    Ok(Some(Err(_))) | Err(_) => return Some((Err(BodyError::Incomplete), body)),
                };
                if let Ok(part) = frame.into_data() {
                    return Some((Ok(part), body));
                }
            }
        })
    }
}

impl Drop for TakenBody<'_> {
    fn drop(&mut self) {
        *self.home.lock() = BodyState::Read(Instant::now(), self.incoming.take());
    }
}

impl<'a> Exchange<'a> {
    /// A request that came on a connection.
    pub(super) fn of_connection(
        app: &'a Arc<App>,
        head: &'a Parts,
        body: Option<Incoming>,
    ) -> Self {
        Self::new(app, head, body.map(Either::Left), None)
    }

    /// A request of the command line in this process.
    pub(super) fn of_command_line(app: &'a Arc<App>, head: &'a Parts, body: Full<Bytes>) -> Self {
        let command_line = Some(CommandLine(()));
        Self::new(app, head, Some(Either::Right(body)), command_line)
    }

    /// A request that a page of ours makes.
    pub(super) fn of_page(app: &'a Arc<App>, head: &'a Parts, body: Full<Bytes>) -> Self {
        Self::new(app, head, Some(Either::Right(body)), None)
    }

    fn new(
        app: &'a Arc<App>,
        head: &'a Parts,
        body: Option<RequestBody>,
        command_line: Option<CommandLine>,
    ) -> Self {
        let now = app.clock.now();
        Self {
            begun: now,
            started: Instant::now(),
            app,
            head,
            params: Params::default(),
            request_id: app.ids.request(now),
            body: Mutex::new(BodyState::Unread(body)),
            command_line,
            service: None,
            identity: OnceLock::new(),
            workspace: OnceLock::new(),
            rate: OnceLock::new(),
            fault: OnceLock::new(),
            write_sent: AtomicBool::new(false),
            seen_body: OnceLock::new(),
        }
    }

    /// Whether the command line asks.
    pub(crate) fn command_line(&self) -> Option<&CommandLine> {
        self.command_line.as_ref()
    }

    /// What answers this request and others.
    pub(crate) fn service(&self) -> Result<&'a dyn Service, Failure> {
        self.service
            .ok_or_else(|| Failure::internal("there is no service", Written::Nothing))
    }

    /// The query string, without the question mark.
    pub(crate) fn query(&self) -> Option<&'a str> {
        self.head.uri.query()
    }

    /// The whole body, decoded (step 12 of the order of checks).
    pub(crate) async fn body(&self) -> Result<Bytes, Failure> {
        let Some(incoming) = self.take_body() else {
            return Err(Failure::internal("a body was read twice", Written::Nothing));
        };
        let bytes = body::read(incoming, &self.head.headers, self.app.settings.body).await?;
        if self.app.development.is_some() {
            // Set once by construction: a body cannot be read twice.
            let _ = self.seen_body.set(bytes.clone());
        }
        Ok(bytes)
    }

    /// The whole body of a form of at most so many bytes. It is not kept for a development server to show: people's
    /// forms hold secrets.
    pub(crate) async fn form_body(&self, most: usize) -> Result<Bytes, Failure> {
        let Some(incoming) = self.take_body() else {
            return Err(Failure::internal("a body was read twice", Written::Nothing));
        };
        let limits = body::BodyLimits {
            bytes: most,
            ..self.app.settings.body
        };
        Ok(body::read_form(incoming, &self.head.headers, limits).await?)
    }

    /// The body as it arrives, for what does not fit in memory.
    pub(crate) fn take_body(&self) -> Option<TakenBody<'_>> {
        let mut body = self.body.lock();
        let BodyState::Unread(incoming) = &mut *body else {
            return None;
        };
        let incoming = incoming.take();
        *body = BodyState::Reading;
        Some(TakenBody {
            incoming,
            home: &self.body,
        })
    }

    /// What nobody read of the body.
    pub(super) fn rest_of_body(&self) -> Option<RequestBody> {
        match &mut *self.body.lock() {
            BodyState::Unread(rest) | BodyState::Read(_, rest) => rest.take(),
            BodyState::Reading => None,
        }
    }

    /// Reads from storage, taking the time.
    pub(crate) async fn read<T>(
        &self,
        operation: Operation,
        read: impl Future<Output = Stored<T>>,
    ) -> Result<T, Failure> {
        let started = Instant::now();
        let read = read.await;
        self.app.record(operation, started.elapsed());
        read.map_err(|error| Failure::of_read(&error))
    }

    /// Writes to storage, taking the time. Until it has answered, a timeout or a panic means that
    /// nobody knows whether anything was written.
    pub(crate) async fn write<T>(
        &self,
        operation: Operation,
        write: impl Future<Output = Stored<T>>,
    ) -> Result<T, Failure> {
        self.write_sent.store(true, Ordering::Relaxed);
        let started = Instant::now();
        let written = write.await;
        self.app.record(operation, started.elapsed());
        if let Err(StoreError::Unavailable(_) | StoreError::Failed(_)) = written {
            self.write_sent.store(false, Ordering::Relaxed);
        }
        Ok(written?)
    }

    pub(super) fn written(&self) -> Written {
        if self.write_sent.load(Ordering::Relaxed) {
            Written::Perhaps
        } else {
            Written::Nothing
        }
    }

    /// Until when the answer has to be there, as things stand. Reading a body has its own time limit
    /// and does not use up this one.
    pub(super) fn deadline(&self) -> Instant {
        let limit = self.app.settings.request_timeout;
        match *self.body.lock() {
            BodyState::Unread(_) => self.started + limit,
            BodyState::Reading => self.started + self.app.settings.body.time + limit,
            BodyState::Read(at, _) => at + limit,
        }
    }
}
