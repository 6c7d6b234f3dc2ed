//! `/gateway/v1/check`: may this request pass, and in whose name?

use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use rollcall_domain::gateway::{Verdict, fresh_for};
use rollcall_domain::tenant::Organization;
use rollcall_wire::error::{ApiError, ErrorKind};
use rollcall_wire::gateway::{
    Named, PROFILE_HEADER, PROGRAM_HEADER, REFERENCE_HEADER, denies_with_403, parse_program,
    refusal,
};

use super::{CLIENT, header, judge, value};
use crate::gateway::{Asked, Judged};
use crate::http::answer::{Answer, empty};
use crate::http::call::GatewayCall;
use crate::http::error::{Failure, Outcome};
use crate::http::exchange::Exchange;

static PROFILE: HeaderName = HeaderName::from_static(PROFILE_HEADER);
static REFERENCE: HeaderName = HeaderName::from_static(REFERENCE_HEADER);
static PROGRAM: HeaderName = HeaderName::from_static(PROGRAM_HEADER);
const DECISION: HeaderName = HeaderName::from_static("x-rollcall-decision");
const REASON: HeaderName = HeaderName::from_static("x-rollcall-reason");
const ENFORCEMENT_STATUS: HeaderName = HeaderName::from_static("x-rollcall-enforcement-status");
const ACCESS_TYPE: HeaderName = HeaderName::from_static("x-rollcall-access-type");
const PROGRAMS: HeaderName = HeaderName::from_static("x-rollcall-programs");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-rollcall-error-type");
const ERROR_CODE: HeaderName = HeaderName::from_static("x-rollcall-error-code");
const STATUS: HeaderName = HeaderName::from_static("x-rollcall-status");

/// Whatever stands behind `/gateway/v1/check`, by any method. What is refused is an answer too, and told apart
/// from what failed: the first is final, and of the second the gateway says whether it is open then.
pub(crate) async fn check(exchange: &Exchange<'_>) -> Outcome {
    let refused = match answered(exchange).await {
        Ok(Judgement::Passed(answer)) => return Ok(answer),
        Ok(Judgement::Struck(failure)) => return Err(failure),
        Ok(Judgement::Refused(told, reason)) => Refused {
            failure: told.into(),
            reason,
        },
        Err(failure) => {
            let reason = match failure.told().kind {
                ErrorKind::Authentication | ErrorKind::Permission => "unauthenticated",
                ErrorKind::RateLimit => "rate_limited",
                ErrorKind::InvalidRequest => "invalid_request",
                _ => {
                    exchange.app.metrics.record_check("none", "unavailable");
                    return Err(failure.for_gateways());
                }
            };
            Refused { failure, reason }
        }
    };
    Ok(refused.into_answer(exchange))
}

enum Judgement {
    Passed(Answer),
    /// The refusal, and why.
    Refused(ApiError, &'static str),
    /// A development server was asked to fail.
    Struck(Failure),
}

async fn answered(exchange: &Exchange<'_>) -> Result<Judgement, Failure> {
    let call = GatewayCall::of(exchange).await?;
    if let Err(failure) = call.strike().await {
        return Ok(Judgement::Struck(failure));
    }
    let tenant = call.tenant()?;
    let asked = asked(exchange, tenant.organization)?;
    let judged = judge(exchange, tenant, &asked).await?;
    let reason = judged.decision.reason;
    match judged.decision.verdict {
        Verdict::Allow => {
            exchange.app.metrics.record_passed_check(reason);
            let passed = passed(tenant.organization, judged);
            Ok(Judgement::Passed(passed))
        }
        // Whoever is to be made is made and judged again before it comes to this.
        Verdict::Deny | Verdict::Create => Ok(Judgement::Refused(refusal(reason), reason.as_str())),
    }
}

/// Whose request it is: by the first header that is there.
fn asked(exchange: &Exchange<'_>, organization: &Organization) -> Result<Asked, ApiError> {
    let head = exchange.head;
    let by_id = header(head, &PROFILE)?;
    let program = header(head, &PROGRAM)?;
    let who = if let Some(id) = by_id {
        Some(Named::by_id(id))
    } else if let Some(reference) = header(head, &REFERENCE)? {
        Some(Named::by_reference(reference)?)
    } else if organization.gateway_policy.trust_client_header {
        header(head, &CLIENT)?.map(Named::by_id)
    } else {
        None
    };
    Ok(Asked {
        who,
        program: program.map(parse_program).transpose()?,
    })
}

fn passed(organization: &Organization, judged: Judged) -> Answer {
    let mut answer = empty(StatusCode::OK);
    let headers = answer.headers_mut();
    headers.insert(DECISION, HeaderValue::from_static("allow"));
    let reason = judged.decision.reason.as_str();
    headers.insert(REASON, HeaderValue::from_static(reason));
    let mut next_expiry = None;
    if let Some(profile) = judged.profile {
        headers.insert(&CLIENT, value(profile.id));
        let status = profile.enforcement.as_str();
        headers.insert(ENFORCEMENT_STATUS, HeaderValue::from_static(status));
        let access_type = profile.access_type.as_str();
        headers.insert(ACCESS_TYPE, HeaderValue::from_static(access_type));
        headers.insert(PROGRAMS, value(profile.programs));
        next_expiry = profile.next_expiry;
    }
    let seconds = fresh_for(&organization.gateway_policy, next_expiry, judged.at);
    headers.insert(CACHE_CONTROL, value(format!("private, max-age={seconds}")));
    answer
}

struct Refused {
    failure: Failure,
    reason: &'static str,
}

impl Refused {
    fn into_answer(self, exchange: &Exchange<'_>) -> Answer {
        let metrics = &exchange.app.metrics;
        metrics.record_check("deny", self.reason);
        let told = self.failure.told();
        let (error_type, code) = (told.kind.error_type(), told.code);
        let mut answer = self.failure.into_answer(exchange.request_id.as_str());
        let status = answer.status();
        if denies_with_403(exchange.query()) {
            *answer.status_mut() = StatusCode::FORBIDDEN;
            answer
                .headers_mut()
                .insert(STATUS, HeaderValue::from(status.as_u16()));
        }
        let headers: &mut HeaderMap = answer.headers_mut();
        headers.insert(DECISION, HeaderValue::from_static("deny"));
        headers.insert(REASON, HeaderValue::from_static(self.reason));
        headers.insert(ERROR_TYPE, HeaderValue::from_static(error_type));
        if let Some(code) = code {
            headers.insert(ERROR_CODE, HeaderValue::from_static(code.as_str()));
        }
        answer
    }
}
