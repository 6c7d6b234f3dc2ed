//! The document of data controls, to which no dialect applies.

use rollcall_domain::data_controls::{AccessRole, CheckName, FAILED_CHECKS, Region};
use rollcall_domain::text::{Explanation, ResourceName};
use serde_json::{Value, json};
use utoipa::openapi::path::{HttpMethod, OperationBuilder};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, Object, ObjectBuilder, Schema};
use utoipa::openapi::{ContentBuilder, OpenApi, Paths, Required, Type};

use super::answers::{self, Caller, with_errors};
use super::public::{beta, gated_headers, path_parameter};
use super::schema::{
    self, Member, Shape, answer, any_of, array, body, choice, described, matching, named, nullable,
    shown_optional_time, shown_time, time_in, word,
};
use super::{begin, security};
use crate::error::ErrorKind;
use crate::headers::DATA_CONTROLS_BETA;

const PATH: &str = "/v1/user_profiles/{user_profile_id}/providers/google/data_controls";

/// The document.
pub(super) fn document() -> OpenApi {
    let about = format!(
        "The encryption keys and storage buckets that the end customer behind a user profile brings, by \
         region. Every profile has one such object. Needs an `api` key, and `anthropic-beta` must list \
         `{DATA_CONTROLS_BETA}`: without it the path does not exist. No dialect changes anything here."
    );
    let mut components = answers::components(Caller::Platform);
    security(&mut components);
    for (name, shape) in schemas() {
        components.schemas.insert(name.to_owned(), shape);
    }
    begin("Google-managed data controls", &about)
        .paths(paths())
        .components(Some(components))
        .build()
}

/// The object as it is answered, for the operator's document too.
pub(super) fn object() -> Shape {
    answer([
        (
            "bucket_label_value",
            described(
                matching("^[0-9a-f]{32}$"),
                "The label that every bucket set up for the profile must carry; it never changes.",
            ),
        ),
        ("cmek", cmek()),
        ("storage", storage()),
        ("type", word("google_managed_data_controls").into()),
        (
            "updated_at",
            described(
                schema::time_out(),
                "When a control, or where a region stands, last changed; when the profile was created, until then.",
            ),
        ),
        ("user_profile_id", schema::id("uprof_").into()),
    ])
    .into()
}

fn schemas() -> Vec<(&'static str, Shape)> {
    let disabled = || body([("type", word("disabled").into())], &["type"]);
    let keys = by_region(nullable(key_id()), 0);
    let keys = body(
        [
            ("type", word("enabled").into()),
            ("external_key_ids", nullable(keys)),
        ],
        &["type"],
    );
    let buckets = by_region(
        nullable(body(reference(), &["bucket_name", "project_number"])),
        0,
    );
    let buckets = body(
        [
            ("type", word("enabled").into()),
            ("buckets", buckets.into()),
        ],
        &["type"],
    );
    let update = [
        ("cmek", any_of([disabled().into(), keys.into()])),
        ("storage", any_of([disabled().into(), buckets.into()])),
    ];
    vec![
        ("DataControls", object()),
        ("DataControlsUpdate", body(update, &[]).into()),
    ]
}

/// A map from regions.
fn by_region(value: impl Into<Shape>, least: usize) -> Object {
    let value = value.into();
    let mut map = ObjectBuilder::new().schema_type(Type::Object);
    for region in Region::ALL {
        map = map.property(region.as_str(), value.clone());
    }
    let closed = AdditionalProperties::FreeForm(false);
    let map = map.additional_properties(Some(closed));
    map.min_properties((least > 0).then_some(least)).build()
}

fn key_id() -> Object {
    matching("^ekey_[A-Za-z0-9_-]{1,122}$")
}

fn reference() -> [Member; 2] {
    [
        ("bucket_name", matching(r"^[a-z0-9\-_.]{3,222}$").into()),
        ("project_number", matching("^[0-9]{1,20}$").into()),
    ]
}

fn region() -> Member {
    (
        "region",
        choice(Region::ALL.iter().map(|it| it.as_str())).into(),
    )
}

fn cmek() -> Shape {
    let retired = answer([
        shown_time("expires_at"),
        ("external_key_id", key_id().into()),
        region(),
    ]);
    let error = || ("error", explanation());
    let status = |name, members: Vec<Member>| {
        let effective = ("effective_external_key_id", nullable(key_id()));
        let members = [effective].into_iter().chain(members);
        answer(members.chain([("type", word(name).into())])).into()
    };
    let optional_error = || ("error", nullable(explanation()));
    let statuses = any_of([
        status("not_configured", vec![]),
        status("pending", vec![optional_error()]),
        status(
            "active",
            vec![
                optional_error(),
                shown_optional_time("last_checked_at"),
                shown_time("validated_at"),
            ],
        ),
        status("failed", vec![error()]),
        status("suspended", vec![]),
    ]);
    control(
        ("external_key_ids", by_region(key_id(), 1)),
        ("retired_keys", array(retired)),
        statuses,
    )
}

fn storage() -> Shape {
    let [name, number] = reference();
    let retired = answer([
        name.clone(),
        shown_time("expires_at"),
        number.clone(),
        region(),
    ]);
    let fact = |name| (name, nullable(schema::text(1, ResourceName::LIMIT)));
    let bucket = answer([
        name,
        fact("kms_key_name"),
        fact("location"),
        fact("project_id"),
        number,
    ]);
    let status = |name, members: Vec<Member>| {
        let effective = ("effective_bucket", nullable(answer(reference())));
        let members = [effective].into_iter().chain(members);
        answer(members.chain([("type", word(name).into())])).into()
    };
    let checks = || ("failed_checks", failed_checks());
    let statuses = any_of([
        status("not_configured", vec![]),
        status("pending", vec![checks()]),
        status("active", vec![checks(), shown_time("validated_at")]),
        status("failed", vec![checks()]),
        status("suspended", vec![]),
    ]);
    control(
        ("buckets", by_region(bucket, 1)),
        ("retired_buckets", array(retired)),
        statuses,
    )
}

fn control(given: (&'static str, Object), retired: Member, status: Shape) -> Shape {
    let mut all = by_region(status, 0);
    for region in Region::ALL {
        all.required.push(region.to_string());
    }
    any_of([
        answer([retired.clone(), ("type", word("disabled").into())]).into(),
        answer([
            (given.0, given.1.into()),
            retired,
            ("status", all.into()),
            ("type", word("enabled").into()),
        ])
        .into(),
    ])
}

fn explanation() -> Shape {
    schema::text(1, Explanation::LIMIT).into()
}

/// The checks that a bucket did not pass, as they are answered.
fn failed_checks() -> Shape {
    few(answer(failed_check()))
}

/// The same, as they are sent.
pub(super) fn checks_in() -> Shape {
    few(body(failed_check(), &["check", "message"]))
}

fn few(check: Object) -> Shape {
    let checks = ArrayBuilder::new()
        .items(check)
        .max_items(Some(FAILED_CHECKS));
    Schema::Array(checks.build()).into()
}

/// What a record holds: the object, of which everything may be left out, and what an answer does not show.
pub(super) fn recorded() -> Shape {
    let [name, number] = reference();
    let retired = |members: Vec<Member>, facts: Vec<Member>| {
        let region = region();
        let members = members
            .into_iter()
            .chain([("expires_at", time_in().into()), region]);
        let members: Vec<_> = members.collect();
        let required: Vec<_> = members.iter().map(|(name, _)| *name).collect();
        array(body(members.clone().into_iter().chain(facts), &required))
    };
    let fact = |name| (name, nullable(schema::text(1, ResourceName::LIMIT)));
    let facts = Vec::from(["kms_key_name", "location", "project_id"].map(fact));
    let bucket = facts.iter().cloned().chain([name.clone(), number.clone()]);
    let bucket = body(bucket, &["bucket_name", "project_number"]);
    let effective = bucket.clone();
    let key = Kept {
        given: ("external_key_ids", key_id().into()),
        retired: (
            "retired_keys",
            retired(vec![("external_key_id", key_id().into())], Vec::new()),
        ),
        effective: ("effective_external_key_id", nullable(key_id())),
        finding: ("error", explanation(), true),
    };
    let bucket = Kept {
        given: ("buckets", bucket.into()),
        retired: ("retired_buckets", retired(vec![name, number], facts)),
        effective: ("effective_bucket", nullable(effective)),
        finding: ("failed_checks", checks_in(), false),
    };
    let controls = body(
        [
            ("bucket_label_value", nullable(matching("^[0-9a-f]{32}$"))),
            ("cmek", key.control()),
            ("storage", bucket.control()),
            ("type", word("google_managed_data_controls").into()),
            ("updated_at", nullable(time_in())),
            (
                "user_profile_id",
                described(schema::id("uprof_"), "If it is there, the one in the path."),
            ),
        ],
        &[],
    );
    described(
        controls,
        "What an answer shows, or an export wrote; left out: as of a fresh profile.",
    )
}

/// How a record of keys differs from one of buckets.
struct Kept {
    given: Member,
    retired: Member,
    effective: Member,
    /// What was found wrong, and whether a failed region must say it.
    finding: (&'static str, Shape, bool),
}

impl Kept {
    fn control(&self) -> Shape {
        let disabled = [self.retired.clone(), ("type", word("disabled").into())];
        let mut statuses = self.configured();
        let otherwise = nullable(any_of(statuses.clone()));
        statuses.push(self.status("suspended", vec![("otherwise", otherwise)], &[]));
        statuses.push(self.status("not_configured", Vec::new(), &[]));
        let enabled = body(
            [
                (self.given.0, by_region(self.given.1.clone(), 1).into()),
                self.retired.clone(),
                ("status", by_region(any_of(statuses), 0).into()),
                ("type", word("enabled").into()),
            ],
            &[self.given.0, "type"],
        );
        let rules = Region::ALL.iter().map(|region| self.told_of(*region));
        let enabled = schema::ruled(enabled, rules.collect());
        any_of([body(disabled, &["type"]).into(), enabled.into()])
    }

    /// A region reads `not_configured` where it has nothing, and nowhere else.
    fn told_of(&self, region: Region) -> Value {
        let none =
            json!({"required": ["type"], "properties": {"type": {"const": "not_configured"}}});
        let reads = |rule: Value| json!({"properties": {"status": {"properties": {region.as_str(): rule}}}});
        json!({
            "if": {"properties": {self.given.0: {"required": [region.as_str()]}}},
            "then": reads(json!({"not": none})),
            "else": reads(none)
        })
    }

    fn configured(&self) -> Vec<Shape> {
        let (name, finding, must) = &self.finding;
        let optional = (*name, nullable(finding.clone()));
        let failed = if *must {
            (*name, finding.clone())
        } else {
            optional.clone()
        };
        let required = [*name];
        let mut active = vec![optional.clone(), ("validated_at", time_in().into())];
        if *must {
            active.push(("last_checked_at", nullable(time_in())));
        }
        vec![
            self.status(
                "pending",
                vec![optional, ("since", nullable(time_in()))],
                &[],
            ),
            self.status("active", active, &["validated_at"]),
            self.status("failed", vec![failed], if *must { &required } else { &[] }),
        ]
    }

    fn status(&self, status: &'static str, members: Vec<Member>, required: &[&str]) -> Shape {
        let own = [("type", word(status).into()), self.effective.clone()];
        let required: Vec<_> = required.iter().copied().chain(["type"]).collect();
        body(own.into_iter().chain(members), &required).into()
    }
}

/// The members of one.
fn failed_check() -> [Member; 3] {
    let roles = choice(AccessRole::ALL.iter().map(|it| it.as_str()));
    [
        (
            "check",
            choice(CheckName::ALL.iter().map(|it| it.as_str())).into(),
        ),
        ("message", explanation()),
        ("role", nullable(roles)),
    ]
}

fn paths() -> Paths {
    let mut paths = Paths::new();
    let begin = |id: &str, summary: &str| {
        let operation = OperationBuilder::new().tag("Data controls");
        let operation = operation.operation_id(Some(id)).summary(Some(summary));
        gated_headers(DATA_CONTROLS_BETA)
            .into_iter()
            .fold(operation, OperationBuilder::parameter)
            .parameter(path_parameter("user_profile_id", schema::id("uprof_")))
            .parameter(beta())
    };
    let answered = |words| answers::json(Caller::Platform, words, named("DataControls"));
    let get = begin(
        "get_data_controls",
        "Get the keys and buckets of a user profile",
    )
    .response("200", answered("The object."));
    let get = with_errors(get, &[ErrorKind::NotFound]);
    paths.add_path_operation(PATH, vec![HttpMethod::Get], get.build());
    let content = ContentBuilder::new().schema(Some(named("DataControlsUpdate")));
    let sent = RequestBodyBuilder::new().required(Some(Required::True));
    let sent = sent.content("application/json", content.build());
    let update = begin(
        "update_data_controls",
        "Turn a control on or off, or change what a region is given",
    )
    .description(Some(
        "Controls and regions that are left out stay as they are; all of it happens, or nothing.",
    ))
    .request_body(Some(sent.build()))
    .response("200", answered("The object after the change."));
    let update = with_errors(update, &[ErrorKind::NotFound, ErrorKind::TooLarge]);
    paths.add_path_operation(PATH, vec![HttpMethod::Post], update.build());
    paths
}
