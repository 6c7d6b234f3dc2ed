//! What is answered while the storage is being opened.
//!
//! Bringing a large storage up to date takes minutes. Whoever looks after the process has to see that it
//! lives and what it does, or kills it and has it begin again; whoever balances load, that it is not ready.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::header::CONNECTION;
use http::{HeaderValue, Method, Request, Response};
use hyper::body::Incoming;
use rollcall_domain::clock::Clock;
use rollcall_domain::id::Ids;
use rollcall_store::Opening;
use rollcall_wire::error::ApiError;
use rollcall_wire::object::object;

use super::answer::{Answer, Body, json};
use super::error::Failure;
use super::listener::Answers;
use super::router::Surface;
use super::service::{leave_out_body, put_on_every_answer};

/// What the answers are made of.
#[derive(Clone, Debug)]
pub struct Starting {
    /// What the opening is doing.
    pub opening: Arc<Opening>,
    /// Makes request ids.
    pub ids: Arc<Ids>,
    /// Where the time in them comes from.
    pub clock: Arc<dyn Clock>,
}

/// The service of one listener until the storage is open. Each answer closes its connection, so that the
/// next request meets the server itself.
pub fn service(starting: Starting, surface: Surface) -> impl Answers {
    tower::service_fn(move |request: Request<Incoming>| {
        let answer = starting.answer(&request, surface);
        async move { Ok::<_, Infallible>(answer) }
    })
}

impl Starting {
    fn answer(&self, request: &Request<Incoming>, surface: Surface) -> Response<Body> {
        let request_id = self.ids.request(self.clock.now());
        let is_health = surface.health && request.uri().path() == "/healthz";
        let mut answer = if is_health && [Method::GET, Method::HEAD].contains(request.method()) {
            self.health()
        } else {
            let told = ApiError::not_ready("The server is starting");
            Failure::try_again(told, Duration::from_secs(1)).into_answer(request_id.as_str())
        };
        if request.method() == Method::HEAD {
            leave_out_body(&mut answer);
        }
        let headers = answer.headers_mut();
        put_on_every_answer(headers, &request_id);
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        answer
    }

    /// `GET /healthz`: the process lives, and this is what it does.
    fn health(&self) -> Answer {
        let step = self.opening.step();
        json(object(|health| {
            let health = health.text("status", "starting");
            let health = match &step {
                None => health.text("doing", "opening the storage"),
                Some(step) => health
                    .text("doing", &step.doing)
                    .number("done", step.done as u64)
                    .number("of", step.of as u64),
            };
            // Grows for as long as the database works.
            health.number("work", self.opening.work())
        }))
    }
}
