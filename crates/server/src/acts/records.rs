//! Whole records: one put, any number read out.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use rollcall_domain::id::OrganizationId;
use rollcall_domain::profile::{LeftOut, Profile, ProfileRecord, export_audit};
use rollcall_domain::tenant::OperatorProof;
use rollcall_record::line;
use rollcall_store::Stored;
use rollcall_store::registry::{ExportPosition, Put, PutMode};
use rollcall_wire::error::{ApiError, ErrorKind};

use super::{Desk, organizations};
use crate::app::App;
use crate::app::Operation::{ExportProfiles, FindProfile, PutProfiles};
use crate::http::answer::{Body, answer};
use crate::http::error::{Failure, Outcome, Written};

/// How many records are read at a time.
const BATCH: usize = 1_000;

/// Answers with the profile as it is stored: what the record left out may be what was there before.
pub(crate) async fn put(
    desk: &Desk<'_>,
    organization_id: &OrganizationId,
    record: ProfileRecord,
) -> Result<Profile, Failure> {
    let act = desk.act();
    let records = vec![(organization_id.clone(), record.clone())];
    let put = desk
        .store()
        .put_profiles(desk.proof, &act, records, PutMode::default());
    let put = desk.write(PutProfiles, put).await?;
    desk.app().sweep_due.notify_one();
    let unanswered = || Failure::internal("a record was put and not answered", Written::Perhaps);
    refused(put.first().ok_or_else(unanswered)?)?;
    if record.left_out == LeftOut::default() {
        return Ok(record.profile);
    }
    let scope = desk.scope(organization_id);
    let find = desk.store().find_profile(&scope, &record.profile.id);
    // One that is deleted already was stored all the same.
    match desk.read(FindProfile, find).await? {
        Some(stored) => Ok(stored.decode()?),
        None => Ok(record.profile),
    }
}

/// Why a record was not stored, if it was not.
pub(crate) fn refused(put: &Put) -> Result<(), ApiError> {
    match put {
        Put::Created | Put::Replaced | Put::Unchanged => Ok(()),
        Put::UnknownOrganization => Err(ApiError::at("organization_id", "is not an organization")),
        Put::ForeignProfile => Err(ApiError::conflict(
            "id: belongs to a user profile of another organization",
        )),
        Put::ForeignAction(id) => Err(ApiError::conflict(format!(
            "enforcement_actions: {id} belongs to another user profile"
        ))),
        Put::Unmatched(unmatched) => Err(ApiError::new(
            ErrorKind::InvalidRequest,
            unmatched.to_string(),
        )),
    }
}

/// The records of one organization, which must exist, or of all of them, as they are read. An export shows everything
/// there is about people, so it leaves a trace before it begins.
pub(crate) async fn export(desk: &Desk<'_>, organization_id: Option<OrganizationId>) -> Outcome {
    if let Some(id) = &organization_id {
        organizations::find(desk, id).await?;
    }
    let of = organization_id.as_ref();
    let (act, entry) = (desk.act(), export_audit(of, None));
    let record = desk.store().record(desk.proof, &act, of, entry);
    desk.write(ExportProfiles, record).await?;
    let export = Export {
        app: Arc::clone(desk.app()),
        proof: desk.proof,
        organization_id,
        after: None,
        more: true,
    };
    let chunks = futures_util::stream::unfold(export, async |mut export| {
        let chunk = export.next().await?;
        Some((chunk.map_err(Into::into), export))
    });
    let body = Body::streamed(chunks);
    Ok(answer(StatusCode::OK, "application/x-ndjson", body))
}

/// An export on its way.
struct Export {
    app: Arc<App>,
    proof: OperatorProof,
    organization_id: Option<OrganizationId>,
    after: Option<ExportPosition>,
    more: bool,
}

impl Export {
    async fn next(&mut self) -> Option<Stored<Bytes>> {
        if !self.more {
            return None;
        }
        let chunk = self.read().await;
        match &chunk {
            // Whoever reads slowly must not find the end where the storage failed.
            Err(error) => {
                tracing::error!(%error, "an export broke off");
                self.more = false;
            }
            Ok(bytes) if bytes.is_empty() => return None,
            Ok(_) => {}
        }
        Some(chunk)
    }

    async fn read(&mut self) -> Stored<Bytes> {
        let started = std::time::Instant::now();
        let organization_id = self.organization_id.as_ref();
        let page = self
            .app
            .store
            .export_profiles(self.proof, organization_id, self.after.as_ref(), BATCH)
            .await?;
        self.app.record(ExportProfiles, started.elapsed());
        let now = self.app.clock.now();
        let validator = self.app.settings.data_controls;
        let mut lines = String::with_capacity(page.profiles.len() * 1_024);
        for owned in &page.profiles {
            let profile = owned.document.decode().inspect_err(|damage| {
                self.app
                    .tell_of_damage(&owned.organization_id, &owned.id, damage);
            })?;
            let profile = profile.with_data_controls_as_of(now, validator);
            line::write(&mut lines, &owned.organization_id, &profile);
        }
        self.more = page.next.is_some();
        self.after = page.next;
        // Storage read and written inline leaves no other point at which others get their turn.
        tokio::task::yield_now().await;
        Ok(lines.into())
    }
}
