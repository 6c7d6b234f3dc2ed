//! `GET /docs`: what the server says about itself to people.
//!
//! A page for each OpenAPI document and one for each group of its operations, made from the document and
//! nothing else, so that they cannot say anything different. They are whole without a script, a font or an image, and
//! ask no other server for anything: the policy they are sent with would not let them.

pub(crate) mod document;
mod pages;
mod snippets;

use std::sync::LazyLock;

use askama::Template;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_FRAME_OPTIONS};
use http::{HeaderValue, StatusCode};
use http_body_util::Full;
use rollcall_wire::dialects;
use rollcall_wire::error::ApiError;

use self::pages::Rendered;
use super::answer::{Answer, Body, answer};
use super::error::{Failure, Outcome, Written};
use super::exchange::Exchange;

/// Nothing but the stylesheet is loaded, nothing is run, framed or sent from here.
const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

const STYLE: &str = include_str!("../../templates/docs/style.css");

static PAGES: LazyLock<Vec<Rendered>> = LazyLock::new(|| pages::all(false));

/// Those of a development server, which lead to the form that sends a request.
static DEVELOPMENT_PAGES: LazyLock<Vec<Rendered>> = LazyLock::new(|| pages::all(true));

#[derive(Template)]
#[template(path = "docs/front.html")]
struct FrontPage {
    version: &'static str,
}

/// The ways on from `/`, for who comes with a browser.
pub(super) fn front_page() -> Outcome {
    let page = FrontPage {
        version: env!("CARGO_PKG_VERSION"),
    };
    let html = page.render().map_err(|error| {
        let cause = format!("a page cannot be rendered: {error}");
        Failure::internal(cause, Written::Nothing)
    })?;
    Ok(harmless("text/html; charset=utf-8", html.into()))
}

/// `GET /docs`
pub(crate) async fn show_default(exchange: &Exchange<'_>) -> Outcome {
    page(exchange, dialects::DEFAULT.short_name())
}

/// `GET /docs/{document}`
pub(crate) async fn show(exchange: &Exchange<'_>) -> Outcome {
    page(exchange, exchange.params.get("document"))
}

/// `GET /docs/{document}/{group}`
pub(crate) async fn show_group(exchange: &Exchange<'_>) -> Outcome {
    let [document, group] = ["document", "group"].map(|name| exchange.params.get(name));
    page(exchange, &format!("{document}/{group}"))
}

/// `GET /docs/style.css`
pub(crate) async fn show_style(_exchange: &Exchange<'_>) -> Outcome {
    Ok(harmless(
        "text/css; charset=utf-8",
        Bytes::from_static(STYLE.as_bytes()),
    ))
}

fn page(exchange: &Exchange<'_>, path: &str) -> Outcome {
    let pages = match exchange.app.development {
        None => &PAGES,
        Some(_) => &DEVELOPMENT_PAGES,
    };
    let page = pages.iter().find(|(known, _)| known == path);
    let (_, html) = page.ok_or_else(ApiError::path_not_found)?;
    Ok(harmless("text/html; charset=utf-8", html.clone()))
}

fn harmless(content_type: &'static str, bytes: Bytes) -> Answer {
    let body = Body::Whole(Full::new(bytes));
    let mut answer = answer(StatusCode::OK, content_type, body);
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    answer
}

#[cfg(test)]
mod tests {
    use rollcall_wire::openapi;

    use super::document::Document;
    use super::*;

    fn html(path: &str) -> &'static str {
        let (_, html) = PAGES.iter().find(|(known, _)| known == path).unwrap();
        std::str::from_utf8(html).unwrap()
    }

    #[test]
    fn every_document_has_its_pages_with_every_operation_and_nothing_from_elsewhere() {
        let mut count = 0;
        for name in openapi::names() {
            let document = Document::of(name).unwrap();
            count += 1 + document.groups.len();
            for other in openapi::names() {
                assert!(html(name).contains(&format!("href=\"/docs/{other}\"")));
            }
            for group in &document.groups {
                let path = format!("{name}/{}", group.slug);
                assert!(html(name).contains(&format!("href=\"/docs/{path}\"")));
                for operation in &group.operations {
                    let summary = operation.summary.replace('\'', "&#39;");
                    assert!(html(&path).contains(&summary));
                    assert!(html(&path).contains(&operation.path), "{path}");
                    let anchor = format!("/docs/{path}#{}\"", operation.id);
                    assert!(html(name).contains(&anchor), "{anchor}");
                }
            }
        }
        assert_eq!(PAGES.len(), count);
        for (path, html) in PAGES.iter().chain(DEVELOPMENT_PAGES.iter()) {
            let html = std::str::from_utf8(html).unwrap();
            for elsewhere in [
                "src=",
                "<script",
                "style=",
                "@import",
                "<form",
                "href=\"http",
                "href='http",
            ] {
                assert!(!html.contains(elsewhere), "{path}: {elsewhere}");
            }
            assert!(!html.contains('`') || html.contains("<code>"), "{path}");
        }
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
    }

    #[test]
    fn only_a_development_server_s_pages_lead_to_the_form() {
        let leads = |pages: &[Rendered]| {
            let led = pages.iter().filter(|(_, html)| {
                std::str::from_utf8(html)
                    .unwrap()
                    .contains("/console/requests/")
            });
            led.count()
        };
        assert_eq!(leads(&PAGES), 0);
        let groups = PAGES.len() - openapi::names().count();
        assert_eq!(leads(&DEVELOPMENT_PAGES), groups);
    }

    #[test]
    fn a_dialect_s_page_tells_its_own_fields_with_their_limits() {
        let create = |name: &'static str| {
            let document = Document::of(name).unwrap();
            let operation = document.operation("create_user_profile").unwrap();
            let mut parts = operation.parts.iter();
            let body = parts.find(|part| part.heading == "Body").unwrap();
            let lines = body
                .fields
                .iter()
                .map(|field| format!("{}: {}", field.place, field.kind));
            lines.collect::<Vec<_>>()
        };
        assert_eq!(
            create("2026-03-24"),
            [
                "relationship: “external”, “resold”, “internal”",
                "name: string or null, 1 to 255 characters",
                "metadata: object of: string, 1 to 512 characters, at most 16 keys",
                "external_id: string or null, 1 to 255 characters",
            ]
        );
        let newest = create("ga");
        assert!(
            newest
                .contains(&"external_user_details.country: string or null, ^[A-Z]{2}$".to_owned())
        );
        assert!(!newest.iter().any(|line| line.starts_with("external_id")));
    }
}
