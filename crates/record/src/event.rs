//! The body of a webhook event (contract `webhooks.md`, *Envelope*).
//!
//! It is made once, when the event is stored, and every attempt of every delivery sends exactly
//! these bytes.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::delivery::TEST_EVENT_TYPE;
use rollcall_domain::event::Event;
use rollcall_domain::id::{EventId, OrganizationId, WebhookEndpointId};

use crate::{json, time};

/// The body of `event`, compact.
pub fn body(id: &EventId, organization_id: &OrganizationId, event: &Event) -> String {
    let mut out = String::with_capacity(320);
    let event_type = event.kind.event_type().as_str();
    open(
        &mut out,
        id,
        event.at,
        event_type,
        event.profile_id.as_str(),
    );
    if let Some(action_id) = event.kind.enforcement_action_id() {
        out.push_str(r#","enforcement_action_id":"#);
        json::write_string(&mut out, action_id.as_str());
    }
    close(&mut out, organization_id);
    out
}

/// The body of an event that was made at `at` to test an endpoint.
pub fn test_body(
    id: &EventId,
    organization_id: &OrganizationId,
    endpoint_id: &WebhookEndpointId,
    at: Timestamp,
) -> String {
    let mut out = String::with_capacity(320);
    open(&mut out, id, at, TEST_EVENT_TYPE, endpoint_id.as_str());
    close(&mut out, organization_id);
    out
}

/// Writes an event as far as the id of what it is about.
fn open(out: &mut String, id: &EventId, at: Timestamp, event_type: &str, about: &str) {
    out.push_str(r#"{"type":"event","id":"#);
    json::write_string(out, id.as_str());
    out.push_str(r#","created_at":""#);
    time::write(out, at);
    out.push_str(r#"","data":{"type":"#);
    json::write_string(out, event_type);
    out.push_str(r#","id":"#);
    json::write_string(out, about);
}

fn close(out: &mut String, organization_id: &OrganizationId) {
    out.push_str(r#","organization_id":"#);
    json::write_string(out, organization_id.as_str());
    out.push_str("}}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use rollcall_domain::event::EventKind;
    use rollcall_domain::id::{EnforcementActionId, ProfileId};

    #[test]
    fn the_contract_example_is_written_byte_for_byte() {
        let event = Event {
            profile_id: ProfileId::parse("uprof_011Caw7UBvkeMCpZkHRpjtPh").unwrap(),
            at: time::parse("2026-10-30T18:20:11Z").unwrap(),
            kind: EventKind::EnforcementActionOpened(
                EnforcementActionId::parse("enac_011CgYtEdis35bAPd4Ls8CRd").unwrap(),
            ),
        };
        let id = EventId::parse("whe_9c41d0e7a2b34f5886d1c07be3fa5512").unwrap();
        let organization = OrganizationId::parse("0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11").unwrap();
        assert_eq!(
            body(&id, &organization, &event),
            r#"{"type":"event","id":"whe_9c41d0e7a2b34f5886d1c07be3fa5512","created_at":"2026-10-30T18:20:11Z","data":{"type":"user_profile.enforcement_action_opened","id":"uprof_011Caw7UBvkeMCpZkHRpjtPh","enforcement_action_id":"enac_011CgYtEdis35bAPd4Ls8CRd","organization_id":"0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11"}}"#
        );
    }
    #[test]
    fn a_test_event_has_the_envelope_of_every_other() {
        let id = EventId::parse("whe_1").unwrap();
        let organization = OrganizationId::parse("org").unwrap();
        let endpoint = WebhookEndpointId::parse("whep_1").unwrap();
        let at = time::parse("2026-10-30T18:20:11Z").unwrap();
        assert_eq!(
            test_body(&id, &organization, &endpoint, at),
            r#"{"type":"event","id":"whe_1","created_at":"2026-10-30T18:20:11Z","data":{"type":"webhook_endpoint.test","id":"whep_1","organization_id":"org"}}"#
        );
    }
}
