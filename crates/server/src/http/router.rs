//! The strict way of matching a path and a method in a table of routes.
//!
//! It is done here and not by a router crate because the contract's *Paths and methods* is stricter
//! than any: a segment matches after exactly one percent-decoding (a decoded slash stays inside its
//! segment), and trailing, doubled and dot segments are nowhere.

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderValue, Method};
use percent_encoding::percent_decode_str;
use rollcall_domain::role::Right;
use rollcall_wire::error::ApiError;
use rollcall_wire::headers;

use super::call::{BETA, header_values};
use super::error::{Failure, Outcome};
use super::exchange::{Exchange, Params};
use super::listener::OnlyHealthChecks;
use crate::app::App;
use crate::metrics::RouteMetrics;

/// What answers a request.
pub(crate) type Handler = for<'a> fn(&'a Exchange<'a>) -> Answering<'a>;

type Answering<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// Who a path is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Everyone, without a credential.
    Anyone,
    /// Whoever reads about the APIs, without a credential; on the operator's listener when there is one.
    Reader,
    /// Whoever looks after the process; on the admin listener when there is one.
    Health,
    /// A platform, with an `api` key.
    Platform,
    /// A platform on a development server, with an `api` key; nowhere else do these paths exist.
    Inference,
    /// A platform's gateway, with a `gateway` key.
    Gateway,
    /// A platform's administrator, with an `admin` key.
    Administrator,
    /// The operator, with an `operator` key.
    Operator,
    /// The operator of a development server; nowhere else do these paths exist.
    Development,
    /// An end user, with the token in the URL.
    EndUser,
    /// The operator in a browser, with a session.
    Console,
    /// The operator in a browser of a development server; nowhere else do these paths exist.
    DevelopmentConsole,
}

/// How long a handler may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeLimit {
    /// The request timeout.
    Request,
    /// As long as bytes keep moving: the listener watches that they do.
    None,
}

/// A line of the table: a path and what answers each of its methods.
pub(super) struct PathRow {
    pub(super) audience: Audience,
    /// Its segments, parameters in braces.
    pub(super) template: &'static str,
    /// The beta without which it is nowhere.
    pub(super) gate: Option<&'static str>,
    pub(super) methods: &'static [MethodRow],
    /// Whether it stands for every path that begins with it too.
    and_below: bool,
}

#[derive(Clone, Copy)]
pub(super) struct MethodRow {
    pub(super) method: Verb,
    /// What it needs of an operator's role.
    pub(super) right: Option<Right>,
    handler: Handler,
    time_limit: TimeLimit,
}

/// The methods that routes have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Post,
    Put,
    Delete,
    /// Whatever was sent.
    Any,
}

impl Verb {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Any => "ANY",
        }
    }

    /// How `Allow` lists it: `HEAD` answers where `GET` does.
    const fn allowed(self) -> &'static str {
        match self {
            Self::Get => "GET, HEAD",
            Self::Post | Self::Put | Self::Delete | Self::Any => self.name(),
        }
    }

    fn of(method: &Method) -> Option<Self> {
        match *method {
            Method::GET | Method::HEAD => Some(Self::Get),
            Method::POST => Some(Self::Post),
            Method::PUT => Some(Self::Put),
            Method::DELETE => Some(Self::Delete),
            _ => None,
        }
    }
}

pub(super) const fn path(
    audience: Audience,
    template: &'static str,
    methods: &'static [MethodRow],
) -> PathRow {
    PathRow {
        audience,
        template,
        gate: None,
        methods,
        and_below: false,
    }
}

impl PathRow {
    /// The same, and whatever stands below it: what follows is somebody else's path.
    pub(super) const fn and_below(self) -> Self {
        Self {
            and_below: true,
            ..self
        }
    }
}

impl PathRow {
    /// There for requests that list this beta alone.
    pub(super) const fn behind(mut self, beta: &'static str) -> Self {
        self.gate = Some(beta);
        self
    }
}

/// What answers a route, and what that needs of an operator's role: it can be had of an operator alone.
#[derive(Clone, Copy)]
pub(super) struct Answers {
    pub(super) right: Option<Right>,
    pub(super) handler: Handler,
}

const fn method(method: Verb, answers: Answers) -> MethodRow {
    MethodRow {
        method,
        right: answers.right,
        handler: answers.handler,
        time_limit: TimeLimit::Request,
    }
}

pub(super) const fn get(answers: Answers) -> MethodRow {
    method(Verb::Get, answers)
}

pub(super) const fn post(answers: Answers) -> MethodRow {
    method(Verb::Post, answers)
}

pub(super) const fn put(answers: Answers) -> MethodRow {
    method(Verb::Put, answers)
}

pub(super) const fn any(answers: Answers) -> MethodRow {
    method(Verb::Any, answers)
}

pub(super) const fn delete(answers: Answers) -> MethodRow {
    method(Verb::Delete, answers)
}

impl MethodRow {
    pub(super) const fn without_time_limit(mut self) -> Self {
        self.time_limit = TimeLimit::None;
        self
    }
}

/// Which parts of the table a listener serves, beside what is everyone's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surface {
    /// What platforms, their gateways and their end users reach.
    pub public: bool,
    /// The operator's side and the documentation.
    pub operator: bool,
    /// What says how the process does.
    pub health: bool,
}

impl Surface {
    /// All of it.
    pub const EVERYTHING: Self = Self {
        public: true,
        operator: true,
        health: true,
    };

    fn shows(self, audience: Audience, development: bool) -> bool {
        match audience {
            Audience::Anyone => true,
            Audience::Health => self.health,
            Audience::Operator | Audience::Console | Audience::Reader => self.operator,
            Audience::Development | Audience::DevelopmentConsole => development && self.operator,
            Audience::Inference => development && self.public,
            Audience::Platform
            | Audience::Gateway
            | Audience::Administrator
            | Audience::EndUser => self.public,
        }
    }
}

/// The table as one listener serves it.
#[derive(Debug)]
pub(crate) struct Router {
    pub(crate) app: Arc<App>,
    pub(crate) surface: Surface,
    /// The whole table, where this surface has a part of it and a page that asks for any of it.
    everything: Option<Box<Router>>,
    paths: Vec<ServedPath>,
    /// Those that stand for what is below them too.
    open_ended: Vec<ServedPath>,
    /// What is counted for requests that have no path, or no such method on it.
    pub(crate) unmatched: Counted,
    /// What is counted for `OPTIONS`.
    pub(crate) options: Counted,
}

/// How a request shows in metrics and logs.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) label: &'static str,
    pub(crate) metrics: RouteMetrics,
}

#[derive(Debug)]
struct ServedPath {
    audience: Audience,
    gate: Option<&'static str>,
    /// What a path begins with that belongs to it, if it stands for those below it too.
    prefix: Option<&'static str>,
    segments: Vec<Segment>,
    routes: Vec<ServedRoute>,
    allow: HeaderValue,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Segment {
    Literal(&'static str),
    /// Its name, without the braces.
    Parameter(&'static str),
}

/// A route as it is served.
pub(crate) struct ServedRoute {
    method: Verb,
    pub(crate) handler: Handler,
    pub(crate) time_limit: TimeLimit,
    pub(crate) counted: Counted,
}

impl std::fmt::Debug for ServedRoute {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ServedRoute")
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

/// What a request's path and method come to.
pub(crate) enum Found<'r, 'p> {
    /// A route.
    Route {
        route: &'r ServedRoute,
        params: Params<'p>,
    },
    /// `OPTIONS` on a path that exists.
    Options { allow: HeaderValue },
}

impl Router {
    /// What of the table is served on this surface.
    pub(super) fn new(app: Arc<App>, surface: Surface, table: &[PathRow]) -> Self {
        let development = app.development.is_some();
        let (open_ended, paths) = table
            .iter()
            .filter(|row| surface.shows(row.audience, development))
            .map(|row| ServedPath::new(&app, row))
            .partition(|path| path.prefix.is_some());
        let asks_for_any = development && surface.operator && surface != Surface::EVERYTHING;
        let everything = || Self::new(Arc::clone(&app), Surface::EVERYTHING, table);
        Self {
            surface,
            everything: asks_for_any.then(|| Box::new(everything())),
            paths,
            open_ended,
            unmatched: Counted::new(&app, "other", "unmatched"),
            options: Counted::new(&app, "OPTIONS", "any"),
            app,
        }
    }

    /// What answers the requests of our own pages.
    pub(super) fn of_pages(&self) -> &Self {
        self.everything.as_deref().unwrap_or(self)
    }

    /// Steps 2 and 3 of the order of checks.
    pub(crate) fn find<'p>(&self, head: &'p Parts) -> Result<Found<'_, 'p>, Failure> {
        let (path, params) = self.find_path(head).ok_or_else(ApiError::path_not_found)?;
        let is_late = head.extensions.get::<OnlyHealthChecks>().is_some();
        if is_late && path.audience != Audience::Health {
            let wait = Duration::from_secs(1);
            return Err(Failure::try_again(ApiError::overloaded(), wait));
        }
        let wanted = Verb::of(&head.method);
        match path
            .routes
            .iter()
            .find(|route| route.method == Verb::Any || Some(route.method) == wanted)
        {
            Some(route) => Ok(Found::Route { route, params }),
            None if head.method == Method::OPTIONS => Ok(Found::Options {
                allow: path.allow.clone(),
            }),
            None => Err(Failure::method_not_allowed(path.allow.clone())),
        }
    }

    fn find_path<'p>(&self, head: &'p Parts) -> Option<(&ServedPath, Params<'p>)> {
        let sent = head.uri.path();
        if let Some(path) = self.open_ended.iter().find(|path| path.is_above(sent)) {
            return Some((path, Params::default()));
        }
        let segments = segments(sent)?;
        let (path, params) = self
            .paths
            .iter()
            .find_map(|path| Some((path, path.params(&segments)?)))?;
        // A browser's preflight cannot carry a beta: it only names the header that it wants to send.
        let shown = head.method == Method::OPTIONS
            || path
                .gate
                .is_none_or(|beta| headers::lists(header_values(head, &BETA), beta));
        shown.then_some((path, params))
    }
}

impl ServedPath {
    fn new(app: &App, row: &PathRow) -> Self {
        let segments =
            row.template
                .split('/')
                .skip(1)
                .map(|segment| match segment.strip_prefix('{') {
                    Some(name) => Segment::Parameter(name.trim_end_matches('}')),
                    None => Segment::Literal(segment),
                });
        let routes = row.methods.iter().map(|method| ServedRoute {
            method: method.method,
            handler: method.handler,
            time_limit: method.time_limit,
            counted: Counted::new(app, method.method.name(), row.template),
        });
        let methods = row.methods.iter().map(|row| row.method.allowed());
        let allow: Vec<_> = methods.chain(["OPTIONS"]).collect();
        Self {
            audience: row.audience,
            gate: row.gate,
            prefix: row.and_below.then_some(row.template),
            segments: segments.collect(),
            routes: routes.collect(),
            // Names of methods are visible ASCII.
            allow: HeaderValue::from_str(&allow.join(", "))
                .unwrap_or(HeaderValue::from_static("OPTIONS")),
        }
    }

    /// Whether this stands for the path, byte by byte: what is below it is not ours to decode.
    fn is_above(&self, path: &str) -> bool {
        let below = self.prefix.and_then(|prefix| path.strip_prefix(prefix));
        below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    fn params<'p>(&self, segments: &[Cow<'p, str>]) -> Option<Params<'p>> {
        if self.segments.len() != segments.len() {
            return None;
        }
        let matches = self
            .segments
            .iter()
            .zip(segments)
            .all(|(wanted, sent)| match wanted {
                Segment::Literal(literal) => literal == sent,
                Segment::Parameter(_) => !sent.is_empty(),
            });
        if !matches {
            return None;
        }
        let sent = self.segments.iter().zip(segments);
        let named = sent.filter_map(|(wanted, sent)| match wanted {
            Segment::Literal(_) => None,
            Segment::Parameter(name) => Some((*name, sent.clone())),
        });
        Some(Params::of(named))
    }
}

impl Counted {
    fn new(app: &App, method: &'static str, label: &'static str) -> Self {
        Self {
            label,
            metrics: app.metrics.route(method, label),
        }
    }
}

/// More segments than any path of the table has.
const MOST_SEGMENTS: usize = 8;

/// The decoded segments of a path; none for a path that cannot exist.
fn segments(path: &str) -> Option<Vec<Cow<'_, str>>> {
    let mut segments = Vec::with_capacity(MOST_SEGMENTS);
    let is_encoded = path.contains('%');
    for segment in path.strip_prefix('/')?.split('/') {
        let segment = if is_encoded {
            percent_decode_str(segment).decode_utf8_lossy()
        } else {
            Cow::Borrowed(segment)
        };
        if segments.len() == MOST_SEGMENTS || segment == "." || segment == ".." {
            return None;
        }
        segments.push(segment);
    }
    Some(segments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_decoded_once_and_stay_apart() {
        let decoded = segments("/v1/user%5Fprofiles/a%2Fb%252F").unwrap();
        assert_eq!(decoded, ["v1", "user_profiles", "a/b%2F"]);
        assert_eq!(segments("/").unwrap(), [""]);
        assert_eq!(segments("/v1//x/").unwrap(), ["v1", "", "x", ""]);
        for path in ["*", "", "/v1/./x", "/v1/%2e%2E/x", "/1/2/3/4/5/6/7/8/9"] {
            assert_eq!(segments(path), None, "{path}");
        }
    }
}
