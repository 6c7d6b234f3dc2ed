//! The contract's golden bodies, which the wire crate keeps.

/// The example `name`, as compact JSON with its members in their order.
pub(crate) fn example(name: &str) -> String {
    let directory = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../wire/tests/fixtures/contract"
    );
    let path = format!("{directory}/{name}.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    value.to_string()
}

pub(crate) const DIALECTS: [&str; 4] = ["2026-03-24", "2026-08-18", "2026-09-04", "ga"];
pub(crate) const LEGACY: [&str; 3] = ["2026-03-24", "2026-08-18", "2026-09-04"];
