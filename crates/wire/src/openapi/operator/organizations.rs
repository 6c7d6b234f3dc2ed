//! Organizations.

use super::{
    Described, answers, get, linked, list, ok, operation, organization_in_path, post, takes,
};
use crate::members::{shape, shapes};
use crate::openapi::schema::{Shape, body, named};
use crate::operator::tenants;

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
    // What is shown and was not given by the server can be sent.
    let sent = || {
        let shown = shapes(tenants::ORGANIZATION).into_iter();
        shown.filter(|(name, _)| !["type", "id", "created_at"].contains(name))
    };
    vec![
        ("Organization", shape(tenants::ORGANIZATION)),
        ("OrganizationCreate", body(sent(), &["name"]).into()),
        ("OrganizationUpdate", body(sent(), &[]).into()),
    ]
}
