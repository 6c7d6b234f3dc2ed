//! The contract's golden bodies, which the wire crate keeps, and the dialects.

use std::path::{Path, PathBuf};

use rollcall_wire::dialects;

/// The example `name`, as compact JSON with its members in their order.
pub(crate) fn example(name: &str) -> String {
    let text =
        std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    value.to_string()
}

fn path(name: &str) -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR"));
    crates.join(format!("../wire/tests/fixtures/contract/{name}.json"))
}

/// Every dialect, oldest first.
pub(crate) fn every_dialect() -> impl Iterator<Item = &'static str> {
    dialects::names().rev()
}

/// Those that are older than what a request gets that names none.
pub(crate) fn legacy_dialects() -> impl Iterator<Item = &'static str> {
    every_dialect().take_while(|name| *name != dialects::DEFAULT.short_name())
}

/// Those of which the contract has examples.
pub(crate) fn dialects_with_examples() -> impl Iterator<Item = &'static str> {
    every_dialect().filter(|name| path(&format!("create.{name}")).exists())
}
