//! The customer of the examples, and what a platform sends and is told of it.

use rollcall_domain::data_controls::Validator;
use rollcall_domain::enforcement::{
    ActionKind, Enforcement, EnforcementAction, IdentityCheck, Reason,
};
use rollcall_domain::id::{EnforcementActionId, ProfileId};
use rollcall_domain::profile::Profile;
use rollcall_domain::program::{
    Cyber, Efs, EfsFeatures, ProgramStatus, Programs, Requirements, Tiers,
};
use rollcall_domain::tenant::OrganizationSwitches;
use rollcall_record::document::{PageSink as _, ProfileDocument};
use serde_json::{Value, json};

use super::{Examples, NOW, at, only, read, value, written};
use crate::data_controls::{parse_update, write_data_controls};
use crate::dialect::{Answer, Dialect, PageWriter, deleted_profile};
use crate::dialects;
use crate::enrollment_urls::{write_action_url, write_enrollment_url};

/// Whatever the bodies of a create may hold.
fn fields() -> Value {
    json!({
        "access_type": "passthrough",
        "relationship": "resold",
        "external_user_details": {
            "account_status": "active",
            "country": "DE",
            "entity_type": "business",
            "name_hash": "sha256:5d1c0b7e",
            "onboarded_at": "2025-01-20T12:45:00+01:00",
            "reference_id": "acct_88213"
        },
        "external_id": "acct_88213",
        "external_user_onboarded_at": "2025-01-20T12:45:00+01:00",
        "name": "Nordlicht Analytics GmbH",
        "metadata": {"plan": "team", "region": "eu-north"}
    })
}

/// What a platform changes: the newest of these fields that a dialect takes, and metadata.
fn changes() -> [(&'static str, Value); 3] {
    [
        (
            "external_user_details",
            json!({"account_status": "suspended"}),
        ),
        ("external_user_onboarded_at", json!("2025-01-20T11:45:00Z")),
        ("external_id", json!("acct_88213")),
    ]
}

/// The customer as `dialect` creates it.
fn created(dialect: &Dialect, body: &Value) -> Option<Profile> {
    let id = ProfileId::parse(value("user_profile_id")).ok()?;
    let created_at = at("2026-06-02T09:14:31.482913Z")?;
    let draft = dialect.parse_create(body.to_string().as_bytes(), created_at);
    Some(Profile::create(id, draft.ok()?, created_at).value)
}

/// The customer: resold, in both programs.
pub(super) fn nordlicht() -> Option<Profile> {
    let dialect = dialects::DEFAULT;
    let body = only(&fields(), |name| dialect.takes(name));
    let tiers = Tiers {
        a: true,
        ..Tiers::default()
    };
    let requirements = Requirements {
        data_retention: true,
        human_review: false,
    };
    let efs = Efs {
        status: ProgramStatus::Active,
        features: EfsFeatures {
            cmek: true,
            ..EfsFeatures::default()
        },
    };
    Some(Profile {
        programs: Programs {
            cyber: Cyber::new(ProgramStatus::Active, tiers, Some(requirements)).ok(),
            efs: Some(efs),
            ..Programs::default()
        },
        updated_at: at("2026-11-04T06:12:09.120004Z")?,
        ..created(dialect, &body)?
    })
}

/// The restriction that an identity check can clear.
pub(super) fn restriction() -> Option<EnforcementAction> {
    EnforcementAction::new(
        EnforcementActionId::parse(value("enforcement_action_id")).ok()?,
        at("2026-10-30T18:20:11Z")?,
        Reason::FraudOrAbuse,
        ActionKind::Restriction {
            expires_at: None,
            check: IdentityCheck::Offered,
        },
    )
    .ok()
}

/// Another one, who is restricted.
pub(super) fn ana() -> Option<Profile> {
    let body = json!({
        "name": "Ana Ferreira",
        "external_user_details": {
            "country": "PT", "entity_type": "individual", "reference_id": "user_4410"
        }
    });
    let created_at = at("2026-05-11T16:40:02Z")?;
    let draft = dialects::DEFAULT.parse_create(body.to_string().as_bytes(), created_at);
    let id = ProfileId::parse("uprof_011Caw7UBvkeMCpZkHRpjtPh").ok()?;
    Some(Profile {
        programs: Programs {
            cyber: Some(Cyber::without_tiers(ProgramStatus::Pending)),
            ..Programs::default()
        },
        enforcement: Enforcement::new(vec![restriction()?], Vec::new()),
        updated_at: at("2026-10-28T10:00:00Z")?,
        ..Profile::create(id, draft.ok()?, created_at).value
    })
}

pub(super) fn shown(dialect: &Dialect, profile: &Profile, answer: Answer) -> Option<Value> {
    let document = ProfileDocument::encode(profile);
    let mut out = Vec::new();
    let view = document.view().ok()?;
    dialect
        .write_profile(&mut out, &view, answer, at(NOW)?)
        .ok()?;
    serde_json::from_slice(&out).ok()
}

/// The examples of a dialect.
pub(super) fn examples(dialect: &Dialect) -> Option<Examples> {
    let mut examples = Examples::default();
    let mut page = PageWriter::new(dialect, at(NOW)?, Vec::new());
    for profile in [nordlicht()?, ana()?] {
        page.profile(&ProfileDocument::encode(&profile).view().ok()?)
            .ok()?;
    }
    let page = page.finish(Some("page_AXkq3Zr0pJ6v1Tn4cYb9sWm2"));
    examples.answers("list_user_profiles", serde_json::from_slice(&page).ok()?);

    let create = only(&fields(), |name| dialect.takes(name));
    let profile = created(dialect, &create)?;
    examples.sends("create_user_profile", create);
    let answer = shown(dialect, &profile, Answer::Other)?;
    examples.answers("create_user_profile", answer);

    let profile = nordlicht()?;
    let answer = shown(dialect, &profile, Answer::Get)?;
    examples.answers("get_user_profile", answer);

    let (update, updated) = updated(dialect)?;
    examples.sends("update_user_profile", update);
    let answer = shown(dialect, &updated, Answer::Other)?;
    examples.answers("update_user_profile", answer);

    let answer = read(&deleted_profile(&profile.id))?;
    examples.answers("delete_user_profile", answer);
    let answer = read(&write_enrollment_url(at(EXPIRES_AT)?, URL))?;
    examples.answers("create_enrollment_url", answer);
    action_url(&mut examples)?;
    Some(examples)
}

const URL: &str = "https://profiles.example.net/user-profiles/enrollment/Qm9yZWFsaXMtMjAyNi1leGFtcGxlLXRva2VuLW5vdC1yZWFs";
const EXPIRES_AT: &str = "2026-11-20T14:18:27.650118Z";

/// An update of the customer, and what is then.
pub(super) fn updated(dialect: &Dialect) -> Option<(Value, Profile)> {
    let mut changes = changes().into_iter();
    let (name, change) = changes.find(|(name, _)| dialect.takes(name))?;
    let update = json!({name: change, "metadata": {"seats": "40", "region": ""}});
    let patch = dialect.parse_update(update.to_string().as_bytes(), at(NOW)?);
    let updated = nordlicht()?.update(&patch.ok()?, at(NOW)?).ok()?.value;
    Some((update, updated))
}

pub(super) fn action_url(examples: &mut Examples) -> Option<()> {
    let action = json!({"action": {"type": "enroll_end_user"}});
    examples.sends("create_action_url", action);
    let answer = read(&write_action_url(at(EXPIRES_AT)?, URL))?;
    examples.answers("create_action_url", answer);
    Some(())
}

/// What a platform sends that gives a key and a bucket.
fn controls() -> Value {
    json!({
        "cmek": {"type": "enabled", "external_key_ids": {"us": "ekey_01SDCCSbTxrXDpWc1phhtcfK"}},
        "storage": {"type": "enabled", "buckets": {
            "eu": {"bucket_name": "nordlicht-claude-eu", "project_number": "123456789012"}
        }}
    })
}

/// The customer, who has brought a key and a bucket.
pub(super) fn with_controls() -> Option<Profile> {
    let update = parse_update(controls().to_string().as_bytes()).ok()?;
    let approval = OrganizationSwitches::default().data_controls;
    let profile = nordlicht()?;
    let decided = profile.update_data_controls(&update, approval, Validator::Operator, at(NOW)?);
    Some(decided.ok()?.value)
}

pub(super) fn shown_controls(profile: &Profile) -> Option<Value> {
    let now = at(NOW)?;
    written(|out| write_data_controls(out, profile, now, Validator::Operator))
}

/// The examples of data controls.
pub(super) fn data_controls() -> Option<Examples> {
    let mut examples = Examples::default();
    examples.sends("DataControlsUpdate", controls());
    examples.answers("DataControls", shown_controls(&with_controls()?)?);
    Some(examples)
}
