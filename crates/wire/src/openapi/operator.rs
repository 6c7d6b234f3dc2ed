//! The operator API's document, the development controls included: a server that is not a development
//! server has none of their paths.
//!
//! A resource is a file, with its operations and the shapes they speak of; what they share is here.

mod api_keys;
mod audit_events;
mod data_controls;
mod development;
mod enforcement;
mod enrollments;
mod gateway;
mod operator_keys;
mod organizations;
mod programs;
mod user_profiles;
mod webhook_deliveries;
mod webhook_endpoints;
mod workspaces;

use utoipa::openapi::link::LinkBuilder;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, Parameter};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::Object;
use utoipa::openapi::{ContentBuilder, OpenApi, Paths, Required};

use super::answers::{self, Caller, with_errors};
use super::public::{beta, limit, page, path_parameter};
use super::schema::{self, Member, Shape, answer, id, named, organization_id, word};
use super::{begin, security};
use crate::error::ErrorKind;

const ABOUT: &str = "What the party that runs Rollcall does, over every organization: tenants and their \
                     keys, programs, enforcement, search, import and export, the audit trail. Needs an \
                     `operator` key and no `anthropic-*` header. The paths under `/operator/v1/dev` exist \
                     under `rollcall dev` alone.";

/// The document.
pub(super) fn document() -> OpenApi {
    let mut components = answers::components(Caller::Operator);
    security(&mut components);
    for (name, object) in schemas() {
        components.schemas.insert(name.to_owned(), object);
    }
    let mut paths = Paths::new();
    for (path, method, operation) in operations() {
        paths.add_path_operation(path, vec![method], operation.build());
    }
    begin("Rollcall operator API", ABOUT)
        .paths(paths)
        .components(Some(components))
        .build()
}

type Described = (&'static str, HttpMethod, OperationBuilder);

fn operations() -> Vec<Described> {
    let in_reading_order = [
        organizations::operations(),
        workspaces::operations(),
        api_keys::operations(),
        operator_keys::operations(),
        gateway::operations(),
        user_profiles::operations(),
        programs::operations(),
        data_controls::operations(),
        enforcement::operations(),
        audit_events::operations(),
        webhook_endpoints::operations(),
        webhook_deliveries::operations(),
        enrollments::operations(),
        development::operations(),
    ];
    in_reading_order.into_iter().flatten().collect()
}

fn schemas() -> Vec<(&'static str, Shape)> {
    let resources = [
        organizations::schemas(),
        workspaces::schemas(),
        api_keys::schemas(),
        operator_keys::schemas(),
        gateway::schemas(),
        user_profiles::schemas(),
        programs::schemas(),
        data_controls::schemas(),
        enforcement::schemas(),
        audit_events::schemas(),
        webhook_endpoints::schemas(),
        webhook_deliveries::schemas(),
        enrollments::schemas(),
        development::schemas(),
    ];
    resources.concat()
}

fn get(path: &'static str, operation: OperationBuilder) -> Described {
    (path, HttpMethod::Get, errors(path, operation, &[]))
}

fn post(path: &'static str, operation: OperationBuilder) -> Described {
    (
        path,
        HttpMethod::Post,
        errors(path, operation, &[ErrorKind::TooLarge]),
    )
}

fn put(path: &'static str, operation: OperationBuilder) -> Described {
    (
        path,
        HttpMethod::Put,
        errors(path, operation, &[ErrorKind::TooLarge]),
    )
}

fn delete(path: &'static str, operation: OperationBuilder) -> Described {
    (path, HttpMethod::Delete, errors(path, operation, &[]))
}

/// What is stored may not let it go.
fn delete_or_conflict(path: &'static str, operation: OperationBuilder) -> Described {
    let operation = errors(path, operation, &[ErrorKind::Conflict]);
    (path, HttpMethod::Delete, operation)
}

/// A path that names something may not find it, and a body may conflict with what is stored.
fn errors(path: &str, operation: OperationBuilder, more: &[ErrorKind]) -> OperationBuilder {
    let mut kinds = more.to_vec();
    if path.contains('{') {
        kinds.push(ErrorKind::NotFound);
    }
    if !more.is_empty() {
        kinds.push(ErrorKind::Conflict);
    }
    with_errors(operation, &kinds)
}

fn operation(tag: &str, id: &str, summary: &str) -> OperationBuilder {
    let operation = OperationBuilder::new().tag(tag);
    let operation = operation.operation_id(Some(id)).summary(Some(summary));
    operation.parameter(beta())
}

fn answers(operation: OperationBuilder, shape: impl Into<Shape>) -> OperationBuilder {
    operation.response("200", ok(shape))
}

fn ok(shape: impl Into<Shape>) -> ResponseBuilder {
    answers::json(Caller::Operator, "Done.", shape)
}

fn list(operation: OperationBuilder, item: &str) -> OperationBuilder {
    list_linked(operation, item, "", &[])
}

/// A list with links from its first item to what takes the item's `id`.
fn list_linked(
    operation: OperationBuilder,
    item: &str,
    parameter: &str,
    operations: &[&str],
) -> OperationBuilder {
    let operation = operation.parameter(limit()).parameter(page());
    let answer = ok(schema::page(named(item)));
    operation.response("200", links(answer, "data/0/id", parameter, operations))
}

fn takes(operation: OperationBuilder, name: &str) -> OperationBuilder {
    operation.request_body(Some(sent(named(name))))
}

/// A body that may be left out.
fn may_take(operation: OperationBuilder, name: &str) -> OperationBuilder {
    let mut body = sent(named(name));
    body.required = Some(Required::False);
    operation.request_body(Some(body))
}

/// No body, or an empty object.
fn takes_nothing(operation: OperationBuilder) -> OperationBuilder {
    let mut body = sent(answers::nothing());
    body.required = Some(Required::False);
    operation.request_body(Some(body))
}

fn sent(shape: impl Into<Shape>) -> RequestBody {
    let content = ContentBuilder::new().schema(Some(shape.into())).build();
    let body = RequestBodyBuilder::new().required(Some(Required::True));
    body.content("application/json", content).build()
}

/// Links from an answer with an `id` to what takes it.
fn linked(answer: ResponseBuilder, parameter: &str, operations: &[&str]) -> ResponseBuilder {
    links(answer, "id", parameter, operations)
}

fn links(
    answer: ResponseBuilder,
    place: &str,
    parameter: &str,
    operations: &[&str],
) -> ResponseBuilder {
    let value = format!("$response.body#/{place}");
    operations.iter().fold(answer, |answer, operation| {
        let link = LinkBuilder::new().operation_id(*operation);
        answer.link(
            *operation,
            link.parameter(parameter, value.as_str()).build(),
        )
    })
}

fn organization_in_path() -> Parameter {
    path_parameter("organization_id", organization_id())
}

fn profile_in_path() -> Parameter {
    path_parameter("user_profile_id", id("uprof_"))
}

fn deleted(prefix: &str, kind: &str) -> Object {
    answer([("id", id(prefix).into()), ("type", word(kind).into())])
}

fn name() -> Member {
    ("name", schema::given_name())
}
