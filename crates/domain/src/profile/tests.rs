use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::enforcement::EnforcementStatus;
use crate::program::{Cyber, Tiers};
use crate::text::{MetadataKey, MetadataValue};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_780_000_000_000_000 + seconds * 1_000_000).unwrap()
}

fn profile() -> Profile {
    Profile::new(
        ProfileId::parse("uprof_1").unwrap(),
        ProfileDraft::default(),
        at(0),
    )
}

fn restriction(id: &str, expires_at: Option<Timestamp>, check: IdentityCheck) -> EnforcementAction {
    let id = EnforcementActionId::parse(id).unwrap();
    let kind = ActionKind::Restriction { expires_at, check };
    EnforcementAction::new(id, at(1), Reason::FraudOrAbuse, kind).unwrap()
}

fn metadata(pairs: &[(&str, Option<&str>)]) -> MetadataPatch {
    let pairs = pairs.iter().map(|(key, value)| {
        let value = value.map(|value| MetadataValue::parse(value).unwrap());
        (MetadataKey::parse(key).unwrap(), value)
    });
    MetadataPatch::parse(pairs.collect()).unwrap()
}

#[test]
fn an_update_that_changes_nothing_leaves_the_time_and_stores_nothing() {
    let before = profile();
    let decided = before.update(&ProfilePatch::default(), at(9)).unwrap();
    assert!(!decided.changed);
    assert_eq!(decided.value, before);
}

#[test]
fn an_update_is_later_than_the_one_before_even_on_a_standing_clock() {
    let patch = ProfilePatch {
        name: Some(Name::parse("A").unwrap()),
        ..ProfilePatch::default()
    };
    let decided = profile().update(&patch, at(-5)).unwrap();
    assert_eq!(
        decided.value.updated_at,
        at(0).saturating_add(Duration::from_micros(1))
    );
    assert_eq!(decided.audit[0].details, ["name"]);
}

#[test]
fn metadata_is_merged_and_counted_after_removals() {
    let full: BTreeMap<_, _> = (0..16)
        .map(|number| {
            let key = MetadataKey::parse(&format!("k{number:02}")).unwrap();
            (key, MetadataValue::parse("v").unwrap())
        })
        .collect();
    let profile = Profile {
        metadata: Metadata::parse(full).unwrap(),
        ..profile()
    };
    let swap = ProfilePatch {
        metadata: metadata(&[("k00", None), ("new", Some("v"))]),
        ..ProfilePatch::default()
    };
    assert_eq!(
        profile.update(&swap, at(1)).unwrap().value.metadata.len(),
        16
    );
    let add = ProfilePatch {
        metadata: metadata(&[("new", Some("v"))]),
        ..ProfilePatch::default()
    };
    assert_eq!(
        profile.update(&add, at(1)).unwrap_err().to_string(),
        "metadata: would hold 17 keys after this update; at most 16 are allowed"
    );
}

#[test]
fn writing_an_access_type_keeps_what_an_older_client_stated() {
    use AccessType::{Application, Passthrough};
    use Relationship::{External, Internal, Resold};
    let table = [
        (External, Application, External),
        (External, Passthrough, Resold),
        (Internal, Application, Internal),
        (Internal, Passthrough, Resold),
        (Resold, Application, External),
        (Resold, Passthrough, Resold),
    ];
    for (stored, written, expected) in table {
        assert_eq!(
            stored.after_writing(written),
            expected,
            "{written} over {stored}"
        );
    }
}

#[test]
fn a_program_emits_one_event_when_its_status_changes_and_none_otherwise() {
    let active = Cyber::without_tiers(ProgramStatus::Active);
    let first = profile()
        .set_program(ProgramStanding::Cyber(active), at(5))
        .unwrap();
    assert_eq!(first.events.len(), 1);
    assert_eq!(first.value.updated_at, at(5));

    let tiers = Tiers {
        a: true,
        ..Tiers::default()
    };
    let with_tier = Cyber::new(ProgramStatus::Active, tiers, None).unwrap();
    let second = first
        .value
        .set_program(ProgramStanding::Cyber(with_tier), at(9))
        .unwrap();
    assert!(second.changed && second.events.is_empty());
    assert_eq!(second.value.updated_at, at(5));

    let third = second.value.delete_program(&ProgramName::Cyber, at(12));
    assert_eq!((third.events.len(), third.value.updated_at), (1, at(12)));
    assert!(
        !third
            .value
            .delete_program(&ProgramName::Cyber, at(13))
            .changed
    );
}

#[test]
fn an_identity_check_walks_from_offered_to_submitted_and_back_or_out() {
    let action = restriction("enac_1", None, IdentityCheck::Offered);
    let id = action.id().clone();
    let opened = profile().open_action(action, at(1)).unwrap();
    assert_eq!(opened.events.len(), 1);
    assert_eq!(opened.value.updated_at, at(0));

    let submitted = opened
        .value
        .identity_check(&id, CheckState::Submitted, at(2))
        .unwrap();
    assert!(submitted.events.is_empty());
    assert_eq!(
        submitted.value.enforcement.status_at(at(2)),
        EnforcementStatus::Pending
    );

    let failed = submitted
        .value
        .identity_check(&id, CheckState::Failed, at(3))
        .unwrap();
    assert_eq!(
        failed.value.enforcement.status_at(at(3)),
        EnforcementStatus::Restricted
    );

    let passed = submitted
        .value
        .identity_check(&id, CheckState::Passed, at(3))
        .unwrap();
    assert_eq!(passed.events.len(), 1);
    assert_eq!(
        passed.value.enforcement.status_at(at(3)),
        EnforcementStatus::Unrestricted
    );
    assert_eq!(
        passed.value.enforcement.past()[0].resolution,
        Resolution::IdentityCheck
    );
    assert_eq!(
        passed.value.resolve_action(&id, at(4)),
        Err(Refusal::ActionNotOpen)
    );
}

#[test]
fn what_no_check_can_clear_refuses_one() {
    let plain = restriction("enac_1", None, IdentityCheck::NotOffered);
    let id = plain.id().clone();
    let profile = profile().open_action(plain, at(1)).unwrap().value;
    assert!(matches!(
        profile.identity_check(&id, CheckState::Submitted, at(2)),
        Err(Refusal::NotCheckable(_))
    ));
    let unknown = EnforcementActionId::parse("enac_2").unwrap();
    assert_eq!(
        profile.resolve_action(&unknown, at(2)),
        Err(Refusal::ActionNotFound)
    );
}

#[test]
fn an_expiry_ends_an_action_as_of_its_own_time() {
    let action = restriction("enac_1", Some(at(10)), IdentityCheck::NotOffered);
    let id = action.id().clone();
    let profile = profile().open_action(action, at(1)).unwrap().value;
    assert!(!profile.expire_actions(at(9)).changed);
    assert_eq!(
        profile.resolve_action(&id, at(10)),
        Err(Refusal::ActionNotOpen)
    );

    let swept = profile.expire_actions(at(60));
    assert_eq!(swept.events[0].at, at(10));
    assert_eq!(swept.value.enforcement.past()[0].resolved_at, at(10));
    assert!(swept.value.enforcement.unresolved().is_empty());
}

#[test]
fn an_import_leaves_what_was_done_to_one_record_or_how_many_there_were() {
    let organization = crate::id::OrganizationId::parse("org_1").unwrap();
    let last = Profile::new(
        ProfileId::parse("uprof_1").unwrap(),
        ProfileDraft::default(),
        Timestamp::EPOCH,
    )
    .creation();
    assert_eq!(import_audit(&organization, 1, 1, last.clone()), last);
    let several = import_audit(&organization, 3, 2, last);
    assert_eq!(several.action, AuditAction::ProfilesImported);
    assert_eq!(several.target_id, "org_1");
    assert_eq!(several.details, ["2 records"]);
}

#[test]
fn what_a_record_leaves_out_of_data_controls_stays_and_without_any_they_are_fresh() {
    use crate::data_controls::{
        BucketLabel, Control, ControlKind, ControlUpdate, ExternalKeyId, RETIREMENT, Validation,
        Validator,
    };
    let label = BucketLabel::parse(&"a".repeat(32)).unwrap();
    let fresh = profile();
    let mut before = fresh.clone();
    before.data_controls.label = Some(label);
    let key = ExternalKeyId::parse("ekey_1").unwrap();
    let update = DataControlsUpdate {
        cmek: Some(ControlUpdate::Enabled([(Region::Us, Some(key))].into())),
        storage: None,
    };
    let (open, operator) = (DataControlsApproval::Open, Validator::Operator);
    let before = before.update_data_controls(&update, open, operator, at(5));
    let before = before.unwrap().value;
    assert_eq!(
        before.updated_at, fresh.updated_at,
        "the profile's own time"
    );

    let same = ProfileRecord::from(before.clone());
    assert!(!same.replace(&before, at(9)).changed);
    let mut untimed = before.clone();
    untimed.data_controls.updated_at = None;
    untimed.data_controls.label = None;
    let region = untimed.data_controls.cmek.regions.get_mut(&Region::Us);
    region.unwrap().validation = Validation::Pending {
        findings: None,
        since: at(9),
    };
    let mut untimed = ProfileRecord::from(untimed);
    untimed.left_out.data_controls = ControlsLeftOut {
        label: true,
        updated_at: true,
        since: vec![(ControlKind::Cmek, Region::Us)],
    };
    let same = untimed.replace(&before, at(9));
    assert_eq!(same, Decided::unchanged(before.clone()));
    untimed.profile.data_controls.cmek = Control::default();
    let replaced = untimed.replace(&before, at(9));
    let controls = &replaced.value.data_controls;
    assert!(controls.cmek.regions.is_empty());
    assert_eq!(
        (controls.label, controls.updated_at),
        (Some(label), Some(at(9)))
    );
    assert_eq!(replaced.audit[0].details, ["google_data_controls"]);

    // Without data controls it is a fresh profile again, as its export was.
    let replaced = ProfileRecord::from(fresh.clone()).replace(&before, at(9));
    assert_eq!(replaced.value, fresh);
    assert_eq!(replaced.audit[0].details, ["google_data_controls"]);

    // What ran out since is no difference.
    let update = DataControlsUpdate {
        cmek: Some(ControlUpdate::Disabled),
        storage: None,
    };
    let off = before.update_data_controls(&update, open, operator, at(6));
    let off = off.unwrap().value;
    let later = at(6).saturating_add(RETIREMENT);
    let exported = off.clone().with_data_controls_as_of(later, operator);
    assert!(exported.data_controls.cmek.retired.is_empty());
    let again = ProfileRecord::from(exported).replace(&off, later);
    assert_eq!(again, Decided::unchanged(off));
}

#[test]
fn what_is_said_of_keys_and_buckets_is_audited_by_region_and_never_by_value() {
    use crate::data_controls::{ControlUpdate, ExternalKeyId, Report, Validator};
    let key = |id| Some(ExternalKeyId::parse(id).unwrap());
    let update = DataControlsUpdate {
        cmek: Some(ControlUpdate::Enabled(
            [(Region::Eu, key("ekey_1")), (Region::Us, key("ekey_2"))].into(),
        )),
        storage: Some(ControlUpdate::Disabled),
    };
    let (open, operator) = (DataControlsApproval::Open, Validator::Operator);
    let given = profile()
        .update_data_controls(&update, open, operator, at(5))
        .unwrap();
    assert_eq!(given.audit[0].action, AuditAction::DataControlsUpdated);
    assert_eq!(given.audit[0].details, ["cmek.us", "cmek.eu"]);
    let again = given
        .value
        .update_data_controls(&update, open, operator, at(6))
        .unwrap();
    assert!(!again.changed && again.audit.is_empty());

    let report = RegionReport::Cmek(Report::Active(None, ()));
    let reported = given
        .value
        .report_on_region(Region::Eu, &report, operator, at(6))
        .unwrap();
    assert_eq!(reported.audit[0].action, AuditAction::DataControlsReported);
    assert_eq!(reported.audit[0].details, ["cmek.eu"]);
}
