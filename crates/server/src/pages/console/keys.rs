//! What pages of keys share: the rows, the page that shows a secret, and what is done to one.

use askama::Template;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::role::Role;
use rollcall_domain::tenant::{ApiKey, KeyStatus};
use rollcall_wire::error::ApiError;

use super::confirm::{self, Question};
use super::{ConsoleCall, Frame, go, shown};
use crate::acts::keys;
use crate::http::error::Outcome;
use crate::pages::form::Form;
use crate::pages::shown::Moment;
use crate::secrets::Secret;

#[derive(Debug)]
pub(super) struct KeyRow {
    pub(super) id: String,
    pub(super) name: String,
    /// Its role, or its kind.
    pub(super) what: &'static str,
    pub(super) workspace: String,
    pub(super) created: Moment,
    pub(super) used: Option<Moment>,
    pub(super) expires: Option<Moment>,
    pub(super) is_disabled: bool,
    pub(super) is_expired: bool,
    /// Whether it is the one that the operator has signed in with.
    pub(super) is_mine: bool,
}

impl KeyRow {
    pub(super) fn new(call: &ConsoleCall<'_>, key: &ApiKey, now: Timestamp) -> Self {
        let role = key.owner.role().map(Role::as_str);
        let workspace = key.owner.workspace_id().map(ToString::to_string);
        Self {
            id: key.id.to_string(),
            name: key.name.clone(),
            what: role.unwrap_or_else(|| key.owner.kind().as_str()),
            workspace: workspace.unwrap_or_default(),
            created: Moment::minute(key.created_at),
            used: key.last_used_at.map(|at| Moment::ago(at, now)),
            expires: key.expires_at.map(Moment::minute),
            is_disabled: key.status == KeyStatus::Disabled,
            is_expired: key.is_expired_at(now),
            is_mine: key.id == call.session.key_id,
        }
    }
}

#[derive(Template)]
#[template(path = "console/secret.html")]
struct SecretPage {
    frame: Frame,
    name: String,
    /// Of what kind and whose it is.
    what: String,
    id: String,
    path: String,
    secret: Secret,
}

/// Shows a new key's secret, once, and the way back to `path`.
pub(super) fn show_secret(
    call: &ConsoleCall<'_>,
    here: &'static str,
    (key, secret): (ApiKey, Secret),
    what: String,
    path: String,
) -> Outcome {
    shown(&SecretPage {
        frame: Frame::new(call, here),
        name: key.name,
        what,
        id: key.id.to_string(),
        path,
        secret,
    })
}

/// Disables, enables or deletes a key as the form says, and goes back to the page of it; asks first where that locks
/// somebody out.
pub(super) async fn change(
    call: &ConsoleCall<'_>,
    here: &'static str,
    key: &ApiKey,
    form: &Form,
    back: String,
) -> Outcome {
    let asked = form.get("do").unwrap_or_default();
    if matches!(asked, "disable" | "delete") && !confirm::is_confirmed(form) {
        let (title, after, yes) = match asked {
            "delete" => ("Delete", "It is gone for good.", "Delete the key"),
            _ => ("Disable", "It can be enabled again.", "Disable the key"),
        };
        let mut effects = vec!["Requests with it are refused within five seconds.".to_owned()];
        if key.owner.role().is_some() {
            effects.push("Whoever is signed in with it is signed out for good.".to_owned());
        }
        effects.push(after.to_owned());
        let question = Question {
            title: format!("{title} the key {}?", key.name),
            effects,
            yes,
            back,
        };
        return confirm::ask(call, here, question, form);
    }
    let (status, done) = match asked {
        "enable" => (Some(KeyStatus::Active), "enabled"),
        "disable" => (Some(KeyStatus::Disabled), "disabled"),
        "delete" => (None, "deleted"),
        _ => return Err(ApiError::at("do", "must be enable, disable or delete").into()),
    };
    match status {
        Some(status) => drop(keys::set_status(&call.desk, &key.id, status).await?),
        None => keys::delete(&call.desk, &key.id).await?,
    }
    Ok(go(&format!("{back}?done={done}")))
}
