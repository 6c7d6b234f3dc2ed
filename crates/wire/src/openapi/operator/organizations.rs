//! Organizations.

use rollcall_domain::data_controls::DataControlsApproval;
use rollcall_domain::tenant::{EnrollmentLinks, OrganizationStatus};

use super::{
    Described, answers, get, linked, list, name, ok, operation, organization_in_path, post, takes,
};
use crate::openapi::schema::{
    Shape, answer, body, choice, described, integer, named, nullable, organization_id, shown_time,
    word,
};

pub(super) fn operations() -> Vec<Described> {
    const ORGANIZATIONS: &str = "/operator/v1/organizations";
    const ORGANIZATION: &str = "/operator/v1/organizations/{organization_id}";
    let organizations = |id, summary| operation("Organizations", id, summary);
    let one = |id, summary| organizations(id, summary).parameter(organization_in_path());
    let created = linked(
        ok(named("Organization")),
        "organization_id",
        &[
            "get_organization",
            "update_organization",
            "create_workspace",
            "create_api_key",
        ],
    );
    let create =
        organizations("create_organization", "Create an organization").response("200", created);
    vec![
        get(
            ORGANIZATIONS,
            list(
                organizations("list_organizations", "List organizations"),
                "Organization",
            ),
        ),
        post(ORGANIZATIONS, takes(create, "OrganizationCreate")),
        get(
            ORGANIZATION,
            answers(
                one("get_organization", "Get an organization"),
                named("Organization"),
            ),
        ),
        post(
            ORGANIZATION,
            takes(
                answers(
                    one("update_organization", "Update an organization"),
                    named("Organization"),
                ),
                "OrganizationUpdate",
            ),
        ),
    ]
}

pub(super) fn schemas() -> Vec<(&'static str, Shape)> {
    let statuses = || choice(OrganizationStatus::ALL.iter().map(|value| value.as_str()));
    let links = || choice(EnrollmentLinks::ALL.iter().map(|value| value.as_str()));
    let words = "Whether its platform can make enrollment and action URLs.";
    let links = || described(links(), words);
    let controls = || choice(DataControlsApproval::ALL.iter().map(|value| value.as_str()));
    let words = "Whether its platform may switch data controls on.";
    let controls = || described(controls(), words);
    let rate = || nullable(integer(1, Some(i64::from(u32::MAX))));
    let rate = || described(rate(), "Public requests a minute; null: no limit.");
    vec![
        (
            "Organization",
            answer([
                ("type", word("organization").into()),
                ("id", organization_id().into()),
                name(),
                shown_time("created_at"),
                ("rate_limit_rpm", rate()),
                ("status", statuses().into()),
                ("enrollment_links", links()),
                ("data_controls", controls()),
            ])
            .into(),
        ),
        (
            "OrganizationCreate",
            body(
                [
                    name(),
                    ("rate_limit_rpm", rate()),
                    ("status", statuses().into()),
                    ("enrollment_links", links()),
                    ("data_controls", controls()),
                ],
                &["name"],
            )
            .into(),
        ),
        (
            "OrganizationUpdate",
            body(
                [
                    name(),
                    ("rate_limit_rpm", rate()),
                    ("status", statuses().into()),
                    ("enrollment_links", links()),
                    ("data_controls", controls()),
                ],
                &[],
            )
            .into(),
        ),
    ]
}
