//! What a sequence is made of. Most of it is valid; what is not is wrong in a way the contract names.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

#[derive(Clone, Debug)]
pub(crate) struct Sequence {
    /// Which reads come first.
    pub(crate) turn: usize,
    pub(crate) steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Create {
        dialect: &'static str,
        body: Value,
    },
    Update {
        dialect: &'static str,
        which: usize,
        body: Value,
    },
    Delete {
        dialect: &'static str,
        which: usize,
    },
    SetProgram {
        which: usize,
        name: &'static str,
        standing: Value,
    },
    DeleteProgram {
        which: usize,
        name: &'static str,
    },
    Open {
        which: usize,
        action: Value,
        expires_in: Option<i64>,
    },
    Resolve {
        which: usize,
    },
    Check {
        which: usize,
        state: &'static str,
    },
    Advance {
        micros: i64,
    },
}

pub(crate) fn sequence() -> impl Strategy<Value = Sequence> {
    let first = prop::collection::vec(create(), 1..4);
    let rest = prop::collection::vec(step(), 1..12);
    (0..24_usize, first, rest).prop_map(|(turn, mut steps, rest)| {
        steps.extend(rest);
        Sequence { turn, steps }
    })
}

fn step() -> impl Strategy<Value = Step> {
    let which = 0..8_usize;
    let update = (dialect(), which.clone()).prop_flat_map(|(dialect, which)| {
        body(dialect).prop_map(move |body| Step::Update {
            dialect,
            which,
            body,
        })
    });
    let delete =
        (dialect(), which.clone()).prop_map(|(dialect, which)| Step::Delete { dialect, which });
    let set = (which.clone(), program()).prop_map(|(which, (name, standing))| Step::SetProgram {
        which,
        name,
        standing,
    });
    let names = select(vec!["cyber", "efs", "lab"]);
    let unset =
        (which.clone(), names).prop_map(|(which, name)| Step::DeleteProgram { which, name });
    let open = (which.clone(), action(), prop::option::of(wait())).prop_map(
        |(which, action, expires_in)| Step::Open {
            which,
            action,
            expires_in,
        },
    );
    let states = select(vec!["submitted", "submitted", "failed", "passed"]);
    prop_oneof![
        3 => create(),
        6 => update,
        1 => delete,
        2 => set,
        1 => unset,
        3 => open,
        1 => which.clone().prop_map(|which| Step::Resolve { which }),
        2 => (which, states).prop_map(|(which, state)| Step::Check { which, state }),
        3 => (0..4_000_000_i64).prop_map(|micros| Step::Advance { micros }),
        1 => (0..4_i64).prop_map(|seconds| Step::Advance { micros: seconds * 1_000_000 }),
    ]
}

fn dialect() -> impl Strategy<Value = &'static str> {
    select(crate::DIALECTS.to_vec())
}

fn create() -> impl Strategy<Value = Step> {
    dialect()
        .prop_flat_map(|dialect| body(dialect).prop_map(move |body| Step::Create { dialect, body }))
}

/// How long until an action expires; too short for the future now and then.
fn wait() -> impl Strategy<Value = i64> {
    prop_oneof![9 => 1..6_000_000_i64, 1 => select(vec![0, -1])]
}

fn body(dialect: &'static str) -> impl Strategy<Value = Value> {
    let own: Vec<(&'static str, BoxedStrategy<Value>)> = match dialect {
        "2026-03-24" => vec![
            ("relationship", relationship()),
            ("external_id", short_text()),
        ],
        "2026-08-18" => vec![
            ("access_type", access_type()),
            ("external_id", short_text()),
            ("external_user_onboarded_at", past_time()),
        ],
        _ => vec![
            ("access_type", access_type()),
            ("external_user_details", details()),
        ],
    };
    let mut fields = vec![("name", short_text()), ("metadata", metadata())];
    fields.extend(own);
    let foreign = vec![
        ("relationship", relationship()),
        ("access_type", access_type()),
        ("external_id", short_text()),
        ("external_user_onboarded_at", past_time()),
        ("external_user_details", details()),
        ("created_at", past_time()),
        ("nickname", short_text()),
    ];
    (
        object(fields, 0.4),
        prop::option::weighted(0.03, one_field(foreign)),
    )
        .prop_map(|(mut fields, foreign)| {
            fields.extend(foreign);
            fields.into()
        })
}

fn object(
    fields: Vec<(&'static str, BoxedStrategy<Value>)>,
    share: f64,
) -> impl Strategy<Value = Map<String, Value>> {
    let fields: Vec<_> = fields
        .into_iter()
        .map(|(name, value)| (Just(name), prop::option::weighted(share, value)))
        .collect();
    fields.prop_map(|fields| {
        let there = fields.into_iter();
        there
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect()
    })
}

fn one_field(
    fields: Vec<(&'static str, BoxedStrategy<Value>)>,
) -> impl Strategy<Value = (String, Value)> {
    select((0..fields.len()).collect::<Vec<_>>()).prop_flat_map(move |at| {
        let (name, value) = fields[at].clone();
        value.prop_map(move |value| (name.to_owned(), value))
    })
}

fn any_of(values: Vec<Value>) -> BoxedStrategy<Value> {
    select(values).boxed()
}

/// Mostly `good`, else null or one of the `bad`.
fn mostly(good: BoxedStrategy<Value>, bad: Vec<Value>) -> BoxedStrategy<Value> {
    prop_oneof![20 => good, 1 => Just(Value::Null), 1 => any_of(bad)].boxed()
}

fn relationship() -> BoxedStrategy<Value> {
    let good = vec![json!("external"), json!("resold"), json!("internal")];
    mostly(any_of(good), vec![json!("application"), json!(1)])
}

fn access_type() -> BoxedStrategy<Value> {
    let good = vec![json!("application"), json!("passthrough")];
    mostly(any_of(good), vec![json!("internal"), json!("")])
}

fn short_text() -> BoxedStrategy<Value> {
    let few = [
        "Ana",
        "ana",
        "ANA",
        "Zoë",
        "zoe",
        "b",
        "_",
        "ß",
        "\u{1f600}",
        " ",
        "\"\\/\u{7f}\u{1}",
    ];
    let few = few.iter().map(|text| json!(text)).collect();
    let long = vec![json!("\u{1f600}".repeat(255)), json!("x".repeat(255))];
    let any = "[a-cA-C]{1,3}|\\PC{1,8}".prop_map(Value::from);
    let bad = vec![
        json!(""),
        json!("x".repeat(256)),
        json!("a\0b"),
        json!(7),
        json!(["a"]),
    ];
    mostly(
        prop_oneof![8 => any_of(few), 1 => any_of(long), 3 => any].boxed(),
        bad,
    )
}

/// Around the moment every sequence begins at, in every way of writing it.
fn past_time() -> BoxedStrategy<Value> {
    let good = [
        "2025-01-20T12:45:00+01:00",
        "2025-01-20T11:45:00Z",
        "2025-01-20t11:45:00.000z",
        "2025-01-20T11:45:00.1234567Z",
        "2025-01-20T11:45:00.25-08:30",
        "0001-01-01T00:00:00Z",
        "2026-06-01T00:01:00Z",
        "1969-12-31T23:59:59.999999Z",
    ];
    let bad = [
        "2026-06-02T00:00:00Z",
        "2025-01-20",
        "2025-01-20T11:45:00",
        "2025-01-20 11:45:00Z",
        "2025-01-20T11:45:60Z",
        "2025-02-30T11:45:00Z",
        "",
    ];
    let value = |text: &&str| json!(text);
    mostly(
        any_of(good.iter().map(value).collect()),
        bad.iter().map(value).collect(),
    )
}

fn details() -> BoxedStrategy<Value> {
    let status = any_of(vec![json!("active"), json!("suspended"), json!("blocked")]);
    let country = any_of(vec![json!("DE"), json!("ZZ"), json!("PT")]);
    let bad_countries = vec![json!("de"), json!("USA"), json!("ÅX"), json!("")];
    let entities = ["individual", "business", "non_profit", "government"];
    let entity = any_of(entities.iter().map(|it| json!(it)).collect());
    let fields = vec![
        ("account_status", mostly(status, vec![json!("Active")])),
        ("country", mostly(country, bad_countries)),
        ("email_hash", short_text()),
        ("entity_type", mostly(entity, vec![json!("person")])),
        ("name_hash", short_text()),
        ("onboarded_at", past_time()),
        ("reference_id", short_text()),
    ];
    let unknown = prop::option::weighted(0.02, Just(("nickname".to_owned(), json!("x"))));
    let good = (object(fields, 0.2), unknown).prop_map(|(mut fields, unknown)| {
        fields.extend(unknown);
        Value::from(fields)
    });
    mostly(good.boxed(), vec![json!("x"), json!([])])
}

/// Few keys, so that updates meet; now and then enough of them to pass the limit.
fn metadata() -> BoxedStrategy<Value> {
    let key = (0..20_u8).prop_map(|key| format!("k{key}"));
    let value = prop_oneof![
        10 => "[a-z]{1,4}".prop_map(Value::from),
        3 => Just(json!("")),
    ];
    let bad_value = select(vec![
        json!(null),
        json!(1),
        json!("x".repeat(513)),
        json!("\0"),
    ]);
    let few = prop::collection::btree_map(key.clone(), value.clone(), 0..4);
    let many = prop::collection::btree_map(key.clone(), value, 12..18);
    let odd_key = select(vec![
        String::new(),
        "x".repeat(64),
        "x".repeat(65),
        "ключ".to_owned(),
        "\"".to_owned(),
    ]);
    let one = |(key, value): (String, Value)| Value::from(Map::from_iter([(key, value)]));
    let good = prop_oneof![
        12 => few.prop_map(|entries| Value::from(Map::from_iter(entries))),
        4 => many.prop_map(|entries| Value::from(Map::from_iter(entries))),
        1 => (odd_key, Just(json!("v"))).prop_map(one),
        1 => (key, bad_value).prop_map(one),
    ];
    mostly(good.boxed(), vec![json!("x"), json!([])])
}

fn program() -> impl Strategy<Value = (&'static str, Value)> {
    let status = || select(vec!["active", "pending", "rejected"]);
    let switch = || select(vec!["active", "inactive"]);
    let bare = (select(vec!["cyber", "efs", "lab", "a-first"]), status())
        .prop_map(|(name, status)| (name, json!({"status": status})));
    let tiers =
        (switch(), switch(), any::<bool>(), any::<bool>()).prop_map(|(a, b, data, human)| {
            // Requirements belong to an active tier, so one always is.
            let tiers = json!({"a": a, "b": b, "c": "active"});
            let requirements = json!({"data_retention": data, "human_review": human});
            let standing =
                json!({"status": "active", "tiers": tiers, "requirements": requirements});
            ("cyber", standing)
        });
    let features =
        (status(), switch(), switch(), switch()).prop_map(|(status, one, two, three)| {
            let features = json!({"data_retention_exemption": one, "cmek": two, "storage": three});
            ("efs", json!({"status": status, "features": features}))
        });
    prop_oneof![2 => bare, 1 => tiers, 1 => features]
}

fn action() -> impl Strategy<Value = Value> {
    let reasons = vec![
        "fraud_or_abuse",
        "high_harm",
        "account_compromise",
        "unspecified",
    ];
    let restriction = (select(reasons.clone()), any::<bool>()).prop_map(|(reason, verify)| {
        let next = verify.then_some("verify");
        json!({"type": "restriction", "reason": reason, "action": next})
    });
    let ban = select(reasons).prop_map(|reason| json!({"type": "ban", "reason": reason}));
    prop_oneof![4 => restriction, 1 => ban]
}
