//! The seed file of `rollcall dev`: records that are there from the start and after every reset.

use std::io::BufRead as _;
use std::path::Path;

use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::{Ids, OrganizationId};
use rollcall_domain::profile::Profile;
use rollcall_record::line::{self, Record};

use super::failure::{Failure, Outcome};

/// What a seed holds.
#[derive(Debug, Default)]
pub(crate) struct Seed {
    pub(crate) profiles: Vec<(OrganizationId, Profile)>,
    /// Lines with webhook endpoints.
    pub(crate) webhook_endpoints: usize,
}

/// Reads a seed whole. Unlike an import it is all right or all wrong: a test suite that starts from
/// half of its seed fails in places that do not say why.
pub(crate) fn read(
    file: &Path,
    organization_id: &OrganizationId,
    ids: &Ids,
    now: Timestamp,
) -> Outcome<Seed> {
    let shown = file.display();
    let cannot = |error: std::io::Error| Failure::setup(format!("cannot read {shown}: {error}"));
    let reader = std::io::BufReader::new(std::fs::File::open(file).map_err(cannot)?);
    let mut seed = Seed::default();
    let mut ids_before = std::collections::HashSet::new();
    for (number, text) in (1..).zip(reader.split(b'\n')) {
        let text = text.map_err(cannot)?;
        if text.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let wrong = |problem: &dyn std::fmt::Display| {
            Failure::setup(format!("{shown}, line {number}: {problem}"))
        };
        match line::parse(&text, ids, now).map_err(|error| wrong(&error))? {
            Record::Profile {
                organization_id: named,
                profile,
            } => {
                if named.is_some_and(|named| named != *organization_id) {
                    return Err(wrong(&format!(
                        "organization_id: a seed is for the development organization, \
                         {organization_id}"
                    )));
                }
                if !ids_before.insert(profile.id.clone()) {
                    return Err(wrong(&"id: stands on an earlier line already"));
                }
                seed.profiles.push((organization_id.clone(), *profile));
            }
            Record::WebhookEndpoint(_) => seed.webhook_endpoints += 1,
        }
    }
    Ok(seed)
}
