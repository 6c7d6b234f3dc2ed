//! The public API's documents. What differs between two of them is what their dialects' lists say.

use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::link::LinkBuilder;
use utoipa::openapi::path::{
    HttpMethod, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, ParameterStyle,
};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::Object;
use utoipa::openapi::{Components, ContentBuilder, OpenApi, Paths, Required};

use super::answers::{self, Caller, with_errors};
use super::schema::{self, Shape, named};
use super::{begin, chosen_by, security};
use crate::dialect::{Dialect, Rule};
use crate::error::ErrorKind;
use crate::headers::VERSIONS;
use crate::parts::Write;
use crate::shown::{self, Answered};

const TAG: &str = "User profiles";
const LIST: &str = "/v1/user_profiles";
const ONE: &str = "/v1/user_profiles/{user_profile_id}";
const ENROLLMENT_URL: &str = "/v1/user_profiles/{user_profile_id}/enrollment_url";
const ACTION_URLS: &str = "/v1/user_profiles/{user_profile_id}/action_urls";

/// The document of a dialect.
pub(super) fn document(dialect: &Dialect) -> OpenApi {
    let about = format!("{} {}", dialect.about, chosen_by(dialect));
    let title = format!("User Profiles API, {}", dialect.short_name());
    begin(&title, &about)
        .paths(paths(dialect))
        .components(Some(components(dialect)))
        .build()
}

fn components(dialect: &Dialect) -> Components {
    let mut components = answers::components(Caller::Platform);
    security(&mut components);
    let mut schema = |name: &str, object: Object| {
        components.schemas.insert(name.to_owned(), object.into());
    };
    let profile = |answered: &Answered| schema::answer(shown::shapes(answered.members));
    schema("UserProfileCreate", profile_body(dialect, Write::Create));
    schema("UserProfileUpdate", profile_body(dialect, Write::Update));
    schema("UserProfile", profile(&dialect.shown));
    if let Some(listed) = &dialect.listed {
        schema("UserProfileSummary", profile(listed));
    }
    components
}

/// What may be sent of a profile.
pub(super) fn profile_body(dialect: &Dialect, write: Write) -> Object {
    let taken = dialect.sent.iter().filter_map(Rule::taken);
    schema::body(taken.map(|field| field.member(write)), &[])
}

#[expect(clippy::too_many_lines, reason = "a table of operations")]
fn paths(dialect: &Dialect) -> Paths {
    let elsewhere = match dialect.listed {
        Some(_) => "UserProfileSummary",
        None => "UserProfile",
    };
    let begin = |id: &str, summary: &str| {
        let operation = OperationBuilder::new().tag(TAG);
        let operation = operation.operation_id(Some(id)).summary(Some(summary));
        headers(dialect)
            .into_iter()
            .fold(operation, OperationBuilder::parameter)
    };
    let mut paths = Paths::new();
    let mut add = |path: &str, method: HttpMethod, operation: OperationBuilder| {
        paths.add_path_operation(path, vec![method], operation.build());
    };

    let list = list_parameters(dialect);
    let list = list.into_iter().fold(
        begin("list_user_profiles", "List user profiles"),
        OperationBuilder::parameter,
    );
    let page = answers::json(
        Caller::Platform,
        "One page.",
        schema::page(named(elsewhere)),
    );
    add(
        LIST,
        HttpMethod::Get,
        with_errors(list.response("200", page), &[]),
    );

    let created = answers::json(
        Caller::Platform,
        "The profile, durably stored.",
        named(elsewhere),
    );
    let created = [
        ("get", "get_user_profile"),
        ("update", "update_user_profile"),
        ("delete", "delete_user_profile"),
        ("act", "create_action_url"),
    ]
    .into_iter()
    .fold(created, |created, (name, operation)| {
        let link = LinkBuilder::new().operation_id(operation);
        created.link(
            name,
            link.parameter("user_profile_id", "$response.body#/id")
                .build(),
        )
    });
    let create = begin("create_user_profile", "Create a user profile")
        .parameter(beta())
        .request_body(Some(sent("UserProfileCreate")))
        .response("200", created);
    add(
        LIST,
        HttpMethod::Post,
        with_errors(create, &[ErrorKind::TooLarge]),
    );

    let get = begin("get_user_profile", "Get a user profile")
        .parameter(id())
        .parameter(beta())
        .response(
            "200",
            answers::json(Caller::Platform, "The profile.", named("UserProfile")),
        );
    add(
        ONE,
        HttpMethod::Get,
        with_errors(get, &[ErrorKind::NotFound]),
    );

    let words = "The whole profile after the change.";
    let update = begin("update_user_profile", "Update a user profile")
        .description(Some("Only what is sent changes; all of it, or nothing."))
        .parameter(id())
        .parameter(beta())
        .request_body(Some(sent("UserProfileUpdate")))
        .response(
            "200",
            answers::json(Caller::Platform, words, named(elsewhere)),
        );
    add(
        ONE,
        HttpMethod::Post,
        with_errors(update, &[ErrorKind::NotFound, ErrorKind::TooLarge]),
    );

    let deleted = schema::answer([
        ("id", schema::id("uprof_").into()),
        ("type", schema::word("user_profile_deleted").into()),
    ]);
    let delete = begin("delete_user_profile", "Delete a user profile")
        .description(Some("Its id is never given out again."))
        .parameter(id())
        .parameter(beta())
        .response(
            "200",
            answers::json(Caller::Platform, "It is gone.", deleted),
        );
    add(
        ONE,
        HttpMethod::Delete,
        with_errors(delete, &[ErrorKind::NotFound]),
    );

    if dialect.enrollment_url {
        let body = RequestBodyBuilder::new().required(Some(Required::False));
        let body = body.content("application/json", content(answers::nothing()));
        let create = begin("create_enrollment_url", "Create an enrollment URL")
            .description(Some("Works for an hour unless the operator says otherwise, for whoever has it, as often as it is opened; one form can be sent through it."))
            .parameter(id())
            .parameter(beta())
            .request_body(Some(body.build()))
            .response("200", url(Caller::Platform, "enrollment_url"));
        add(
            ENROLLMENT_URL,
            HttpMethod::Post,
            with_errors(create, &[ErrorKind::NotFound, ErrorKind::TooLarge]),
        );
    }

    let create = begin("create_action_url", "Create an action URL")
        .description(Some("Works for an hour unless the operator says otherwise, for whoever has it, as often as it is opened; one form can be sent through it."))
        .parameter(id())
        .parameter(beta())
        .request_body(Some(action_url_body()))
        .response("200", url(Caller::Platform, "user_profile_action_url"));
    add(
        ACTION_URLS,
        HttpMethod::Post,
        with_errors(create, &[ErrorKind::NotFound, ErrorKind::TooLarge]),
    );
    paths
}

fn sent(schema: &str) -> RequestBody {
    let body = RequestBodyBuilder::new().required(Some(Required::True));
    body.content("application/json", content(named(schema)))
        .build()
}

fn content(shape: Shape) -> utoipa::openapi::Content {
    ContentBuilder::new().schema(Some(shape)).build()
}

/// What an action URL is asked for with.
pub(super) fn action_url_body() -> RequestBody {
    let action = schema::body(
        [("type", schema::word("enroll_end_user").into())],
        &["type"],
    );
    let action = schema::body([("action", action.into())], &["action"]);
    let body = RequestBodyBuilder::new().required(Some(Required::True));
    body.content("application/json", content(action.into()))
        .build()
}

/// The answer with a new URL.
pub(super) fn url(caller: Caller, kind: &str) -> utoipa::openapi::response::ResponseBuilder {
    let url = schema::answer([
        schema::shown_time("expires_at"),
        ("type", schema::word(kind).into()),
        (
            "url",
            schema::matching("^https?://.+/user-profiles/enrollment/[A-Za-z0-9_-]{43,}$").into(),
        ),
    ]);
    answers::json(caller, "The URL; it is shown here and never again.", url)
}

fn header(name: &str, required: Required, words: &str, shape: Object) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(required)
        .description(Some(words))
        .schema(Some(shape))
        .build()
}

/// The request headers of every operation in a dialect.
fn headers(dialect: &Dialect) -> Vec<Parameter> {
    let words = "Chooses this dialect. A list separated by commas; other known names beside it \
                 have no effect, but for those of newer dialects, which win.";
    listing_beta(dialect.beta().map(|beta| (beta, words)))
}

/// The request headers of an operation that exists for whoever lists `beta`.
pub(super) fn gated_headers(beta: &str) -> Vec<Parameter> {
    let words = "A list separated by commas; other known names beside it have no effect.";
    listing_beta(Some((beta, words)))
}

/// The request headers, of which `anthropic-beta` must list this, if anything.
fn listing_beta(beta: Option<(&str, &str)>) -> Vec<Parameter> {
    let versions = VERSIONS
        .iter()
        .map(|version| String::from_utf8_lossy(version));
    let version = schema::choice(versions);
    let mut headers = vec![header(
        "anthropic-version",
        Required::True,
        "Both versions are served alike.",
        version,
    )];
    if let Some((name, words)) = beta {
        headers.push(header(
            "anthropic-beta",
            Required::True,
            words,
            schema::word(name),
        ));
    }
    let words = "The workspace to act in, for a credential that is bound to none.";
    headers.push(header(
        "anthropic-workspace-id",
        Required::False,
        words,
        schema::id("wrkspc_"),
    ));
    headers
}

/// A parameter of a query, where an empty value counts as missing.
pub(super) fn query(name: &str, words: &str, shape: impl Into<Shape>) -> Parameter {
    let empty = Extensions::from_iter([("allowEmptyValue", true)]);
    ParameterBuilder::new()
        .extensions(Some(empty))
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(words))
        .schema(Some(shape.into()))
        .build()
}

pub(super) fn beta() -> Parameter {
    query(
        "beta",
        "Accepted everywhere, without effect.",
        schema::word("true"),
    )
}

pub(super) fn limit() -> Parameter {
    let mut limit = schema::integer(1, Some(100));
    limit.default = Some(20.into());
    query("limit", "How many at the most.", limit)
}

pub(super) fn page() -> Parameter {
    let words = "The `next_page` of the answer before, under the same parameters.";
    query("page", words, schema::string().build())
}

pub(super) fn path_parameter(name: &str, shape: Object) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .schema(Some(shape))
        .build()
}

fn id() -> Parameter {
    path_parameter("user_profile_id", schema::id("uprof_"))
}

fn list_parameters(dialect: &Dialect) -> Vec<Parameter> {
    let choice = |name: &str, words: &str, values: [&str; 2], default: &str| {
        let mut choice = schema::choice(values);
        choice.default = Some(default.into());
        query(name, words, choice)
    };
    let mut parameters = vec![
        limit(),
        choice("order", "In which direction.", ["asc", "desc"], "desc"),
        choice(
            "order_by",
            "By what: names regardless of ASCII case, profiles without a name last.",
            ["created_at", "name"],
            "created_at",
        ),
        page(),
    ];
    for filter in dialect.filters.iter().filter_map(Rule::taken) {
        parameters.push(repeatable(filter.parameter, filter.about, (filter.shape)()));
    }
    parameters.push(beta());
    parameters
}

/// A parameter of a query that may be given several times.
pub(super) fn repeatable(name: &str, words: &str, shape: Shape) -> Parameter {
    let mut filter = query(name, words, shape);
    filter.style = Some(ParameterStyle::Form);
    filter.explode = Some(true);
    filter
}
