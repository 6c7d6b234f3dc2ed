//! OpenAPI 3.1 documents: one for the public API in each dialect, one for data controls, one for
//! organization webhooks, one for gateways, one for the operator API.
//!
//! They are built from values and not derived from types, because no type here *is* a body: a dialect
//! reads members into the domain's superset and writes them out of a stored document. What a body may
//! hold therefore stands where it is read and written, and a dialect's document follows from its lists:
//! a new one gets its document with the line in [`dialects::ALL`]. What no dialect
//! changes (paths, headers, errors) stands in the files of this module, limits taken from the domain's
//! constants.
//!
//! A route without an operation, or an operation without a route, fails a test beside the server's
//! router. `schema` holds the vocabulary, `answers` what every operation answers with, `public`,
//! `data_controls`, `webhooks` and `operator` the operations.

use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Components, Info, License, OpenApi, OpenApiBuilder, SecurityRequirement, Server,
};

use crate::dialect::Dialect;
use crate::dialects;

mod answers;
mod data_controls;
pub mod example;
mod gateway;
mod operator;
mod public;
pub(crate) mod schema;
mod webhooks;

/// What the operator API's document is called.
pub const OPERATOR: &str = "operator";

/// What the document of organization webhooks is called.
pub const WEBHOOKS: &str = "webhooks";

/// What the document of data controls is called.
pub const DATA_CONTROLS: &str = "data-controls";

/// What the document of what gateways ask is called.
pub const GATEWAY: &str = "gateway";

/// The names of all documents: the dialects, newest first, then data controls, webhooks, gateways and the
/// operator API.
pub fn names() -> impl Iterator<Item = &'static str> {
    dialects::names().chain([DATA_CONTROLS, WEBHOOKS, GATEWAY, OPERATOR])
}

/// The document called `name`.
pub fn document(name: &str) -> Option<OpenApi> {
    let mut document = match name {
        OPERATOR => operator::document(),
        DATA_CONTROLS => data_controls::document(),
        WEBHOOKS => webhooks::document(),
        GATEWAY => gateway::document(),
        dialect => public::document(dialects::by_short_name(dialect)?),
    };
    example::of(name)?.attach(&mut document);
    Some(document)
}

/// The document called `name` as JSON text, indented, with a line break at its end.
pub fn text(name: &str) -> Option<String> {
    // Writing a value of strings, numbers and maps of them to a text cannot fail.
    let mut text = document(name)?.to_pretty_json().ok()?;
    text.push('\n');
    Some(text)
}

fn begin(title: &str, description: &str) -> OpenApiBuilder {
    let mut info = Info::new(title, env!("CARGO_PKG_VERSION"));
    info.description = Some(description.to_owned());
    info.license = Some(License::new(env!("CARGO_PKG_LICENSE")));
    let none: [&str; 0] = [];
    // Whoever reads it from a server means that server.
    let here = Server::new("/");
    let document = OpenApiBuilder::new().info(info).servers(Some([here]));
    document.security(Some([
        SecurityRequirement::new("x-api-key", none),
        SecurityRequirement::new("bearer", none),
    ]))
}

fn security(components: &mut Components) {
    let key = ApiKeyValue::with_description("x-api-key", "Decides over `Authorization`.");
    let key = SecurityScheme::ApiKey(ApiKey::Header(key));
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
    let bearer = bearer.description(Some("The same key as a bearer token."));
    components.add_security_scheme("x-api-key", key);
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer.build()));
}

/// How a dialect is asked for, in words.
fn chosen_by(dialect: &Dialect) -> String {
    match dialect.beta() {
        None => "What a request gets that names no user-profiles beta.".to_owned(),
        Some(beta) => format!("What a request gets whose `anthropic-beta` lists `{beta}`."),
    }
}
