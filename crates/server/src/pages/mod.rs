//! Pages for people: the Verification Portal that an enrollment URL opens ([`portal`]), and the
//! operator's console ([`console`]).
//!
//! Every page is rendered here on the server (askama, `templates/`), works without JavaScript and loads
//! nothing from anywhere else: one stylesheet, one icon and one small script for each of the two, all
//! embedded ([`assets`]). Templates escape whatever they are given; no template says `safe` of anything
//! that a person typed.
//!
//! To add a page: a template, a handler, its line in `http/router.rs`, and its address in
//! `browser-tests/pages.mjs`, which tests and photographs it.

pub(crate) mod assets;
pub(crate) mod console;
pub(crate) mod form;
pub(crate) mod origin;
pub(crate) mod portal;
pub(crate) mod programs;
pub(crate) mod shown;
mod texts;

use askama::Template;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, LOCATION, REFERRER_POLICY, X_FRAME_OPTIONS,
};
use http::{HeaderName, HeaderValue, StatusCode, Uri};
use http_body_util::Full;

use crate::http::answer::{Answer, Body, answer, empty};
use crate::http::error::{Failure, Outcome, Written};

/// Which pages a page is among, which decides what it may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// An end user's, behind a link that is a secret.
    Portal,
    /// The operator's.
    Console,
}

impl Room {
    /// The room that a path is in.
    pub(crate) fn of(path: &str) -> Option<Self> {
        let within = |base: &str| {
            let rest = path.strip_prefix(base);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if within("/console") {
            Some(Self::Console)
        } else if within("/user-profiles") {
            Some(Self::Portal)
        } else {
            None
        }
    }

    /// What a page may load, run and send, and where: nothing but our own files, from here.
    fn policy(self) -> &'static str {
        match self {
            Self::Portal => {
                "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; \
                 base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
            }
            Self::Console => {
                "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; \
                 connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
            }
        }
    }

    /// A portal's address is a secret and goes nowhere; the console's own addresses go to itself, so
    /// that browsers say in `Origin` where a form comes from.
    fn referrer_policy(self) -> &'static str {
        match self {
            Self::Portal => "no-referrer",
            Self::Console => "same-origin",
        }
    }
}

/// An answer that holds `page`.
pub(crate) fn page(room: Room, status: StatusCode, page: &impl Template) -> Outcome {
    let html = page.render().map_err(|error| {
        Failure::internal(
            format!("a page cannot be rendered: {error}"),
            Written::Nothing,
        )
    })?;
    let body = Body::Whole(Full::new(html.into()));
    let mut answer = answer(status, "text/html; charset=utf-8", body);
    protect(room, &mut answer);
    Ok(answer)
}

/// An answer that sends a browser on to `target`, to be read anew.
pub(crate) fn see_other(room: Room, target: &str) -> Answer {
    let mut answer = empty(StatusCode::SEE_OTHER);
    // Targets are paths of ours with encoded parts, so that one that is no header does not occur.
    let location = HeaderValue::from_str(target);
    let location = location.unwrap_or_else(|_| HeaderValue::from_static("/"));
    answer.headers_mut().insert(LOCATION, location);
    protect(room, &mut answer);
    answer
}

/// Puts on what every answer of a room carries.
pub(crate) fn protect(room: Room, answer: &mut Answer) {
    let headers = answer.headers_mut();
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, room.referrer_policy()),
        (CONTENT_SECURITY_POLICY, room.policy()),
        (X_FRAME_OPTIONS, "DENY"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=(), payment=()",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// What went wrong, as a page that a person can read. The log is told the cause elsewhere.
pub(crate) fn failed(room: Room, asked: &Uri, failure: Failure, request_id: &str) -> Answer {
    let told = failure.told();
    let status = StatusCode::from_u16(told.status());
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let rendered = match room {
        Room::Portal => portal::trouble(status, request_id),
        Room::Console => console::trouble(status, asked, told, request_id),
    };
    // The plain answer knows what to say of retries and methods; the page replaces its body.
    let mut plain = failure.into_answer(request_id);
    let Ok(mut shown) = rendered else {
        return plain;
    };
    for name in ["allow", "retry-after"] {
        if let Some(value) = plain.headers_mut().remove(name) {
            shown
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_are_told_by_their_path() {
        for (path, room) in [
            ("/console", Some(Room::Console)),
            ("/console/profiles", Some(Room::Console)),
            ("/consoles", None),
            ("/user-profiles/enrollment/x", Some(Room::Portal)),
            ("/v1/user_profiles", None),
            ("/", None),
        ] {
            assert_eq!(Room::of(path), room, "{path}");
        }
    }
}
