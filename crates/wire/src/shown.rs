//! Members of answers: each told once, what it is called, what it looks like and how it is written.
//!
//! Every dialect's file lists those that it shows, in its own order ([`answered!`]).

use rollcall_domain::clock::Timestamp;
use rollcall_domain::enforcement::StatusRules;
use rollcall_domain::profile::AccessType;
use rollcall_domain::text::Name;
use rollcall_record::document::{DamagedDocument, ProfileView};

use crate::openapi::schema::{self, Shape, answer, nullable, text, time_out, word};
use crate::parts::Write;
use crate::sent;

/// A member of an answer, or two that are found out together.
#[derive(Debug)]
pub(crate) struct Member {
    shapes: &'static [NamedShape],
    /// `,"name":`
    key: &'static str,
    value: Value,
}

type NamedShape = (&'static str, fn() -> Shape);

/// How a value is written.
#[derive(Debug)]
enum Value {
    /// A part of the document, as it stands.
    Part(for<'a> fn(&ProfileView<'a>) -> &'a str),
    /// Several parts.
    Parts(fn(&mut Vec<u8>, &ProfileView<'_>)),
    /// What parts come to at a time, and what else follows from it.
    At(fn(&mut Vec<u8>, &ProfileView<'_>, Timestamp) -> Result<(), DamagedDocument>),
}

impl Member {
    /// Writes it behind others.
    #[expect(
        clippy::inline_always,
        reason = "runs for every member of every profile; each call knows its member, and so costs what writing it by hand would"
    )]
    #[inline(always)]
    pub(crate) fn write(
        &self,
        out: &mut Vec<u8>,
        view: &ProfileView<'_>,
        now: Timestamp,
    ) -> Result<(), DamagedDocument> {
        out.extend_from_slice(self.key.as_bytes());
        match self.value {
            Value::Part(part) => out.extend_from_slice(part(view).as_bytes()),
            Value::Parts(copy) => copy(out, view),
            Value::At(write) => write(out, view, now)?,
        }
        Ok(())
    }
}

/// The members of an answer, and the function that writes them.
#[derive(Debug)]
pub(crate) struct Answered {
    /// In their order.
    pub(crate) members: &'static [&'static Member],
    /// Writes an object of them.
    pub(crate) write: fn(&mut Vec<u8>, &ProfileView<'_>, Timestamp) -> Result<(), DamagedDocument>,
}

/// An [`Answered`] of these members.
///
/// The function has a call for each of them instead of a loop over the list, so that the compiler
/// writes every key as the constant it is.
macro_rules! answered {
    ($($member:ident),+ $(,)?) => {
        $crate::shown::Answered {
            members: &[$(&$crate::shown::$member),+],
            write: |out, view, now| {
                let start = out.len();
                $($crate::shown::$member.write(out, view, now)?;)+
                $crate::shown::enclose(out, start);
                Ok(())
            },
        }
    };
}
pub(crate) use answered;

/// Makes an object of what was written from `start` on.
pub(crate) fn enclose(out: &mut Vec<u8>, start: usize) {
    if let Some(comma) = out.get_mut(start) {
        *comma = b'{';
    }
    out.push(b'}');
}

/// What these members look like.
pub(crate) fn shapes(members: &[&Member]) -> Vec<schema::Member> {
    let shapes = members.iter().flat_map(|member| member.shapes);
    shapes.map(|(name, shape)| (*name, shape())).collect()
}

macro_rules! member {
    ($name:literal, $shape:expr, $value:expr) => {
        Member {
            shapes: &[($name, $shape)],
            key: concat!(",\"", $name, "\":"),
            value: $value,
        }
    };
}

/// `id`
pub(crate) const ID: Member = member!(
    "id",
    || schema::id("uprof_").into(),
    Value::Part(|view| view.id)
);

/// `type`
pub(crate) const TYPE: Member = member!(
    "type",
    || word("user_profile").into(),
    Value::Part(|_| "\"user_profile\"")
);

/// `created_at`
pub(crate) const CREATED_AT: Member = member!(
    "created_at",
    || time_out().into(),
    Value::Part(|view| view.created_at)
);

/// `updated_at`
pub(crate) const UPDATED_AT: Member = member!(
    "updated_at",
    || time_out().into(),
    Value::Part(|view| view.updated_at)
);

/// `access_type`
pub(crate) const ACCESS_TYPE: Member = member!(
    "access_type",
    || (sent::ACCESS_TYPE.shape)(Write::Create),
    Value::Part(access_type)
);

/// `relationship`
pub(crate) const RELATIONSHIP: Member = member!(
    "relationship",
    || (sent::RELATIONSHIP.shape)(Write::Create),
    Value::Part(|view| view.relationship)
);

/// `name`
pub(crate) const NAME: Member = member!("name", optional_text, Value::Part(|view| view.name));

/// `metadata`
pub(crate) const METADATA: Member = member!(
    "metadata",
    || (sent::METADATA.shape)(Write::Create),
    Value::Part(|view| view.metadata)
);

/// `external_id`
pub(crate) const EXTERNAL_ID: Member = member!(
    "external_id",
    optional_text,
    Value::Part(|view| view.reference_id)
);

/// `external_user_onboarded_at`
pub(crate) const EXTERNAL_USER_ONBOARDED_AT: Member = member!(
    "external_user_onboarded_at",
    || nullable(time_out()),
    Value::Part(|view| view.onboarded_at)
);

/// `external_user_details`: always all seven.
pub(crate) const EXTERNAL_USER_DETAILS: Member = member!(
    "external_user_details",
    || {
        answer([
            ("account_status", nullable(sent::account_status())),
            ("country", nullable(sent::country())),
            ("email_hash", optional_text()),
            ("entity_type", nullable(sent::entity_type())),
            ("name_hash", optional_text()),
            ("onboarded_at", nullable(time_out())),
            ("reference_id", optional_text()),
        ])
        .into()
    },
    Value::Parts(copy_details)
);

/// `trust_grants`: `cyber` when it has a status, the operator's own programs, and never `efs`
/// (contract, *`trust_grants`*).
pub(crate) const TRUST_GRANTS: Member = member!(
    "trust_grants",
    schema::trust_grants,
    Value::Parts(copy_trust_grants)
);

/// `programs` in full: `cyber` and `efs` whether or not the profile is in them, then the operator's
/// own.
pub(crate) const PROGRAMS: Member = member!(
    "programs",
    schema::full_programs,
    Value::Parts(copy_programs)
);

/// `programs` of every answer but a get's, without tiers, requirements and `efs` (contract, *What each
/// response reports*).
pub(crate) const PROGRAMS_IN_SUMMARY: Member = member!(
    "programs",
    schema::programs_in_summary,
    Value::Parts(copy_programs_in_summary)
);

/// `enforcement_actions`, those open at the time, and `enforcement_status`, what they come to.
pub(crate) const ENFORCEMENT: Member = Member {
    shapes: &[
        ("enforcement_actions", schema::enforcement_actions),
        ("enforcement_status", || schema::enforcement_status().into()),
    ],
    key: ",\"enforcement_actions\":",
    value: Value::At(write_enforcement),
};

/// What a record shows of a profile in the words of any dialect, enforcement excepted.
pub(crate) const RECORDED: Answered = answered! {
    ID, CREATED_AT, UPDATED_AT, ACCESS_TYPE, RELATIONSHIP, NAME, EXTERNAL_ID,
    EXTERNAL_USER_ONBOARDED_AT, EXTERNAL_USER_DETAILS, METADATA, TRUST_GRANTS, PROGRAMS,
};

fn optional_text() -> Shape {
    nullable(text(1, Name::LIMIT))
}

/// Appends texts that are JSON, or pieces of it, already.
#[expect(
    clippy::inline_always,
    reason = "runs for every profile of every page; where it stands, most of the texts are known and need no call"
)]
#[inline(always)]
fn copy<const N: usize>(out: &mut Vec<u8>, texts: [&str; N]) {
    for text in texts {
        out.extend_from_slice(text.as_bytes());
    }
}

/// The JSON text of `access_type`.
fn access_type(view: &ProfileView<'_>) -> &'static str {
    match view.relationship().access_type() {
        AccessType::Application => "\"application\"",
        AccessType::Passthrough => "\"passthrough\"",
    }
}

/// Writes the object of the seven details.
fn copy_details(out: &mut Vec<u8>, view: &ProfileView<'_>) {
    copy(
        out,
        [
            view.details_head,
            ",\"onboarded_at\":",
            view.onboarded_at,
            ",\"reference_id\":",
            view.reference_id,
            "}",
        ],
    );
}

/// Writes `trust_grants`.
fn copy_trust_grants(out: &mut Vec<u8>, view: &ProfileView<'_>) {
    match view.cyber_status() {
        None => copy(out, ["{", view.own_program_members(), "}"]),
        Some(status) => {
            copy(out, ["{\"cyber\":{\"status\":", status, "}"]);
            copy_own_programs(out, view);
        }
    }
}

/// Writes `programs` in full.
fn copy_programs(out: &mut Vec<u8>, view: &ProfileView<'_>) {
    copy(out, ["{\"cyber\":", view.cyber, ",\"efs\":", view.efs]);
    copy_own_programs(out, view);
}

fn copy_programs_in_summary(out: &mut Vec<u8>, view: &ProfileView<'_>) {
    match view.cyber_status() {
        None => copy(out, ["{\"cyber\":null,\"efs\":null"]),
        Some(status) => {
            copy(
                out,
                ["{\"cyber\":{\"requirements\":null,\"status\":", status],
            );
            copy(out, [",\"tiers\":{}},\"efs\":null"]);
        }
    }
    copy_own_programs(out, view);
}

/// Writes the operator's own programs behind others, and ends the object.
fn copy_own_programs(out: &mut Vec<u8>, view: &ProfileView<'_>) {
    match view.own_program_members() {
        "" => copy(out, ["}"]),
        own => copy(out, [",", own, "}"]),
    }
}

/// Writes the actions open at `now` and the status they come to:
/// `[…],"enforcement_status":"…"`.
fn write_enforcement(
    out: &mut Vec<u8>,
    view: &ProfileView<'_>,
    now: Timestamp,
) -> Result<(), DamagedDocument> {
    if view.is_untouched() {
        copy(out, ["[],\"enforcement_status\":\"unrestricted\""]);
        return Ok(());
    }
    let mut rules = StatusRules::default();
    let mut before = "[";
    for action in view.actions() {
        let action = action?;
        if action.is_open_at(now) {
            copy(out, [before, action.shown, "}"]);
            rules.see(action.reason, action.kind);
            before = ",";
        }
    }
    let end = if before == "[" { "[]" } else { "]" };
    let status = rules.status().as_str();
    copy(out, [end, ",\"enforcement_status\":\"", status, "\""]);
    Ok(())
}
