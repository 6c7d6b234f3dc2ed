//! Enforcement actions, open and past.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::enforcement::{
    ActionKind, CheckState, Enforcement, EnforcementAction, IdentityCheck, PastAction, Reason,
    Resolution,
};
use rollcall_domain::id::{EnforcementActionId, ProfileId};
use rollcall_record::field::{Field, FieldError, Fields};

use super::lists::{ListPosition, ListRequest};
use crate::cursor::Cursors;
use crate::error::ApiError;
use crate::object::{self, ObjectWriter};

/// Reads `{type, reason, action?, expires_at?}` as an action that is opened `now` under `id`. An
/// action that expires must do so in the future, one for an account compromise never.
pub fn parse_action(
    mut fields: Fields,
    id: EnforcementActionId,
    now: Timestamp,
) -> Result<EnforcementAction, ApiError> {
    let is_ban = fields.required("type")?.parsed(|text| match text {
        "restriction" => Ok(false),
        "ban" => Ok(true),
        _ => Err("must be one of: restriction, ban"),
    })?;
    let reason = fields.required("reason")?.parsed(Reason::parse)?;
    let next_step = fields.take_non_null("action");
    let expires_at = fields.take_non_null("expires_at");
    let kind = if is_ban {
        if let Some(field) = next_step.or(expires_at) {
            return Err(field.error("must be null for a ban").into());
        }
        ActionKind::Ban
    } else {
        restriction(next_step, expires_at, now)?
    };
    fields.finish()?;
    // The error names its own field.
    EnforcementAction::new(id, now, reason, kind)
        .map_err(|error| ApiError::invalid(error.to_string()))
}

fn restriction(
    next_step: Option<Field>,
    expires_at: Option<Field>,
    now: Timestamp,
) -> Result<ActionKind, FieldError> {
    let check = next_step.map(|field| {
        field.parsed(|text| match text {
            "verify" => Ok(IdentityCheck::Offered),
            _ => Err("must be verify or null"),
        })
    });
    let check = check.transpose()?.unwrap_or(IdentityCheck::NotOffered);
    let expires_at = expires_at.map(|field| {
        let path = field.path.clone();
        match field.timestamp() {
            Ok(expires_at) if expires_at <= now => {
                Err(FieldError::new(path, "must be in the future"))
            }
            read => read,
        }
    });
    Ok(ActionKind::Restriction {
        expires_at: expires_at.transpose()?,
        check,
    })
}

/// Reads `{state}` of an identity check.
pub fn parse_identity_check(mut fields: Fields) -> Result<CheckState, ApiError> {
    let state = fields.required("state")?.parsed(CheckState::parse)?;
    fields.finish()?;
    Ok(state)
}

/// An action as the operator sees it: how it stands at an instant, or how it ended.
#[derive(Clone, Copy, Debug)]
pub struct ShownAction<'a> {
    action: &'a EnforcementAction,
    ended: Option<(Timestamp, Resolution)>,
}

impl<'a> ShownAction<'a> {
    /// An unresolved action; one whose expiry has been reached at `now` is shown as ended by it,
    /// whether or not that has been recorded.
    pub fn unresolved(action: &'a EnforcementAction, now: Timestamp) -> Self {
        let expired = action.expires_at().filter(|_| !action.is_open_at(now));
        Self {
            action,
            ended: expired.map(|expires_at| (expires_at, Resolution::Expired)),
        }
    }

    /// An action recorded as ended.
    pub fn past(past: &'a PastAction) -> Self {
        Self {
            action: &past.action,
            ended: Some((past.resolved_at, past.resolution)),
        }
    }

    /// All of a profile's actions, oldest first by opening, then by id: an order that stays when
    /// actions end.
    pub fn all(enforcement: &'a Enforcement, now: Timestamp) -> Vec<Self> {
        let past = enforcement.past().iter().map(Self::past);
        let unresolved = enforcement.unresolved().iter();
        let unresolved = unresolved.map(|action| Self::unresolved(action, now));
        let mut all: Vec<Self> = past.chain(unresolved).collect();
        all.sort_by(|left, right| left.sort_key().cmp(&right.sort_key()));
        all
    }

    fn sort_key(&self) -> (Timestamp, &'a str) {
        (self.action.opened_at(), self.action.id().as_str())
    }

    /// The action with this id, if it is or was among the profile's.
    pub fn find(
        enforcement: &'a Enforcement,
        id: &EnforcementActionId,
        now: Timestamp,
    ) -> Option<Self> {
        let mut all = Self::all(enforcement, now).into_iter();
        all.find(|shown| shown.action.id() == id)
    }
}

/// Appends an action: the fields that the newest dialect shows, then what only the operator sees.
pub fn write_action(out: &mut String, profile_id: &ProfileId, shown: ShownAction<'_>) {
    let action = shown.action;
    let (next_step, check, kind) = match action.kind() {
        ActionKind::Ban => (None, None, "ban"),
        ActionKind::Restriction { check, .. } => match check {
            IdentityCheck::NotOffered => (None, None, "restriction"),
            IdentityCheck::Offered => (Some("verify"), None, "restriction"),
            IdentityCheck::Submitted => (None, Some("submitted"), "restriction"),
        },
    };
    let resolution = shown.ended.map(|(_, resolution)| resolution.as_str());
    ObjectWriter::new(out)
        .text("id", action.id().as_str())
        .optional_text("action", next_step)
        .optional_time("expires_at", action.expires_at())
        .time("opened_at", action.opened_at())
        .text("reason", action.reason().as_str())
        .text("type", kind)
        .text("user_profile_id", profile_id.as_str())
        .optional_text("identity_check", check)
        .optional_time(
            "resolved_at",
            shown.ended.map(|(resolved_at, _)| resolved_at),
        )
        .optional_text("resolution", resolution)
        .close();
}

/// Reads the query of a list of the profile's actions.
pub fn parse_list(
    query: Option<&str>,
    cursors: &Cursors,
    profile_id: &ProfileId,
) -> Result<ListRequest<ListPosition>, ApiError> {
    let list = format!("enforcement_actions {profile_id}");
    ListRequest::parse(query, cursors, &list)
}

/// The answer to a list of a profile's actions, oldest first.
pub fn write_list(
    profile_id: &ProfileId,
    enforcement: &Enforcement,
    request: &ListRequest<ListPosition>,
    cursors: &Cursors,
    now: Timestamp,
) -> String {
    let mut actions = ShownAction::all(enforcement, now);
    if let Some(after) = &request.after {
        actions.retain(|shown| shown.sort_key() > (after.created_at, after.id.as_str()));
    }
    let more = actions.len() > request.limit.get();
    actions.truncate(request.limit.get());
    let next_page = actions.last().filter(|_| more).map(|last| {
        let (opened_at, id) = last.sort_key();
        let position = ListPosition {
            created_at: opened_at,
            id: id.to_owned(),
        };
        request.next_page(cursors, &position)
    });
    let write = |out: &mut String, shown| write_action(out, profile_id, shown);
    object::page(actions, write, next_page.as_deref())
}
