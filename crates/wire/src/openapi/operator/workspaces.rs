//! Workspaces of an organization.

use super::{Described, answers, get, list, name, operation, organization_in_path, post, takes};
use crate::members::shape;
use crate::openapi::schema::{Shape, body, named};
use crate::operator::tenants;

pub(super) fn operations() -> Vec<Described> {
    const WORKSPACES: &str = "/operator/v1/organizations/{organization_id}/workspaces";
    let workspaces =
        |id, summary| operation("Workspaces", id, summary).parameter(organization_in_path());
    vec![
        get(
            WORKSPACES,
            list(
                workspaces("list_workspaces", "List workspaces"),
                "Workspace",
            ),
        ),
        post(
            WORKSPACES,
            takes(
                answers(
                    workspaces("create_workspace", "Create a workspace"),
                    named("Workspace"),
                ),
                "WorkspaceCreate",
            ),
        ),
    ]
}

pub(super) fn schemas() -> Vec<(&'static str, Shape)> {
    vec![
        ("Workspace", shape(tenants::WORKSPACE)),
        ("WorkspaceCreate", body([name()], &["name"]).into()),
    ]
}
