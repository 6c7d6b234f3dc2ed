//! The document of what a platform's gateway asks, and of the stub that stands in for inference.

use rollcall_domain::enforcement::EnforcementStatus;
use rollcall_domain::gateway::Reason;
use rollcall_domain::profile::AccessType;
use rollcall_domain::text::ReferenceId;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{
    HttpMethod, OperationBuilder, Parameter, ParameterBuilder, ParameterIn,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{Object, SchemaType};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi, Paths, Required, SecurityRequirement};

use super::answers::{self, Caller, with_errors};
use super::public::{beta, query};
use super::schema::{
    Shape, WITHOUT_NUL, answer, array, body, boolean, choice, described, id, integer, matching,
    named, nullable, string, text, word,
};
use super::{begin, security};
use crate::error::ErrorKind;
use crate::gateway::{CLIENT_HEADER, PROFILE_HEADER, PROGRAM_HEADER, REFERENCE_HEADER};
use crate::headers::VERSIONS;

const ABOUT: &str = "What a platform's gateway asks before it hands a request for inference on: whose request is \
                     it, and may it pass? Needs a `gateway` key. The path answers every method, and \
                     whatever stands behind it is ignored. `/v1/messages` is a stub that exists under \
                     `rollcall dev` alone and needs an `api` key.";

/// The document.
pub(super) fn document() -> OpenApi {
    let mut components = answers::components(Caller::Gateway);
    security(&mut components);
    let words = "A key of the kind `gateway`.";
    let key = ApiKeyValue::with_description("x-rollcall-gateway-key", words);
    components.add_security_scheme("gateway", SecurityScheme::ApiKey(ApiKey::Header(key)));
    let basic = HttpBuilder::new().scheme(HttpAuthScheme::Basic);
    let basic = basic.description(Some("The same key as the password, under any user."));
    components.add_security_scheme("basic", SecurityScheme::Http(basic.build()));
    for (name, shape) in schemas() {
        components.schemas.insert(name.to_owned(), shape);
    }
    let mut paths = Paths::new();
    let mut add = |path: &str, method: HttpMethod, operation: OperationBuilder| {
        paths.add_path_operation(path, vec![method], operation.build());
    };
    add("/gateway/v1/check", HttpMethod::Get, check());
    let message = stub("create_message", "Answer a request for inference")
        .request_body(Some(takes("MessageCreate")))
        .response("200", message());
    add("/v1/messages", HttpMethod::Post, errors(message));
    let count = stub(
        "count_tokens",
        "Count the tokens of a request for inference",
    )
    .request_body(Some(takes("TokenCount")))
    .response(
        "200",
        answers::json(Caller::Gateway, "Counted.", named("Tokens")),
    );
    add("/v1/messages/count_tokens", HttpMethod::Post, errors(count));
    begin("Rollcall for gateways", ABOUT)
        .paths(paths)
        .components(Some(components))
        .build()
}

fn check() -> OperationBuilder {
    let none: [&str; 0] = [];
    let operation = OperationBuilder::new()
        .tag("Gateway")
        .operation_id(Some("check"))
        .summary(Some("Judge a request for inference"))
        .securities(Some([
            SecurityRequirement::new("gateway", none),
            SecurityRequirement::new("basic", none),
        ]))
        .parameter(header(
            PROFILE_HEADER,
            "Names the profile; decides over the others.",
            string().build(),
        ))
        .parameter(header(
            REFERENCE_HEADER,
            "Names the profile by the platform's own id, unless it is empty: the oldest that has it.",
            text(0, ReferenceId::LIMIT),
        ))
        .parameter(header(
            CLIENT_HEADER,
            "As the client sent it; looked at when the policy says `trust_client_header`.",
            string().build(),
        ))
        .parameter(header(
            PROGRAM_HEADER,
            "A program that must be active; none where it is empty.",
            matching("^[a-z0-9_-]{0,64}$"),
        ))
        .parameter(query(
            "deny",
            "`403` gives every refusal the status 403, the true one in `x-rollcall-status`; all else is the gateway's own.",
            anything(),
        ));
    let answer = answers::success(Caller::Gateway, "The request passes; there is no body.");
    let statuses = EnforcementStatus::ALL.iter().map(|status| status.as_str());
    let access_types = AccessType::ALL
        .iter()
        .map(|access_type| access_type.as_str());
    let reasons = Reason::ALL.iter().map(|reason| reason.as_str());
    let told = [
        ("cache-control", matching("^private, max-age=[0-9]+$")),
        (CLIENT_HEADER, id("uprof_")),
        ("x-rollcall-decision", word("allow")),
        ("x-rollcall-reason", choice(reasons)),
        ("x-rollcall-enforcement-status", choice(statuses)),
        ("x-rollcall-access-type", choice(access_types)),
        ("x-rollcall-programs", string().build()),
    ];
    let answer = told.into_iter().fold(answer, |answer, (name, shape)| {
        answer.header(name, HeaderBuilder::new().schema(Some(shape)).build())
    });
    errors(operation.response("200", answer))
}

fn errors(operation: OperationBuilder) -> OperationBuilder {
    with_errors(operation, &[ErrorKind::Billing, ErrorKind::TooLarge])
}

fn header(name: &str, words: &str, shape: impl Into<Shape>) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(words))
        .schema(Some(shape.into()))
        .build()
}

fn stub(id: &str, summary: &str) -> OperationBuilder {
    let versions = VERSIONS
        .iter()
        .map(|version| String::from_utf8_lossy(version));
    let mut version = header(
        "anthropic-version",
        "Both are served alike.",
        choice(versions),
    );
    version.required = Required::True;
    OperationBuilder::new()
        .tag("Inference stub")
        .operation_id(Some(id))
        .summary(Some(summary))
        .parameter(version)
        .parameter(header(
            CLIENT_HEADER,
            "The profile that the request is made for.",
            string().build(),
        ))
        .parameter(beta())
}

fn takes(name: &str) -> utoipa::openapi::request_body::RequestBody {
    let content = ContentBuilder::new().schema(Some(named(name))).build();
    let body = RequestBodyBuilder::new().required(Some(Required::True));
    body.content("application/json", content).build()
}

fn message() -> utoipa::openapi::ResponseBuilder {
    // OpenAPI 3.1 has no words for the events of a stream.
    answers::json(Caller::Gateway, "The text of the stub.", named("Message"))
        .content("text/event-stream", ContentBuilder::new().build())
}

fn anything() -> Shape {
    Shape::from(Object::with_type(SchemaType::AnyValue))
}

fn schemas() -> Vec<(&'static str, Shape)> {
    let input = || {
        vec![
            ("model", matching(WITHOUT_NUL).into()),
            ("messages", array(anything())),
            (
                "user_profile_id",
                described(
                    nullable(matching(WITHOUT_NUL)),
                    "The profile, where it does not stand in the header.",
                ),
            ),
        ]
    };
    let mut message = input();
    message.extend([
        ("max_tokens", integer(1, Some(i64::from(u32::MAX))).into()),
        ("stream", nullable(boolean())),
        (
            "billing_policy",
            nullable(body(
                [
                    ("type", word("billing_policy").into()),
                    ("bill_to", choice(["self", "user_profile"]).into()),
                ],
                &["type", "bill_to"],
            )),
        ),
    ]);
    let mut message = body(message, &["model", "max_tokens", "messages"]);
    let mut count = body(input(), &["model", "messages"]);
    // Whatever else a client sends is the model's business.
    message.additional_properties = None;
    count.additional_properties = None;
    let usage = [
        "input_tokens",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
        "output_tokens",
    ];
    let usage = answer(usage.map(|name| (name, integer(0, None).into())));
    let content = answer([
        ("type", word("text").into()),
        ("text", string().build().into()),
    ]);
    vec![
        ("MessageCreate", message.into()),
        ("TokenCount", count.into()),
        (
            "Message",
            answer([
                ("id", id("msg_").into()),
                ("type", word("message").into()),
                ("role", word("assistant").into()),
                ("model", string().build().into()),
                ("content", array(content)),
                ("stop_reason", word("end_turn").into()),
                ("stop_sequence", nullable(string().build())),
                ("usage", usage.into()),
            ])
            .into(),
        ),
        (
            "Tokens",
            answer([("input_tokens", integer(0, None).into())]).into(),
        ),
    ]
}
