//! Signing in and out, and the sessions there are.

use askama::Template;
use http::StatusCode;
use http::header::{HeaderValue, SET_COOKIE};
use rollcall_domain::clock::Timestamp;
use rollcall_domain::role::Right;
use rollcall_domain::session::{ConsoleSession, LIFETIME};

use super::session::{ConsoleCall, SESSION_COOKIE, foreign};
use super::{Frame, Told, confirm, go, shown};
use crate::acts::Desk;
use crate::app::Operation;
use crate::http::call::count_failure;
use crate::http::error::{Failure, Outcome};
use crate::http::exchange::Exchange;
use crate::pages::form::Form;
use crate::pages::shown::Moment;
use crate::pages::{Room, origin, page};
use crate::secrets::{self, Secret};

/// Most bytes of the form, which anybody may send: a key, and a page to go to as long as a request's target.
const MOST_BYTES: usize = 32 * 1024;

#[derive(Template)]
#[template(path = "console/sign_in.html")]
struct SignInPage {
    frame: Frame,
    next: String,
    /// Whether somebody has just signed in and the browser did not keep the cookie.
    lost: bool,
}

/// `GET /console/sign-in`
pub(crate) async fn show(exchange: &Exchange<'_>) -> Outcome {
    let query = Form::of_query(exchange.query());
    let next = next(&query);
    let page_shown = SignInPage {
        frame: Frame::outside("sign-in"),
        lost: next.contains("signed-in=1"),
        next,
    };
    shown(&page_shown)
}

/// `POST /console/sign-in`: exchanges an operator key for a session.
pub(crate) async fn sign_in(exchange: &Exchange<'_>) -> Outcome {
    let app = exchange.app;
    if !origin::is_ours(Room::Console, &exchange.head.headers) {
        return Err(foreign());
    }
    let form = Form::of_at_most(exchange, MOST_BYTES).await?;
    let secret = form.filled("key").unwrap_or_default();
    let now = app.clock.now();
    let hash = secrets::hash(secret.as_bytes());
    let find = app.store.find_credential(&hash);
    let found = exchange.read(Operation::FindCredential, find).await?;
    let key = found
        .filter(|found| secrets::same(&found.secret_hash, &hash))
        .map(|found| found.key)
        .filter(|key| app.knows(key));
    let desk = key.and_then(|key| Some((Desk::of_key(exchange, &key, Right::Read)?, key)));
    let Some((desk, key)) = desk else {
        return refused(exchange, &form, now);
    };
    let desk = desk?;
    let token = Secret::session_token(&app.ids);
    let session = ConsoleSession {
        token_hash: token.hash(),
        key_id: key.id,
        created_at: now,
        seen_at: now,
    };
    let act = desk.act();
    let insert = app.store.insert_session(desk.proof, &act, &session);
    if !desk.write(Operation::WriteSessions, insert).await? {
        return refused(exchange, &form, now);
    }
    let prune = app.store.prune_sessions(now);
    desk.write(Operation::WriteSessions, prune).await?;
    let next = next(&form);
    let mark = if next.contains('?') { '&' } else { '?' };
    let mut answer = go(&format!("{next}{mark}signed-in=1"));
    let age = LIFETIME.as_secs();
    let cookie = format!(
        "{SESSION_COOKIE}={}; Path=/; Max-Age={age}; Secure; HttpOnly; SameSite=Strict",
        token.expose()
    );
    if let Ok(mut cookie) = HeaderValue::from_str(&cookie) {
        cookie.set_sensitive(true);
        answer.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(answer)
}

fn refused(exchange: &Exchange<'_>, form: &Form, now: Timestamp) -> Outcome {
    let app = exchange.app;
    app.metrics.record_failed_authentication();
    if let Some(failure) = count_failure(app, exchange.head, now) {
        return Err(failure);
    }
    let told = Told::bad("That is no operator key that works.");
    let again = SignInPage {
        frame: Frame::outside("sign-in").telling(Some(told)),
        next: next(form),
        lost: false,
    };
    page(Room::Console, StatusCode::UNAUTHORIZED, &again)
}

/// Where to go after signing in: a page of the console, and never away from it.
fn next(form: &Form) -> String {
    let wanted = form.get("next").filter(|next| {
        let here =
            *next == "/console" || next.starts_with("/console/") || next.starts_with("/console?");
        here && !next.starts_with("/console/sign-in")
            && next.bytes().all(|byte| byte.is_ascii_graphic())
    });
    let wanted = wanted.unwrap_or("/console");
    wanted
        .replace("?signed-in=1", "")
        .replace("&signed-in=1", "")
}

/// `POST /console/sign-out`
pub(crate) async fn sign_out(call: ConsoleCall<'_>) -> Outcome {
    end(&call, &call.session).await?;
    let mut answer = go("/console/sign-in");
    let cookie = format!("{SESSION_COOKIE}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Strict");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        answer.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(answer)
}

async fn end(call: &ConsoleCall<'_>, session: &ConsoleSession) -> Result<bool, Failure> {
    let (desk, token) = (&call.desk, &session.token_hash);
    let act = desk.act();
    let remove = desk.store().remove_session(desk.proof, &act, token);
    desk.write(Operation::WriteSessions, remove).await
}

#[derive(Template)]
#[template(path = "console/sessions.html")]
struct SessionsPage {
    frame: Frame,
    sessions: Vec<SessionRow>,
}

#[derive(Debug)]
struct SessionRow {
    name: String,
    key_id: String,
    created: Moment,
    seen: Moment,
    ends: Moment,
    is_mine: bool,
    can_end: bool,
}

/// `GET /console/sessions`
pub(crate) async fn list(call: ConsoleCall<'_>) -> Outcome {
    let now = call.app().clock.now();
    let sessions = read(&call).await?;
    let rows = sessions.iter().filter(|session| !session.is_over_at(now));
    let rows = rows.map(|session| SessionRow {
        name: session.name(),
        key_id: session.key_id.to_string(),
        created: Moment::minute(session.created_at),
        seen: Moment::ago(session.seen_at, now),
        ends: Moment::minute(session.ends_at()),
        is_mine: session.token_hash == call.session.token_hash,
        can_end: may_end(&call, session).is_ok(),
    });
    shown(&SessionsPage {
        frame: Frame::new(&call, "sessions"),
        sessions: rows.collect(),
    })
}

async fn read(call: &ConsoleCall<'_>) -> Result<Vec<ConsoleSession>, Failure> {
    let list = call.desk.store().list_sessions(call.desk.proof);
    call.desk.read(Operation::FindSession, list).await
}

/// Those of one's own key are everybody's to end.
fn may_end(call: &ConsoleCall<'_>, session: &ConsoleSession) -> Result<(), Failure> {
    if session.key_id == call.session.key_id {
        return Ok(());
    }
    call.desk.require(Right::Administer)
}

/// `POST /console/sessions/{name}`: ends a session.
pub(crate) async fn revoke(call: ConsoleCall<'_>) -> Outcome {
    let form = Form::of(call.exchange()).await?;
    let named = call.param("name");
    let sessions = read(&call).await?;
    let Some(session) = sessions.iter().find(|session| session.name() == named) else {
        return Ok(go("/console/sessions?done=revoked"));
    };
    may_end(&call, session)?;
    if !confirm::is_confirmed(&form) {
        return confirm::ask(
            &call,
            "sessions",
            confirm::Question {
                title: "End this session?".to_owned(),
                effects: vec![format!(
                    "Whoever uses the session {named} of the key {} is signed out at once.",
                    session.key_id
                )],
                yes: "End the session",
                back: "/console/sessions".to_owned(),
            },
            &form,
        );
    }
    end(&call, session).await?;
    Ok(go("/console/sessions?done=revoked"))
}
