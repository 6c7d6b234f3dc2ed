//! Organizations.

use utoipa::openapi::path::HttpMethod;

use super::{
    Described, errors, get, linked, list, ok, operation, organization_in_path, post, takes,
};
use crate::error::ErrorKind;
use crate::members::{shape, shapes};
use crate::openapi::answers::{self, Caller};
use crate::openapi::schema::{Shape, answer, body, named, organization_id, word};
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
    let remove = one("remove_organization", "End a tenancy").description(Some(
        "Only of an organization that is on hold. From then on nothing of it is answered, and everything is erased, which \
         takes its time.",
    ));
    let under_way = answer([
        ("id", organization_id().into()),
        ("type", word("organization_removal_under_way").into()),
    ]);
    let words = "It goes on. Asked again, it is waited for; once it is over, the organization is not found.";
    let remove = remove.response("202", answers::json(Caller::Operator, words, under_way));
    let gone = answer([
        ("id", organization_id().into()),
        ("type", word("organization_deleted").into()),
    ]);
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
            super::answers(
                one("get_organization", "Get an organization"),
                named("Organization"),
            ),
        ),
        post(
            ORGANIZATION,
            takes(
                super::answers(
                    one("update_organization", "Update an organization"),
                    named("Organization"),
                ),
                "OrganizationUpdate",
            ),
        ),
        (
            ORGANIZATION,
            HttpMethod::Delete,
            errors(
                ORGANIZATION,
                super::answers(remove, gone),
                &[ErrorKind::Conflict],
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
