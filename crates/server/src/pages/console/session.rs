//! Who is at the console: the session that a browser's cookie names.
//!
//! The cookie is `__Host-`, `Secure`, `HttpOnly` and `SameSite=Strict`. Browsers keep a `Secure` cookie
//! on plain HTTP for `localhost` and `127.0.0.1` (Chromium 156 was tried; Safari does not), so that
//! `rollcall dev` works as it is; everywhere else the console needs HTTPS. A session ends by idling, by
//! age, by signing out, by being revoked, and at once with its key. A request that changes something
//! has to come from a page of ours as well ([`super::super::origin`]).

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use http::header::COOKIE;
use http::request::Parts;
use rollcall_domain::role::Right;
use rollcall_domain::session::ConsoleSession;
use rollcall_domain::tenant::{ApiKey, OperatorProof};
use rollcall_wire::error::{ApiError, ErrorKind};

use super::{go, segment};
use crate::acts::Desk;
use crate::app::{App, Operation};
use crate::http::answer::Answer;
use crate::http::error::Failure;
use crate::http::exchange::Exchange;
use crate::pages::{Room, origin};
use crate::secrets;

/// The cookie's name.
pub(super) const SESSION_COOKIE: &str = "__Host-rollcall";

/// How old the record of a session's last use may get.
const TOUCH_AFTER: Duration = Duration::from_mins(1);

/// A call of an operator who is signed in.
pub(crate) struct ConsoleCall<'a> {
    /// Where its acts are done.
    pub(super) desk: Desk<'a>,
    pub(super) session: ConsoleSession,
}

impl<'a> ConsoleCall<'a> {
    /// The call, if the operator's role has the right that the route needs; or the way to the page where to sign in.
    pub(crate) async fn of(
        exchange: &'a Exchange<'a>,
        right: Right,
    ) -> Result<Result<Self, Answer>, Failure> {
        let head = exchange.head;
        let reads = matches!(head.method, Method::GET | Method::HEAD);
        if !reads && !origin::is_ours(Room::Console, &head.headers) {
            return Err(foreign());
        }
        let Some(call) = Self::find(exchange, right).await? else {
            let path = head
                .uri
                .path_and_query()
                .map_or("/console", |it| it.as_str());
            let next = if reads { path } else { "/console" };
            return Ok(Err(go(&format!("/console/sign-in?next={}", segment(next)))));
        };
        let now = exchange.app.clock.now();
        if now.since(call.session.seen_at) >= TOUCH_AFTER {
            let touch = exchange
                .app
                .store
                .touch_session(&call.session.token_hash, now);
            exchange.write(Operation::WriteSessions, touch).await?;
        }
        Ok(Ok(call))
    }

    async fn find(exchange: &'a Exchange<'a>, right: Right) -> Result<Option<Self>, Failure> {
        let app = exchange.app;
        let now = app.clock.now();
        let Some(token) = token(exchange.head) else {
            return Ok(None);
        };
        let hash = secrets::hash(token.as_bytes());
        let find = app.store.find_session(&hash);
        let session = exchange.read(Operation::FindSession, find).await?;
        let session = session
            .filter(|session| secrets::same(&session.token_hash, &hash))
            .filter(|session| !session.is_over_at(now));
        let Some(session) = session else {
            return Ok(None);
        };
        let find = app
            .store
            .find_key(OperatorProof::of_storage_access(), &session.key_id);
        let key = exchange.read(Operation::FindCredential, find).await?;
        let works = |key: &ApiKey| app.knows(key) && key.works_at(now);
        let Some(key) = key.filter(works) else {
            return Ok(None);
        };
        let desk = Desk::of_key(exchange, &key, right).transpose()?;
        Ok(desk.map(|desk| Self { desk, session }))
    }

    /// The parameter of this name in the path.
    pub(super) fn param(&self, name: &str) -> &'a str {
        self.exchange().params.get(name)
    }

    pub(super) fn exchange(&self) -> &'a Exchange<'a> {
        self.desk.exchange()
    }

    pub(super) fn app(&self) -> &'a Arc<App> {
        self.desk.app()
    }
}

/// Told to whoever sends a form that is not from a page of ours.
pub(super) fn foreign() -> Failure {
    let message = "This was not sent from a page of the console; nothing was done";
    ApiError::new(ErrorKind::Permission, message).into()
}

/// The token in the session's cookie.
fn token(head: &Parts) -> Option<&str> {
    let cookies = head.headers.get_all(COOKIE).into_iter();
    let mut cookies = cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'));
    cookies.find_map(|cookie| {
        let (name, value) = cookie.trim().split_once('=')?;
        (name == SESSION_COOKIE).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn the_cookie_is_found_among_others() {
        let token_in = |value: &str| {
            let request = Request::get("/").header(COOKIE, value);
            let (head, ()) = request.body(()).unwrap().into_parts();
            token(&head).map(str::to_owned)
        };
        assert_eq!(token_in("a=1; __Host-rollcall=x; b=2"), Some("x".into()));
        assert_eq!(token_in("rollcall=x"), None);
        assert_eq!(token_in("__Host-rollcallx=1"), None);
    }
}
