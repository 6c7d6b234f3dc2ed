//! Is the process there, is it of use, and how is it doing (contract `operator.md`, *Health*).

use std::time::Duration;

use http::header::VARY;
use http::{HeaderName, HeaderValue, StatusCode};
use http_body_util::Full;
use rollcall_wire::error::ApiError;
use rollcall_wire::object::object;

use super::answer::{Body, answer, json};
use super::call::header_values;
use super::docs;
use super::error::{Failure, Outcome};
use super::exchange::{Exchange, Service};
use crate::metrics::Exposition;

static ACCEPT: HeaderName = http::header::ACCEPT;

/// `GET /`: some clients probe it before they begin; a browser is shown the ways on.
pub(crate) async fn root(exchange: &Exchange<'_>) -> Outcome {
    let mut accepted = header_values(exchange.head, &ACCEPT);
    let is_browser = accepted.any(|value| String::from_utf8_lossy(value).contains("text/html"));
    let leads_on = exchange.service().is_ok_and(Service::has_operators_side);
    let mut answer = if is_browser && leads_on {
        docs::front_page()?
    } else {
        json(object(|server| {
            server
                .text("name", "rollcall")
                .text("version", env!("CARGO_PKG_VERSION"))
        }))
    };
    answer
        .headers_mut()
        .insert(VARY, HeaderValue::from_static("accept"));
    Ok(answer)
}

/// `GET /healthz`: the process lives.
pub(crate) async fn live(_exchange: &Exchange<'_>) -> Outcome {
    Ok(json(r#"{"status":"ok"}"#))
}

/// `GET /readyz`: the server is of use, and not on its way out.
///
/// Embedded storage that takes no writes makes its only server unready, for somebody to see. Shared storage does so for
/// all nodes at once: taking all of them out of rotation would end the reads that go on.
pub(crate) async fn ready(exchange: &Exchange<'_>) -> Outcome {
    let app = exchange.app;
    let why_not = if app.is_draining() {
        "The server is shutting down"
    } else if !app.storage_answers().await {
        "Storage does not answer"
    } else if app.storage_takes_writes().await {
        return Ok(json(r#"{"status":"ready"}"#));
    } else if app.store.is_shared() {
        return Ok(json(r#"{"status":"ready","writes":"failing"}"#));
    } else {
        "Storage answers but takes no writes"
    };
    let told = ApiError::not_ready(why_not);
    Err(Failure::try_again(told, Duration::from_secs(1)))
}

/// `GET /metrics`: everything that is counted, as text.
pub(crate) async fn metrics(exchange: &Exchange<'_>) -> Outcome {
    let accept: Vec<_> = header_values(exchange.head, &ACCEPT).collect();
    let exposition = Exposition::asked_for(&String::from_utf8_lossy(&accept.join(&b',')));
    let text = exchange.app.render_metrics(exposition).await;
    let body = Body::Whole(Full::new(text));
    Ok(answer(StatusCode::OK, exposition.content_type(), body))
}
