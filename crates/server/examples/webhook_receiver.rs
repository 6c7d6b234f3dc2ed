//! A receiver of webhooks: `WEBHOOK_SECRET=whsec_… cargo run --example webhook_receiver`
//!
//! Shown in `docs/webhooks.md`. It needs `axum`, `tokio`, `serde_json` and `standardwebhooks`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use standardwebhooks::Webhook;

struct Receiver {
    webhook: Webhook,
    /// In production: a unique column in your database.
    seen: Mutex<HashSet<String>>,
}

async fn receive(
    State(receiver): State<Arc<Receiver>>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    if receiver.webhook.verify(&body, &headers).is_err() {
        return StatusCode::UNAUTHORIZED;
    }
    let Ok(event) = serde_json::from_slice::<serde_json::Value>(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    let mut seen = receiver.seen.lock().unwrap_or_else(PoisonError::into_inner);
    // Deliveries can repeat.
    if seen.insert(event["id"].to_string()) {
        // Queue it; fetch the profile later.
        println!("{} {}", event["data"]["type"], event["data"]["id"]);
    }
    StatusCode::NO_CONTENT
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let receiver = Receiver {
        webhook: Webhook::new(&std::env::var("WEBHOOK_SECRET")?)?,
        seen: Mutex::default(),
    };
    let routes = Router::new()
        .route("/", post(receive))
        .with_state(Arc::new(receiver));
    let port = std::env::var("PORT").unwrap_or_else(|_| "9000".into());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    axum::serve(listener, routes).await?;
    Ok(())
}
