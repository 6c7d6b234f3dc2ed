//! `GET /openapi/{document}`: what the server says about itself to programs.
//!
//! The documents are [`rollcall_wire::openapi`]'s, the same for every caller, so no credential is asked
//! for. Copies are kept in `docs/openapi`, so that a change of the API shows in review; a test holds
//! them to the code and rewrites them when `ROLLCALL_UPDATE_OPENAPI` is set.

use std::sync::LazyLock;

use bytes::Bytes;
use http::HeaderValue;
use http::header::CACHE_CONTROL;
use rollcall_wire::error::ApiError;
use rollcall_wire::openapi;

use super::answer::json;
use super::error::Outcome;
use super::exchange::Exchange;

/// The texts of all documents, by name.
static TEXTS: LazyLock<Vec<(&str, Bytes)>> = LazyLock::new(|| {
    openapi::names()
        .filter_map(|name| Some((name, Bytes::from(openapi::text(name)?))))
        .collect()
});

/// `GET /openapi/{document}`, where the document is a name and `.json`.
pub(crate) async fn show(exchange: &Exchange<'_>) -> Outcome {
    let name = exchange.params.get("document").strip_suffix(".json");
    let text = TEXTS.iter().find(|(known, _)| Some(*known) == name);
    let (_, text) = text.ok_or_else(ApiError::path_not_found)?;
    let mut answer = json(text.clone());
    // It changes with the binary alone, and says nothing about anyone.
    let public = HeaderValue::from_static("no-cache");
    answer.headers_mut().insert(CACHE_CONTROL, public);
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use rollcall_wire::dialects;
    use serde_json::Value;

    use super::*;
    use crate::http::router::Audience;
    use crate::http::routes::table;

    fn document(name: &str) -> Value {
        serde_json::from_str(&openapi::text(name).unwrap()).unwrap()
    }

    /// The operations of a document, as `METHOD path`.
    fn operations(name: &str) -> BTreeSet<String> {
        let document = document(name);
        let paths = document["paths"].as_object().unwrap().clone();
        let operations = paths.into_iter().flat_map(|(path, item)| {
            let methods: Vec<_> = item.as_object().unwrap().keys().cloned().collect();
            let line = move |method: String| format!("{} {path}", method.to_uppercase());
            methods.into_iter().map(line)
        });
        operations.collect()
    }

    fn routes(audiences: &[Audience]) -> BTreeSet<String> {
        table()
            .filter(|route| audiences.contains(&route.audience))
            .map(|route| {
                // A document has no word for any method.
                let method = route.method.replace("ANY", "GET");
                format!("{method} {}", route.template)
            })
            .collect()
    }

    /// The routes that a beta opens.
    fn gated(audience: Audience) -> BTreeSet<String> {
        table()
            .filter(|route| route.audience == audience && route.gate.is_some())
            .map(|route| format!("{} {}", route.method, route.template))
            .collect()
    }

    #[test]
    fn every_route_has_its_operation_and_every_operation_its_route() {
        let operator = [Audience::Operator, Audience::Development];
        assert_eq!(operations(openapi::OPERATOR), routes(&operator));
        let administrator = [Audience::Administrator];
        assert_eq!(operations(openapi::WEBHOOKS), routes(&administrator));
        let gateway = [Audience::Gateway, Audience::Inference];
        assert_eq!(operations(openapi::GATEWAY), routes(&gateway));
        let platform = routes(&[Audience::Platform]);
        let gated = gated(Audience::Platform);
        assert_eq!(operations(openapi::DATA_CONTROLS), gated);
        let in_dialects: BTreeSet<_> = platform.difference(&gated).cloned().collect();
        let mut everything = BTreeSet::new();
        let others = [
            openapi::OPERATOR,
            openapi::WEBHOOKS,
            openapi::DATA_CONTROLS,
            openapi::GATEWAY,
        ];
        for name in openapi::names().filter(|name| !others.contains(name)) {
            let mut expected = in_dialects.clone();
            let dialect = dialects::by_short_name(name).unwrap();
            if !dialect.has_enrollment_url() {
                let legacy = "POST /v1/user_profiles/{user_profile_id}/enrollment_url";
                assert!(expected.remove(legacy));
            }
            assert_eq!(operations(name), expected, "{name}");
            everything.append(&mut expected);
        }
        assert_eq!(everything, in_dialects);
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_operation_has_a_name_of_its_own() {
        for name in openapi::names() {
            let document = document(name);
            assert_eq!(document["openapi"], "3.1.0");
            let text = document.to_string();
            for reference in text.split("\"$ref\":\"#").skip(1) {
                let pointer = reference.split('"').next().unwrap();
                assert!(document.pointer(pointer).is_some(), "{name}: {pointer}");
            }
            let ids = text.split("\"summary\":").count() - 1;
            assert_eq!(ids, operations(name).len(), "{name}: one summary each");
            let ids: BTreeSet<_> = document["paths"]
                .as_object()
                .unwrap()
                .values()
                .flat_map(|item| item.as_object().unwrap().values())
                .map(|operation| operation["operationId"].as_str().unwrap().to_owned())
                .collect();
            assert_eq!(ids.len(), operations(name).len(), "{name}");
        }
    }

    #[test]
    fn the_committed_documents_are_what_is_served() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi");
        let update = std::env::var_os("ROLLCALL_UPDATE_OPENAPI").is_some();
        for (name, text) in TEXTS.iter() {
            let file = directory.join(format!("{name}.json"));
            if update {
                std::fs::create_dir_all(&directory).unwrap();
                std::fs::write(&file, text).unwrap();
            }
            let committed = std::fs::read(&file).unwrap_or_default();
            assert!(
                committed == *text,
                "docs/openapi/{name}.json is out of date; run this test with \
                 ROLLCALL_UPDATE_OPENAPI=1 and look at the difference"
            );
        }
        let committed = std::fs::read_dir(&directory).unwrap().count();
        assert_eq!(
            committed,
            TEXTS.len(),
            "docs/openapi holds a document too many"
        );
    }
}
