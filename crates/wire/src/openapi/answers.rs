//! What every operation answers with: the headers of each answer, and the error catalogue.

use serde_json::Value;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::OperationBuilder;
use utoipa::openapi::schema::ObjectBuilder;
use utoipa::openapi::{Components, ContentBuilder, Ref, Response, ResponseBuilder};

use super::schema::{self, Shape, described};
use crate::error::{ErrorCode, ErrorKind, MESSAGE_LIMIT};

/// Who an answer is for; it decides about the headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    /// A platform: the answer names its organization, workspace and limit.
    Platform,
    /// The operator, who has neither.
    Operator,
    /// A platform or its gateway: the answer names its organization.
    Gateway,
}

const REQUEST_ID: &str = "request-id";
const ORGANIZATION: &str = "anthropic-organization-id";
const WORKSPACE: &str = "anthropic-workspace-id";
const RATE: [&str; 3] = [
    "anthropic-ratelimit-requests-limit",
    "anthropic-ratelimit-requests-remaining",
    "anthropic-ratelimit-requests-reset",
];
const WAIT: [&str; 2] = ["retry-after", "retry-after-ms"];

/// The errors that any operation may answer with.
const ANY: [ErrorKind; 11] = [
    ErrorKind::InvalidRequest,
    ErrorKind::Authentication,
    ErrorKind::Permission,
    ErrorKind::RequestTimeout,
    ErrorKind::UriTooLong,
    ErrorKind::RateLimit,
    ErrorKind::HeadersTooLarge,
    ErrorKind::Internal,
    ErrorKind::Unavailable,
    ErrorKind::Timeout,
    ErrorKind::Overloaded,
];

/// An answer with status 200 and this JSON.
pub(super) fn json(caller: Caller, words: &str, shape: impl Into<Shape>) -> ResponseBuilder {
    let content = ContentBuilder::new().schema(Some(shape.into())).build();
    success(caller, words).content("application/json", content)
}

/// An answer with status 200 and whatever content the caller of this adds.
pub(super) fn success(caller: Caller, words: &str) -> ResponseBuilder {
    let answer = on_every_answer(ResponseBuilder::new().description(words));
    match caller {
        Caller::Operator => answer,
        // An answer without its organization is one that nobody was authenticated for.
        Caller::Gateway => answer.header(ORGANIZATION, must(organization_header())),
        Caller::Platform => tenant(answer.header(ORGANIZATION, must(organization_header()))),
    }
}

/// The operation with every error it may answer with: those of any, and `more`.
pub(super) fn with_errors(operation: OperationBuilder, more: &[ErrorKind]) -> OperationBuilder {
    let kinds = ErrorKind::ALL.into_iter();
    let kinds = kinds.filter(|kind| ANY.contains(kind) || more.contains(kind));
    kinds.fold(operation, |operation, kind| {
        let named = Ref::from_response_name(name(kind));
        operation.response(kind.status().to_string(), named)
    })
}

/// Every error answer and every header, to be referred to by name.
pub(super) fn components(caller: Caller) -> Components {
    let mut components = ErrorKind::ALL
        .into_iter()
        // No client that goes by these documents meets them.
        .filter(|kind| match kind {
            ErrorKind::MethodNotAllowed | ErrorKind::NotImplemented => false,
            ErrorKind::Billing => caller == Caller::Gateway,
            _ => true,
        })
        .fold(Components::new(), |components, kind| {
            add_error(components, caller, kind)
        });
    let mut header = |name: &str, header: Header| {
        components.headers.insert(name.to_owned(), header.into());
    };
    header(REQUEST_ID, must(request_id_header()));
    header(
        "cache-control",
        must(
            HeaderBuilder::new()
                .schema(Some(schema::word("no-store")))
                .build(),
        ),
    );
    header(
        "x-content-type-options",
        must(
            HeaderBuilder::new()
                .schema(Some(schema::word("nosniff")))
                .build(),
        ),
    );
    if caller == Caller::Platform {
        let workspace = HeaderBuilder::new().schema(Some(schema::id("wrkspc_")));
        let workspace = workspace.description(Some("The workspace the request acted in."));
        header(WORKSPACE, workspace.build());
        let counts = [
            ("The organization's limit a minute", 1),
            ("What is left of it", 0),
        ];
        for (name, (words, least)) in RATE.into_iter().zip(counts) {
            let count = HeaderBuilder::new().schema(Some(schema::integer(least, None)));
            header(name, count.description(Some(words)).build());
        }
        let reset = HeaderBuilder::new().schema(Some(schema::time_out()));
        let reset = reset.description(Some("When all of it is there again."));
        header(RATE[2], reset.build());
    }
    let waits = ["The wait in whole seconds", "The same wait in milliseconds"];
    for (name, words) in WAIT.into_iter().zip(waits) {
        let wait = HeaderBuilder::new().schema(Some(schema::integer(1, None)));
        header(name, must(wait.description(Some(words)).build()));
    }
    components
}

fn add_error(mut components: Components, caller: Caller, kind: ErrorKind) -> Components {
    let shape = error(caller, kind);
    let content = ContentBuilder::new().schema(Some(shape)).build();
    let answer = ResponseBuilder::new().description(kind.meaning());
    let mut answer = on_every_answer(answer).content("application/json", content);
    if caller == Caller::Platform && kind != ErrorKind::Authentication {
        answer = tenant(answer.header(ORGANIZATION, organization_header()));
    }
    if matches!(
        kind,
        ErrorKind::RateLimit | ErrorKind::Unavailable | ErrorKind::Overloaded
    ) {
        answer = WAIT.into_iter().fold(answer, refer);
    }
    let retry = kind.should_retry();
    if !retry.is_empty() {
        let retry = HeaderBuilder::new().schema(Some(schema::choice(retry)));
        let retry = retry.description(Some("Whether the same request may be sent again."));
        answer = answer.header("x-should-retry", must(retry.build()));
    }
    let answer: Response = answer.build();
    components.responses.insert(name(kind), answer.into());
    components
}

fn on_every_answer(answer: ResponseBuilder) -> ResponseBuilder {
    let names = [REQUEST_ID, "cache-control", "x-content-type-options"];
    names.into_iter().fold(answer, refer)
}

fn tenant(answer: ResponseBuilder) -> ResponseBuilder {
    let names = [WORKSPACE].into_iter().chain(RATE);
    names.fold(answer, refer)
}

fn refer(answer: ResponseBuilder, header: &str) -> ResponseBuilder {
    answer.header_ref(header, Ref::new(format!("#/components/headers/{header}")))
}

/// The header as one that is always there, for which the builder has no word.
fn must(mut header: Header) -> Header {
    header.extensions = Some(Extensions::from_iter([("required", Value::Bool(true))]));
    header
}

fn request_id_header() -> Header {
    let header = HeaderBuilder::new().schema(Some(schema::id("req_")));
    header
        .description(Some(
            "New for each request; quote it when you ask for help.",
        ))
        .build()
}

fn organization_header() -> Header {
    let header = HeaderBuilder::new().schema(Some(schema::organization_id()));
    header
        .description(Some("The organization of the credential."))
        .build()
}

fn name(kind: ErrorKind) -> String {
    format!("{kind:?}")
}

fn error(caller: Caller, kind: ErrorKind) -> Shape {
    let codes: Vec<_> = ErrorCode::ALL
        .iter()
        .filter(|code| code.kind() == kind)
        .filter(|code| caller == Caller::Gateway || !code.is_of_inference())
        .collect();
    let message = schema::string()
        .min_length(Some(1))
        .max_length(Some(MESSAGE_LIMIT));
    let message = message.description(Some("Says what is wrong, and where: not to be matched on."));
    let mut told = schema::answer([
        ("type", schema::word(kind.error_type()).into()),
        ("message", message.build().into()),
    ]);
    if !codes.is_empty() {
        let codes = schema::choice(codes.iter().map(|code| code.as_str()));
        let details = schema::answer([("error_code", codes.into())]);
        told.properties.insert("details".to_owned(), details.into());
    }
    schema::answer([
        ("type", schema::word("error").into()),
        ("error", told.into()),
        (
            "request_id",
            described(schema::id("req_"), "The same as the header's."),
        ),
    ])
    .into()
}

/// A body that may be left out: none, or an empty object.
pub(super) fn nothing() -> Shape {
    let nothing = ObjectBuilder::new().schema_type(utoipa::openapi::Type::Object);
    nothing.max_properties(Some(0)).build().into()
}
