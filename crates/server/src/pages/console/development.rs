//! The development controls as a page: the clock, faults, the last requests, and the way back to the
//! start. Under `rollcall serve` it does not exist.

use askama::Template;
use http::StatusCode;
use rollcall_domain::page::Limit;
use rollcall_wire::error::ApiError;
use rollcall_wire::operator::dev::{ClockChange, Fault, FaultOutcome, parse_clock, parse_fault};
use serde_json::{Map, Value, json};

use super::confirm::{self, Question};
use super::profile::instant;
use super::{ConsoleCall, Frame, Told, go};
use crate::app::Operation;
use crate::development::Development;
use crate::http::error::{Failure, Outcome, Written};
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
    controls(&call, None, StatusCode::OK)
}

fn development<'a>(call: &ConsoleCall<'a>) -> Result<&'a Development, Failure> {
    call.app().development.as_ref().ok_or_else(|| {
        Failure::internal(
            "a route of development servers on another",
            Written::Nothing,
        )
    })
}

fn controls(call: &ConsoleCall<'_>, told: Option<Told>, status: StatusCode) -> Outcome {
    let development = development(call)?;
    let requests = development.requests.list(None, Limit::LARGEST);
    let faults = development.faults.list(None, Limit::LARGEST);
    let controls = DevelopmentPage {
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
    page(Room::Console, status, &controls)
}

fn fault_text(fault: &Fault) -> String {
    let method = fault.method.as_deref().unwrap_or("Any method");
    let path = fault.path.as_deref().unwrap_or("any path");
    let outcome = match &fault.outcome {
        FaultOutcome::DropConnection => "the connection drops".to_owned(),
        FaultOutcome::GoOn => "a slow answer".to_owned(),
        FaultOutcome::Answer { status, error_type } => format!("{status} {error_type}"),
    };
    format!(
        "{method} {path}: {outcome}, {} times, after {} ms",
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
            development(&call)?.faults.clear();
            Ok("cleared")
        }
        "fault" => add_fault(&call, &form)?,
        asked => set_clock(&call, &form, asked)?,
    };
    match changed {
        Ok(done) => Ok(go(&format!("{HERE}?done={done}"))),
        Err(error) => controls(
            &call,
            Some(Told::bad(error.message)),
            StatusCode::BAD_REQUEST,
        ),
    }
}

type Changed = Result<&'static str, ApiError>;

fn set_clock(call: &ConsoleCall<'_>, form: &Form, asked: &str) -> Result<Changed, Failure> {
    let clock = &development(call)?.clock;
    let body = match asked {
        "advance" => json!({"advance": form.get("advance").unwrap_or_default().trim()}),
        "stop" => json!({"now": instant(form.get("now").unwrap_or_default().trim())}),
        _ => json!({"real": true}),
    };
    let change = match parse_clock(body.to_string().as_bytes()) {
        Ok(change) => change,
        Err(error) => return Ok(Err(error)),
    };
    match change {
        ClockChange::Advance(duration) => clock.advance(duration),
        ClockChange::StopAt(now) => clock.stop_at(now),
        ClockChange::FollowSystem => clock.follow_system(),
    }
    call.app().sweep_due.notify_one();
    Ok(Ok("clock"))
}

fn add_fault(call: &ConsoleCall<'_>, form: &Form) -> Result<Changed, Failure> {
    let mut body = Map::new();
    for name in ["method", "path", "error_type"] {
        if let Some(value) = form.filled(name) {
            body.insert(name.into(), value.into());
        }
    }
    for name in ["status", "times", "delay_ms"] {
        if let Some(value) = form.filled(name) {
            let number = value
                .parse::<u64>()
                .map_or_else(|_| value.into(), Value::from);
            body.insert(name.into(), number);
        }
    }
    if form.get("drop_connection") == Some("yes") {
        body.insert("drop_connection".into(), true.into());
    }
    let faults = &development(call)?.faults;
    let parsed = parse_fault(Value::Object(body).to_string().as_bytes());
    Ok(parsed.map(|fault| {
        faults.add(fault);
        "fault"
    }))
}

async fn reset(call: &ConsoleCall<'_>, form: &Form) -> Outcome {
    let app = call.app();
    let development = development(call)?;
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
    let reset = app.store.reset(call.proof);
    call.exchange().write(Operation::Reset, reset).await?;
    development.forget();
    app.forget();
    let prepare = app.prepare();
    call.exchange().write(Operation::Reset, prepare).await?;
    app.sweep_due.notify_one();
    Ok(go("/console/sign-in"))
}
