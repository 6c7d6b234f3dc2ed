//! The error catalogue as a reader sees it: `docs/reference/errors.md`, held to the code by a test.

use std::fmt::Write as _;

use super::{ErrorCode, ErrorKind};

const INTRODUCTION: &str = r#"<!-- Generated from crates/wire/src/error.rs by the test `errors` of that crate; change the words there, then run
     UPDATE_REFERENCE=1 cargo test -p rollcall-wire --test it the_error_reference -->

# Errors

Every error is JSON of this shape, on the public API and on the operator's:

```json
{"type":"error","error":{"type":"not_found_error","message":"The requested user profile was not found."},"request_id":"req_…"}
```

`error.details.error_code` is there for the rows of the second table alone. Match on the status, on `error.type` and on the
code, which stay; not on messages, which may improve. `request_id` is also in the header `request-id`, and is the one in the
server's log.

SDKs try again by themselves as `x-should-retry` and `retry-after` say. Where `x-should-retry` is true or false, false is for a
write of which nobody knows whether it happened: look before you send it again.

| status | `error.type` | `x-should-retry` | means | do |
| --- | --- | --- | --- | --- |
"#;

const CODES: &str = "
## Codes

| `error_code` | status | means |
| --- | --- | --- |
";

/// The content of `docs/reference/errors.md`.
pub fn reference_markdown() -> String {
    let mut markdown = INTRODUCTION.to_owned();
    for kind in ErrorKind::ALL {
        let retry = match kind.should_retry() {
            [] => "\u{2013}".to_owned(),
            values => values.join(" or "),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            markdown,
            "| {} | `{}` | {retry} | {} | {} |",
            kind.status(),
            kind.error_type(),
            kind.meaning(),
            remedy(kind),
        );
    }
    markdown.push_str(CODES);
    for code in ErrorCode::ALL {
        let (name, status, meaning) = (code.as_str(), code.kind().status(), code.meaning());
        let _ = writeln!(markdown, "| `{name}` | {status} | {meaning} |");
    }
    markdown
}

/// What whoever gets it can do.
const fn remedy(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidRequest => "Mend what the message names; sent again it fails again.",
        ErrorKind::Authentication => "Send a key that is known, enabled and not expired.",
        ErrorKind::Billing => "Set how the profile's billing stands; see the guide to gateways.",
        ErrorKind::Permission => {
            "Use a key of the kind that the path needs (`api`, `admin`, `gateway` or `operator`), or leave the workspace header out. A code says what a gateway's policy refuses."
        }
        ErrorKind::NotFound => {
            "Look at the path and at the id. An id of another organization and a deleted one are answered alike; `/v1/organizations/webhooks` needs its beta."
        }
        ErrorKind::MethodNotAllowed => "`Allow` lists the path's methods.",
        ErrorKind::RequestTimeout => "Send the request at once; the connection is closed.",
        ErrorKind::Conflict => {
            "Read what is stored, and decide anew. The public API never sends it."
        }
        ErrorKind::TooLarge => {
            "A body has at most 1 MiB (an import to the operator API has no limit)."
        }
        ErrorKind::UriTooLong => "Send less in the query.",
        ErrorKind::RateLimit => "Wait as `retry-after-ms` says.",
        ErrorKind::HeadersTooLarge => "Send fewer or shorter headers.",
        ErrorKind::Internal => {
            "Give the operator the request id: the cause is in the log under it."
        }
        ErrorKind::NotImplemented => {
            "Send the body as it is, with a `Content-Length` or `Transfer-Encoding: chunked`."
        }
        ErrorKind::Unavailable => "Wait as `retry-after-ms` says; another node may be up.",
        ErrorKind::Timeout => "Try again later; if it stays, give the operator the request id.",
        ErrorKind::Overloaded => {
            "Wait as `retry-after-ms` says; `/readyz` and the metrics tell the operator more."
        }
    }
}
