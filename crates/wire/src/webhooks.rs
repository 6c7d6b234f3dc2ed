//! Webhook endpoints as their organization's administrator manages them, and the signature of what is
//! sent to them (contract `webhooks.md`). No dialect applies here.
//!
//! The bodies of events are `rollcall_record::event`'s: they are made once, when the event is stored.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use rollcall_domain::event::Subscription;
use rollcall_domain::host_name::HostName;
use rollcall_domain::id::WebhookEndpointId;
use rollcall_domain::page::Order;
use rollcall_domain::webhook::{
    AutoDisabled, ENDPOINTS_PER_ORGANIZATION, EVENTS_PER_ENDPOINT, EndpointDraft, EndpointPatch,
    EndpointState, SigningKey, WebhookEndpoint,
};
use rollcall_record::field::{Field, FieldError, Fields, Read};
use sha2::Sha256;
use thiserror::Error;
use url::{Host, Url};

use crate::error::ApiError;
use crate::object::{self, ObjectWriter};
use crate::parts::{body_fields, optional_body_fields};
use crate::query::{Query, integer};

/// The most characters of an endpoint's description.
pub const DESCRIPTION_LIMIT: usize = 1_024;
/// The most characters of an endpoint's name.
pub const NAME_LIMIT: usize = 255;
/// The most characters of an endpoint's URL.
pub const URL_LIMIT: usize = 2_048;

/// What an administrator may ask of an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndpointRules {
    /// Which addresses it may have.
    pub urls: UrlPolicy,
    /// Whether it may subscribe to known event types alone.
    pub only_known_events: bool,
}

/// Which addresses an endpoint may have. What a name leads to is judged at each delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UrlPolicy {
    /// `http` beside `https`.
    pub allow_http: bool,
    /// Any port, not the scheme's own alone.
    pub allow_any_port: bool,
    /// IP addresses instead of a name, and the name `localhost`.
    pub allow_ip_literals: bool,
}

impl UrlPolicy {
    /// What `rollcall dev` allows.
    pub const DEVELOPMENT: Self = Self {
        allow_http: true,
        allow_any_port: true,
        allow_ip_literals: true,
    };

    /// Judges an address; it is kept as it was sent.
    ///
    /// It is read by the parser that deliveries are sent with, which forgives a lot (white space,
    /// backslashes, missing slashes); what is only understood that way is refused, so that every
    /// other reader understands the same address.
    pub fn parse(self, text: &str) -> Result<String, InvalidUrl> {
        if text.is_empty() {
            return Err(InvalidUrl::Empty);
        }
        if text.chars().nth(URL_LIMIT).is_some() {
            return Err(InvalidUrl::TooLong);
        }
        let plain = |c: char| !c.is_whitespace() && !c.is_control() && c != '\\';
        let url = Url::parse(text).ok().filter(|_| text.chars().all(plain));
        let url = url.ok_or(self.not_a_url())?;
        let authority = self.authority(&url, text).ok_or(self.not_a_url())?;
        if authority.contains(['@', '%']) || text.contains('#') {
            return Err(self.not_a_url());
        }
        let is_public = match url.host() {
            None => return Err(self.not_a_url()),
            Some(Host::Ipv4(_) | Host::Ipv6(_)) => false,
            Some(Host::Domain(name)) => {
                let name = HostName::parse(name).ok_or(self.not_a_url())?;
                !name.is_localhost()
            }
        };
        if !is_public && !self.allow_ip_literals {
            return Err(InvalidUrl::NoName);
        }
        if url.port().is_some() && !self.allow_any_port {
            return Err(InvalidUrl::Port);
        }
        Ok(text.to_owned())
    }

    /// What stands between the two slashes and the path.
    fn authority<'a>(self, url: &Url, text: &'a str) -> Option<&'a str> {
        let (scheme, rest) = text.split_once("://")?;
        let known = scheme.eq_ignore_ascii_case(url.scheme())
            && (url.scheme() == "https" || (self.allow_http && url.scheme() == "http"));
        let authority = rest.split(['/', '?', '#']).next()?;
        (known && !authority.is_empty()).then_some(authority)
    }

    fn not_a_url(self) -> InvalidUrl {
        if self.allow_http {
            InvalidUrl::NeitherHttpNorHttps
        } else {
            InvalidUrl::NotHttps
        }
    }
}

/// Why an address is not taken; written to stand after `url: `.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidUrl {
    /// The text is empty.
    #[error("must be at least 1 character")]
    Empty,
    /// The text is too long.
    #[error("must be at most {URL_LIMIT} characters")]
    TooLong,
    /// Not an absolute `https` URL with a host and without user and fragment.
    #[error("must be an https URL")]
    NotHttps,
    /// The same, where `http` is allowed too.
    #[error("must be an http or https URL")]
    NeitherHttpNorHttps,
    /// The host is an address, or `localhost`.
    #[error("must be an https URL with a public host name, not an IP address or localhost")]
    NoName,
    /// The port is not the scheme's own.
    #[error("must be an https URL on port 443")]
    Port,
}

/// Reads the body of a create.
pub fn parse_create(body: &[u8], rules: EndpointRules) -> Result<EndpointDraft, ApiError> {
    let mut fields = body_fields(body)?;
    let events = fields.required("enabled_events")?;
    let path = events.path.clone();
    let enabled_events = subscriptions(events, rules)?;
    if enabled_events.is_empty() {
        return Err(FieldError::new(path, "must list at least one event type").into());
    }
    let draft = EndpointDraft {
        enabled_events,
        url: fields
            .required("url")?
            .parsed(|text| rules.urls.parse(text))?,
        description: text(&mut fields, "description", DESCRIPTION_LIMIT)?.unwrap_or_default(),
        name: text(&mut fields, "name", NAME_LIMIT)?.unwrap_or_default(),
    };
    fields.finish()?;
    Ok(draft)
}

/// Reads the body of an update. An empty list of event types leaves them as they are.
pub fn parse_update(body: &[u8], rules: EndpointRules) -> Result<EndpointPatch, ApiError> {
    let mut fields = body_fields(body)?;
    let description = text(&mut fields, "description", DESCRIPTION_LIMIT)?;
    let events = fields.take("enabled_events");
    let enabled_events = events.map(|field| subscriptions(field, rules));
    let enabled_events = enabled_events.transpose()?;
    let name = text(&mut fields, "name", NAME_LIMIT)?;
    let state = fields.take("state");
    let state = state.map(|field| field.parsed(EndpointState::parse));
    let state = state.transpose()?;
    let url = fields.take("url");
    let url = url.map(|field| field.parsed(|text| rules.urls.parse(text)));
    let url = url.transpose()?;
    fields.finish()?;
    Ok(EndpointPatch {
        description,
        enabled_events: enabled_events.filter(|events| !events.is_empty()),
        name,
        state,
        url,
    })
}

/// Checks the body of a secret's regeneration: none, or an empty object.
pub fn parse_regenerate_body(body: &[u8]) -> Result<(), ApiError> {
    Ok(optional_body_fields(body)?.finish()?)
}

/// Event types in the order sent, repeats dropped.
fn subscriptions(field: Field, rules: EndpointRules) -> Read<Vec<Subscription>> {
    let parse = if rules.only_known_events {
        Subscription::parse_known
    } else {
        Subscription::parse
    };
    let path = field.path.clone();
    let mut events = Vec::new();
    for element in field.array()? {
        let event = element.parsed(parse)?;
        if events.contains(&event) {
            continue;
        }
        if events.len() == EVENTS_PER_ENDPOINT {
            let message = format!("must list at most {EVENTS_PER_ENDPOINT} event types");
            return Err(FieldError::new(path, message));
        }
        events.push(event);
    }
    Ok(events)
}

/// A text that may be empty and not null.
fn text(fields: &mut Fields, name: &'static str, limit: usize) -> Read<Option<String>> {
    let Some(field) = fields.take(name) else {
        return Ok(None);
    };
    let (path, text) = field.string()?;
    if text.chars().nth(limit).is_some() {
        let message = format!("must be at most {limit} characters");
        return Err(FieldError::new(path, message));
    }
    Ok(Some(text))
}

/// Where a page of endpoints lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointCursor {
    /// Right after this endpoint.
    After(WebhookEndpointId),
    /// The first ones of the list, as long as they come before this endpoint.
    Before(WebhookEndpointId),
}

/// A request for one page of an organization's endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointListing {
    /// 1 to 100.
    pub limit: usize,
    /// By creation time, ties by id.
    pub order: Order,
    /// Which page; the first when absent.
    pub cursor: Option<EndpointCursor>,
}

impl EndpointListing {
    const DEFAULT_LIMIT: u8 = 20;

    /// Reads the query of a list. `limit=0` means the default, as SDKs send it.
    pub fn parse(query: Option<&str>) -> Result<Self, ApiError> {
        let mut query = Query::parse(query)?;
        let limit = query.take_parsed("limit", |text| {
            integer(text)
                .filter(|limit| *limit <= 100)
                .ok_or("must be an integer from 0 to 100")
        })?;
        let order = query.take_parsed("order", Order::parse)?;
        let after = query.take_parsed("after_id", endpoint_id)?;
        let before = query.take_parsed("before_id", endpoint_id)?;
        query.take_beta()?;
        query.finish()?;
        let cursor = match (after, before) {
            (None, None) => None,
            (Some(after), None) => Some(EndpointCursor::After(after)),
            (None, Some(before)) => Some(EndpointCursor::Before(before)),
            (Some(_), Some(_)) => {
                return Err(ApiError::at("before_id", "must not stand beside after_id"));
            }
        };
        let limit = limit.filter(|limit| *limit > 0);
        Ok(Self {
            limit: usize::from(limit.unwrap_or(Self::DEFAULT_LIMIT)),
            order: order.unwrap_or(Order::Descending),
            cursor,
        })
    }

    /// The page of this listing out of all endpoints of the organization, of which there are few.
    pub fn page(&self, mut endpoints: Vec<WebhookEndpoint>) -> Result<EndpointPage, ApiError> {
        endpoints.sort_by(|left, right| {
            let ascending = (left.created_at, &left.id).cmp(&(right.created_at, &right.id));
            match self.order {
                Order::Ascending => ascending,
                Order::Descending => ascending.reverse(),
            }
        });
        match &self.cursor {
            None => {}
            Some(EndpointCursor::After(id)) => {
                let at = place(&endpoints, "after_id", id)?;
                endpoints.drain(..=at);
            }
            Some(EndpointCursor::Before(id)) => {
                endpoints.truncate(place(&endpoints, "before_id", id)?);
            }
        }
        let has_more = endpoints.len() > self.limit;
        endpoints.truncate(self.limit);
        Ok(EndpointPage {
            endpoints,
            has_more,
        })
    }
}

/// An id that cannot be one is told like one that is not there.
fn endpoint_id(text: &str) -> Result<WebhookEndpointId, &'static str> {
    WebhookEndpointId::parse(text).map_err(|_| NOT_AN_ENDPOINT)
}

const NOT_AN_ENDPOINT: &str = "not a webhook endpoint of this organization";

fn place(
    endpoints: &[WebhookEndpoint],
    parameter: &str,
    id: &WebhookEndpointId,
) -> Result<usize, ApiError> {
    endpoints
        .iter()
        .position(|endpoint| endpoint.id == *id)
        .ok_or_else(|| ApiError::at(parameter, NOT_AN_ENDPOINT))
}

/// One page of endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointPage {
    /// The endpoints, in the order of the listing.
    pub endpoints: Vec<WebhookEndpoint>,
    /// Whether something follows: to the end of the list, or up to the `before_id`.
    pub has_more: bool,
}

/// The refusal of a 33rd endpoint.
pub fn too_many_endpoints() -> ApiError {
    ApiError::invalid(format!(
        "An organization can have at most {ENDPOINTS_PER_ORGANIZATION} webhook endpoints"
    ))
}

/// Appends an endpoint; with its key only in the answer to its creation.
pub fn write_endpoint(out: &mut String, endpoint: &WebhookEndpoint, key: Option<&SigningKey>) {
    let reason = endpoint.disabled_reason.map_or("", AutoDisabled::as_str);
    let events = endpoint.enabled_events.iter();
    let mut object = ObjectWriter::new(out)
        .text("id", endpoint.id.as_str())
        .time("created_at", endpoint.created_at)
        .text("description", &endpoint.description)
        .text("disabled_reason", reason)
        .texts("enabled_events", events.map(Subscription::as_str))
        .text("name", &endpoint.name);
    if let Some(key) = key {
        object = object.text("signing_secret", &secret_text(key));
    }
    object
        .text("state", endpoint.state.as_str())
        .time("updated_at", endpoint.updated_at)
        .text("url", &endpoint.url)
        .close();
}

/// The answer to a list.
pub fn write_page(page: &EndpointPage) -> String {
    let id = |endpoint: Option<&WebhookEndpoint>| endpoint.map(|endpoint| endpoint.id.to_string());
    let first_id = id(page.endpoints.first());
    let last_id = id(page.endpoints.last());
    object::object(|envelope| {
        envelope
            .array("data", &page.endpoints, |out, endpoint| {
                write_endpoint(out, endpoint, None);
            })
            .optional_text("first_id", first_id.as_deref())
            .boolean("has_more", page.has_more)
            .optional_text("last_id", last_id.as_deref())
    })
}

/// The answer to a delete.
pub fn deleted_endpoint(id: &WebhookEndpointId) -> String {
    object::object(|answer| {
        answer
            .text("id", id.as_str())
            .text("type", "webhook_endpoint_deleted")
    })
}

/// The answer to a secret's regeneration.
pub fn regenerated_secret(key: &SigningKey) -> String {
    object::object(|answer| answer.text("signing_secret", &secret_text(key)))
}

const SECRET_PREFIX: &str = "whsec_";

/// The text that an administrator gets of a key: `whsec_` and standard base64.
pub fn secret_text(key: &SigningKey) -> String {
    format!("{SECRET_PREFIX}{}", STANDARD.encode(key.0))
}

/// The key of such a text, for receivers of our own.
pub fn parse_secret(text: &str) -> Option<SigningKey> {
    let bytes = STANDARD.decode(text.strip_prefix(SECRET_PREFIX)?).ok()?;
    bytes.try_into().ok().map(SigningKey)
}

/// The value of `webhook-signature` for an attempt at `timestamp` (Unix seconds) to send the event
/// `id` with exactly this body.
pub fn sign(key: &SigningKey, id: &str, timestamp: i64, body: &[u8]) -> String {
    let signature = signed(key, id, timestamp, body).finalize();
    format!("v1,{}", STANDARD.encode(signature.into_bytes()))
}

/// Whether one of the signatures of a `webhook-signature` header is of this key, id, timestamp and
/// body; for receivers of our own. It takes as long for a wrong signature as for the right one.
pub fn is_signed(
    key: &SigningKey,
    id: &str,
    timestamp: i64,
    body: &[u8],
    signatures: &str,
) -> bool {
    let signed = signed(key, id, timestamp, body);
    let signatures = signatures.split(' ').filter_map(|signature| {
        let signature = signature.strip_prefix("v1,")?;
        STANDARD.decode(signature).ok()
    });
    signatures
        .map(|signature| signed.clone().verify_slice(&signature).is_ok())
        .fold(false, |found, matches| found | matches)
}

fn signed(key: &SigningKey, id: &str, timestamp: i64, body: &[u8]) -> Hmac<Sha256> {
    // A key of 32 bytes is within the block that HMAC pads keys to.
    let mut block = [0; 64];
    block[..32].copy_from_slice(&key.0);
    let mut hmac = <Hmac<Sha256> as hmac::KeyInit>::new(&block.into());
    hmac.update(format!("{id}.{timestamp}.").as_bytes());
    hmac.update(body);
    hmac
}
