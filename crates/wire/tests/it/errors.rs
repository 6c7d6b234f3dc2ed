//! The contract's error examples, each provoked by the request it belongs to where this crate sees
//! the request.

use rollcall_domain::profile::{Profile, ProfileDraft};
use rollcall_wire::error::{ApiError, CredentialHeader, ErrorCode, ErrorKind};
use rollcall_wire::headers::{KnownBetas, parse_version};

use crate::example::{compact, cursors, dialect, nordlicht, now, organization};

fn create(name: &str, body: &str) -> ApiError {
    dialect(name)
        .parse_create(body.as_bytes(), now())
        .unwrap_err()
}

fn list(name: &str, query: &str) -> ApiError {
    dialect(name)
        .parse_list(Some(query), &cursors(), &organization())
        .unwrap_err()
}

fn too_much_metadata() -> ApiError {
    let body = |keys: std::ops::Range<u8>| {
        let keys: Vec<_> = keys.map(|key| format!("\"k{key}\":\"v\"")).collect();
        format!("{{\"metadata\":{{{}}}}}", keys.join(","))
    };
    let draft = dialect("ga").parse_create(body(0..16).as_bytes(), now());
    let profile = Profile::new(nordlicht().id, ProfileDraft { ..draft.unwrap() }, now());
    let patch = dialect("ga").parse_update(body(16..17).as_bytes(), now());
    profile.update(&patch.unwrap(), now()).unwrap_err().into()
}

#[test]
fn every_example_is_what_the_mistake_it_shows_is_answered_with() {
    let long_value = format!(r#"{{"metadata":{{"plan":"{}"}}}}"#, "x".repeat(513));
    let encoding = ApiError::invalid("content-encoding: must be identity or gzip")
        .with_code(ErrorCode::RequestBodyEncodingUnsupported);
    let null_detail = r#"{"external_user_details":{"country":null}}"#;
    let update = dialect("ga").parse_update(null_detail.as_bytes(), now());
    let cases = [
        ("400.body-encoding", encoding),
        ("400.cursor", list("ga", "page=page")),
        (
            "400.field-in-wrong-dialect",
            create("2026-08-18", r#"{"external_user_details":{}}"#),
        ),
        (
            "400.filter-in-legacy-dialect",
            list("2026-09-04", "enforcement_status%5B%5D=banned"),
        ),
        ("400.limit", list("ga", "limit=0")),
        ("400.metadata-merge", too_much_metadata()),
        ("400.metadata-value", create("ga", &long_value)),
        ("400.missing-version", parse_version([]).unwrap_err()),
        ("400.null-detail", update.unwrap_err()),
        ("400.order", list("2026-03-24", "order=up")),
        ("400.unknown-field", create("ga", r#"{"nickname":"x"}"#)),
        (
            "401.invalid-key",
            ApiError::invalid_credential(CredentialHeader::ApiKey),
        ),
        ("401.missing-key", ApiError::missing_credential()),
        ("403.key-kind", ApiError::wrong_key_kind()),
        ("403.workspace", ApiError::workspace_mismatch()),
        ("404.path", ApiError::path_not_found()),
        ("404.profile", ApiError::profile_not_found()),
        ("405.method", ApiError::method_not_allowed()),
        ("413.body", ApiError::too_large(1024 * 1024)),
        ("429.rate-limit", ApiError::rate_limited(600)),
        ("500", ApiError::internal()),
        ("529", ApiError::overloaded()),
    ];
    for (file, error) in cases {
        assert_eq!(
            error.body("req_011ChEJeNJ2ym8rFQTRofNmW"),
            compact(&format!("error.{file}")),
            "{file}"
        );
        assert!(file.starts_with(&error.status().to_string()), "{file}");
    }
}

/// The contract's text asks for one sentence more than its example shows.
#[test]
fn an_unknown_beta_is_answered_as_the_example_shows_and_names_the_setting() {
    let unknown_beta: &[u8] = b"user-profiles-2025-01-01";
    let mut error = KnownBetas::default().parse([unknown_beta]).unwrap_err();
    let setting = " The server's setting `extra_betas` makes further ones known.";
    error.message = error.message.strip_suffix(setting).unwrap().to_owned();
    assert_eq!(
        error.body("req_011ChEJeNJ2ym8rFQTRofNmW"),
        compact("error.400.unknown-beta")
    );
}

#[test]
fn the_catalogue_is_the_contract_s() {
    let rows: Vec<_> = ErrorKind::ALL
        .iter()
        .map(|kind| (kind.status(), kind.error_type()))
        .collect();
    assert_eq!(
        rows,
        [
            (400, "invalid_request_error"),
            (401, "authentication_error"),
            (402, "billing_error"),
            (403, "permission_error"),
            (404, "not_found_error"),
            (405, "invalid_request_error"),
            (408, "invalid_request_error"),
            (409, "conflict_error"),
            (413, "request_too_large"),
            (414, "invalid_request_error"),
            (429, "rate_limit_error"),
            (431, "invalid_request_error"),
            (500, "api_error"),
            // RFC 9112's answer to a transfer coding that is not undone.
            (501, "api_error"),
            (503, "overloaded_error"),
            (504, "timeout_error"),
            (529, "overloaded_error"),
        ]
    );
}

#[test]
fn suggested_messages_are_the_contract_s() {
    for (error, message) in [
        (
            ApiError::invalid_credential(CredentialHeader::Bearer),
            "invalid bearer token",
        ),
        (ApiError::expired_key(), "API key has expired"),
        (ApiError::disabled_key(), "API key is disabled"),
        (
            ApiError::webhook_endpoint_not_found(),
            "The requested webhook endpoint was not found.",
        ),
    ] {
        assert_eq!(error.message, message);
    }
    assert_eq!(
        ApiError::organization_on_hold().code,
        Some(ErrorCode::OrganizationOnHold)
    );
}

#[test]
fn the_error_reference_is_current() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/reference/errors.md"
    );
    let expected = rollcall_wire::error::reference_markdown();
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(path, &expected).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == expected,
        "docs/reference/errors.md is stale; run UPDATE_REFERENCE=1 cargo test -p rollcall-wire --test it \
         the_error_reference"
    );
    for kind in ErrorKind::ALL {
        assert!(written.contains(&format!("| {} | `{}` |", kind.status(), kind.error_type())));
    }
    for code in ErrorCode::ALL {
        assert!(written.contains(&format!("| `{code}` |")));
    }
}
