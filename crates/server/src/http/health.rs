//! Is the process there, is it of use, and how is it doing (contract `operator.md`, *Health*).

use std::time::Duration;

use http::StatusCode;
use http_body_util::Full;
use rollcall_wire::error::ApiError;
use rollcall_wire::object::object;

use super::Exchange;
use super::answer::{Body, Outcome, answer, json};
use super::call::header_values;
use super::error::Failure;
use crate::metrics::Exposition;

/// How long storage may take to answer before the server calls itself not ready.
const PATIENCE: Duration = Duration::from_secs(2);

/// `GET /`: some clients probe it before they begin.
pub(crate) async fn root(_exchange: &Exchange<'_>) -> Outcome {
    Ok(json(object(|server| {
        server
            .text("name", "rollcall")
            .text("version", env!("CARGO_PKG_VERSION"))
    })))
}

/// `GET /healthz`: the process lives.
pub(crate) async fn live(_exchange: &Exchange<'_>) -> Outcome {
    Ok(json(r#"{"status":"ok"}"#))
}

/// `GET /readyz`: storage answers, and the server is not on its way out.
pub(crate) async fn ready(exchange: &Exchange<'_>) -> Outcome {
    let app = exchange.app;
    let answers = !app.is_draining()
        && matches!(
            tokio::time::timeout(PATIENCE, app.store.ping()).await,
            Ok(Ok(()))
        );
    if answers {
        Ok(json(r#"{"status":"ready"}"#))
    } else {
        let told = ApiError::starting_or_draining();
        Err(Failure::try_again(told, Duration::from_secs(1)))
    }
}

/// `GET /metrics`: everything that is counted, as text.
pub(crate) async fn metrics(exchange: &Exchange<'_>) -> Outcome {
    let accept: Vec<_> = header_values(exchange.head, "accept").collect();
    let exposition = Exposition::asked_for(&String::from_utf8_lossy(&accept.join(&b',')));
    let text = exchange.app.render_metrics(exposition).await;
    let body = Body::Whole(Full::new(text));
    Ok(answer(StatusCode::OK, exposition.content_type(), body))
}
