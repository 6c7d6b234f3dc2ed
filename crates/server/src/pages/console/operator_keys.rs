//! The operator's own keys: who may do what. A key's secret is on the page that its making answers with, once, and
//! nowhere else.

use askama::Template;
use rollcall_domain::page::Limit;
use rollcall_domain::role::Role;
use rollcall_wire::operator::tenants::parse_operator_key;

use super::keys::{self, KeyRow};
use super::paging::{Pager, Paging};
use super::{Choice, ConsoleCall, Frame, Told};
use crate::acts;
use crate::http::error::{Failure, Outcome};
use crate::pages::form::Form;
use crate::pages::{Room, page};

const HERE: &str = "operator-keys";
pub(super) const PATH: &str = "/console/operator_keys";

#[derive(Template)]
#[template(path = "console/operator_keys.html")]
struct OperatorKeysPage {
    frame: Frame,
    keys: Vec<KeyRow>,
    roles: Vec<Choice>,
    pager: Pager,
}

/// `GET /console/operator_keys`
pub(crate) async fn list(call: ConsoleCall<'_>) -> Outcome {
    listed(&call, None).await
}

async fn listed(call: &ConsoleCall<'_>, told: Option<Told>) -> Outcome {
    let now = call.app().clock.now();
    let form = Form::of_query(call.exchange().query());
    let paging = Paging::new(call, PATH, &form);
    let after = paging.after()?;
    let found = acts::keys::list_operators(&call.desk, after.as_ref(), Limit::DEFAULT).await?;
    let keys = found.items.iter().map(|key| KeyRow::new(call, key, now));
    let roles = Role::ALL.iter().map(|role| {
        let words = match role {
            Role::Owner => "owner: everything",
            Role::Reviewer => "reviewer: reads and decides",
            Role::Viewer => "viewer: reads",
        };
        (role.as_str(), words.to_owned())
    });
    let list = OperatorKeysPage {
        frame: Frame::new(call, HERE).telling(told),
        keys: keys.collect(),
        roles: Choice::all(roles, Some(Role::Viewer.as_str())),
        pager: paging.pager(found.next),
    };
    page(Room::Console, list.frame.status(), &list)
}

/// `POST /console/operator_keys`: makes a key and shows its secret, once.
pub(crate) async fn create(call: ConsoleCall<'_>) -> Outcome {
    let form = Form::of(call.exchange()).await?;
    let created = async {
        let body = form.body().filled("name").filled("role");
        let draft = parse_operator_key(body.instant("expires_at").fields())?;
        acts::keys::create(&call.desk, draft).await
    };
    match created.await {
        Ok(made) => {
            let role = made.0.owner.role().map_or("", Role::as_str);
            let what = format!("operator key with the role {role}");
            keys::show_secret(&call, HERE, made, what, PATH.to_owned())
        }
        Err(failure) => wrong(&call, failure).await,
    }
}

/// `POST /console/operator_keys/{id}`: disables, enables or deletes a key.
pub(crate) async fn update(call: ConsoleCall<'_>) -> Outcome {
    let form = Form::of(call.exchange()).await?;
    let key = acts::keys::find_operators(&call.desk, call.param("operator_key_id")).await?;
    match keys::change(&call, HERE, &key, &form, PATH.to_owned()).await {
        Ok(answer) => Ok(answer),
        Err(failure) => wrong(&call, failure).await,
    }
}

/// Shows the keys with what was wrong with a form.
async fn wrong(call: &ConsoleCall<'_>, failure: Failure) -> Outcome {
    listed(call, Some(Told::of(failure)?)).await
}
