//! Workspaces of an organization.

use super::{Described, answers, get, list, name, operation, organization_in_path, post, takes};
use crate::openapi::schema::{Shape, answer, body, id, named, shown_time, word};

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
        (
            "Workspace",
            answer([
                ("type", word("workspace").into()),
                ("id", id("wrkspc_").into()),
                name(),
                shown_time("created_at"),
            ])
            .into(),
        ),
        ("WorkspaceCreate", body([name()], &["name"]).into()),
    ]
}
