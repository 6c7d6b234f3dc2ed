//! The development controls as a page: the clock, faults, the last requests, and the way back to the
//! start. Under `rollcall serve` it does not exist.

use askama::Template;
use rollcall_domain::page::Limit;
use rollcall_wire::operator::dev::{Fault, FaultOutcome, parse_clock, parse_fault};
use serde_json::Value;

use super::confirm::{self, Question};
use super::{ConsoleCall, Frame, Told, go};
use crate::acts::development::{self, controls};
use crate::http::error::{Failure, Outcome};
use crate::pages::form::Form;
use crate::pages::shown::Moment;
use crate::pages::{Room, page};

const HERE: &str = "/console/development";

#[derive(Template)]
#[template(path = "console/development.html")]
struct DevelopmentPage {
    frame: Frame,
    now: Moment,
    faults: Vec<String>,
    more_faults: bool,
    requests: Vec<RequestRow>,
}

#[derive(Debug)]
struct RequestRow {
    at: String,
    method: String,
    target: String,
    status: String,
    look: &'static str,
    headers: String,
    body: String,
}

/// `GET /console/development`
pub(crate) async fn show(call: ConsoleCall<'_>) -> Outcome {
    shown(&call, None)
}

fn shown(call: &ConsoleCall<'_>, told: Option<Told>) -> Outcome {
    let development = controls(&call.desk)?;
    let requests = development.requests.list(None, None, Limit::LARGEST);
    let faults = development.faults.list(None, None, Limit::LARGEST);
    let shown = DevelopmentPage {
        frame: Frame::new(call, "development").telling(told),
        now: Moment::second(call.app().clock.now()),
        faults: faults.items.iter().map(fault_text).collect(),
        more_faults: faults.next.is_some(),
        requests: requests
            .items
            .iter()
            .filter_map(|text| request_row(text))
            .collect(),
    };
    page(Room::Console, shown.frame.status(), &shown)
}

fn fault_text(fault: &Fault) -> String {
    let method = fault.method.as_deref().unwrap_or("Any method");
    let path = fault.path.as_deref().unwrap_or("any path");
    let outcome = match &fault.outcome {
        FaultOutcome::DropConnection => "the connection drops".to_owned(),
        FaultOutcome::GoOn => "a slow answer".to_owned(),
        FaultOutcome::Answer {
            status,
            error_type,
            error_code: None,
        } => format!("{status} {error_type}"),
        FaultOutcome::Answer {
            status,
            error_type,
            error_code: Some(code),
        } => format!("{status} {error_type} ({code})"),
    };
    let of = fault.organization_id.as_ref();
    let of = of.map(|id| format!(" of {id}")).unwrap_or_default();
    format!(
        "{method} {path}{of}: {outcome}, {} times, after {} ms",
        fault.times,
        fault.delay.as_millis()
    )
}

fn request_row(text: &str) -> Option<RequestRow> {
    let value: Value = serde_json::from_str(text).ok()?;
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let query = value["query"].as_str().map(|query| format!("?{query}"));
    let status = value["status"].as_u64();
    let headers = value["headers"].as_array().into_iter().flatten();
    let headers = headers.map(|pair| {
        let part = |place: usize| pair[place].as_str().unwrap_or_default();
        format!("{}: {}", part(0), part(1))
    });
    Some(RequestRow {
        at: text("at").get(11..19).unwrap_or_default().to_owned(),
        method: text("method"),
        target: format!("{}{}", text("path"), query.unwrap_or_default()),
        look: match status {
            Some(200..400) => "good",
            Some(400..500) => "wait",
            _ => "bad",
        },
        status: status.map_or_else(|| "none".to_owned(), |status| status.to_string()),
        headers: headers.collect::<Vec<_>>().join("\n"),
        body: text("body"),
    })
}

/// `POST /console/development`
pub(crate) async fn change(call: ConsoleCall<'_>) -> Outcome {
    let form = Form::of(call.exchange()).await?;
    let changed = match form.get("do").unwrap_or_default() {
        "reset" => return reset(&call, &form).await,
        "clear" => {
            controls(&call.desk)?.faults.clear(None);
            Ok("cleared")
        }
        "fault" => add_fault(&call, &form),
        asked => set_clock(&call, &form, asked),
    };
    match changed {
        Ok(done) => Ok(go(&format!("{HERE}?done={done}"))),
        Err(failure) => shown(&call, Some(Told::of(failure)?)),
    }
}

fn set_clock(call: &ConsoleCall<'_>, form: &Form, asked: &str) -> Result<&'static str, Failure> {
    let body = match asked {
        "advance" => form.body().text("advance"),
        "stop" => form.body().instant("now"),
        _ => form.body().with("real", true),
    };
    development::set_clock(&call.desk, parse_clock(body.fields())?)?;
    Ok("clock")
}

fn add_fault(call: &ConsoleCall<'_>, form: &Form) -> Result<&'static str, Failure> {
    let body = form.body().filled("method").filled("path");
    let body = body.filled("organization_id");
    let body = body.filled("error_type").filled("error_code");
    let body = body.number("status");
    let body = body.number("times").number("delay_ms");
    let body = match form.get("drop_connection") {
        Some("yes") => body.with("drop_connection", true),
        _ => body,
    };
    controls(&call.desk)?
        .faults
        .add(parse_fault(body.fields())?);
    Ok("fault")
}

async fn reset(call: &ConsoleCall<'_>, form: &Form) -> Outcome {
    if !confirm::is_confirmed(form) {
        let question = Question {
            title: "Reset this server?".to_owned(),
            effects: vec![
                "Every organization, profile, key, application and audit event is removed."
                    .to_owned(),
                "What the server started with is there again, the seed file included.".to_owned(),
                "Everybody is signed out of the console.".to_owned(),
            ],
            yes: "Reset everything",
            back: HERE.to_owned(),
        };
        return confirm::ask(call, "development", question, form);
    }
    development::reset(&call.desk).await?;
    Ok(go("/console/sign-in"))
}
