//! Documents as they were stored before their lines lost their keys, for the tests of the migrations that
//! took the keys away.

use rollcall_domain::id::ProfileId;
use rollcall_domain::profile::Profile;
use rollcall_domain::tenant::OrganizationScope;
use rollcall_domain::text::{OpaqueHash, ReferenceId};
use rollcall_record::document::ProfileDocument;

use crate::world::{World, at, restriction};

const KEYS: [&str; 14] = [
    "{\"id\":",
    "\"created_at\":",
    "\"updated_at\":",
    "\"relationship\":",
    "\"name\":",
    "\"metadata\":",
    "\"external_user_details\":",
    "\"onboarded_at\":",
    "\"reference_id\":",
    "\"cyber\":",
    "\"efs\":",
    "\"own_programs\":",
    "\"open_actions\":",
    "\"past_actions\":",
];

/// The form that a document had.
pub(crate) fn with_keys(document: &ProfileDocument) -> String {
    let lines: Vec<_> = document.as_str().lines().collect();
    assert_eq!(lines.len(), KEYS.len());
    let created_at = lines[1];
    let without = |line: &str, end: &str| line.strip_suffix(end).unwrap().to_owned();
    let keyed = KEYS.iter().zip(lines).map(|(key, line)| {
        let value = match *key {
            "{\"id\":" => line[1..].to_owned(),
            "\"updated_at\":" if line == "null," => created_at.to_owned(),
            "\"external_user_details\":" => without(line, "},") + ",",
            "\"reference_id\":" => without(line, ",") + "},",
            "\"past_actions\":" => without(line, "]") + "}",
            _ => line.to_owned(),
        };
        format!("{key}{value}")
    });
    keyed.collect::<Vec<_>>().join("\n")
}

/// Profiles in which a careless migration would find keys that are none.
pub(crate) async fn awkward_profiles(world: &World, scope: &OrganizationScope) -> Vec<ProfileId> {
    let plain = world.create(scope, at(1), None).await;
    let named = world.create(scope, at(2), Some("\",\n\"name\":\"Ä}")).await;
    let mut draft: Profile = world.draft(at(3), Some("null"));
    draft.details.onboarded_at = Some(draft.created_at);
    draft.details.reference_id = Some(ReferenceId::parse("1970-01-01T00:00:03Z").unwrap());
    draft.details.name_hash = Some(OpaqueHash::parse("},\n\"cyber\":null").unwrap());
    world.insert(scope, &draft).await;
    let restricted = world.create(scope, at(4), Some("[]")).await;
    world
        .open_action(scope, &restricted, restriction(None), at(5))
        .await;
    vec![plain, named, draft.id, restricted]
}
