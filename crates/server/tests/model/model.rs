//! What the contract says (`user-profiles.md`, `operator.md`), done the plainest way there is.
//!
//! Written from the contract alone and sharing nothing with the server: where both are wrong, they are
//! wrong in different ways.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// When every sequence begins, in microseconds since the epoch: 2026-06-01T00:00:00Z.
const START: i64 = 1_780_272_000_000_000;

const DETAILS: [&str; 7] = [
    "account_status",
    "country",
    "email_hash",
    "entity_type",
    "name_hash",
    "onboarded_at",
    "reference_id",
];

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Invalid,
    Missing,
    Conflict,
}

impl Refused {
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::Invalid => 400,
            Self::Missing => 404,
            Self::Conflict => 409,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Profile {
    created_at: i64,
    updated_at: i64,
    fields: Fields,
    programs: BTreeMap<String, Value>,
    actions: Vec<Action>,
}

/// What a platform may change.
#[derive(Clone, Debug, PartialEq)]
struct Fields {
    relationship: String,
    name: Option<String>,
    metadata: BTreeMap<String, String>,
    details: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq)]
struct Action {
    id: String,
    ban: bool,
    reason: String,
    check: Check,
    opened_at: i64,
    expires_at: Option<i64>,
    resolved: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Check {
    None,
    Offered,
    Submitted,
}

/// One organization's profiles.
pub(crate) struct Model {
    pub(crate) now: i64,
    profiles: BTreeMap<String, Profile>,
    /// In the order of creation, deleted ones included.
    known: Vec<String>,
    known_actions: Vec<(String, String)>,
}

impl Model {
    pub(crate) fn new() -> Self {
        Self {
            now: START,
            profiles: BTreeMap::new(),
            known: Vec::new(),
            known_actions: Vec::new(),
        }
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        self.profiles.keys().cloned().collect()
    }

    /// One of the profiles there are or were.
    pub(crate) fn known_id(&self, which: usize) -> Option<String> {
        let at = which.checked_rem(self.known.len())?;
        Some(self.known[at].clone())
    }

    /// One of the enforcement actions there are or were, after its profile.
    pub(crate) fn known_action(&self, which: usize) -> Option<(String, String)> {
        let at = which.checked_rem(self.known_actions.len())?;
        Some(self.known_actions[at].clone())
    }

    /// Takes the id from the server's answer; everything else has to be as it says here.
    pub(crate) fn create(
        &mut self,
        dialect: &str,
        body: &Value,
        answer: &Value,
    ) -> Result<Value, Refused> {
        let empty = Fields {
            relationship: "external".into(),
            name: None,
            metadata: BTreeMap::new(),
            details: BTreeMap::new(),
        };
        let fields = apply(&empty, dialect, body, Intent::Create, self.now)?;
        let profile = Profile {
            created_at: self.now,
            updated_at: self.now,
            fields,
            programs: BTreeMap::new(),
            actions: Vec::new(),
        };
        let id = answer["id"].as_str().unwrap_or("no id").to_owned();
        let shown = show(&id, &profile, dialect, false, self.now);
        self.known.push(id.clone());
        self.profiles.insert(id, profile);
        Ok(shown)
    }

    pub(crate) fn update(
        &mut self,
        id: &str,
        dialect: &str,
        body: &Value,
    ) -> Result<Value, Refused> {
        let now = self.now;
        // The body is looked at before the profile is looked for.
        let blank = Fields {
            relationship: "external".into(),
            name: None,
            metadata: BTreeMap::new(),
            details: BTreeMap::new(),
        };
        apply(&blank, dialect, body, Intent::Update, now)?;
        let profile = self.profiles.get_mut(id).ok_or(Refused::Missing)?;
        let fields = apply(&profile.fields, dialect, body, Intent::Update, now)?;
        if fields != profile.fields {
            profile.fields = fields;
            profile.updated_at = now.max(profile.updated_at + 1);
        }
        Ok(show(id, profile, dialect, false, now))
    }

    pub(crate) fn delete(&mut self, id: &str) -> Result<Value, Refused> {
        self.profiles.remove(id).ok_or(Refused::Missing)?;
        Ok(json!({"id": id, "type": "user_profile_deleted"}))
    }

    pub(crate) fn get(&self, id: &str, dialect: &str) -> Result<Value, Refused> {
        let profile = self.profiles.get(id).ok_or(Refused::Missing)?;
        Ok(show(id, profile, dialect, true, self.now))
    }

    pub(crate) fn set_program(
        &mut self,
        id: &str,
        name: &str,
        standing: Option<&Value>,
    ) -> Result<(), Refused> {
        let profile = self.profiles.get_mut(id).ok_or(Refused::Missing)?;
        let status =
            |programs: &BTreeMap<String, Value>| programs.get(name).map(|it| it["status"].clone());
        let before = status(&profile.programs);
        match standing {
            Some(standing) => profile.programs.insert(name.to_owned(), standing.clone()),
            None => profile.programs.remove(name),
        };
        if status(&profile.programs) != before {
            profile.updated_at = self.now.max(profile.updated_at + 1);
        }
        Ok(())
    }

    pub(crate) fn open(
        &mut self,
        id: &str,
        action: &Value,
        expires_in: Option<i64>,
        answer: &Value,
    ) -> Result<(), Refused> {
        let ban = action["type"] == "ban";
        let compromise = action["reason"] == "account_compromise";
        let verify = action["action"] == "verify";
        let no_extras = ban || compromise;
        if no_extras && (verify || expires_in.is_some()) || expires_in.is_some_and(|wait| wait <= 0)
        {
            return Err(Refused::Invalid);
        }
        let profile = self.profiles.get_mut(id).ok_or(Refused::Missing)?;
        let opened = Action {
            id: answer["id"].as_str().unwrap_or("no id").to_owned(),
            ban,
            reason: action["reason"].as_str().unwrap().to_owned(),
            check: if verify { Check::Offered } else { Check::None },
            opened_at: self.now,
            expires_at: expires_in.map(|wait| self.now + wait),
            resolved: false,
        };
        self.known_actions.push((id.to_owned(), opened.id.clone()));
        profile.actions.push(opened);
        Ok(())
    }

    pub(crate) fn resolve(&mut self, id: &str, action: &str) -> Result<(), Refused> {
        self.open_action(id, action)?.resolved = true;
        Ok(())
    }

    pub(crate) fn check(&mut self, id: &str, action: &str, state: &str) -> Result<(), Refused> {
        let action = self.open_action(id, action)?;
        if action.check == Check::None {
            return Err(Refused::Conflict);
        }
        match state {
            "submitted" => action.check = Check::Submitted,
            "failed" => action.check = Check::Offered,
            _ => action.resolved = true,
        }
        Ok(())
    }

    fn open_action(&mut self, id: &str, action: &str) -> Result<&mut Action, Refused> {
        let now = self.now;
        let profile = self.profiles.get_mut(id).ok_or(Refused::Missing)?;
        let found = profile.actions.iter_mut().find(|it| it.id == action);
        let found = found.ok_or(Refused::Missing)?;
        if found.is_open(now) {
            Ok(found)
        } else {
            Err(Refused::Conflict)
        }
    }

    /// The listing, each profile as text.
    pub(crate) fn list(
        &self,
        order_by: &str,
        order: &str,
        dialect: &str,
        statuses: &[&str],
    ) -> Vec<String> {
        let mut rows: Vec<_> = self
            .profiles
            .iter()
            .filter(|(_, profile)| statuses.contains(&profile.status(self.now)))
            .collect();
        let folded = |profile: &Profile| {
            profile
                .fields
                .name
                .as_ref()
                .map(|name| name.to_ascii_lowercase())
        };
        rows.sort_by(|(left_id, left), (right_id, right)| {
            let keys = match order_by {
                "name" => folded(left).cmp(&folded(right)),
                _ => left.created_at.cmp(&right.created_at),
            };
            let ascending = keys.then(left_id.cmp(right_id));
            if order == "asc" {
                ascending
            } else {
                ascending.reverse()
            }
        });
        if order_by == "name" {
            // A stable sort: the unnamed last, in whatever direction they are.
            rows.sort_by_key(|(_, profile)| profile.fields.name.is_none());
        }
        rows.into_iter()
            .map(|(id, profile)| show(id, profile, dialect, false, self.now).to_string())
            .collect()
    }
}

impl Action {
    fn is_open(&self, now: i64) -> bool {
        !self.resolved && self.expires_at.is_none_or(|expires_at| expires_at > now)
    }
}

impl Profile {
    fn open_actions(&self, now: i64) -> Vec<&Action> {
        let mut open: Vec<_> = self.actions.iter().filter(|it| it.is_open(now)).collect();
        open.sort_by(|left, right| (left.opened_at, &left.id).cmp(&(right.opened_at, &right.id)));
        open
    }

    fn status(&self, now: i64) -> &'static str {
        let open = self.open_actions(now);
        let submitted = open.iter().any(|it| it.check == Check::Submitted);
        let compromised = open.iter().any(|it| it.reason == "account_compromise");
        if open.iter().any(|it| it.ban) {
            "banned"
        } else if submitted && !compromised {
            "pending"
        } else if open.is_empty() {
            "unrestricted"
        } else {
            "restricted"
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Intent {
    Create,
    Update,
}

/// The fields after the body, or that it is refused.
fn apply(
    before: &Fields,
    dialect: &str,
    body: &Value,
    intent: Intent,
    now: i64,
) -> Result<Fields, Refused> {
    let mut fields = before.clone();
    let accepted: &[&str] = match dialect {
        "2026-03-24" => &["relationship", "name", "metadata", "external_id"],
        "2026-08-18" => &[
            "access_type",
            "name",
            "metadata",
            "external_id",
            "external_user_onboarded_at",
        ],
        _ => &["access_type", "name", "metadata", "external_user_details"],
    };
    for (field, value) in body.as_object().unwrap() {
        if !accepted.contains(&field.as_str()) {
            return Err(Refused::Invalid);
        }
        match field.as_str() {
            "relationship" | "access_type" if value.is_null() => {
                if intent == Intent::Create {
                    return Err(Refused::Invalid);
                }
            }
            "relationship" => {
                fields.relationship = one_of(value, &["external", "resold", "internal"])?;
            }
            "access_type" => {
                let access = one_of(value, &["application", "passthrough"])?;
                if access == "passthrough" {
                    fields.relationship = "resold".into();
                } else if fields.relationship != "internal" {
                    fields.relationship = "external".into();
                }
            }
            "name" | "external_id" if value.is_null() => {}
            "name" => fields.name = Some(short_text(value)?),
            "external_id" => {
                fields
                    .details
                    .insert("reference_id".into(), short_text(value)?);
            }
            "external_user_onboarded_at" => {
                fields
                    .details
                    .insert("onboarded_at".into(), past_time(value, now)?);
            }
            "external_user_details" => {
                for (detail, value) in value.as_object().ok_or(Refused::Invalid)? {
                    if let Some(text) = read_detail(detail, value, intent, now)? {
                        fields.details.insert(detail.clone(), text);
                    }
                }
            }
            _ => merge(&mut fields.metadata, value, intent)?,
        }
    }
    Ok(fields)
}

fn read_detail(
    detail: &str,
    value: &Value,
    intent: Intent,
    now: i64,
) -> Result<Option<String>, Refused> {
    if detail == "onboarded_at" {
        return past_time(value, now).map(Some);
    }
    if !DETAILS.contains(&detail) || value.is_null() && intent == Intent::Update {
        return Err(Refused::Invalid);
    }
    if value.is_null() {
        return Ok(None);
    }
    let text = match detail {
        "account_status" => one_of(value, &["active", "suspended", "blocked"])?,
        "entity_type" => one_of(
            value,
            &["individual", "business", "non_profit", "government"],
        )?,
        "country" => {
            let text = short_text(value)?;
            if text.len() != 2 || !text.bytes().all(|byte| byte.is_ascii_uppercase()) {
                return Err(Refused::Invalid);
            }
            text
        }
        _ => short_text(value)?,
    };
    Ok(Some(text))
}

fn merge(
    metadata: &mut BTreeMap<String, String>,
    value: &Value,
    intent: Intent,
) -> Result<(), Refused> {
    let entries = value.as_object().ok_or(Refused::Invalid)?;
    if entries.len() > 16 {
        return Err(Refused::Invalid);
    }
    for (key, value) in entries {
        let text = value.as_str().ok_or(Refused::Invalid)?;
        let fits = (1..=64).contains(&key.chars().count()) && text.chars().count() <= 512;
        if !fits || key.contains('\0') || text.contains('\0') {
            return Err(Refused::Invalid);
        }
        match (text, intent) {
            ("", Intent::Create) => return Err(Refused::Invalid),
            ("", Intent::Update) => drop(metadata.remove(key)),
            _ => drop(metadata.insert(key.clone(), text.to_owned())),
        }
    }
    if metadata.len() > 16 {
        Err(Refused::Invalid)
    } else {
        Ok(())
    }
}

fn one_of(value: &Value, allowed: &[&str]) -> Result<String, Refused> {
    let text = value.as_str().filter(|text| allowed.contains(text));
    text.map(ToOwned::to_owned).ok_or(Refused::Invalid)
}

fn short_text(value: &Value) -> Result<String, Refused> {
    let text = value.as_str().ok_or(Refused::Invalid)?;
    if (1..=255).contains(&text.chars().count()) && !text.contains('\0') {
        Ok(text.to_owned())
    } else {
        Err(Refused::Invalid)
    }
}

/// What [`crate::steps`] sends as a time is either of the form below or one of its few bad ones, so a
/// parser that knows offsets and accepts too much is enough.
fn past_time(value: &Value, now: i64) -> Result<String, Refused> {
    let text = value.as_str().ok_or(Refused::Invalid)?;
    if text.contains(' ') || !text.contains(['T', 't']) || text.contains(":60") {
        return Err(Refused::Invalid);
    }
    let parsed: Timestamp = text.parse().map_err(|_| Refused::Invalid)?;
    if parsed.as_microsecond() > now + 60_000_000 {
        return Err(Refused::Invalid);
    }
    Ok(time(parsed.as_microsecond()))
}

/// Microseconds as the contract writes them.
pub(crate) fn time(micros: i64) -> String {
    let at = Timestamp::from_microsecond(micros).unwrap();
    if micros % 1_000_000 == 0 {
        at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    } else {
        at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
    }
}

/// The profile as a dialect tells it; `whole` in the answer to a get.
fn show(id: &str, profile: &Profile, dialect: &str, whole: bool, now: i64) -> Value {
    let Fields {
        relationship,
        name,
        metadata,
        details,
    } = &profile.fields;
    let access = if relationship == "resold" {
        "passthrough"
    } else {
        "application"
    };
    let created_at = time(profile.created_at);
    let updated_at = time(profile.updated_at);
    let grants = trust_grants(profile);
    let reference = details.get("reference_id");
    let all: Map<_, _> = DETAILS
        .iter()
        .map(|it| ((*it).to_owned(), json!(details.get(*it))))
        .collect();
    match dialect {
        "2026-03-24" => json!({
            "id": id, "created_at": created_at, "metadata": metadata, "relationship": relationship,
            "trust_grants": grants, "type": "user_profile", "updated_at": updated_at,
            "external_id": reference, "name": name,
        }),
        "2026-08-18" => json!({
            "id": id, "created_at": created_at, "metadata": metadata, "name": name,
            "trust_grants": grants, "type": "user_profile", "updated_at": updated_at,
            "access_type": access, "external_id": reference,
            "external_user_onboarded_at": details.get("onboarded_at"),
        }),
        "2026-09-04" => json!({
            "id": id, "created_at": created_at, "metadata": metadata, "name": name,
            "trust_grants": grants, "type": "user_profile", "updated_at": updated_at,
            "access_type": access, "external_user_details": all,
        }),
        _ => json!({
            "id": id, "access_type": access, "created_at": created_at,
            "enforcement_actions": actions(profile, now), "enforcement_status": profile.status(now),
            "external_user_details": all, "metadata": metadata, "name": name,
            "programs": programs(profile, whole), "type": "user_profile", "updated_at": updated_at,
        }),
    }
}

fn actions(profile: &Profile, now: i64) -> Vec<Value> {
    let open = profile.open_actions(now).into_iter();
    open.map(|it| {
        json!({
            "id": it.id,
            "action": (it.check == Check::Offered).then_some("verify"),
            "expires_at": it.expires_at.map(time),
            "opened_at": time(it.opened_at),
            "reason": it.reason,
            "type": if it.ban { "ban" } else { "restriction" },
        })
    })
    .collect()
}

fn trust_grants(profile: &Profile) -> Value {
    let mut grants = Map::new();
    for name in std::iter::once("cyber").chain(own_programs(profile)) {
        if let Some(standing) = profile.programs.get(name) {
            grants.insert(name.into(), json!({"status": standing["status"]}));
        }
    }
    grants.into()
}

fn programs(profile: &Profile, whole: bool) -> Value {
    let mut shown = Map::new();
    let cyber = profile.programs.get("cyber").map(|it| {
        if !whole {
            return json!({"requirements": null, "status": it["status"], "tiers": {}});
        }
        let tiers = ["a", "b", "c"].map(|tier| (tier, switch(&it["tiers"][tier])));
        let any = tiers.iter().any(|(_, shown)| shown["status"] == "active");
        let required = |name: &str| it["requirements"][name] == true;
        let requirements = any.then(|| {
            json!({"data_retention": required("data_retention"), "human_review": required("human_review")})
        });
        let tiers: Map<_, _> = tiers.map(|(tier, shown)| (tier.to_owned(), shown)).into_iter().collect();
        json!({"requirements": requirements, "status": it["status"], "tiers": tiers})
    });
    shown.insert("cyber".into(), json!(cyber));
    let efs = profile.programs.get("efs").filter(|_| whole).map(|it| {
        let features = ["data_retention_exemption", "cmek", "storage"];
        let features: Map<_, _> = features
            .map(|feature| (feature.to_owned(), switch(&it["features"][feature])))
            .into_iter()
            .collect();
        json!({"features": features, "status": it["status"]})
    });
    shown.insert("efs".into(), json!(efs));
    for name in own_programs(profile) {
        shown.insert(
            name.into(),
            json!({"status": profile.programs[name]["status"]}),
        );
    }
    shown.into()
}

fn own_programs(profile: &Profile) -> impl Iterator<Item = &str> {
    let names = profile.programs.keys().map(String::as_str);
    names.filter(|name| !["cyber", "efs"].contains(name))
}

fn switch(stored: &Value) -> Value {
    json!({"status": if stored == "active" { "active" } else { "inactive" }})
}
