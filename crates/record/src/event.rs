//! The body of a webhook event (contract `webhooks.md`, *Envelope*).
//!
//! It is made once, when the event is stored, and every attempt of every delivery sends exactly
//! these bytes.

use rollcall_domain::event::Event;
use rollcall_domain::id::{EventId, OrganizationId};

use crate::{json, time};

/// The body of `event`, compact.
pub fn body(id: &EventId, organization_id: &OrganizationId, event: &Event) -> String {
    let mut out = String::with_capacity(320);
    out.push_str(r#"{"type":"event","id":"#);
    json::write_string(&mut out, id.as_str());
    out.push_str(r#","created_at":""#);
    time::write(&mut out, event.at);
    out.push_str(r#"","data":{"type":"#);
    json::write_string(&mut out, event.kind.event_type().as_str());
    out.push_str(r#","id":"#);
    json::write_string(&mut out, event.profile_id.as_str());
    if let Some(action_id) = event.kind.enforcement_action_id() {
        out.push_str(r#","enforcement_action_id":"#);
        json::write_string(&mut out, action_id.as_str());
    }
    out.push_str(r#","organization_id":"#);
    json::write_string(&mut out, organization_id.as_str());
    out.push_str("}}");
    out
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
}
