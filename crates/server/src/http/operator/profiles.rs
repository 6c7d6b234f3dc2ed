//! `/operator/v1/user_profiles`: search, and one profile whole or through a dialect's eyes.

use rollcall_domain::id::ProfileId;
use rollcall_domain::page::{Limit, Order};
use rollcall_store::enrollments::EnrollmentFilter;
use rollcall_wire::dialect::Answer;
use rollcall_wire::dialects;
use rollcall_wire::enrollment_urls::{parse_action_url, write_action_url};
use rollcall_wire::object;
use rollcall_wire::operator::deleted;
use rollcall_wire::operator::profiles::{Rest, parse_get, parse_search, write_record};
use rollcall_wire::query::parse_query_beta_only;

use crate::acts::{enrollments, profiles};
use crate::http::answer::{json, naming_damaged};
use crate::http::call::OperatorCall;
use crate::http::error::Outcome;

/// `GET /operator/v1/user_profiles`
pub(crate) async fn search(call: OperatorCall<'_>) -> Outcome {
    let app = call.app();
    let request = parse_search(call.query(), &app.cursors)?;
    let now = app.clock.now();
    let found = profiles::search(&call.desk, &request.page(), now).await?;
    let mut records = Vec::with_capacity(found.profiles.len());
    for (organization_id, profile) in &found.profiles {
        let mut record = String::with_capacity(1_024);
        write_record(&mut record, organization_id, profile, None, now)?;
        records.push(record);
    }
    let next = found
        .next
        .map(|position| request.list.next_page(&app.cursors, &position));
    let write = |out: &mut String, record: String| out.push_str(&record);
    let mut answer = json(object::page(records, write, next.as_deref()));
    let damaged = found.damaged.iter().map(ProfileId::as_str);
    answer.headers_mut().extend(naming_damaged(damaged));
    Ok(answer)
}

/// `POST /operator/v1/user_profiles/{id}`: changes what is stated of it, in the form of the newest dialect.
pub(crate) async fn update(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    let fields = call.fields().await?;
    let now = call.app().clock.now();
    let patch = dialects::DEFAULT.parse_update_fields(fields, now)?;
    let owned =
        profiles::find(&call.desk, &profiles::named(call.param("user_profile_id"))?).await?;
    let profile = profiles::update(&call.desk, &owned, patch).await?;
    let of = &owned.organization_id;
    let mut record = String::with_capacity(1_024);
    write_record(&mut record, of, &profile, None, now)?;
    Ok(json(record))
}

/// `POST /operator/v1/user_profiles/{id}/action_urls`
pub(crate) async fn create_action_url(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    let action = parse_action_url(call.fields().await?)?;
    let owned =
        profiles::find(&call.desk, &profiles::named(call.param("user_profile_id"))?).await?;
    let link = profiles::link(&call.desk, &owned, action).await?;
    Ok(json(write_action_url(link.stored.expires_at, &link.url)))
}

/// `DELETE /operator/v1/user_profiles/{id}`: erases a person.
pub(crate) async fn erase(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    let id = profiles::named(call.param("user_profile_id"))?;
    profiles::erase(&call.desk, &id).await?;
    Ok(json(deleted("user_profile", id.as_str())))
}

/// `GET /operator/v1/user_profiles/{id}`: the whole record with its latest enrollments, newest first, or with `?as=` the
/// profile as a dialect's get answers it.
pub(crate) async fn get(call: OperatorCall<'_>) -> Outcome {
    let dialect = parse_get(call.query())?;
    let owned =
        profiles::find(&call.desk, &profiles::named(call.param("user_profile_id"))?).await?;
    let now = call.app().clock.now();
    if let Some(dialect) = dialect {
        let mut text = Vec::with_capacity(1_024);
        dialect.write_profile(&mut text, &owned.document.view()?, Answer::Get, now)?;
        return Ok(json(text));
    }
    let profile = owned.document.decode()?;
    let filter = EnrollmentFilter {
        profile_id: Some(owned.id),
        ..EnrollmentFilter::default()
    };
    let (newest, most) = (Order::Descending, Limit::LARGEST);
    let latest = enrollments::list(&call.desk, &filter, newest, None, most).await?;
    let rest = Rest {
        validator: call.app().settings.data_controls,
        enrollments: &latest.items,
    };
    let of = &owned.organization_id;
    let mut record = String::with_capacity(1_024);
    write_record(&mut record, of, &profile, Some(rest), now)?;
    Ok(json(record))
}
