//! `GET /user-profiles/enrollment/{token}`: what an end user sees who opens an enrollment URL.
//!
//! One plain page for now: it verifies the token and names the platform. The token is the secret, so it
//! is looked up by its hash, never logged, and kept from leaving in a `Referer`.

use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_FRAME_OPTIONS};
use http::{HeaderValue, StatusCode};
use http_body_util::Full;
use rollcall_domain::tenant::OperatorProof;

use super::Exchange;
use super::answer::{Answer, Body, Outcome, answer};
use crate::app::Operation;
use crate::secrets;

/// `GET /user-profiles/enrollment/{token}`
pub(crate) async fn show(exchange: &Exchange<'_>) -> Outcome {
    let app = exchange.app;
    let hash = secrets::hash(exchange.params[0].as_bytes());
    let find = app.store.find_enrollment_url(&hash);
    let url = exchange.read(Operation::FindEnrollmentUrl, find).await?;
    let Some(url) = url.filter(|url| secrets::same(&url.token_hash, &hash)) else {
        return Ok(page(
            StatusCode::NOT_FOUND,
            "This link does not exist",
            NOT_FOUND,
        ));
    };
    let proof = OperatorProof::of_storage_access();
    let scope = proof.choose(url.organization_id.clone());
    let find = app.store.find_profile(&scope, &url.profile_id);
    let profile = exchange.read(Operation::FindProfile, find).await?;
    let over = url.expires_at <= app.clock.now() || url.enrollment_id.is_some();
    if over || profile.is_none() {
        return Ok(page(StatusCode::GONE, "This link no longer works", GONE));
    }
    let find = app.store.find_organization(proof, &url.organization_id);
    let organization = exchange.read(Operation::ReadTenants, find).await?;
    let platform = organization.map_or_else(String::new, |organization| organization.name);
    let text = format!(
        "<p><strong>{}</strong> has invited you to enroll.</p><p>This link is yours alone and works \
         for a few minutes.</p>",
        escaped(&platform)
    );
    Ok(page(StatusCode::OK, "Enrollment", &text))
}

const NOT_FOUND: &str =
    "<p>Check that you opened the whole address, or ask whoever sent it for a new one.</p>";

const GONE: &str = "<p>It has expired or has been used. Ask whoever sent it for a new one.</p>";

/// Nothing is loaded, run, framed or sent from here.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
                      form-action 'self'; frame-ancestors 'none'";

/// `title` and `body` are HTML already.
fn page(status: StatusCode, title: &str, body: &str) -> Answer {
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title}</title><style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;\
         margin:4rem auto;padding:0 1rem}}</style></head><body><main><h1>{title}</h1>{body}</main>\
         </body></html>"
    );
    let body = Body::Whole(Full::new(html.into()));
    let mut answer = answer(status, "text/html; charset=utf-8", body);
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    answer
}

fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
    html
}
