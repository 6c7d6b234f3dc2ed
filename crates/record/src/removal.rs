//! The end of a tenancy that has begun, as JSON: what is stored with the organization until it is over.

use rollcall_domain::audit::{Actor, ActorKind};
use rollcall_domain::removal::Removal;

/// The text is not a stored removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DamagedRemoval;

/// The removal as an object.
pub fn encode(removal: &Removal) -> String {
    let Actor { kind, id, name } = &removal.actor;
    serde_json::json!({
        "actor": {"kind": kind.as_str(), "id": id, "name": name},
        "gone": removal.gone,
    })
    .to_string()
}

/// Reads a text of [`encode`].
pub fn decode(text: &str) -> Result<Removal, DamagedRemoval> {
    read(text).ok_or(DamagedRemoval)
}

fn read(text: &str) -> Option<Removal> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    let actor = value.get("actor")?;
    let text = |name: &str| Some(actor.get(name)?.as_str()?.to_owned());
    let gone = value.get("gone")?.as_object()?.iter();
    Some(Removal {
        actor: Actor {
            kind: ActorKind::parse(&text("kind")?).ok()?,
            id: text("id")?,
            name: text("name"),
        },
        gone: gone
            .map(|(what, rows)| Some((what.clone(), rows.as_u64()?)))
            .collect::<Option<_>>()?,
    })
}
