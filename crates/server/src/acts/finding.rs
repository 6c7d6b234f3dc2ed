//! Finding anything by whatever somebody has of it: an id of any kind, a platform's reference id, an e-mail address or its hash,
//! the beginning of a name.
//!
//! Every kind is one question that an index answers, and what cannot be of a kind is not asked for; so looking takes as long in a
//! large registry as in a small one.

use rollcall_domain::audit::AuditEvent;
use rollcall_domain::delivery::Delivery;
use rollcall_domain::enrollment::Enrollment;
use rollcall_domain::id::{
    ApiKeyId, AuditEventId, DeliveryId, EnforcementActionId, EnrollmentId, EventId, OrganizationId,
    ProfileId, WebhookEndpointId, WorkspaceId,
};
use rollcall_domain::page::Limit;
use rollcall_domain::profile::Profile;
use rollcall_domain::search::{ProfileSearch, SearchPage};
use rollcall_domain::tenant::{ApiKey, Organization, Workspace};
use rollcall_domain::text::{Name, OpaqueHash, ReferenceId};
use rollcall_store::deliveries::DeliveryFilter;
use rollcall_store::webhooks::OwnedEndpoint;

use super::enforcement::{self, NamedAction};
use super::{
    Desk, audit, deliveries, endpoints, enrollments, if_there, keys, organizations, profiles,
    workspaces,
};
use crate::http::error::Failure;

/// Most profiles that are told of one question.
const MOST: Limit = Limit::DEFAULT;

/// What was found.
pub(crate) enum Thing {
    Profile(OrganizationId, Box<Profile>),
    /// A profile of which what is stored is damaged.
    Damaged(ProfileId),
    Action(NamedAction),
    Enrollment(Enrollment),
    Organization(Box<Organization>),
    Workspace(Workspace),
    Endpoint(Box<OwnedEndpoint>),
    Delivery(Delivery),
    Key(ApiKey),
    AuditEvent(AuditEvent),
}

/// What a thing was found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Id,
    EventId,
    Reference,
    Email,
    EmailHash,
    Name,
}

/// A thing, and all that it was found by.
pub(crate) struct Hit {
    pub(crate) thing: Thing,
    pub(crate) ways: Vec<Way>,
}

/// What looking came to.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) hits: Vec<Hit>,
    /// The ways by which something was looked for.
    pub(crate) tried: Vec<Way>,
    /// Those by which more profiles may be found than are told.
    pub(crate) more: Vec<Way>,
}

impl Found {
    fn add(&mut self, thing: Thing, way: Way) {
        let named = profile_of(&thing);
        let mut known = self.hits.iter_mut();
        let same = known.find(|hit| named.is_some() && profile_of(&hit.thing) == named);
        match same {
            Some(hit) if hit.ways.contains(&way) => {}
            Some(hit) => hit.ways.push(way),
            None => self.hits.push(Hit {
                thing,
                ways: vec![way],
            }),
        }
    }
}

fn profile_of(thing: &Thing) -> Option<ProfileId> {
    match thing {
        Thing::Profile(_, profile) => Some(profile.id.clone()),
        Thing::Damaged(id) => Some(id.clone()),
        _ => None,
    }
}

/// Whether a text can be an e-mail address.
pub(crate) fn is_address(text: &str) -> bool {
    text.contains('@')
}

/// Everything that has to do with a text, which has no space around it.
pub(crate) async fn find(desk: &Desk<'_>, text: &str) -> Result<Found, Failure> {
    let mut found = Found::default();
    by_id(desk, text, &mut found).await?;
    by_what_profiles_hold(desk, text, &mut found).await?;
    Ok(found)
}

/// What is called so. Only organizations and webhook endpoints can be called anything; of the others the id says what it is of.
async fn by_id(desk: &Desk<'_>, text: &str, found: &mut Found) -> Result<(), Failure> {
    let mut things = Vec::new();
    let mut events = Vec::new();
    if let Ok(id) = ProfileId::parse(text) {
        if let Some(owned) = if_there(profiles::find(desk, &id).await)? {
            things.push(
                owned
                    .document
                    .decode()
                    .map_or(Thing::Damaged(id), |profile| {
                        Thing::Profile(owned.organization_id, Box::new(profile))
                    }),
            );
        }
    } else if let Ok(id) = EnforcementActionId::parse(text) {
        things.extend(if_there(enforcement::find(desk, id).await)?.map(Thing::Action));
    } else if let Ok(id) = EnrollmentId::parse(text) {
        things.extend(if_there(enrollments::find(desk, &id).await)?.map(Thing::Enrollment));
    } else if let Ok(id) = WorkspaceId::parse(text) {
        things.extend(workspaces::look_up(desk, &id).await?.map(Thing::Workspace));
    } else if let Ok(id) = ApiKeyId::parse(text) {
        things.extend(if_there(keys::find(desk, &id).await)?.map(Thing::Key));
    } else if let Ok(id) = DeliveryId::parse(text) {
        let delivery = if_there(deliveries::find(desk, &id).await)?;
        things.extend(delivery.map(|(delivery, _)| Thing::Delivery(delivery)));
    } else if let Ok(id) = EventId::parse(text) {
        events = of_event(desk, id).await?;
        found.tried.push(Way::EventId);
    } else if let Ok(id) = AuditEventId::parse(text) {
        things.extend(if_there(audit::find(desk, &id).await)?.map(Thing::AuditEvent));
    }
    if let Ok(id) = OrganizationId::parse(text) {
        let organization = if_there(organizations::find(desk, &id).await)?;
        things.extend(organization.map(|it| Thing::Organization(Box::new(it))));
        found.tried.push(Way::Id);
    }
    if let Ok(id) = WebhookEndpointId::parse(text) {
        let endpoint = endpoints::look_up(desk, &id).await?;
        things.extend(endpoint.map(|it| Thing::Endpoint(Box::new(it))));
    }
    for thing in things {
        found.add(thing, Way::Id);
    }
    for delivery in events {
        found.add(Thing::Delivery(delivery), Way::EventId);
    }
    Ok(())
}

/// What was delivered of an event, which every endpoint of its organization can have been told of.
async fn of_event(desk: &Desk<'_>, id: EventId) -> Result<Vec<Delivery>, Failure> {
    let filter = DeliveryFilter {
        event_id: Some(id),
        ..DeliveryFilter::default()
    };
    let listed = deliveries::list(desk, &filter, None, Limit::LARGEST).await?;
    Ok(listed.deliveries)
}

/// Profiles that hold the text, or its hash, or have a name that begins with it.
async fn by_what_profiles_hold(
    desk: &Desk<'_>,
    text: &str,
    found: &mut Found,
) -> Result<(), Failure> {
    let mut questions = Vec::new();
    let mut ask = |way, search| questions.push((way, search));
    if let Ok(reference) = ReferenceId::parse(text) {
        let search = ProfileSearch {
            reference_id: Some(reference),
            ..ProfileSearch::default()
        };
        ask(Way::Reference, search);
    }
    let of_hash = |hash: &str| {
        let hash = OpaqueHash::parse(hash).ok()?;
        Some(ProfileSearch {
            email_hash: Some(hash),
            ..ProfileSearch::default()
        })
    };
    if let Some(hashing) = &desk.app().settings.email_hashing
        && is_address(text)
    {
        let searches = hashing.hashes(text).into_iter();
        for search in searches.filter_map(|hash| of_hash(&hash)) {
            ask(Way::Email, search);
        }
    }
    if let Some(search) = of_hash(text) {
        ask(Way::EmailHash, search);
    }
    if let Ok(name) = Name::parse(text) {
        let search = ProfileSearch {
            name_prefix: Some(name.folded()),
            ..ProfileSearch::default()
        };
        ask(Way::Name, search);
    }
    for (way, search) in questions {
        if !found.tried.contains(&way) {
            found.tried.push(way);
        }
        let page = SearchPage {
            search,
            limit: MOST,
            after: None,
        };
        let now = desk.app().clock.now();
        let answer = profiles::search(desk, &page, now).await?;
        for (organization_id, profile) in answer.profiles {
            found.add(Thing::Profile(organization_id, Box::new(profile)), way);
        }
        for id in answer.damaged {
            found.add(Thing::Damaged(id), way);
        }
        if answer.next.is_some() {
            found.more.push(way);
        }
    }
    Ok(())
}
