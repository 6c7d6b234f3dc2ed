//! Enrollments: what end users submitted, and what is decided on it.

use rollcall_domain::enrollment::{Enrollment, Verdict};
use rollcall_domain::id::EnrollmentId;
use rollcall_domain::page::{Limit, ListPosition, Order};
use rollcall_store::enrollments::{Decided, EnrollmentFilter};
use rollcall_store::tenants::Listed;
use rollcall_wire::error::ApiError;
use rollcall_wire::operator::enrollments::Approval;

use super::Desk;
use crate::app::Operation::{ReadEnrollments, WriteEnrollments};
use crate::http::error::Failure;

/// The enrollment that is called so, whether or not there is one.
pub(crate) fn named(text: &str) -> Result<EnrollmentId, Failure> {
    EnrollmentId::parse(text).map_err(|_| not_found())
}

pub(crate) async fn list(
    desk: &Desk<'_>,
    filter: &EnrollmentFilter,
    order: Order,
    after: Option<&ListPosition>,
    limit: Limit,
) -> Result<Listed<Enrollment>, Failure> {
    let list = desk
        .store()
        .list_enrollments(desk.proof, filter, order, after, limit);
    desk.read(ReadEnrollments, list).await
}

pub(crate) async fn find(desk: &Desk<'_>, id: &EnrollmentId) -> Result<Enrollment, Failure> {
    let find = desk.store().find_enrollment(desk.proof, id);
    let found = desk.read(ReadEnrollments, find).await?;
    found.ok_or_else(not_found)
}

pub(crate) async fn approve(
    desk: &Desk<'_>,
    enrollment: &Enrollment,
    approval: &Approval,
) -> Result<Enrollment, Failure> {
    let verdict = Verdict::Approved(approval.standing(&enrollment.program)?);
    decide(desk, &enrollment.id, &verdict, approval.note.as_deref()).await
}

/// `note` is what the end user reads.
pub(crate) async fn reject(
    desk: &Desk<'_>,
    enrollment: &Enrollment,
    note: Option<&str>,
) -> Result<Enrollment, Failure> {
    decide(desk, &enrollment.id, &Verdict::Rejected, note).await
}

async fn decide(
    desk: &Desk<'_>,
    id: &EnrollmentId,
    verdict: &Verdict,
    note: Option<&str>,
) -> Result<Enrollment, Failure> {
    let act = desk.act();
    let decide = desk
        .store()
        .decide_enrollment(desk.proof, &act, id, verdict, note);
    match desk.write(WriteEnrollments, decide).await? {
        Decided::Done(enrollment) => Ok(enrollment),
        Decided::Refused(refusal) => Err(refusal.into()),
        Decided::Missing => Err(not_found()),
    }
}

fn not_found() -> Failure {
    ApiError::not_found("enrollment").into()
}
