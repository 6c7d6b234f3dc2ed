//! The seed file of `rollcall dev`: records that are there from the start and after every reset.

use std::io::BufRead as _;
use std::path::Path;

use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::{Ids, OrganizationId, WebhookEndpointId};
use rollcall_domain::profile::ProfileRecord;
use rollcall_domain::webhook::{EndpointDraft, SigningKey};
use rollcall_record::line::{self, Record, WebhookEndpointRecord};
use rollcall_wire::webhooks::{DESCRIPTION_LIMIT, NAME_LIMIT, UrlPolicy};

use super::failure::{Failure, Outcome};
use crate::initial::SeededEndpoint;
use crate::webhooks::vault::Vault;

/// What a seed holds.
#[derive(Debug, Default)]
pub(crate) struct Seed {
    pub(crate) profiles: Vec<(OrganizationId, ProfileRecord)>,
    pub(crate) webhook_endpoints: Vec<(WebhookEndpointId, EndpointDraft)>,
}

impl Seed {
    /// The webhook endpoints with secrets of their own, which a reset does not change.
    pub(crate) fn sealed_endpoints(
        &self,
        organization_id: &OrganizationId,
        vault: &Vault,
        ids: &Ids,
    ) -> Outcome<Vec<SeededEndpoint>> {
        let endpoints = self.webhook_endpoints.iter().map(|(id, draft)| {
            let key = SigningKey(ids.secret_bytes());
            Ok(SeededEndpoint {
                organization_id: organization_id.clone(),
                id: id.clone(),
                draft: draft.clone(),
                secret: vault.seal(id, &key).map_err(Failure::setup)?,
            })
        });
        endpoints.collect()
    }
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
                if let Some(named) = named.filter(|named| named != organization_id) {
                    return Err(wrong(&format!(
                        "organization_id: a seed is for one organization, {organization_id}; leave \
                         organization_id out, or start with --organization-id {named}"
                    )));
                }
                if !ids_before.insert(profile.profile.id.clone()) {
                    return Err(wrong(&"id: stands on an earlier line already"));
                }
                seed.profiles.push((organization_id.clone(), *profile));
            }
            Record::WebhookEndpoint(record) => {
                let (id, draft) = endpoint(record, ids, now).map_err(|error| wrong(&error))?;
                let mut others = seed.webhook_endpoints.iter();
                if others.any(|(other, _)| *other == id) {
                    return Err(wrong(&"id: stands on an earlier line already"));
                }
                seed.webhook_endpoints.push((id, draft));
            }
        }
    }
    Ok(seed)
}

/// The endpoint of a record, held to what its administrator could have sent.
fn endpoint(
    record: WebhookEndpointRecord,
    ids: &Ids,
    now: Timestamp,
) -> Result<(WebhookEndpointId, EndpointDraft), String> {
    let url = UrlPolicy::DEVELOPMENT.parse(&record.url);
    let url = url.map_err(|error| format!("url: {error}"))?;
    if record.enabled_events.is_empty() {
        return Err("enabled_events: must list at least one event type".to_owned());
    }
    for (field, text, limit) in [
        ("description", &record.description, DESCRIPTION_LIMIT),
        ("name", &record.name, NAME_LIMIT),
    ] {
        if text.chars().nth(limit).is_some() {
            return Err(format!("{field}: must be at most {limit} characters"));
        }
    }
    let id = record.id.unwrap_or_else(|| ids.webhook_endpoint(now));
    let draft = EndpointDraft {
        enabled_events: record.enabled_events,
        url,
        description: record.description,
        name: record.name,
    };
    Ok((id, draft))
}
