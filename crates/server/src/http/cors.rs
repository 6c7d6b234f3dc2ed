//! Cross-origin reading of the public API, only for the origins that the operator configured (contract,
//! *Paths and methods*). Without configuration, and on paths that are not the public API's, no header of it is
//! ever sent: no page of somebody else's has business with the operator's side or with an end user's form.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ORIGIN,
    VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};

/// What a script may read besides the body.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "request-id, anthropic-organization-id, anthropic-workspace-id, \
     anthropic-ratelimit-requests-limit, anthropic-ratelimit-requests-remaining, \
     anthropic-ratelimit-requests-reset, retry-after, retry-after-ms, x-should-retry",
);

/// Lets a script of a configured origin read the answer.
pub(super) fn permit_reading(origins: &[HeaderValue], head: &Parts, headers: &mut HeaderMap) {
    if origins.is_empty() || !is_of_the_public_api(head) {
        return;
    }
    headers.append(VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = permitted(origins, head) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}

/// Lets a script of a configured origin send what it asks to send, for ten minutes.
pub(super) fn answer_preflight(
    origins: &[HeaderValue],
    head: &Parts,
    methods: &HeaderValue,
    headers: &mut HeaderMap,
) {
    if !is_of_the_public_api(head) || permitted(origins, head).is_none() {
        return;
    }
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods.clone());
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    if let Some(wanted) = head.headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
}

fn is_of_the_public_api(head: &Parts) -> bool {
    head.uri.path().starts_with("/v1/")
}

fn permitted(origins: &[HeaderValue], head: &Parts) -> Option<HeaderValue> {
    let origin = head.headers.get(ORIGIN)?;
    origins.contains(origin).then(|| origin.clone())
}
