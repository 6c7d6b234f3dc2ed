//! Inputs nobody thought of: no parser panics, and what it says fits an error's limits.
//!
//! Each harness runs as an ordinary test with a fixed number of inputs; `cargo bolero test` runs the
//! same harness for as long as one likes.

use rollcall_domain::id::{Ids, ProfileId};
use rollcall_domain::program::ProgramName;
use rollcall_wire::dialect::Dialect;
use rollcall_wire::error::ApiError;
use rollcall_wire::headers::{KnownBetas, lists, parse_version, parse_workspace};
use rollcall_wire::operator::{
    body_fields, deliveries, dev, enforcement, enrollments, optional_body_fields, profiles, tenants,
};
use rollcall_wire::query::parse_query_beta_only;
use rollcall_wire::webhooks::{self, EndpointListing, EndpointRules, UrlPolicy};
use rollcall_wire::{dialects, enrollment_urls};

use crate::example::{cursors, now, organization};

const INPUTS: usize = 20_000;

/// Whatever is told is one line of at most 500 characters.
fn fits<T>(read: Result<T, ApiError>) {
    if let Err(error) = read {
        let body = error.body("req_1");
        let told: serde_json::Value = serde_json::from_str(&body).unwrap();
        let message = told["error"]["message"].as_str().unwrap();
        assert!(message.chars().count() <= 500);
        assert!(!message.chars().any(char::is_control));
    }
}

fn body_of(dialect: &Dialect, body: &[u8]) {
    fits(dialect.parse_create(body, now()));
    fits(dialect.parse_update(body, now()));
}

/// Bytes that get past the first brace more often than random ones do: each chooses a piece.
fn pieced(choices: &[u8]) -> Vec<u8> {
    const PIECES: [&str; 40] = [
        "{",
        "}",
        "{",
        "}",
        "[",
        "]",
        ":",
        ":",
        ",",
        ",",
        "\"",
        "null",
        "true",
        "1",
        "-1e9",
        "\"\"",
        "\"name\"",
        "\"metadata\"",
        "\"access_type\"",
        "\"relationship\"",
        "\"external_id\"",
        "\"external_user_details\"",
        "\"external_user_onboarded_at\"",
        "\"country\"",
        "\"onboarded_at\"",
        "\"reference_id\"",
        "\"application\"",
        "\"resold\"",
        "\"DE\"",
        "\"2026-03-15T10:00:00Z\"",
        "\"\\u0000\"",
        "\"\\ud800\"",
        "\"é\"",
        "\"type\"",
        "\"status\"",
        "\"action\"",
        "\"url\"",
        "\"enabled_events\"",
        "\"expires_at\"",
        "\n",
    ];
    let pieces = choices
        .iter()
        .map(|&choice| PIECES[usize::from(choice) % PIECES.len()]);
    pieces.collect::<String>().into_bytes()
}

#[test]
fn no_body_makes_a_dialect_panic() {
    bolero::check!()
        .with_iterations(INPUTS)
        .for_each(|input: &[u8]| {
            for dialect in dialects::ALL {
                body_of(dialect, input);
                body_of(dialect, &pieced(input));
            }
        });
}

#[test]
fn no_query_makes_a_list_panic() {
    let cursors = cursors();
    bolero::check!()
        .with_iterations(INPUTS)
        .for_each(|input: &[u8]| {
            let text = String::from_utf8_lossy(input);
            for query in [text.as_ref(), &format!("limit={text}&page=page_{text}")] {
                for dialect in dialects::ALL {
                    fits(dialect.parse_list(Some(query), &cursors, &organization()));
                }
                fits(parse_query_beta_only(Some(query)));
                fits(EndpointListing::parse(Some(query)));
                fits(profiles::parse_search(Some(query), &cursors));
                fits(deliveries::parse_list(Some(query), &cursors));
            }
        });
}

#[test]
fn no_cursor_makes_opening_panic_or_succeed() {
    let cursors = cursors();
    bolero::check!()
        .with_iterations(INPUTS)
        .for_each(|input: &[u8]| {
            let text = String::from_utf8_lossy(input);
            for cursor in [
                text.as_ref(),
                &format!("page_{text}"),
                &format!("page_AQ{text}"),
            ] {
                assert!(cursors.open(&organization(), cursor).is_err());
            }
        });
}

#[test]
fn no_header_makes_betas_version_or_workspace_panic() {
    let known = KnownBetas::default();
    bolero::check!()
        .with_iterations(INPUTS)
        .for_each(|input: &[u8]| {
            fits(known.parse([input, b"user-profiles-2026-08-18"]));
            fits(parse_version([input]));
            fits(parse_workspace([input]));
            lists([input], "webhooks-2026-10-07");
        });
}

#[test]
fn no_body_makes_the_other_endpoints_panic() {
    let id = || ProfileId::parse("uprof_1").unwrap();
    bolero::check!()
        .with_iterations(INPUTS)
        .for_each(|input: &[u8]| {
            let ids = Ids::default();
            for body in [input, &pieced(input)] {
                fits(enrollment_urls::parse_action_url_body(body));
                fits(webhooks::parse_create(body, EndpointRules::default()));
                fits(webhooks::parse_update(body, EndpointRules::default()));
                fits(profiles::parse_record(body, id(), &ids, now()));
                fits(optional_body_fields(body).and_then(enrollments::parse_approval));
                if body_fields(body).is_err() {
                    fits(body_fields(body));
                    continue;
                }
                let fields = || body_fields(body).unwrap();
                fits(tenants::parse_organization_patch(fields()));
                fits(tenants::parse_api_key(fields(), organization()));
                fits(profiles::parse_program(fields(), &ProgramName::Cyber));
                let action_id = ids.enforcement_action(now());
                fits(enforcement::parse_action(fields(), action_id, now()));
                fits(dev::parse_clock(fields()));
                fits(dev::parse_fault(fields()));
            }
            let text = String::from_utf8_lossy(input);
            for url in [text.as_ref(), &format!("https://{text}")] {
                let _ = UrlPolicy::default().parse(url);
                let _ = UrlPolicy::DEVELOPMENT.parse(url);
            }
            let _ = dev::parse_duration(&text);
        });
}
