//! Every path of every audience, on one screen.
//!
//! The table is data: the [router](super::router) serves it, [`table`] hands it to the tests that walk it
//! (every route with every kind of key, every route with another tenant's ids), and `Allow` is read off it.
//! To add a route, add its line and its handler; the tests then ask for the rest.
//!
//! A line says all there is to know of a path: who it is for, what its parameters are called, the beta that it is
//! behind, its methods, what each needs of an operator's role, and the time limit that one does without. Handlers ask
//! for parameters by these names.
//!
//! A handler is a plain function of the `Exchange`; what turns the exchange into a call (steps 4 to 10 of
//! the order of checks) is named on the line: `platform!`, `administrator!`, `anyone!`, and with the
//! [`Right`] that an operator needs, without which no call of one can be had, `operator!` and `console!`.

use rollcall_domain::role::Right;
use rollcall_wire::headers::{DATA_CONTROLS_BETA, WEBHOOKS_BETA};

use super::call::{AdminCall, OperatorCall, PublicCall};
use super::gateway::{check, inference};
use super::operator::{
    audit_events, dev, enforcement_actions, enrollments, keys, operator_keys, organizations,
    programs, records, webhook_deliveries, workspaces,
};
use super::public::{action_urls, data_controls, profiles, webhook_endpoints};
use super::router::{Answers, Audience, PathRow, any, delete, get, path, post, put};
use super::{docs, health, openapi, operator};
use crate::pages::console::{
    self, ConsoleCall, development, export, overview, profile, requests, sign_in,
};
use crate::pages::{assets, portal};

macro_rules! anyone {
    ($handler:path) => {
        Answers {
            right: None,
            handler: |exchange| Box::pin($handler(exchange)),
        }
    };
}

macro_rules! platform {
    ($handler:path) => {
        Answers {
            right: None,
            handler: |exchange| {
                Box::pin(async move { $handler(PublicCall::of(exchange).await?).await })
            },
        }
    };
}

macro_rules! administrator {
    ($handler:path) => {
        Answers {
            right: None,
            handler: |exchange| {
                Box::pin(async move { $handler(AdminCall::of(exchange).await?).await })
            },
        }
    };
}

macro_rules! operator {
    ($right:ident, $handler:path) => {
        Answers {
            right: Some(Right::$right),
            handler: |exchange| {
                Box::pin(async move {
                    let call = OperatorCall::of(exchange, Right::$right).await?;
                    $handler(call).await
                })
            },
        }
    };
}

macro_rules! console {
    ($right:ident, $handler:path) => {
        Answers {
            right: Some(Right::$right),
            handler: |exchange| {
                Box::pin(async move {
                    match ConsoleCall::of(exchange, Right::$right).await? {
                        Ok(call) => $handler(call).await,
                        Err(sign_in) => Ok(sign_in),
                    }
                })
            },
        }
    };
}

#[rustfmt::skip]
pub(super) static PATHS: &[PathRow] = {
    use Audience::{Administrator, Anyone, Console, Development, DevelopmentConsole, EndUser, Gateway, Health, Inference, Operator, Platform, Reader};
    &[
        // The platform: the public API, in every dialect. The list stands first because it is asked most.
        path(Platform, "/v1/user_profiles", &[get(platform!(profiles::list)), post(platform!(profiles::create))]),
        path(Platform, "/v1/user_profiles/{user_profile_id}", &[get(platform!(profiles::get)), post(platform!(profiles::update)), delete(platform!(profiles::delete))]),
        path(Platform, "/v1/user_profiles/{user_profile_id}/enrollment_url", &[post(platform!(action_urls::create_enrollment_url))]),
        path(Platform, "/v1/user_profiles/{user_profile_id}/action_urls", &[post(platform!(action_urls::create))]),
        path(Platform, "/v1/user_profiles/{user_profile_id}/providers/google/data_controls", &[get(platform!(data_controls::get)), post(platform!(data_controls::update))]).behind(DATA_CONTROLS_BETA),

        // The platform's gateway: whatever it asks about, by whatever method.
        path(Gateway, "/gateway/v1/check", &[any(anyone!(check::check))]).and_below(),

        // What stands in for the model on a development server.
        path(Inference, "/v1/messages", &[post(platform!(inference::create_message))]),
        path(Inference, "/v1/messages/count_tokens", &[post(platform!(inference::count_tokens))]),

        // The platform's administrator.
        path(Administrator, "/v1/organizations/webhooks", &[get(administrator!(webhook_endpoints::list)), post(administrator!(webhook_endpoints::create))]).behind(WEBHOOKS_BETA),
        path(Administrator, "/v1/organizations/webhooks/{webhook_endpoint_id}", &[get(administrator!(webhook_endpoints::get)), post(administrator!(webhook_endpoints::update)), delete(administrator!(webhook_endpoints::delete))]).behind(WEBHOOKS_BETA),
        path(Administrator, "/v1/organizations/webhooks/{webhook_endpoint_id}/regenerate_signing_secret", &[post(administrator!(webhook_endpoints::regenerate_signing_secret))]).behind(WEBHOOKS_BETA),

        // The end user.
        path(EndUser, "/user-profiles/enrollment/{token}", &[get(anyone!(portal::show)), post(anyone!(portal::submit))]),

        // The operator: tenants and their keys.
        path(Operator, "/operator/v1/organizations", &[get(operator!(Read, organizations::list)), post(operator!(Administer, organizations::create))]),
        path(Operator, "/operator/v1/organizations/{organization_id}", &[get(operator!(Read, organizations::get)), post(operator!(Administer, organizations::update)), delete(operator!(Administer, organizations::remove))]),
        path(Operator, "/operator/v1/organizations/{organization_id}/workspaces", &[get(operator!(Read, workspaces::list)), post(operator!(Administer, workspaces::create))]),
        path(Operator, "/operator/v1/organizations/{organization_id}/api_keys", &[get(operator!(Read, keys::list)), post(operator!(Administer, keys::create))]),
        path(Operator, "/operator/v1/organizations/{organization_id}/gateway_policy", &[get(operator!(Read, operator::gateway::show_policy)), post(operator!(Administer, operator::gateway::change_policy))]),
        path(Operator, "/operator/v1/organizations/{organization_id}/gateway_decision", &[get(operator!(Read, operator::gateway::decide))]),
        path(Operator, "/operator/v1/api_keys/{api_key_id}", &[post(operator!(Administer, keys::update)), delete(operator!(Administer, keys::delete))]),
        path(Operator, "/operator/v1/operator_keys", &[get(operator!(Read, operator_keys::list)), post(operator!(Administer, operator_keys::create))]),
        path(Operator, "/operator/v1/operator_keys/{operator_key_id}", &[post(operator!(Administer, operator_keys::update)), delete(operator!(Administer, operator_keys::delete))]),

        // The operator: profiles of every organization.
        path(Operator, "/operator/v1/user_profiles", &[get(operator!(Read, operator::profiles::search))]),
        path(Operator, "/operator/v1/user_profiles/import", &[post(operator!(Administer, records::import)).without_time_limit()]),
        path(Operator, "/operator/v1/user_profiles/export", &[get(operator!(Administer, records::export))]),
        path(Operator, "/operator/v1/user_profiles/{user_profile_id}", &[get(operator!(Read, operator::profiles::get)), post(operator!(Administer, operator::profiles::update)), put(operator!(Administer, records::put)), delete(operator!(Administer, operator::profiles::erase))]),
        path(Operator, "/operator/v1/user_profiles/{user_profile_id}/action_urls", &[post(operator!(Administer, operator::profiles::create_action_url))]),
        path(Operator, "/operator/v1/user_profiles/{user_profile_id}/programs/{name}", &[put(operator!(Decide, programs::set)), delete(operator!(Decide, programs::delete))]),
        path(Operator, "/operator/v1/user_profiles/{user_profile_id}/data_controls/cmek/{region}", &[post(operator!(Administer, operator::data_controls::report_on_key))]),
        path(Operator, "/operator/v1/user_profiles/{user_profile_id}/data_controls/storage/{region}", &[post(operator!(Administer, operator::data_controls::report_on_bucket))]),
        path(Operator, "/operator/v1/user_profiles/{user_profile_id}/enforcement_actions", &[get(operator!(Read, enforcement_actions::list)), post(operator!(Decide, enforcement_actions::open))]),
        path(Operator, "/operator/v1/enforcement_actions/{enforcement_action_id}/resolve", &[post(operator!(Decide, enforcement_actions::resolve))]),
        path(Operator, "/operator/v1/enforcement_actions/{enforcement_action_id}/identity_check", &[post(operator!(Decide, enforcement_actions::identity_check))]),
        path(Operator, "/operator/v1/enrollments", &[get(operator!(Read, enrollments::list))]),
        path(Operator, "/operator/v1/enrollments/{enrollment_id}", &[get(operator!(Read, enrollments::get))]),
        path(Operator, "/operator/v1/enrollments/{enrollment_id}/approve", &[post(operator!(Decide, enrollments::approve))]),
        path(Operator, "/operator/v1/enrollments/{enrollment_id}/reject", &[post(operator!(Decide, enrollments::reject))]),
        path(Operator, "/operator/v1/audit_events", &[get(operator!(Read, audit_events::list))]),

        // The operator: what platforms are told.
        path(Operator, "/operator/v1/webhook_deliveries", &[get(operator!(Read, webhook_deliveries::list))]),
        path(Operator, "/operator/v1/webhook_deliveries/{webhook_delivery_id}", &[get(operator!(Read, webhook_deliveries::get))]),
        path(Operator, "/operator/v1/webhook_deliveries/{webhook_delivery_id}/redeliver", &[post(operator!(Decide, webhook_deliveries::redeliver))]),
        path(Operator, "/operator/v1/webhook_endpoints", &[get(operator!(Read, operator::webhook_endpoints::list))]),
        path(Operator, "/operator/v1/webhook_endpoints/{webhook_endpoint_id}", &[get(operator!(Read, operator::webhook_endpoints::get))]),
        path(Operator, "/operator/v1/webhook_endpoints/{webhook_endpoint_id}/test", &[post(operator!(Administer, operator::webhook_endpoints::test))]),

        // The operator of a development server.
        path(Development, "/operator/v1/dev/reset", &[post(operator!(Administer, dev::reset))]),
        path(Development, "/operator/v1/dev/clock", &[get(operator!(Read, dev::show_clock)), post(operator!(Administer, dev::set_clock))]),
        path(Development, "/operator/v1/dev/faults", &[get(operator!(Read, dev::list_faults)), post(operator!(Administer, dev::add_fault)), delete(operator!(Administer, dev::clear_faults))]),
        path(Development, "/operator/v1/dev/user_profiles/{user_profile_id}/billing", &[put(operator!(Administer, dev::set_billing))]),
        path(Development, "/operator/v1/dev/requests", &[get(operator!(Read, dev::list_requests))]),

        // The operator, in a browser.
        path(Console, "/console/sign-in", &[get(anyone!(sign_in::show)), post(anyone!(sign_in::sign_in))]),
        path(Console, "/console", &[get(console!(Read, overview::show))]),
        path(Console, "/console/sign-out", &[post(console!(Read, sign_in::sign_out))]),
        path(Console, "/console/sessions", &[get(console!(Read, sign_in::list))]),
        path(Console, "/console/sessions/{name}", &[post(console!(Read, sign_in::revoke))]),
        path(Console, "/console/profiles", &[get(console!(Read, console::profiles::list))]),
        path(Console, "/console/profiles/{user_profile_id}", &[get(console!(Read, profile::show))]),
        path(Console, "/console/profiles/{user_profile_id}/fields", &[post(console!(Administer, profile::update))]),
        path(Console, "/console/profiles/{user_profile_id}/links", &[post(console!(Administer, profile::make_link))]),
        path(Console, "/console/profiles/{user_profile_id}/erasure", &[post(console!(Administer, profile::erase))]),
        path(Console, "/console/profiles/{user_profile_id}/programs", &[post(console!(Decide, profile::set_program))]),
        path(Console, "/console/profiles/{user_profile_id}/data_controls", &[post(console!(Administer, profile::report_on_region))]),
        path(Console, "/console/profiles/{user_profile_id}/actions", &[post(console!(Decide, profile::open_action))]),
        path(Console, "/console/profiles/{user_profile_id}/actions/{enforcement_action_id}", &[post(console!(Decide, profile::end_action))]),
        path(Console, "/console/enrollments", &[get(console!(Read, console::enrollments::list)), post(console!(Decide, console::decisions::decide))]),
        path(Console, "/console/enrollments/{enrollment_id}", &[get(console!(Read, console::enrollment::show)), post(console!(Decide, console::enrollment::decide))]),
        path(Console, "/console/webhooks", &[get(console!(Read, console::webhooks::list))]),
        path(Console, "/console/webhooks/{webhook_endpoint_id}", &[get(console!(Read, console::endpoint::show)), post(console!(Administer, console::endpoint::change))]),
        path(Console, "/console/deliveries", &[get(console!(Read, console::deliveries::list))]),
        path(Console, "/console/deliveries/{webhook_delivery_id}", &[get(console!(Read, console::delivery::show)), post(console!(Decide, console::delivery::redeliver))]),
        path(Console, "/console/organizations", &[get(console!(Read, console::organizations::list)), post(console!(Administer, console::organizations::create))]),
        path(Console, "/console/organizations/{organization_id}", &[get(console!(Read, console::organizations::show)), post(console!(Administer, console::organizations::update))]),
        path(Console, "/console/organizations/{organization_id}/removal", &[post(console!(Administer, console::organizations::remove))]),
        path(Console, "/console/organizations/{organization_id}/workspaces", &[post(console!(Administer, console::organizations::create_workspace))]),
        path(Console, "/console/organizations/{organization_id}/keys", &[post(console!(Administer, console::organizations::create_key))]),
        path(Console, "/console/organizations/{organization_id}/gateway", &[get(console!(Read, console::gateway::show)), post(console!(Administer, console::gateway::change))]),
        path(Console, "/console/keys/{api_key_id}", &[post(console!(Administer, console::organizations::update_key))]),
        path(Console, "/console/operator_keys", &[get(console!(Read, console::operator_keys::list)), post(console!(Administer, console::operator_keys::create))]),
        path(Console, "/console/operator_keys/{operator_key_id}", &[post(console!(Administer, console::operator_keys::update))]),
        path(Console, "/console/search", &[get(console!(Read, console::search::show)), post(console!(Read, console::search::find))]),
        path(Console, "/console/audit", &[get(console!(Read, console::audit::list))]),
        path(Console, "/console/audit/download", &[get(console!(Administer, console::audit::download)).without_time_limit()]),
        path(Console, "/console/audit/{audit_event_id}", &[get(console!(Read, console::audit_event::show))]),
        path(Console, "/console/import", &[get(console!(Administer, console::import::show)), post(console!(Administer, console::import::run)).without_time_limit()]),
        path(Console, "/console/export", &[get(console!(Administer, export::show))]),
        path(Console, "/console/export/profiles", &[get(console!(Administer, export::download)).without_time_limit()]),
        path(DevelopmentConsole, "/console/requests/{document}/{operation}", &[get(console!(Administer, requests::show)), post(console!(Administer, requests::send))]),
        path(DevelopmentConsole, "/console/development", &[get(console!(Read, development::show)), post(console!(Administer, development::change))]),

        // Everyone, and whoever looks after the process.
        path(Anyone, "/", &[get(anyone!(health::root))]),
        path(Reader, "/openapi/{document}", &[get(anyone!(openapi::show))]),
        path(Reader, "/docs", &[get(anyone!(docs::show_default))]),
        path(Reader, "/docs/", &[get(anyone!(docs::show_default))]),
        path(Reader, "/docs/style.css", &[get(anyone!(docs::show_style))]),
        path(Reader, "/docs/{document}", &[get(anyone!(docs::show))]),
        path(Reader, "/docs/{document}/{group}", &[get(anyone!(docs::show_group))]),
        path(Anyone, "/assets/{name}", &[get(anyone!(assets::show))]),
        path(Health, "/healthz", &[get(anyone!(health::live))]),
        path(Health, "/readyz", &[get(anyone!(health::ready))]),
        path(Health, "/metrics", &[get(anyone!(health::metrics))]),
    ]
};

/// One route, for whoever walks the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Who it is for.
    pub audience: Audience,
    /// Its method; where it is `GET`, `HEAD` is answered too.
    pub method: &'static str,
    /// Its path, parameters in braces.
    pub template: &'static str,
    /// The beta that a request must list for it to exist.
    pub gate: Option<&'static str>,
    /// What it needs of an operator's role; none for what needs no operator.
    pub right: Option<Right>,
}

/// Every route there is.
pub fn table() -> impl Iterator<Item = Route> {
    PATHS.iter().flat_map(|path| {
        path.methods.iter().map(|row| Route {
            audience: path.audience,
            method: row.method.name(),
            template: path.template,
            gate: path.gate,
            right: row.right,
        })
    })
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::http::exchange::MOST_PARAMETERS;

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
