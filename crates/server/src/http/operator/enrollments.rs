//! `/operator/v1/enrollments`: what end users submitted, and the operator's decisions.

use rollcall_domain::enrollment::{Enrollment, Verdict};
use rollcall_domain::id::{EnrollmentId, ProfileId};
use rollcall_domain::page::{Limit, Order};
use rollcall_store::enrollments::{Decided, EnrollmentFilter};
use rollcall_wire::error::ApiError;
use rollcall_wire::operator::enrollments::{
    parse_approval, parse_list, parse_rejection, write_enrollment,
};
use rollcall_wire::query::parse_query_beta_only;

use super::{list_answer, written};
use crate::app::Operation;
use crate::http::answer::json;
use crate::http::call::OperatorCall;
use crate::http::error::{Failure, Outcome};

/// `GET /operator/v1/enrollments`: the newest first.
pub(crate) async fn list(call: OperatorCall<'_>) -> Outcome {
    let app = call.app();
    let request = parse_list(call.query(), &app.cursors)?;
    let filter = EnrollmentFilter {
        status: request.status,
        ..EnrollmentFilter::default()
    };
    let limit = request.list.limit;
    let list = app.store.list_enrollments(
        call.proof,
        &filter,
        Order::Descending,
        request.list.after.as_ref(),
        limit,
    );
    let listed = call
        .exchange()
        .read(Operation::ReadEnrollments, list)
        .await?;
    Ok(list_answer(&call, &request.list, &listed, write_enrollment))
}

/// `GET /operator/v1/enrollments/{id}`
pub(crate) async fn get(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    let enrollment = named_enrollment(&call).await?;
    Ok(json(written(|out| write_enrollment(out, &enrollment))))
}

/// `POST /operator/v1/enrollments/{id}/approve`
pub(crate) async fn approve(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    let approval = parse_approval(&call.body().await?)?;
    let enrollment = named_enrollment(&call).await?;
    let verdict = Verdict::Approved(approval.standing(&enrollment.program)?);
    decide(&call, &enrollment.id, &verdict, approval.note.as_deref()).await
}

/// `POST /operator/v1/enrollments/{id}/reject`
pub(crate) async fn reject(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    let note = parse_rejection(&call.body().await?)?;
    let id = named_enrollment(&call).await?.id;
    decide(&call, &id, &Verdict::Rejected, note.as_deref()).await
}

/// The latest enrollments of a profile, newest first.
pub(crate) async fn of_profile(
    call: &OperatorCall<'_>,
    id: &ProfileId,
) -> Result<Vec<Enrollment>, Failure> {
    let filter = EnrollmentFilter {
        profile_id: Some(id.clone()),
        ..EnrollmentFilter::default()
    };
    let store = &call.app().store;
    let list = store.list_enrollments(call.proof, &filter, Order::Descending, None, Limit::LARGEST);
    let listed = call
        .exchange()
        .read(Operation::ReadEnrollments, list)
        .await?;
    Ok(listed.items)
}

async fn decide(
    call: &OperatorCall<'_>,
    id: &EnrollmentId,
    verdict: &Verdict,
    note: Option<&str>,
) -> Outcome {
    let app = call.app();
    let act = call.act(app.clock.now());
    let decide = app
        .store
        .decide_enrollment(call.proof, &act, id, verdict, note);
    match call
        .exchange()
        .write(Operation::WriteEnrollments, decide)
        .await?
    {
        Decided::Done(enrollment) => Ok(json(written(|out| write_enrollment(out, &enrollment)))),
        Decided::Refused(refusal) => Err(refusal.into()),
        Decided::Missing => Err(not_found()),
    }
}

async fn named_enrollment(call: &OperatorCall<'_>) -> Result<Enrollment, Failure> {
    let id = EnrollmentId::parse(call.param(0)).map_err(|_| not_found())?;
    let find = call.app().store.find_enrollment(call.proof, &id);
    let found = call
        .exchange()
        .read(Operation::ReadEnrollments, find)
        .await?;
    found.ok_or_else(not_found)
}

fn not_found() -> Failure {
    ApiError::not_found("enrollment").into()
}
