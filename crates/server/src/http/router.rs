//! Every path of every audience, on one screen, and the strict way of matching them.
//!
//! The table is data: the router serves it, [`table`] hands it to the tests that walk it (every route
//! with every kind of key, every route with another tenant's ids), and `Allow` is read off it. To add
//! a route, add its line and its handler; the tests then ask for the rest.
//!
//! It is matched here and not by a router crate because the contract's *Paths and methods* is stricter
//! than any: a segment matches after exactly one percent-decoding (a decoded slash stays inside its
//! segment), and trailing, doubled and dot segments are nowhere. A handler is a plain function of the
//! [`Exchange`]; what turns the exchange into a call (steps 4 to 10 of the order of checks) is named on
//! the line: `platform!`, `administrator!`, `operator!`, `anyone!`.

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderValue, Method};
use percent_encoding::percent_decode_str;
use rollcall_wire::error::ApiError;
use rollcall_wire::headers;

use super::answer::Outcome;
use super::call::{AdminCall, OperatorCall, PublicCall, header_values};
use super::error::Failure;
use super::listener::OnlyHealthChecks;
use super::operator::{
    audit_events, dev, enforcement_actions, enrollments, keys, organizations, programs, records,
    webhook_deliveries, workspaces,
};
use super::public::{action_urls, profiles, webhook_endpoints};
use super::{Exchange, docs, health, openapi, operator};
use crate::app::App;
use crate::metrics::RouteMetrics;
use crate::pages::console::{self, ConsoleCall, development, export, overview, profile, sign_in};
use crate::pages::{assets, portal};

/// What answers a request.
pub(crate) type Handler = for<'a> fn(&'a Exchange<'a>) -> Answering<'a>;

type Answering<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// Who a path is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Everyone, without a credential.
    Anyone,
    /// Whoever looks after the process; on the admin listener when there is one.
    Health,
    /// A platform, with an `api` key.
    Platform,
    /// A platform's administrator, with an `admin` key, if the request lists the webhooks beta.
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

struct PathRow {
    audience: Audience,
    template: &'static str,
    methods: &'static [MethodRow],
}

#[derive(Clone, Copy)]
struct MethodRow {
    method: Verb,
    handler: Handler,
    time_limit: TimeLimit,
}

/// The methods that routes have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Get,
    Post,
    Put,
    Delete,
}

impl Verb {
    const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }

    /// How `Allow` lists it: `HEAD` answers where `GET` does.
    const fn allowed(self) -> &'static str {
        match self {
            Self::Get => "GET, HEAD",
            Self::Post | Self::Put | Self::Delete => self.name(),
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

macro_rules! anyone {
    ($handler:path) => {
        |exchange| Box::pin($handler(exchange))
    };
}

macro_rules! platform {
    ($handler:path) => {
        |exchange| Box::pin(async move { $handler(PublicCall::of(exchange).await?).await })
    };
}

macro_rules! administrator {
    ($handler:path) => {
        |exchange| Box::pin(async move { $handler(AdminCall::of(exchange).await?).await })
    };
}

macro_rules! operator {
    ($handler:path) => {
        |exchange| Box::pin(async move { $handler(OperatorCall::of(exchange).await?).await })
    };
}

macro_rules! console {
    ($handler:path) => {
        |exchange| {
            Box::pin(async move {
                match ConsoleCall::of(exchange).await? {
                    Ok(call) => $handler(call).await,
                    Err(sign_in) => Ok(sign_in),
                }
            })
        }
    };
}

#[rustfmt::skip]
static PATHS: &[PathRow] = {
    use Audience::{Administrator, Anyone, Console, Development, DevelopmentConsole, EndUser, Health, Operator, Platform};
    &[
        // The platform: the public API, in every dialect. The list stands first because it is asked most.
        path(Platform, "/v1/user_profiles", &[get(platform!(profiles::list)), post(platform!(profiles::create))]),
        path(Platform, "/v1/user_profiles/{user_profile_id}", &[get(platform!(profiles::get)), post(platform!(profiles::update)), delete(platform!(profiles::delete))]),
        path(Platform, "/v1/user_profiles/{user_profile_id}/enrollment_url", &[post(platform!(action_urls::create_enrollment_url))]),
        path(Platform, "/v1/user_profiles/{user_profile_id}/action_urls", &[post(platform!(action_urls::create))]),

        // The platform's administrator.
        path(Administrator, "/v1/organizations/webhooks", &[get(administrator!(webhook_endpoints::list)), post(administrator!(webhook_endpoints::create))]),
        path(Administrator, "/v1/organizations/webhooks/{webhook_endpoint_id}", &[get(administrator!(webhook_endpoints::get)), post(administrator!(webhook_endpoints::update)), delete(administrator!(webhook_endpoints::delete))]),
        path(Administrator, "/v1/organizations/webhooks/{webhook_endpoint_id}/regenerate_signing_secret", &[post(administrator!(webhook_endpoints::regenerate_signing_secret))]),

        // The end user.
        path(EndUser, "/user-profiles/enrollment/{token}", &[get(anyone!(portal::show)), post(anyone!(portal::submit))]),

        // The operator: tenants and their keys.
        path(Operator, "/operator/v1/organizations", &[get(operator!(organizations::list)), post(operator!(organizations::create))]),
        path(Operator, "/operator/v1/organizations/{organization_id}", &[get(operator!(organizations::get)), post(operator!(organizations::update))]),
        path(Operator, "/operator/v1/organizations/{organization_id}/workspaces", &[get(operator!(workspaces::list)), post(operator!(workspaces::create))]),
        path(Operator, "/operator/v1/organizations/{organization_id}/api_keys", &[get(operator!(keys::list)), post(operator!(keys::create))]),
        path(Operator, "/operator/v1/api_keys/{api_key_id}", &[post(operator!(keys::update)), delete(operator!(keys::delete))]),

        // The operator: profiles of every organization.
        path(Operator, "/operator/v1/user_profiles", &[get(operator!(operator::profiles::search))]),
        path(Operator, "/operator/v1/user_profiles/import", &[post(operator!(records::import)).without_time_limit()]),
        path(Operator, "/operator/v1/user_profiles/export", &[get(operator!(records::export))]),
        path(Operator, "/operator/v1/user_profiles/{user_profile_id}", &[get(operator!(operator::profiles::get)), put(operator!(records::put)), delete(operator!(operator::profiles::erase))]),
        path(Operator, "/operator/v1/user_profiles/{user_profile_id}/programs/{name}", &[put(operator!(programs::set)), delete(operator!(programs::delete))]),
        path(Operator, "/operator/v1/user_profiles/{user_profile_id}/enforcement_actions", &[get(operator!(enforcement_actions::list)), post(operator!(enforcement_actions::open))]),
        path(Operator, "/operator/v1/enforcement_actions/{enforcement_action_id}/resolve", &[post(operator!(enforcement_actions::resolve))]),
        path(Operator, "/operator/v1/enforcement_actions/{enforcement_action_id}/identity_check", &[post(operator!(enforcement_actions::identity_check))]),
        path(Operator, "/operator/v1/enrollments", &[get(operator!(enrollments::list))]),
        path(Operator, "/operator/v1/enrollments/{enrollment_id}", &[get(operator!(enrollments::get))]),
        path(Operator, "/operator/v1/enrollments/{enrollment_id}/approve", &[post(operator!(enrollments::approve))]),
        path(Operator, "/operator/v1/enrollments/{enrollment_id}/reject", &[post(operator!(enrollments::reject))]),
        path(Operator, "/operator/v1/audit_events", &[get(operator!(audit_events::list))]),

        // The operator: what platforms are told.
        path(Operator, "/operator/v1/webhook_deliveries", &[get(operator!(webhook_deliveries::list))]),
        path(Operator, "/operator/v1/webhook_deliveries/{webhook_delivery_id}", &[get(operator!(webhook_deliveries::get))]),
        path(Operator, "/operator/v1/webhook_deliveries/{webhook_delivery_id}/redeliver", &[post(operator!(webhook_deliveries::redeliver))]),
        path(Operator, "/operator/v1/webhook_endpoints", &[get(operator!(operator::webhook_endpoints::list))]),
        path(Operator, "/operator/v1/webhook_endpoints/{webhook_endpoint_id}", &[get(operator!(operator::webhook_endpoints::get))]),
        path(Operator, "/operator/v1/webhook_endpoints/{webhook_endpoint_id}/test", &[post(operator!(operator::webhook_endpoints::test))]),

        // The operator of a development server.
        path(Development, "/operator/v1/dev/reset", &[post(operator!(dev::reset))]),
        path(Development, "/operator/v1/dev/clock", &[get(operator!(dev::show_clock)), post(operator!(dev::set_clock))]),
        path(Development, "/operator/v1/dev/faults", &[get(operator!(dev::list_faults)), post(operator!(dev::add_fault)), delete(operator!(dev::clear_faults))]),
        path(Development, "/operator/v1/dev/requests", &[get(operator!(dev::list_requests))]),

        // The operator, in a browser.
        path(Console, "/console/sign-in", &[get(anyone!(sign_in::show)), post(anyone!(sign_in::sign_in))]),
        path(Console, "/console", &[get(console!(overview::show))]),
        path(Console, "/console/sign-out", &[post(console!(sign_in::sign_out))]),
        path(Console, "/console/sessions", &[get(console!(sign_in::list))]),
        path(Console, "/console/sessions/{name}", &[post(console!(sign_in::revoke))]),
        path(Console, "/console/profiles", &[get(console!(console::profiles::list))]),
        path(Console, "/console/profiles/{user_profile_id}", &[get(console!(profile::show))]),
        path(Console, "/console/profiles/{user_profile_id}/programs", &[post(console!(profile::set_program))]),
        path(Console, "/console/profiles/{user_profile_id}/actions", &[post(console!(profile::open_action))]),
        path(Console, "/console/profiles/{user_profile_id}/actions/{enforcement_action_id}", &[post(console!(profile::end_action))]),
        path(Console, "/console/enrollments", &[get(console!(console::enrollments::list))]),
        path(Console, "/console/enrollments/{enrollment_id}", &[get(console!(console::enrollments::show)), post(console!(console::enrollments::decide))]),
        path(Console, "/console/webhooks", &[get(console!(console::webhooks::list))]),
        path(Console, "/console/webhooks/{webhook_endpoint_id}", &[get(console!(console::endpoint::show)), post(console!(console::endpoint::change))]),
        path(Console, "/console/deliveries", &[get(console!(console::deliveries::list))]),
        path(Console, "/console/deliveries/{webhook_delivery_id}", &[get(console!(console::delivery::show)), post(console!(console::delivery::redeliver))]),
        path(Console, "/console/organizations", &[get(console!(console::organizations::list)), post(console!(console::organizations::create))]),
        path(Console, "/console/organizations/{organization_id}", &[get(console!(console::organizations::show)), post(console!(console::organizations::update))]),
        path(Console, "/console/organizations/{organization_id}/workspaces", &[post(console!(console::organizations::create_workspace))]),
        path(Console, "/console/organizations/{organization_id}/keys", &[post(console!(console::organizations::create_key))]),
        path(Console, "/console/keys/{api_key_id}", &[post(console!(console::organizations::update_key))]),
        path(Console, "/console/audit", &[get(console!(console::audit::list))]),
        path(Console, "/console/export", &[get(console!(export::show))]),
        path(Console, "/console/export/profiles", &[get(console!(export::download)).without_time_limit()]),
        path(DevelopmentConsole, "/console/development", &[get(console!(development::show)), post(console!(development::change))]),

        // Everyone, and whoever looks after the process.
        path(Anyone, "/", &[get(anyone!(health::root))]),
        path(Anyone, "/openapi/{document}", &[get(anyone!(openapi::show))]),
        path(Anyone, "/docs", &[get(anyone!(docs::show_newest))]),
        path(Anyone, "/docs/", &[get(anyone!(docs::show_newest))]),
        path(Anyone, "/docs/style.css", &[get(anyone!(docs::show_style))]),
        path(Anyone, "/docs/{document}", &[get(anyone!(docs::show))]),
        path(Anyone, "/assets/{name}", &[get(anyone!(assets::show))]),
        path(Health, "/healthz", &[get(anyone!(health::live))]),
        path(Health, "/readyz", &[get(anyone!(health::ready))]),
        path(Health, "/metrics", &[get(anyone!(health::metrics))]),
    ]
};

const fn path(
    audience: Audience,
    template: &'static str,
    methods: &'static [MethodRow],
) -> PathRow {
    PathRow {
        audience,
        template,
        methods,
    }
}

const fn method(method: Verb, handler: Handler) -> MethodRow {
    MethodRow {
        method,
        handler,
        time_limit: TimeLimit::Request,
    }
}

const fn get(handler: Handler) -> MethodRow {
    method(Verb::Get, handler)
}

const fn post(handler: Handler) -> MethodRow {
    method(Verb::Post, handler)
}

const fn put(handler: Handler) -> MethodRow {
    method(Verb::Put, handler)
}

const fn delete(handler: Handler) -> MethodRow {
    method(Verb::Delete, handler)
}

impl MethodRow {
    const fn without_time_limit(self) -> Self {
        Self {
            method: self.method,
            handler: self.handler,
            time_limit: TimeLimit::None,
        }
    }
}

/// One route, for whoever walks the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Who it is for.
    pub audience: Audience,
    /// Its method; where it is `GET`, `HEAD` is answered too.
    pub method: &'static str,
    /// Its path, parameters in braces.
    pub template: &'static str,
}

/// Every route there is.
pub fn table() -> impl Iterator<Item = Route> {
    PATHS.iter().flat_map(|path| {
        path.methods.iter().map(|row| Route {
            audience: path.audience,
            method: row.method.name(),
            template: path.template,
        })
    })
}

/// Which part of the table a listener serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// All of it: there is no admin listener.
    Everything,
    /// All but the health paths, which are on the admin listener.
    WithoutHealth,
    /// The health paths alone: the admin listener.
    Health,
}

impl Surface {
    fn shows(self, audience: Audience, development: bool) -> bool {
        match audience {
            Audience::Health => self != Self::WithoutHealth,
            Audience::Anyone => true,
            Audience::Development | Audience::DevelopmentConsole => {
                development && self != Self::Health
            }
            Audience::Platform
            | Audience::Administrator
            | Audience::Operator
            | Audience::EndUser
            | Audience::Console => self != Self::Health,
        }
    }
}

/// The table as one listener serves it.
#[derive(Debug)]
pub(crate) struct Router {
    pub(crate) app: Arc<App>,
    paths: Vec<ServedPath>,
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
    segments: Vec<Segment>,
    routes: Vec<ServedRoute>,
    allow: HeaderValue,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Segment {
    Literal(&'static str),
    Parameter,
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

/// The decoded parameters of a path, in its order. Bytes that are not UTF-8 have become U+FFFD, which
/// no identifier contains.
pub(crate) type Params<'a> = [Cow<'a, str>; MOST_PARAMETERS];

const MOST_PARAMETERS: usize = 2;

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
    pub(crate) fn new(app: Arc<App>, surface: Surface) -> Self {
        let development = app.development.is_some();
        let paths = PATHS
            .iter()
            .filter(|row| surface.shows(row.audience, development))
            .map(|row| ServedPath::new(&app, row))
            .collect();
        Self {
            paths,
            unmatched: Counted::new(&app, "other", "unmatched"),
            options: Counted::new(&app, "OPTIONS", "any"),
            app,
        }
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
            .find(|route| Some(route.method) == wanted)
        {
            Some(route) => Ok(Found::Route { route, params }),
            None if head.method == Method::OPTIONS => Ok(Found::Options {
                allow: path.allow.clone(),
            }),
            None => Err(Failure::method_not_allowed(path.allow.clone())),
        }
    }

    fn find_path<'p>(&self, head: &'p Parts) -> Option<(&ServedPath, Params<'p>)> {
        let segments = segments(head.uri.path())?;
        let (path, params) = self
            .paths
            .iter()
            .find_map(|path| Some((path, path.params(&segments)?)))?;
        // A browser's preflight cannot carry a beta: it only names the header that it wants to send.
        let hidden = path.audience == Audience::Administrator
            && head.method != Method::OPTIONS
            && !headers::lists(
                header_values(head, "anthropic-beta"),
                headers::WEBHOOKS_BETA,
            );
        (!hidden).then_some((path, params))
    }
}

impl ServedPath {
    fn new(app: &App, row: &PathRow) -> Self {
        let segments = row.template.split('/').skip(1).map(|segment| {
            if segment.starts_with('{') {
                Segment::Parameter
            } else {
                Segment::Literal(segment)
            }
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
            segments: segments.collect(),
            routes: routes.collect(),
            // Names of methods are visible ASCII.
            allow: HeaderValue::from_str(&allow.join(", "))
                .unwrap_or(HeaderValue::from_static("OPTIONS")),
        }
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
                Segment::Parameter => !sent.is_empty(),
            });
        if !matches {
            return None;
        }
        let mut params = Params::default();
        let sent = self.segments.iter().zip(segments);
        let sent = sent.filter(|(wanted, _)| **wanted == Segment::Parameter);
        for (param, (_, sent)) in params.iter_mut().zip(sent) {
            param.clone_from(sent);
        }
        Some(params)
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
    for segment in path.strip_prefix('/')?.split('/') {
        let segment = percent_decode_str(segment).decode_utf8_lossy();
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

    #[test]
    fn no_path_hides_another() {
        for (number, row) in PATHS.iter().enumerate() {
            let sent: Vec<_> = row.template.split('/').skip(1).map(Cow::Borrowed).collect();
            let first = PATHS.iter().position(|other| {
                let segments: Vec<_> = other.template.split('/').skip(1).collect();
                segments.len() == sent.len()
                    && segments
                        .iter()
                        .zip(&sent)
                        .all(|(wanted, sent)| wanted.starts_with('{') || wanted == sent)
            });
            assert_eq!(first, Some(number), "{}", row.template);
            let parameters = row.template.matches('{').count();
            assert!(parameters <= MOST_PARAMETERS, "{}", row.template);
        }
    }
}
