//! Whole records of profiles, as seeds, imports and replication write them and exports show them.
//!
//! A record replaces what is stored under its id, whatever that was. What it leaves out stays where that is
//! the profile's own: when it was created and last modified, and the ids and opening times of actions that
//! are there already. So the same record written again changes nothing.

use super::Profile;
use crate::audit::{AuditAction, AuditEntry, TargetKind};
use crate::clock::Timestamp;
use crate::data_controls::{ControlKind, DataControls, Region, Validator};
use crate::decision::Decided;
use crate::enforcement::{Enforcement, EnforcementAction, PastAction, Resolution};
use crate::id::{EnforcementActionId, OrganizationId, ProfileId};

/// A whole record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileRecord {
    /// The profile as it is when none is replaced: what was left out is as in a fresh one.
    pub profile: Profile,
    /// What was left out.
    pub left_out: LeftOut,
}

/// What a record does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Its id; the profile has one that was made.
    pub id: bool,
    /// When the profile was created.
    pub created_at: bool,
    /// When it was last modified.
    pub updated_at: bool,
    /// Something of these actions.
    pub actions: Vec<PartialAction>,
    /// Something of its data controls.
    pub data_controls: ControlsLeftOut,
}

/// What the data controls of a record do not say. A record without any leaves nothing of them out: they are a
/// fresh profile's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ControlsLeftOut {
    /// The label of buckets.
    pub label: bool,
    /// When a control last changed.
    pub updated_at: bool,
    /// Since when these regions are pending.
    pub since: Vec<(ControlKind, Region)>,
}

/// An action of a record that lacks its id, its opening time, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartialAction {
    /// The id that it has in [`ProfileRecord::profile`].
    pub id: EnforcementActionId,
    /// The record has no id for it; this one was made.
    pub lacks_id: bool,
    /// The record does not say when it was opened.
    pub lacks_opened_at: bool,
}

/// A record that leaves nothing out.
impl From<Profile> for ProfileRecord {
    fn from(profile: Profile) -> Self {
        Self {
            profile,
            left_out: LeftOut::default(),
        }
    }
}

/// Why a record that is matched by its reference id is nobody's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unmatched {
    /// It has none, and no id either: the same record again would make another profile.
    #[error(
        "external_user_details.reference_id: is required, or an id, where records are matched by it"
    )]
    NoReference,
    /// Another profile has it.
    #[error("external_user_details.reference_id: is that of {0}, and not of the id that is given")]
    Another(ProfileId),
    /// Several have it.
    #[error(
        "external_user_details.reference_id: several user profiles have it; give the id of one"
    )]
    Several,
}

impl ProfileRecord {
    /// The record as the one profile's of its organization that has its reference id; as a new one's where there is
    /// none. `found` are those that have it, or the first two of them.
    pub fn matched(&self, found: &[ProfileId]) -> Result<Self, Unmatched> {
        let named = !self.left_out.id;
        if self.profile.details.reference_id.is_none() {
            return if named {
                Ok(self.clone())
            } else {
                Err(Unmatched::NoReference)
            };
        }
        match found {
            [] => Ok(self.clone()),
            [one] if named && self.profile.id != *one => Err(Unmatched::Another(one.clone())),
            [one] => {
                let mut matched = self.clone();
                matched.profile.id = one.clone();
                Ok(matched)
            }
            // Whether that id is one of them, and whose it is, shows when it is written.
            _ if named => Ok(self.clone()),
            _ => Err(Unmatched::Several),
        }
    }

    /// Writes the record over a profile of the same id.
    pub fn replace(&self, before: &Profile, now: Timestamp) -> Decided<Profile> {
        let enforcement = self.enforcement_over(&before.enforcement, now);
        let mut after = Profile {
            enforcement,
            ..self.profile.clone()
        };
        if self.left_out.created_at {
            after.created_at = before.created_at;
        }
        let is_modified = after.created_at != before.created_at
            || before.programs.statuses().ne(after.programs.statuses())
            || !before.fields_that_differ(&after).is_empty();
        if self.left_out.updated_at {
            after.updated_at = before.updated_at;
            if is_modified {
                after = after.touched(now);
            }
            after.updated_at = after.updated_at.max(after.created_at);
        } else {
            after.created_at = after.created_at.min(after.updated_at);
        }
        after.data_controls = self.data_controls_over(before, now);
        if after == *before {
            return Decided::unchanged(after);
        }
        let audit = before
            .audit(AuditAction::ProfileReplaced)
            .with_details(self.replaced_fields(before, &after));
        Decided::changed(after, audit)
    }

    fn replaced_fields(&self, before: &Profile, after: &Profile) -> Vec<&'static str> {
        let states_modification = !self.left_out.updated_at;
        let times = [
            ("created_at", before.created_at != after.created_at),
            (
                "updated_at",
                states_modification && before.updated_at != after.updated_at,
            ),
        ];
        let decisions = [
            ("programs", before.programs != after.programs),
            (
                "enforcement_actions",
                before.enforcement != after.enforcement,
            ),
            (
                "google_data_controls",
                before.data_controls != after.data_controls,
            ),
        ];
        let differing = |(field, differs): (_, bool)| differs.then_some(field);
        let mut fields: Vec<_> = times.into_iter().filter_map(differing).collect();
        fields.extend(before.fields_that_differ(after));
        fields.extend(decisions.into_iter().filter_map(differing));
        fields
    }

    /// The record's keys and buckets. What it leaves out of them stays: the label, since when a region waits
    /// for the same, and when a control last changed where none does.
    fn data_controls_over(&self, before: &Profile, now: Timestamp) -> DataControls {
        let left_out = &self.left_out.data_controls;
        let stored = before.data_controls.as_of(now, Validator::Operator);
        let mut controls = self.profile.data_controls.clone();
        controls.keep_since(&stored, &left_out.since);
        if left_out.label {
            controls.label = stored.label;
        }
        if left_out.updated_at {
            controls.updated_at = stored.updated_at;
            controls = controls.touched(&stored, before.created_at, now);
        }
        if controls == stored {
            // What ran out since is no difference.
            before.data_controls.clone()
        } else {
            controls
        }
    }

    /// The record's actions; those that lack something have it from an equal one that is stored.
    fn enforcement_over(&self, before: &Enforcement, now: Timestamp) -> Enforcement {
        let partial = &self.left_out.actions;
        if partial.is_empty() {
            return self.profile.enforcement.clone();
        }
        let stored = with_endings(before);
        let mut actions = with_endings(&self.profile.enforcement);
        let named = |id: &EnforcementActionId| actions.iter().any(|(action, _)| action.id() == id);
        let mut spare = stored.clone();
        spare.retain(|(action, _)| !named(action.id()));
        // Those that say more choose first.
        let lacks_opened_at =
            |id: &EnforcementActionId| partial.iter().any(|it| it.id == *id && it.lacks_opened_at);
        actions.sort_by_key(|(action, _)| lacks_opened_at(action.id()));
        for wanted in &mut actions {
            let Some(lacking) = partial.iter().find(|it| it.id == *wanted.0.id()) else {
                continue;
            };
            if lacking.lacks_id {
                let equal = |held: &Held| is_equal(held, wanted, lacking, now);
                if let Some(place) = spare.iter().position(equal) {
                    *wanted = spare.remove(place);
                }
            } else if let Some((known, _)) = stored.iter().find(|(it, _)| it.id() == &lacking.id) {
                wanted.0 = wanted.0.with_opened_at(known.opened_at());
            }
        }
        without_endings(actions)
    }
}

/// What the audit trail of an organization shows of records that were written together: of a single one
/// `last`, which is what was done to it, of several how many of them were `written` there.
pub fn import_audit(
    organization_id: &OrganizationId,
    sent: usize,
    written: usize,
    last: AuditEntry,
) -> AuditEntry {
    if sent == 1 {
        return last;
    }
    let (action, target) = (AuditAction::ProfilesImported, TargetKind::Organization);
    AuditEntry::new(action, target, organization_id.as_str())
        .with_details([format!("{written} records")])
}

/// What the audit trail shows of an export: of one organization, or of all of them; with how many profiles,
/// where it is over already.
pub fn export_audit(organization_id: Option<&OrganizationId>, written: Option<u64>) -> AuditEntry {
    let target_id = organization_id.map_or("all", OrganizationId::as_str);
    let (action, target) = (AuditAction::ProfilesExported, TargetKind::Organization);
    AuditEntry::new(action, target, target_id).with_details(written.map(|count| count.to_string()))
}

/// An action, and how it ended if it has.
type Held = (EnforcementAction, Option<(Timestamp, Resolution)>);

/// Whether a stored action is the one that a record describes without its id.
fn is_equal(held: &Held, wanted: &Held, lacking: &PartialAction, now: Timestamp) -> bool {
    let ((action, ending), (described, stated_ending)) = (held, wanted);
    // The record may be older than the end of what it describes.
    let has_expired = stated_ending.is_none()
        && !described.is_open_at(now)
        && matches!(ending, Some((_, Resolution::Expired)));
    action.reason() == described.reason()
        && action.kind() == described.kind()
        && (lacking.lacks_opened_at || action.opened_at() == described.opened_at())
        && (ending == stated_ending || has_expired)
}

fn with_endings(enforcement: &Enforcement) -> Vec<Held> {
    let open = enforcement.unresolved().iter();
    let past = enforcement.past().iter();
    open.map(|action| (action.clone(), None))
        .chain(past.map(|past| {
            let ending = (past.resolved_at, past.resolution);
            (past.action.clone(), Some(ending))
        }))
        .collect()
}

fn without_endings(actions: Vec<Held>) -> Enforcement {
    let (mut open, mut past) = (Vec::new(), Vec::new());
    for (action, ending) in actions {
        match ending {
            None => open.push(action),
            Some((resolved_at, resolution)) => past.push(PastAction {
                action,
                resolved_at,
                resolution,
            }),
        }
    }
    Enforcement::new(open, past)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::ProfileDraft;
    use crate::text::ReferenceId;

    fn id(text: &str) -> ProfileId {
        ProfileId::parse(text).unwrap()
    }

    fn record(named: bool, reference: Option<&str>) -> ProfileRecord {
        let mut profile = Profile::new(id("uprof_own"), ProfileDraft::default(), Timestamp::EPOCH);
        profile.details.reference_id = reference.map(|text| ReferenceId::parse(text).unwrap());
        let mut record = ProfileRecord::from(profile);
        record.left_out.id = !named;
        record
    }

    #[test]
    fn a_record_is_the_one_profiles_that_has_its_reference() {
        let whose = |named, reference, found: &[&str]| {
            let found: Vec<_> = found.iter().map(|text| id(text)).collect();
            let matched = record(named, reference).matched(&found);
            matched.map(|record| record.profile.id.as_str().to_owned())
        };
        let reference = Some("user_1");
        let ok = |id: &str| Ok(id.to_owned());
        assert_eq!(whose(false, reference, &[]), ok("uprof_own"));
        assert_eq!(whose(false, reference, &["uprof_a"]), ok("uprof_a"));
        assert_eq!(whose(true, reference, &["uprof_own"]), ok("uprof_own"));
        assert_eq!(
            whose(true, reference, &["uprof_a", "uprof_own"]),
            ok("uprof_own")
        );
        assert_eq!(whose(true, None, &[]), ok("uprof_own"));
        assert_eq!(whose(false, None, &[]), Err(Unmatched::NoReference));
        let another = Unmatched::Another(id("uprof_a"));
        assert_eq!(whose(true, reference, &["uprof_a"]), Err(another));
        let two = ["uprof_a", "uprof_b"];
        assert_eq!(whose(false, reference, &two), Err(Unmatched::Several));
        assert_eq!(whose(true, reference, &two), ok("uprof_own"));
    }
}
