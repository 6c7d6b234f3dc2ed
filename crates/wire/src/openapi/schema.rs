//! The vocabulary of the documents: the kinds of values that bodies, parameters and answers consist of,
//! with the limits that their parsers keep.

use rollcall_domain::enforcement::{EnforcementStatus, Reason};
use rollcall_domain::event::EventType;
use rollcall_domain::id::MAX_LENGTH;
use rollcall_domain::program::{OWN_PROGRAMS, ProgramStatus};
use rollcall_domain::text::Name;
use serde_json::Value;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::schema::{
    AdditionalProperties, AnyOfBuilder, ArrayBuilder, Object, ObjectBuilder, Ref, Schema,
    SchemaType, Type,
};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};

/// A schema, or the name of one.
pub(crate) type Shape = RefOr<Schema>;

/// U+0000 is refused everywhere.
pub(crate) const WITHOUT_NUL: &str = r"^[^\u0000]*$";

/// RFC 3339 as it is read: an offset, no second 60.
const TIME_IN: &str = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-5][0-9](\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$";

/// RFC 3339 as it is written: UTC, whole seconds or six digits.
const TIME_OUT: &str = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{6})?Z$";

pub(crate) fn named(name: &str) -> Shape {
    RefOr::Ref(Ref::from_schema_name(name))
}

/// The same schema with words about it.
pub(crate) fn described(shape: impl Into<Shape>, words: &str) -> Shape {
    let mut shape = shape.into();
    let words = words.to_owned();
    match &mut shape {
        RefOr::Ref(named) => named.description = words,
        RefOr::T(Schema::Object(object)) => object.description = Some(words),
        RefOr::T(Schema::Array(array)) => array.description = Some(words),
        RefOr::T(Schema::AnyOf(any)) => any.description = Some(words),
        RefOr::T(_) => {}
    }
    shape
}

pub(crate) fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// A text that a client sends: so many characters, none of them U+0000.
pub(crate) fn text(least: usize, most: usize) -> Object {
    let text = string().min_length((least > 0).then_some(least));
    text.max_length(Some(most))
        .pattern(Some(WITHOUT_NUL))
        .build()
}

pub(crate) fn matching(pattern: &str) -> Object {
    string().pattern(Some(pattern)).build()
}

/// An identifier of the kind with this prefix.
pub(crate) fn id(prefix: &str) -> Object {
    let most = MAX_LENGTH - prefix.len();
    matching(&format!("^{prefix}[A-Za-z0-9_-]{{1,{most}}}$"))
}

pub(crate) fn organization_id() -> Object {
    matching(&format!("^[!-~]{{1,{MAX_LENGTH}}}$"))
}

pub(crate) fn time_in() -> Object {
    let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
    string().format(Some(format)).pattern(Some(TIME_IN)).build()
}

pub(crate) fn time_out() -> Object {
    let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
    string()
        .format(Some(format))
        .pattern(Some(TIME_OUT))
        .build()
}

pub(crate) fn boolean() -> Object {
    ObjectBuilder::new().schema_type(Type::Boolean).build()
}

pub(crate) fn integer(least: i64, most: Option<i64>) -> Object {
    let integer = ObjectBuilder::new().schema_type(Type::Integer);
    integer.minimum(Some(least)).maximum(most).build()
}

/// One of these texts.
pub(crate) fn choice<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Object {
    let texts = texts.into_iter().map(|text| text.as_ref().to_owned());
    string().enum_values(Some(texts)).build()
}

pub(crate) fn word(text: &str) -> Object {
    choice([text])
}

/// The types of webhook events: those that are known, and those that may come.
pub(crate) fn event_types() -> Shape {
    let known = choice(EventType::ALL.iter().map(|event| event.as_str()));
    let other = matching(r"^(?!user_profile\.)[a-z][a-z_]*\.[a-z][a-z_]*$");
    let words = "One that is not known yet, about anything but user profiles: kept and never emitted, \
                 unless the operator refuses it.";
    any_of([known.into(), described(other, words)])
}

/// The same value, or null.
pub(crate) fn nullable(shape: impl Into<Shape>) -> Shape {
    match shape.into() {
        RefOr::T(Schema::Object(mut object)) => {
            if let SchemaType::Type(kind) = object.schema_type {
                object.schema_type = SchemaType::Array(vec![kind, Type::Null]);
            }
            if let Some(values) = &mut object.enum_values {
                values.push(Value::Null);
            }
            object.into()
        }
        other => any_of([other, null()]),
    }
}

fn null() -> Shape {
    ObjectBuilder::new().schema_type(Type::Null).build().into()
}

/// What fits any of these.
pub(crate) fn any_of(shapes: impl IntoIterator<Item = Shape>) -> Shape {
    let any = shapes
        .into_iter()
        .fold(AnyOfBuilder::new(), AnyOfBuilder::item);
    Schema::AnyOf(any.build()).into()
}

pub(crate) fn array(items: impl Into<Shape>) -> Shape {
    let items: Shape = items.into();
    Schema::Array(ArrayBuilder::new().items(items).build()).into()
}

/// A member of an object.
pub(crate) type Member = (&'static str, Shape);

/// A body: nothing but these members, of which the named ones must be there.
pub(crate) fn body(members: impl IntoIterator<Item = Member>, required: &[&str]) -> Object {
    let mut body = ObjectBuilder::new().schema_type(Type::Object);
    for (name, shape) in members {
        body = body.property(name, shape);
    }
    for name in required {
        body = body.required(*name);
    }
    let closed = AdditionalProperties::FreeForm(false);
    body.additional_properties(Some(closed)).build()
}

/// An answer: all of these members, in this order, and perhaps others one day.
pub(crate) fn answer(members: impl IntoIterator<Item = Member>) -> Object {
    let mut answer = ObjectBuilder::new().schema_type(Type::Object);
    for (name, shape) in members {
        answer = answer.property(name, shape).required(name);
    }
    answer.build()
}

/// A map from names to values of one kind.
pub(crate) fn map(names: Object, values: impl Into<Shape>, most: usize) -> Object {
    let values = AdditionalProperties::RefOr(values.into());
    let map = ObjectBuilder::new().schema_type(Type::Object);
    let map = map.property_names(Some(names)).max_properties(Some(most));
    map.additional_properties(Some(values)).build()
}

/// The same object under further rules, which its keywords cannot say by themselves.
pub(crate) fn ruled(mut object: Object, rules: Vec<Value>) -> Object {
    object.extensions = Some(Extensions::from_iter([("allOf", Value::Array(rules))]));
    object
}

/// A page of a list.
pub(crate) fn page(items: impl Into<Shape>) -> Object {
    answer([
        ("data", array(items)),
        (
            "next_page",
            described(
                nullable(matching("^page_[A-Za-z0-9_-]+$")),
                "The `page` of the request for what follows; null when nothing does.",
            ),
        ),
    ])
}

/// One of the words of a vocabulary.
pub(crate) fn among<T>(all: &[T], word: fn(&T) -> &'static str) -> Shape {
    choice(all.iter().map(word)).into()
}

/// The name of something that the operator named.
pub(crate) fn given_name() -> Shape {
    text(1, Name::LIMIT).into()
}

/// A text of which nothing is said.
pub(crate) fn any_text() -> Shape {
    string().build().into()
}

/// An object of texts by names that are not known beforehand.
pub(crate) fn texts_by_name() -> Object {
    let texts = AdditionalProperties::RefOr(any_text());
    let object = ObjectBuilder::new().schema_type(Type::Object);
    object.additional_properties(Some(texts)).build()
}

/// The ids of seeded endpoints are any literals.
pub(crate) fn endpoint_id() -> Object {
    matching("^[A-Za-z0-9_-]{1,128}$")
}

/// A time of an answer.
pub(crate) fn shown_time(name: &'static str) -> Member {
    (name, time_out().into())
}

/// A time of an answer that may not have been.
pub(crate) fn shown_optional_time(name: &'static str) -> Member {
    (name, nullable(time_out()))
}

/// A text of an answer that may be unset.
pub(crate) fn shown_text(name: &'static str) -> Member {
    (name, nullable(text(1, Name::LIMIT)))
}

// --- what profiles have ---------------------------------------------------------------------------

pub(crate) fn program_status() -> Object {
    choice(ProgramStatus::ALL.iter().map(|value| value.as_str()))
}

pub(crate) fn program_name() -> Object {
    matching("^[a-z0-9_-]{1,64}$")
}

/// `trust_grants` of an answer.
pub(crate) fn trust_grants() -> Shape {
    let grant = answer([("status", program_status().into())]);
    let shape = map(program_name(), grant, OWN_PROGRAMS + 1);
    let words = "By the name of the program; one without status has no key.";
    described(shape, words)
}

fn activity() -> Object {
    choice(["active", "inactive"])
}

fn active(name: &'static str) -> Member {
    (name, answer([("status", activity().into())]).into())
}

/// `programs` of the answer to a get.
pub(crate) fn full_programs() -> Shape {
    let requirements = answer([
        ("data_retention", boolean().into()),
        ("human_review", boolean().into()),
    ]);
    let cyber = answer([
        ("requirements", nullable(requirements)),
        ("status", program_status().into()),
        (
            "tiers",
            answer([active("a"), active("b"), active("c")]).into(),
        ),
    ]);
    let features = answer([
        active("data_retention_exemption"),
        active("cmek"),
        active("storage"),
    ]);
    let efs = answer([
        ("features", features.into()),
        ("status", program_status().into()),
    ]);
    programs(nullable(cyber), nullable(efs))
}

/// `programs` of every other answer.
pub(crate) fn programs_in_summary() -> Shape {
    let nothing = ObjectBuilder::new()
        .schema_type(Type::Object)
        .max_properties(Some(0));
    let cyber = answer([
        ("requirements", null()),
        ("status", program_status().into()),
        ("tiers", nothing.build().into()),
    ]);
    programs(nullable(cyber), null())
}

fn programs(cyber: Shape, efs: Shape) -> Shape {
    let mut shape = answer([("cyber", cyber), ("efs", efs)]);
    let own = answer([("status", program_status().into())]);
    let own = AdditionalProperties::RefOr(own.into());
    shape.additional_properties = Some(Box::new(own));
    let words =
        "`cyber` and `efs`, null without a status, then the operator's own programs by name.";
    described(shape, words)
}

/// The members of an enforcement action that platforms see.
pub(crate) fn action_members() -> [Member; 6] {
    let verify = "The end user can clear it now by an identity check; null: nothing to do now.";
    [
        ("id", id("enac_").into()),
        ("action", described(nullable(word("verify")), verify)),
        shown_optional_time("expires_at"),
        shown_time("opened_at"),
        ("reason", reason().into()),
        ("type", choice(["restriction", "ban"]).into()),
    ]
}

pub(crate) fn reason() -> Object {
    choice(Reason::ALL.iter().map(|value| value.as_str()))
}

/// `enforcement_actions` of an answer.
pub(crate) fn enforcement_actions() -> Shape {
    let shape = array(answer(action_members()));
    described(shape, "Those open now, oldest first.")
}

pub(crate) fn enforcement_status() -> Object {
    choice(EnforcementStatus::ALL.iter().map(|value| value.as_str()))
}

/// Some of the statuses, at least one.
pub(crate) fn enforcement_statuses() -> Shape {
    let statuses = ArrayBuilder::new()
        .items(enforcement_status())
        .min_items(Some(1));
    Schema::Array(statuses.build()).into()
}
