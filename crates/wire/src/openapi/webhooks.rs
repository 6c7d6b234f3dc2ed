//! The document of organization webhook endpoints, to which no dialect applies.

use rollcall_domain::page::Order;
use rollcall_domain::webhook::{
    AutoDisabled, ENDPOINTS_PER_ORGANIZATION, EVENTS_PER_ENDPOINT, EndpointState,
};
use utoipa::openapi::path::{
    HttpMethod, OperationBuilder, Parameter, ParameterBuilder, ParameterIn,
};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{ArrayBuilder, Object};
use utoipa::openapi::{ContentBuilder, OpenApi, Paths, Required};

use super::answers::{self, Caller, with_errors};
use super::public::{beta, path_parameter, query};
use super::schema::{
    Member, Shape, answer, array, body, boolean, choice, described, event_types, integer, matching,
    named, nullable, shown_text, shown_time, string, text, word,
};
use super::{begin, security};
use crate::error::ErrorKind;
use crate::headers::{VERSIONS, WEBHOOKS_BETA};
use crate::webhooks::{DESCRIPTION_LIMIT, NAME_LIMIT, URL_LIMIT};

const ALL: &str = "/v1/organizations/webhooks";
const ONE: &str = "/v1/organizations/webhooks/{webhook_endpoint_id}";
const SECRET: &str = "/v1/organizations/webhooks/{webhook_endpoint_id}/regenerate_signing_secret";

/// The document.
pub(super) fn document() -> OpenApi {
    let about = format!(
        "Where an organization is told what happens to its user profiles; at most \
         {ENDPOINTS_PER_ORGANIZATION} endpoints. Needs an `admin` key, and `anthropic-beta` must list \
         `{WEBHOOKS_BETA}`: without it the paths do not exist."
    );
    let mut components = answers::components(Caller::Platform);
    security(&mut components);
    let mut schema = |name: &str, object: Object| {
        components.schemas.insert(name.to_owned(), object.into());
    };
    schema(
        "WebhookEndpointCreate",
        body(written(1), &["enabled_events", "url"]),
    );
    let mut update = written(0);
    update.push(("state", choice(states()).into()));
    schema("WebhookEndpointUpdate", body(update, &[]));
    schema("WebhookEndpoint", answer(shown(false)));
    schema("NewWebhookEndpoint", answer(shown(true)));
    begin("Organization webhooks", &about)
        .paths(paths())
        .components(Some(components))
        .build()
}

fn states() -> impl Iterator<Item = &'static str> {
    EndpointState::ALL.iter().map(|state| state.as_str())
}

fn written(least_events: usize) -> Vec<Member> {
    let events = ArrayBuilder::new().items(event_types());
    vec![
        ("description", text(0, DESCRIPTION_LIMIT).into()),
        (
            "enabled_events",
            events
                .min_items(Some(least_events))
                .max_items(Some(EVENTS_PER_ENDPOINT))
                .into(),
        ),
        ("name", text(0, NAME_LIMIT).into()),
        (
            "url",
            described(
                url(),
                "Absolute, with a host and without user or fragment. `https` on port 443 and a public name, unless the operator allows more.",
            ),
        ),
    ]
}

/// `rollcall dev` takes `http` too.
fn url() -> Object {
    let url = string().max_length(Some(URL_LIMIT));
    url.pattern(Some(
        r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s\\#\u0000-\u001f\u007f-\u009f]+$",
    ))
    .build()
}

fn secret() -> Shape {
    matching("^whsec_[A-Za-z0-9+/]{43}=$").into()
}

fn shown(with_secret: bool) -> Vec<Member> {
    let reasons = AutoDisabled::ALL.iter().map(|reason| reason.as_str());
    let reasons = choice(reasons.chain([""]));
    let plain = |name: &'static str| (name, string().build().into());
    let mut members = vec![
        plain("id"),
        shown_time("created_at"),
        plain("description"),
        ("disabled_reason", reasons.into()),
        ("enabled_events", array(event_types())),
        plain("name"),
    ];
    if with_secret {
        members.push(("signing_secret", secret()));
    }
    members.extend([
        ("state", choice(states()).into()),
        shown_time("updated_at"),
        plain("url"),
    ]);
    members
}

fn paths() -> Paths {
    let mut paths = Paths::new();
    let mut add = |path: &str, method: HttpMethod, operation: OperationBuilder, body: bool| {
        let mut errors = vec![ErrorKind::NotFound];
        if body {
            errors.push(ErrorKind::TooLarge);
        }
        let operation = with_errors(operation, &errors);
        paths.add_path_operation(path, vec![method], operation.build());
    };
    let list = list_parameters().into_iter().fold(
        operation("list_webhook_endpoints", "List webhook endpoints"),
        OperationBuilder::parameter,
    );
    let nullable_id = || nullable(string().build());
    let page = answer([
        ("data", array(named("WebhookEndpoint"))),
        ("first_id", nullable_id()),
        ("has_more", boolean().into()),
        ("last_id", nullable_id()),
    ]);
    add(
        ALL,
        HttpMethod::Get,
        list.response("200", ok("One page.", page)),
        false,
    );
    let create = operation("create_webhook_endpoint", "Create a webhook endpoint")
        .request_body(Some(sent(named("WebhookEndpointCreate"), Required::True)))
        .response(
            "200",
            ok(
                "The endpoint; its secret is shown here and never again.",
                named("NewWebhookEndpoint"),
            ),
        );
    add(ALL, HttpMethod::Post, create, true);
    let get = operation("get_webhook_endpoint", "Get a webhook endpoint")
        .parameter(id())
        .response("200", ok("The endpoint.", named("WebhookEndpoint")));
    add(ONE, HttpMethod::Get, get, false);
    let update = operation("update_webhook_endpoint", "Update a webhook endpoint")
        .parameter(id())
        .request_body(Some(sent(named("WebhookEndpointUpdate"), Required::True)))
        .response(
            "200",
            ok("The endpoint after the change.", named("WebhookEndpoint")),
        );
    add(ONE, HttpMethod::Post, update, true);
    let deleted = answer([
        shown_text("id"),
        ("type", word("webhook_endpoint_deleted").into()),
    ]);
    let delete = operation("delete_webhook_endpoint", "Delete a webhook endpoint")
        .parameter(id())
        .response("200", ok("It is gone.", deleted));
    add(ONE, HttpMethod::Delete, delete, false);
    let regenerated = answer([("signing_secret", secret())]);
    let regenerate = operation("regenerate_signing_secret", "Replace the signing secret")
        .description(Some("The one before stops at once."))
        .parameter(id())
        .request_body(Some(sent(answers::nothing(), Required::False)))
        .response(
            "200",
            ok(
                "The new secret; it is shown here and never again.",
                regenerated,
            ),
        );
    add(SECRET, HttpMethod::Post, regenerate, true);
    paths
}

fn operation(id: &str, summary: &str) -> OperationBuilder {
    let header = |name: &str, words: &str, shape: Object| {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Header)
            .required(Required::True)
            .description(Some(words))
            .schema(Some(shape))
            .build()
    };
    let versions = VERSIONS
        .iter()
        .map(|version| String::from_utf8_lossy(version));
    OperationBuilder::new()
        .tag("Webhook endpoints")
        .operation_id(Some(id))
        .summary(Some(summary))
        .parameter(header(
            "anthropic-version",
            "Both versions are served alike.",
            choice(versions),
        ))
        .parameter(header(
            "anthropic-beta",
            "A list separated by commas; other known names beside it have no effect.",
            word(WEBHOOKS_BETA),
        ))
        .parameter(beta())
}

fn list_parameters() -> Vec<Parameter> {
    let mut limit = integer(0, Some(100));
    limit.default = Some(20.into());
    let mut order = choice(Order::ALL.iter().map(|order| order.as_str()));
    order.default = Some("desc".into());
    vec![
        query("limit", "How many at the most; 0 means 20.", limit),
        query("order", "By creation, in which direction.", order),
        query("after_id", "Right after this endpoint.", string().build()),
        query(
            "before_id",
            "The first ones, as long as they come before this endpoint.",
            string().build(),
        ),
    ]
}

fn id() -> Parameter {
    path_parameter("webhook_endpoint_id", matching("^[A-Za-z0-9_-]{1,128}$"))
}

fn ok(words: &str, shape: impl Into<Shape>) -> utoipa::openapi::response::ResponseBuilder {
    answers::json(Caller::Platform, words, shape)
}

fn sent(shape: Shape, required: Required) -> RequestBody {
    let content = ContentBuilder::new().schema(Some(shape)).build();
    let body = RequestBodyBuilder::new().required(Some(required));
    body.content("application/json", content).build()
}
