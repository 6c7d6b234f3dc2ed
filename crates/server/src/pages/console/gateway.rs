//! What an organization's gateway is told: the policy, and on a profile what would be told now.

use askama::Template;
use rollcall_domain::gateway::Verdict;
use rollcall_domain::gateway_policy::{ForUnknown, Passage};
use rollcall_domain::id::{OrganizationId, ProfileId};
use rollcall_domain::tenant::Organization;
use rollcall_record::json::Json;
use rollcall_wire::gateway::{Named, refusal};
use rollcall_wire::operator::gateway::{DecisionRequest, parse_policy};

use super::{Choice, ConsoleCall, Frame, Told, go, segment};
use crate::acts::{gateway, organizations};
use crate::http::error::{Failure, Outcome};
use crate::pages::form::Form;
use crate::pages::shown as values;
use crate::pages::{Room, page};

#[derive(Template)]
#[template(path = "console/gateway.html")]
struct GatewayPage {
    frame: Frame,
    organization: String,
    organization_path: String,
    path: String,
    members: Vec<Member>,
    trust_client_header: bool,
    cache_seconds: u16,
}

/// A member of the policy that is one of a few words.
#[derive(Debug)]
struct Member {
    name: &'static str,
    label: String,
    when: &'static str,
    choices: Vec<Choice>,
}

/// `GET /console/organizations/{id}/gateway`
pub(crate) async fn show(call: ConsoleCall<'_>) -> Outcome {
    let organization = named(&call).await?;
    shown(&call, &organization, None)
}

/// `POST /console/organizations/{id}/gateway`
pub(crate) async fn change(call: ConsoleCall<'_>) -> Outcome {
    let form = Form::of(call.exchange()).await?;
    let organization = named(&call).await?;
    let trusts = Json::Bool(form.get("trust_client_header").is_some());
    let body = form.body().with("trust_client_header", trusts);
    let body = WORDS.iter().fold(body, |body, (name, _)| body.filled(name));
    let changed = async {
        let patch = parse_policy(body.number("cache_seconds").fields())?;
        organizations::update(&call.desk, &organization.id, &patch).await
    };
    match changed.await {
        Ok(organization) => Ok(go(&format!("{}?done=saved", path(&organization.id)))),
        Err(failure) => shown(&call, &organization, Some(Told::of(failure)?)),
    }
}

async fn named(call: &ConsoleCall<'_>) -> Result<Organization, Failure> {
    let id = organizations::named(call.param("organization_id"))?;
    organizations::find(&call.desk, &id).await
}

pub(super) fn path(id: &OrganizationId) -> String {
    format!("/console/organizations/{}/gateway", segment(id.as_str()))
}

/// The members that are words, and when each decides.
const WORDS: [(&str, &str); 7] = [
    ("missing", "A request names no profile."),
    (
        "unknown",
        "The profile is not there. “Create” makes that of a reference on its first use.",
    ),
    ("banned", "The profile is banned."),
    ("restricted", "The profile is restricted."),
    ("pending", "Its identity check is under review."),
    ("account_blocked", "The platform has blocked the account."),
    (
        "account_suspended",
        "The platform has suspended the account.",
    ),
];

fn shown(call: &ConsoleCall<'_>, organization: &Organization, told: Option<Told>) -> Outcome {
    let policy = organization.gateway_policy;
    let members = WORDS.map(|(name, when)| {
        let passage = |chosen: Passage| {
            let words = Passage::ALL.iter().map(|it| it.as_str());
            Choice::plain(words, Some(chosen.as_str()))
        };
        let choices = match name {
            "missing" => passage(policy.missing),
            "banned" => passage(policy.banned),
            "restricted" => passage(policy.restricted),
            "pending" => passage(policy.pending),
            "account_blocked" => passage(policy.account_blocked),
            "account_suspended" => passage(policy.account_suspended),
            _ => {
                let words = ForUnknown::ALL.iter().map(|it| it.as_str());
                Choice::plain(words, Some(policy.unknown.as_str()))
            }
        };
        Member {
            name,
            label: values::words(name),
            when,
            choices,
        }
    });
    let shown = GatewayPage {
        frame: Frame::new(call, "organizations").telling(told),
        organization: organization.name.clone(),
        organization_path: super::organizations::path(&organization.id),
        path: path(&organization.id),
        members: members.into(),
        trust_client_header: policy.trust_client_header,
        cache_seconds: policy.cache_seconds.get(),
    };
    page(Room::Console, shown.frame.status(), &shown)
}

/// What a gateway would be told of a profile now.
#[derive(Debug)]
pub(super) struct GatewayDecision {
    pub(super) passes: bool,
    pub(super) reason: String,
    /// What the client would be told.
    pub(super) told: Option<String>,
    pub(super) policy_path: String,
}

pub(super) async fn decision(
    call: &ConsoleCall<'_>,
    organization_id: &OrganizationId,
    id: &ProfileId,
) -> Result<GatewayDecision, Failure> {
    let request = DecisionRequest {
        who: Some(Named::Id(Some(id.clone()))),
        program: None,
    };
    let decided = gateway::decide(&call.desk, organization_id, request).await?;
    let decision = decided.judged.decision;
    let passes = decision.verdict == Verdict::Allow;
    let told = (!passes).then(|| {
        let told = refusal(decision.reason);
        let code = told
            .code
            .map_or("", rollcall_wire::error::ErrorCode::as_str);
        format!("{} {} {code}", told.status(), told.kind.error_type())
    });
    Ok(GatewayDecision {
        passes,
        reason: values::words(decision.reason.as_str()),
        told,
        policy_path: path(organization_id),
    })
}
