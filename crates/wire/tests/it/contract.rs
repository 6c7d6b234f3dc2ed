//! The contract's examples: requests are read, and answers written with the same members in the same
//! order.

use rollcall_domain::enforcement::IdentityCheck;
use rollcall_domain::id::ProfileId;
use rollcall_domain::profile::Profile;
use rollcall_domain::program::{Cyber, ProgramStatus, Programs};
use rollcall_record::document::{PageSink as _, ProfileDocument};
use rollcall_wire::dialect::{Answer, Dialect, PageWriter, deleted_profile};
use rollcall_wire::enrollment_urls::{
    UrlAction, parse_action_url_body, write_action_url, write_enrollment_url,
};

use crate::example::{
    ana, at, ban, compact, dialect, dialects_with_examples, nordlicht, now, restriction, unset,
    written,
};

#[test]
fn a_create_is_read_stored_and_answered() {
    for name in dialects_with_examples() {
        let created_at = at("2026-06-02T09:14:31.482913Z");
        let body = compact(&format!("create.request.{name}"));
        let draft = dialect(name)
            .parse_create(body.as_bytes(), created_at)
            .unwrap();
        let profile = Profile::create(nordlicht().id, draft, created_at).value;
        assert_eq!(
            written(dialect(name), &profile, Answer::Other, created_at),
            compact(&format!("create.{name}"))
        );
    }
}

#[test]
fn an_update_is_read_applied_and_answered() {
    for name in dialects_with_examples() {
        let body = compact(&format!("update.request.{name}"));
        let patch = dialect(name).parse_update(body.as_bytes(), now()).unwrap();
        let profile = nordlicht().update(&patch, now()).unwrap().value;
        assert_eq!(
            written(dialect(name), &profile, Answer::Other, now()),
            compact(&format!("update.{name}"))
        );
    }
}

#[test]
fn a_get_shows_the_profile_as_each_dialect_does() {
    for name in dialects_with_examples() {
        for (profile, file) in [(nordlicht(), "retrieve"), (unset(), "retrieve.unset")] {
            assert_eq!(
                written(dialect(name), &profile, Answer::Get, now()),
                compact(&format!("{file}.{name}"))
            );
        }
    }
}

#[test]
fn a_get_tells_programs_and_enforcement_in_full() {
    let offered = restriction(IdentityCheck::Offered, None);
    let without_tier = Profile {
        programs: Programs {
            cyber: Some(Cyber::without_tiers(ProgramStatus::Active)),
            ..nordlicht().programs
        },
        ..nordlicht()
    };
    for (profile, file) in [
        (ana(vec![offered.clone()]), "retrieve.ga.restricted"),
        (
            ana(vec![restriction(IdentityCheck::Submitted, None)]),
            "retrieve.ga.pending",
        ),
        (ana(vec![ban(), offered]), "retrieve.ga.banned"),
        (without_tier, "retrieve.ga.cyber-without-tier"),
    ] {
        assert_eq!(
            written(dialect("ga"), &profile, Answer::Get, now()),
            compact(file)
        );
    }
}

fn page(dialect: &Dialect, profiles: &[Profile], next_page: Option<&str>) -> String {
    let mut writer = PageWriter::new(dialect, now(), Vec::with_capacity(4_096));
    for profile in profiles {
        let document = ProfileDocument::encode(profile);
        writer.profile(&document.view().unwrap()).unwrap();
    }
    String::from_utf8(writer.finish(next_page)).unwrap()
}

#[test]
fn a_list_holds_its_profiles_and_the_way_on() {
    let next = Some("page_AXkq3Zr0pJ6v1Tn4cYb9sWm2");
    let full = [
        nordlicht(),
        ana(vec![restriction(IdentityCheck::Offered, None)]),
    ];
    for name in dialects_with_examples() {
        assert_eq!(
            page(dialect(name), &full, next),
            compact(&format!("list.{name}"))
        );
        assert_eq!(
            page(dialect(name), &[unset()], None),
            compact(&format!("list.last-page.{name}"))
        );
        assert_eq!(page(dialect(name), &[], None), compact("list.empty"));
    }
}

#[test]
fn a_delete_answers_with_the_id() {
    let id = ProfileId::parse("uprof_011CbeBHspRT5JW7RnPynu5d").unwrap();
    assert_eq!(deleted_profile(&id), compact("delete"));
}

#[test]
fn both_kinds_of_url_are_answered_alike() {
    let body = compact("action_url.request");
    assert_eq!(
        parse_action_url_body(body.as_bytes()),
        Ok(UrlAction::EnrollEndUser)
    );
    let expires_at = at("2026-11-20T14:18:27.650118Z");
    let url = "https://profiles.example.net/user-profiles/enrollment/Qm9yZWFsaXMtMjAyNi1leGFtcGxlLXRva2VuLW5vdC1yZWFs";
    assert_eq!(write_action_url(expires_at, url), compact("action_url"));
    assert_eq!(
        write_enrollment_url(expires_at, url),
        compact("enrollment_url")
    );
}
