//! `/operator/v1/enrollments`: what end users submitted, and the operator's decisions.

use rollcall_domain::page::Order;
use rollcall_store::enrollments::EnrollmentFilter;
use rollcall_wire::operator::enrollments::{
    parse_approval, parse_list, parse_rejection, write_enrollment,
};
use rollcall_wire::query::parse_query_beta_only;

use super::{list_answer, written};
use crate::acts::enrollments;
use crate::http::answer::json;
use crate::http::call::OperatorCall;
use crate::http::error::Outcome;

/// `GET /operator/v1/enrollments`: the newest first.
pub(crate) async fn list(call: OperatorCall<'_>) -> Outcome {
    let request = parse_list(call.query(), &call.app().cursors)?;
    let filter = EnrollmentFilter {
        status: request.status,
        ..EnrollmentFilter::default()
    };
    let (after, limit) = (request.list.after.as_ref(), request.list.limit);
    let listed = enrollments::list(&call.desk, &filter, Order::Descending, after, limit).await?;
    Ok(list_answer(&call, &request.list, &listed, write_enrollment))
}

/// `GET /operator/v1/enrollments/{id}`
pub(crate) async fn get(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    let id = enrollments::named(call.param("enrollment_id"))?;
    let enrollment = enrollments::find(&call.desk, &id).await?;
    Ok(json(written(|out| write_enrollment(out, &enrollment))))
}

/// `POST /operator/v1/enrollments/{id}/approve`
pub(crate) async fn approve(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    let approval = parse_approval(call.optional_fields().await?)?;
    let id = enrollments::named(call.param("enrollment_id"))?;
    let enrollment = enrollments::find(&call.desk, &id).await?;
    let approved = enrollments::approve(&call.desk, &enrollment, &approval).await?;
    Ok(json(written(|out| write_enrollment(out, &approved))))
}

/// `POST /operator/v1/enrollments/{id}/reject`
pub(crate) async fn reject(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    let note = parse_rejection(call.optional_fields().await?)?;
    let id = enrollments::named(call.param("enrollment_id"))?;
    let enrollment = enrollments::find(&call.desk, &id).await?;
    let rejected = enrollments::reject(&call.desk, &enrollment, note.as_deref()).await?;
    Ok(json(written(|out| write_enrollment(out, &rejected))))
}
