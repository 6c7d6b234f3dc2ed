use super::*;
use crate::id::ProfileId;
use crate::text::{Explanation, ResourceName};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_780_000_000_000_000 + seconds * 1_000_000).unwrap()
}

fn key(name: &str) -> ExternalKeyId {
    ExternalKeyId::parse(&format!("ekey_{name}")).unwrap()
}

fn bucket(name: &str) -> BucketReference {
    BucketReference::parse(&format!("bucket-{name}"), "42").unwrap()
}

fn keys(given: &[(Region, Option<&str>)]) -> ControlUpdate<ExternalKeyId> {
    let given = given.iter().map(|(region, name)| (*region, name.map(key)));
    ControlUpdate::Enabled(given.collect())
}

fn buckets(given: &[(Region, Option<&str>)]) -> ControlUpdate<BucketReference> {
    let given = given
        .iter()
        .map(|(region, name)| (*region, name.map(bucket)));
    ControlUpdate::Enabled(given.collect())
}

fn active() -> Report<ExternalKeyId> {
    Report::Active(None, ())
}

fn why() -> Explanation {
    Explanation::parse("no").unwrap()
}

type Keys = Control<ExternalKeyId>;

fn retired(control: &Keys) -> Vec<(&str, Region, Timestamp)> {
    let retired = control.retired.iter();
    retired
        .map(|it| (it.resource.as_str(), it.region, it.expires_at))
        .collect()
}

/// What the region reads, was given and applies.
fn reads(control: &Keys, region: Region) -> (RegionStatus, Option<&str>, Option<&str>) {
    match control.regions.get(&region) {
        None => (RegionStatus::NotConfigured, None, None),
        Some(it) => (
            it.status(),
            Some(it.resource.as_str()),
            it.effective.as_ref().map(ExternalKeyId::as_str),
        ),
    }
}

const US: Region = Region::Us;
const EU: Region = Region::Eu;

#[test]
fn a_region_s_way_through_every_state() {
    use RegionStatus::{Active, Failed, NotConfigured, Pending, Suspended};
    enum Step {
        Update(ControlUpdate<ExternalKeyId>),
        Report(Report<ExternalKeyId>),
    }
    use Step::{Report as R, Update as U};
    let (a, b) = (Some("ekey_a"), Some("ekey_b"));
    let give = |name| U(keys(&[(US, name)]));
    let both = |us| U(keys(&[(US, us), (EU, Some("e"))]));
    #[rustfmt::skip]
    let steps = [
        (give(Some("a")),                       Pending,       a,    None, vec![]),
        (give(Some("a")),                       Pending,       a,    None, vec![]),
        (R(Report::Failed(Some(why()))),      Failed,        a,    None, vec![]),
        (give(Some("a")),                       Pending,       a,    None, vec![]),
        (R(active()),                           Active,        a,    a,    vec![]),
        (give(Some("a")),                       Active,        a,    a,    vec![]),
        (R(Report::Pending(None)),              Pending,       a,    a,    vec![]),
        (R(active()),                           Active,        a,    a,    vec![]),
        // While a replacement is pending or failed, the key before is applied.
        (give(Some("b")),                       Pending,       b,    a,    vec![]),
        (R(Report::Failed(Some(why()))),      Failed,        b,    a,    vec![]),
        (R(Report::Suspended),                  Suspended,     b,    a,    vec![]),
        // The same again changes nothing, although it had failed.
        (give(Some("b")),                       Suspended,     b,    a,    vec![]),
        (R(Report::Pending(None)),              Pending,       b,    a,    vec![]),
        (R(active()),                           Active,        b,    b,    vec!["ekey_a"]),
        // A key that is given again has not retired.
        (give(Some("a")),                       Pending,       a,    b,    vec![]),
        (give(Some("b")),                       Pending,       b,    b,    vec!["ekey_a"]),
        // Another for a suspended region is pending, and nothing is applied meanwhile.
        (R(Report::Suspended),                  Suspended,     b,    b,    vec!["ekey_a"]),
        (give(Some("a")),                       Pending,       a,    None, vec!["ekey_b"]),
        (both(None),                            NotConfigured, None, None, vec!["ekey_b", "ekey_a"]),
        (U(ControlUpdate::Disabled),            NotConfigured, None, None, vec!["ekey_b", "ekey_a", "ekey_e"]),
    ];
    let mut control = Keys::default();
    for (number, (step, status, given, effective, gone)) in steps.into_iter().enumerate() {
        let now = at(i64::try_from(number).unwrap());
        control = match step {
            Step::Update(update) => control.updated(&update, now),
            Step::Report(report) => control.reported(US, &report, now),
        }
        .unwrap();
        assert_eq!(
            reads(&control, US),
            (status, given, effective),
            "step {number}"
        );
        let found: Vec<_> = control
            .retired
            .iter()
            .map(|it| it.resource.as_str())
            .collect();
        assert_eq!(found, gone, "step {number}");
    }
}

#[test]
fn a_retired_key_is_listed_for_thirty_days() {
    let on = Keys::default()
        .updated(&keys(&[(EU, Some("e")), (US, Some("u"))]), at(0))
        .unwrap();
    let off = on.updated(&ControlUpdate::Disabled, at(10)).unwrap();
    let end = at(10).saturating_add(RETIREMENT);
    assert_eq!(
        retired(&off),
        [("ekey_u", US, end), ("ekey_e", EU, end)],
        "by time, then region"
    );
    let before = end.saturating_sub(Duration::from_micros(1));
    assert_eq!(off.as_of(before, Validator::Operator).0.retired.len(), 2);
    assert_eq!(off.as_of(end, Validator::Operator).0, Keys::default());
}

#[test]
fn what_is_refused_names_the_place() {
    let on = Control::default()
        .updated(&buckets(&[(US, Some("a")), (EU, Some("b"))]), at(0))
        .unwrap();
    let replaced = on
        .reported(
            US,
            &Report::Active(Vec::new(), LearnedFacts::default()),
            at(1),
        )
        .unwrap()
        .updated(&buckets(&[(US, Some("c"))]), at(2))
        .unwrap();
    let none = Control::default();
    let table = [
        (
            &none,
            buckets(&[]),
            "storage.buckets: must leave at least one region with a bucket",
        ),
        (
            &on,
            buckets(&[(US, None), (EU, None)]),
            "storage.buckets: must leave at least one region with a bucket",
        ),
        (
            &on,
            buckets(&[(Region::Sg, Some("a"))]),
            "storage.buckets.sg: serves another region already",
        ),
        (
            &on,
            buckets(&[(US, Some("b"))]),
            "storage.buckets.us: serves another region already",
        ),
        (
            &none,
            buckets(&[(US, Some("a")), (EU, Some("a"))]),
            "storage.buckets.eu: serves another region already",
        ),
        // It is still applied in the region that was given another.
        (
            &replaced,
            buckets(&[(EU, Some("a"))]),
            "storage.buckets.eu: serves another region already",
        ),
    ];
    for (control, update, expected) in table {
        let refusal = control.updated(&update, at(3)).unwrap_err();
        assert_eq!(refusal.to_string(), expected);
    }
    // A bucket may move in one update, and one key may serve everywhere.
    assert!(
        on.updated(&buckets(&[(US, None), (EU, Some("a"))]), at(3))
            .is_ok()
    );
    assert!(
        Keys::default()
            .updated(&keys(&[(US, Some("a")), (EU, Some("a"))]), at(0))
            .is_ok()
    );
    let nothing = none.reported(US, &Report::Suspended, at(3)).unwrap_err();
    assert_eq!(
        nothing.to_string(),
        "The region us has no bucket to report on"
    );
}

#[test]
fn whoever_changes_keys_without_end_waits_for_one_to_run_out() {
    let mut control = Keys::default();
    for number in 0..=RETIRED {
        let next = format!("k{number}");
        let now = at(i64::try_from(number).unwrap());
        control = control.updated(&keys(&[(US, Some(&next))]), now).unwrap();
    }
    let one_more = keys(&[(US, Some("more"))]);
    let refusal = control.updated(&one_more, at(99)).unwrap_err();
    assert_eq!(refusal, ControlsRefusal::TooManyRetired(ControlKind::Cmek));
    // The same key, none, and off are always taken.
    assert!(control.updated(&keys(&[]), at(99)).is_ok());
    let off = control.updated(&ControlUpdate::Disabled, at(99)).unwrap();
    assert_eq!(off.retired.len(), RETIRED + 1);
    let (later, _) = control.as_of(at(1).saturating_add(RETIREMENT), Validator::Operator);
    assert!(later.updated(&one_more, at(99)).is_ok());
}

fn given(name: &str, now: Timestamp) -> DataControls {
    let update = DataControlsUpdate {
        cmek: Some(keys(&[(US, Some(name))])),
        storage: None,
    };
    let before = DataControls::default();
    let after = before.updated(&update, DataControlsApproval::Open, now);
    after.unwrap().touched(&before, at(0), now)
}

fn report(before: &DataControls, report: Report<ExternalKeyId>, now: Timestamp) -> DataControls {
    let report = RegionReport::Cmek(report);
    let after = before.reported(US, &report, now).unwrap();
    after.touched(before, at(0), now)
}

#[test]
fn only_what_changes_a_control_moves_its_time() {
    let now = at(100);
    let pending = given("a", at(1));
    assert_eq!(pending.updated_at, Some(at(1)));
    let on = report(&pending, active(), at(2));
    assert_eq!(on.updated_at, Some(at(2)));
    let table = [
        ("suspended", Report::Suspended, Some(at(2))),
        ("checked again", active(), Some(at(2))),
        ("refused since", Report::Active(Some(why()), ()), Some(now)),
        ("pending", Report::Pending(None), Some(now)),
        ("failed", Report::Failed(Some(why())), Some(now)),
    ];
    for (name, reported, expected) in table {
        let after = report(&on, reported, now);
        assert_ne!(after, on, "{name}");
        assert_eq!(after.updated_at, expected, "{name}");
    }
    let suspended = report(&on, Report::Suspended, at(3));
    let resumed = report(&suspended, active(), at(4));
    assert_eq!(resumed.updated_at, Some(at(2)), "no longer suspended");
    let suspended = report(&pending, Report::Suspended, at(3));
    let resumed = report(&suspended, Report::Pending(None), at(4));
    assert_eq!(resumed.updated_at, Some(at(1)), "pending as before");
    let failed = report(&pending, Report::Failed(Some(why())), at(2));
    let suspended = report(&failed, Report::Suspended, at(3));
    let update = DataControlsUpdate {
        cmek: Some(keys(&[(US, Some("a"))])),
        storage: None,
    };
    let same = suspended.updated(&update, DataControlsApproval::Open, at(4));
    assert_eq!(same, Ok(suspended), "the same key while suspended");
    // A retired key that runs out leaves the time as it is.
    let off = ControlUpdate::Disabled;
    let update = DataControlsUpdate {
        cmek: Some(off),
        storage: None,
    };
    let off = on.updated(&update, DataControlsApproval::NotApproved, now);
    let off = off.unwrap().touched(&on, at(0), now);
    let later = off.as_of(now.saturating_add(RETIREMENT), Validator::Operator);
    assert_eq!((later.cmek.retired.len(), later.updated_at), (0, Some(now)));
}

#[test]
fn the_time_of_a_change_moves_on_where_the_clock_stands() {
    let pending = given("a", at(1));
    let on = report(&pending, active(), at(1));
    assert_eq!(on.updated_at, Some(at(1).next_microsecond()));
    // So does what time alone does to two regions of a profile that was changed at a later hour before.
    let later = DataControls {
        updated_at: Some(at(50)),
        ..DataControls::default()
    };
    let give = |before: &DataControls, region, now| {
        let update = DataControlsUpdate {
            cmek: Some(keys(&[(region, Some("a"))])),
            storage: None,
        };
        let after = before.updated(&update, DataControlsApproval::Open, now);
        after.unwrap().touched(before, at(0), now)
    };
    let pending = give(&give(&later, US, at(1)), EU, at(2));
    let mut last = pending.updated_at;
    for now in [at(2), at(3)] {
        let updated_at = pending.as_of(now, Validator::Automatic).updated_at;
        assert!(updated_at > last);
        last = updated_at;
    }
}

#[test]
fn an_active_region_tells_when_it_became_so_and_when_its_key_last_answered() {
    let times = |controls: &DataControls| match controls.cmek.regions[&US].validation {
        Validation::Active {
            last_checked_at,
            validated_at,
            ..
        } => (validated_at, last_checked_at),
        _ => panic!("not active"),
    };
    let on = report(&given("a", at(1)), active(), at(2));
    assert_eq!(times(&on), (at(2), Some(at(2))));
    let refused = report(&on, Report::Active(Some(why()), ()), at(3));
    assert_eq!(times(&refused), (at(2), Some(at(2))));
    let again = report(&refused, active(), at(4));
    assert_eq!(times(&again), (at(2), Some(at(4))));
    let anew = report(&again, Report::Pending(None), at(5));
    assert_eq!(times(&report(&anew, active(), at(6))), (at(6), Some(at(6))));
}

#[test]
fn facts_of_a_bucket_come_with_reports_and_go_with_the_bucket() {
    let name = |text: &str| Some(ResourceName::parse(text).unwrap());
    let facts = |location: Option<&str>, project_id: Option<&str>| BucketFacts {
        kms_key_name: None,
        location: location.and_then(name),
        project_id: project_id.and_then(name),
    };
    let active = |location: Option<Option<&str>>, project_id: Option<Option<&str>>| {
        let learned = LearnedFacts {
            kms_key_name: None,
            location: location.map(|it| it.and_then(name)),
            project_id: project_id.map(|it| it.and_then(name)),
        };
        Report::Active(Vec::new(), learned)
    };
    let control = Control::default()
        .updated(&buckets(&[(US, Some("a"))]), at(0))
        .unwrap();
    let control = control
        .reported(US, &active(Some(Some("US")), None), at(1))
        .unwrap();
    let control = control
        .reported(US, &active(None, Some(Some("p"))), at(2))
        .unwrap();
    assert_eq!(control.regions[&US].facts, facts(Some("US"), Some("p")));
    let control = control
        .reported(US, &active(Some(None), None), at(2))
        .unwrap();
    assert_eq!(control.regions[&US].facts, facts(None, Some("p")));
    let control = control
        .updated(&buckets(&[(US, Some("b"))]), at(3))
        .unwrap();
    assert_eq!(control.regions[&US].facts, facts(None, None));
    // They come back with the bucket: from what is applied, and from what retired.
    let give = |control: &Control<BucketReference>, name, now| {
        let update = buckets(&[(US, name)]);
        control.updated(&update, now)
    };
    let again = give(&control, Some("a"), at(4)).unwrap();
    assert_eq!(again.regions[&US].facts, facts(None, Some("p")));
    let other = control
        .reported(US, &active(Some(Some("EU")), None), at(4))
        .unwrap();
    let again = give(&other, Some("a"), at(5)).unwrap();
    assert_eq!(again.regions[&US].facts, facts(None, Some("p")));
    let other = give(&again, Some("b"), at(6)).unwrap();
    assert_eq!(other.regions[&US].facts, facts(Some("EU"), None));
    let ended = other.as_of(at(6).saturating_add(RETIREMENT), Validator::Operator);
    let afresh = give(&ended.0, Some("a"), at(7)).unwrap();
    assert_eq!(afresh.regions[&US].facts, facts(None, None));
}

#[test]
fn without_anybody_to_ask_a_pending_region_is_active_a_second_later() {
    let pending = given("a", at(1));
    let before = at(2).saturating_sub(Duration::from_micros(1));
    for (now, validator, status) in [
        (before, Validator::Automatic, RegionStatus::Pending),
        (at(2), Validator::Automatic, RegionStatus::Active),
        (at(99), Validator::Operator, RegionStatus::Pending),
    ] {
        let controls = pending.as_of(now, validator);
        assert_eq!(controls.cmek.regions[&US].status(), status);
    }
    let on = pending.as_of(at(99), Validator::Automatic);
    assert_eq!(on.updated_at, Some(at(2)));
    // The key before retires at that instant, a suspended region waits.
    let replaced = DataControlsUpdate {
        cmek: Some(keys(&[(US, Some("b"))])),
        storage: None,
    };
    let replaced = on.updated(&replaced, DataControlsApproval::Open, at(100));
    let replaced = replaced.unwrap();
    let next = replaced.as_of(at(200), Validator::Automatic);
    assert_eq!(
        retired(&next.cmek),
        [("ekey_a", US, at(101).saturating_add(RETIREMENT))]
    );
    let suspended = report(&replaced, Report::Suspended, at(100));
    assert_eq!(suspended.as_of(at(200), Validator::Automatic), suspended);
    let resumed = report(&suspended, Report::Pending(None), at(200));
    let status = |now| resumed.as_of(now, Validator::Automatic).cmek.regions[&US].status();
    assert_eq!(status(at(200)), RegionStatus::Pending);
    assert_eq!(status(at(201)), RegionStatus::Active);
}

#[test]
fn an_organization_that_is_not_approved_may_only_switch_off() {
    let approval = DataControlsApproval::NotApproved;
    let on = given("a", at(1));
    let table = [
        (Some(keys(&[])), None, Err("cmek")),
        (Some(keys(&[])), Some(buckets(&[])), Err("cmek")),
        (
            Some(ControlUpdate::Disabled),
            Some(buckets(&[])),
            Err("storage"),
        ),
        (
            Some(ControlUpdate::Disabled),
            Some(ControlUpdate::Disabled),
            Ok(()),
        ),
        (None, None, Ok(())),
    ];
    for (cmek, storage, expected) in table {
        let update = DataControlsUpdate { cmek, storage };
        let found = match on.updated(&update, approval, at(2)) {
            Ok(_) => Ok(()),
            Err(ControlsRefusal::NotApproved(kind)) => Err(kind.as_str()),
            Err(other) => panic!("{other}"),
        };
        assert_eq!(found, expected);
    }
}

#[test]
fn references_have_the_contract_s_limits() {
    let long = |before: &str, count: usize| format!("{before}{}", "a".repeat(count));
    for (text, fits) in [
        ("ekey_1", true),
        ("ekey_A-z_0", true),
        (&long("ekey_", 122), true),
        (&long("ekey_", 123), false),
        ("ekey_", false),
        ("key_1", false),
        ("ekey_ä", false),
        ("ekey_a b", false),
    ] {
        assert_eq!(ExternalKeyId::parse(text).is_ok(), fits, "{text}");
    }
    for (name, number, fits) in [
        ("abc", "1", true),
        ("a-b_c.d", "01234567890123456789", true),
        (&long("", 222), "1", true),
        (&long("", 223), "1", false),
        ("ab", "1", false),
        ("Abc", "1", false),
        ("abc", "", false),
        ("abc", "012345678901234567890", false),
        ("abc", "1a", false),
    ] {
        let found = BucketReference::parse(name, number).is_ok();
        assert_eq!(found, fits, "{name} {number}");
    }
}

#[test]
fn a_label_follows_from_the_id_and_is_read_back() {
    let id = |text| ProfileId::parse(text).unwrap();
    let label = BucketLabel::of(&id("uprof_1"));
    // Whoever changes this changes what customers have written on their buckets.
    assert_eq!(label.to_string(), "41fb942a3548457bfc48f0e12880c0e0");
    assert_eq!(BucketLabel::parse(&label.to_string()), Ok(label));
    assert_ne!(BucketLabel::of(&id("uprof_2")), label);
    for text in ["", "0", &"F".repeat(32), &"0".repeat(33), &"g".repeat(32)] {
        assert!(BucketLabel::parse(text).is_err(), "{text}");
    }
}
