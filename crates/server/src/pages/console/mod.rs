//! The operator's console: the registry to look at, and the operator's decisions to make.
//!
//! It is for whoever holds an operator key, which is exchanged for a session ([`session`]). Handlers
//! take a [`ConsoleCall`] and do what the operator API does, through the same parsers and the same
//! [acts](crate::acts), so that a form and a request mean the same. What a role may not do is not offered. A page that changes something is a form; what
//! cannot be taken back asks first ([`confirm`]), then sends the browser on to the page that shows the
//! outcome, which `?done=` names.

pub(crate) mod audit;
pub(crate) mod audit_event;
mod charts;
mod confirm;
mod data_controls;
pub(crate) mod decisions;
pub(crate) mod deliveries;
pub(crate) mod delivery;
pub(crate) mod development;
pub(crate) mod endpoint;
pub(crate) mod enrollment;
pub(crate) mod enrollments;
pub(crate) mod export;
pub(crate) mod gateway;
pub(crate) mod import;
mod keys;
pub(crate) mod operator_keys;
pub(crate) mod organizations;
pub(crate) mod overview;
mod paging;
pub(crate) mod profile;
pub(crate) mod profiles;
pub(crate) mod requests;
pub(crate) mod search;
pub(crate) mod session;
pub(crate) mod sign_in;
mod trouble;
pub(crate) mod webhooks;

use askama::Template;
use http::{StatusCode, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rollcall_domain::id::OrganizationId;
use rollcall_domain::page::Limit;
use rollcall_domain::program::ProgramStatus;
use rollcall_domain::role::{Right, Role};
use rollcall_domain::tenant::Organization;
use rollcall_store::overview::RegistryFigures;
use rollcall_wire::error::ApiError;

use super::form::Form;
use super::{Room, assets, page};
use crate::acts;
use crate::app::Operation;
use crate::http::answer::Answer;
use crate::http::error::{Failure, Outcome};
pub(crate) use session::ConsoleCall;
use trouble::TroublePage;

/// What every page of the console has around it.
#[derive(Debug)]
struct Frame {
    style: &'static str,
    icon: &'static str,
    script: &'static str,
    /// Which entry of the navigation is this page's.
    here: &'static str,
    /// Whether somebody is signed in.
    inside: bool,
    /// Whether this is a development server.
    development: bool,
    /// What the operator is, if one is signed in.
    role: Option<Role>,
    /// The server's version.
    version: &'static str,
    told: Option<Told>,
    /// Whether people are found by their e-mail addresses.
    hashes_addresses: bool,
    refresh: Refresh,
}

/// Whether a page loads itself anew every half minute, in case it is one that changes by itself.
#[derive(Debug, Default)]
struct Refresh {
    is_on: bool,
    /// The page with that switched.
    switch: String,
}

impl Refresh {
    fn of(asked: &Uri) -> Self {
        let query = Form::of_query(asked.query());
        let is_on = query.filled("refresh").is_some();
        let kept = query.to_query(&["refresh", "done", "signed-in"]);
        let joint = if kept.is_empty() { "" } else { "&" };
        let refresh = if is_on { "" } else { "refresh=on" };
        Self {
            is_on,
            switch: format!("{}?{kept}{joint}{refresh}", asked.path()),
        }
    }
}

/// What has become of what was asked for.
#[derive(Debug)]
struct Told {
    text: String,
    bad: bool,
    /// The status of the page that tells it.
    status: StatusCode,
}

impl Told {
    fn bad(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            bad: true,
            status: StatusCode::OK,
        }
    }

    /// What was wrong with what a form asked for, to be told on the form's page. What has no such page is a failure
    /// still: that something is not there, and what the operator did nothing for.
    fn of(failure: Failure) -> Result<Self, Failure> {
        let told = failure.told();
        let status = StatusCode::from_u16(told.status()).unwrap_or(StatusCode::BAD_REQUEST);
        if status == StatusCode::NOT_FOUND || status.is_server_error() {
            return Err(failure);
        }
        Ok(Self {
            status,
            ..Self::bad(told.message.clone())
        })
    }

    /// The outcome that `?done=` names.
    fn done(call: &ConsoleCall<'_>) -> Option<Self> {
        let query = Form::of_query(call.exchange().query());
        let text = match query.get("done")? {
            "approved" => "Approved. The profile is active in the program.",
            "rejected" => "Rejected.",
            "none-chosen" => "Nothing was done: tick the applications to decide first.",
            "opened" => "The action is open.",
            "resolved" => "The action has ended.",
            "checked" => "The identity check is recorded.",
            "program" => "The program is set.",
            "reported" => "The region's new state is recorded.",
            "program-deleted" => "The profile is out of the program.",
            "saved" => "Saved.",
            "created" => "Created.",
            "held" => "The organization is on hold: its requests are refused.",
            "released" => "The organization is served again.",
            "disabled" => "The key is disabled.",
            "enabled" => "The key is enabled.",
            "deleted" => "Deleted.",
            "removed" => "The organization is gone, with everything it had.",
            "removing" => {
                "Nothing of the organization is answered any more. What it had is being removed."
            }
            "erased" => "Erased. Nothing is kept but IDs in the audit trail.",
            "revoked" => "The session has ended.",
            "tested" => "A test event is under way.",
            "redelivered" => "It is under way again.",
            "endpoint-disabled" => "The endpoint is disabled: it is told nothing any more.",
            "endpoint-enabled" => "The endpoint is enabled.",
            "clock" => "The clock is set.",
            "fault" => "The fault is prepared.",
            "cleared" => "No faults are prepared any more.",
            "reset" => "Everything is as it was at the start.",
            _ => return None,
        };
        Some(Self {
            bad: false,
            ..Self::bad(text)
        })
    }
}

impl Frame {
    fn new(call: &ConsoleCall<'_>, here: &'static str) -> Self {
        Self {
            inside: true,
            development: call.app().development.is_some(),
            role: Some(call.desk.role()),
            told: Told::done(call),
            hashes_addresses: call.app().settings.email_hashing.is_some(),
            refresh: Refresh::of(&call.exchange().head.uri),
            ..Self::outside(here)
        }
    }

    fn outside(here: &'static str) -> Self {
        Self {
            style: &assets::STYLE,
            icon: &assets::ICON,
            script: &assets::SCRIPT,
            here,
            inside: false,
            development: false,
            role: None,
            version: env!("CARGO_PKG_VERSION"),
            told: None,
            hashes_addresses: false,
            refresh: Refresh::default(),
        }
    }

    fn telling(self, told: Option<Told>) -> Self {
        Self {
            told: told.or(self.told),
            ..self
        }
    }

    /// The status of the page.
    fn status(&self) -> StatusCode {
        let told = self.told.as_ref();
        told.map_or(StatusCode::OK, |told| told.status)
    }

    /// Whether to offer what needs the right to decide.
    fn decides(&self) -> bool {
        self.role.is_some_and(|role| role.has(Right::Decide))
    }

    /// Whether to offer what needs the right to administer.
    fn administers(&self) -> bool {
        self.role.is_some_and(|role| role.has(Right::Administer))
    }

    fn is_here(&self, entry: &str) -> bool {
        self.here == entry
    }
}

/// What to show for a failure of what was asked for.
pub(super) fn trouble(
    status: StatusCode,
    asked: &Uri,
    told: &ApiError,
    request_id: &str,
) -> Outcome {
    let trouble = TroublePage::of(status, asked, told, request_id);
    page(Room::Console, status, &trouble)
}

fn shown(template: &impl Template) -> Outcome {
    page(Room::Console, StatusCode::OK, template)
}

/// On to a page of the console.
fn go(target: &str) -> Answer {
    super::see_other(Room::Console, target)
}

/// Ids stay readable in addresses.
const NOT_IN_IDS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');

/// A part of a path.
fn segment(text: &str) -> String {
    utf8_percent_encode(text, NOT_IN_IDS).to_string()
}

/// The look of a program's status.
fn look_of(status: ProgramStatus) -> &'static str {
    match status {
        ProgramStatus::Active => "good",
        ProgramStatus::Pending => "wait",
        ProgramStatus::Rejected => "bad",
    }
}

/// One of the choices of a field.
#[derive(Debug)]
struct Choice {
    value: String,
    label: String,
    chosen: bool,
}

impl Choice {
    fn all<'a>(
        values: impl IntoIterator<Item = (&'a str, String)>,
        chosen: Option<&str>,
    ) -> Vec<Self> {
        let choices = values.into_iter().map(|(value, label)| Self {
            chosen: Some(value) == chosen,
            value: value.to_owned(),
            label,
        });
        choices.collect()
    }

    /// The choice that narrows nothing.
    fn all_of_them(chosen: bool) -> Self {
        Self {
            value: String::new(),
            label: "All".to_owned(),
            chosen,
        }
    }

    /// Choices whose labels are their values.
    fn plain<'a>(values: impl IntoIterator<Item = &'a str>, chosen: Option<&str>) -> Vec<Self> {
        let labelled = values
            .into_iter()
            .map(|value| (value, super::shown::words(value)));
        Self::all(labelled, chosen)
    }
}

/// Totals of the registry, which are kept and not counted.
async fn figures(call: &ConsoleCall<'_>) -> Result<RegistryFigures, Failure> {
    let read = call
        .app()
        .store
        .registry_figures(call.desk.proof, 0, i64::MAX);
    call.desk.read(Operation::ReadFigures, read).await
}

/// The first hundred organizations, to choose from and to name.
struct Organizations(Vec<Organization>);

impl Organizations {
    async fn read(call: &ConsoleCall<'_>) -> Result<Self, Failure> {
        let listed = acts::organizations::list(&call.desk, None, Limit::LARGEST).await?;
        Ok(Self(listed.items))
    }

    fn name(&self, id: &OrganizationId) -> String {
        let named = self.0.iter().find(|it| it.id == *id);
        named.map_or_else(|| id.to_string(), |it| it.name.clone())
    }

    fn choices(&self, chosen: Option<&str>) -> Vec<Choice> {
        let named = self.0.iter().map(|it| (it.id.as_str(), it.name.clone()));
        Choice::all(named, chosen)
    }
}
