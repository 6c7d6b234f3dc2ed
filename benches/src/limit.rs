//! The limit server: what an answer costs at least.
//!
//! An axum program that hands out, from memory, the very bytes `rollcall` answered with, after the
//! header work no server can leave out: the route, the key hashed and looked up, version and betas
//! read, a fresh request id and the contract's headers written. What `rollcall` costs above it is
//! storage, cursors, rendering, metrics, limits and logs.

use std::collections::HashMap;
use std::io::BufRead as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::serve::ListenerExt as _;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::output;
use crate::records::base58;

pub(crate) const VERSIONS: [&str; 2] = ["2023-06-01", "2026-10-21"];

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const ORGANIZATION_ID: HeaderName = HeaderName::from_static("anthropic-organization-id");

/// One line on the limit server's standard input: an answer and what it answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Captured {
    pub(crate) key: String,
    /// `None` for the operator, whose answers name none.
    pub(crate) organization: Option<String>,
    /// The value of `anthropic-beta`; empty for none.
    pub(crate) beta: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) body: String,
}

type Refused = (StatusCode, &'static str);

#[derive(Debug, Default)]
struct Credential {
    organization: Option<HeaderValue>,
    /// By beta, then by target.
    answers: HashMap<String, HashMap<String, Bytes>>,
}

#[derive(Debug)]
struct Limit {
    credentials: HashMap<[u8; 32], Credential>,
    /// Stands in for time and chance in request ids.
    requests: AtomicU64,
}

/// Reads the answers, prints the address, serves until killed.
pub(crate) async fn serve() -> anyhow::Result<std::process::ExitCode> {
    let limit = Arc::new(read_answers()?);
    let app = Router::new()
        .route("/v1/user_profiles", get(answer))
        .route("/v1/user_profiles/{id}", get(answer))
        .route("/gateway/v1/check/{name}", get(answer))
        .route("/operator/v1/user_profiles", get(answer))
        .with_state(limit);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    output::address(listener.local_addr()?)?;
    let without_delay = listener.tap_io(|stream| {
        // Slower without, not wrong.
        let _ = stream.set_nodelay(true);
    });
    axum::serve(without_delay, app).await?;
    Ok(std::process::ExitCode::SUCCESS)
}

fn read_answers() -> anyhow::Result<Limit> {
    let mut credentials: HashMap<[u8; 32], Credential> = HashMap::new();
    for line in std::io::stdin().lock().lines() {
        let captured: Captured =
            serde_json::from_str(&line?).context("an answer on standard input")?;
        let credential = credentials
            .entry(Sha256::digest(&captured.key).into())
            .or_default();
        credential.organization = captured
            .organization
            .as_deref()
            .map(HeaderValue::from_str)
            .transpose()?;
        let answers = credential.answers.entry(captured.beta).or_default();
        answers.insert(captured.target, captured.body.into());
    }
    Ok(Limit {
        credentials,
        requests: AtomicU64::new(0),
    })
}

async fn answer(State(limit): State<Arc<Limit>>, uri: Uri, headers: HeaderMap) -> Response {
    match limit.find(&uri, &headers) {
        Ok((credential, body)) => limit.respond(credential, body),
        Err((status, message)) => (status, message).into_response(),
    }
}

impl Limit {
    fn find(&self, uri: &Uri, headers: &HeaderMap) -> Result<(&Credential, Bytes), Refused> {
        let key = headers.get("x-api-key");
        let key = key.ok_or((StatusCode::UNAUTHORIZED, "no key"))?;
        let hash: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        let credential = self.credentials.get(&hash);
        let credential = credential.ok_or((StatusCode::UNAUTHORIZED, "unknown key"))?;
        let version = headers.get("anthropic-version").map(HeaderValue::as_bytes);
        let mut versions = VERSIONS.iter().map(|known| Some(known.as_bytes()));
        if credential.organization.is_some() && !versions.any(|known| known == version) {
            return Err((StatusCode::BAD_REQUEST, "unknown version"));
        }
        let beta = headers.get("anthropic-beta");
        let beta = beta.and_then(|value| value.to_str().ok());
        let mut betas = beta.unwrap_or_default().split(',').map(str::trim);
        let answers = betas.find_map(|name| credential.answers.get(name));
        let target = uri.path_and_query().map_or("", |target| target.as_str());
        let body = answers.and_then(|answers| answers.get(target));
        let body = body.ok_or((StatusCode::NOT_FOUND, "nothing captured"))?;
        Ok((credential, body.clone()))
    }

    fn respond(&self, credential: &Credential, body: Bytes) -> Response {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let request_id = format!("req_01{}", base58((0x019a << 112) | u128::from(number)));
        let mut response = Response::new(Body::from(body));
        let headers = response.headers_mut();
        if let Ok(request_id) = HeaderValue::try_from(request_id) {
            headers.insert(REQUEST_ID, request_id);
        }
        if let Some(organization) = &credential.organization {
            headers.insert(ORGANIZATION_ID, organization.clone());
        }
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        response
    }
}
