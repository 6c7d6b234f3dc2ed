//! `/operator/v1/user_profiles`: search, and one profile whole or through a dialect's eyes.

use rollcall_wire::dialect::Answer;
use rollcall_wire::error::ApiError;
use rollcall_wire::object;
use rollcall_wire::operator::deleted;
use rollcall_wire::operator::profiles::{parse_get, parse_search, write_record};
use rollcall_wire::query::parse_query_beta_only;

use super::{enrollments, named_profile};
use crate::app::Operation;
use crate::http::answer::{json, naming_damaged};
use crate::http::call::OperatorCall;
use crate::http::error::Outcome;

/// `GET /operator/v1/user_profiles`
pub(crate) async fn search(call: OperatorCall<'_>) -> Outcome {
    let app = call.app();
    let request = parse_search(call.query(), &app.cursors)?;
    let now = app.clock.now();
    let page = request.page();
    let search = app.store.search_profiles(call.proof, &page, now);
    let found = call
        .exchange()
        .read(Operation::SearchProfiles, search)
        .await?;
    let mut records = Vec::with_capacity(found.profiles.len());
    let mut damaged = Vec::new();
    for owned in &found.profiles {
        let mut record = String::with_capacity(1_024);
        let written = owned.document.decode().and_then(|profile| {
            write_record(&mut record, &owned.organization_id, &profile, None, now)
        });
        match written {
            Ok(()) => records.push(record),
            Err(damage) => {
                app.tell_of_damage(&owned.organization_id, &owned.id, &damage);
                damaged.push(owned.id.as_str());
            }
        }
    }
    let next = found
        .next
        .map(|position| request.list.next_page(&app.cursors, &position));
    let write = |out: &mut String, record: String| out.push_str(&record);
    let mut answer = json(object::page(records, write, next.as_deref()));
    answer
        .headers_mut()
        .extend(naming_damaged(damaged.into_iter()));
    Ok(answer)
}

/// `DELETE /operator/v1/user_profiles/{id}`: erases a person. The answer comes when neither the database
/// nor its log holds anything of it, but where the log is being read, as by a backup: then soon after.
pub(crate) async fn erase(call: OperatorCall<'_>) -> Outcome {
    let app = call.app();
    parse_query_beta_only(call.query())?;
    let owned = named_profile(&call).await?;
    let scope = call.proof.choose(owned.organization_id);
    let act = call.act(app.clock.now());
    let erase = async {
        let erased = app.store.erase_profile(&scope, &act, &owned.id).await?;
        if !app.store.empty_log().await.unwrap_or_default() {
            tracing::warn!("the log is being read and will be emptied of what was erased later");
        }
        Ok(erased)
    };
    if call
        .exchange()
        .write(Operation::EraseProfile, erase)
        .await?
    {
        Ok(json(deleted("user_profile", owned.id.as_str())))
    } else {
        Err(ApiError::profile_not_found().into())
    }
}

/// `GET /operator/v1/user_profiles/{id}`: the whole record, or with `?as=` the profile as a dialect's
/// get answers it.
pub(crate) async fn get(call: OperatorCall<'_>) -> Outcome {
    let dialect = parse_get(call.query())?;
    let owned = named_profile(&call).await?;
    let now = call.app().clock.now();
    if let Some(dialect) = dialect {
        let mut text = Vec::with_capacity(1_024);
        dialect.write_profile(&mut text, &owned.document.view()?, Answer::Get, now)?;
        return Ok(json(text));
    }
    let profile = owned.document.decode()?;
    let mut record = String::with_capacity(1_024);
    let enrollments = enrollments::of_profile(&call, &profile.id).await?;
    write_record(
        &mut record,
        &owned.organization_id,
        &profile,
        Some(&enrollments),
        now,
    )?;
    Ok(json(record))
}
