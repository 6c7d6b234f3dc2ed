//! Who calls, for whom, in which dialect: steps 4 to 10 of the contract's *Order of checks*.
//!
//! The order of refusals can be seen on the wire, so it is decided here alone. (Steps 1 to 3 are the
//! [router](super::router)'s; from step 11 on a handler reads the query, then the body, then asks
//! storage, in this order.)
//!
//! | # | check | where |
//! | --- | --- | --- |
//! | 4 | a credential is present, known, enabled, not expired | [`authenticate`] |
//! | 5 | its kind may use this path, an operator's role has the right that the route names | [`authenticate`], [`OperatorCall::of`] |
//! | – | the organization is not on hold | [`admit`] |
//! | 6 | rate limit | [`admit`] |
//! | 7, 8 | `anthropic-version`, `anthropic-beta` | [`PublicCall::of`], [`AdminCall::of`], [`dialect`] |
//! | 9 | `anthropic-workspace-id` | [`workspace`] |
//! | 10 | the endpoint exists in the dialect | [`PublicCall::in_dialect_with_enrollment_url`] |
//!
//! The contract gives *on hold* no number. It stands right behind authentication: it is a fact about
//! the caller and not about the request, so a platform whose organization is held is told so whatever
//! else it got wrong, and held requests do not use up the limit of the organization.

use std::borrow::Cow;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderName;
use http::header::AUTHORIZATION;
use http::request::Parts;
use rollcall_domain::audit::Act;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::{OrganizationId, ProfileId, WebhookEndpointId};
use rollcall_domain::role::Right;
use rollcall_domain::tenant::{
    KeyKind, KeyStatus, Organization, OrganizationScope, OrganizationStatus, OrganizationSwitches,
    SecretHash,
};
use rollcall_record::field::Fields;
use rollcall_wire::dialect::Dialect;
use rollcall_wire::dialects;
use rollcall_wire::error::{ApiError, CredentialHeader};
use rollcall_wire::headers::{parse_version, parse_workspace};
use rollcall_wire::operator::{body_fields, optional_body_fields};

use super::error::{Failure, Written};
use super::exchange::Exchange;
use super::listener::PeerAddress;
use crate::acts::Desk;
use crate::app::{App, Operation};
use crate::credentials::Identity;
use crate::development::{Faults, Strike};
use crate::secrets;

// Not made anew for each look: that reads every letter of them.
static API_KEY: HeaderName = HeaderName::from_static("x-api-key");
static GATEWAY_KEY: HeaderName = HeaderName::from_static("x-rollcall-gateway-key");
static VERSION: HeaderName = HeaderName::from_static("anthropic-version");
static WORKSPACE: HeaderName = HeaderName::from_static("anthropic-workspace-id");

/// Where a request lists its betas.
pub(crate) static BETA: HeaderName = HeaderName::from_static("anthropic-beta");

/// A platform's call, in order up to step 9.
pub(crate) struct PublicCall<'a> {
    exchange: &'a Exchange<'a>,
    identity: Arc<Identity>,
    scope: OrganizationScope,
    /// The dialect it speaks.
    pub(crate) dialect: &'static Dialect,
}

impl<'a> PublicCall<'a> {
    pub(crate) async fn of(exchange: &'a Exchange<'a>) -> Result<Self, Failure> {
        let identity = authenticate(exchange, KeyKind::Api, SentCredential::of_client).await?;
        let (scope, organization) = tenant(&identity)?;
        admit(exchange, organization).await?;
        parse_version(header_values(exchange.head, &VERSION))?;
        let dialect = dialect(exchange)?;
        workspace(exchange, &identity, &scope).await?;
        Ok(Self {
            exchange,
            identity,
            scope,
            dialect,
        })
    }

    /// Step 10 for enrollment URLs, the one endpoint that not every dialect has.
    pub(crate) fn in_dialect_with_enrollment_url(&self) -> Result<(), Failure> {
        Ok(dialects::require_enrollment_url(self.dialect)?)
    }

    /// The right to touch the caller's data, and no one else's.
    pub(crate) fn scope(&self) -> &OrganizationScope {
        &self.scope
    }

    /// What the operator lets the caller's organization do.
    pub(crate) fn switches(&self) -> OrganizationSwitches {
        let organization = self.identity.organization.as_ref();
        organization.map_or_else(OrganizationSwitches::default, |it| it.switches)
    }

    /// The caller's organization.
    pub(crate) fn organization_id(&self) -> &OrganizationId {
        self.scope.organization_id()
    }

    /// The caller's organization with all that it is.
    pub(crate) fn tenant(&self) -> Result<Tenant<'_>, Failure> {
        Tenant::of(&self.identity)
    }

    /// Who acts, at `now`.
    pub(crate) fn act(&self, now: Timestamp) -> Act {
        self.identity.act(now)
    }

    /// The profile that the path names. An id that cannot be one is answered like one that is not
    /// there, and only when step 13 comes.
    pub(crate) fn profile_id(&self) -> Option<ProfileId> {
        ProfileId::parse(self.exchange.params.get("user_profile_id")).ok()
    }

    pub(crate) fn exchange(&self) -> &'a Exchange<'a> {
        self.exchange
    }

    pub(crate) fn app(&self) -> &'a Arc<App> {
        self.exchange.app
    }

    pub(crate) fn query(&self) -> Option<&'a str> {
        self.exchange.query()
    }

    pub(crate) async fn body(&self) -> Result<Bytes, Failure> {
        self.exchange.body().await
    }
}

/// A call of a platform's administrator, in order up to step 8. No dialect and no workspace applies.
pub(crate) struct AdminCall<'a> {
    exchange: &'a Exchange<'a>,
    identity: Arc<Identity>,
    scope: OrganizationScope,
}

impl<'a> AdminCall<'a> {
    pub(crate) async fn of(exchange: &'a Exchange<'a>) -> Result<Self, Failure> {
        let identity = authenticate(exchange, KeyKind::Admin, SentCredential::of_client).await?;
        let (scope, organization) = tenant(&identity)?;
        admit(exchange, organization).await?;
        parse_version(header_values(exchange.head, &VERSION))?;
        dialect(exchange)?;
        Ok(Self {
            exchange,
            identity,
            scope,
        })
    }

    /// The right to touch the caller's data, and no one else's.
    pub(crate) fn scope(&self) -> &OrganizationScope {
        &self.scope
    }

    /// Who acts, at `now`.
    pub(crate) fn act(&self, now: Timestamp) -> Act {
        self.identity.act(now)
    }

    /// The webhook endpoint that the path names. An id that cannot be one is answered like one that is
    /// not there, and only when step 13 comes.
    pub(crate) fn endpoint_id(&self) -> Option<WebhookEndpointId> {
        WebhookEndpointId::parse(self.exchange.params.get("webhook_endpoint_id")).ok()
    }

    pub(crate) fn exchange(&self) -> &'a Exchange<'a> {
        self.exchange
    }

    pub(crate) fn app(&self) -> &'a Arc<App> {
        self.exchange.app
    }

    pub(crate) fn query(&self) -> Option<&'a str> {
        self.exchange.query()
    }

    pub(crate) async fn body(&self) -> Result<Bytes, Failure> {
        self.exchange.body().await
    }
}

/// A gateway's question. Its organization may be on hold: that is an answer too.
pub(crate) struct GatewayCall<'a> {
    exchange: &'a Exchange<'a>,
    identity: Arc<Identity>,
}

impl<'a> GatewayCall<'a> {
    pub(crate) async fn of(exchange: &'a Exchange<'a>) -> Result<Self, Failure> {
        let identity = authenticate(exchange, KeyKind::Gateway, SentCredential::of_gateway).await?;
        Tenant::of(&identity)?;
        Ok(Self { exchange, identity })
    }

    /// What a development server was asked to fail, fails here.
    pub(crate) async fn strike(&self) -> Result<(), Failure> {
        match &self.exchange.app.development {
            None => Ok(()),
            Some(development) => strike(self.exchange, &development.faults).await,
        }
    }

    /// Whose request it may be.
    pub(crate) fn tenant(&self) -> Result<Tenant<'_>, Failure> {
        Tenant::of(&self.identity)
    }
}

/// A platform, and the key that it acts with.
#[derive(Clone, Copy)]
pub(crate) struct Tenant<'a> {
    identity: &'a Identity,
    /// The right to touch its data.
    pub(crate) scope: &'a OrganizationScope,
    /// What it is.
    pub(crate) organization: &'a Organization,
}

impl<'a> Tenant<'a> {
    fn of(identity: &'a Identity) -> Result<Self, Failure> {
        match (&identity.scope, &identity.organization) {
            (Some(scope), Some(organization)) => Ok(Self {
                identity,
                scope,
                organization,
            }),
            (_, _) => Err(Failure::internal(
                "a tenant's key without its organization",
                Written::Nothing,
            )),
        }
    }

    /// Who acts, at `now`.
    pub(crate) fn act(&self, now: Timestamp) -> Act {
        self.identity.act(now)
    }
}

/// A call of the operator, who needs no `anthropic-*` header and has no rate limit.
pub(crate) struct OperatorCall<'a> {
    /// Where its acts are done.
    pub(crate) desk: Desk<'a>,
}

impl<'a> OperatorCall<'a> {
    /// The call, if the operator's role has the right that the route needs.
    pub(crate) async fn of(exchange: &'a Exchange<'a>, right: Right) -> Result<Self, Failure> {
        if let Some(command_line) = exchange.command_line() {
            let desk = Desk::of_command_line(exchange, command_line);
            return Ok(Self { desk });
        }
        let identity = authenticate(exchange, KeyKind::Operator, SentCredential::of_client).await?;
        let desk = Desk::of_key(exchange, &identity.key, right);
        let no_role = || Failure::internal("an operator's key has no role", Written::Nothing);
        let desk = desk.ok_or_else(no_role)??;
        Ok(Self { desk })
    }

    /// The parameter of this name in the path.
    pub(crate) fn param(&self, name: &str) -> &'a str {
        self.exchange().params.get(name)
    }

    pub(crate) fn exchange(&self) -> &'a Exchange<'a> {
        self.desk.exchange()
    }

    pub(crate) fn app(&self) -> &'a Arc<App> {
        self.desk.app()
    }

    pub(crate) fn query(&self) -> Option<&'a str> {
        self.exchange().query()
    }

    pub(crate) async fn body(&self) -> Result<Bytes, Failure> {
        self.exchange().body().await
    }

    /// The fields of the body, which must be an object.
    pub(crate) async fn fields(&self) -> Result<Fields, Failure> {
        Ok(body_fields(&self.body().await?)?)
    }

    /// The fields of the body, which may be left out.
    pub(crate) async fn optional_fields(&self) -> Result<Fields, Failure> {
        Ok(optional_body_fields(&self.body().await?)?)
    }
}

/// The values of the header `name`, in the order they came.
pub(crate) fn header_values<'a>(
    head: &'a Parts,
    name: &'static HeaderName,
) -> impl Iterator<Item = &'a [u8]> {
    let values = head.headers.get_all(name);
    values.into_iter().map(http::HeaderValue::as_bytes)
}

/// Step 8: the betas, and the dialect they come to.
fn dialect(exchange: &Exchange<'_>) -> Result<&'static Dialect, ApiError> {
    let app = exchange.app;
    let betas = app.betas.parse(header_values(exchange.head, &BETA));
    match &betas {
        Ok(betas) if betas.unknown().is_empty() => {}
        Ok(betas) => {
            app.metrics.record_unknown_betas("accepted");
            app.unknown_betas.note(betas.unknown());
        }
        Err(_) => app.metrics.record_unknown_betas("refused"),
    }
    Ok(betas?.dialect())
}

/// Steps 4 and 5: whose key it is, if it works, and whether it is of the kind that `path` is for.
async fn authenticate<'a>(
    exchange: &Exchange<'a>,
    kind: KeyKind,
    credential: impl FnOnce(&'a Parts) -> Result<SentCredential<'a>, ApiError>,
) -> Result<Arc<Identity>, Failure> {
    let app = exchange.app;
    let now = exchange.begun;
    let sent = credential(exchange.head)?;
    let found = match &sent.secret {
        None => None,
        Some(secret) => find_identity(exchange, secret, &secrets::hash(secret)).await?,
    };
    let found = found.filter(|identity| app.knows(&identity.key));
    let refusal = match &found {
        None => Some(ApiError::invalid_credential(sent.header)),
        Some(identity) if identity.key.status == KeyStatus::Disabled => {
            Some(ApiError::disabled_key())
        }
        Some(identity) if identity.key.is_expired_at(now) => Some(ApiError::expired_key()),
        Some(_) => None,
    };
    match (found, refusal) {
        (Some(identity), None) => {
            identity.touch(now);
            app.see_tenant_on_demand(&identity);
            // Set once by construction: a request is authenticated once.
            let _ = exchange.identity.set(Arc::clone(&identity));
            if identity.key.owner.kind() == kind {
                Ok(identity)
            } else {
                Err(ApiError::wrong_key_kind().into())
            }
        }
        (_, refusal) => {
            app.metrics.record_failed_authentication();
            let refusal = refusal.unwrap_or_else(|| ApiError::invalid_credential(sent.header));
            Err(count_failure(app, exchange.head, now).unwrap_or_else(|| refusal.into()))
        }
    }
}

async fn find_identity(
    exchange: &Exchange<'_>,
    secret: &[u8],
    hash: &SecretHash,
) -> Result<Option<Arc<Identity>>, Failure> {
    let app = exchange.app;
    if let Some(known) = app.credentials.known(hash, exchange.started) {
        return Ok(Some(known));
    }
    let find = app.credentials.find(&*app.store, hash);
    match exchange.read(Operation::FindCredential, find).await? {
        Some(identity) => Ok(Some(identity)),
        None => Ok(app.make_tenant_on_demand(secret, hash).await?),
    }
}

/// Whoever fails too often from one address is told to wait, and not whether the last guess was right.
///
/// A request without any credential is no guess and is not counted.
pub(crate) fn count_failure(app: &App, head: &Parts, now: Timestamp) -> Option<Failure> {
    let source: IpAddr = head.extensions.get::<PeerAddress>()?.0.ip();
    let wait = app
        .authentication_failures
        .load()
        .record(source, now.as_micros())?;
    app.metrics.record_rate_limited();
    Some(Failure::try_again(
        ApiError::authentication_rate_limited(),
        wait,
    ))
}

struct SentCredential<'a> {
    header: CredentialHeader,
    /// `None` when more than one was sent, which could be read in two ways.
    secret: Option<Cow<'a, [u8]>>,
}

impl<'a> SentCredential<'a> {
    /// `x-api-key` decides over `Authorization`. Empty values, and schemes other than `Bearer`, count
    /// as absent.
    fn of_client(head: &'a Parts) -> Result<Self, ApiError> {
        Self::of(head).ok_or_else(ApiError::missing_credential)
    }

    /// A gateway's key stands in a header of its own or in the password of HTTP Basic. What the client itself
    /// sent travels along in a gateway's question and is not looked at.
    fn of_gateway(head: &'a Parts) -> Result<Self, ApiError> {
        if let Some(sent) = Self::in_header(head, &GATEWAY_KEY, CredentialHeader::GatewayKey) {
            return Ok(sent);
        }
        let authorizations = head.headers.get_all(AUTHORIZATION).into_iter();
        let mut passwords = authorizations.filter_map(|value| basic_password(value.as_bytes()));
        let password = passwords
            .next()
            .ok_or_else(ApiError::missing_gateway_credential)?;
        Ok(Self {
            header: CredentialHeader::BasicPassword,
            secret: passwords.next().is_none().then_some(Cow::Owned(password)),
        })
    }

    /// The values of a header that are not empty.
    fn in_header(head: &'a Parts, name: &HeaderName, header: CredentialHeader) -> Option<Self> {
        let keys = head.headers.get_all(name).into_iter();
        let mut keys = keys
            .map(http::HeaderValue::as_bytes)
            .filter(|key| !key.is_empty());
        let key = keys.next()?;
        Some(Self {
            header,
            secret: keys.next().is_none().then_some(Cow::Borrowed(key)),
        })
    }

    fn of(head: &'a Parts) -> Option<Self> {
        if let Some(sent) = Self::in_header(head, &API_KEY, CredentialHeader::ApiKey) {
            return Some(sent);
        }
        let authorizations = head.headers.get_all(AUTHORIZATION).into_iter();
        let mut tokens = authorizations.filter_map(|value| bearer_token(value.as_bytes()));
        let token = tokens.next()?;
        Some(Self {
            header: CredentialHeader::Bearer,
            secret: tokens.next().is_none().then_some(Cow::Borrowed(token)),
        })
    }
}

fn bearer_token(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(b"Bearer ".len())?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"Bearer ") && !token.is_empty()).then_some(token)
}

/// The password of HTTP Basic, whoever the user is said to be.
fn basic_password(value: &[u8]) -> Option<Vec<u8>> {
    let (scheme, encoded) = value.split_at_checked(b"Basic ".len())?;
    if !scheme.eq_ignore_ascii_case(b"Basic ") {
        return None;
    }
    let mut decoded = STANDARD.decode(encoded.trim_ascii()).ok()?;
    let colon = decoded.iter().position(|&byte| byte == b':')?;
    let password = decoded.split_off(colon + 1);
    (!password.is_empty()).then_some(password)
}

fn tenant(identity: &Identity) -> Result<(OrganizationScope, &Organization), Failure> {
    let tenant = Tenant::of(identity)?;
    Ok((tenant.scope.clone(), tenant.organization))
}

/// Whether the organization is served now: not on hold, and within its limit (step 6). What a
/// development server was asked to fail, fails here, with the headers a real failure has.
async fn admit(exchange: &Exchange<'_>, organization: &Organization) -> Result<(), Failure> {
    let app = exchange.app;
    match organization.status {
        OrganizationStatus::Active => {}
        OrganizationStatus::OnHold => return Err(ApiError::organization_on_hold().into()),
    }
    within_rate(exchange, organization)?;
    match &app.development {
        None => Ok(()),
        Some(development) => strike(exchange, &development.faults).await,
    }
}

/// Counts the request against its organization's limit, once.
pub(crate) fn within_rate(
    exchange: &Exchange<'_>,
    organization: &Organization,
) -> Result<(), Failure> {
    let app = exchange.app;
    let limit = organization.rate_limit_rpm.and_then(NonZeroU32::new);
    let Some(rpm) = limit.filter(|_| exchange.rate.get().is_none()) else {
        return Ok(());
    };
    let now = exchange.begun.as_micros();
    let rate = app.rates.load().check(organization.id.as_str(), rpm, now);
    // Nothing set it in between.
    let _ = exchange.rate.set(rate);
    match rate.retry_after {
        None => Ok(()),
        Some(wait) => {
            app.metrics.record_rate_limited();
            Err(Failure::try_again(ApiError::rate_limited(rate.limit), wait))
        }
    }
}

async fn strike(exchange: &Exchange<'_>, faults: &Faults) -> Result<(), Failure> {
    let organization = exchange
        .identity
        .get()
        .and_then(|it| it.organization.as_ref());
    let organization_id = organization.map(|it| &it.id);
    let struck = faults.strike(exchange.head, organization_id).await;
    let Some(Strike { name, failure }) = struck else {
        return Ok(());
    };
    if let Some(name) = name {
        // Set once by construction: a request is admitted once.
        let _ = exchange.fault.set(name);
    }
    failure.map_or(Ok(()), Err)
}

/// Step 9: the workspace the request acts in, if it acts in one.
async fn workspace(
    exchange: &Exchange<'_>,
    identity: &Identity,
    scope: &OrganizationScope,
) -> Result<(), Failure> {
    let sent = parse_workspace(header_values(exchange.head, &WORKSPACE))?;
    let acts_in = match (identity.key.owner.workspace_id(), sent) {
        (None, None) => return Ok(()),
        (Some(bound), None) => bound.clone(),
        (Some(bound), Some(sent)) if *bound == sent => sent,
        (Some(_), Some(_)) => return Err(ApiError::workspace_mismatch().into()),
        (None, Some(sent)) => {
            let has = exchange.app.store.has_workspace(scope, &sent);
            if !exchange.read(Operation::FindWorkspace, has).await? {
                return Err(ApiError::workspace_mismatch().into());
            }
            sent
        }
    };
    // Set once by construction: a request is authenticated once.
    let _ = exchange.workspace.set(acts_in);
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn sent(headers: &[(&'static str, &'static str)]) -> Option<(bool, Option<String>)> {
        let mut request = Request::get("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        let sent = SentCredential::of(&head)?;
        let text = |secret: Cow<'_, [u8]>| String::from_utf8(secret.into_owned()).unwrap();
        Some((
            sent.header == CredentialHeader::ApiKey,
            sent.secret.map(text),
        ))
    }

    #[test]
    fn a_gateway_s_key_is_not_mistaken_for_what_the_client_sent() {
        let gateway = |headers: &[(&'static str, &'static str)]| {
            let mut request = Request::get("/");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let (head, ()) = request.body(()).unwrap().into_parts();
            let sent = SentCredential::of_gateway(&head).ok()?;
            let secret = sent.secret.unwrap_or_default().into_owned();
            Some(String::from_utf8(secret).unwrap())
        };
        let key = ("x-rollcall-gateway-key", "a");
        let basic = ("authorization", "Basic dXNlcjpwYXNzOndvcmQ=");
        assert_eq!(gateway(&[key]).as_deref(), Some("a"));
        assert_eq!(gateway(&[basic]).as_deref(), Some("pass:word"));
        assert_eq!(gateway(&[basic, key]).as_deref(), Some("a"));
        assert_eq!(gateway(&[key, key]).as_deref(), Some(""));
        for (name, value) in [
            ("x-api-key", "a"),
            ("authorization", "Bearer a"),
            ("authorization", "Basic %%%"),
            ("authorization", "Basic dXNlcg=="),
            ("authorization", "Basic dXNlcjo="),
        ] {
            assert_eq!(gateway(&[(name, value)]), None, "{name}: {value}");
        }
    }

    #[test]
    fn the_api_key_decides_and_what_is_empty_is_absent() {
        let key = |secret: &str| Some((true, Some(secret.to_owned())));
        let bearer = |secret: &str| Some((false, Some(secret.to_owned())));
        assert_eq!(sent(&[]), None);
        assert_eq!(sent(&[("x-api-key", "a")]), key("a"));
        assert_eq!(
            sent(&[("authorization", "Bearer b"), ("x-api-key", "a")]),
            key("a")
        );
        assert_eq!(
            sent(&[("authorization", "bEaReR  b"), ("x-api-key", "")]),
            bearer("b")
        );
        for value in ["", "Bearer", "Bearer ", "Basic b", "b", "Bearerb"] {
            assert_eq!(sent(&[("authorization", value)]), None, "{value}");
        }
        assert_eq!(
            sent(&[("x-api-key", "a"), ("x-api-key", "b")]),
            Some((true, None))
        );
    }
}
