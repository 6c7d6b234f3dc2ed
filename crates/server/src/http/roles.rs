//! What each role of an operator's key may ask for: `docs/reference/roles.md`, made from the table of routes so that it
//! cannot disagree with it.

use std::fmt::Write as _;

use rollcall_domain::role::Role;

use super::router::Audience;
use super::routes::table;

const INTRODUCTION: &str = "\
<!-- Generated from crates/server/src/http/routes.rs by the test `cli`; change the rights there, then run
     UPDATE_REFERENCE=1 cargo test -p rollcall --test cli reference -->

# Roles of operator keys

What a role may not do is a 403 `permission_error` that names the role it takes. The console goes by the same rules, and a command with
`--url` by those of its key; on the storage itself the command line may do everything. The paths under `/operator/v1/dev` exist under `rollcall dev`
alone. Who gets which role: [production](../guides/production.md#who-operates-it).

";

/// The content of `docs/reference/roles.md`.
pub fn reference_markdown() -> String {
    let mut markdown = INTRODUCTION.to_owned();
    let names: Vec<_> = Role::ALL.iter().map(|role| role.as_str()).collect();
    // Writing to a String cannot fail.
    let _ = writeln!(markdown, "| request | {} |", names.join(" | "));
    let _ = writeln!(markdown, "| --- |{}", " --- |".repeat(names.len()));
    for route in table() {
        let is_api = matches!(route.audience, Audience::Operator | Audience::Development);
        let Some(right) = route.right.filter(|_| is_api) else {
            continue;
        };
        let may = Role::ALL
            .iter()
            .map(|role| if role.has(right) { "yes" } else { "" });
        let may: Vec<_> = may.collect();
        let (method, template) = (route.method, route.template);
        let _ = writeln!(markdown, "| `{method} {template}` | {} |", may.join(" | "));
    }
    markdown
}
