//! `/v1/user_profiles` and `/v1/user_profiles/{id}`.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::profile::Profile;
use rollcall_record::document::ProfileDocument;
use rollcall_store::Changed;
use rollcall_wire::dialect::{Answer, PageWriter, deleted_profile};
use rollcall_wire::error::ApiError;
use rollcall_wire::query::parse_query_beta_only;

use crate::app::Operation;
use crate::http::answer::{json, naming_damaged};
use crate::http::call::PublicCall;
use crate::http::error::Outcome;

/// Room for a profile of the usual size, so that a page is written without growing its buffer.
const USUAL_PROFILE: usize = 704;

/// `GET /v1/user_profiles`
pub(crate) async fn list(call: PublicCall<'_>) -> Outcome {
    let app = call.app();
    let organization = call.organization_id();
    let listing = call
        .dialect
        .parse_list(call.query(), &app.cursors, organization)?;
    let now = call.exchange().begun;
    let buffer = Vec::with_capacity((listing.limit.get() + 1) * USUAL_PROFILE);
    let mut page = PageWriter::new(call.dialect, now, buffer);
    let pages = app
        .store
        .list_profiles(call.scope(), &listing, now, &mut page);
    let next = call.exchange().read(Operation::ListProfiles, pages).await?;
    let next = next.map(|position| app.cursors.seal(organization, &listing, &position));
    let damaged = page.damaged().iter().map(|(id, damage)| {
        app.tell_of_damage(organization, id, damage);
        id.as_str()
    });
    let damaged = naming_damaged(damaged);
    let mut answer = json(page.finish(next.as_deref()));
    answer.headers_mut().extend(damaged);
    Ok(answer)
}

/// `POST /v1/user_profiles`
pub(crate) async fn create(call: PublicCall<'_>) -> Outcome {
    let app = call.app();
    parse_query_beta_only(call.query())?;
    let body = call.body().await?;
    let now = app.clock.now();
    let draft = call.dialect.parse_create(&body, now)?;
    let decided = Profile::create(app.ids.profile(now), draft, now);
    let act = call.act(now);
    let insert = app.store.insert_profile(call.scope(), &act, decided);
    let document = call
        .exchange()
        .write(Operation::InsertProfile, insert)
        .await?;
    show(&call, &document, Answer::Other, now)
}

/// `GET /v1/user_profiles/{id}`
pub(crate) async fn get(call: PublicCall<'_>) -> Outcome {
    let app = call.app();
    parse_query_beta_only(call.query())?;
    let id = call.profile_id().ok_or_else(ApiError::profile_not_found)?;
    let find = app.store.find_profile(call.scope(), &id);
    let document = call.exchange().read(Operation::FindProfile, find).await?;
    let document = document.ok_or_else(ApiError::profile_not_found)?;
    show(&call, &document, Answer::Get, call.exchange().begun)
}

/// `POST /v1/user_profiles/{id}`
pub(crate) async fn update(call: PublicCall<'_>) -> Outcome {
    let app = call.app();
    parse_query_beta_only(call.query())?;
    let body = call.body().await?;
    let now = app.clock.now();
    let patch = call.dialect.parse_update(&body, now)?;
    let id = call.profile_id().ok_or_else(ApiError::profile_not_found)?;
    let act = call.act(now);
    let decide = Box::new(move |profile: &Profile| profile.update(&patch, now));
    let change = app.store.change_profile(call.scope(), &act, &id, decide);
    match call
        .exchange()
        .write(Operation::ChangeProfile, change)
        .await?
    {
        Changed::Done(document) => show(&call, &document, Answer::Other, now),
        Changed::Refused(refusal) => Err(refusal.into()),
        Changed::Missing => Err(ApiError::profile_not_found().into()),
    }
}

/// `DELETE /v1/user_profiles/{id}`
pub(crate) async fn delete(call: PublicCall<'_>) -> Outcome {
    let app = call.app();
    parse_query_beta_only(call.query())?;
    let id = call.profile_id().ok_or_else(ApiError::profile_not_found)?;
    let act = call.act(app.clock.now());
    let remove = app.store.remove_profile(call.scope(), &act, &id);
    if call
        .exchange()
        .write(Operation::RemoveProfile, remove)
        .await?
    {
        Ok(json(deleted_profile(&id)))
    } else {
        Err(ApiError::profile_not_found().into())
    }
}

fn show(
    call: &PublicCall<'_>,
    document: &ProfileDocument,
    answer: Answer,
    now: Timestamp,
) -> Outcome {
    let mut text = Vec::with_capacity(document.as_str().len() + USUAL_PROFILE);
    call.dialect
        .write_profile(&mut text, &document.view()?, answer, now)?;
    Ok(json(text))
}
