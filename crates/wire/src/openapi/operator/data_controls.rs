//! Data controls: what the operator says of a region.

use rollcall_domain::data_controls::Region;
use rollcall_domain::text::{Explanation, ResourceName};

use super::{Described, answers, operation, post, profile_in_path, takes};
use crate::openapi::data_controls::{checks_in, object};
use crate::openapi::public::path_parameter;
use crate::openapi::schema::{Member, Shape, any_of, body, choice, named, nullable, text};

pub(super) fn operations() -> Vec<Described> {
    const KEY: &str = "/operator/v1/user_profiles/{user_profile_id}/data_controls/cmek/{region}";
    const BUCKET: &str =
        "/operator/v1/user_profiles/{user_profile_id}/data_controls/storage/{region}";
    let region = || choice(Region::ALL.iter().map(|region| region.as_str()));
    let report = |id, summary| {
        let report = operation("Data controls", id, summary).parameter(profile_in_path());
        answers(
            report.parameter(path_parameter("region", region())),
            named("DataControls"),
        )
    };
    let key = report("report_on_key", "Say what became of a region's key");
    let bucket = report("report_on_bucket", "Say what became of a region's bucket");
    vec![
        post(KEY, takes(key, "KeyReport")),
        post(BUCKET, takes(bucket, "BucketReport")),
    ]
}

pub(super) fn schemas() -> Vec<(&'static str, Shape)> {
    let report = |statuses: &[&'static str], members: Vec<Member>| {
        let status = ("status", choice(statuses).into());
        let members = std::iter::once(status).chain(members);
        Shape::from(body(members, &["status"]))
    };
    let error = || text(1, Explanation::LIMIT);
    let fact = |name| (name, nullable(text(1, ResourceName::LIMIT)));
    let checks = || ("failed_checks", nullable(checks_in()));
    let facts = ["kms_key_name", "location", "project_id"].map(fact);
    let with_facts = std::iter::once(checks()).chain(facts).collect();
    let suspended = || report(&["suspended"], Vec::new());
    let key = any_of([
        report(
            &["active", "pending", "failed"],
            vec![("error", nullable(error()))],
        ),
        suspended(),
    ]);
    let bucket = any_of([
        report(&["active"], with_facts),
        report(&["pending", "failed"], vec![checks()]),
        suspended(),
    ]);
    vec![
        ("DataControls", object()),
        ("KeyReport", key),
        ("BucketReport", bucket),
    ]
}
