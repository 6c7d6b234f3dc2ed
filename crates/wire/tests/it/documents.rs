//! The examples of the documents are the contract's, and no operation is without.

use rollcall_wire::openapi;
use serde_json::Value;

use crate::example::{compact, dialects_with_examples};

fn document(name: &str) -> Value {
    serde_json::from_str(&openapi::text(name).unwrap()).unwrap()
}

fn operations(document: &Value) -> impl Iterator<Item = &Value> {
    let paths = document["paths"].as_object().unwrap();
    paths
        .values()
        .flat_map(|item| item.as_object().unwrap().values())
}

/// What the operation is sent and answers, in JSON.
fn examples(document: &Value, id: &str) -> [Value; 2] {
    let mut all = operations(document);
    let operation = all.find(|one| one["operationId"] == id).unwrap();
    [&operation["requestBody"], &operation["responses"]["200"]]
        .map(|holder| holder["content"]["application/json"]["example"].clone())
}

fn golden(name: &str) -> Value {
    serde_json::from_str(&compact(name)).unwrap()
}

#[test]
fn every_operation_shows_what_it_takes_and_what_it_answers() {
    for name in openapi::names() {
        let document = document(name);
        for operation in operations(&document) {
            let id = &operation["operationId"];
            for holder in [&operation["requestBody"], &operation["responses"]["200"]] {
                let contents = holder["content"].as_object().into_iter().flatten();
                for (kind, content) in contents {
                    // Records are shown in one of the two forms that they come in.
                    let shown = content.get("example").is_some() || kind == "text/csv";
                    assert!(shown, "{name}: {id} has no example of {kind}");
                }
            }
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            for parameter in parameters.filter(|one| one["in"] == "path") {
                let example = parameter["example"].as_str().unwrap_or_default();
                assert!(!example.is_empty(), "{name}: {id}: {}", parameter["name"]);
            }
        }
    }
}

#[test]
fn the_examples_are_those_of_the_contract() {
    for dialect in dialects_with_examples() {
        let document = document(dialect);
        let of = |id| examples(&document, id);
        for (id, sent, answered) in [
            ("list_user_profiles", None, format!("list.{dialect}")),
            (
                "create_user_profile",
                Some(format!("create.request.{dialect}")),
                format!("create.{dialect}"),
            ),
            ("get_user_profile", None, format!("retrieve.{dialect}")),
            (
                "update_user_profile",
                Some(format!("update.request.{dialect}")),
                format!("update.{dialect}"),
            ),
            ("delete_user_profile", None, "delete".to_owned()),
            (
                "create_action_url",
                Some("action_url.request".to_owned()),
                "action_url".to_owned(),
            ),
        ] {
            let sent = sent.map_or(Value::Null, |name| golden(&name));
            assert_eq!(of(id), [sent, golden(&answered)], "{dialect}: {id}");
        }
    }
    let webhooks = document(openapi::WEBHOOKS);
    for (id, sent, answered) in [
        ("list_webhook_endpoints", None, "list"),
        ("create_webhook_endpoint", Some("create.request"), "create"),
        ("get_webhook_endpoint", None, "retrieve"),
        ("update_webhook_endpoint", Some("update.request"), "update"),
        ("delete_webhook_endpoint", None, "delete"),
    ] {
        let file = |name: &str| golden(&format!("webhook-endpoint.{name}"));
        let expected = [sent.map_or(Value::Null, file), file(answered)];
        assert_eq!(examples(&webhooks, id), expected, "{id}");
    }
    let [_, regenerated] = examples(&webhooks, "regenerate_signing_secret");
    let expected = golden("webhook-endpoint.regenerate_signing_secret");
    assert_eq!(regenerated, expected);
}
